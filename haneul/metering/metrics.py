"""Metrics that services report of themselves, gathered in memory minute by minute.

A request pays for an addition to a few numbers, never for the store: what has gathered goes to the sink (the CloudWatch service) every few
seconds, before each minute ends, and before anybody reads metrics.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from haneul.clock import MINUTE, SECOND, Clock, Timer

_FLUSH_EVERY: Final = 5 * SECOND
_SERIES_REMEMBERED: Final = 20_000
_VALUES_MAX: Final = 150
# Beyond so many different values of one minute, those within a hundredth of each other become one (percentiles then err by at most that).
_BUCKET_BASE_LOG: Final = math.log(1.01)

Dimensions = tuple[tuple[str, str], ...]


class SeriesName(NamedTuple):
    """What a series of values is called. `dimensions` are (name, value) pairs, sorted by name."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions
    unit: str


class Gathered(NamedTuple):
    """What one series has gathered since the last flush; `minute` is the start of its minute in nanoseconds, `values` counts each value."""

    series: SeriesName
    minute: int
    samples: int
    sum: float
    min: float
    max: float
    values: dict[float, float]


Sink = Callable[[Sequence[Gathered]], Coroutine[Any, Any, None]]


def bucketed(values: dict[float, float]) -> dict[float, float]:
    """The same distribution with at most about a hundredth of relative error and far fewer different values."""
    made: dict[float, float] = {}
    for value, count in values.items():
        if value:
            rounded = math.exp(round(math.log(abs(value)) / _BUCKET_BASE_LOG) * _BUCKET_BASE_LOG)
            value = math.copysign(rounded, value)
        made[value] = made.get(value, 0) + count
    return made


class Series:
    """The values of one metric, for those who report often: keep it and call `add`."""

    __slots__ = ("_metrics", "_room", "count", "max", "min", "name", "sum", "values")

    def __init__(self, metrics: Metrics, name: SeriesName) -> None:
        self._metrics = metrics
        self._room = _VALUES_MAX
        self.name = name
        self.count = 0
        self.sum = 0.0
        self.min = 0.0
        self.max = 0.0
        self.values: dict[float, float] = {}

    def add(self, value: float, count: int = 1) -> None:
        """Report `value`, `count` times."""
        values = self.values
        if not self.count:
            self.min = self.max = value
            self._metrics.enter(self)
        elif value < self.min:
            self.min = value
        elif value > self.max:
            self.max = value
        self.count += count
        self.sum += value * count
        values[value] = values.get(value, 0) + count
        if len(values) > self._room:
            self.values = bucketed(values)
            self._room = max(_VALUES_MAX, 2 * len(self.values))

    def take(self, minute: int) -> Gathered:
        """What has gathered; the series begins anew."""
        made = Gathered(self.name, minute, self.count, self.sum, self.min, self.max, self.values)
        self.count = 0
        self.sum = 0.0
        self.values = {}
        return made


class Metrics:
    """Where services report metrics: `cloud.metrics.add(account, region, "AWS/DynamoDB", "WriteThrottleEvents", (("TableName", name),))`.

    `sink` keeps what has gathered; without one (a cloud without CloudWatch) nothing is kept.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._series: dict[SeriesName, Series] = {}
        self._gathering: list[Series] = []
        self._minute = 0
        self._timer: Timer | None = None
        self._sending: set[asyncio.Future[None]] = set()
        self.sink: Sink | None = None

    def add(self, account: str, region: str, namespace: str, name: str, dimensions: Dimensions = (), value: float = 1.0, unit: str = "Count", count: int = 1) -> None:
        """Report `value` of a metric, `count` times. `dimensions` are (name, value) pairs, sorted by name."""
        key = SeriesName(account, region, namespace, name, dimensions, unit)
        series = self._series.get(key)
        (series if series is not None else self._new(key)).add(value, count)

    def series(self, account: str, region: str, namespace: str, name: str, dimensions: Dimensions = (), unit: str = "Count") -> Series:
        """A handle on one metric, which spares the look-up of `add`. It may be kept as long as one likes."""
        key = SeriesName(account, region, namespace, name, dimensions, unit)
        return self._series.get(key) or self._new(key)

    def _new(self, key: SeriesName) -> Series:
        if len(self._series) >= _SERIES_REMEMBERED:
            self._series.clear()  # Handles go on working: a series enters itself when it has something.
        series = self._series[key] = Series(self, key)
        return series

    def enter(self, series: Series) -> None:
        """A series has its first value since the last flush."""
        if self._timer is None:
            now = self._clock.now()
            self._minute = now // MINUTE * MINUTE
            # Just before the minute ends at the latest, so that all that gathers belongs to one minute.
            self._timer = self._clock.call_at(min(now + _FLUSH_EVERY, self._minute + MINUTE - 1), self._flush_soon)
        self._gathering.append(series)

    def _flush_soon(self) -> None:
        self._send()
        self._clock.run(self.flush(), name="metrics")

    def _send(self) -> None:
        """Take what has gathered and begin to hand it to the sink."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathering, self._gathering = self._gathering, []
        lines = [series.take(self._minute) for series in gathering]
        if lines and self.sink is not None:
            sending = asyncio.ensure_future(self.sink(lines))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def flush(self) -> None:
        """Hand what has gathered to the sink; all of it is kept when this returns."""
        self._send()
        for sending in tuple(self._sending):
            await asyncio.shield(sending)
