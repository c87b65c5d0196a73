"""Reading a table as it was: its rows, with what the log says was there before put over them, in the order of the keys and from any place on.

Everything is read in steps of bounded length, also where much has to be read past that says nothing of the moment wanted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import msgspec

from haneul.clock import DAY
from haneul.services.dynamodb.history.log import behind_item, day_prefix, newest_day, old_row_of, split_stamp, stamped
from haneul.store.keys import after
from haneul.store.port import Reader, Store

CHUNK_ROWS = 200
CHUNK_BYTES = 1 << 20
# So many rows of the log are read past in one step.
_READ_PAST_MAX = 4096
# After so many, those who read hear how far it is.
_SIGN_EVERY = 64
# So many changes of one item are read past one by one before the rest are jumped over.
_JUMP_AFTER = 16


class Past(msgspec.Struct):
    """A table at a moment: the prefix of its rows, of its log (empty when the rows themselves are the past) and the time in nanoseconds."""

    rows: bytes
    log: bytes = b""
    time: int = 0


class Change(msgspec.Struct):
    """What became of one item within a span: before, after, and when it was last written (nanoseconds). `some_row` is the item at any time, for its key."""

    some_row: bytes
    old_row: bytes | None
    new_row: bytes | None
    written_at: int


class Found(msgspec.Struct):
    """What a day says of an item: its first change behind a moment. With `stamp` 0 it says nothing, but that the items before this one are done."""

    suffix: bytes
    order: int
    stamp: int
    row: bytes | None

    def __lt__(self, other: Found) -> bool:
        return (self.suffix, self.order) < (other.suffix, other.order)


class Budget:
    """How much one step may still read."""

    def __init__(self, rows_max: int) -> None:
        self._rows, self._bytes, self._past = rows_max, CHUNK_BYTES, _READ_PAST_MAX

    def spend(self, size: int | None) -> bool:
        """Whether the step is over after an item of `size` bytes, or (None) after a sign."""
        if size is None:
            self._past -= _SIGN_EVERY
        else:
            self._rows -= 1
            self._bytes -= size
        return self._rows <= 0 or self._bytes <= 0 or self._past <= 0


def read_chunk(store: Store, past: Past, place: bytes, rows_max: int = CHUNK_ROWS, end: bytes = b"") -> tuple[list[tuple[bytes, bytes]], bytes, bool]:
    """The next rows from a place on (empty: the first), as (key behind the table's prefix, row); the place behind them, and whether those were the last.

    Rows from `end` on, if it is given, are not looked at.
    """
    rows: list[tuple[bytes, bytes]] = []
    budget = Budget(rows_max)
    begun = place
    with store.snapshot() as reader:
        for suffix, row, done in rows_at(reader, past, place, end):
            if row is not None:
                rows.append((suffix, row))
            place = behind_item(suffix) if done else suffix
            # A step that ended where it began would be taken again and again.
            if budget.spend(len(row) if row is not None else None) and place != begun:
                return rows, place, False
    return rows, end or place, True


def read_changes(store: Store, past: Past, since: int, place: bytes) -> tuple[list[Change], bytes, bool]:
    """The next items that changed after `since` and not after `past.time`, the place behind them, and whether those were the last."""
    changes: list[Change] = []
    budget = Budget(CHUNK_ROWS)
    begun = place
    with store.snapshot() as reader:
        for suffix, change, done in changes_between(reader, past, since, place):
            if change is not None:
                changes.append(change)
            place = behind_item(suffix) if done else suffix
            if budget.spend(len(change.old_row or b"") + len(change.new_row or b"") if change is not None else None) and place != begun:
                return changes, place, False
    return changes, place, True


def rows_at(reader: Reader, past: Past, place: bytes, end: bytes = b"") -> Iterator[tuple[bytes, bytes | None, bool]]:
    """The rows of a table at a moment, None where there was none; and whether all is said of the item, or it is only told how far it is."""
    days = _days(reader, past)
    streams = [_first_changes(reader, day_prefix(past.log, day), place, past.time, order, end) for order, day in enumerate(days)]
    decided: bytes | None = None
    # Of one item, what the earliest day behind the moment says comes first, and counts.
    for found in heapq.merge(*streams, _standing(reader, past.rows, place, len(days), end)):
        if found.suffix == decided:
            continue
        if found.stamp:
            decided = found.suffix
        yield found.suffix, found.row, found.stamp != 0


def _days(reader: Reader, past: Past) -> range:
    newest = newest_day(reader, past.log) if past.log else None
    return range(past.time // DAY, newest + 1) if newest is not None else range(0)


def _standing(reader: Reader, prefix: bytes, place: bytes, order: int, end: bytes) -> Iterator[Found]:
    for key, row in reader.iterate(prefix + place, prefix + end if end else after(prefix)):
        yield Found(key[len(prefix) :], order, 1, row)


def _first_changes(reader: Reader, prefix: bytes, place: bytes, time: int, order: int, end: bytes = b"") -> Iterator[Found]:
    """Of each item that changed on a day after `time`, what it was before the first of those changes; and signs of progress."""
    start, stop = prefix + place, prefix + end if end else after(prefix)
    current: bytes | None = None
    found = False
    read = repeats = 0
    while True:
        jump: bytes | None = None
        for key, value in reader.iterate(start, stop):
            suffix, stamp = split_stamp(key[len(prefix) :])
            if suffix != current:
                current, found, repeats = suffix, False, 0
            if stamp > time and not found:
                found = True
                yield Found(suffix, order, stamp, old_row_of(value))
                continue
            repeats += 1
            read += 1
            if read % _SIGN_EVERY == 0 and not found:
                yield Found(suffix, order, 0, None)
            if repeats > _JUMP_AFTER:
                jump, repeats = prefix + (behind_item(suffix) if found else stamped(suffix, time + 1)), 0
                break
        if jump is None:
            return
        start = jump


def row_at(reader: Reader, past: Past, suffix: bytes) -> bytes | None:
    """One item of a table at a moment."""
    for day in _days(reader, past):
        prefix = day_prefix(past.log, day)
        rows = reader.range(prefix + stamped(suffix, past.time + 1), prefix + behind_item(suffix), 1)
        if rows:
            return old_row_of(rows[0][1])
    return reader.get(past.rows + suffix)


def changes_between(reader: Reader, past: Past, since: int, place: bytes) -> Iterator[tuple[bytes, Change | None, bool]]:
    """Each item that changed after `since` and not after `past.time`, once; whether all is said of the item, or it is only told how far it is.
    Costs what changed."""
    newest = newest_day(reader, past.log)
    if newest is None:
        return
    days = range(since // DAY, min(newest, past.time // DAY) + 1)
    decided: bytes | None = None
    for found in heapq.merge(*[_first_changes(reader, day_prefix(past.log, day), place, since, order) for order, day in enumerate(days)]):
        if found.suffix == decided:
            continue
        if not found.stamp:
            yield found.suffix, None, False
            continue
        decided = found.suffix
        if found.stamp > past.time:
            yield found.suffix, None, True
            continue
        written_at, before_last = _last_change(reader, past, since, days, found.suffix)
        new_row = row_at(reader, past, found.suffix)
        # An item that is not there at the end was removed by its last change, which knows what it was.
        some_row = new_row or before_last
        yield found.suffix, Change(some_row, found.row, new_row, written_at) if some_row is not None else None, True


def _last_change(reader: Reader, past: Past, since: int, days: range, suffix: bytes) -> tuple[int, bytes | None]:
    """When an item changed last within a span, and what it was before that."""
    for day in reversed(days):
        prefix = day_prefix(past.log, day)
        rows = reader.range(prefix + stamped(suffix, since + 1), prefix + stamped(suffix, past.time + 1), 1, True)
        if rows:
            return split_stamp(rows[0][0][len(prefix) :])[1], old_row_of(rows[0][1])
    return since, None
