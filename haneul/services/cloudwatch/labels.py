"""Dynamic labels: `Errors (max ${MAX})` (CloudWatch User Guide, "Use dynamic labels")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from haneul.services.cloudwatch.mathematics.series import TimeSeries, mean

_PLACE = re.compile(r"\$\{\s*([A-Z_]+)(?:\(\s*'([^']*)'\s*\))?\s*\}")


def _last(series: TimeSeries) -> float:
    return next(reversed(series.values.values()))


def _first(series: TimeSeries) -> float:
    return next(iter(series.values.values()))


_NUMBERS: Mapping[str, Callable[[TimeSeries], float]] = MappingProxyType(
    {
        "MAX": lambda series: max(series.values.values()),
        "MIN": lambda series: min(series.values.values()),
        "AVG": lambda series: mean(series.values.values()),
        "SUM": lambda series: sum(series.values.values()),
        "LAST": _last,
        "FIRST": _first,
    }
)
_TIMES: Mapping[str, Callable[[TimeSeries], int]] = MappingProxyType(
    {
        "FIRST_TIME": lambda series: next(iter(series.values)),
        "LAST_TIME": lambda series: next(reversed(series.values)),
        "MAX_TIME": lambda series: max(series.values, key=lambda at: series.values[at]),
        "MIN_TIME": lambda series: min(series.values, key=lambda at: series.values[at]),
    }
)


def dynamic(label: str, series: TimeSeries) -> str:
    """A label with its places filled; what cannot be said of an empty series is `--`."""
    if "${" not in label:
        return label

    def fill(found: re.Match[str]) -> str:
        name, argument = found[1], found[2]
        if name == "PROP" and argument is not None:
            return series.properties.get(argument, "")
        if name == "LABEL":
            return series.label
        if name == "DATAPOINT_COUNT":
            return str(len(series.values))
        if name in _NUMBERS:
            return f"{_NUMBERS[name](series):g}" if series.values else "--"
        if name in _TIMES:
            return datetime.fromtimestamp(_TIMES[name](series), UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if series.values else "--"
        return found[0]

    return _PLACE.sub(fill, label)
