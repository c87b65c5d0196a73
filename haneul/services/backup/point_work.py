"""The life of recovery points: they become cold, and end, by the clock; deleting one removes what it holds."""

from __future__ import annotations

from functools import partial
from typing import Any

from haneul.clock import HOUR
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.backup import bucket_copies
from haneul.services.backup.errors import busy
from haneul.services.backup.records import DYNAMODB, POINT_OF_SPACE, PROTECTED_SPACE, Point, Protected, drop_point, find_point, key, put_point
from haneul.services.backup.roles import Problem, as_role, words
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

AGE = "backup-age"
_AGAIN = 24 * HOUR


def payload_of(point: Point) -> dict[str, Any]:
    return {"account": point.account, "region": point.region, "vault": point.vault, "arn": point.arn}


def plan_lifecycle(cloud: Cloud, tx: Transaction, point: Point) -> None:
    """Set the timer for what comes next in a recovery point's life."""
    cloud.outbox.cancel(tx, AGE, point.arn)
    times = point.calculated
    cold, end = times.get("MoveToColdStorageAt"), times.get("DeleteAt")
    due = cold if cold is not None and not point.cold else end
    if due is not None:
        cloud.outbox.put(tx, AGE, payload_of(point), due=max(due, cloud.clock.now()), key=point.arn)


async def age(cloud: Cloud, payload: dict[str, Any]) -> None:
    """A recovery point's time to become cold, or to end, has come."""
    point = find_point(cloud.store, payload["account"], payload["region"], payload["vault"], payload["arn"])
    if point is None:
        return
    now = cloud.clock.now()
    times = point.calculated
    if times.get("DeleteAt", now + 1) <= now:
        # While a restore is under way, and while the role may not delete it, it is looked at again and again.
        if point.restoring or not await delete(cloud, point):
            await cloud.store.transact(lambda tx: cloud.outbox.put(tx, AGE, payload, due=now + (HOUR if point.restoring else _AGAIN), key=point.arn))
        return

    def cool(tx: Transaction) -> None:
        current = find_point(tx, point.account, point.region, point.vault, point.arn)
        if current is not None and current.calculated.get("MoveToColdStorageAt", now + 1) <= now:
            current.cold = True
            put_point(tx, current)
            plan_lifecycle(cloud, tx, current)

    await cloud.store.transact(cool)


async def delete(cloud: Cloud, point: Point) -> bool:
    """Remove a recovery point with everything that it holds. InvalidResourceStateException while something else is being done with it.

    Where its role may not do that, or is gone, False: the recovery point stays, EXPIRED. (API Reference: "DeleteRecoveryPoint".)
    """

    def mark(tx: Transaction) -> None:
        current = find_point(tx, point.account, point.region, point.vault, point.arn)
        if current is not None:
            if current.restoring:
                raise busy()
            current.status = "DELETING"
            put_point(tx, current)

    await cloud.store.transact(mark)
    try:
        await _empty(cloud, point)
    except Problem as problem:
        await cloud.store.transact(partial(_expire, point, words(problem)))
        return False

    def work(tx: Transaction) -> None:
        drop_point(tx, point)
        cloud.outbox.cancel(tx, AGE, point.arn)
        _update_protected(tx, point)

    await cloud.store.transact(work)
    return True


def _expire(point: Point, message: str, tx: Transaction) -> None:
    current = find_point(tx, point.account, point.region, point.vault, point.arn)
    if current is not None:
        current.status, current.message = "EXPIRED", message
        put_point(tx, current)


async def _empty(cloud: Cloud, point: Point) -> None:
    """Remove what a recovery point holds."""
    if point.resource_type == DYNAMODB:
        try:
            await as_role(cloud, point.role_arn, point.region, point.account, "dynamodb:DeleteBackup", {"BackupArn": point.backup_arn})
        except ServiceError as problem:
            if problem.code != "BackupNotFoundException":
                raise
    else:
        await bucket_copies.remove(cloud, point.account, point.region, point.arn)


def _update_protected(tx: Transaction, gone: Point) -> None:
    """The resource's latest recovery point is the newest one left, if any."""
    place = key(PROTECTED_SPACE, gone.account, gone.region, gone.resource_arn)
    raw = tx.get(place)
    if raw is None or decode(raw, Protected).last_point != gone.arn:
        return
    rows = tx.range(*prefix_range(key(POINT_OF_SPACE, gone.account, gone.region, gone.resource_arn)), 1)
    if not rows:
        tx.delete(place)
        return
    created, arn = unpack(rows[0][0])[-2:]
    tx.put(place, encode(Protected(gone.resource_arn, gone.resource_type, -int(created), rows[0][1].decode(), str(arn))))


HANDLERS = ((AGE, age),)
