"""The store's log: what is committed and not yet in its SQLite file, in two files that are written in turn.

A batch of rows is one record: a header (position, length, checksum) and the rows in MessagePack: key, value, key, value … with nil for
a deletion, filled up to whole blocks of the disk. Positions count the bytes of all records ever written, so that a record left over from an earlier turn of the same file
never has the position that is expected behind the newest one. While one file is written, the rows of the other one are brought into
SQLite; only then does it begin anew. One record at a time is written and not yet durable.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from struct import Struct
from typing import Any, Final

import msgspec
from zlib_ng.zlib_ng import crc32

_HEADER: Final = Struct("<QII")  # Position, length of the rows, checksum of both and of the rows.
_MARKED: Final = Struct("<QI")
_BLANK: Final = bytes(_HEADER.size)
_BLOCK_BYTES: Final = 512
_GROWTH_BYTES: Final = 1 << 20
_BYTES_MAX = 64 << 20
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[bytes | None]).decode

Rows = list[Any]
"""Key, value or None, key, value or None …, in the order of the keys, each key once."""


def by_key(rows: Rows) -> dict[bytes, bytes | None]:
    """The rows of a batch."""
    return dict(zip(rows[::2], rows[1::2], strict=True))


class Gap(Exception):
    """The log does not say what was committed behind the position that was asked for."""


def log_files(path: Path) -> tuple[Path, Path]:
    """The two files beside the SQLite file at `path`."""
    return path.with_name(path.name + "-log0"), path.with_name(path.name + "-log1")


def is_empty(path: Path) -> bool:
    """Whether the log has nothing, of whichever format: the store was stopped."""
    for one in log_files(path):
        if one.exists():
            with one.open("rb") as file:
                if file.read(_HEADER.size).strip(b"\0"):
                    return False
    return True


class LogReader:
    """What the log says, from one position on. The process that writes reads it at its start, others follow it."""

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        self.files = [os.open(one, flags | os.O_CLOEXEC, 0o600) for one in log_files(path)]
        self._turn = 0
        self._offset = -1  # Not known yet.

    def close(self) -> None:
        files, self.files = self.files, []
        for one in files:
            os.close(one)

    def newest(self, position: int) -> tuple[list[Rows], int]:
        """All batches that are whole, from `position` on, and the position behind them. Raises Gap when there are later ones than can be reached."""
        found = {at: (content, end) for turn in (0, 1) for at, content, end in self._walk(turn)}
        batches: list[Rows] = []
        while position in found:
            content, position = found[position]
            batches.append(_decode(content))
        if any(at > position for at in found):
            raise Gap(f"the log has rows of a later time, but none from position {position} on")
        return batches, position

    def between(self, position: int, end: int) -> list[Rows]:
        """The batches from `position` up to `end`, both at the edge of a record. Raises Gap when they have been overwritten."""
        batches: list[Rows] = []
        missed = 0
        while position < end:
            taken = 0
            if self._offset >= 0:
                data = os.pread(self.files[self._turn], end - position, self._offset)
                while (record := _record(data, taken, position)) is not None:
                    content, length = record
                    batches.append(_decode(content))
                    taken += length
                    position += length
                self._offset += taken
            if taken:
                missed = 0
            elif missed == 2:
                raise Gap(f"the log has nothing at position {position}")
            else:  # The writer has gone on to the other file, or it is not known where it is.
                missed += 1
                self._find(position)
        return batches

    def _find(self, position: int) -> None:
        """Go to where the record at `position` lies."""
        other = 1 - self._turn
        if _position(os.pread(self.files[other], _HEADER.size, 0)) == position:
            self._turn, self._offset = other, 0
            return
        for turn in (0, 1):
            offset = 0
            for at, _, end in self._walk(turn):
                if at == position:
                    self._turn, self._offset = turn, offset
                    return
                offset += end - at
        self._offset = -1

    def _walk(self, turn: int) -> list[tuple[int, bytes, int]]:
        """The whole records of one file, from its beginning: position, rows as they were written, and the position behind."""
        file = self.files[turn]
        position, offset = _position(os.pread(file, _HEADER.size, 0)), 0
        data = os.pread(file, os.fstat(file).st_size, 0) if position >= 0 else b""
        found = []
        while (record := _record(data, offset, position)) is not None:
            content, length = record
            found.append((position, content, position + length))
            offset += length
            position += length
        return found


class Log(LogReader):
    """The writing side."""

    def __init__(self, path: Path) -> None:
        new = not all([one.exists() for one in log_files(path)])
        super().__init__(path, os.O_RDWR | os.O_CREAT)
        if new:
            folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
            os.fsync(folder)  # The files' names have to outlive a crash too.
            os.close(folder)
        self.position = 0
        self.used = 0
        self._sizes = [os.fstat(one).st_size for one in self.files]
        self._direct = [_open_direct(one) for one in log_files(path)]
        self._broken = ""

    def close(self) -> None:
        self.write_to_pages()
        super().close()

    @property
    def file(self) -> int:
        """What has to be synced after `write`."""
        return self.files[self._turn]

    @property
    def full(self) -> bool:
        """Nothing more is to be written until all is in SQLite."""
        return self.used >= _BYTES_MAX

    def go_on(self, position: int, *, keep: bool) -> None:
        """Write behind `position` from now on; `keep`: what both files have may still be needed."""
        self.position = position
        if keep:
            self.used = _BYTES_MAX

    def record(self, rows: Rows) -> bytes:
        """A batch as it is written next. It counts by `keep` when it is on the disk; when it could not be brought there, `take_back` it. OSError when nothing can be written any more."""
        if self._broken:
            raise OSError(errno.EIO, f"{self._broken}; nothing can be written until Haneul is started again")
        content = _encode(rows)
        position, length = self.position, len(content)
        content += bytes(_whole(length) - _HEADER.size - length)
        return _HEADER.pack(position, length, crc32(content, crc32(_MARKED.pack(position, length)))) + content

    def write(self, record: bytes) -> None:
        """Give a record to the kernel; the file has to be synced then. OSError when it could not be written."""
        self._make_room(self.file, self.used + len(record))
        try:
            _write(self.file, record, self.used)
        except OSError:
            self.take_back()
            raise

    def direct(self, record: bytes) -> int:
        """The file for a writer who goes past the kernel's pages and takes this record to `used`; -1 when it has to be given to `write`."""
        return self._direct[self._turn] if self.used + len(record) <= self._sizes[self._turn] else -1

    def write_to_pages(self) -> None:
        """Have all records given to `write` from now on: others read them from the kernel's pages, or the disk has blocks of another size."""
        for file in self._direct:
            if file >= 0:
                os.close(file)
        self._direct = [-1, -1]

    def keep(self, size: int) -> None:
        """The record of `size` bytes that was written is durable."""
        self.used += size
        self.position += size

    def take_back(self) -> None:
        """Whether the record that was written is on the disk is not known, so it must not be found there."""
        try:
            _write(self.file, _BLANK, self.used)
            os.fdatasync(self.file)
        except OSError as problem:
            self._broken = f"the log could not be written ({problem.strerror})"

    def turn(self) -> None:
        """Begin the other file anew. All that it holds is in SQLite."""
        self._turn = 1 - self._turn
        self.used = 0

    def clear(self) -> None:
        """Forget everything: all of it is in SQLite."""
        for file in self.files:
            with contextlib.suppress(OSError):  # What is left is read again, and found to be old.
                if os.pread(file, 1, 0):
                    _write(file, _BLANK, 0)
                    os.fdatasync(file)

    def _make_room(self, file: int, end: int) -> None:
        # Ahead of what is written, and with bytes in it: a record that changes neither the file's size nor which blocks it has is synced at once.
        while (size := self._sizes[self._turn]) < end:
            self._sizes[self._turn] = size + os.pwrite(file, bytes(_GROWTH_BYTES), size)


