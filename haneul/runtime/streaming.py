"""Answers that are read while the function makes them (AWS Lambda Developer Guide, "Response streaming for Lambda functions")."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

from haneul.runtime.port import Outcome

BACKLOG_BYTES_MAX = 1 << 20
"""With more than this waiting to be read, the function has to wait."""


class Source(Protocol):
    """Where an answer comes from: it can be told to hold back."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class AnswerStream:
    """One invocation's answer, between the environment that receives it and whoever reads it. See `haneul.runtime.port.ResponseStream`."""

    def __init__(self) -> None:
        self.content_type = ""
        self._loop = asyncio.get_running_loop()
        self._chunks: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._begun = False
        self._closed = False
        self._abandoned = False
        self._source: Source | None = None
        self._changed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Outcome] | None = None

    def run(self, invocation: Coroutine[Any, Any, Outcome]) -> None:
        """Run the invocation that this is the answer of."""
        self._task = self._loop.create_task(invocation)
        self._task.add_done_callback(lambda _: self.close())

    # ---- the environment's side

    @property
    def begun(self) -> bool:
        return self._begun

    def begin(self, content_type: str, source: Source | None = None) -> None:
        self.content_type = content_type
        self._source = source
        self._begun = True
        self._wake()

    def feed(self, data: bytes) -> None:
        if self._abandoned or self._closed or not data:
            return
        self._chunks.append(data)
        self._backlog_bytes += len(data)
        if self._backlog_bytes > BACKLOG_BYTES_MAX and self._source is not None:
            self._source.pause()
        self._wake()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._source = None
        self._wake()

    # ---- the reader's side

    async def begins(self) -> bool:
        """Wait for the answer's first byte or its type; False when the invocation ended without an answer."""
        while not self._begun and not self._closed:
            await self._wait()
        return self._begun

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._backlog_bytes -= len(chunk)
                if self._backlog_bytes <= BACKLOG_BYTES_MAX // 2 and self._source is not None:
                    self._source.resume()
                yield chunk
            if self._closed:
                return
            await self._wait()

    async def outcome(self) -> Outcome:
        """Wait until the invocation is over; what has not been read is thrown away."""
        self._abandoned = True
        self._chunks.clear()
        self._backlog_bytes = 0
        if self._source is not None:
            self._source.resume()
        assert self._task is not None
        return await asyncio.shield(self._task)

    async def _wait(self) -> None:
        self._changed = self._loop.create_future()
        await self._changed

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
