"""What is kept of the values of one stretch of time, and the statistics that can be made of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from haneul.metering.metrics import bucketed

_VALUES_MAX = 300
SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")

Statistic = Callable[["Point"], float | None]


class Point(msgspec.Struct, array_like=True):
    """The values of a stretch of time, summed up. `values` counts each value; it is empty when only a summary was reported (`summary`)."""

    samples: float = 0.0
    sum: float = 0.0
    min: float = 0.0
    max: float = 0.0
    values: dict[float, float] = {}
    summary: bool = False

    def add(self, other: Point) -> None:
        """Take in the values of another point."""
        if not other.samples:
            return
        if not self.samples:
            self.min, self.max = other.min, other.max
        else:
            self.min, self.max = min(self.min, other.min), max(self.max, other.max)
        self.samples += other.samples
        self.sum += other.sum
        self.summary = self.summary or other.summary
        if self.summary:
            self.values = {}
            return
        values = self.values
        for value, count in other.values.items():
            values[value] = values.get(value, 0.0) + count
        if len(values) > _VALUES_MAX:
            self.values = bucketed(values)


def merged(points: Iterable[Point]) -> Point:
    """One point of several."""
    total = Point()
    for point in points:
        total.add(point)
    return total


# ---- extended statistics

_SHORT = re.compile(r"(p|tm|wm|tc|ts)(\d{1,3}(?:\.\d{1,10})?)\Z", re.IGNORECASE)
_RANGE = re.compile(r"(TM|WM|TC|TS|PR)\(\s*(-?[\d.]+%?)?\s*:\s*(-?[\d.]+%?)?\s*\)\Z", re.IGNORECASE)


class Cut(NamedTuple):
    """What part of the values counts: beyond `low` and up to `high`, in hundredths of the samples or as values."""

    low: float | None
    high: float | None
    percent: bool


@lru_cache(maxsize=1024)
def statistic(name: str) -> Statistic | None:
    """The function that makes a statistic (`Average`, `p99.9`, `tm90`, `TM(10%:90%)`, `PR(:300)`, `IQM`) of a point; None for an unknown name."""
    simple = _SIMPLE.get(name)
    if simple is not None:
        return simple
    if name.upper() == "IQM":
        return lambda point: _trimmed("tm", Cut(25.0, 75.0, True), point)
    short = _SHORT.match(name)
    if short is not None:
        kind, number = short[1].lower(), float(short[2])
        if number > 100:
            return None
        if kind == "p":
            return lambda point: _percentile(point, number)
        return lambda point: _trimmed(kind, Cut(None, number, True), point)
    return _range_statistic(name)


def samples_needed(name: str) -> float:
    """How many samples a percentile needs to mean something; 0 for other statistics (User Guide: "Percentile-based alarms and low data samples")."""
    short = _SHORT.match(name)
    if short is None or short[1].lower() != "p" or not 0 < float(short[2]) < 100:
        return 0.0
    percent = float(short[2])
    return round(1000 / (100 - percent if percent >= 50 else percent), 6)


def _range_statistic(name: str) -> Statistic | None:
    found = _RANGE.match(name)
    if found is None or (found[2] is None and found[3] is None):
        return None
    kind, bounds = found[1].lower(), [one for one in (found[2], found[3]) if one is not None]
    percent = bounds[0].endswith("%")
    if any(one.endswith("%") != percent for one in bounds) or (kind == "pr" and percent):
        return None
    try:
        low, high = (float(one.rstrip("%")) if one is not None else None for one in (found[2], found[3]))
    except ValueError:
        return None
    if percent and not all(one is None or 0 <= one <= 100 for one in (low, high)):
        return None
    return lambda point: _trimmed(kind, Cut(low, high, percent), point)


_SIMPLE: dict[str, Statistic] = {
    "SampleCount": lambda point: point.samples,
    "Average": lambda point: point.sum / point.samples if point.samples else None,
    "Sum": lambda point: point.sum,
    "Minimum": lambda point: point.min,
    "Maximum": lambda point: point.max,
}


def _distribution(point: Point) -> list[tuple[float, float]] | None:
    """Values and how often each occurred, in order. A summary tells only when all its values are the same; with any negative value there is none.

    (User Guide: "CloudWatch statistics definitions", "Requirements to use percentiles, trimmed mean, and some other statistics".)
    """
    if point.min < 0:
        return None
    if point.values:
        return sorted(point.values.items())
    if point.samples and point.min == point.max and math.isclose(point.sum, point.min * point.samples):
        return [(point.min, point.samples)]
    return None


def _percentile(point: Point, percent: float) -> float | None:
    """The smallest value that `percent` of the samples do not exceed."""
    distribution = _distribution(point)
    if distribution is None:
        return None
    wanted = percent / 100 * sum(count for _, count in distribution)
    seen = 0.0
    for value, count in distribution:
        seen += count
        if seen >= wanted - 1e-9:
            return value
    return distribution[-1][0]


def _trimmed(kind: str, cut: Cut, point: Point) -> float | None:
    distribution = _distribution(point)
    if distribution is None:
        return None
    total = sum(count for _, count in distribution)
    inside = _within_percent(distribution, cut, total) if cut.percent else _within_values(distribution, cut)
    count = sum(one for _, one in inside)
    if kind == "tc":
        return count
    if kind == "pr":
        return 100 * count / total
    amount = sum(value * one for value, one in inside)
    if kind == "ts":
        return amount
    if not count:
        return None
    if kind == "tm":
        return amount / count
    # Winsorized: what is cut off counts with the value at the border.
    low, high = inside[0][0], inside[-1][0]
    return sum(min(max(value, low), high) * one for value, one in distribution) / total


def _within_percent(distribution: list[tuple[float, float]], cut: Cut, total: float) -> list[tuple[float, float]]:
    first, last = (cut.low or 0.0) / 100 * total, (100.0 if cut.high is None else cut.high) / 100 * total
    inside, seen = [], 0.0
    for value, count in distribution:
        taken = min(seen + count, last) - max(seen, first)
        if taken > 1e-9:
            inside.append((value, taken))
        seen += count
    return inside


def _within_values(distribution: list[tuple[float, float]], cut: Cut) -> list[tuple[float, float]]:
    return [(value, count) for value, count in distribution if (cut.low is None or value > cut.low) and (cut.high is None or value <= cut.high)]
