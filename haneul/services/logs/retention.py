"""The end of events: by the group's retention, by deleting their stream or group.

Reads never show an event beyond its retention; the rows are removed by the outbox, at the hour they are due, at a cost of what is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from haneul.clock import MILLISECOND
from haneul.core.cloud import Cloud
from haneul.core.ports import Shape
from haneul.services.logs.records import (
    DAY_MS,
    EVENT_HEAD_BYTES,
    HOUR_MS,
    Group,
    Place,
    Stream,
    bytes_key,
    count_bytes,
    event_position,
    events_prefix,
    group_key,
    oldest_key,
    oldest_prefix,
    recent_prefix,
    stream_key,
    streams_prefix,
)
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

EXPIRE = "logs:expire"
PURGE = "logs:purge"
EVENT_OVERHEAD_BYTES = 26
_ROWS_PER_TRANSACTION = 2000


def oldest_kept_ms(group: Group, now_ms: int) -> int:
    """Events before this time have expired."""
    return now_ms - group.retention_days * DAY_MS if group.retention_days else 0


def schedule_expiry(cloud: Cloud, tx: Transaction, place: Place, group: Group) -> None:
    """Set (or take back) the group's next expiry from its oldest events. Changes `group`, which the caller writes."""
    key = f"{place.account}/{place.region}/{group.id}"
    rows = tx.range(*prefix_range(oldest_prefix(place, group.id)), limit=1) if group.retention_days else []
    if not rows:
        if group.expiry_due_ms:
            cloud.outbox.cancel(tx, EXPIRE, key)
            group.expiry_due_ms = 0
        return
    hour = unpack(rows[0][0])[-2]
    assert isinstance(hour, int)
    # At the end of the hour in which the oldest event falls, everything of that hour is due.
    group.expiry_due_ms = (hour + 1) * HOUR_MS + group.retention_days * DAY_MS
    cloud.outbox.put(tx, EXPIRE, {"place": list(place), "group": group.name, "id": group.id}, due=group.expiry_due_ms * MILLISECOND, key=key)


async def expire(cloud: Cloud, payload: Shape) -> None:
    """Remove what has expired in one group, some rows a transaction, and set the next time."""
    place, name = Place(*payload["place"]), payload["group"]

    def work(tx: Transaction) -> bool:
        value = tx.get(group_key(place, name))
        group = decode(value, Group) if value is not None else None
        if group is None or group.id != payload["id"] or not group.retention_days:
            return True
        done = _expire_some(tx, place, group, oldest_kept_ms(group, cloud.clock.now() // MILLISECOND))
        if done:
            group.expiry_due_ms = 0
            schedule_expiry(cloud, tx, place, group)
            tx.put(group_key(place, name), encode(group))
        return done

    while not await cloud.store.transact(work):
        pass


def _expire_some(tx: Transaction, place: Place, group: Group, cutoff_ms: int) -> bool:
    """Remove events before `cutoff_ms`; False when there may be more of them."""
    left = _ROWS_PER_TRANSACTION
    start, end = prefix_range(oldest_prefix(place, group.id))
    end = min(end, oldest_prefix(place, group.id) + pack((cutoff_ms // HOUR_MS + 1,)))
    for index_key, _ in tx.range(start, end, limit=_ROWS_PER_TRANSACTION // 10):
        name = str(unpack(index_key)[-1])
        value = tx.get(stream_key(place, group.id, name))
        if value is None:
            tx.delete(index_key)
            continue
        stream = decode(value, Stream)
        prefix = events_prefix(place, group.id, stream.id)
        rows = tx.range(prefix, prefix + pack((cutoff_ms,)), limit=left)
        if not rows:
            continue
        for key, _ in rows:
            tx.delete(key)
        removed = sum(len(stored) - EVENT_HEAD_BYTES + EVENT_OVERHEAD_BYTES for _, stored in rows)
        stream.stored_bytes -= removed
        count_bytes(tx, place, group.id, -removed)
        left -= len(rows)
        rest = tx.range(*prefix_range(prefix), limit=1)
        stream.first_event_ms = event_position(rest[0][0], prefix)[0] if rest else -1
        tx.delete(index_key)
        if rest:
            tx.put(oldest_key(place, group.id, stream.first_event_ms, name), b"")
        tx.put(stream_key(place, group.id, name), encode(stream))
        if left <= 0:
            return False
    return left == _ROWS_PER_TRANSACTION


def forget_group(cloud: Cloud, tx: Transaction, place: Place, group: Group) -> None:
    """Have everything below a group that is being deleted removed."""
    cloud.outbox.cancel(tx, EXPIRE, f"{place.account}/{place.region}/{group.id}")
    prefixes = [streams_prefix(place, group.id), recent_prefix(place, group.id), oldest_prefix(place, group.id), events_prefix(place, group.id)]
    tx.delete(bytes_key(place, group.id))
    _forget(cloud, tx, prefixes)


def forget_stream(cloud: Cloud, tx: Transaction, place: Place, group: Group, stream: Stream) -> None:
    """Have the events of a stream that is being deleted removed."""
    count_bytes(tx, place, group.id, -stream.stored_bytes)
    _forget(cloud, tx, [events_prefix(place, group.id, stream.id)])


def _forget(cloud: Cloud, tx: Transaction, prefixes: Iterable[bytes]) -> None:
    cloud.outbox.put(tx, PURGE, {"prefixes": list(prefixes)})


async def purge(cloud: Cloud, payload: Shape) -> None:
    """Remove all rows below some prefixes, some a transaction."""
    for prefix in payload["prefixes"]:
        start, end = prefix_range(prefix)
        while rows := cloud.store.range(start, end, limit=_ROWS_PER_TRANSACTION):
            keys = [key for key, _ in rows]
            await cloud.store.transact(lambda tx, keys=keys: [tx.delete(key) for key in keys])  # type: ignore[misc]

