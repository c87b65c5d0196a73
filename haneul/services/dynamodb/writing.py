"""The one place where items change: the row, its entries in indexes, the counts, the stream and the time to live, in one transaction."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from haneul.services.dynamodb import expiry
from haneul.services.dynamodb.capacity import write_units
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.item_collections import grow_collection
from haneul.services.dynamodb.replication import hook
from haneul.services.dynamodb.rows import encode_row, row_size
from haneul.services.dynamodb.table import Index, Table
from haneul.services.dynamodb.values import ITEM_BYTES_MAX, Item, item_size
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

_COUNT: Final = Struct(">Bqq")
_COUNT_VERSION: Final = 1


def write_row(
    service: DynamoDb,
    tx: Transaction,
    table: Table,
    row: bytes,
    old_row: bytes | None,
    old: Item | None,
    new_row: bytes | None,
    new: Item | None,
    by: bytes | None,
    cost: int,
) -> dict[str, int] | None:
    """Replace what is at `row` (`old_row`, None for nothing) by `new_row` (None to delete); capacity units by index, None where no index changed.

    `old` and `new` are the parsed items; a plain table needs neither. `cost` is how many times the units of the item are charged: 1, 2 in transactions, whose actions were let in
    together and write each item twice, but its entries of indexes once, 0 for what the service does by itself; a table that is still being made (restored, imported) costs nothing. Raises the throttling error, before
    anything has changed, when they are not to be had.
    """
    old_size = row_size(old_row) if old_row is not None else 0
    new_size = row_size(new_row) if new_row is not None else 0
    changes = [] if table.plain else _index_changes(tx, table, old_row, old, new_row, new)
    if new is not None and table.collections is not None:
        _check_local_entries(table, new_row, new, new_size)
    if cost and table.serving:
        units = cost * write_units(max(old_size, new_size))
        service.capacity.write(table, row, units, [(one.target, one.place, one.units) for one in changes] if changes else (), admitted=cost > 1)
    item = new if new is not None else old
    if table.collections is not None and item is not None:
        grow_collection(tx, table, item, new_size - old_size + sum(one.new_size - one.old_size for one in changes if not one.target.is_global))
    if new_row is not None:
        table.put(tx, row, new_row)
    elif old_row is not None:
        tx.delete(row)
    else:
        return None
    items = (new_row is not None) - (old_row is not None)
    if items or new_size != old_size:
        add_count(tx, table.count_key, items, new_size - old_size)
    service.logs.write(tx, table, row, old_row)
    if table.plain:
        return None
    now = service.cloud.clock.now()
    for one in changes:
        _write_entry(tx, table, one, new_row)
    if table.stream is not None:
        service.changes.write(tx, table, row, old_row, old, new_row, new, now, by)
    if table.expiry_attribute:
        expiry.plan(service, tx, table, row, old, new, now)
    if table.journal is not None:
        hook.record_write(service, tx, table, row, new_row, now)
    return {one.target.name: one.units for one in changes} if changes else None


def _check_local_entries(table: Table, new_row: bytes | None, new: Item, size: int) -> None:
    """An item and its entries in all local indexes share the limit of an item (Developer Guide: "Quotas in Amazon DynamoDB", Items)."""
    indexes = table.local_indexes
    if size * (1 + len(indexes)) <= ITEM_BYTES_MAX:
        return  # No entry is larger than its item.
    for index in indexes:
        if index.key.has(new):
            size += _entry_size(index, new_row, index.project(new))
    if size > ITEM_BYTES_MAX:
        raise validation("Item size has exceeded the maximum allowed size")


class _IndexChange(NamedTuple):
    """What a write does to one index: entries before and after it (None for none), their sizes, the item's part, and write capacity units."""

    target: Index
    old_entry: bytes | None
    new_entry: bytes | None
    new_part: Item | None
    old_size: int
    new_size: int
    units: int

    @property
    def place(self) -> bytes:
        """The entry whose partition the write goes to."""
        place = self.new_entry if self.new_entry is not None else self.old_entry
        assert place is not None
        return place


