"""A look into an embedded store that may be another process's: one committed row, and nothing written."""

from __future__ import annotations

from pathlib import Path

import apsw

from haneul.store.port import StoreError

_BUSY_TIMEOUT_MS = 10_000


def committed_row(path: Path, key: bytes) -> bytes | None:
    """The value of a key in the SQLite file at `path`, as last committed. Raises StoreError when the file is no store, or may not be read."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
            row = next(iter(connection.execute("SELECT v FROM kv WHERE k = ?", (key,))), None)
        finally:
            connection.close()
    except apsw.Error as problem:
        raise StoreError(f"{path} cannot be read: {problem}") from problem
    return bytes(row[0]) if row is not None else None
