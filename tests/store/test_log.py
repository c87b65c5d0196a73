"""The log alone: what was written is read, and nothing else, whatever the disk made of it."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from haneul.store.log import Gap, Log, LogReader, log_files


def batch(number: int, size: int = 20) -> list[Any]:
    return [b"a%d" % number, bytes([number % 251]) * size, b"b%d" % number, None]


def append(log: Log, rows: list[Any]) -> None:
    """As the store does it."""
    record = log.record(rows)
    log.write(record)
    try:
        os.fdatasync(log.file)
    except OSError:
        log.take_back()
        raise
    log.keep(len(record))


def newest(path: Path, position: int = 0) -> tuple[list[list[Any]], int]:
    reader = LogReader(path)
    try:
        return reader.newest(position)
    finally:
        reader.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.db"


def test_batches_are_read_in_order_from_any_position(path: Path) -> None:
    """Over both files, from wherever the store has got to."""
    log, places = Log(path), [0]
    for number in range(40):
        if number in (15, 30):
            log.turn()
        append(log, batch(number))
        places.append(log.position)
    assert newest(path, places[15]) == ([batch(number) for number in range(15, 40)], log.position)
    assert newest(path, places[33]) == ([batch(number) for number in range(33, 40)], log.position)
    assert newest(path, log.position) == ([], log.position)
    log.close()


def test_what_was_torn_is_not_there(path: Path) -> None:
    """A crash in the middle of a write: whatever was whole before it is read, and not a byte of what came after."""
    log, ends = Log(path), [0]
    for number in range(4):
        append(log, batch(number))
        ends.append(log.position)
    log.close()
    first = log_files(path)[0]
    whole = first.read_bytes()[: ends[-1]]
    for length in range(len(whole)):
        first.write_bytes(whole[:length])
        expected = sum(end <= length for end in ends[1:])
        assert newest(path) == ([batch(number) for number in range(expected)], ends[expected])
    for place in range(ends[2], len(whole)):
        first.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        # Damage in the middle may hide what comes behind it, or be noticed; it is never read.
        try:
            found, _ = newest(path)
        except Gap:
            continue
        assert found == [batch(number) for number in range(len(found))]
        assert len(found) == (2 if place < ends[3] else 3)


def test_blocks_of_a_record_come_in_any_order(path: Path) -> None:
    """A disk writes them as it likes, over what an earlier turn left: until all of them are there, none of the record is read, whichever are missing."""
    log = Log(path)
    for number in range(3):
        append(log, batch(number, 2_500))  # Five blocks and a bit each.
    settled = log.position
    log.turn()
    log.turn()
    append(log, batch(3, 700))
    append(log, batch(4, 2_000))
    record, start = log.record(batch(5, 2_400)), log.used
    log.close()
    file = log_files(path)[0]
    before, blocks = file.read_bytes(), range(0, len(record), 512)
    assert len(blocks) == 5
    for there in range(1 << len(blocks)):
        torn = bytearray(before)
        for number, at in enumerate(blocks):
            if there >> number & 1:
                torn[start + at : start + at + 512] = record[at : at + 512]
        file.write_bytes(torn)
        assert newest(path, settled)[0] == [batch(3, 700), batch(4, 2_000), batch(5, 2_400)][: 3 if there == 31 else 2]


def test_what_an_earlier_turn_left_behind_is_not_read(path: Path) -> None:
    """The files are written over; what lies behind the newest record has whole records of long ago."""
    log = Log(path)
    for turn in range(12):
        before = log.position
        for number in range(1 + (turn * 7) % 5):
            append(log, batch(100 * turn + number))
            assert newest(path, before) == ([batch(100 * turn + one) for one in range(number + 1)], log.position)
        log.turn()
    log.close()


def test_a_record_that_is_missing_is_noticed(path: Path) -> None:
    """Rows that were acknowledged and are gone must not go unnoticed: a file of the log was removed, or is from another time."""
    log = Log(path)
    append(log, batch(1))
    behind = log.position
    log.turn()
    append(log, batch(2))
    log.close()
    assert newest(path, behind)[0] == [batch(2)]
    log_files(path)[0].write_bytes(b"")
    with pytest.raises(Gap, match="none from position 0"):
        newest(path)


def test_a_write_that_failed_is_not_in_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told that nothing was written finds nothing, also after a crash; the next write takes its place."""
    log, sync = Log(path), os.fdatasync
    append(log, batch(1))
    fails = iter((True, False, False))

    def fdatasync(file: int) -> None:
        if next(fails):
            raise OSError(errno.EIO, "Input/output error")
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fdatasync)
        with pytest.raises(OSError, match="Input/output"):
            append(log, batch(2))
        assert newest(path)[0] == [batch(1)]
        append(log, batch(3))
    assert newest(path)[0] == [batch(1), batch(3)]
    log.close()


def test_a_disk_that_cannot_even_take_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When neither a record nor its end can be written for certain, nothing more is accepted, and the error says what to do."""
    log = Log(path)
    append(log, batch(1))

    def fdatasync(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fdatasync)
        with pytest.raises(OSError, match="Input/output"):
            append(log, batch(2))
    with pytest.raises(OSError, match="until Haneul is started again"):
        append(log, batch(3))
    log.close()


def test_one_who_follows(path: Path) -> None:
    """Through many turns, now and then a few batches behind, he reads each batch once; when he was too slow he hears it."""
    log, chance = Log(path), random.Random(3)
    follower, at = LogReader(path), 0
    behind: list[int] = []
    for number in range(300):
        append(log, batch(number, chance.choice((1, 50, 4_000))))
        behind.append(number)
        if chance.random() < 0.5:
            assert [rows[0] for rows in follower.between(at, log.position)] == [b"a%d" % one for one in behind]
            at, behind = log.position, []
        if chance.random() < 0.1 and len(behind) < 2:
            log.turn()
    late = LogReader(path)
    append(log, batch(1, 3_000))
    position = log.position
    for _ in range(2):
        log.turn()
        append(log, batch(2, 5_000))
    with pytest.raises(Gap):
        late.between(at, position)
    for one in (follower, late, log):
        one.close()


def test_nothing_is_left_when_all_is_settled(path: Path) -> None:
    """After `clear` the next start reads nothing, and positions go on where they were."""
    log = Log(path)
    append(log, batch(1))
    log.turn()
    append(log, batch(2))
    log.clear()
    position = log.position
    log.close()
    assert newest(path, position) == ([], position)
    assert newest(path, 0) == ([], 0)