def _open_direct(path: Path) -> int:
    """The file at `path`, for writes that go past the kernel's pages; -1 where the file system has none."""
    try:
        return os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
    except (OSError, AttributeError):  # Only Linux has them at all.
        return -1


def _position(head: bytes) -> int:
    """Of the record that begins so; -1 when there is none."""
    return int(_HEADER.unpack(head)[0]) if len(head) == _HEADER.size and head != _BLANK else -1


def _record(data: bytes, offset: int, position: int) -> tuple[bytes, int] | None:
    """The rows of the record at `offset`, as they were written, and its length, if it is whole and at `position`."""
    if offset + _HEADER.size > len(data):
        return None
    at, length, checksum = _HEADER.unpack_from(data, offset)
    end = offset + _whole(length)
    if at != position or end > len(data):
        return None
    content = data[offset + _HEADER.size : end]
    if crc32(content, crc32(_MARKED.pack(at, length))) != checksum:
        return None
    return content[:length], end - offset


def _whole(length: int) -> int:
    """The bytes that a record with `length` bytes of rows takes."""
    return -(-(_HEADER.size + length) // _BLOCK_BYTES) * _BLOCK_BYTES


def _write(file: int, data: bytes, offset: int) -> None:
    done = os.pwrite(file, data, offset)
    while done < len(data):
        done += os.pwrite(file, data[done:], offset + done)
