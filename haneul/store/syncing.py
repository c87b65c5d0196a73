"""Brings records to the disk without holding up the event loop: the kernel does it and says when it is done, or a thread where the kernel cannot.

A thread would have to take the interpreter's lock from the requests that are answered meanwhile, twice a sync (docs/decisions/0011-synced-by-the-kernel.md).
A record goes straight from memory to the disk where that can be, past the kernel's pages (docs/decisions/0013-past-the-pages.md).
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import mmap
import os
import platform
from collections.abc import Callable
from struct import Struct, calcsize
from typing import Any, Final, Protocol

from haneul.store.log import Log

# The numbers of io_setup, io_getevents and io_submit (the lowest byte first). Elsewhere the same numbers are other calls, also in a process of 32 bits on such a processor.
_CALLS: Final = {("Linux", "x86_64", 64): (206, 208, 209), ("Linux", "aarch64", 64): (0, 4, 2)}
# struct iocb and struct io_event of linux/aio_abi.h.
_REQUEST: Final = Struct("<QIIHhIQQqQII")
_EVENT: Final = Struct("<QQqq")
_PWRITE: Final = 1
_FDSYNC: Final = 3
_DSYNC: Final = 2  # RWF_DSYNC: a write is over when its bytes are on the disk.
_TELL_BY_EVENT: Final = 1
_BUFFER_BYTES: Final = 1 << 20
_NOT_HERE: Final = (-errno.EINVAL, -errno.EOPNOTSUPP)
_spare: list[_Context] = []  # Giving one back to the kernel takes tens of milliseconds: the next store has it.
os.register_at_fork(after_in_child=_spare.clear)  # They are the parent's: the kernel knows none of them in the child, and their memory and events are shared.

Done = Callable[[OSError | None], None]
"""Called on the loop: the record is on the disk, or why that is not known."""


class Syncer(Protocol):
    """One record at a time: `write` is called again only after `done` was. OSError when it could not even begin."""

    def write(self, log: Log, record: bytes, done: Done) -> None: ...

    def close(self) -> None: ...


def syncer(loop: asyncio.AbstractEventLoop) -> Syncer:
    """The best one that this machine has: containers may forbid asynchronous calls, and only Linux has them."""
    try:
        return KernelSyncer(loop)
    except (OSError, KeyError):  # Forbidden, or too many of them on this machine; or none.
        return ThreadSyncer(loop)


class _Context:
    """A context of Linux's asynchronous I/O, for one request at a time. OSError when there is none to be had, KeyError where the calls are not known."""

    __slots__ = ("_address", "_buffer", "_calls", "_found", "_list", "_number", "_request", "_system", "event")

    def __init__(self) -> None:
        self._calls = _CALLS[platform.system(), platform.machine(), 8 * calcsize("P")]
        self._system: Any = ctypes.PyDLL(None, use_errno=True).syscall  # With the interpreter's lock held: none of these calls waits.
        self._number: Any = ctypes.c_ulong(0)
        self._request: Any = ctypes.create_string_buffer(_REQUEST.size)
        self._list: Any = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._found: Any = ctypes.create_string_buffer(_EVENT.size)
        self._call(self._calls[0], ctypes.c_long(1), ctypes.byref(self._number))
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._buffer = mmap.mmap(-1, _BUFFER_BYTES)  # At the edge of a page, as the disk wants it.
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))

    def _call(self, number: int, *arguments: Any) -> int:
        found: int = self._system(ctypes.c_long(number), *arguments)
        if found < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return found

    def sync(self, file: int) -> None:
        """Have all that was written to a file brought to the disk."""
        self._submit(_FDSYNC, 0, file, 0, 0, 0)

    def write(self, file: int, record: bytes, offset: int) -> None:
        """Have a record of at most _BUFFER_BYTES brought to the disk."""
        self._buffer[: len(record)] = record
        self._submit(_PWRITE, _DSYNC, file, self._address, len(record), offset)

    def _submit(self, what: int, how: int, file: int, address: int, size: int, offset: int) -> None:
        _REQUEST.pack_into(self._request, 0, 0, 0, how, what, 0, file, address, size, offset, 0, _TELL_BY_EVENT, self.event)
        self._call(self._calls[2], self._number, ctypes.c_long(1), self._list)

    def result(self) -> int | None:
        """How many bytes were written (0 of a sync), or minus the number of an error; None as long as it goes on."""
        if not self._call(self._calls[1], self._number, ctypes.c_long(0), ctypes.c_long(1), self._found, None):
            return None
        return int(_EVENT.unpack(self._found)[2])


def _context() -> _Context:
    """One that a closed store has left, or a new one."""
    try:
        return _spare.pop()
    except IndexError:  # Asked so, because a store of another thread may have been quicker.
        return _Context()


class KernelSyncer:
    """Linux's asynchronous I/O. It takes a record in a few microseconds, and tells of its end by an event that the loop waits for like for any other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = _context()
        self._under_way: tuple[Log, bytes, Done] | None = None
        self._expected = 0
        # Who syncs instead, once the kernel has said that it cannot.
        self._threads: ThreadSyncer | None = None
        loop.add_reader(self._context.event, self._finished)

    def write(self, log: Log, record: bytes, done: Done) -> None:
        file = log.direct(record) if len(record) <= _BUFFER_BYTES else -1
        if file < 0:
            if self._threads is not None:
                self._threads.write(log, record, done)
                return
            log.write(record)
        self._under_way = log, record, done
        self._expected = len(record) if file >= 0 else 0
        try:
            if file >= 0:
                self._context.write(file, record, log.used)
            else:
                self._context.sync(log.file)
        except OSError as problem:
            self._loop.call_soon(self._over, -(problem.errno or errno.EIO))

    def _finished(self) -> None:
        os.eventfd_read(self._context.event)
        result = self._context.result()
        if result is not None:
            self._over(result)

    def _over(self, result: int) -> None:
        if self._under_way is None:
            return
        (log, record, done), self._under_way = self._under_way, None
        if result == self._expected:
            done(None)
        elif result in _NOT_HERE:
            if self._expected:  # The file system opens files for it, and does not do it, or not with blocks of this size.
                log.write_to_pages()
            else:  # Linux syncs so since 4.18, and before, it only writes.
                self._threads = ThreadSyncer(self._loop)
            try:
                self.write(log, record, done)
            except OSError as problem:
                done(problem)
        else:
            number = -result if result < 0 else errno.EIO
            done(OSError(number, os.strerror(number)))

    def close(self) -> None:
        """Nothing is under way."""
        self._loop.remove_reader(self._context.event)
        _spare.append(self._context)


class ThreadSyncer:
    """A thread of the loop's executor."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def write(self, log: Log, record: bytes, done: Done) -> None:
        log.write(record)

        def finished(future: asyncio.Future[None]) -> None:
            error = future.exception()
            done(error if error is None or isinstance(error, OSError) else OSError(str(error)))

        try:
            syncing = self._loop.run_in_executor(None, os.fdatasync, log.file)
        except RuntimeError as problem:  # The system lets no further thread begin.
            log.take_back()
            raise OSError(errno.EAGAIN, str(problem)) from problem
        syncing.add_done_callback(finished)

    def close(self) -> None: ...
