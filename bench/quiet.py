"""Whether the machine is all ours at the moment.

On a host that is shared, somebody else's work on the same physical core slows a large program down by half and more, and a small one (the echo) by much less. Ratios of such
moments say something of the neighbours, so turns are measured again until enough of them were undisturbed. What was left out is told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_ROUNDS = 3
_OBJECTS = 1500
_SLOWER_MAX = 1.2
_QUIET_MIN = 3
_TRIES_PER_TURN = 3
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5
_LESSONS = 12


class Quiet:
    """Tells by a fixed piece of work on one core, and by the best time that it has ever taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.disturbed = 0
        self.rows_disturbed = 0
        self._work = [{"number": i, "text": str(i)} for i in range(_OBJECTS)]
        self._best = float("inf")
        self._patience = _PATIENCE_SECONDS

    def now(self, core: int) -> bool:
        """Whether the work takes about as long as it does at best."""
        home = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
        try:
            spent = min(self._once() for _ in range(_ROUNDS))
        finally:
            os.sched_setaffinity(0, home)
        self._best = min(self._best, spent)
        return spent <= self._best * _SLOWER_MAX

    def _once(self) -> float:
        began = time.perf_counter()
        for one in self._work:
            json.dumps(one)
        return time.perf_counter() - began

    def learn(self, core: int) -> None:
        """Find out how fast the machine is at best, before the first turn is judged by it."""
        for _ in range(_LESSONS):
            self.now(core)
            time.sleep(_PAUSE_SECONDS)

    def _wait(self, core: int) -> bool:
        """Wait for a quiet moment, for as long as the patience of the whole run lasts; whether it is one."""
        while not (quiet := self.now(core)) and self._patience > 0:
            time.sleep(_PAUSE_SECONDS)
            self._patience -= _PAUSE_SECONDS
        return quiet

    def turns(self, take: Callable[[], T], wanted: int, core: int) -> list[T]:
        """What `take` gives, `wanted` times, undisturbed where that can be had: three times as many are tried, and all count if hardly any was."""
        every: list[T] = []
        kept: list[T] = []
        while len(kept) < wanted and len(every) < _TRIES_PER_TURN * wanted:
            before = self._wait(core)
            every.append(take())
            if self.now(core) and before:
                kept.append(every[-1])
        self.taken += len(every)
        if len(kept) < _QUIET_MIN:
            self.rows_disturbed += 1
            return every
        self.disturbed += len(every) - len(kept)
        return kept

    def told(self) -> str:
        """A sentence for the page."""
        text = f"Of {self.taken} turns, {self.disturbed} are left out, in which others on this machine slowed its core down"
        return f"{text}; {self.rows_disturbed} rows had no quiet turns, so all of theirs count." if self.rows_disturbed else f"{text}."


QUIET = Quiet()
