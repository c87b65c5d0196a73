"""ExecuteTransaction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.request import BOUND
from haneul.services.dynamodb.partiql.permissions import authorize
from haneul.services.dynamodb.partiql.select import single_read
from haneul.services.dynamodb.partiql.syntax import Exists, Insert, Parsed, Select
from haneul.services.dynamodb.partiql.values import Values, checked_parameters
from haneul.services.dynamodb.partiql.writes import condition_check, prepare_write
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.transact_get_items import transact_get
from haneul.services.dynamodb.transact_write_items import transact_write
from haneul.services.dynamodb.values import check

T = TypeVar("T")

_NO_KEY = "Select statements within ExecuteTransaction must specify the primary key in the where clause."
_INDEX = "Reads on indices are not supported within transactions."
_MIXED = "ExecuteTransaction API does not support both read and write operations in the same request."
_RETURNING = "RETURNING clause is not supported in ExecuteTransaction."


@operation("dynamodb:ExecuteTransaction", authorized_inside=True)
async def execute_transaction(call: Call, request: Shape) -> Shape:
    """Up to 100 statements, all reads of single items or all writes and EXISTS conditions, all or none.

    Raises TransactionCanceledException with a reason for each statement. (API Reference: "ExecuteTransaction".)
    """
    service = call.service(DynamoDb)
    parts = request["TransactStatements"]
    for part in parts:
        for one in part.get("Parameters", ()):
            check(one)
    read = [_read(service, at, part) for at, part in enumerate(parts)]
    kinds = {isinstance(parsed.statement, Select) for parsed, _ in read}
    if len(kinds) > 1:
        raise validation(_MIXED)
    for parsed, values in read:
        authorize(call, parsed.statement, values, "ExecuteTransaction")
    if kinds == {True}:
        return await _read_items(call, service, request, read)
    chosen: list[tuple[str, Shape]] = []
    for at, ((parsed, values), part) in enumerate(zip(read, parts)):
        kind, action = _located(at, partial(_action, call, service, parsed, values))
        if "ReturnValuesOnConditionCheckFailure" in part:
            action["ReturnValuesOnConditionCheckFailure"] = part["ReturnValuesOnConditionCheckFailure"]
        chosen.append((kind, action))
    answer = await transact_write(call, service, request, chosen, parts)
    return {"Responses": [], **answer}


def _read(service: DynamoDb, at: int, part: Shape) -> tuple[Parsed, Values]:
    def work() -> tuple[Parsed, Values]:
        parsed = service.parsers.statement(part["Statement"])
        return parsed, Values(parsed, checked_parameters(parsed, part.get("Parameters")))

    return _located(at, work)


def _located(at: int, work: Callable[[], T]) -> T:
    """`work`, with a statement's own mistakes said to be those of the statement at its place."""
    try:
        return work()
    except ServiceError as error:
        if error.code != "ValidationException":
            raise
        raise validation(f"Validation failed in TransactStatements[{at}]: {error.message}") from None


def _action(call: Call, service: DynamoDb, parsed: Parsed, values: Values) -> tuple[str, Shape]:
    """What TransactWriteItems calls the statement."""
    statement = parsed.statement
    if isinstance(statement, Exists):
        write = condition_check(call, service, statement, values)
    else:
        assert not isinstance(statement, Select)
        if not isinstance(statement, Insert) and statement.returning is not None:
            raise validation(_RETURNING)
        write = prepare_write(call, service, statement, values)
    return write.kind, write.request


async def _read_items(call: Call, service: DynamoDb, request: Shape, read: list[tuple[Parsed, Values]]) -> Shape:
    gets = [_located(at, partial(_get, call, service, parsed, values)) for at, (parsed, values) in enumerate(read)]
    return await transact_get(call, service, request, gets)


def _get(call: Call, service: DynamoDb, parsed: Parsed, values: Values) -> Shape:
    select = parsed.statement
    assert isinstance(select, Select)
    if select.source.index_name is not None:
        raise validation(_INDEX)
    key, bound = single_read(service, call, select, values, _NO_KEY)
    return {"TableName": select.source.table, "Key": key, BOUND: bound}
