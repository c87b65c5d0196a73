"""The embedded driver: SQLite in WAL mode, one writer thread, group commit.

Transactions run one after another on the event loop's own thread against what is committed plus what is on its way to the disk
(the pending writes). Their writes gather in a batch; the writer thread takes the whole batch in one SQL transaction and one
fsync, and only then are the answers given. While it syncs, the next batch gathers. A read outside a transaction sees
committed rows only, so that nobody is ever shown what a crash could take back.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from haneul.store.port import Reader, Row, StoreError, Transaction
from haneul.store.shared import SharedMemory
from haneul.store.sqlite import RecentRows, Watcher, announce, connect, pages, read_range, read_row, read_values

T = TypeVar("T")

_SCHEMA = "CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"
_FORMAT_VERSION = 1
_ROWS_PER_STATEMENT = (256, 64, 16, 4, 1)
_CHECKPOINT_PAGES = 4_000
_log = logging.getLogger("haneul")


class _Batch:
    """Writes that share one commit. `None` is a deletion."""

    __slots__ = ("order", "used", "waiting", "writes")

    def __init__(self) -> None:
        self.writes: dict[bytes, bytes | None] = {}
        self.order: list[bytes] = []
        # Rows that were remembered until they were handed over, and will be again.
        self.used: list[bytes] = []
        self.waiting: list[asyncio.Future[None]] = []

    def put(self, key: bytes, value: bytes | None) -> None:
        if key not in self.writes:
            insort(self.order, key)
        self.writes[key] = value

    def between(self, start: bytes, end: bytes) -> list[bytes]:
        return self.order[bisect_left(self.order, start) : bisect_left(self.order, end)]


class EmbeddedStore:
    """A store in one SQLite file. `open` it inside the event loop that will use it."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = connect(self._path)
            self._writer.execute(_SCHEMA)
            version = next(iter(self._writer.execute("PRAGMA user_version")))[0]
            if not isinstance(version, int) or version > _FORMAT_VERSION:
                raise StoreError(f"{path} was written by a newer Haneul (format {version}); this one reads up to {_FORMAT_VERSION}")
            self._writer.execute(f"PRAGMA user_version = {_FORMAT_VERSION}")
            self._reader = connect(self._path)
        except apsw.Error as problem:
            raise StoreError(f"{path} cannot be opened: {problem}") from problem
        self._writer.set_wal_hook(self._after_commit)
        self._loop = asyncio.get_running_loop()
        self._gathering = _Batch()
        self._committing: _Batch | None = None
        self._hand_over_planned = False
        self._closed = False
        self._snapshot_depth = 0
        # Where processes that only read hear of what changes, if there are any.
        self.shared: SharedMemory | None = None
        self._recent = RecentRows()
        self._watchers: list[Watcher] = []
        self._work: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._checkpoint_wanted = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_batches, name="store-writer", daemon=True),
            threading.Thread(target=self._checkpoint, name="store-checkpoint", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # ---- reads of committed rows

    def get(self, key: bytes) -> bytes | None:
        found = self._recent.young.get(key)
        if found is None or self._snapshot_depth:
            return self._read(key)
        return found

    def _read(self, key: bytes) -> bytes | None:
        recent = self._recent
        current = self._snapshot_depth == 0
        if current and (known := recent.old.pop(key, None)) is not None:
            recent.keep(key, known)
            return known
        value = read_row(self._reader, key)
        # What a snapshot shows may be out of date, and what is on its way to the disk soon will be.
        if value is not None and current and (self._committing is None or key not in self._committing.writes):
            recent.keep(key, value)
        return value

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        return read_range(self._reader, start, end, limit, reverse)

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        return read_values(self._reader, start, end, limit, reverse)

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        return pages(self, start, end, reverse, page)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        if self._snapshot_depth == 0:
            self._reader.execute("BEGIN")
        self._snapshot_depth += 1
        try:
            yield self
        finally:
            self._snapshot_depth -= 1
            if self._snapshot_depth == 0:
                self._reader.execute("COMMIT")

    # ---- transactions

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        transaction = _EmbeddedTransaction(self)
        refusal: Exception | None = None
        try:
            result = work(transaction)
        except Exception as problem:
            refusal = problem
        if refusal is not None:
            if transaction.saw_uncommitted:  # The refusal rests on writes that are not yet safe, so it waits for them too.
                await self._barrier()
            raise refusal
        if transaction.writes:
            batch = self._gathering
            for key, value in transaction.writes.items():
                batch.put(key, value)
            future: asyncio.Future[None] = self._loop.create_future()
            batch.waiting.append(future)
            self._plan_hand_over()
            await future
        elif transaction.saw_uncommitted:
            await self._barrier()
        return result

    async def _barrier(self) -> None:
        batch = self._gathering if self._gathering.writes else self._committing
        if batch is not None:
            future: asyncio.Future[None] = self._loop.create_future()
            batch.waiting.append(future)
            await future

    def _plan_hand_over(self) -> None:
        if self._committing is None and not self._hand_over_planned:
            self._hand_over_planned = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._hand_over_planned = False
        if self._committing is None and self._gathering.writes:
            batch = self._committing = self._gathering
            self._gathering = _Batch()
            # From now on the file may show the new rows at any moment, so nobody shows an old one that he remembers.
            batch.used = self._recent.forget(batch.order)
            if self.shared is not None:
                self.shared.begin(batch.order)
            self._work.put(batch)

    def _committed(self, batch: _Batch, error: StoreError | None) -> None:
        self._committing = None
        if self.shared is not None:
            self.shared.settle()
        if error is not None:
            # What gathered meanwhile was decided on top of writes that never happened.
            failed, self._gathering = [batch, self._gathering], _Batch()
            for one in failed:
                for future in one.waiting:
                    if not future.done():
                        future.set_exception(StoreError(str(error)))
            return
        for key in batch.used:
            if (value := batch.writes[key]) is not None:
                self._recent.keep(key, value)
        if self._gathering.writes:
            self._hand_over()
        announce(self._watchers, batch.order)
        for future in batch.waiting:
            if not future.done():
                future.set_result(None)

    def watch(self, prefix: bytes, callback: Callable[[Sequence[bytes]], None]) -> Callable[[], None]:
        entry = (prefix, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        if self._closed:
            return
        while self._committing is not None or self._gathering.writes:
            await self._barrier()
        self._closed = True
        self._work.put(None)
        self._checkpoint_wanted.set()
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join)
        self._reader.close()
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as problem:  # The log keeps what the file did not take; the next start reads both.
            _log.warning("the store's log could not be written back: %s", problem)
        self._writer.close()

    # ---- the writer's thread

    def _write_batches(self) -> None:
        while (batch := self._work.get()) is not None:
            error: StoreError | None = None
            try:
                self._write(batch)
            except Exception as problem:  # Whatever it was, those who wait must hear of it, and the next batch have its turn.
                error = StoreError(f"the store could not write: {problem}")
                self._roll_back()
            self._loop.call_soon_threadsafe(self._committed, batch, error)

    def _roll_back(self) -> None:
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except apsw.Error as problem:
            _log.error("the store could not take back a transaction: %s", problem)

    def _write(self, batch: _Batch) -> None:
        # Few, large statements: each one gives up and takes back the interpreter's lock once.
        writer = self._writer
        puts: list[bytes] = []
        deletes: list[bytes] = []
        for key in batch.order:
            value = batch.writes[key]
            if value is None:
                deletes.append(key)
            else:
                puts.append(key)
                puts.append(value)
        writer.execute("BEGIN IMMEDIATE")
        at, rows = 0, len(puts) // 2
        for size in _ROWS_PER_STATEMENT:
            while rows >= size:
                writer.execute(_PUT[size], puts[at : at + 2 * size])
                at += 2 * size
                rows -= size
        at, rows = 0, len(deletes)
        for size in _ROWS_PER_STATEMENT:
            while rows >= size:
                writer.execute(_DELETE[size], deletes[at : at + size])
                at += size
                rows -= size
        writer.execute("COMMIT")

    def _after_commit(self, connection: apsw.Connection, database: str, log_pages: int) -> int:
        # The log's length, not its file's: the file keeps its size when the log begins anew.
        if log_pages > _CHECKPOINT_PAGES:
            self._checkpoint_wanted.set()
        return apsw.SQLITE_OK

    # ---- the checkpointer's thread

    def _checkpoint(self) -> None:
        connection = connect(self._path)
        while True:
            self._checkpoint_wanted.wait()
            self._checkpoint_wanted.clear()
            if self._closed:
                connection.close()
                return
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.BusyError:
                continue
            except apsw.Error as problem:  # No room, for instance: the log grows on, and the next commits ask again.
                _log.warning("the store's log could not be written back: %s", problem)


_PUT = {size: "INSERT INTO kv (k, v) VALUES " + ",".join(["(?,?)"] * size) + " ON CONFLICT (k) DO UPDATE SET v = excluded.v" for size in _ROWS_PER_STATEMENT}
_DELETE = {size: "DELETE FROM kv WHERE k IN (" + ",".join("?" * size) + ")" for size in _ROWS_PER_STATEMENT}


class _EmbeddedTransaction:
    """Own writes over the gathering batch over the one on its way to the disk over what is committed."""

    __slots__ = ("_store", "saw_uncommitted", "writes")

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self.writes: dict[bytes, bytes | None] = {}
        self.saw_uncommitted = False

    def get(self, key: bytes) -> bytes | None:
        if key in self.writes:
            return self.writes[key]
        store = self._store
        for batch in (store._gathering, store._committing):
            if batch is not None and key in batch.writes:
                self.saw_uncommitted = True
                return batch.writes[key]
        return store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.writes[key] = value

    def delete(self, key: bytes) -> None:
        self.writes[key] = None

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        over = self._over(start, end)
        if not over:
            return self._store.range(start, end, limit, reverse)
        # Each deletion hides at most one committed row, so this many committed rows are enough.
        enough = None if limit is None else limit + sum(value is None for value in over.values())
        rows = dict(self._store.range(start, end, enough, reverse))
        if rows and len(rows) == enough:
            edge = next(reversed(rows))  # Beyond it the committed rows were not read: what lies there is not merged in.
            over = {key: value for key, value in over.items() if (key >= edge if reverse else key <= edge)}
        for key, value in over.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        merged = sorted(rows.items(), reverse=reverse)
        return merged if limit is None else merged[:limit]

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        return [value for _, value in self.range(start, end, limit, reverse)]

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        return pages(self, start, end, reverse, page)

    def _over(self, start: bytes, end: bytes) -> dict[bytes, bytes | None]:
        over: dict[bytes, bytes | None] = {}
        for batch in (self._store._committing, self._store._gathering):
            if batch is not None:
                for key in batch.between(start, end):
                    over[key] = batch.writes[key]
        if over:
            self.saw_uncommitted = True
        for key, value in self.writes.items():
            if start <= key < end:
                over[key] = value
        return over
