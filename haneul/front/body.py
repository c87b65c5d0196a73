"""A request body that is handed on while it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from haneul.core.errors import ClientGone

_HIGH_BYTES = 1 << 20
_LOW_BYTES = 1 << 18


class Unanswerable(Exception):
    """Whether the request was carried out, nobody can tell any more: its connection is cut, as it would be by a server that dies."""


class IncomingBody:
    """The `BodyStream` of a connection. Reading is paused while more than about 1 MB waits to be consumed."""

    def __init__(self, length: int | None, *, pause: Callable[[], None], resume: Callable[[], None], begin: Callable[[], None]) -> None:
        self.length = length
        self.finished = False
        self.started = False
        self.paused = False
        self._pause = pause
        self._resume = resume
        self._begin = begin
        self._parts: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._gone = False
        self._discarding = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        if self._discarding:
            return
        self._parts.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _HIGH_BYTES and not self.paused:
            self.paused = True
            self._pause()
        self._wake()

    def finish(self) -> None:
        self.finished = True
        self._wake()

    def abort(self) -> None:
        """The connection is lost."""
        self._gone = True
        self._wake()

    def discard(self) -> None:
        """Nobody will read the rest."""
        self._discarding = True
        self._parts.clear()
        self._unpause()

    def _unpause(self) -> None:
        if self.paused:
            self.paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self.started:
            self.started = True
            self._begin()
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._waiting_bytes -= len(part)
                if self._waiting_bytes < _LOW_BYTES:
                    self._unpause()
                yield part
            if self.finished:
                return
            if self._gone:
                raise ClientGone("the client went away")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
