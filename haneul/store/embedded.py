"""The embedded driver: a log, and a SQLite file that is brought up to date behind it.

Transactions run one after another on the event loop's own thread against what is committed plus what is on its way to the disk
(the pending writes). Their writes gather in a batch; the whole batch is written to the log (`log.py`) and synced (`syncing.py`),
and only then are the answers given. While it is synced, the next batch gathers. A read outside a transaction sees committed
rows only, so that nobody is ever shown what a crash could take back. Rows that are in the log and not yet in SQLite lie in
layers over it (`layers.py`), until a further thread has brought them there (`settling.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import apsw

from haneul.store.layers import ABSENT, Batch, CommittedRows, Layer, merged
from haneul.store.log import Gap, Log, by_key
from haneul.store.outcome import Outcome
from haneul.store.port import Reader, Row, StoreError, Transaction
from haneul.store.seals import SEALED
from haneul.store.settling import Settler
from haneul.store.shared import SharedMemory
from haneul.store.sqlite import FORMAT_VERSION, Watcher, announce, connect, format_of, pages
from haneul.store.syncing import syncer

T = TypeVar("T")

_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS settled (position INTEGER NOT NULL);
    INSERT INTO settled SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM settled);
"""
_SETTLE_SECONDS = 1.0
_log = logging.getLogger("haneul")


