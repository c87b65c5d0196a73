"""What happens to tables and indexes after the request: they become ready, are filled, and end; driven by the outbox, so that a crash only delays it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from haneul.clock import MILLISECOND, SECOND
from haneul.services.dynamodb import expiry
from haneul.services.dynamodb.retention import plan_trim
from haneul.services.dynamodb.rows import row_item
from haneul.services.dynamodb.streams import RETENTION, disable_stream
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, table_key
from haneul.services.dynamodb.throughput.changes import settle_mode, settle_units
from haneul.services.dynamodb.throughput.meters import NAMESPACE
from haneul.services.dynamodb.writing import index_count_key, put_index_entry, read_counts
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

# How long a table stays in a passing state, at least: long enough to be seen, too short to wait for.
TRANSITION = 50 * MILLISECOND

SETTLE = "dynamodb-settle"
FILL = "dynamodb-fill"
EXPIRY_ON = "dynamodb-expiry-on"
DROP = "dynamodb-drop"
EXPIRY_OFF = "dynamodb-expiry-off"
PURGE = "dynamodb-purge"
_CHUNK = 250
# How long the filling of an index waits for write capacity.
_FILL_PAUSE = SECOND

Payload = dict[str, Any]


def payload_of(record: TableRecord, **more: Any) -> Payload:
    return {"account": record.account, "region": record.region, "name": record.name, "id": record.id, **more}


def read_record(tx: Transaction, payload: Payload) -> TableRecord | None:
    """The record of the table that an entry of the outbox is about; None when that table is gone, even if another one has its name."""
    raw = tx.get(table_key(payload["account"], payload["region"], payload["name"]))
    record = decode(raw, TableRecord) if raw is not None else None
    return record if record is not None and record.id == payload["id"] else None


def write_record(tx: Transaction, record: TableRecord) -> None:
    tx.put(table_key(record.account, record.region, record.name), encode(record))


def plan(service: DynamoDb, tx: Transaction, kind: str, record: TableRecord, **more: Any) -> None:
    """Continue later, when the passing state has been seen."""
    service.cloud.outbox.put(tx, kind, payload_of(record, **more), due=service.cloud.clock.now() + TRANSITION)


def allocates(index: IndexRecord) -> bool:
    """Whether an index is being made, but not being filled yet."""
    return index.status == "CREATING" and not index.backfilling


def changes_indexes(record: TableRecord) -> bool:
    """Whether an index keeps its table UPDATING."""
    return any(allocates(index) or index.status == "DELETING" for index in record.indexes)


async def settle(service: DynamoDb, payload: Payload) -> None:
    """A table that was being created or updated is ready."""

    def work(tx: Transaction) -> None:
        record = read_record(tx, payload)
        if record is None or record.status == "DELETING":
            return
        if record.status == "CREATING":
            for index in record.indexes:
                if index.is_global and index.status == "CREATING":
                    index.status = "ACTIVE"
        now = service.cloud.clock.now()
        settle_mode(record, now)
        settle_units(record, record, now)
        for index in record.indexes:
            settle_units(record, index, now)
            if index.status == "UPDATING":
                index.status = "CREATING" if index.backfilling else "ACTIVE"
        if record.stream is not None:
            record.stream.changing = False
        if not changes_indexes(record):
            record.status = "ACTIVE"
        write_record(tx, record)

    await service.cloud.store.transact(work)


class _Filled(NamedTuple):
    """How far an index has come: the row with which it goes on (nothing when it has all of them), how many it has seen now, and whether it has to wait."""

    cursor: bytes
    seen: int
    waits: bool


async def fill(service: DynamoDb, payload: Payload) -> None:
    """Give a new index its entries of the items that were there before it, a chunk at a time and at the pace of its write capacity, telling CloudWatch how far it is."""
    cursor: bytes = payload.get("cursor", b"")
    done: int = payload.get("done", 0)
    while True:

        def work(tx: Transaction, cursor: bytes = cursor, done: int = done) -> _Filled | None:
            record = read_record(tx, payload)
            entry = record.find_index(payload["index"]) if record is not None else None
            if record is None or entry is None or entry.id != payload["index_id"] or entry.status == "DELETING":
                return None
            if not entry.backfilling:
                # Its resources are there: the table is ACTIVE again while the index is filled.
                entry.backfilling = True
                if record.status == "UPDATING" and not changes_indexes(record):
                    record.status = "ACTIVE"
                write_record(tx, record)
            found = _fill_chunk(service, tx, record, entry.name, cursor)
            if found.waits:
                again = {**payload, "cursor": found.cursor, "done": done + found.seen}
                service.cloud.outbox.put(tx, FILL, again, due=service.cloud.clock.now() + _FILL_PAUSE)
            if not found.cursor:
                entry.backfilling = False
                entry.status = "ACTIVE"
                if record.status == "UPDATING" and not changes_indexes(record):
                    record.status = "ACTIVE"
                write_record(tx, record)
            return found

        found = await service.cloud.store.transact(work)
        if found is None:
            return
        done += found.seen
        _report_progress(service, payload, done, not found.cursor)
        if found.waits or not found.cursor:
            return
        cursor = found.cursor


def _fill_chunk(service: DynamoDb, tx: Transaction, record: TableRecord, name: str, cursor: bytes) -> _Filled:
    table = Table(record)
    index = table.index(name)
    assert index is not None
    start, end = prefix_range(table.prefix)
    rows = tx.range(cursor or start, end, _CHUNK)
    for seen, (key, row) in enumerate(rows):
        if not put_index_entry(service, tx, table, index, row, row_item(row)):
            return _Filled(key, seen, True)
    return _Filled(rows[-1][0] + b"\x00" if len(rows) == _CHUNK else b"", len(rows), False)


def _report_progress(service: DynamoDb, payload: Payload, done: int, complete: bool) -> None:
    """Which part of a table's items (hundredths) the index that is being filled has seen."""
    account, region, name = payload["account"], payload["region"], payload["name"]
    table = service.stored_table(account, region, name)
    items = read_counts(service.cloud.store, table).get("", (0, 0))[0] if table is not None else 0
    percent = 100.0 if complete else min(99.0, 100 * done / max(1, items))
    dimensions = (("GlobalSecondaryIndexName", payload["index"]), ("TableName", name))
    service.cloud.metrics.add(account, region, NAMESPACE, "OnlineIndexPercentageProgress", dimensions, percent)


