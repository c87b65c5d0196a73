"""Dynamic labels: `Errors (max ${MAX})` (CloudWatch User Guide, "Use dynamic labels")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from types import MappingProxyType

from haneul.services.cloudwatch.mathematics.series import TimeSeries, mean

_OFFSET = re.compile(r"([+-])(\d\d)([0-5]\d)\Z")
_PLACE = re.compile(r"\$\{\s*([A-Z_]+)(?:\(\s*'([^']*)'\s*\))?\s*\}")

# Spans of time, of which no document says how they are written.
_NOT_BUILT = frozenset(
    ("FIRST_LAST_TIME_RANGE", "FIRST_TIME_RELATIVE", "LAST_TIME_RELATIVE", "MAX_TIME_RELATIVE", "MIN_TIME_RELATIVE", "MIN_MAX_TIME_RANGE")
)


def not_built(label: str) -> str | None:
    """A place of a label that cannot be filled, as it is written there."""
    return next((found[0] for found in _PLACE.finditer(label) if found[1] in _NOT_BUILT), None)


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
        "FIRST_LAST_RANGE": lambda series: _last(series) - _first(series),
        "MIN_MAX_RANGE": lambda series: max(series.values.values()) - min(series.values.values()),
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


def time_zone(offset: str) -> timezone | None:
    """The time zone that LabelOptions name, as in `+0530`; None for a text that is none. (API Reference: "LabelOptions".)"""
    found = _OFFSET.match(offset)
    if found is None or int(found[2]) > 23:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=minutes if found[1] == "+" else -minutes)) if minutes else UTC


def distinguishing(found: Sequence[TimeSeries]) -> list[str]:
    """Labels of the metrics that a search has found: what tells one from the other, values of dimensions first; the name where nothing does."""
    names = dict.fromkeys(chain.from_iterable(one.properties for one in found))
    shown = [name for name in names if name.startswith("Dim.")] + ["Namespace", "MetricName"]
    differing = [name for name in shown if len({one.properties.get(name) for one in found}) > 1]
    return [" ".join(one.properties[name] for name in differing if name in one.properties) or one.properties["MetricName"] for one in found]


def dynamic(label: str, series: TimeSeries, zone: timezone = UTC) -> str:
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
            ending = "UTC" if zone is UTC else "%z"
            return datetime.fromtimestamp(_TIMES[name](series), zone).strftime(f"%Y-%m-%d %H:%M:%S {ending}") if series.values else "--"
        return found[0]

    return _PLACE.sub(fill, label)
