"""What is left to do after a queue was purged or deleted, carried out from the outbox."""

from __future__ import annotations

import base64

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.operation import Shape
from haneul.services.sqs.queues import DELETED, Place
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction

SWEEP = "sqs:sweep"
FORGET_NAME = "sqs:forget-name"
NAME_BLOCKED = 60 * SECOND
# Bounds how long other transactions wait, and how much is in memory (a row has up to 1 MiB).
REMOVED_PER_TRANSACTION = 100


def sweep_later(cloud: Cloud, tx: Transaction, prefix: bytes) -> None:
    """Have everything below a prefix removed in the background: the rows of messages that nobody can reach any more."""
    cloud.outbox.put(tx, SWEEP, {"prefix": base64.b64encode(prefix).decode()})


async def sweep(cloud: Cloud, payload: Shape) -> None:
    start, end = prefix_range(base64.b64decode(payload["prefix"]))
    while keys := [key for key, _ in cloud.store.range(start, end, REMOVED_PER_TRANSACTION)]:
        await cloud.store.transact(lambda tx, keys=keys: [tx.delete(key) for key in keys])  # type: ignore[misc]


def block_name(cloud: Cloud, tx: Transaction, place: Place, now: int) -> None:
    """Keep the name of a deleted queue taken for a minute."""
    tx.put(pack((DELETED, *place)), str(now).encode())
    cloud.outbox.put(tx, FORGET_NAME, place._asdict(), due=now + NAME_BLOCKED, key=place.arn)


def is_name_blocked(tx: Transaction, place: Place, now: int) -> bool:
    row = tx.get(pack((DELETED, *place)))
    return row is not None and int(row) + NAME_BLOCKED > now


async def forget_name(cloud: Cloud, payload: Shape) -> None:
    place = Place(payload["account"], payload["region"], payload["name"])

    def work(tx: Transaction) -> None:
        if not is_name_blocked(tx, place, cloud.clock.now()):
            tx.delete(pack((DELETED, *place)))

    await cloud.store.transact(work)
