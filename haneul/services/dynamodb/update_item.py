"""UpdateItem."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import conditions
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.expressions.request import bind
from haneul.services.dynamodb.items import (
    charge_refused,
    check_write_parameters,
    checked_key,
    collection_metrics,
    hold,
    row_of_key,
    write_capacity,
    write_condition,
    write_units_of,
)
from haneul.services.dynamodb.rows import row_item
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.updating import Updated, check_update, requested_update, returned, update_row
from haneul.store.port import Transaction


@operation("dynamodb:UpdateItem", resource=table_arn, conditions=conditions)
async def update_item(call: Call, request: Shape) -> Shape:
    """Change attributes of one item, or make it, if the condition holds.

    Raises ConditionalCheckFailedException when it does not, ValidationException when the update does not fit the item. (API Reference: "UpdateItem".)
    """
    service = call.service(DynamoDb)
    check_write_parameters(request, ("UpdateExpression", "ConditionExpression"), ("AttributeUpdates", "Expected", "ConditionalOperator"))
    key = checked_key(request)
    bound = bind(service.parsers, request)
    update = requested_update(request, bound)
    condition = write_condition(request, bound)
    table = service.table(call, request["TableName"])
    row = row_of_key(table, key)
    check_update(table, update)

    def work(tx: Transaction) -> Updated:
        service.ongoing.refuse(table, row)
        old_row = tx.get(row)
        if condition is not None:
            hold(condition, row_item(old_row) if old_row is not None else None, request, lambda: charge_refused(service, table, row, old_row))
        return update_row(service, tx, table, row, key, update, old_row)

    done = await service.write(work, table, operation=call.operation.name)
    answer: Shape = {}
    attributes = returned(request.get("ReturnValues", "NONE"), update, done)
    if attributes is not None:
        answer["Attributes"] = attributes
    capacity = write_capacity(request["TableName"], table, request.get("ReturnConsumedCapacity"), write_units_of(done.old_row, done.new_row), done.by_index)
    if capacity is not None:
        answer["ConsumedCapacity"] = capacity
    metrics = collection_metrics(call.cloud.store, table, request, key)
    if metrics is not None:
        answer["ItemCollectionMetrics"] = metrics
    return answer