def _index_changes(tx: Transaction, table: Table, old_row: bytes | None, old: Item | None, new_row: bytes | None, new: Item | None) -> list[_IndexChange]:
    """The indexes that a write changes. One that it leaves as it is costs nothing."""
    changes = []
    for index in table.indexes:
        change = _index_change(tx, index, old_row, old, new_row, new)
        if change is not None:
            changes.append(change)
    return changes


def _index_change(tx: Transaction, index: Index, old_row: bytes | None, old: Item | None, new_row: bytes | None, new: Item | None) -> _IndexChange | None:
    old_entry = index.row(old) if old is not None and index.key.has(old) else None
    if old_entry is not None and index.filling and tx.get(old_entry) is None:
        old_entry = None  # The index is still being filled and has not come to this item.
    new_entry = index.row(new) if new is not None and index.key.has(new) else None
    if old_entry is None and new_entry is None:
        return None
    old_part = index.project(old) if old is not None and old_entry is not None else None
    new_part = index.project(new) if new is not None and new_entry is not None else None
    if old_entry == new_entry and old_part == new_part:
        return None
    old_size = _entry_size(index, old_row, old_part)
    new_size = _entry_size(index, new_row, new_part)
    if old_entry == new_entry:
        units = write_units(max(new_size, old_size))
    else:
        # An entry that moves is a deletion and a put.
        units = (write_units(old_size) if old_entry is not None else 0) + (write_units(new_size) if new_entry is not None else 0)
    return _IndexChange(index, old_entry, new_entry, new_part, old_size, new_size, units)


def _write_entry(tx: Transaction, table: Table, change: _IndexChange, new_row: bytes | None) -> None:
    """Bring one index's entry of an item up to date."""
    index, old_entry, new_entry, new_part = change.target, change.old_entry, change.new_entry, change.new_part
    if new_entry is not None and new_part is not None:
        table.put(tx, new_entry, new_row if index.included is None and new_row is not None else encode_row(change.new_size, orjson.dumps(new_part)))
    if old_entry is not None and old_entry != new_entry:
        tx.delete(old_entry)
    add_count(tx, index_count_key(table, index), (new_entry is not None) - (old_entry is not None), change.new_size - change.old_size)


def _entry_size(index: Index, row: bytes | None, part: Item | None) -> int:
    if part is None:
        return 0
    return row_size(row) if index.included is None and row is not None else item_size(part)


def put_index_entry(service: DynamoDb, tx: Transaction, table: Table, index: Index, row: bytes, item: Item) -> bool:
    """Give an index its entry of an item that was there before the index was; False when the index has no capacity left for it now."""
    if not index.key.has(item):
        return True
    entry = index.row(item)
    if tx.get(entry) is not None:
        return True
    part = index.project(item)
    size = _entry_size(index, row, part)
    if not service.capacity.fill(table, index, entry, write_units(size)):
        return False
    table.put(tx, entry, row if index.included is None else encode_row(size, orjson.dumps(part)))
    add_count(tx, index_count_key(table, index), 1, size)
    return True


# ---- counts of items and bytes


def index_count_key(table: Table, index: Index) -> bytes:
    return table.count_key + pack((index.record.id,))


def add_count(tx: Transaction, key: bytes, items: int, size: int) -> None:
    """Add to a count. Each process has its own, so that processes never wait for one another; within one, a batch writes it once."""
    known = tx.get(key)
    if known is not None:
        _, items_before, size_before = _COUNT.unpack(known)
        items += items_before
        size += size_before
    tx.put(key, _COUNT.pack(_COUNT_VERSION, items, size))


def read_counts(reader: Reader, table: Table) -> dict[str, tuple[int, int]]:
    """Items and bytes of the table (under "") and of each index (under its internal id)."""
    found: dict[str, tuple[int, int]] = {}
    for key, value in reader.range(*prefix_range(table.count_prefix)):
        _, items, size = _COUNT.unpack(value)
        target = index_id_in(table, key)
        items_before, size_before = found.get(target, (0, 0))
        found[target] = (items_before + items, size_before + size)
    return found


def index_id_in(table: Table, key: bytes) -> str:
    """The index that a count is of; "" for the table."""
    rest = key[len(table.count_key) :]
    return rest[1:-1].decode() if rest else ""
