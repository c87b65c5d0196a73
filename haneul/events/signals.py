"""Wake-ups inside one process: "something may have changed about this topic". Nothing depends on them but latency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from haneul.clock import Clock


class Hub:
    """The `Signals` of `core/ports.py`. The cost of a notification is that of the topic's own waiters."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._listening: dict[str, list[Callable[[], None]]] = {}

    def notify(self, topic: str) -> None:
        """Wake everybody who waits for `topic` now."""
        for future in self._waiting.pop(topic, ()):
            if not future.done():
                future.set_result(None)
        for callback in tuple(self._listening.get(topic, ())):
            callback()

    def listen(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` at each `notify` of `topic`, within it. Returns what ends it."""
        self._listening.setdefault(topic, []).append(callback)

        def end() -> None:
            listening = self._listening.get(topic, [])
            if callback in listening:
                listening.remove(callback)
            if not listening:
                self._listening.pop(topic, None)

        return end

    async def wait(self, topic: str, clock: Clock, timeout: int) -> bool:
        """Until `topic` is notified, at most `timeout` nanoseconds of `clock`; False on time-out."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, set()).add(future)
        try:
            return await clock.wait_for(future, timeout)
        finally:
            waiting = self._waiting.get(topic)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[topic]
