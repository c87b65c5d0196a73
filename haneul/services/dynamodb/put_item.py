"""PutItem."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import conditions
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.request import bind
from haneul.services.dynamodb.items import (
    charge_refused,
    check_new_item,
    check_size,
    check_write_parameters,
    collection_metrics,
    dump,
    hold,
    shown,
    write_capacity,
    write_condition,
    write_units_of,
)
from haneul.services.dynamodb.rows import encode_row, row_item
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.values import check_item
from haneul.store.port import Transaction


@operation("dynamodb:PutItem", resource=table_arn, conditions=conditions)
async def put_item(call: Call, request: Shape) -> Shape:
    """Write one item, replacing the one with the same key, if the condition holds for that one.

    Raises ConditionalCheckFailedException when it does not. (API Reference: "PutItem".)
    """
    service = call.service(DynamoDb)
    conditional = check_write_parameters(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    item = request["Item"]
    size = check_item(item)
    wanted = request.get("ReturnValues", "NONE")
    if wanted not in ("NONE", "ALL_OLD"):
        raise validation("ReturnValues can only be ALL_OLD or NONE")
    check_size(size)
    condition = write_condition(request, bind(service.parsers, request)) if conditional else None
    table = service.table(call, request["TableName"])
    check_new_item(table, item)
    row = table.prefix + table.key.suffix(item)
    new_row = encode_row(size, dump(item))
    parse_old = condition is not None or not table.plain

    def work(tx: Transaction) -> tuple[bytes | None, dict[str, int] | None]:
        service.ongoing.refuse(table, row)
        old_row = tx.get(row)
        old = row_item(old_row) if parse_old and old_row is not None else None
        if condition is not None:
            hold(condition, old, request, lambda: charge_refused(service, table, row, old_row))
        return old_row, service.put_row(tx, table, row, old_row, old, new_row, item)

    old_row, by_index = await service.write(work, table, operation=call.operation.name)
    answer: Shape = {}
    if wanted == "ALL_OLD" and old_row is not None:
        answer["Attributes"] = shown(call, old_row, None)
    capacity = write_capacity(request["TableName"], table, request.get("ReturnConsumedCapacity"), write_units_of(old_row, new_row), by_index)
    if capacity is not None:
        answer["ConsumedCapacity"] = capacity
    metrics = collection_metrics(call.cloud.store, table, request, item)
    if metrics is not None:
        answer["ItemCollectionMetrics"] = metrics
    return answer
