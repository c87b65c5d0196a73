"""A look into an embedded store that may be another process's: one committed row, and nothing written."""

from __future__ import annotations

from pathlib import Path

import apsw

from haneul.store.log import Gap, LogReader, by_key
from haneul.store.port import StoreError
from haneul.store.sqlite import format_of

_BUSY_TIMEOUT_MS = 10_000
_TRIES = 5


def committed_row(path: Path, key: bytes) -> bytes | None:
    """The value of a key in the store at `path`, as last written. Raises StoreError when there is no store, or it may not be read."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
            format_of(path, connection)
            for _ in range(_TRIES):  # The log may be written over while it is read; then what it said is in the file.
                try:
                    return _row(path, connection, key)
                except Gap as problem:
                    gap = problem
            raise StoreError(f"{path} cannot be read: {gap}")
        finally:
            connection.close()
    except (apsw.Error, OSError) as problem:
        raise StoreError(f"{path} cannot be read: {problem}") from problem


def _row(path: Path, connection: apsw.Connection, key: bytes) -> bytes | None:
    [(settled,)] = connection.execute("SELECT position FROM settled")
    assert isinstance(settled, int)
    log = LogReader(path)
    try:
        for rows in reversed(log.newest(settled)[0]):
            written = by_key(rows)
            if key in written:
                return written[key]
    finally:
        log.close()
    row = next(iter(connection.execute("SELECT v FROM kv WHERE k = ?", (key,))), None)
    return bytes(row[0]) if row is not None else None
