"""The functions of metric math. Each takes the evaluated arguments and where the series lie in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from types import MappingProxyType

from haneul.services.cloudwatch.mathematics.parser import MathError
from haneul.services.cloudwatch.mathematics.series import REDUCERS, TimeSeries, Value, across


@dataclass(frozen=True, slots=True)
class Grid:
    """The times of a request: periods of `period` seconds from `start` up to `end` (seconds since the epoch)."""

    start: int
    end: int
    period: int

    def seconds(self, period: int) -> range:
        return range(self.start, self.end, period)


Apply = Callable[[list[Value], Grid], Value]


def _series(value: Value, name: str) -> TimeSeries:
    if not isinstance(value, TimeSeries):
        raise MathError(f"{name} takes a time series")
    return value


def _list(value: Value, name: str) -> list[TimeSeries]:
    if isinstance(value, TimeSeries):
        return [value]
    if not isinstance(value, list):
        raise MathError(f"{name} takes an array of time series")
    return value


def _number(value: Value, name: str) -> float:
    if not isinstance(value, float):
        raise MathError(f"{name} takes a number")
    return value


def _reducer(name: str) -> Apply:
    reduce = REDUCERS[name]

    def apply(arguments: list[Value], grid: Grid) -> Value:
        (argument,) = arguments
        if isinstance(argument, TimeSeries):
            return float(reduce(argument.values.values())) if argument.values else 0.0
        if isinstance(argument, float):
            return argument
        members = _list(argument, name)
        if name == "AVG":
            # Members without a value count with 0 (User Guide: AVG, "Missing values are treated as 0").
            return across(members, lambda values: sum(values) / len(members))
        return across(members, reduce)

    return apply


def _each(name: str, function: Callable[[float], float]) -> Apply:
    def safe(value: float) -> float | None:
        try:
            return float(function(value))
        except ValueError:
            return None

    def apply(arguments: list[Value], grid: Grid) -> Value:
        (argument,) = arguments
        if isinstance(argument, float):
            made = safe(argument)
            if made is None:
                raise MathError(f"{name} is not defined for {argument}")
            return made
        if isinstance(argument, TimeSeries):
            return argument.map(safe)
        return [one.map(safe) for one in _list(argument, name)]

    return apply


def _steps(name: str, function: Callable[[float, float, int], float]) -> Apply:
    """A function of each value and the one before it."""

    def one(series: TimeSeries) -> TimeSeries:
        return replace(series, values={at: function(series.values[at], series.values[before], at - before) for before, at in pairwise(series.values)})

    def apply(arguments: list[Value], grid: Grid) -> Value:
        (argument,) = arguments
        return one(argument) if isinstance(argument, TimeSeries) else [one(each) for each in _list(argument, name)]

    return apply


def _moments(name: str, function: Callable[[datetime], int]) -> Apply:
    """A function of the time of each period of a series, in UTC, whether it has a value or not."""

    def apply(arguments: list[Value], grid: Grid) -> Value:
        series = _series(arguments[0], name)
        return replace(series, values={at: float(function(datetime.fromtimestamp(at, UTC))) for at in grid.seconds(series.period)})

    return apply


def _fill(arguments: list[Value], grid: Grid) -> Value:
    if isinstance(arguments[0], list):
        return [_filled(one, arguments[1], grid) for one in arguments[0]]
    return _filled(_series(arguments[0], "FILL"), arguments[1], grid)


def _filled(series: TimeSeries, filler: Value, grid: Grid) -> TimeSeries:
    values = series.values
    known = list(values)
    made: dict[int, float] = {}
    last: int | None = None
    following = 0
    for second in grid.seconds(series.period):
        if second in values:
            made[second], last = values[second], second
        elif filler == "REPEAT":
            if last is not None:
                made[second] = values[last]
        elif filler == "LINEAR":
            while following < len(known) and known[following] < second:
                following += 1
            if last is not None and following < len(known):
                after = known[following]
                made[second] = values[last] + (values[after] - values[last]) * (second - last) / (after - last)
        elif isinstance(filler, float):
            made[second] = filler
        elif isinstance(filler, TimeSeries):
            if second in filler.values:
                made[second] = filler.values[second]
        else:
            raise MathError("FILL takes a number, a time series, REPEAT or LINEAR")
    return replace(series, values=made)


def _if(arguments: list[Value], grid: Grid) -> Value:
    """Missing values of what is chosen by a true condition are 0, those of the alternative are missing (User Guide: "Using IF expressions")."""
    condition, then, other = arguments[0], arguments[1], arguments[2] if len(arguments) == 3 else None
    if isinstance(condition, float):
        return then if condition else other if other is not None else TimeSeries({}, grid.period)
    condition = _series(condition, "IF")
    made: dict[int, float] = {}
    for second, value in condition.values.items():
        chosen = then if value else other
        if isinstance(chosen, float):
            made[second] = chosen
        elif isinstance(chosen, TimeSeries):
            if value or second in chosen.values:
                made[second] = chosen.values.get(second, 0.0)
        elif chosen is not None:
            raise MathError("IF takes numbers and time series")
    return TimeSeries(made, condition.period)


def _running_sum(arguments: list[Value], grid: Grid) -> Value:
    def one(series: TimeSeries) -> TimeSeries:
        total, made = 0.0, {}
        for second, value in series.values.items():
            total += value
            made[second] = total
        return replace(series, values=made)

    return one(arguments[0]) if isinstance(arguments[0], TimeSeries) else [one(each) for each in _list(arguments[0], "RUNNING_SUM")]


def _sort(arguments: list[Value], grid: Grid) -> Value:
    members = _list(arguments[0], "SORT")
    order, direction = arguments[1], arguments[2]
    if order not in REDUCERS or direction not in ("ASC", "DESC"):
        raise MathError("SORT takes AVG, MIN, MAX, SUM or STDDEV, and ASC or DESC")
    reduce = REDUCERS[str(order)]
    filled = sorted((one for one in members if one.values), key=lambda one: reduce(one.values.values()), reverse=direction == "DESC")
    made = filled + [one for one in members if not one.values]
    return made[: int(_number(arguments[3], "SORT"))] if len(arguments) == 4 else made


def _slice(arguments: list[Value], grid: Grid) -> Value:
    members = _list(arguments[0], "SLICE")
    start = int(_number(arguments[1], "SLICE"))
    if len(arguments) == 2:
        return members[start:]
    return members[start : int(_number(arguments[2], "SLICE"))]


def _datapoint_count(arguments: list[Value], grid: Grid) -> Value:
    (argument,) = arguments
    if isinstance(argument, TimeSeries):
        return float(len(argument.values))
    return across(_list(argument, "DATAPOINT_COUNT"), lambda values: float(len(values)))


def _end_of_list(name: str, index: int) -> Apply:
    def apply(arguments: list[Value], grid: Grid) -> Value:
        members = _list(arguments[0], name)
        if not members:
            return TimeSeries({}, grid.period)
        return members[index]

    return apply


@dataclass(frozen=True, slots=True)
class Built:
    """A function and how many arguments it takes."""

    apply: Apply
    least: int = 1
    most: int = 1


FUNCTIONS: Mapping[str, Built] = MappingProxyType(
    {
        **{name: Built(_reducer(name)) for name in ("SUM", "AVG", "MAX", "MIN", "STDDEV")},
        "ABS": Built(_each("ABS", abs)),
        "CEIL": Built(_each("CEIL", math.ceil)),
        "FLOOR": Built(_each("FLOOR", math.floor)),
        "LOG": Built(_each("LOG", math.log)),
        "LOG10": Built(_each("LOG10", math.log10)),
        "DIFF": Built(_steps("DIFF", lambda value, before, seconds: value - before)),
        "DIFF_TIME": Built(_steps("DIFF_TIME", lambda value, before, seconds: float(seconds))),
        "RATE": Built(_steps("RATE", lambda value, before, seconds: (value - before) / seconds)),
        "RUNNING_SUM": Built(_running_sum),
        "EPOCH": Built(_moments("EPOCH", lambda moment: int(moment.timestamp()))),
        "MINUTE": Built(_moments("MINUTE", lambda moment: moment.minute)),
        "HOUR": Built(_moments("HOUR", lambda moment: moment.hour)),
        "DAY": Built(_moments("DAY", lambda moment: moment.isoweekday())),
        "DATE": Built(_moments("DATE", lambda moment: moment.day)),
        "MONTH": Built(_moments("MONTH", lambda moment: moment.month)),
        "YEAR": Built(_moments("YEAR", lambda moment: moment.year)),
        "FILL": Built(_fill, 2, 2),
        "IF": Built(_if, 2, 3),
        "PERIOD": Built(lambda arguments, grid: float(_series(arguments[0], "PERIOD").period)),
        "TIME_SERIES": Built(lambda arguments, grid: TimeSeries(dict.fromkeys(grid.seconds(grid.period), _number(arguments[0], "TIME_SERIES")), grid.period)),
        "METRIC_COUNT": Built(lambda arguments, grid: float(len(_list(arguments[0], "METRIC_COUNT")))),
        "DATAPOINT_COUNT": Built(_datapoint_count),
        "REMOVE_EMPTY": Built(lambda arguments, grid: [one for one in _list(arguments[0], "REMOVE_EMPTY") if one.values]),
        "SORT": Built(_sort, 3, 4),
        "SLICE": Built(_slice, 2, 3),
        "FIRST": Built(_end_of_list("FIRST", 0)),
        "LAST": Built(_end_of_list("LAST", -1)),
    }
)
# Functions that have values where the metrics have none.
WITHOUT_DATA = frozenset(("FILL", "TIME_SERIES", "MINUTE", "HOUR", "DAY", "DATE", "MONTH", "YEAR", "EPOCH"))
# Names that are arguments of functions and not ids of queries.
KEYWORDS = frozenset(("REPEAT", "LINEAR", "ASC", "DESC", *REDUCERS))
