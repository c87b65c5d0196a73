"""Backups after their request: rows are copied from the table as it was, in bounded steps that continue after a crash; old system backups end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import DAY, MILLISECOND
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.history.holding import hold, holds, release, rows_to_purge
from haneul.services.dynamodb.history.log import log_prefix
from haneul.services.dynamodb.history.past import Past, read_chunk
from haneul.services.dynamodb.history.records import SYSTEM, Backup, backup_key, key_of_backup, owner_of
from haneul.services.dynamodb.rows import row_size
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord
from haneul.services.dynamodb.writing import read_counts
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

COPY = "dynamodb-backup"
END = "dynamodb-backup-end"
# How long the backup that a deleted table with recovery leaves is kept (Developer Guide: "Point-in-time recovery").
SYSTEM_BACKUP_LIFE = 35 * DAY


def payload_of(backup: Backup) -> dict[str, Any]:
    table = backup.table
    return {"account": table.account, "region": table.region, "name": table.name, "id": backup.id}


def _read(tx: Transaction, payload: dict[str, Any]) -> Backup | None:
    raw = tx.get(backup_key(payload["account"], payload["region"], payload["name"], payload["id"]))
    return decode(raw, Backup) if raw is not None else None


async def fix_moment(service: DynamoDb, payload: dict[str, Any]) -> Backup | None:
    """Decide which moment a backup shows, once the table's log is surely on. Later calls change nothing."""

    def work(tx: Transaction) -> Backup | None:
        backup = _read(tx, payload)
        if backup is not None and backup.time == 0:
            backup.time = service.logs.stamp(backup.table.id)
            hold(tx, backup.table, backup.id, backup.time)
            tx.put(key_of_backup(backup), encode(backup))
        return backup

    return await service.cloud.store.transact(work)


async def copy(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Copy a table's rows into its backup, which is AVAILABLE then."""
    backup = await fix_moment(service, payload)
    while backup is not None and backup.status == "CREATING":
        record = backup.table
        table = Table(record)
        past = Past(table.prefix, log_prefix(record), backup.time)
        rows, place, last = read_chunk(service.cloud.store, past, backup.cursor)

        def work(tx: Transaction, table: Table = table, rows: list[tuple[bytes, bytes]] = rows, place: bytes = place, last: bool = last) -> Backup | None:
            current = _read(tx, payload)
            if current is None:
                return None
            for suffix, row in rows:
                table.put(tx, current.rows + suffix, row)
                current.size_bytes += row_size(row)
            current.items += len(rows)
            current.cursor = place
            if last:
                current.status = "AVAILABLE"
                release(service, tx, current.table, current.id)
            tx.put(key_of_backup(current), encode(current))
            return current

        backup = await service.cloud.store.transact(work)


def remove(service: DynamoDb, tx: Transaction, backup: Backup) -> None:
    """A backup is no more; its rows go in the background."""
    tx.delete(key_of_backup(backup))
    lifecycle.purge_later(service, tx, backup.table, [backup.rows])


def drop_table(service: DynamoDb, tx: Transaction, record: TableRecord, prefixes: list[bytes]) -> list[bytes]:
    """What of a table that is being dropped can be purged now. A table with recovery leaves a system backup, which takes its rows over as they are."""
    if not record.history.recovery:
        return rows_to_purge(tx, record, prefixes, keeps_items=False)
    now = service.cloud.clock.now()
    items, size = read_counts(tx, Table(record)).get("", (0, 0))
    backup = Backup(
        id=f"{now // MILLISECOND:014}-00000000",
        name=f"{record.name}$DeletedTableBackup",
        kind=SYSTEM,
        status="AVAILABLE",
        table=record,
        rows=prefixes[0],
        created_at=now,
        time=now,
        expires_at=now + SYSTEM_BACKUP_LIFE,
        size_bytes=size,
        items=items,
    )
    tx.put(key_of_backup(backup), encode(backup))
    service.cloud.outbox.put(tx, END, payload_of(backup), due=backup.expires_at)
    return rows_to_purge(tx, record, prefixes, keeps_items=True)


async def end(service: DynamoDb, payload: dict[str, Any]) -> None:
    """A system backup has been kept long enough; it waits for tables that are just being restored from it."""

    def work(tx: Transaction) -> None:
        backup = _read(tx, payload)
        if backup is None:
            return
        if holds(tx, owner_of(backup)) or holds(tx, backup.table):
            service.cloud.outbox.put(tx, END, payload, due=service.cloud.clock.now() + DAY)
            return
        remove(service, tx, backup)

    await service.cloud.store.transact(work)
