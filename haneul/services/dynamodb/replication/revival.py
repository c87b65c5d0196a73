"""What waits goes on: when regions reach one another again, and when the cloud starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from haneul.services.dynamodb.replication.backfill import BACKFILL, backfill, plan_backfill
from haneul.services.dynamodb.replication.delivery import replicate, stored_replica
from haneul.services.dynamodb.replication.journal import REPLICATE, SWEEP
from haneul.services.dynamodb.replication.records import GLOBAL_SPACE, GlobalTable
from haneul.services.dynamodb.replication.removal import REMOVE, plan_removal, remove
from haneul.services.dynamodb.replication.tombstones import sweep
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

Handler = Callable[["DynamoDb", dict[str, Any]], Awaitable[None]]
HANDLERS: tuple[tuple[str, Handler], ...] = ((REPLICATE, replicate), (BACKFILL, backfill), (REMOVE, remove), (SWEEP, sweep))


async def revive(service: DynamoDb) -> None:
    """Promise to look at everything that a region may have been too far away for."""
    for key, _ in service.cloud.store.iterate(*prefix_range(pack((GLOBAL_SPACE,)))):

        def work(tx: Transaction, key: bytes = key) -> None:
            raw = tx.get(key)
            if raw is not None:
                _revive_one(service, tx, decode(raw, GlobalTable))

        await service.cloud.store.transact(work)


def _revive_one(service: DynamoDb, tx: Transaction, group: GlobalTable) -> None:
    now = service.cloud.clock.now()
    for member in group.members:
        if member.status == "CREATING":
            plan_backfill(service, tx, group, member.region, now)
        elif member.leaving:
            plan_removal(service, tx, group, member.region, now)
        table = stored_replica(tx, group, member.region)
        journal = table.journal if table is not None else None
        if journal is not None and tx.range(*prefix_range(journal.log), 1):
            tx.put(journal.pending, b"\x01")
            service.cloud.outbox.put(tx, REPLICATE, journal.payload, due=now)