async def drop(service: DynamoDb, payload: Payload) -> None:
    """A table, or an index of one, that was being deleted is gone; its rows follow."""

    def work(tx: Transaction) -> None:
        record = read_record(tx, payload)
        if record is None:
            return
        if "index" not in payload:
            _drop_table(service, tx, record)
            return
        entry = record.find_index(payload["index"])
        if entry is None or entry.id != payload["index_id"]:
            return
        purge_later(service, tx, record, [payload["prefix"], payload["counts"]])
        record.indexes = [one for one in record.indexes if one.id != entry.id]
        record.insights.pop(entry.name, None)
        used = {record.hash_name, record.range_name, *(name for one in record.indexes for name in (*one.hash_names, *one.range_names))}
        record.attributes = {name: kind for name, kind in record.attributes.items() if name in used}
        if record.status == "UPDATING" and not changes_indexes(record):
            record.status = "ACTIVE"
        write_record(tx, record)

    await service.cloud.store.transact(work)


def end_stream(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """Close the stream of a table that is being deleted, if it writes to one. Its records are kept as long as any."""
    stream = disable_stream(tx, record, service.cloud.clock.now())
    if stream is not None:
        plan_trim(service, tx, stream, stream.disabled_at + RETENTION)


def _drop_table(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    end_stream(service, tx, record)
    table = Table(record)
    prefixes = [table.prefix, table.count_prefix, table.expiry_space, *(index.prefix for index in table.indexes)]
    purge_later(service, tx, record, [*service.leave_table(tx, record, prefixes), *([table.collections] if table.collections is not None else [])])
    tx.delete(table_key(record.account, record.region, record.name))


def purge_later(service: DynamoDb, tx: Transaction, record: TableRecord, prefixes: list[bytes]) -> None:
    service.cloud.outbox.put(tx, PURGE, payload_of(record, prefixes=prefixes))


def index_prefixes(table: Table, name: str) -> dict[str, bytes]:
    """What `drop` needs to know of an index's rows."""
    index = table.index(name)
    assert index is not None
    return {"prefix": index.prefix, "counts": index_count_key(table, index)}


async def purge(service: DynamoDb, payload: Payload) -> None:
    """Remove all rows with certain prefixes, a chunk at a time."""
    for prefix in payload["prefixes"]:
        start, end = prefix_range(prefix)

        def work(tx: Transaction, start: bytes = start, end: bytes = end) -> bool:
            rows = tx.range(start, end, _CHUNK)
            for key, _ in rows:
                tx.delete(key)
            return len(rows) == _CHUNK

        while await service.cloud.store.transact(work):
            pass


async def expiry_on(service: DynamoDb, payload: Payload) -> None:
    """Enter the items of a table whose time to live was just switched on into the index of expiry, a chunk at a time."""
    cursor: bytes = b""
    while True:

        def work(tx: Transaction, cursor: bytes = cursor) -> bytes | None:
            record = read_record(tx, payload)
            if record is None or record.expiry_status != "ENABLING":
                return None
            table = Table(record)
            start, end = prefix_range(table.prefix)
            rows = tx.range(cursor or start, end, _CHUNK)
            for key, row in rows:
                expiry.plan(service, tx, table, key, None, row_item(row), service.cloud.clock.now())
            if len(rows) == _CHUNK:
                return rows[-1][0] + b"\x00"
            record.expiry_status = "ENABLED"
            write_record(tx, record)
            return None

        following = await service.cloud.store.transact(work)
        if following is None:
            return
        cursor = following


async def expiry_off(service: DynamoDb, payload: Payload) -> None:
    """Time to live that was being switched off is off; its index goes."""

    def work(tx: Transaction) -> None:
        record = read_record(tx, payload)
        if record is None or record.expiry_status != "DISABLING":
            return
        record.expiry_status = "DISABLED"
        record.expiry_attribute = ""
        write_record(tx, record)
        purge_later(service, tx, record, [payload["prefix"]])

    await service.cloud.store.transact(work)


Handler = Callable[["DynamoDb", Payload], Awaitable[None]]
HANDLERS: tuple[tuple[str, Handler], ...] = (
    (SETTLE, settle),
    (FILL, fill),
    (DROP, drop),
    (PURGE, purge),
    (EXPIRY_ON, expiry_on),
    (EXPIRY_OFF, expiry_off),
)
