"""Shards: the pieces that a stream comes in, one after the other.

A shard takes what is written within four hours; then it is closed, and a new one, its child, goes on. A record's sequence number says which shard it is
in, so that shards are never written: which there are follows from the stream's beginning and the clock. A shard goes with its last record, a day after
it was closed. (Developer Guide: "Change data capture for DynamoDB Streams"; how long a shard is open shows in the sample of the API Reference's
"DescribeStream".)
"""

from __future__ import annotations

from typing import NamedTuple

from zlib_ng.zlib_ng import crc32

from haneul.clock import MILLISECOND
from haneul.services.dynamodb.streams import RETENTION, SHARD_LIFE, StreamRecord


class Shard(NamedTuple):
    """A shard and its parent's id (None for the first). Its numbers go from `first` to just before `end`; `last` is the last of them, None while it is open."""

    number: int
    id: str
    parent: str | None
    first: int
    end: int
    last: int | None


def _first(stream: StreamRecord, number: int) -> int:
    return stream.first_sequence + number * SHARD_LIFE


def _number(stream: StreamRecord, sequence: int) -> int:
    """The number of the shard that a sequence number belongs to."""
    return max(0, sequence - stream.first_sequence) // SHARD_LIFE


def _id(stream: StreamRecord, number: int) -> str:
    if number == 0:
        return stream.shard_id
    return f"shardId-{_first(stream, number) // MILLISECOND:020}-{crc32(f'{stream.id}/{number}'.encode()):08x}"


def _newest(stream: StreamRecord, now: int, newest_sequence: int) -> int:
    """The number of the shard that is written to, or was when the stream ended."""
    return _number(stream, max(stream.last_sequence, stream.disabled_at) if not stream.enabled else max(newest_sequence, now))


def shard(stream: StreamRecord, number: int, now: int, newest_sequence: int) -> Shard:
    """A shard by its number, kept or not. `newest_sequence` is that of the stream's newest record, 0 for none."""
    first, end = _first(stream, number), _first(stream, number + 1)
    last = None
    if number < _newest(stream, now, newest_sequence):
        last = end - 1
    elif not stream.enabled:
        last = max(stream.last_sequence, first)
    return Shard(number, _id(stream, number), _id(stream, number - 1) if number else None, first, end, last)


def kept_shards(stream: StreamRecord, now: int, newest_sequence: int) -> list[Shard]:
    """The shards that may hold records which are still kept, oldest first."""
    newest = _newest(stream, now, newest_sequence)
    oldest = min(_number(stream, now - RETENTION), newest)
    return [shard(stream, number, now, newest_sequence) for number in range(oldest, newest + 1)]
