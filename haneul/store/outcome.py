"""What many wait for at once: the outcome of a batch of writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

from haneul.store.port import StoreError

Callback = Callable[[Any], object]


class Outcome:
    """Awaited as an `asyncio.Future` is, by any number, and kept by nobody alone: one who waits and is cancelled hears of it when the outcome is there.

    Those who wait go on one after another within `finish`, not in the loop's next round: a future, its callback's handle and the round would cost a durable
    write more than its row does. So `finish` is called by the loop, never by a task.
    """

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_error", "_finished", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False  # How whoever runs a coroutine tells that it waits for this, and how it answers that it has understood.
        self._callbacks: list[tuple[Callback, Context | None]] = []
        self._finished = False
        self._error: str | None = None

    def __await__(self) -> Generator[Any, None, None]:
        if not self._finished:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    def finish(self, error: str | None = None) -> None:
        """It is there: all that was written is durable, or why it is not. Each who waits gets a StoreError of his own."""
        self._finished = True
        self._error = error
        callbacks, self._callbacks = self._callbacks, []
        for callback, context in callbacks:
            try:
                if context is None:
                    callback(self)
                else:
                    context.run(callback, self)
            except Exception as problem:  # One who waits must not keep the others waiting.
                self._loop.call_exception_handler({"message": "one who waited for a commit failed", "exception": problem})

    # ---- what runs coroutines asks of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callback, *, context: Context | None = None) -> None:
        self._callbacks.append((callback, context))

    def result(self) -> None:
        error = self._error
        if error is not None:
            raise StoreError(error)

    def cancel(self, msg: object = None) -> bool:
        """Not for one of many: the others' writes are in the batch, too."""
        return False
