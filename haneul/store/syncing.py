"""Syncs a file without holding up the event loop: the kernel does it and says when it is done, or a thread where the kernel cannot.

A thread would have to take the interpreter's lock from the requests that are answered meanwhile, twice a sync (docs/decisions/0011-synced-by-the-kernel.md).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol

try:
    from caio import linux_aio
except (ImportError, OSError, SystemError):
    linux_aio = None  # type: ignore[assignment]

_spare: list[Any] = []  # Giving one back to the kernel takes tens of milliseconds: the next store has it.

Done = Callable[[OSError | None], None]
"""Called on the loop: all that the file held when the sync began is on the disk, or why that is not known."""


class Syncer(Protocol):
    """One file at a time: `sync` is called again only after `done` was."""

    def sync(self, file: int, done: Done) -> None: ...

    def close(self) -> None: ...


def syncer(loop: asyncio.AbstractEventLoop) -> Syncer:
    """The best one that this machine has: containers may forbid asynchronous calls, and only Linux has them."""
    if linux_aio is not None:
        try:
            return KernelSyncer(loop)
        except (OSError, SystemError):  # Too many of them on this machine, for instance.
            pass
    return ThreadSyncer(loop)


class KernelSyncer:
    """Linux's asynchronous I/O. It takes a sync in a microsecond or two, and tells of its end by an event that the loop waits for like for any other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context: Any = _spare.pop() if _spare else linux_aio.Context(max_requests=1)
        self._ready: int = self._context.fileno
        self._done: Done | None = None
        os.set_inheritable(self._ready, False)
        loop.add_reader(self._ready, self._finished)

    def sync(self, file: int, done: Done) -> None:
        operation = linux_aio.Operation.fdsync(file)
        operation.set_callback(self._result)
        self._done = done
        try:
            self._context.submit(operation)
        except Exception as problem:  # As many kinds as there are reasons.
            self._loop.call_soon(self._tell, OSError(f"the file cannot be synced: {problem}"))

    def _finished(self) -> None:
        try:
            self._context.poll()
        except BlockingIOError:
            return
        self._context.process_events(1)

    def _result(self, result: int) -> None:
        # An unsigned number of 64 bits, in which an error stands as minus its number.
        self._tell(OSError((1 << 64) - result, os.strerror((1 << 64) - result)) if result else None)

    def _tell(self, error: OSError | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def close(self) -> None:
        """Nothing is under way."""
        self._loop.remove_reader(self._ready)
        _spare.append(self._context)


class ThreadSyncer:
    """A thread of the loop's executor."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def sync(self, file: int, done: Done) -> None:
        def finished(future: asyncio.Future[None]) -> None:
            error = future.exception()
            done(error if error is None or isinstance(error, OSError) else OSError(str(error)))

        self._loop.run_in_executor(None, os.fdatasync, file).add_done_callback(finished)

    def close(self) -> None: ...
