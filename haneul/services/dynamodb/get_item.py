"""GetItem."""

from __future__ import annotations

from typing import Final

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import conditions
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.expressions.request import BOUND, check_parameters
from haneul.services.dynamodb.items import check_nested_paths, checked_key, read_capacity, read_projection, row_of_key, row_of_request, shown
from haneul.services.dynamodb.replication.strong import check_read
from haneul.services.dynamodb.rows import row_size
from haneul.services.dynamodb.service import DynamoDb

_SHAPING: Final = frozenset((BOUND, "ProjectionExpression", "ExpressionAttributeNames", "AttributesToGet"))


@operation("dynamodb:GetItem", resource=table_arn, conditions=conditions)
async def get_item(call: Call, request: Shape) -> Shape:
    """One item by its key, whole or in parts; no `Item` when there is none. Every read is consistent. (API Reference: "GetItem".)"""
    service = call.service(DynamoDb)
    project = None
    if _SHAPING.isdisjoint(request):
        table, row = row_of_request(service, call, request)
    else:
        check_parameters(request, ("ProjectionExpression",), ("AttributesToGet",))
        key = checked_key(request)
        project, bound = read_projection(service, request)
        table = service.table(call, request["TableName"])
        row = row_of_key(table, key)
        check_nested_paths(table, bound.projection_nested)
    if table.journal is not None:
        check_read(service, table, request)
    found = call.cloud.store.get(row)
    answer: Shape = {}
    if found is not None:
        answer["Item"] = shown(call, found, project)
    capacity = read_capacity(service, table, request, row_size(found) if found is not None else 0, row, call.operation.name)
    if capacity is not None:
        answer["ConsumedCapacity"] = capacity
    return answer
