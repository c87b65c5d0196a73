"""A new replica is filled with what the table held before: in bounded steps, each of which says where the next one begins, while writes go on everywhere.

Versions decide what wins, so it does not matter whether an item comes by this way or, because somebody writes it meanwhile, from a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.billing.metrics import RESTORED
from haneul.services.dynamodb.replication.apply import apply_version
from haneul.services.dynamodb.replication.delivery import Progress, push, stored_replica
from haneul.services.dynamodb.replication.records import FAR, GlobalTable, Member, group_key, read_group
from haneul.services.dynamodb.replication.strong import connected
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord
from haneul.services.dynamodb.writing import read_counts
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

BACKFILL = "dynamodb-replica-backfill"
_FILL_SPACE = "dynamodb-replica-fill"
_CHUNK = 100


def plan_backfill(service: DynamoDb, tx: Transaction, group: GlobalTable, region: str, due: int) -> None:
    """Promise to fill a replica, or to go on with it."""
    payload = {"account": group.account, "group": group.id, "target": region}
    service.cloud.outbox.put(tx, BACKFILL, payload, due=due)


def _place(account: str, region: str, group_id: str, name: str) -> bytes:
    return pack((_FILL_SPACE, account, region, group_id, name))


async def backfill(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Fill one replica. It begins where an earlier run was interrupted; while its source cannot be reached it waits for the healing."""
    account, region = payload["account"], payload["target"]

    def work(tx: Transaction) -> tuple[Table, Progress, bool] | None:
        group = read_group(tx, account, payload["group"])
        member = group.member(region) if group is not None else None
        if group is None or member is None or member.status != "CREATING":
            return None
        source, target = stored_replica(tx, group, member.source), stored_replica(tx, group, region)
        links = service.cloud.links
        reached = connected(links, group, member.source, region) if group.strong else links.reach(member.source, region)
        if source is None or target is None or not reached:
            return None
        progress = Progress()
        done = _step(service, tx, group, source, target, progress)
        if done:
            if group.strong:  # What was written meanwhile must be there before anybody may rely on it.
                progress = push(service, tx, source, group, FAR)
            if progress.next_due:
                plan_backfill(service, tx, group, region, progress.next_due)
            elif not progress.more:
                _finish(service, tx, group, member, source, target)
        return source, progress, done and not progress.more

    while True:
        step = await service.cloud.store.transact(work)
        if step is None:
            return
        source, progress, done = step
        progress.report(service, source)
        if done:
            _count_filled(service, account, region, source.name)
            return


def _count_filled(service: DynamoDb, account: str, region: str, name: str) -> None:
    """Filling a new replica is paid for as if its table had been restored there."""
    target = service.stored_table(account, region, name)
    if target is not None:
        size = sum(size for _, size in read_counts(service.cloud.store, target).values())
        service.cloud.usage.add(account, region, "dynamodb", RESTORED, name, size)


def _step(service: DynamoDb, tx: Transaction, group: GlobalTable, source: Table, target: Table, progress: Progress) -> bool:
    """Copy the next items, and behind the last one the next tombstones; True when all are there."""
    ours, theirs = source.journal, target.journal
    assert ours is not None and theirs is not None
    account, region = group.account, target.record.region
    items_at, graves_at = _place(account, region, group.id, "items"), _place(account, region, group.id, "tombstones")
    start, end = prefix_range(source.prefix)
    begin = tx.get(items_at) or start
    rows = tx.range(begin, end, _CHUNK) if begin < end else []
    for key, row in rows:
        suffix = key[len(source.prefix) :]
        apply_version(service, tx, target, suffix, tx.get(ours.versions + suffix), row)
    if rows:
        tx.put(items_at, rows[-1][0] + b"\x00" if len(rows) == _CHUNK else end)
    if len(rows) == _CHUNK:
        return False
    start, end = prefix_range(ours.tombstones)
    graves = tx.range(tx.get(graves_at) or start, end, _CHUNK)
    for key, _ in graves:
        at = len(ours.tombstones)
        suffix = key[at + 1 + key[at] - 0x14 :]
        stamp = tx.get(ours.versions + suffix)
        if stamp is not None and tx.get(source.prefix + suffix) is None:
            apply_version(service, tx, target, suffix, stamp, None)
    if len(graves) == _CHUNK:
        tx.put(graves_at, graves[-1][0] + b"\x00")
        return False
    return True


def _finish(service: DynamoDb, tx: Transaction, group: GlobalTable, member: Member, source: Table, target: Table) -> None:
    """The replica is ready, and so is the table that it was made from."""
    member.status = "ACTIVE"
    tx.put(group_key(group.account, group.id), encode(group))
    record = target.record
    record.status = "ACTIVE"
    for index in record.indexes:
        if index.is_global:
            index.status = "ACTIVE"
    lifecycle.write_record(tx, record)
    settle_source(tx, group, source.record)
    for name in ("items", "tombstones"):
        tx.delete(_place(group.account, member.region, group.id, name))


def settle_source(tx: Transaction, group: GlobalTable, record: TableRecord) -> None:
    """A table whose replicas changed is ACTIVE again when nothing else is under way."""
    if any(one.status == "CREATING" and one.source == record.region for one in group.members):
        return
    if record.status == "UPDATING" and not any(index.status in ("CREATING", "DELETING") for index in record.indexes):
        record.status = "ACTIVE"
    lifecycle.write_record(tx, record)
