"""Token buckets: how often something may happen, by the clock and in integers."""

from __future__ import annotations

from haneul.clock.clock import Clock

_REQUEST = 1_000_000_000_000  # A request in the bucket's unit: nanoseconds times thousandths of a request a second.
_BUCKETS_MAX = 16_384


class Bucket:
    """Holds `burst` requests and gets `rate` a second."""

    __slots__ = ("_at", "_capacity", "_level", "_rate")

    def __init__(self, rate: float, burst: int, now: int) -> None:
        self._rate = round(rate * 1000)
        self._capacity = burst * _REQUEST
        self._level = self._capacity
        self._at = now

    def take(self, now: int) -> bool:
        """Take one request out; False when there is none."""
        level = min(self._capacity, self._level + max(0, now - self._at) * self._rate)
        self._at = now
        if level < _REQUEST:
            self._level = level
            return False
        self._level = level - _REQUEST
        return True


class Buckets:
    """The buckets of this process, each with the limits it was last asked with. When there are very many all begin anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[object, ...], tuple[float, int, Bucket]] = {}

    def take(self, name: tuple[object, ...], rate: float, burst: int) -> bool:
        """Take one request out of the bucket `name`; a changed limit begins a new bucket."""
        now = self._clock.now()
        known = self._buckets.get(name)
        if known is None or known[0] != rate or known[1] != burst:
            if len(self._buckets) >= _BUCKETS_MAX:
                self._buckets.clear()
            known = self._buckets[name] = (rate, burst, Bucket(rate, burst, now))
        return known[2].take(now)
