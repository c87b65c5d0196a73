"""TransactWriteItems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import action_conditions
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.cancellation import NO_REASON, cancel_across_accounts, cancel_for, reason_or_raise
from haneul.services.dynamodb.capacity import consumed, read_half_units
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.bind import Predicate
from haneul.services.dynamodb.expressions.request import bind, check_parameters
from haneul.services.dynamodb.expressions.update import BoundUpdate
from haneul.services.dynamodb.items import (
    charge_refused,
    check_index_keys,
    check_size,
    collection_metrics,
    dump,
    hold,
    row_of_key,
    write_capacity,
    write_units_of,
)
from haneul.services.dynamodb.replication.strong import refuse_transaction
from haneul.services.dynamodb.rows import encode_row, row_item, row_size
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tokens import already_done, digest, note_done
from haneul.services.dynamodb.updating import check_update, update_row
from haneul.services.dynamodb.values import Item, check_item, value_size
from haneul.store.port import Transaction

REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
# Transactions cost twice what plain reads and writes cost.
_COST: Final = 2
_ACTIONS: Final = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}


class _Action(NamedTuple):
    """One action of the transaction, checked and ready. `size` is that of the item to put; `fault` is why it does not fit its table, and has no row then."""

    kind: str
    request: Shape
    table: Table
    row: bytes
    key: Item
    size: int
    condition: Predicate | None
    update: BoundUpdate | None
    fault: ServiceError | None


class _Done(NamedTuple):
    old_row: bytes | None
    new_row: bytes | None
    by_index: dict[str, int] | None


@operation("dynamodb:TransactWriteItems", authorized_inside=True)
async def transact_write_items(call: Call, request: Shape) -> Shape:
    """Up to 100 puts, updates, deletes and checks on different items, all or none; once only for one ClientRequestToken.

    Raises TransactionCanceledException with a reason for each action. (API Reference: "TransactWriteItems".)
    """
    service = call.service(DynamoDb)
    chosen = [_chosen(item) for item in request["TransactItems"]]
    for kind, part in chosen:
        call.authorize(f"dynamodb:{_ACTIONS[kind]}", table_arn(call, part), action_conditions(call, request, part))
    return await transact_write(call, service, request, chosen, request["TransactItems"])


async def transact_write(call: Call, service: DynamoDb, request: Shape, chosen: list[tuple[str, Shape]], written: Any) -> Shape:
    """A transaction of the chosen kinds of action. `written` is what the caller wrote, by which a repetition is known."""
    token = request.get("ClientRequestToken")
    actions = _prepare(call, service, chosen)
    what = digest(written) if token is not None else b""
    rows = [action.row for action in actions]

    def work(tx: Transaction) -> tuple[list[_Done], list[int] | None]:
        made = already_done(service, tx, call, token, what) if token is not None else None
        if made is not None:
            return [], made
        old_rows = [tx.get(action.row) if action.fault is None else None for action in actions]
        reasons = _check_conditions(service, actions, old_rows)
        done = []
        service.logs.begin_together([action.table.id for action in actions])
        try:
            # What is wrong with one action does not hide what is wrong with another; whatever was done is taken back when there is any reason.
            for at, (action, old_row) in enumerate(zip(actions, old_rows)):
                if reasons[at] is NO_REASON:
                    try:
                        done.append(_perform(service, tx, action, old_row))
                    except ServiceError as error:
                        reasons[at] = reason_or_raise(error)
        finally:
            service.logs.end_together()
        cancel_for(reasons)
        if token is not None:
            note_done(service, tx, call, token, what, [max(_size(one.old_row), _size(one.new_row)) for one in done])
        service.ongoing.begin(rows, actions)
        return done, None

    try:
        done, made = await service.write(work, *{id(action.table): action.table for action in actions}.values())
    except ServiceError as error:
        service.capacity.count_cancelled([action.table for action in actions], error.fields.get("CancellationReasons", []), call.operation.name)
        raise
    finally:
        service.ongoing.end(rows, actions)
    answer: Shape = {}
    mode = request.get("ReturnConsumedCapacity")
    if made is not None or mode in ("TOTAL", "INDEXES"):
        capacities = _repeated(call, service, actions, made, mode) if made is not None else _capacities(actions, done, mode)
        if any(capacities):
            answer["ConsumedCapacity"] = capacities
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics: dict[str, list[Any]] = {}
        for action in actions:
            # What is only checked is not modified.
            found = collection_metrics(call.cloud.store, action.table, request, action.key) if action.kind != "ConditionCheck" else None
            if found is not None and found not in metrics.setdefault(action.request["TableName"], []):
                metrics[action.request["TableName"]].append(found)
        if metrics:
            answer["ItemCollectionMetrics"] = metrics
    return answer


def _chosen(item: Shape) -> tuple[str, Shape]:
    kinds = [kind for kind in _ACTIONS if kind in item]
    if len(kinds) != 1:
        raise validation("TransactItems can only contain one of Check, Put, Update or Delete")
    return kinds[0], item[kinds[0]]


def _prepare(call: Call, service: DynamoDb, chosen: list[tuple[str, Shape]]) -> list[_Action]:
    """Check every action. What is wrong with values and expressions fails the request, what does not fit a table is noted, and will cancel the transaction."""
    checked: list[tuple[str, Shape, int, Predicate | None, BoundUpdate | None]] = []
    total = 0
    for kind, part in chosen:
        expressions = ("UpdateExpression", "ConditionExpression") if kind == "Update" else ("ConditionExpression",)
        check_parameters(part, expressions, ())
        size = check_item(part["Item"] if kind == "Put" else part["Key"])
        if kind == "Put":
            check_size(size)
        total += size
        bound = bind(service.parsers, part)
        if kind == "Update":
            # What the item comes to is not known before the update is made: its key and what the request brings for it count.
            total += bound.values_size + sum(map(value_size, part.get("ExpressionAttributeValues", {}).values()))
        checked.append((kind, part, size, bound.condition, bound.update))
    if total > REQUEST_BYTES_MAX:
        raise validation("The aggregate size of the items in the transaction exceeds 4 MB")
    tables = [service.table(call, part["TableName"]) for _, part, *_ in checked]
    actions: list[_Action] = []
    seen: set[bytes] = set()
    cancel_across_accounts([table.account for table in tables])
    for table in tables:
        refuse_transaction(table)
    for (kind, part, size, condition, update), table in zip(checked, tables):
        row, fault = _place(table, kind, part, update)
        if row:
            if row in seen:
                raise validation("Transaction request cannot include multiple operations on one item")
            seen.add(row)
        actions.append(_Action(kind, part, table, row, part["Item"] if kind == "Put" else part["Key"], size, condition, update, fault))
    return actions


def _place(table: Table, kind: str, part: Shape, update: BoundUpdate | None) -> tuple[bytes, ServiceError | None]:
    """Where the item of an action lies (empty when its key does not fit the table), and why the action does not fit its table, if it does not."""
    row = b""
    try:
        if kind == "Put":
            item = part["Item"]
            table.key.check_item(item)
            row = table.prefix + table.key.suffix(item)
            check_index_keys(table, item)
        else:
            row = row_of_key(table, part["Key"])
            check_update(table, update)
    except ServiceError as error:
        reason_or_raise(error)
        return row, error
    return row, None


def _check_conditions(service: DynamoDb, actions: list[_Action], old_rows: list[bytes | None]) -> list[Shape]:
    """The reasons that are there before anything is done: actions that do not fit their tables or are throttled, items of other transactions under way, and
    conditions that do not hold.

    Each condition costs what its write would.
    """
    reasons = [_admission(service, action) for action in actions]
    for at, (action, old_row) in enumerate(zip(actions, old_rows)):
        if reasons[at] is NO_REASON:
            try:
                service.ongoing.refuse(action.table, action.row, actions)
                if action.condition is not None:
                    charge = partial(charge_refused, service, action.table, action.row, old_row, _COST)
                    hold(action.condition, row_item(old_row) if old_row is not None else None, action.request, charge)
            except ServiceError as error:
                reasons[at] = reason_or_raise(error)
    return reasons


def _admission(service: DynamoDb, action: _Action) -> Shape:
    """Why an action may not begin, or NO_REASON."""
    if action.fault is not None:
        return reason_or_raise(action.fault)
    try:
        service.capacity.let_in(action.table, action.row, writes=True)
    except ServiceError as error:
        return reason_or_raise(error)
    return NO_REASON


def _perform(service: DynamoDb, tx: Transaction, action: _Action, old_row: bytes | None) -> _Done:
    if action.kind == "ConditionCheck":
        charge_refused(service, action.table, action.row, old_row, _COST)
        return _Done(old_row, old_row, None)
    if action.kind == "Update":
        updated = update_row(service, tx, action.table, action.row, action.key, action.update, old_row, _COST)
        return _Done(old_row, updated.new_row, updated.by_index)
    old = row_item(old_row) if old_row is not None and not action.table.plain else None
    if action.kind == "Delete":
        return _Done(old_row, None, service.put_row(tx, action.table, action.row, old_row, old, None, None, cost=_COST))
    new_row = encode_row(action.size, dump(action.key))
    return _Done(old_row, new_row, service.put_row(tx, action.table, action.row, old_row, old, new_row, action.key, cost=_COST))


def _by_table(actions: list[_Action], spend: Callable[[int, _Action], int]) -> dict[str, tuple[Table, int]]:
    """What the actions cost, by the names that they call their tables."""
    spent: dict[str, tuple[Table, int]] = {}
    for at, action in enumerate(actions):
        table, before = spent.get(action.request["TableName"], (action.table, 0))
        spent[action.request["TableName"]] = (table, before + spend(at, action))
    return spent


def _capacities(actions: list[_Action], done: list[_Done], mode: str | None) -> list[Shape | None]:
    """What the transaction has cost, table by table."""
    indexes: dict[str, dict[str, int]] = {}
    for action, one in zip(actions, done):
        for index, units in (one.by_index or {}).items():
            of_table = indexes.setdefault(action.request["TableName"], {})
            of_table[index] = of_table.get(index, 0) + units
    spent = _by_table(actions, lambda at, _: write_units_of(done[at].old_row, done[at].new_row))
    return [write_capacity(name, table, mode, units, indexes.get(name), factor=_COST, kind="Write") for name, (table, units) in spent.items()]


def _size(row: bytes | None) -> int:
    return row_size(row) if row is not None else 0


def _repeated(call: Call, service: DynamoDb, actions: list[_Action], sizes: list[int], mode: str | None) -> list[Shape | None]:
    """A transaction that was made before costs the reading of its items, as large as they were when it was made."""

    def spend(at: int, action: _Action) -> int:
        halves = _COST * read_half_units(sizes[at], True)
        service.capacity.read(action.table, action.row, halves, call.operation.name)
        return halves

    capacities = []
    for name, (_, halves) in _by_table(actions, spend).items():
        capacities.append(consumed(mode, name, halves / 2, kind="Read"))
    return capacities
