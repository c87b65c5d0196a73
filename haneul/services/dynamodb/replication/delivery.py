"""Writes travel to the other regions: from the log of the replica where they were made, in its order, in bounded steps that a crash may interrupt anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import MILLISECOND, SECOND
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.replication.apply import apply_version
from haneul.services.dynamodb.replication.journal import REPLICATE, Journal
from haneul.services.dynamodb.replication.records import FAR, LATENCY, GlobalTable, Member, read_group
from haneul.services.dynamodb.replication.strong import connected
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.services.dynamodb.throughput.throttled import CODES
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

Payload = dict[str, Any]
_CHUNK = 100
# What is not yet due waits a little longer for company, so that busy tables are served in chunks.
GATHERING = 25 * MILLISECOND
# How long replication waits for a replica whose write capacity is used up.
THROTTLED_PAUSE = SECOND


class Progress:
    """What one step did: `more` is due at once, `next_due` later (0 for nothing), `blocked` waits for regions that cannot be reached.

    `latencies` are how long (milliseconds) writes were under way to each region.
    """

    def __init__(self) -> None:
        self.more = False
        self.blocked = False
        self.next_due = 0
        self.latencies: list[tuple[str, float]] = []

    def come_again(self, due: int) -> None:
        """Something is left for later."""
        self.next_due = min(self.next_due or due, due)

    def report(self, service: DynamoDb, source: Table) -> None:
        """Tell how long what a step has safely moved was under way."""
        record = source.record
        for region, latency_ms in self.latencies:
            dimensions = (("ReceivingRegion", region), ("TableName", record.name))
            service.cloud.metrics.add(record.account, record.region, "AWS/DynamoDB", "ReplicationLatency", dimensions, latency_ms, "Milliseconds")


def stored_replica(tx: Transaction, group: GlobalTable, region: str) -> Table | None:
    """The table of a replica, as the transaction sees it."""
    raw = tx.get(table_key(group.account, region, group.name))
    table = Table(decode(raw, TableRecord)) if raw is not None else None
    return table if table is not None and table.journal is not None and table.journal.group == group.id else None


def push(service: DynamoDb, tx: Transaction, source: Table, group: GlobalTable, horizon: int) -> Progress:
    """One step: send each other region the next entries that the log has had since before `horizon` (nanoseconds)."""
    journal = source.journal
    assert journal is not None
    progress = Progress()
    links = service.cloud.links
    others = group.others(journal.region)
    for member in others:
        reached = connected(links, group, journal.region, member.region) if group.strong else links.reach(journal.region, member.region)
        target = stored_replica(tx, group, member.region) if reached else None
        if target is not None:
            _push_to(service, tx, source, target, member, horizon, progress)
        elif journal.entries(tx, journal.cursor(tx, member.region), 1):
            progress.blocked = True
    _trim(tx, journal, others)
    if group.strong:
        _catch_up(tx, group)
    return progress


def _push_to(service: DynamoDb, tx: Transaction, source: Table, target: Table, member: Member, horizon: int, progress: Progress) -> None:
    journal = source.journal
    assert journal is not None
    entries = journal.entries(tx, journal.cursor(tx, member.region), _CHUNK + 1)
    due = [entry for entry in entries[:_CHUNK] if entry[0] <= horizon]
    done, now = 0, service.cloud.clock.now()
    throttled = False
    for position, suffix in due:
        stamp = tx.get(journal.versions + suffix)
        try:
            taken = apply_version(service, tx, target, suffix, stamp, tx.get(source.prefix + suffix)) if stamp is not None else False
        except ServiceError as error:
            if error.code not in CODES:
                raise
            throttled = True  # The replica has no capacity left: the rest waits, in its order.
            break
        done += 1
        if taken:
            progress.latencies.append((member.region, max(0, now - position) / MILLISECOND))
    if done:
        journal.set_cursor(tx, member.region, due[done - 1][0])
    if throttled:
        progress.come_again(now + THROTTLED_PAUSE)
    elif len(due) < len(entries):
        left = entries[len(due)][0]
        if left <= horizon:
            progress.more = True
        else:
            progress.come_again(left + LATENCY + GATHERING)


def _trim(tx: Transaction, journal: Journal, others: list[Member]) -> None:
    """Forget what all regions have heard."""
    reached = min((journal.cursor(tx, member.region) for member in others), default=0)
    start = prefix_range(journal.log)[0]
    for key, _ in tx.range(start, journal.log + pack((reached + 1,)), 2 * _CHUNK):
        tx.delete(key)


def _catch_up(tx: Transaction, group: GlobalTable) -> None:
    """Replicas of a strongly consistent table that lack nothing any more are as good as the others."""
    tables = {member.region: stored_replica(tx, group, member.region) for member in group.members}
    for region, table in tables.items():
        if table is None or table.journal is None or tx.get(table.journal.behind) is None:
            continue
        sources = [other.journal for other in tables.values() if other is not None and other.journal is not None and other is not table]
        if not any(journal.entries(tx, journal.cursor(tx, region), 1) for journal in sources):
            tx.delete(table.journal.behind)


def journal_of(tx: Transaction, payload: Payload) -> tuple[Table, GlobalTable] | None:
    """The replica that an entry of the outbox is about, with its global table; None when it is a replica no more."""
    raw = tx.get(table_key(payload["account"], payload["region"], payload["name"]))
    record = decode(raw, TableRecord) if raw is not None else None
    if record is None or record.id != payload["id"] or record.replication is None or record.replication.group != payload["group"]:
        return None
    group = read_group(tx, record.account, record.replication.group)
    return (Table(record), group) if group is not None else None


async def replicate(service: DynamoDb, payload: Payload) -> None:
    """Send what is due. What is not yet due, or cannot go because a region is cut off, leaves a promise for later."""

    def work(tx: Transaction) -> tuple[Table, Progress] | None:
        found = journal_of(tx, payload)
        if found is None:
            return None
        source, group = found
        journal = source.journal
        assert journal is not None
        now = service.cloud.clock.now()
        # The positions of a log may run ahead of a clock that stands still.
        progress = push(service, tx, source, group, FAR if journal.strong else now - LATENCY)
        if not progress.more:
            if progress.next_due:
                service.cloud.outbox.put(tx, REPLICATE, journal.payload, due=progress.next_due)
            else:
                tx.delete(journal.pending)
        return source, progress

    while True:
        done = await service.cloud.store.transact(work)
        if done is None:
            return
        source, progress = done
        progress.report(service, source)
        if not progress.more:
            return

