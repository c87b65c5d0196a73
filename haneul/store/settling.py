"""The thread that brings layers of rows from the log into the SQLite file, each in one transaction, and SQLite's own log into its file."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

import apsw

from haneul.store.layers import Layer
from haneul.store.port import StoreError

_ROWS_PER_STATEMENT: Final = (256, 64, 16, 4, 1)
_ROWS_PER_PORTION: Final = 1024
_CHECKPOINT_PAGES: Final = 4_000
_log = logging.getLogger("haneul")


class Settler:
    """`done` is called in the thread, with the layer and with what kept it from being settled."""

    def __init__(self, connection: apsw.Connection, done: Callable[[Layer, StoreError | None], None]) -> None:
        self._connection = connection
        self._connection.set_wal_hook(self._after_commit)
        self._done = done
        self._work: queue.SimpleQueue[Layer | None] = queue.SimpleQueue()
        self._log_pages = 0
        self._worker = threading.Thread(target=self._run, name="store-settler", daemon=True)
        self._worker.start()

    def settle(self, layer: Layer) -> None:
        """Nobody changes the layer from now on."""
        self._work.put(layer)

    def close(self) -> None:
        """Wait for what is under way, and close the connection."""
        self._work.put(None)
        self._worker.join()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as problem:  # SQLite's log keeps what its file did not take; the next start reads both.
            _log.warning("the store's file could not take everything in: %s", problem)
        self._connection.close()

    def _run(self) -> None:
        while (layer := self._work.get()) is not None:
            error: StoreError | None = None
            try:
                write_layer(self._connection, layer)
            except Exception as problem:  # Whatever it was, the store must hear of it; the log keeps the rows.
                error = StoreError(f"the store could not write: {problem}")
                self._roll_back()
            self._done(layer, error)
            self._checkpoint()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as problem:
            _log.error("the store could not take back a transaction: %s", problem)

    def _after_commit(self, connection: apsw.Connection, database: str, log_pages: int) -> int:
        # The log's length, not its file's: the file keeps its size when the log begins anew.
        self._log_pages = log_pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        if self._log_pages > _CHECKPOINT_PAGES:
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.BusyError:
                pass
            except apsw.Error as problem:  # No room, for instance: SQLite's log grows on, and the next layers ask again.
                _log.warning("the store's file could not take everything in: %s", problem)


def write_layer(connection: apsw.Connection, layer: Layer) -> None:
    """All rows of a layer, and up to where in the log that is, in one transaction that is synced."""
    # Few, large statements: each one gives up and takes back the interpreter's lock once.
    rows = layer.rows
    keys = layer.keys()
    connection.execute("BEGIN IMMEDIATE")
    for start in range(0, len(keys), _ROWS_PER_PORTION):
        puts: list[bytes | None] = []
        for key in keys[start : start + _ROWS_PER_PORTION]:
            puts.append(key)
            puts.append(rows[key])
        _run_all(connection, _PUT, puts, 2)
    _run_all(connection, _DELETE, sorted(layer.gone), 1)
    connection.execute("UPDATE settled SET position = ?", (layer.end,))
    connection.execute("COMMIT")


def _run_all(connection: apsw.Connection, statements: dict[int, str], bindings: Sequence[bytes | None], each: int) -> None:
    at, left = 0, len(bindings) // each
    for size in _ROWS_PER_STATEMENT:
        while left >= size:
            connection.execute(statements[size], bindings[at : at + each * size])
            at += each * size
            left -= size


_PUT: Final = {size: "INSERT INTO kv (k, v) VALUES " + ",".join(["(?,?)"] * size) + " ON CONFLICT (k) DO UPDATE SET v = excluded.v" for size in _ROWS_PER_STATEMENT}
_DELETE: Final = {size: "DELETE FROM kv WHERE k IN (" + ",".join("?" * size) + ")" for size in _ROWS_PER_STATEMENT}
