"""The log of what items were before they changed.

While a table's log is on, each write leaves one row: what was at the item's place before, under the day, the item's key and the time of the change. So
the table as it was at a moment is what it holds now, with everything that changed since put back; no copy of the table is kept, and writes pay one row.
Each day's rows lie together, so that a day that is no longer wanted is one range.
"""

from __future__ import annotations

from typing import Final

from haneul.clock import DAY, Clock
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord, rows_of
from haneul.store.keys import pack
from haneul.store.port import Reader, Transaction

LOG_SPACE: Final = "dynamodb-log"
_VERSION: Final = b"\x01"
_STAMP: Final = b"\x1c"  # What an integer of eight bytes begins with in a packed key; it sorts before the escape of a zero, as the end of a key must.
_STAMP_BYTES: Final = 9
_BEHIND_STAMPS: Final = b"\x1d"


def log_prefix(record: TableRecord) -> bytes:
    """What the keys of a table's current log begin with; the day, the item's key and the time follow."""
    return rows_of(LOG_SPACE, record.history.log_id)


def day_prefix(prefix: bytes, day: int) -> bytes:
    """The rows of one day since the epoch."""
    return prefix + pack((day,))


def stamped(suffix: bytes, stamp: int) -> bytes:
    """An item's key and a time, in nanoseconds."""
    return suffix + _STAMP + stamp.to_bytes(8, "big")


def behind_item(suffix: bytes) -> bytes:
    """Where the changes of an item end."""
    return suffix + _BEHIND_STAMPS


def split_stamp(rest: bytes) -> tuple[bytes, int]:
    """The item's key and the time, of what stands behind the day."""
    return rest[:-_STAMP_BYTES], int.from_bytes(rest[-8:], "big")


def old_row_of(value: bytes) -> bytes | None:
    """What was there before the change; None for nothing."""
    if value[:1] != _VERSION:
        raise ValueError(f"a change of version {value[0]} cannot be read here")
    return value[1:] or None


def oldest_day(reader: Reader, prefix: bytes) -> int | None:
    """The first day that the log has rows of."""
    return _edge_day(reader, prefix, reverse=False)


def newest_day(reader: Reader, prefix: bytes) -> int | None:
    """The last day that the log has rows of."""
    return _edge_day(reader, prefix, reverse=True)


def _edge_day(reader: Reader, prefix: bytes, *, reverse: bool) -> int | None:
    rows = reader.range(prefix, prefix + b"\xff", 1, reverse)
    if not rows:
        return None
    # An integer's first byte says how many follow.
    at = len(prefix)
    length = rows[0][0][at] - 0x14
    return int.from_bytes(rows[0][0][at + 1 : at + 1 + length], "big")


class _Open:
    """A log that is on, and where its rows of the current day go."""

    __slots__ = ("day", "day_prefix", "prefix")

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.day = 0
        self.day_prefix = b""


class Logs:
    """The logs that a running service writes to, by table. Times grow from write to write, also within one moment of the clock; only what is written together has one time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._last: dict[str, int] = {}
        self._together = 0

    def follow(self, record: TableRecord) -> None:
        """Take note of whether a table's log is on."""
        if record.history.log_id:
            self._open[record.id] = _Open(log_prefix(record))
        else:
            self._open.pop(record.id, None)

    def forget(self, table_id: str) -> None:
        """A table is gone."""
        self._open.pop(table_id, None)
        self._last.pop(table_id, None)

    def stamp(self, table_id: str) -> int:
        """The time of a change that happens now: later than all before it, but for those that it is written together with."""
        stamp = self._last[table_id] = self._together or max(self._last.get(table_id, 0) + 1, self._clock.now())
        return stamp

    def begin_together(self, tables: list[str]) -> None:
        """What is written to these tables until `end_together`, each item once, has one time: no moment lies between the writes of a transaction."""
        self._together = max(self._clock.now(), max([self._last.get(table_id, 0) for table_id in tables]) + 1)

    def end_together(self) -> None:
        self._together = 0

    def write(self, tx: Transaction, table: Table, row: bytes, old_row: bytes | None) -> None:
        """Keep what is about to be replaced, if the table's log is on."""
        table_id = table.id
        log = self._open.get(table_id)
        if log is None:
            return
        stamp = self.stamp(table_id)
        day = stamp // DAY
        if day != log.day:
            log.day, log.day_prefix = day, day_prefix(log.prefix, day)
        table.put(tx, log.day_prefix + stamped(row[len(table.prefix) :], stamp), _VERSION + (old_row or b""))
