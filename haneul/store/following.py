"""A store whose rows another process writes: reads of what is committed, and word of what changes.

Before each request, `follow` looks how far the log is committed and takes in what is new, as the writing process did before it answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from haneul.store.layers import CommittedRows, Layer
from haneul.store.log import Gap, LogReader, by_key
from haneul.store.port import Reader, Transaction
from haneul.store.shared import SharedMemory
from haneul.store.sqlite import Watcher, announce, connect

T = TypeVar("T")

_LAYER_ROWS = 8_192


class Elsewhere(BaseException):
    """Only the process that writes can do this. No service's business: it goes up to whoever passes requests on."""


class FollowingStore(CommittedRows):
    """The `Store` of a process that only reads. Whatever it does may raise log.Gap: so much has changed since the last look that the log no longer
    says all of it. Then this store, and all that was read from it, is to be made anew."""

    def __init__(self, path: Path, memory: SharedMemory) -> None:
        connection = connect(str(path))
        connection.execute("PRAGMA query_only = ON")
        super().__init__(connection)
        self._memory = memory
        self._log = LogReader(path)
        self._watchers: list[Watcher] = []
        self._head = b""
        # Before the log is read: what is settled while it is read lies in the file, and in a layer over it.
        [(settled,)] = connection.execute("SELECT position FROM settled")
        self._position = int(settled)
        self.follow()

    def follow(self) -> bool:
        """Take in what has changed; whether anything has (or the clock was moved). Raises Gap."""
        head = self._memory.head()
        if head == self._head:
            return False
        committed, settled = self._memory.committed, self._memory.settled
        if committed > self._position:
            self._take_in(committed)
        while self._layers and self._layers[-1].end <= settled:  # The oldest first: what it remembers, a newer one may know better.
            self._drop(self._layers[-1])
        self._head = head
        return True

    def _take_in(self, committed: int) -> None:
        try:
            batches = self._log.between(self._position, committed)
        except Gap:
            self._log.close()  # It will not be read again, and whoever still reads rows may do so for a while.
            raise
        layers = self._layers
        if not layers or layers[0].full():
            layers.insert(0, Layer())
        layer = layers[0]
        for rows in batches:
            self._put_over(layer, by_key(rows))
        layer.size += committed - self._position
        layer.end = self._position = committed
        for rows in batches:
            announce(self._watchers, rows[::2])

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        raise Elsewhere
        yield self

    # ---- what only the writing process does

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        raise Elsewhere

    def under_way(self, key: bytes) -> bool:
        raise Elsewhere

    def watch(self, prefix: bytes, callback: Callable[[Sequence[bytes]], None]) -> Callable[[], None]:
        entry = (prefix, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    async def close(self) -> None:
        self._log.close()
        self._reader.close()
