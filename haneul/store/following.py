"""A store whose rows another process writes: reads of what is committed, and word of what changes.

Before each request, `follow` takes in what the writing process has said in the shared memory. A row is remembered only while nobody is about to change it;
one that is on its way to the disk is read from the file, by everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from haneul.store.port import Reader, Row, Transaction
from haneul.store.shared import SharedMemory
from haneul.store.sqlite import RecentRows, Watcher, announce, connect, pages, read_range, read_row, read_values

T = TypeVar("T")


class Elsewhere(BaseException):
    """Only the process that writes can do this. No service's business: it goes up to whoever passes requests on."""


class FollowingStore:
    """The `Store` of a process that only reads."""

    def __init__(self, path: Path, memory: SharedMemory) -> None:
        self._memory = memory
        self._reader = connect(str(path))
        self._reader.execute("PRAGMA query_only = ON")
        self._recent = RecentRows()
        self._watchers: list[Watcher] = []
        self._head = memory.head()
        pending, self._followed = memory.positions()
        # Batches that were under way when they were met, and the rows of all of them.
        self._under_way: list[tuple[int, list[bytes]]] = []
        self._doubtful: set[bytes] = set()
        self._met = self._followed
        if pending > self._followed:
            self._meet(pending)

    def follow(self) -> bool:
        """Take in what has changed; whether anything has (or the clock was moved). Raises Lapped: then this store, and all that was read from it, is to be made anew."""
        head = self._memory.head()
        if head == self._head:
            return False
        pending, settled = self._memory.positions()
        if pending > self._met:
            self._meet(pending)
        self._head = head
        if settled > self._followed:
            self._settle(settled)
        return True

    def _meet(self, pending: int) -> None:
        for end, keys in self._memory.batches(self._met, pending):
            self._under_way.append((end, keys))
            self._doubtful.update(keys)
            self._recent.forget(keys)
        self._met = pending

    def _settle(self, settled: int) -> None:
        self._followed = settled
        done = [keys for end, keys in self._under_way if end <= settled]
        self._under_way = [(end, keys) for end, keys in self._under_way if end > settled]
        self._doubtful = {key for _, keys in self._under_way for key in keys}
        for keys in done:
            announce(self._watchers, keys)

    # ---- reads

    def get(self, key: bytes) -> bytes | None:
        found = self._recent.find(key)
        if found is None:
            found = read_row(self._reader, key)
            if found is not None and key not in self._doubtful:
                self._recent.keep(key, found)
        return found

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        return read_range(self._reader, start, end, limit, reverse)

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        return read_values(self._reader, start, end, limit, reverse)

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        return pages(self, start, end, reverse, page)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        raise Elsewhere
        yield self

    # ---- what only the writing process does

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        raise Elsewhere

    def watch(self, prefix: bytes, callback: Callable[[Sequence[bytes]], None]) -> Callable[[], None]:
        entry = (prefix, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    async def close(self) -> None:
        self._reader.close()

