"""How traffic on demand grows: up to twice the previous peak is served at once, and a peak is a previous one half an hour after it was reached.

(Developer Guide: "DynamoDB on-demand capacity mode", initial throughput and scaling properties.)
"""

from __future__ import annotations

from typing import Final

from haneul.clock import MINUTE, SECOND

SETTLES_AFTER: Final = 30 * MINUTE


class Peak:
    """The traffic of one direction (units a second, averaged over minutes), and what it says the table must be ready for."""

    __slots__ = ("_minute_end", "_rising", "_used", "warm")

    def __init__(self, warm: int) -> None:
        self.warm = warm
        self._minute_end = 0
        self._used = 0
        # Peaks that are not half an hour old, rising, as (when they were reached, units a second).
        self._rising: list[tuple[int, int]] = []

    def add(self, now: int, units: int) -> bool:
        """Count units; True when what the table is ready for has just grown."""
        if now < self._minute_end:
            self._used += units
            return False
        return self._turn(now, units)

    def _turn(self, now: int, units: int) -> bool:
        """A new minute."""
        reached, rate = self._minute_end, self._used * SECOND // MINUTE
        self._used = units
        self._minute_end = (now // MINUTE + 1) * MINUTE
        highest = self._rising[-1][1] if self._rising else self.warm // 2
        if rate > highest:
            self._rising.append((reached, rate))
        before = self.warm
        while self._rising and self._rising[0][0] <= now - SETTLES_AFTER:
            self.warm = max(self.warm, 2 * self._rising.pop(0)[1])
        return self.warm > before
