"""What all who read the embedded store's SQLite file have in common: connections, statements, rows remembered, and word of changes."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import apsw

from haneul.store.log import is_empty
from haneul.store.port import Reader, Row, StoreError

# Of the file, of the keys of its rows, and of the log: 4 since a stream has lanes, 5 since the log's records are whole blocks.
FORMAT_VERSION: Final = 5
_LOG_ALONE_DIFFERS: Final = 4
Watcher = tuple[bytes, Callable[[Sequence[bytes]], None]]

_BUSY_TIMEOUT_MS: Final = 10_000
_CACHE_BYTES = 8 << 20
_CACHED_ROW_BYTES_MAX: Final = 1 << 16
_ROW_OVERHEAD_BYTES: Final = 150
_RANGE: Final = "SELECT k, v FROM kv WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
_RANGE_DOWN: Final = "SELECT k, v FROM kv WHERE k >= ? AND k < ? ORDER BY k DESC LIMIT ?"
_VALUES: Final = _RANGE.replace("k, v", "v", 1)
_VALUES_DOWN: Final = _RANGE_DOWN.replace("k, v", "v", 1)
_log = logging.getLogger("haneul")


def connect(path: str) -> apsw.Connection:
    """A connection as every thread and process of Haneul has it: no two threads use one at a time, so that SQLite need not lock it at every step."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOMUTEX)
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    # One plan for each statement, whatever values are bound: SQLite would prepare ranges anew for every query to look at their bounds.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -16000")
    # What large statements keep to take themselves back: a file would be made and removed for each of them.
    connection.execute("PRAGMA temp_store = MEMORY")
    # Read, not mapped: in a file of 3.5 GB, whose pages are everywhere in memory, a Query of 20 items takes 57.7 us of processor time so, and 60.5 with a gigabyte mapped.
    connection.execute("PRAGMA mmap_size = 0")
    return connection


def format_of(path: Path, connection: apsw.Connection) -> int:
    """The format of the store at `path`, 0 of one that is not there yet. StoreError when this Haneul cannot read it."""
    [(version,)] = connection.execute("PRAGMA user_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise StoreError(f"{path} was written by a newer Haneul (format {version}); this one reads up to {FORMAT_VERSION}")
    if version == _LOG_ALONE_DIFFERS and not is_empty(path):
        raise StoreError(f"{path} was written by an older Haneul (format {version}), which was not stopped: start and stop that one once, and this one (format {FORMAT_VERSION}) can read it")
    if 0 < version < _LOG_ALONE_DIFFERS:
        raise StoreError(
            f"{path} was written by an older Haneul (format {version}), whose rows this one (format {FORMAT_VERSION}) cannot read: "
            "start that one to use it, or name another data directory"
        )
    return version


def read_row(connection: apsw.Connection, key: bytes) -> bytes | None:
    """The committed value at `key`."""
    for (value,) in connection.execute("SELECT v FROM kv WHERE k = ?", (key,)):
        return value  # type: ignore[no-any-return]
    return None


def read_range(connection: apsw.Connection, start: bytes, end: bytes, limit: int | None, reverse: bool) -> list[Row]:
    """Committed rows with start <= key < end."""
    return connection.execute(_RANGE_DOWN if reverse else _RANGE, (start, end, -1 if limit is None else limit)).fetchall()  # type: ignore[return-value]


def read_values(connection: apsw.Connection, start: bytes, end: bytes, limit: int | None, reverse: bool) -> list[bytes]:
    """The committed values of rows with start <= key < end."""
    found = connection.execute(_VALUES_DOWN if reverse else _VALUES, (start, end, -1 if limit is None else limit)).get
    if found is None:
        return []
    return found if isinstance(found, list) else [found]  # One value comes without a list around it.


def announce(watchers: Sequence[Watcher], keys: Sequence[bytes]) -> None:
    """Tell those who watch a prefix which of the changed keys (in order) lie below it."""
    for prefix, callback in tuple(watchers):
        at = bisect_left(keys, prefix)
        changed = []
        while at < len(keys) and keys[at].startswith(prefix):
            changed.append(keys[at])
            at += 1
        if changed:
            try:
                callback(changed)
            except Exception as problem:  # One who watches must keep neither the others from hearing nor those waiting whose rows these are.
                _log.error("one who watches for changes failed", exc_info=problem)


class RecentRows:
    """Committed rows that were read lately, in two halves: a row that is used is in the young half or moves there; when the young half is
    full it becomes the old one, and what nobody has used in the meantime is forgotten. At most 2 x _CACHE_BYTES.
    """

    __slots__ = ("old", "size", "young")

    def __init__(self) -> None:
        self.young: dict[bytes, bytes] = {}
        self.old: dict[bytes, bytes] = {}
        self.size = 0

    def keep(self, key: bytes, value: bytes) -> None:
        size = len(key) + len(value) + _ROW_OVERHEAD_BYTES
        if size > _CACHED_ROW_BYTES_MAX:
            return
        self.size += size
        if self.size > _CACHE_BYTES:
            self.old, self.young, self.size = self.young, {}, size
        self.young[key] = value

    def find(self, key: bytes) -> bytes | None:
        """A row that is remembered."""
        found = self.young.get(key)
        if found is None and (found := self.old.pop(key, None)) is not None:
            self.keep(key, found)
        return found

    def forget(self, keys: Iterable[bytes]) -> list[bytes]:
        """Rows that have changed; those of them that were in use."""
        young, old = self.young, self.old
        used = []
        for key in keys:
            old.pop(key, None)
            if young.pop(key, None) is not None:
                used.append(key)
        return used


def pages(reader: Reader, start: bytes, end: bytes, reverse: bool, page: int) -> Iterator[Row]:
    """Rows one by one, fetched in portions that grow up to `page`."""
    size = min(page, 16)
    while True:
        rows = reader.range(start, end, size, reverse)
        yield from rows
        if len(rows) < size:
            return
        if reverse:
            end = rows[-1][0]
        else:
            start = rows[-1][0] + b"\x00"
        size = min(page, size * 4)
