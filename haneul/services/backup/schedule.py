"""Schedules of backup rules: `cron(minutes hours day-of-month month day-of-week year)` and `rate(…)`, in any time zone.

(Amazon EventBridge Scheduler User Guide: "Schedule types", whose expressions AWS Backup takes.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from haneul.clock import SECOND
from haneul.services.backup.errors import invalid_value

_MONTHS = {name: at for at, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)}
_WEEKDAYS = {name: at for at, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_WEEKDAY_NAME = re.compile("|".join(_WEEKDAYS))
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)\Z")
_RATE_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_DAY = re.compile(r"\?|L|([1-9]|[12]\d|3[01])W|[\d,\-/*]+")
_WEEKDAY = re.compile(r"\?|[\d,\-/*]+|[1-7]#[1-5]|[1-7]?L")
_YEARS_AHEAD = 5
_HOUR_SECONDS = 3600


class Schedule:
    """When a rule runs. InvalidParameterValueException for an expression or a time zone that is none."""

    def __init__(self, expression: str, zone: str = "Etc/UTC") -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise invalid_value(f"Invalid timezone: {zone}") from None
        rate = _RATE.match(expression)
        self._rate_seconds = int(rate[1]) * _RATE_SECONDS[rate[2]] if rate else 0
        fields = expression[5:-1].split() if expression.startswith("cron(") and expression.endswith(")") else []
        if len(fields) != 6 and not self._rate_seconds:
            raise invalid_value(f"Invalid cron expression provided: {expression}")
        if self._rate_seconds:
            return
        try:
            minutes, hours, self._day, months, weekday, years = fields
            self._weekday = _WEEKDAY_NAME.sub(lambda found: str(_WEEKDAYS[found[0]]), weekday.upper())
            if any("?" in field for field in (minutes, hours, months, years)):
                raise ValueError("only days may be left open")
            if (self._day == "?") == (self._weekday == "?") or not _DAY.fullmatch(self._day) or not _WEEKDAY.fullmatch(self._weekday):
                raise ValueError("the days make no sense")
            self._minutes, self._hours = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
            self._months = _numbers(months, 1, 12, _MONTHS)
            self._years = frozenset(_numbers(years, 1970, 2199))
            self._days = [] if self._day.endswith(("L", "W")) else _numbers(self._day, 1, 31)
            self._weekdays = [] if "#" in self._weekday or self._weekday.endswith("L") else _numbers(self._weekday, 1, 7)
        except ValueError:
            raise invalid_value(f"Invalid cron expression provided: {expression}") from None

    @property
    def more_than_hourly(self) -> bool:
        """Whether it runs twice within an hour."""
        return self._rate_seconds < _HOUR_SECONDS if self._rate_seconds else len(self._minutes) > 1

    def next(self, behind: int) -> int | None:
        """The first time behind `behind` (nanoseconds) at which the rule runs; None when there is none in the next years."""
        if self._rate_seconds:
            return behind + self._rate_seconds * SECOND
        begin = datetime.fromtimestamp(behind // SECOND, UTC).astimezone(self._zone)
        for day in self._matching_days(begin.date()):
            for hour in self._hours:
                for minute in self._minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
                    at = int(local.timestamp())
                    # A time that the change to summer time leaves out is left out here too.
                    if at * SECOND > behind and datetime.fromtimestamp(at, self._zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                        return at * SECOND
        return None

    def _matching_days(self, day: date) -> Iterator[date]:
        for _ in range(_YEARS_AHEAD * 366):
            if day.year in self._years and day.month in self._months and self._fits(day):
                yield day
            day += timedelta(days=1)

    def _fits(self, day: date) -> bool:
        if self._weekday != "?":
            weekday = day.isoweekday() % 7 + 1
            if "#" in self._weekday:
                wanted, _, nth = self._weekday.partition("#")
                return weekday == int(wanted) and (day.day - 1) // 7 + 1 == int(nth)
            if self._weekday.endswith("L"):
                return weekday == int(self._weekday[:-1] or 7) and (day + timedelta(days=7)).month != day.month
            return weekday in self._weekdays
        if self._day == "L":
            return (day + timedelta(days=1)).month != day.month
        if self._day.endswith("W"):
            return day == _nearest_workday(day, int(self._day[:-1]))
        return day.day in self._days


def _nearest_workday(day: date, wanted: int) -> date | None:
    """The weekday nearest to a day of the month, within that month."""
    try:
        exact = day.replace(day=wanted)
    except ValueError:
        return None
    if exact.weekday() == 5:
        return exact - timedelta(days=1) if exact.day > 1 else exact + timedelta(days=2)
    if exact.weekday() == 6:
        following = exact + timedelta(days=1)
        return following if following.month == exact.month else exact - timedelta(days=2)
    return exact


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> list[int]:
    """The numbers that a field of a cron expression means. ValueError when it is none."""

    def number(text: str) -> int:
        value = (names or {}).get(text.upper())
        value = int(text) if value is None else value
        if not low <= value <= high:
            raise ValueError(text)
        return value

    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        elif "-" in span:
            first, last = (number(one) for one in span.split("-", 1))
        else:
            first = number(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step) if step else 1))
    if not found:
        raise ValueError(field)
    return sorted(found)
