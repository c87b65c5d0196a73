"""Filling a restored table, in bounded steps that continue after a crash. Until it is full it is CREATING, and nobody else writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.metering.usage import put_usage
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.billing.metrics import RESTORED
from haneul.services.dynamodb.history.holding import hold, release
from haneul.services.dynamodb.history.past import read_chunk
from haneul.services.dynamodb.history.records import RESTORE_SPACE, Restore, restore_key
from haneul.services.dynamodb.rows import row_item
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord
from haneul.services.dynamodb.writing import read_counts
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

FILL = "dynamodb-restore"


def begin(service: DynamoDb, tx: Transaction, target: TableRecord, restore: Restore) -> None:
    """Write a new table's record, and promise to fill it. The source stays as it is until that is done."""
    lifecycle.write_record(tx, target)
    tx.put(restore_key(target), encode(restore))
    hold(tx, restore.source, target.id, restore.past.time)
    service.cloud.outbox.put(tx, FILL, lifecycle.payload_of(target), due=service.cloud.clock.now() + lifecycle.TRANSITION)


async def fill(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Bring the rows of a past into a new table with its indexes; the table is ACTIVE then."""
    place = pack((RESTORE_SPACE, payload["account"], payload["region"], payload["id"]))
    raw = service.cloud.store.get(place)
    restore = decode(raw, Restore) if raw is not None else None
    while restore is not None:
        rows, place_behind, last = read_chunk(service.cloud.store, restore.past, restore.cursor)

        def work(tx: Transaction, rows: list[tuple[bytes, bytes]] = rows, cursor: bytes = place_behind, last: bool = last) -> Restore | None:
            raw = tx.get(place)
            target = lifecycle.read_record(tx, payload)
            if raw is None or target is None:
                return None
            restore = decode(raw, Restore)
            table = Table(target)
            for suffix, row in rows:
                service.put_row(tx, table, table.prefix + suffix, None, None, row, None if table.plain else row_item(row))
            if not last:
                restore.cursor = cursor
                tx.put(place, encode(restore))
                return restore
            tx.delete(place)
            release(service, tx, restore.source, target.id)
            finish(tx, target)
            # Restores are paid for by what they bring back, with all indexes.
            size = sum(size for _, size in read_counts(tx, table).values())
            put_usage(tx, service.cloud.clock.now(), (target.account, target.region, "dynamodb", RESTORED, target.name), size)
            return None

        restore = await service.cloud.store.transact(work)


def finish(tx: Transaction, target: TableRecord) -> None:
    """A table that was being filled is ready."""
    target.status = "ACTIVE"
    for index in target.indexes:
        if index.status == "CREATING":
            index.status = "ACTIVE"
    if target.restore is not None:
        target.restore.in_progress = False
    lifecycle.write_record(tx, target)
