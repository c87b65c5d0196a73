"""TransactGetItems."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import action_conditions
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.cancellation import NO_REASON, cancel_across_accounts, cancel_for, reason_or_raise
from haneul.services.dynamodb.capacity import consumed, read_half_units
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.request import check_parameters
from haneul.services.dynamodb.items import check_nested_paths, checked_key, read_projection, row_of_key, shown
from haneul.services.dynamodb.replication.strong import refuse_transaction
from haneul.services.dynamodb.rows import row_size
from haneul.services.dynamodb.service import DynamoDb

ANSWER_BYTES_MAX = 4 * 1024 * 1024


@operation("dynamodb:TransactGetItems", authorized_inside=True)
async def transact_get_items(call: Call, request: Shape) -> Shape:
    """Up to 100 items by their keys, all as of one moment. (API Reference: "TransactGetItems".)"""
    service = call.service(DynamoDb)
    gets = [item["Get"] for item in request["TransactItems"]]
    for get in gets:
        call.authorize("dynamodb:GetItem", table_arn(call, get), action_conditions(call, request, get))
    return await transact_get(call, service, request, gets)


async def transact_get(call: Call, service: DynamoDb, request: Shape, gets: list[Shape]) -> Shape:
    """The items of the gets, all as of one moment."""
    projects = []
    for get in gets:
        check_parameters(get, ("ProjectionExpression",), ())
        checked_key(get)
        projects.append(read_projection(service, get))
    tables = [service.table(call, get["TableName"]) for get in gets]
    cancel_across_accounts([table.account for table in tables])
    for table in tables:
        refuse_transaction(table)
    rows: list[bytes] = []
    reasons: list[Shape] = []
    for get, table, (_, bound) in zip(gets, tables, projects):
        place, reason = b"", NO_REASON
        try:
            place = row_of_key(table, get["Key"])
            check_nested_paths(table, bound.projection_nested)
        except ServiceError as error:
            reason = reason_or_raise(error)
        rows.append(place)
        reasons.append(reason)
    placed = [place for place in rows if place]
    if len(set(placed)) != len(placed):
        raise validation("Transaction request cannot include multiple operations on one item")
    cancel_for(reasons)
    for at, (table, place) in enumerate(zip(tables, rows)):
        try:
            service.capacity.let_in(table, place, writes=False)
            service.ongoing.refuse(table, place)
            if call.cloud.store.under_way(place):
                raise service.ongoing.conflict(table)
        except ServiceError as error:
            reasons[at] = reason_or_raise(error)
    service.capacity.count_cancelled(tables, reasons, call.operation.name)
    cancel_for(reasons)
    with call.cloud.store.snapshot() as reader:
        found = [reader.get(row) for row in rows]
    if sum(row_size(row) for row in found if row is not None) > ANSWER_BYTES_MAX:
        raise validation("The aggregate size of the items in the transaction exceeds 4 MB")
    spent: dict[str, int] = {}
    for at, (get, table, row) in enumerate(zip(gets, tables, found)):
        before = spent.get(get["TableName"], 0)
        halves = 2 * read_half_units(row_size(row) if row is not None else 0, True)
        service.capacity.take_read(table, None, rows[at], halves)
        spent[get["TableName"]] = before + halves
    answer: Shape = {"Responses": [{"Item": shown(call, row, project)} if row is not None else {} for row, (project, _) in zip(found, projects)]}
    capacities = []
    for name, halves in spent.items():
        capacities.append(consumed(request.get("ReturnConsumedCapacity"), name, halves / 2, kind="Read"))
    if any(capacities):
        answer["ConsumedCapacity"] = capacities
    return answer
