"""Whose turn it is to make an environment, when the machine has not room or strength for all at once.

Two things are finite: memory, and how many Init phases the machine can run at a time. Both are given to those who wait for them in the order of
what their function holds already, the least first, so that a function with a long backlog cannot keep the others out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_NEWCOMERS_SHARE = 8
_OTHERS_SHARE = 4


class Crowded(Exception):
    """Nothing became free in time."""


@dataclass(eq=False, slots=True)
class _Waiter(Generic[T]):
    """`answer` becomes what was released to the waiter, or None when it may begin: room and a start are then taken for it already."""

    key: str
    charge_mb: int
    answer: asyncio.Future[T | None]


class Turns(Generic[T]):
    """Counts, by key, what is held and what is starting; `T` is what can be handed to a waiter of its key instead.

    Of the memory a part is for keys that hold nothing yet (an eighth), and of the starts a part for other keys than the one with the most
    (a quarter). A key that holds nothing waits for room ahead of all that hold some, so that large environments get their turn, too.
    `evictable_mb` says how much of what is held could make way at once; `returned` takes back what was handed to somebody who had just gone.
    """

    def __init__(self, budget_mb: int, starts_max: int, evictable_mb: Callable[[], int], returned: Callable[[T], None]) -> None:
        self.budget_mb = budget_mb
        self._shared_mb = budget_mb - budget_mb // _NEWCOMERS_SHARE
        self._starts_max = starts_max
        self._starts_of_one_max = starts_max - starts_max // _OTHERS_SHARE
        self._evictable_mb = evictable_mb
        self._returned = returned
        self._held_mb: dict[str, int] = {}
        self._starting: dict[str, int] = {}
        self._waiting: dict[str, deque[_Waiter[T]]] = {}
        self.used_mb = 0
        self.starts = 0

    # ---- what is held

    def hold(self, key: str, charge_mb: int) -> None:
        self.used_mb += charge_mb
        self._held_mb[key] = self._held_mb.get(key, 0) + charge_mb

    def let_go(self, key: str, charge_mb: int) -> None:
        """Memory is free again."""
        self.used_mb -= charge_mb
        _less(self._held_mb, key, charge_mb)
        self.next()

    def started(self, key: str) -> None:
        """A start that `begin` or `wait` allowed is over."""
        self.starts -= 1
        _less(self._starting, key, 1)
        self.next()

    # ---- who comes next

    def begin(self, key: str, charge_mb: int) -> bool:
        """Take room and a start at once, if both are there and nobody waits for them."""
        if self._waiting or not self._fits(key, charge_mb) or not self._may_start(key):
            return False
        self._take(key, charge_mb)
        return True

    async def wait(self, key: str, charge_mb: int, deadline: float) -> T | None:
        """Wait for room and a start (None: they are taken), or for something of `key` that is released. Raises Crowded at `deadline` of the loop."""
        loop = asyncio.get_running_loop()
        waiter: _Waiter[T] = _Waiter(key, charge_mb, loop.create_future())
        self._waiting.setdefault(key, deque()).append(waiter)
        self.next()
        timer = loop.call_at(deadline, _give_up, waiter)  # Not asyncio.timeout: who waits here need not be a task.
        try:
            return await waiter.answer
        except BaseException:
            self._undo(waiter)
            self._leave(waiter)
            self.next()  # Others may have waited for the room that this one was next for.
            raise
        finally:
            timer.cancel()

    def _undo(self, waiter: _Waiter[T]) -> None:
        """Somebody stops waiting: what was given to him in this very moment must not be lost."""
        if not waiter.answer.done() or waiter.answer.cancelled() or waiter.answer.exception() is not None:
            return
        given = waiter.answer.result()
        if given is not None:
            self._returned(given)
        else:
            self.started(waiter.key)
            self.let_go(waiter.key, waiter.charge_mb)

    def stop(self) -> None:
        """Nobody gets anything any more: who waits is told so."""
        for waiting in self._waiting.values():
            for waiter in waiting:
                _give_up(waiter)
        self._waiting.clear()

    @property
    def waiting(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._waiting)

    def hand_over(self, key: str, thing: T) -> bool:
        """Give something released to the first that waits for it; False when nobody does."""
        waiter = self._first(key)
        if waiter is None:
            return False
        self._leave(waiter)
        waiter.answer.set_result(thing)
        return True

    def covets(self, key: str, charge_mb: int) -> bool:
        """Whether a function waits for room that has so little that one with `key` should make way."""
        left = self._held_mb.get(key, 0) - charge_mb
        for other in list(self._waiting):
            waiter, held = self._first(other), self._held_mb.get(other, 0)
            if waiter is None or other == key:
                continue
            if (not held or held + waiter.charge_mb <= left) and not self._fits(other, waiter.charge_mb):
                return True
        return False

    def next(self) -> None:
        """Let begin who may, those with the least first."""
        while self._waiting and self.starts < self._starts_max:
            chosen = None
            for key in sorted(self._waiting, key=lambda one: self._held_mb.get(one, 0)):
                waiter = self._first(key)
                if waiter is None:
                    continue
                if not self._fits(key, waiter.charge_mb):
                    if not self._held_mb.get(key):
                        break  # It has nothing and is next: what becomes free is for it.
                elif self._may_start(key):
                    chosen = waiter
                    break
            if chosen is None:
                return
            self._leave(chosen)
            self._take(chosen.key, chosen.charge_mb)
            chosen.answer.set_result(None)

    def _take(self, key: str, charge_mb: int) -> None:
        self.hold(key, charge_mb)
        self.starts += 1
        self._starting[key] = self._starting.get(key, 0) + 1

    def _fits(self, key: str, charge_mb: int) -> bool:
        firm = self.used_mb - self._evictable_mb()
        limit = self._shared_mb if self._held_mb.get(key) else self.budget_mb
        return firm + charge_mb <= limit or firm <= 0  # What is larger than the budget runs alone.

    def _may_start(self, key: str) -> bool:
        return self.starts < self._starts_max and self._starting.get(key, 0) < self._starts_of_one_max

    def _first(self, key: str) -> _Waiter[T] | None:
        """Who has waited longest for `key`, not counting those who are giving up in this moment."""
        return next((waiter for waiter in self._waiting.get(key, ()) if not waiter.answer.done()), None)

    def _leave(self, waiter: _Waiter[T]) -> None:
        waiting = self._waiting.get(waiter.key)
        if waiting is None or waiter not in waiting:
            return
        waiting.remove(waiter)
        del self._waiting[waiter.key]
        if waiting:
            self._waiting[waiter.key] = waiting  # To the end: of those that hold the same, each has its turn.


def _give_up(waiter: _Waiter[T]) -> None:
    if not waiter.answer.done():
        waiter.answer.set_exception(Crowded())


def _less(counts: dict[str, int], key: str, amount: int) -> None:
    left = counts[key] - amount
    if left:
        counts[key] = left
    else:
        del counts[key]
