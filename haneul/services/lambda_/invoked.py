"""What comes of an invocation: its outcome, or an answer that is read while the function makes it."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from haneul.clock import Clock
from haneul.runtime.port import Outcome, ResponseStream, RuntimeUnavailable
from haneul.services.lambda_.limits import LOG_TAIL_BYTES_MAX

_log = logging.getLogger("haneul")


@dataclass(slots=True)
class Invoked:
    """What came of an invocation. `log_tail` is the last 4 KB of its log, in base64."""

    outcome: Outcome
    version: str
    log: str

    @property
    def failed(self) -> bool:
        return self.outcome.status != "success"

    @property
    def log_tail(self) -> str:
        return b64encode(self.log.encode("utf-8", "replace")[-LOG_TAIL_BYTES_MAX:]).decode()


class StreamedAnswer:
    """An answer in chunks; its end is concluded whether anybody reads it or not.

    Iterate over it and then await `invoked`. Whoever stops before calls `aclose`; one that is just let go of concludes by itself.
    """

    def __init__(self, clock: Clock, stream: ResponseStream, version: str, end: Callable[[], Awaitable[Invoked]]) -> None:
        self._clock = clock
        self._stream = stream
        self._end = end
        self._invoked: Invoked | None = None
        self._ending = False
        self.version = version
        self.begun = False
        """Whether there is an answer at all; without one `invoked` says why."""

    @property
    def content_type(self) -> str:
        return self._stream.content_type

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def invoked(self) -> Invoked:
        """Wait for the invocation's end (once). Raises RuntimeUnavailable when the environment was taken away."""
        if self._invoked is None:
            self._ending = True
            self._invoked = await self._end()
        return self._invoked

    async def aclose(self) -> None:
        """Read no further: the function runs to its end nevertheless, as on AWS."""
        self._conclude()

    def __del__(self) -> None:
        self._conclude()

    def _conclude(self) -> None:
        if not self._ending:
            self._ending = True
            self._clock.run(_await(self._end), "end of a streamed invocation")


async def _await(end: Callable[[], Awaitable[Invoked]]) -> None:
    try:
        await end()
    except RuntimeUnavailable as error:
        _log.debug("a streamed invocation that nobody reads ended with its environment: %s", error)
