"""Wake-ups inside one process: "something may have changed about this topic". Nothing depends on them but latency."""

from __future__ import annotations

import asyncio

from haneul.clock import Clock


class Hub:
    """The `Signals` of `core/ports.py`. The cost of a notification is that of the topic's own waiters."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def notify(self, topic: str) -> None:
        """Wake everybody who waits for `topic` now."""
        for future in self._waiting.pop(topic, ()):
            if not future.done():
                future.set_result(None)

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
