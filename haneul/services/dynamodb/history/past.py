"""Reading a table as it was: its rows, with what the log says was there before put over them, in the order of the keys and from any key on."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby

import msgspec

from haneul.clock import DAY
from haneul.services.dynamodb.history.log import behind_item, day_prefix, newest_day, old_row_of, split_stamp, stamped
from haneul.store.keys import after
from haneul.store.port import Reader, Store

CHUNK_ROWS = 200
CHUNK_BYTES = 1 << 20
# So many changes of one item are read past one by one before the rest are jumped over.
_READ_PAST = 16


class Past(msgspec.Struct):
    """A table at a moment: the prefix of its rows, of its log (empty when the rows themselves are the past) and the time in nanoseconds."""

    rows: bytes
    log: bytes = b""
    time: int = 0


class Change(msgspec.Struct):
    """What became of one item within a span: before, after, and when it was last written (nanoseconds). `some_row` is the item at any time, for its key."""

    some_row: bytes
    suffix: bytes
    old_row: bytes | None
    new_row: bytes | None
    written_at: int


def read_chunk(store: Store, past: Past, behind: bytes, rows_max: int = CHUNK_ROWS) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The next rows behind the item `behind` (empty: from the first), as (key behind the table's prefix, row), and whether those were the last."""
    found: list[tuple[bytes, bytes]] = []
    size = 0
    with store.snapshot() as reader:
        for suffix, row in rows_at(reader, past, behind):
            found.append((suffix, row))
            size += len(row)
            if len(found) == rows_max or size >= CHUNK_BYTES:
                return found, False
    return found, True


def read_changes(store: Store, past: Past, since: int, behind: bytes) -> tuple[list[Change], bool]:
    """The next items that changed after `since` and not after `past.time`, and whether those were the last."""
    found: list[Change] = []
    size = 0
    with store.snapshot() as reader:
        for change in changes_between(reader, past, since, behind):
            found.append(change)
            size += len(change.old_row or b"") + len(change.new_row or b"")
            if len(found) == CHUNK_ROWS or size >= CHUNK_BYTES:
                return found, False
    return found, True


def rows_at(reader: Reader, past: Past, behind: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The rows of a table at a moment."""
    streams: list[Iterator[tuple[bytes, int, bytes | None]]] = []
    days = _days(reader, past)
    for order, day in enumerate(days):
        streams.append(_first_changes(reader, day_prefix(past.log, day), behind, past.time, order))
    streams.append(_standing(reader, past.rows, behind, len(days)))
    seen: bytes | None = None
    # Of one item, what the earliest day behind the moment says comes first, and counts.
    for suffix, _, row in heapq.merge(*streams, key=_by_item):
        if suffix != seen:
            seen = suffix
            if row is not None:
                yield suffix, row


def _by_item(entry: tuple[bytes, int, bytes | None]) -> tuple[bytes, int]:
    return entry[0], entry[1]


def _days(reader: Reader, past: Past) -> range:
    newest = newest_day(reader, past.log) if past.log else None
    return range(past.time // DAY, newest + 1) if newest is not None else range(0)


def _standing(reader: Reader, prefix: bytes, behind: bytes, order: int) -> Iterator[tuple[bytes, int, bytes | None]]:
    start = prefix + behind + b"\x00" if behind else prefix
    for key, row in reader.iterate(start, after(prefix)):
        yield key[len(prefix) :], order, row


def _first_changes(reader: Reader, prefix: bytes, behind: bytes, time: int, order: int) -> Iterator[tuple[bytes, int, bytes | None]]:
    """Of each item that changed on a day after `time`, what it was before the first of those changes."""
    start = prefix + behind_item(behind) if behind else prefix
    end = after(prefix)
    while start is not None:
        last, repeats, jump = None, 0, None
        for key, value in reader.iterate(start, end):
            suffix, stamp = split_stamp(key[len(prefix) :])
            if suffix == last or stamp <= time:
                repeats += 1
                if repeats > _READ_PAST:
                    jump = prefix + (behind_item(suffix) if suffix == last else stamped(suffix, time + 1))
                    break
                continue
            last, repeats = suffix, 0
            yield suffix, order, old_row_of(value)
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


def changes_between(reader: Reader, past: Past, since: int, behind: bytes) -> Iterator[Change]:
    """Each item that changed after `since` and not after `past.time`, once, in the order of the keys. Costs what changed."""
    newest = newest_day(reader, past.log)
    if newest is None:
        return
    days = range(since // DAY, min(newest, past.time // DAY) + 1)
    streams = [_all_changes(reader, day_prefix(past.log, day), behind, since, past.time) for day in days]
    for suffix, entries in groupby(heapq.merge(*streams, key=_by_time), key=lambda entry: entry[0]):
        times = [(stamp, value) for _, stamp, value in entries]
        old_row, new_row = old_row_of(times[0][1]), row_at(reader, past, suffix)
        some_row = new_row or next((row for _, value in times if (row := old_row_of(value)) is not None), None)
        if some_row is not None:
            yield Change(some_row, suffix, old_row, new_row, times[-1][0])


def _by_time(entry: tuple[bytes, int, bytes]) -> tuple[bytes, int]:
    return entry[0], entry[1]


def _all_changes(reader: Reader, prefix: bytes, behind: bytes, since: int, until: int) -> Iterator[tuple[bytes, int, bytes]]:
    start = prefix + behind_item(behind) if behind else prefix
    for key, value in reader.iterate(start, after(prefix)):
        suffix, stamp = split_stamp(key[len(prefix) :])
        if since < stamp <= until:
            yield suffix, stamp, value
