"""The end of tombstones: when every region has heard of a deletion, and nothing older can arrive any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import HOUR
from haneul.services.dynamodb.replication.delivery import journal_of, stored_replica
from haneul.services.dynamodb.replication.journal import SWEEP, TOMBSTONE_KEPT, stamp_moment
from haneul.services.dynamodb.replication.records import GlobalTable
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

_CHUNK = 250


async def sweep(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Remove the tombstones of a replica that are old enough; come again while there are younger ones."""

    def work(tx: Transaction) -> bool:
        found = journal_of(tx, payload)
        if found is None:
            return False
        source, group = found
        journal = source.journal
        assert journal is not None
        now = service.cloud.clock.now()
        horizon = min(now - TOMBSTONE_KEPT, _settled_until(tx, group, now))
        start, end = prefix_range(journal.tombstones)
        stop = journal.tombstones + pack((max(horizon, 0),))
        rows = tx.range(start, stop, _CHUNK)
        # A packed time is one byte that says how long it is, and so many bytes.
        for key, _ in rows:
            at = len(journal.tombstones)
            length = key[at] - 0x14
            moment, suffix = int.from_bytes(key[at + 1 : at + 1 + length], "big"), key[at + 1 + length :]
            tx.delete(key)
            stamp = tx.get(journal.versions + suffix)
            if stamp is not None and stamp_moment(stamp) == moment and tx.get(source.prefix + suffix) is None:
                tx.delete(journal.versions + suffix)
        if len(rows) == _CHUNK:
            return True
        if tx.range(start, end, 1):
            service.cloud.outbox.put(tx, SWEEP, journal.payload, due=now + HOUR)
        else:
            tx.delete(journal.sweeping)
        return False

    while await service.cloud.store.transact(work):
        pass


def _settled_until(tx: Transaction, group: GlobalTable, now: int) -> int:
    """The moment up to which all writes of all regions are everywhere."""
    if any(member.status != "ACTIVE" for member in group.members):
        return 0
    until = now
    for member in group.members:
        table = stored_replica(tx, group, member.region)
        if table is None or table.journal is None:
            return 0
        for other in group.others(member.region):
            waiting = table.journal.entries(tx, table.journal.cursor(tx, other.region), 1)
            if waiting:
                until = min(until, waiting[0][0])
    return until
