"""Periods and times as requests for statistics give them."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.services.cloudwatch.errors import invalid_value

_DAY_SECONDS = 86_400
_FINE_PERIODS = (1, 5, 10, 20, 30)


def checked_period(period: int, where: str = "Period") -> int:
    """A period in seconds: 1, 5, 10, 20, 30 or any multiple of 60, at most a day for alarms (checked there)."""
    if period not in _FINE_PERIODS and period % 60:
        raise invalid_value(f"The parameter {where} must be 1, 5, 10, 20, 30, or a multiple of 60.")
    return period


def rounded_start(start: int, period: int, now: int) -> int:
    """A start time (nanoseconds) in seconds, rounded down as the service does: to the minute, to 5 minutes beyond 15 days and to the hour beyond 63
    days; with a period below a minute, to that period. Source: CloudWatch API Reference, GetMetricData, "StartTime"."""
    second, age = start // SECOND, (now - start) // SECOND
    if age > 63 * _DAY_SECONDS:
        return second - second % 3600
    if age > 15 * _DAY_SECONDS:
        return second - second % 300
    step = period if period < 60 else 60
    return second - second % step