class _Pending(Batch):
    """A batch, and what those wait for who wrote it."""

    __slots__ = ("order", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.outcome = Outcome(loop)
        self.order: list[bytes] = []


class EmbeddedStore(CommittedRows):
    """A store in one SQLite file and its log. `open` it inside the event loop that will use it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer = connect(str(path))
            _admit(path, writer)
            super().__init__(connect(str(path)))
            self._log = Log(path)
            try:
                self._recover(writer)
            except Exception:
                self._log.close()
                raise
        except (apsw.Error, OSError, Gap) as problem:
            raise StoreError(f"{path} cannot be opened: {problem}") from problem
        self._loop = asyncio.get_running_loop()
        self._gathering = _Pending(self._loop)
        self._committing: _Pending | None = None
        self._hand_over_planned = False
        self._closed = False
        # Where processes that only read hear of what is committed, if there are any.
        self._shared: SharedMemory | None = None
        self._watchers: list[Watcher] = []
        self._active = Layer()
        self._settle_timer: asyncio.TimerHandle | None = None
        self._settle_due = False
        self._settle_error: StoreError | None = None
        self._settle_waiters: list[asyncio.Future[None]] = []
        self._settler = Settler(writer, self._settled_in_thread)
        self._syncer = syncer(self._loop)
        if self._frozen is not None:
            self._settle(self._frozen)

    def _recover(self, connection: apsw.Connection) -> None:
        """Take in what the log says and SQLite does not have: a crash came between them."""
        [(settled,)] = connection.execute("SELECT position FROM settled")
        self._settled_to = int(settled)
        batches, self._committed_to = self._log.newest(self._settled_to)
        self._log.go_on(self._committed_to, keep=bool(batches))
        self._frozen: Layer | None = None
        self._settling = False
        if batches:
            layer = self._frozen = Layer()
            for rows in batches:
                layer.put_all(by_key(rows))
            layer.sort()
            layer.end = self._committed_to
            self._layers.append(layer)

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
            batch.put_all(transaction.writes)
            self._plan_hand_over()
            await batch.outcome
        elif transaction.saw_uncommitted:
            await self._barrier()
        return result

    async def _barrier(self) -> None:
        batch = self._gathering if self._gathering.rows else self._committing
        if batch is not None:
            await batch.outcome

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        # The layers change between the loop's steps only, and whatever comes from them into the file meanwhile they show themselves.
        yield self

    def _plan_hand_over(self) -> None:
        if self._committing is None and not self._hand_over_planned:
            self._hand_over_planned = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._hand_over_planned = False
        if self._committing is not None or not self._gathering.rows:
            return
        if self._log.full and self._frozen is not None:
            if self._settle_error is not None:
                error = str(self._settle_error)
                refused, self._gathering = self._gathering, _Pending(self._loop)
                self._settle(self._frozen)
                refused.outcome.finish(error)
            return  # When it is settled there is room in the log again.
        batch = self._committing = self._gathering
        self._gathering = _Pending(self._loop)
        rows = batch.rows
        keys = batch.order = sorted(rows)
        content: list[bytes | None] = []
        for key in keys:
            content.append(key)
            content.append(rows[key])
        try:
            record = self._log.record(content)
            batch.size = len(record)
            self._syncer.write(self._log, record, self._synced)
        except Exception as problem:  # Whatever it was, those who wait must hear of it, and the next batch have its turn.
            self._loop.call_soon(self._committed, batch, problem)

    def _synced(self, error: OSError | None) -> None:
        batch = self._committing
        assert batch is not None
        if error is None:
            self._log.keep(batch.size)
            batch.end = self._log.position
        else:
            self._log.take_back()
        self._committed(batch, error)

    def _committed(self, batch: _Pending, problem: Exception | None) -> None:
        self._committing = None
        if problem is not None:
            # What gathered meanwhile was decided on top of writes that never happened.
            above, self._gathering = self._gathering, _Pending(self._loop)
            self._freeze()
            for failed in (batch, above):
                failed.outcome.finish(f"the store could not write: {problem}")
            return
        self._take_in(batch)
        self._freeze()
        if self._gathering.rows:
            self._hand_over()
        announce(self._watchers, batch.order)
        batch.outcome.finish()

    def under_way(self, key: bytes) -> bool:
        return key in self._gathering.rows or (self._committing is not None and key in self._committing.rows)

    def watch(self, prefix: bytes, callback: Callable[[Sequence[bytes]], None]) -> Callable[[], None]:
        entry = (prefix, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    def share(self, memory: SharedMemory) -> None:
        """Say in this memory from now on what is committed."""
        self._shared = memory
        self._log.write_to_pages()  # They read them there; from the disk it would take them a hundred times as long.
        memory.commit(self._committed_to)
        memory.settle(self._settled_to)

    async def settle(self) -> None:
        """Bring all that is committed now into the SQLite file, if there is room for it."""
        end = self._committed_to
        if self._settling:
            await self._attempt()
        self._settle_all()
        while self._settled_to < end and (self._settling or self._committing is not None):
            await self._attempt()

    async def _attempt(self) -> None:
        """Wait for the settler to be done with a layer, or to give it up."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._settle_waiters.append(waiter)
        await waiter

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        if self._closed:
            return
        while self._committing is not None or self._gathering.rows:
            with suppress(StoreError):  # Those whose writes failed are told.
                await self._barrier()
        self._closed = True
        await self.settle()
        if self._settle_timer is not None:
            self._settle_timer.cancel()
        self._syncer.close()
        await self._loop.run_in_executor(None, self._settler.close)
        if self._layers:
            _log.warning("%s; the next start takes it from the log", self._settle_error)
        else:
            self._log.clear()
        self._log.close()
        self._reader.close()

    # ---- layers, from the log to SQLite

    def _take_in(self, batch: _Pending) -> None:
        active = self._active
        if not active.rows:
            self._layers.insert(0, active)
            if self._settle_timer is None:
                self._settle_timer = self._loop.call_later(_SETTLE_SECONDS, self._settle_soon)
        self._put_over(active, batch.rows)
        active.size += batch.size
        active.end = self._committed_to = batch.end
        if self._shared is not None:
            self._shared.commit(batch.end)

    def _settle_soon(self) -> None:
        self._settle_timer = None
        self._settle_all()

    def _settle_all(self) -> None:
        self._settle_due = bool(self._active.rows)
        if self._frozen is not None:
            self._settle(self._frozen)
        self._freeze()

    def _freeze(self) -> None:
        """Have the active layer settled, if it is time, and begin another one."""
        active = self._active
        if (self._settle_due or active.full()) and active.rows and self._frozen is None and self._committing is None:
            active.sort()
            self._active = Layer()
            self._log.turn()
            self._frozen = active
            self._settle_due = False
            self._settle(active)

    def _settle(self, layer: Layer) -> None:
        if not self._settling:
            self._settling = True
            self._settler.settle(layer)

    def _settled_in_thread(self, layer: Layer, error: StoreError | None) -> None:
        self._loop.call_soon_threadsafe(self._settled, layer, error)

    def _settled(self, layer: Layer, error: StoreError | None) -> None:
        self._settling = False
        if error is not None:
            if self._settle_error is None:
                _log.warning("%s; the log keeps it", error)
            if self._settle_timer is None and not self._closed:
                self._settle_timer = self._loop.call_later(_SETTLE_SECONDS, self._settle_soon)
        else:
            self._frozen = None
            self._drop(layer)
            self._settled_to = layer.end
            if self._shared is not None:
                self._shared.settle(layer.end)
            if self._log.full and not self._layers:
                self._log.turn()
        self._settle_error = error
        self._freeze()
        self._hand_over()
        for waiter in self._settle_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._settle_waiters.clear()


def _admit(path: Path, writer: apsw.Connection) -> None:
    """Make a new file, or see that this Haneul can read the one that is there."""
    if format_of(path, writer) < FORMAT_VERSION:
        writer.execute(_SCHEMA)
        writer.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


class _EmbeddedTransaction:
    """Own writes over the gathering batch over the one on its way to the disk over what is committed."""

    __slots__ = ("_store", "saw_uncommitted", "writes")

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self.writes: dict[bytes, bytes | None] = {}
        self.saw_uncommitted = False

    def get(self, key: bytes) -> bytes | None:
        store = self._store
        found = self.writes.get(key, ABSENT)
        if found is ABSENT:
            found = store._gathering.rows.get(key, ABSENT)
            if found is ABSENT and store._committing is not None:
                found = store._committing.rows.get(key, ABSENT)
            if found is ABSENT:
                return store.get(key)
            self.saw_uncommitted = True
        return store.opened(key, found) if found and found[0] == SEALED else found

    def put(self, key: bytes, value: bytes) -> None:
        self.writes[key] = value

    def put_sealed(self, key: bytes, value: bytes, owner: bytes) -> None:
        seals = self._store.seals
        if seals is None:
            raise StoreError("a row is to be sealed, and there is no vault to seal it with")
        self.writes[key] = seals.seal(key, value, owner)

    def delete(self, key: bytes) -> None:
        self.writes[key] = None

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        store = self._store
        over: list[Layer] = []
        if self.writes:
            own = Batch()
            own.put_all({key: value for key, value in self.writes.items() if start <= key < end})
            if own.touches(start, end):
                over.append(own)
        for batch in (store._gathering, store._committing):
            if batch is not None and batch.rows and batch.touches(start, end):
                self.saw_uncommitted = True
                over.append(batch)
        if not over:
            return store.range(start, end, limit, reverse)
        return store.opened_rows(merged(over, store.range, start, end, limit, reverse)[0])

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        return [value for _, value in self.range(start, end, limit, reverse)]

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        return pages(self, start, end, reverse, page)
