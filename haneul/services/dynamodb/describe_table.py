"""DescribeTable."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.describe import describe_table as describe
from haneul.services.dynamodb.errors import table_not_found
from haneul.services.dynamodb.service import DynamoDb


@operation("dynamodb:DescribeTable", resource=table_arn)
async def describe_table(call: Call, request: Shape) -> Shape:
    """A table's state, schema, indexes, capacity, stream, and its exact count and size. (API Reference: "DescribeTable".)"""
    service = call.service(DynamoDb)
    account, region, name = service.place(call, request["TableName"])
    table = service.stored_table(account, region, name)
    if table is None:
        raise table_not_found(name)
    return {"Table": describe(call.cloud.store, table.record, call.now)}
