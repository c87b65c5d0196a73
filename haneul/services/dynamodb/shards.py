"""Shards: the pieces that a stream comes in, one after the other in each of its lanes.

A shard takes what is written in its lane within four hours; then it is closed, and a new one, its child, goes on. When a partition of the table is
split, so is its lane: its shard is closed, and those of the new lanes are the children. A record's lane and sequence number say which shard it is in, so that
shards are never written: which there are follows from the lanes and the clock. A shard goes with its last record, a day after it was closed.
(Developer Guide: "Change data capture for DynamoDB Streams", "Shards"; how long a shard is open shows in the sample of the API Reference's "DescribeStream".)
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from zlib_ng.zlib_ng import crc32

from haneul.clock import HOUR, MILLISECOND
from haneul.services.dynamodb.streams import RETENTION, Lane, StreamRecord

_SHARD_LIFE = 4 * HOUR
NUMBERS_MAX = 2**62 // _SHARD_LIFE
"""Of the shards in a lane: more than there is time for."""
_ODD = 0x9E3779B1
_32_BITS = 0xFFFFFFFF


class Shard(NamedTuple):
    """A shard: the number of its lane, its own within that, and its parent's id (None for the first). Its sequence numbers go from `first` to just before `end`; `last` is the last
    of them, None while it is open."""

    lane: int
    number: int
    id: str
    parent: str | None
    first: int
    end: int
    last: int | None


def _number(lane: Lane, sequence: int) -> int:
    """Which of a lane's shards a sequence number belongs to."""
    return max(0, sequence - lane.since) // _SHARD_LIFE


def _newest(stream: StreamRecord, lane: Lane, now: int, newest_sequence: int) -> int:
    """Which of a lane's shards is written to, or was when the lane ended."""
    if lane.until:
        return _number(lane, lane.until - 1)
    return _number(lane, max(newest_sequence, now if stream.enabled else max(stream.last_sequence, stream.disabled_at)))


def lane_mark(stream_id: str, lane: int) -> str:
    """What the ids of a lane's shards end with. The lanes of a stream have different ones."""
    return f"{crc32(stream_id.encode()) ^ (lane * _ODD & _32_BITS):08x}"


def _id(stream_id: str, lane: Lane, number: int) -> str:
    """Ids begin with the time, so that children come after their parents; those of one time differ by their lanes."""
    time = (lane.since + number * _SHARD_LIFE) // MILLISECOND
    return f"shardId-{time:020}-{lane_mark(stream_id, lane.id)}"


def _time_in(shard_id: str) -> int:
    """The time in a shard's id, in nanoseconds; 0 for what is none."""
    time = shard_id[8:28]
    return int(time) * MILLISECOND if time.isdigit() and time.isascii() else 0


def shard(stream: StreamRecord, lane: Lane, number: int, now: int, newest_sequence: int) -> Shard:
    """A shard by its lane and number, kept or not. `newest_sequence` is that of the lane's newest record, 0 for none."""
    first = lane.since + number * _SHARD_LIFE
    end = min(first + _SHARD_LIFE, lane.until) if lane.until else first + _SHARD_LIFE
    last = None
    if lane.until or number < _newest(stream, lane, now, newest_sequence):
        last = end - 1
    elif not stream.enabled:
        last = max(stream.last_sequence, newest_sequence, first)  # What was under way when the stream was switched off came behind its last.
    parent = _id(stream.id, lane, number - 1) if number else lane.parent or None
    return Shard(lane.id, number, _id(stream.id, lane, number), parent, first, end, last)


def kept_shards(stream: StreamRecord, lane: Lane, now: int, newest_sequence: int, since: int = 0) -> Iterator[Shard]:
    """The shards of a lane that may hold records which are still kept, oldest first, from the one on that took what was written at `since`."""
    if is_over(lane, now):
        return
    newest = _newest(stream, lane, now, newest_sequence)
    oldest = max(min(_number(lane, now - RETENTION), newest), _number(lane, since))
    for number in range(oldest, newest + 1):
        yield shard(stream, lane, number, now, newest_sequence)


def in_one_shard(lane: Lane, one: int, other: int) -> bool:
    """Whether two sequence numbers of a lane, or times, belong to the same shard."""
    return _number(lane, one) == _number(lane, other)


def shards_after(stream: StreamRecord, lanes: Sequence[Lane], start: str, now: int, newest: Callable[[Lane], int]) -> Iterator[Shard]:
    """The shards of lanes that are kept, with ids behind `start`, in their order, made as they are taken. `newest` tells the newest sequence number in a lane."""
    since = _time_in(start)
    shards = heapq.merge(*[kept_shards(stream, lane, now, newest(lane), since) for lane in lanes], key=attrgetter("id"))
    return (one for one in shards if one.id > start)


def children_after(stream: StreamRecord, parent: str, start: str, now: int, newest: Callable[[Lane], int]) -> Iterator[Shard]:
    """Those of one parent: what follows it in its lane, or what its lane was split into."""
    lanes = [lane for lane in stream.lanes if lane.parent == parent or parent.endswith(lane_mark(stream.id, lane.id))]
    return (one for one in shards_after(stream, lanes, max(start, parent), now, newest) if one.parent == parent)


def named_shard(stream: StreamRecord, shard_id: str, now: int, newest: Callable[[Lane], int]) -> Shard | None:
    """The shard with this id, if it is kept."""
    since = _time_in(shard_id)
    for lane in stream.lanes:
        number = _number(lane, since + MILLISECOND - 1)
        if _id(stream.id, lane, number) == shard_id:
            return next((one for one in kept_shards(stream, lane, now, newest(lane), since) if one.number == number), None)
    return None


def is_over(lane: Lane, now: int) -> bool:
    """Whether nothing of a lane is kept any more, nor will be."""
    return 0 < lane.until <= now - RETENTION


def split_lanes(stream: StreamRecord, lows: Sequence[bytes], at: int) -> bool:
    """Have a lane begin at each of these hashes, from a sequence number on that has not been given out; whether there was any to split."""
    lanes = stream.open_lanes
    added = sorted(set(lows) - {lane.low for lane in lanes})
    if not added:
        return False
    # Shards of one millisecond are told apart by their lanes, but who came first would not be seen. So none begins within a millisecond of its parent's beginning, nor just then,
    # when the parent would be one that was shown already and has no place any more.
    while (later := max(lane.since + _number(lane, at) * _SHARD_LIFE for lane in lanes) + MILLISECOND) > at:
        at = later
    number = max(lane.id for lane in stream.lanes) + 1
    for lane, following in zip(lanes, (*lanes[1:], None)):
        inside = [low for low in added if low > lane.low and (following is None or low < following.low)]
        if not inside:
            continue
        lane.until = at
        parent = _id(stream.id, lane, _number(lane, at - 1))
        for low in (lane.low, *inside):
            stream.lanes.append(Lane(number, low, at, parent=parent))
            number += 1
    return True
