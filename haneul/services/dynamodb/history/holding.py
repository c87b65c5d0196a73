"""Who needs a table's past: point-in-time recovery, and each backup, export or restore that is reading it. What nobody needs any more goes.

Such work holds the table by a row of its own, so that neither a crash, nor the end of recovery, nor the table's deletion takes the past away under it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import DAY, HOUR
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.history.log import day_prefix, log_prefix, oldest_day
from haneul.services.dynamodb.tables import TableRecord, new_id
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

HOLD_SPACE = "dynamodb-hold"
ORPHAN_SPACE = "dynamodb-orphan"
TRIM_LOG = "dynamodb-trim-log"
CHECK_LOG = "dynamodb-check-log"
_CHUNK = 500


def _hold_prefix(owner: TableRecord) -> bytes:
    return pack((HOLD_SPACE, owner.account, owner.region, owner.id))


def _orphan_key(owner: TableRecord) -> bytes:
    return pack((ORPHAN_SPACE, owner.account, owner.region, owner.id))


def start_log(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """Switch a table's log on; the record is to be written. Only what changes once this is committed is sure to be in the log.

    Should whoever wanted it never come back (a crash), the log is switched off again.
    """
    if not record.history.log_id:
        record.history.log_id = new_id(service.cloud.ids)
        service.cloud.outbox.put(tx, CHECK_LOG, lifecycle.payload_of(record), due=service.cloud.clock.now() + HOUR, key=record.id)


async def check_log(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Switch off a log that nobody needs."""

    def work(tx: Transaction) -> None:
        record = lifecycle.read_record(tx, payload)
        if record is not None and record.history.log_id:
            stop_log(service, tx, record)
            lifecycle.write_record(tx, record)

    await service.cloud.store.transact(work)


def stop_log(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """Switch a table's log off and forget it, unless somebody needs it; the record is to be written."""
    if record.history.log_id and not record.history.recovery and not holds(tx, record):
        lifecycle.purge_later(service, tx, record, [log_prefix(record)])
        record.history.log_id = ""


def hold(tx: Transaction, owner: TableRecord, holder: str, time: int) -> None:
    """Keep the past of a table from `time` (nanoseconds) on for `holder`, the id of a backup, an export or a restored table."""
    tx.put(_hold_prefix(owner) + pack((holder,)), encode(time))


def holds(reader: Reader, owner: TableRecord) -> list[int]:
    """From when on each holder needs the past of a table."""
    return [decode(value, int) for _, value in reader.range(*prefix_range(_hold_prefix(owner)))]


def release(service: DynamoDb, tx: Transaction, owner: TableRecord, holder: str) -> None:
    """`holder` is done with the table, which may be gone by now."""
    key = _hold_prefix(owner) + pack((holder,))
    if tx.get(key) is None:
        return
    tx.delete(key)
    if holds(tx, owner):
        return
    orphan = tx.get(_orphan_key(owner))
    if orphan is not None:
        tx.delete(_orphan_key(owner))
        lifecycle.purge_later(service, tx, owner, decode(orphan, list[bytes]))
        return
    record = lifecycle.read_record(tx, lifecycle.payload_of(owner))
    if record is not None and record.history.log_id:
        stop_log(service, tx, record)
        lifecycle.write_record(tx, record)


def rows_to_purge(tx: Transaction, record: TableRecord, prefixes: list[bytes], *, keeps_items: bool) -> list[bytes]:
    """Of a table that is being dropped, the rows that can go now. `prefixes` begins with that of the items; `keeps_items` when a backup takes those over.

    What somebody still reads goes with the last of them.
    """
    items, *rest = prefixes
    needed = [] if keeps_items else [items]
    if record.history.log_id:
        needed.append(log_prefix(record))
    if not holds(tx, record):
        return [*rest, *needed]
    tx.put(_orphan_key(record), encode(needed))
    return rest


# ---- the end of the recovery period


def window_of(record: TableRecord) -> int:
    """How far back recovery reaches, in nanoseconds."""
    return record.history.recovery_days * DAY


def earliest(record: TableRecord, now: int) -> int:
    """The earliest moment that can be restored."""
    return max(record.history.recovery_since, now - window_of(record))


def plan_trim(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """Set the timer that comes when the oldest day of the log is no longer wanted."""
    now = service.cloud.clock.now()
    oldest = oldest_day(tx, log_prefix(record))
    first = (oldest + 1) * DAY if oldest is not None else now
    due = max(first + window_of(record), now + HOUR)
    service.cloud.outbox.put(tx, TRIM_LOG, lifecycle.payload_of(record), due=due, key=record.id)


async def trim_log(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Remove the days of a log that lie wholly before everything that may be asked for; costs what it removes."""

    def work(tx: Transaction) -> bool:
        record = lifecycle.read_record(tx, payload)
        if record is None or not record.history.recovery:
            return False
        prefix = log_prefix(record)
        horizon = min([service.cloud.clock.now() - window_of(record), *holds(tx, record)])
        oldest = oldest_day(tx, prefix)
        if oldest is None or (oldest + 1) * DAY > horizon:
            plan_trim(service, tx, record)
            return False
        for key, _ in tx.range(*prefix_range(day_prefix(prefix, oldest)), _CHUNK):
            tx.delete(key)
        return True

    while await service.cloud.store.transact(work):
        pass
