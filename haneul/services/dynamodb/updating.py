"""Updates of an item, as UpdateItem and transactions make them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from haneul.services.dynamodb import legacy
from haneul.services.dynamodb.errors import EmptyKeyValue, invalid, validation
from haneul.services.dynamodb.expressions.project import projection
from haneul.services.dynamodb.expressions.request import Expressions
from haneul.services.dynamodb.expressions.update import BoundUpdate
from haneul.services.dynamodb.items import check_index_kind, check_nested_paths, check_size, dump
from haneul.services.dynamodb.rows import encode_row, row_item, row_size
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import NESTING_MAX, Item, depth_of, item_size, kind_of, text_size, too_deep, value_size
from haneul.store.port import Transaction

Shape = dict[str, Any]


class Updated(NamedTuple):
    """An update that was made: the rows before and after it, the new item (None for none), and the units that indexes took."""

    old_row: bytes | None
    new_row: bytes | None
    new: Item | None
    by_index: dict[str, int] | None


def requested_update(request: Shape, bound: Expressions) -> BoundUpdate | None:
    """The update that a request asks for, in either style."""
    given = request.get("AttributeUpdates")
    return legacy.attribute_updates(given) if given is not None else bound.update


def check_update(table: Table, update: BoundUpdate | None) -> None:
    """An update against the table: no part of the key changes, and indexed attributes keep their type."""
    if update is None:
        return
    for name in table.key.names:
        if name in update.heads:
            raise invalid(f"Cannot update attribute {name}. This attribute is part of the key")
    for index in table.indexes:
        for name in index.key.names:
            kind = update.kind_of_attribute(name)
            if kind is not None:
                check_index_kind(table, name, kind)
    check_nested_paths(table, update.nested)


def update_row(service: DynamoDb, tx: Transaction, table: Table, row: bytes, key: Item, update: BoundUpdate | None, old_row: bytes | None, cost: int = 1) -> Updated:
    """Apply an update to the item at `row`, which is made if it is not there (by most updates). `cost` is how many times its units are charged."""
    if old_row is None and update is not None and not update.makes_items:
        return Updated(None, None, None, service.put_row(tx, table, row, None, None, None, None, cost=cost))
    old = row_item(old_row) if old_row is not None and not table.plain else None
    new = row_item(old_row) if old_row is not None else dict(key)
    size = row_size(old_row) if old_row is not None else item_size(key)
    if update is not None:
        # Only what the update touches changes in size.
        size -= _size_of(new, update.heads)
        update.apply(new)
        _check_result(table, update, new)
        size += _size_of(new, update.heads)
    check_size(size, "Item size to update has exceeded the maximum allowed size")
    new_row = encode_row(size, dump(new))
    return Updated(old_row, new_row, new, service.put_row(tx, table, row, old_row, old, new_row, new, cost=cost))


def _size_of(item: Item, names: Iterable[str]) -> int:
    """Bytes that certain attributes of an item count for."""
    return sum(text_size(name) + value_size(item[name]) for name in names if name in item)


def _check_result(table: Table, update: BoundUpdate, new: Item) -> None:
    for name in update.heads:
        value = new.get(name)
        if value is None:
            continue
        if ("M" in value or "L" in value) and depth_of(value) > NESTING_MAX:
            raise too_deep()
        for index in table.indexes:
            wanted = index.key.types.get(name)
            if wanted is None:
                continue
            if wanted != kind_of(value):
                raise validation("The update expression attempted to update the secondary index key to unsupported type")
            if not value[wanted]:
                raise EmptyKeyValue(wanted, before="The update expression attempted to update a secondary index key to a value that is not supported. ")
            if index.key.excess(name, value[wanted]):
                raise validation("The update expression attempted to update the secondary index key beyond allowed size limits")
    for index in table.indexes:
        index.key.check_index_values(new, index.name)


def returned(wanted: str, update: BoundUpdate | None, done: Updated) -> Item | None:
    """What ReturnValues asks to see; None for nothing."""
    if wanted == "NONE":
        return None
    if wanted.endswith("OLD"):
        item = row_item(done.old_row) if done.old_row is not None else None
    else:
        item = done.new
    if item is None:
        return None
    if wanted.startswith("ALL"):
        return item
    if update is None:
        return None
    # What was removed is not there afterwards, even where the next element of a list now has its place.
    paths = update.paths if wanted == "UPDATED_OLD" else [change.parts for change in update.changes if change.action != "REMOVE"]
    return projection(paths)(item) or None
