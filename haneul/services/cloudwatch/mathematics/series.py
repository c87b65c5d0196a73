"""The values that expressions work with: numbers, time series, and lists of time series."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from haneul.services.cloudwatch.mathematics.parser import MathError


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by the begin of their period (seconds since the epoch), in order of time. `properties` are what dynamic labels may show."""

    values: dict[int, float]
    period: int
    label: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    def map(self, function: Callable[[float], float | None]) -> TimeSeries:
        """The same series with other values; those that become None, or no number, are missing."""
        made = {second: result for second, value in self.values.items() if (result := function(value)) is not None and math.isfinite(result)}
        return replace(self, values=made)


Value = float | str | TimeSeries | list[TimeSeries]


def _power(left: float, right: float) -> float:
    made = left**right
    return made if isinstance(made, float) else math.nan


_OPERATORS: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "^": _power,
        "==": lambda left, right: float(left == right),
        "!=": lambda left, right: float(left != right),
        "<": lambda left, right: float(left < right),
        "<=": lambda left, right: float(left <= right),
        ">": lambda left, right: float(left > right),
        ">=": lambda left, right: float(left >= right),
        "AND": lambda left, right: float(bool(left) and bool(right)),
        "OR": lambda left, right: float(bool(left) or bool(right)),
    }
)


def combine(symbol: str, left: Value, right: Value) -> Value:
    """Apply an operator. Where one of two series has no value, 0 stands for it; a division by zero leaves nothing.

    (CloudWatch User Guide: "Metric math syntax and functions". Series of different periods meet only where both have a value.)
    """
    if isinstance(left, str) or isinstance(right, str):
        raise MathError(f"Text cannot be an operand of {symbol}")
    if isinstance(left, list) and isinstance(right, list):
        raise MathError(f"Operands of {symbol} cannot both be arrays of time series")
    if isinstance(left, list):
        return [_one(combine(symbol, one, right)) for one in left]
    if isinstance(right, list):
        return [_one(combine(symbol, left, one)) for one in right]
    apply = _OPERATORS[symbol]

    def calculate(first: float, second: float) -> float | None:
        try:
            return apply(first, second)
        except (ZeroDivisionError, OverflowError):
            return None

    if isinstance(left, TimeSeries) and isinstance(right, TimeSeries):
        first_values, second_values = left.values, right.values
        times = sorted(first_values.keys() | second_values.keys() if left.period == right.period else first_values.keys() & second_values.keys())
        both = [(at, calculate(first_values.get(at, 0.0), second_values.get(at, 0.0))) for at in times]
        return replace(left, values={at: made for at, made in both if made is not None and math.isfinite(made)}, period=max(left.period, right.period))
    if isinstance(left, TimeSeries):
        assert isinstance(right, float)
        number = right
        return left.map(lambda value: calculate(value, number))
    if isinstance(right, TimeSeries):
        first = left
        return right.map(lambda value: calculate(first, value))
    found = calculate(left, right)
    if found is None or not math.isfinite(found):
        raise MathError("Division by zero")
    return found


def _one(value: Value) -> TimeSeries:
    assert isinstance(value, TimeSeries)
    return value


def deviation(values: Iterable[float]) -> float:
    """The standard deviation of all values."""
    taken = list(values)
    mean = sum(taken) / len(taken)
    return math.sqrt(sum((value - mean) ** 2 for value in taken) / len(taken))


def mean(values: Iterable[float]) -> float:
    taken = list(values)
    return sum(taken) / len(taken)


# What makes one number of several.
REDUCERS: Mapping[str, Callable[[Iterable[float]], float]] = MappingProxyType({"SUM": sum, "AVG": mean, "MAX": max, "MIN": min, "STDDEV": deviation})


def across(members: list[TimeSeries], reduce: Callable[[list[float]], float]) -> TimeSeries:
    """One series whose value at each time is made of those that the members have then."""
    gathered: dict[int, list[float]] = {}
    for member in members:
        for second, value in member.values.items():
            gathered.setdefault(second, []).append(value)
    period = max((member.period for member in members), default=60)
    return TimeSeries({second: reduce(gathered[second]) for second in sorted(gathered)}, period)
