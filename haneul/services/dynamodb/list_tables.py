"""ListTables."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.tables import TABLE_SPACE, table_key
from haneul.store.keys import pack, prefix_range, unpack

PAGE_MAX = 100


@operation("dynamodb:ListTables", resource=lambda call, request: call.arn("table/*"))
async def list_tables(call: Call, request: Shape) -> Shape:
    """Names of tables in order, at most 100 at once. (API Reference: "ListTables".)"""
    limit = request.get("Limit", PAGE_MAX)
    start, end = prefix_range(pack((TABLE_SPACE, call.account, call.region)))
    first = request.get("ExclusiveStartTableName")
    if first is not None:
        start = table_key(call.account, call.region, first) + b"\x00"
    rows = call.cloud.store.range(start, end, limit + 1)
    names = [str(unpack(key)[-1]) for key, _ in rows[:limit]]
    answer: Shape = {"TableNames": names}
    if len(rows) > limit:
        answer["LastEvaluatedTableName"] = names[-1]
    return answer
