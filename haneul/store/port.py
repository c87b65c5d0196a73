"""The store's port: ordered byte keys, snapshot reads, atomic transactions, a change feed.

Every driver passes the suite in `tests/store/test_port.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Row = tuple[bytes, bytes]
T = TypeVar("T")


class StoreError(Exception):
    """The store could not do what was asked (disk full, file damaged …). Nothing of the transaction took effect."""


class Reader(Protocol):
    """Reads of one state."""

    def get(self, key: bytes) -> bytes | None:
        """The value at `key`, or None."""

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        """Rows with start <= key < end in key order (or backwards), at most `limit`."""

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        """The values of the rows that `range` gives."""

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        """The same rows one by one, fetched `page` at a time: its cost follows what is taken, not what the range holds."""


class Transaction(Reader, Protocol):
    """Reads and writes that take effect together. Reads see the transaction's own writes."""

    def put(self, key: bytes, value: bytes) -> None: ...

    def put_sealed(self, key: bytes, value: bytes, owner: bytes) -> None:
        """Put a value that is to be encrypted on the disk, under a key of its owner's. Whoever reads the row gets it opened, like any other."""

    def delete(self, key: bytes) -> None: ...


class Store(Reader, Protocol):
    """The store itself reads the newest committed state."""

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Several reads of one and the same state. Must not be held across an await."""

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` alone and durably: when this returns, its writes are on the disk; when it raises, there are none.

        `work` is synchronous and may be run again; its only effects are its writes.
        """

    def under_way(self, key: bytes) -> bool:
        """Whether a write of this key has been decided and is not durable yet."""

    def watch(self, prefix: bytes, callback: Callable[[Sequence[bytes]], None]) -> Callable[[], None]:
        """Call `callback` with the changed keys below `prefix` after each commit that changed any. Returns what ends it."""

    async def close(self) -> None: ...
