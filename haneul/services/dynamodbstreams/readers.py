"""Who reads a shard: at most two at the same time.

A reader is whoever goes on from one answer's NextShardIterator to the next; a look with a fresh iterator is none yet. (Developer Guide: "Change data
capture for DynamoDB Streams": no more than two processes should read from one shard at the same time, more can be throttled.)
"""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.errors import ServiceError

READERS_MAX = 2
_AT_THE_SAME_TIME = SECOND
_SHARDS_MAX = 10_000


class Readers:
    """Readers of this process's shards, by shard and by the number that their iterators carry, and when they read last."""

    def __init__(self) -> None:
        self._shards: dict[str, dict[int, int]] = {}

    def let_in(self, shard: str, reader: int, now: int, *, refusable: bool) -> None:
        """Note a read; LimitExceededException for one reader too many, unless it is one of the cloud's own, which only count."""
        if len(self._shards) >= _SHARDS_MAX:
            self._shards.clear()
        readers = self._shards.setdefault(shard, {})
        for other in [other for other, read_at in readers.items() if read_at <= now - _AT_THE_SAME_TIME]:
            del readers[other]
        if refusable and reader not in readers and len(readers) >= READERS_MAX:
            raise ServiceError("LimitExceededException", f"Rate exceeded for shard {shard}: at most {READERS_MAX} readers can read it at the same time", 400)
        readers[reader] = now
