"""Who reads a shard: at most two at the same time.

A reader is whoever goes on from one answer's NextShardIterator to the next; a look with a fresh iterator is none yet. Who has read to the end of what is there
and begins again with a fresh iterator is no second reader, as its earlier reads ended before. (Developer Guide: "Change data capture for DynamoDB Streams": no
more than two processes should read from one shard at the same time, more can be throttled.)
"""

from __future__ import annotations

from dataclasses import dataclass

from haneul.clock import SECOND
from haneul.core.errors import ServiceError

READERS_MAX = 2
_AT_THE_SAME_TIME = SECOND
_SHARDS_MAX = 10_000
# Of a shard. Who is forgotten begins anew.
_KEPT_MAX = 64


@dataclass
class _Reader:
    """Which read of the shard was its first, a fresh look, which its last one since (0: none yet), and when that was."""

    begun: int
    last: int
    at: int


class Readers:
    """Readers of this process's shards, by shard and by the number that their iterators carry."""

    def __init__(self) -> None:
        self._shards: dict[str, dict[int, _Reader]] = {}
        self._reads = 0

    def begin(self, shard: str, reader: int, now: int) -> None:
        """Note a look with a fresh iterator, whose answer's NextShardIterator carries this number."""
        self._reads += 1
        self._living(shard, now)[reader] = _Reader(self._reads, 0, now)

    def let_in(self, shard: str, reader: int, now: int, *, refusable: bool) -> None:
        """Note a read; LimitExceededException for one reader too many, unless it is one of the cloud's own, which only count."""
        readers = self._living(shard, now)
        self._reads += 1
        mine = readers.get(reader) or _Reader(self._reads, 0, now)
        earlier = sum(one.begun < mine.begun < one.last for one in readers.values())
        if refusable and earlier >= READERS_MAX:
            raise ServiceError("LimitExceededException", f"Rate exceeded for shard {shard}: at most {READERS_MAX} readers can read it at the same time", 400)
        mine.last, mine.at = self._reads, now
        readers[reader] = mine

    def _living(self, shard: str, now: int) -> dict[int, _Reader]:
        """The readers that have read within the last second."""
        if len(self._shards) >= _SHARDS_MAX:
            self._shards.clear()
        readers = self._shards.setdefault(shard, {})
        for other in [other for other, one in readers.items() if one.at <= now - _AT_THE_SAME_TIME]:
            del readers[other]
        while len(readers) > _KEPT_MAX:
            del readers[next(iter(readers))]
        return readers
