"""The one source of time.

Times are integers: nanoseconds since the Unix epoch. A `Clock` runs with the machine's clock (plus an offset that `advance`
grows), or stands still (`frozen`) and moves only when told. Whatever happens later is a timer of this clock, so that advancing it
by 35 days makes everything due in 35 days happen, in order.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from bisect import bisect_right
from collections.abc import Callable, Coroutine
from typing import Any, Final

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_MOVES_REMEMBERED: Final = 4096


class Timer:
    """A call that the clock will make at `when` unless it is cancelled first."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: int, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Time, timers and the background work that time sets off.

    `now()` is in nanoseconds. Work started with `run` is waited for by `advance`, except while it waits on this clock itself, so
    that after `advance` returns, everything that was due has happened.
    """

    def __init__(self, *, frozen_at: int | None = None) -> None:
        self._frozen_at = frozen_at
        self._offset = 0
        # When this clock was moved, by the machine's time, and what it showed then.
        self._moves: list[tuple[int, int]] = [(self.machine_now(), self.now())]
        self._timers: list[tuple[int, int, Timer]] = []
        self._sequence = itertools.count()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0
        self._busy = 0
        self._quiet: asyncio.Event | None = None
        self._counted: set[asyncio.Task[Any]] = set()
        self._advancing = False

    @property
    def frozen(self) -> bool:
        """True when time moves only by `advance`."""
        return self._frozen_at is not None

    @property
    def offset(self) -> int:
        """Nanoseconds that this clock is ahead of the machine's (0 for a frozen clock)."""
        return self._offset

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time_ns() + self._offset

    @staticmethod
    def machine_now() -> int:
        """The machine's own time in nanoseconds: what clients outside sign their requests with, wherever this clock has moved to."""
        return time.time_ns()

    def at_machine(self, machine: int) -> int:
        """What this clock showed, or will show if it is not moved, when the machine's shows `machine` (nanoseconds).

        So a time that somebody outside has written down, before this clock was moved, can be compared with `now()`.
        """
        at, shown = self._moves[max(0, bisect_right(self._moves, machine, key=lambda move: move[0]) - 1)]
        if self._frozen_at is not None and machine >= at:
            return shown
        return shown + machine - at

    def seconds(self) -> int:
        """Whole seconds since the epoch."""
        return self.now() // SECOND

    def set_offset(self, offset: int) -> None:
        """Continue from an offset that an earlier run had reached."""
        self._offset = offset
        self._moves = [(self.machine_now(), self.now())]

    def follow(self, offset: int) -> None:
        """Move with another process's clock, which has reached this offset."""
        self._offset = offset
        self._remember_move()
        self._arm()

    def _remember_move(self) -> None:
        self._moves.append((self.machine_now(), self.now()))
        if len(self._moves) > _MOVES_REMEMBERED:
            del self._moves[: _MOVES_REMEMBERED // 2]

    # ---- timers

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, at `when` or as soon after as the loop can. Timers for the same instant fire in the order they were set."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._sequence), timer))
        if not self.frozen and not self._advancing:
            self._arm()
        return timer

    def call_later(self, delay: int, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.now() + delay, callback)

    async def sleep(self, duration: int) -> None:
        """Wait `duration` nanoseconds of this clock."""
        await self.sleep_until(self.now() + duration)

    async def sleep_until(self, when: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        counted = asyncio.current_task() in self._counted

        def wake() -> None:
            if not future.done():
                if counted:  # At this moment, not when the loop gets round to the task: `advance` must not slip in between.
                    self._enter()
                future.set_result(None)

        timer = self.call_at(when, wake)
        if counted:
            self._leave()
        try:
            await future
        except asyncio.CancelledError:
            if counted and (future.cancelled() or not future.done()):
                self._enter()
            raise
        finally:
            timer.cancel()

    async def wait_for(self, future: asyncio.Future[Any], timeout: int) -> bool:
        """Wait for `future` at most `timeout` nanoseconds of this clock; True when it is done. Never cancels it."""
        if future.done():
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish(*_: object) -> None:
            if not waiter.done():
                waiter.set_result(None)

        timer = self.call_at(self.now() + timeout, finish)
        future.add_done_callback(finish)
        try:
            await waiter
        finally:
            timer.cancel()
            future.remove_done_callback(finish)
        return future.done()

    # ---- background work

    def run(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """Start `work` as a task that `advance` waits for."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._counted.add(task)
        self._enter()
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._counted.discard(task)
        self._leave()
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": f"background work {task.get_name()} failed", "exception": error, "task": task})

    def _enter(self) -> None:
        self._busy += 1
        if self._quiet is not None:
            self._quiet.clear()

    def _leave(self) -> None:
        self._busy -= 1
        if self._busy == 0 and self._quiet is not None:
            self._quiet.set()

    async def settle(self) -> None:
        """Wait until no background work is running (work that sleeps on this clock does not count)."""
        if self._quiet is None:
            self._quiet = asyncio.Event()
            if self._busy == 0:
                self._quiet.set()
        calm = 0
        while calm < 3:
            await self._quiet.wait()
            await asyncio.sleep(0)
            calm = calm + 1 if self._busy == 0 else 0

    async def advance(self, duration: int) -> None:
        """Move time forward by `duration` nanoseconds, making everything due on the way happen, in order of its time."""
        if duration < 0:
            raise ValueError("time only moves forward")
        target = self.now() + duration
        self._advancing = True
        try:
            await self.settle()
            while self._timers and self._timers[0][0] <= target:
                when, _, timer = heapq.heappop(self._timers)
                if timer.cancelled:
                    continue
                self._move_to(when)
                timer.callback()
                await self.settle()
            self._move_to(target)
        finally:
            self._remember_move()
            self._advancing = False
            if not self.frozen:
                self._arm()

    def _move_to(self, when: int) -> None:
        if self._frozen_at is not None:
            self._frozen_at = max(self._frozen_at, when)
        else:
            self._offset += max(0, when - self.now())

    # ---- the machine's clock drives the timers of a running clock

    def _arm(self) -> None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return
        when = self._timers[0][0]
        if self._wake is not None:
            if self._wake_at <= when:
                return
            self._wake.cancel()
        self._wake_at = when
        delay = max(0, when - self.now()) / SECOND
        self._wake = asyncio.get_running_loop().call_later(min(delay, 86_400.0), self._fire)

    def _fire(self) -> None:
        self._wake = None
        if self._advancing:
            return
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()
