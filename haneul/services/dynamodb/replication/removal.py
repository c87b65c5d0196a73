"""A replica leaves its global table: first everything written in it goes to the others, then its table is deleted, or goes on as one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.replication.backfill import settle_source
from haneul.services.dynamodb.replication.delivery import Progress, push, stored_replica
from haneul.services.dynamodb.replication.records import FAR, GlobalTable, group_key, read_group
from haneul.services.dynamodb.table import Table
from haneul.store.port import Transaction
from haneul.store.records import encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

REMOVE = "dynamodb-replica-remove"


def plan_removal(service: DynamoDb, tx: Transaction, group: GlobalTable, region: str, due: int) -> None:
    """Promise to let a replica go."""
    service.cloud.outbox.put(tx, REMOVE, {"account": group.account, "group": group.id, "region": region}, due=due)


async def remove(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Let one replica go. While it cannot reach a region that lacks its writes, it stays; the healing goes on with it."""

    def work(tx: Transaction) -> tuple[Table, Progress] | None:
        group = read_group(tx, payload["account"], payload["group"])
        member = group.member(payload["region"]) if group is not None else None
        source = stored_replica(tx, group, payload["region"]) if group is not None else None
        if group is None or member is None or source is None or not member.leaving:
            return None
        progress = push(service, tx, source, group, FAR)
        if progress.next_due:
            plan_removal(service, tx, group, payload["region"], progress.next_due)
        elif not progress.more and not progress.blocked:
            _part(service, tx, group, source)
        return source, progress

    while True:
        step = await service.cloud.store.transact(work)
        if step is None:
            return
        source, progress = step
        progress.report(service, source)
        if not progress.more:
            return


def _part(service: DynamoDb, tx: Transaction, group: GlobalTable, source: Table) -> None:
    """Take a replica that owes nothing out of its global table; with the last but one the global table ends."""
    region = source.record.region
    member = group.member(region)
    assert member is not None
    group.members.remove(member)
    release(service, tx, source, delete=not member.kept)
    for other in group.members:
        table = stored_replica(tx, group, other.region)
        if table is None or table.journal is None:
            continue
        tx.delete(table.journal.cursor_key(region))
        if len(group.members) == 1:
            release(service, tx, table, delete=False)
        else:
            settle_source(tx, group, table.record)
    if len(group.members) > 1:
        tx.put(group_key(group.account, group.id), encode(group))
    else:
        tx.delete(group_key(group.account, group.id))


def release(service: DynamoDb, tx: Transaction, table: Table, *, delete: bool) -> None:
    """Make a replica a table of its own, and delete it then if that is wanted."""
    record, journal = table.record, table.journal
    assert journal is not None
    lifecycle.purge_later(service, tx, record, [journal.base])
    record.replication = None
    if delete:
        record.status = "DELETING"
        lifecycle.plan(service, tx, lifecycle.DROP, record)
    elif record.status == "UPDATING" and not any(index.status in ("CREATING", "DELETING") for index in record.indexes):
        record.status = "ACTIVE"
    lifecycle.write_record(tx, record)
