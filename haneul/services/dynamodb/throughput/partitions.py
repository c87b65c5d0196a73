"""Virtual partitions: ranges of keys, each of which serves so much and no more.

Items all lie in one ordered store here, but a real table is cut into partitions, and which keys share one decides what a hot key can get. So
a table (or global index) has partitions by ranges of its rows' keys, which begin with the hash of the partition key. A partition that stays too
hot is split where the heat is, down to a single item. (Developer Guide: "Partitions and data distribution", "DynamoDB burst and adaptive capacity".)
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from haneul.clock import MINUTE, SECOND
from haneul.services.dynamodb.keys import HASH_BYTES
from haneul.services.dynamodb.throughput.buckets import Bucket

PARTITION_READ_UNITS: Final = 3_000
PARTITION_WRITE_UNITS: Final = 1_000
PARTITION_BYTES: Final = 10 * 1024**3
PARTITIONS_MAX: Final = 10_000
# Heat that lasts this long splits a partition; a pause of the second length and it counts as new.
SPLIT_AFTER: Final = 5 * MINUTE
COOL_AFTER: Final = 5 * MINUTE


class Partition:
    """The read and write capacity of one range of keys; reads are counted in half units."""

    __slots__ = ("hot_at", "hot_places", "hot_since", "reads", "writes")

    def __init__(self) -> None:
        # Within a second it does not matter when the units are used, but nothing is kept beyond it.
        self.reads = Bucket(2 * PARTITION_READ_UNITS, SECOND)
        self.writes = Bucket(PARTITION_WRITE_UNITS, SECOND)
        self.hot_since = 0
        self.hot_at = 0
        # The last two rows whose requests were turned away.
        self.hot_places = (b"", b"")


def partitions_for(read_units: int, write_units: int) -> int:
    """How many partitions a provisioned table or index of this capacity has at least."""
    return min(PARTITIONS_MAX, max(1, -(-(read_units * PARTITION_WRITE_UNITS + write_units * PARTITION_READ_UNITS) // (PARTITION_READ_UNITS * PARTITION_WRITE_UNITS))))


def warm_partitions_for(read_units: int, write_units: int) -> int:
    """How many partitions it takes to serve so many reads, and so many writes, at once."""
    return min(PARTITIONS_MAX, max(1, -(-read_units // PARTITION_READ_UNITS), -(-write_units // PARTITION_WRITE_UNITS)))


class Partitions:
    """The partitions of one table or index. `whole_collections`: items with one partition key stay together (tables with local indexes)."""

    __slots__ = ("_bounds", "_parts", "_prefix", "_whole_collections")

    def __init__(self, prefix: bytes, count: int, *, whole_collections: bool) -> None:
        self._prefix = prefix
        self._whole_collections = whole_collections
        self._bounds: list[bytes] = []
        self._parts = [Partition()]
        self.grow(count)

    def __len__(self) -> int:
        return len(self._parts)

    def find(self, place: bytes) -> Partition:
        """The partition in which a row's key lies."""
        return self._parts[bisect_right(self._bounds, place)] if self._bounds else self._parts[0]

    def lows(self) -> list[bytes]:
        """The hashes of partition keys, in order, at which partitions begin, but for the first. What one hash has may be split further, which does not show here."""
        at = len(self._prefix)
        return sorted({bound[at : at + HASH_BYTES] for bound in self._bounds} - {bytes(HASH_BYTES)})

    def grow(self, count: int) -> None:
        """Have at least `count` partitions of equal width. There are never fewer later on."""
        if count <= len(self._parts):
            return
        span = 1 << (8 * HASH_BYTES)
        for number in range(1, count):
            self._split(self._prefix + (span * number // count).to_bytes(HASH_BYTES, "big"))

    def _split(self, bound: bytes) -> bool:
        at = bisect_right(self._bounds, bound)
        if len(self._parts) >= PARTITIONS_MAX or (at and self._bounds[at - 1] == bound):
            return False
        self._bounds.insert(at, bound)
        self._parts.insert(at + 1, Partition())
        return True

    def heat(self, partition: Partition, place: bytes, now: int) -> None:
        """A request for the row `place` was turned away because its partition is too hot.

        Heat that lasts splits it: between two hot rows, or around the only one.
        """
        if self._whole_collections:
            place = self._to_collection(place)
        if now - partition.hot_at > COOL_AFTER:
            partition.hot_since = now
            partition.hot_places = (b"", b"")
        partition.hot_at = now
        if place != partition.hot_places[1]:
            partition.hot_places = (partition.hot_places[1], place)
        if now - partition.hot_since < SPLIT_AFTER:
            return
        partition.hot_since = now
        low, high = sorted(partition.hot_places)
        if low and self._split(high):
            return
        self._split(high)
        self._split(high + b"\xff")

    def _to_collection(self, place: bytes) -> bytes:
        """The beginning of a row's key that all items of its collection have."""
        # The partition key ends in a zero that is not escaped.
        end = place.find(b"\x00", len(self._prefix) + HASH_BYTES) + 1
        while end and place[end : end + 1] == b"\xff":
            end = place.find(b"\x00", end) + 1
        return place[:end] if end else place
