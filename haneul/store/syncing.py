"""Syncs a file without holding up the event loop: the kernel does it and says when it is done, or a thread where the kernel cannot.

A thread would have to take the interpreter's lock from the requests that are answered meanwhile, twice a sync (docs/decisions/0011-synced-by-the-kernel.md).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, Protocol

# The numbers of io_setup, io_getevents and io_submit (64 bits, the lowest byte first). Elsewhere the same numbers are other calls.
_CALLS: Final = {("Linux", "x86_64"): (206, 208, 209), ("Linux", "aarch64"): (0, 4, 2)}
# struct iocb and struct io_event of linux/aio_abi.h.
_REQUEST: Final = Struct("<QIIHhIQQqQII")
_EVENT: Final = Struct("<QQqq")
_FDSYNC: Final = 3
_TELL_BY_EVENT: Final = 1
_spare: list[_Context] = []  # Giving one back to the kernel takes tens of milliseconds: the next store has it.

Done = Callable[[OSError | None], None]
"""Called on the loop: all that the file held when the sync began is on the disk, or why that is not known."""


class Syncer(Protocol):
    """One file at a time: `sync` is called again only after `done` was."""

    def sync(self, file: int, done: Done) -> None: ...

    def close(self) -> None: ...


def syncer(loop: asyncio.AbstractEventLoop) -> Syncer:
    """The best one that this machine has: containers may forbid asynchronous calls, and only Linux has them."""
    try:
        return KernelSyncer(loop)
    except (OSError, KeyError):  # Forbidden, or too many of them on this machine; or none.
        return ThreadSyncer(loop)


class _Context:
    """A context of Linux's asynchronous I/O, for one request at a time. OSError when there is none to be had, KeyError where the calls are not known."""

    __slots__ = ("_calls", "_found", "_list", "_number", "_request", "_system", "event")

    def __init__(self) -> None:
        self._calls = _CALLS[platform.system(), platform.machine()]
        self._system: Any = ctypes.PyDLL(None, use_errno=True).syscall  # With the interpreter's lock held: none of these calls waits.
        self._number: Any = ctypes.c_ulong(0)
        self._request: Any = ctypes.create_string_buffer(_REQUEST.size)
        self._list: Any = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._found: Any = ctypes.create_string_buffer(_EVENT.size)
        self._call(self._calls[0], ctypes.c_long(1), ctypes.byref(self._number))
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def _call(self, number: int, *arguments: Any) -> int:
        found: int = self._system(ctypes.c_long(number), *arguments)
        if found < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return found

    def begin(self, file: int) -> None:
        """Have a file synced."""
        _REQUEST.pack_into(self._request, 0, 0, 0, 0, _FDSYNC, 0, file, 0, 0, 0, 0, _TELL_BY_EVENT, self.event)
        self._call(self._calls[2], self._number, ctypes.c_long(1), self._list)

    def result(self) -> int | None:
        """0, or minus the number of an error; None as long as the sync goes on."""
        if not self._call(self._calls[1], self._number, ctypes.c_long(0), ctypes.c_long(1), self._found, None):
            return None
        return int(_EVENT.unpack(self._found)[2])


class KernelSyncer:
    """Linux's asynchronous I/O. It takes a sync in a microsecond or two, and tells of its end by an event that the loop waits for like for any other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = _spare.pop() if _spare else _Context()
        self._done: Done | None = None
        loop.add_reader(self._context.event, self._finished)

    def sync(self, file: int, done: Done) -> None:
        self._done = done
        try:
            self._context.begin(file)
        except OSError as problem:
            self._loop.call_soon(self._tell, problem)

    def _finished(self) -> None:
        os.eventfd_read(self._context.event)
        result = self._context.result()
        if result is not None:
            self._tell(OSError(-result, os.strerror(-result)) if result else None)

    def _tell(self, error: OSError | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def close(self) -> None:
        """Nothing is under way."""
        self._loop.remove_reader(self._context.event)
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
