"""Token buckets: capacity that comes back steadily and is kept for a while when nobody uses it.

(Developer Guide: "DynamoDB burst and adaptive capacity".)
"""

from __future__ import annotations

from typing import Final

from haneul.clock import SECOND

BURST: Final = 300 * SECOND
"""How much unused throughput of a provisioned table or index is kept, as a time."""


class Bucket:
    """A bucket of `rate` units a second that holds what comes in `window` nanoseconds. It begins full.

    It is kept as the moment when it was, or will be, empty: so it is exact, nothing has to tick, and taking costs two additions. Who finds
    anything in it may take more than there is, because what a request costs is only known when it has been carried out; the debt is paid
    before the next one is let in.
    """

    __slots__ = ("empty_at", "unit", "window")

    def __init__(self, rate: int, window: int) -> None:
        # Rounded up, so that no whole number of seconds ever yields a unit too many.
        self.unit = -(-SECOND // rate)
        self.window = window
        self.empty_at = 0

    def blocked(self, now: int) -> bool:
        """Whether nothing is left."""
        return self.empty_at >= now

    def take(self, now: int, units: int) -> None:
        oldest = now - self.window
        self.empty_at = (self.empty_at if self.empty_at > oldest else oldest) + units * self.unit

    def left(self, now: int) -> float:
        """Units that are left (negative: debt)."""
        return min(now - self.empty_at, self.window) / self.unit

    def change(self, now: int, rate: int) -> None:
        """Another rate from now on. What was kept stays as many units as it was, as far as there is room for it."""
        unit = -(-SECOND // rate)
        if unit != self.unit:
            self.empty_at = now - min(now - self.empty_at, self.window) * unit // self.unit
            self.unit = unit
