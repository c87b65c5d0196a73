"""INSERT, UPDATE and DELETE as requests of PutItem, UpdateItem and DeleteItem whose expressions are bound already."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.delete_item import delete_item
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.bind import Predicate
from haneul.services.dynamodb.expressions.request import BOUND, Expressions
from haneul.services.dynamodb.partiql.answers import perform
from haneul.services.dynamodb.partiql.conditions import BoundCondition, bind_assignments, bind_terms
from haneul.services.dynamodb.partiql.keys import whole_key
from haneul.services.dynamodb.partiql.plan import conjuncts
from haneul.services.dynamodb.partiql.syntax import Change, Delete, Insert
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.put_item import put_item
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.update_item import update_item

Shape = dict[str, Any]

# What RETURNING asks for, in the words of ReturnValues.
RETURNED = {"ALL OLD": "ALL_OLD", "ALL NEW": "ALL_NEW", "MODIFIED OLD": "UPDATED_OLD", "MODIFIED NEW": "UPDATED_NEW"}


class Write(NamedTuple):
    """`kind`: Put, Update or Delete, as in TransactWriteItems."""

    kind: str
    request: Shape


def prepare_write(call: Call, service: DynamoDb, statement: Insert | Change | Delete, values: Values) -> Write:
    """The request that a statement means."""
    if isinstance(statement, Insert):
        return _insert(call, service, statement, values)
    if isinstance(statement, Change):
        return _update(call, service, statement, values)
    return _delete(call, service, statement, values)


async def perform_write(call: Call, write: Write) -> Shape:
    """Carry it out; the answer of PutItem, UpdateItem or DeleteItem."""
    operation = {"Put": put_item, "Update": update_item, "Delete": delete_item}[write.kind]
    return await perform(operation, call, write.request)


def _insert(call: Call, service: DynamoDb, statement: Insert, values: Values) -> Write:
    item = values.item(statement.item)
    service.table(call, statement.source.table)
    bound = Expressions()
    bound.condition = operator.not_
    bound.refusal = ServiceError("DuplicateItemException", "Duplicate primary key exists in table", 400)
    return Write("Put", {"TableName": statement.source.table, "Item": item, BOUND: bound})


def _update(call: Call, service: DynamoDb, statement: Change, values: Values) -> Write:
    update, brought = bind_assignments(values, statement.assignments)
    bind_terms(values, conjuncts(statement.where))
    table = service.table(call, statement.source.table)
    key, rest = whole_key(statement.where, table.key, values)
    bound = Expressions()
    bound.update = update
    bound.values_size = brought
    bound.condition = _present_and(bind_terms(values, rest))
    request: Shape = {"TableName": statement.source.table, "Key": key, BOUND: bound}
    if statement.returning is not None:
        request["ReturnValues"] = RETURNED[statement.returning]
    return Write("Update", request)


def _present_and(condition: BoundCondition | None) -> Predicate:
    """An UPDATE changes only an item that is there."""
    if condition is None:
        return bool
    holds = condition.holds
    return lambda item: bool(item) and holds(item)


def _delete(call: Call, service: DynamoDb, statement: Delete, values: Values) -> Write:
    if statement.returning not in (None, "ALL OLD"):
        raise validation(
            f"Invalid returning clause: RETURNING {statement.returning} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
        )
    bind_terms(values, conjuncts(statement.where))
    table = service.table(call, statement.source.table)
    key, rest = whole_key(statement.where, table.key, values)
    request: Shape = {"TableName": statement.source.table, "Key": key}
    condition = bind_terms(values, rest)
    if condition is not None:
        holds = condition.holds
        bound = Expressions()
        # A DELETE of an item that is not there is no error, whatever else it asks for.
        bound.condition = lambda item: not item or holds(item)
        request[BOUND] = bound
    if statement.returning is not None:
        request["ReturnValues"] = "ALL_OLD"
    return Write("Delete", request)


def condition_check(call: Call, service: DynamoDb, statement: Any, values: Values) -> Write:
    """EXISTS(SELECT … WHERE key AND condition) of a transaction."""
    select = statement.select
    bind_terms(values, conjuncts(select.where))
    if select.source.index_name is not None:
        raise validation("Operations on indices are not supported in transactions")
    table = service.table(call, select.source.table)
    try:
        key, rest = whole_key(select.where, table.key, values)
    except ServiceError:
        raise validation("EXISTS() must contain a single item read with additional condition") from None
    if not rest:
        raise validation("EXISTS() must contain a single item read with additional condition")
    bound = Expressions()
    bound.condition = _present_and(bind_terms(values, rest))
    return Write("ConditionCheck", {"TableName": select.source.table, "Key": key, BOUND: bound})
