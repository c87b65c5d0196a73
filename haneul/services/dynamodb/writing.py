"""The one place where items change: the row, its entries in indexes, the counts, the stream and the time to live, in one transaction."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

import orjson

from haneul.services.dynamodb import expiry
from haneul.services.dynamodb.capacity import write_units
from haneul.services.dynamodb.replication import hook
from haneul.services.dynamodb.rows import encode_row, row_size
from haneul.services.dynamodb.tables import Index, Table
from haneul.services.dynamodb.values import Item, item_size
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

_COUNT = Struct(">Bqq")
_COUNT_VERSION = 1


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
) -> dict[str, int] | None:
    """Replace what is at `row` (`old_row`, None for nothing) by `new_row` (None to delete); capacity units by index, None where no index changed.

    `old` and `new` are the parsed items; a plain table needs neither.
    """
    if new_row is None:
        if old_row is None:
            return None
        tx.delete(row)
    else:
        tx.put(row, new_row)
    old_size = row_size(old_row) if old_row is not None else 0
    new_size = row_size(new_row) if new_row is not None else 0
    items = (new_row is not None) - (old_row is not None)
    if items or new_size != old_size:
        add_count(tx, table.count_key, items, new_size - old_size)
    service.logs.write(tx, table, row, old_row)
    if table.plain:
        return None
    now = service.cloud.clock.now()
    units: dict[str, int] | None = None
    for index in table.indexes:
        spent = _write_entry(tx, table, index, old_row, old, new_row, new)
        if spent:
            units = units or {}
            units[index.name] = spent
    if table.stream is not None:
        service.changes.write(tx, table, old_row, old, new_row, new, now, by)
    if table.expiry_attribute:
        expiry.plan(service, tx, table, row, old, new, now)
    if table.journal is not None:
        hook.record_write(service, tx, table, row, new_row, now)
    return units


def _write_entry(tx: Transaction, table: Table, index: Index, old_row: bytes | None, old: Item | None, new_row: bytes | None, new: Item | None) -> int:
    """Bring one index's entry of an item up to date; the write capacity units that it takes."""
    old_entry = index.row(old) if old is not None and index.key.has(old) else None
    if old_entry is not None and index.filling and tx.get(old_entry) is None:
        old_entry = None  # The index is still being filled and has not come to this item.
    new_entry = index.row(new) if new is not None and index.key.has(new) else None
    if old_entry is None and new_entry is None:
        return 0
    old_part = index.project(old) if old is not None and old_entry is not None else None
    new_part = index.project(new) if new is not None and new_entry is not None else None
    if old_entry == new_entry and old_part == new_part:
        return 0
    old_size = _entry_size(index, old_row, old_part)
    new_size = _entry_size(index, new_row, new_part)
    if new_entry is not None and new_part is not None:
        tx.put(new_entry, new_row if index.included is None and new_row is not None else encode_row(new_size, orjson.dumps(new_part)))
    units = 0
    if old_entry is not None and old_entry != new_entry:
        tx.delete(old_entry)
        units = write_units(old_size)
    add_count(tx, index_count_key(table, index), (new_entry is not None) - (old_entry is not None), new_size - old_size)
    if new_entry is None:
        return units
    return units + write_units(max(new_size, old_size) if old_entry == new_entry else new_size)


def _entry_size(index: Index, row: bytes | None, part: Item | None) -> int:
    if part is None:
        return 0
    return row_size(row) if index.included is None and row is not None else item_size(part)


def put_index_entry(tx: Transaction, table: Table, index: Index, row: bytes, item: Item) -> None:
    """Give an index its entry of an item that was there before the index was."""
    if not index.key.has(item):
        return
    entry = index.row(item)
    if tx.get(entry) is not None:
        return
    part = index.project(item)
    size = _entry_size(index, row, part)
    tx.put(entry, row if index.included is None else encode_row(size, orjson.dumps(part)))
    add_count(tx, index_count_key(table, index), 1, size)


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
