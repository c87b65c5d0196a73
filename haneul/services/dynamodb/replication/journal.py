"""What a replica remembers of its own writes: the version of every item that was written, and the log of what other regions must hear.

The version of an item is a stamp: the time of the write and its region. The greater stamp wins everywhere, so whatever order writes arrive in, and
however often, all replicas end up the same. A deletion leaves its stamp behind (a tombstone), lest an older write bring the item back. The log only
names the items that changed; what is sent is what they are by then. So several changes of one item in a short time may arrive as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import DAY
from haneul.services.dynamodb.replication.records import LATENCY
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb
    from haneul.services.dynamodb.tables import TableRecord

REPLICA_SPACE = "dynamodb-replica"
REPLICATE = "dynamodb-replicate"
SWEEP = "dynamodb-replica-sweep"
# Tombstones stay at least so long, and until every region has heard of them.
TOMBSTONE_KEPT = DAY
_MARK = b"\x01"


def make_stamp(moment: int, region: str) -> bytes:
    """The version of an item written at `moment` (nanoseconds) in `region`; later ones are greater, and at one instant the later name decides."""
    return moment.to_bytes(8, "big") + region.encode()


def stamp_moment(stamp: bytes) -> int:
    """When a version was written."""
    return int.from_bytes(stamp[:8], "big")


def stamp_region(stamp: bytes) -> str:
    """Where a version was written."""
    return stamp[8:].decode()


class Journal:
    """Where a replica keeps all that, compiled for the hot path."""

    __slots__ = ("account", "base", "behind", "cursors", "group", "log", "payload", "pending", "region", "strong", "sweeping", "tombstones", "versions")

    def __init__(self, record: TableRecord, group: str, *, strong: bool) -> None:
        self.account = record.account
        self.region = record.region
        self.group = group
        self.strong = strong
        self.base = pack((REPLICA_SPACE, record.account, record.region, record.id, group))
        self.versions = self.base + pack(("version",))
        self.tombstones = self.base + pack(("tombstone",))
        self.log = self.base + pack(("log",))
        # How far the log has reached each other region.
        self.cursors = self.base + pack(("cursor",))
        # There while an entry of the outbox will look at the log, or at the tombstones.
        self.pending = self.base + pack(("pending",))
        self.sweeping = self.base + pack(("sweeping",))
        # There while this replica of a strongly consistent table lacks writes of others.
        self.behind = self.base + pack(("behind",))
        self.payload: dict[str, Any] = {"account": record.account, "region": record.region, "name": record.name, "id": record.id, "group": group}

    def cursor_key(self, region: str) -> bytes:
        return self.cursors + pack((region,))

    def cursor(self, reader: Reader, region: str) -> int:
        """The last position of the log that has reached a region."""
        return int.from_bytes(reader.get(self.cursor_key(region)) or b"", "big")

    def set_cursor(self, tx: Transaction, region: str, position: int) -> None:
        tx.put(self.cursor_key(region), position.to_bytes(8, "big"))

    def entries(self, reader: Reader, position: int, limit: int) -> list[tuple[int, bytes]]:
        """What the log holds behind a position: positions and, of each item, what its key has behind the table's prefix."""
        end = prefix_range(self.log)[1]
        return [(int(unpack(key[len(self.log) :])[0]), value) for key, value in reader.range(self.log + pack((position + 1,)), end, limit)]

    def head(self, reader: Reader) -> int:
        """The newest position of the log, or the furthest that a region has reached when nothing is left in it; 0 for a log that never held anything."""
        rows = reader.range(*prefix_range(self.log), 1, True)
        reached = [int.from_bytes(value, "big") for _, value in reader.range(*prefix_range(self.cursors))]
        return max([int(unpack(key[len(self.log) :])[0]) for key, _ in rows] + reached, default=0)


class LogPositions:
    """Gives out positions in logs. They grow with the time in nanoseconds; the last one of each log is remembered, and found in the store after a restart."""

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}

    def next(self, reader: Reader, journal: Journal, now: int) -> int:
        last = self._last.get(journal.log)
        if last is None:
            last = journal.head(reader)
        position = self._last[journal.log] = max(last + 1, now)
        return position


def append(service: DynamoDb, tx: Transaction, journal: Journal, suffix: bytes, now: int) -> None:
    """Enter a change in the log, and see to it that somebody looks there when it is due."""
    tx.put(journal.log + pack((service.log_positions.next(tx, journal, now),)), suffix)
    if tx.get(journal.pending) is None:
        tx.put(journal.pending, _MARK)
        service.cloud.outbox.put(tx, REPLICATE, journal.payload, due=now if journal.strong else now + LATENCY)


def note_tombstone(service: DynamoDb, tx: Transaction, journal: Journal, suffix: bytes, moment: int) -> None:
    """Remember that a stamp stands for no item, so that it goes some day."""
    tx.put(journal.tombstones + pack((moment,)) + suffix, b"")
    if tx.get(journal.sweeping) is None:
        tx.put(journal.sweeping, _MARK)
        service.cloud.outbox.put(tx, SWEEP, journal.payload, due=service.cloud.clock.now() + TOMBSTONE_KEPT)
