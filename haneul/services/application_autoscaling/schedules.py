"""Schedules: `at(2026-11-24T10:00:00)`, `rate(2 hours)`, `cron(0 10 ? * MON-FRI *)`, in a time zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

_FORM = re.compile(r"(at|rate|cron)\((.*)\)\Z")
_RATE = re.compile(r"(\d+) (minute|minutes|hour|hours|day|days)\Z")
_SECONDS: Mapping[str, int] = MappingProxyType({"minute": 60, "hour": 3600, "day": 86_400})
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_YEARS = range(1970, 2200)
_DAYS_SEARCHED = 366 * 9


class ScheduleError(Exception):
    """A schedule that cannot be understood."""


class Once:
    """`at(...)`."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        try:
            self._second = int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp())
        except ValueError:
            raise ScheduleError(text) from None

    def after(self, second: int, start: int) -> int | None:
        return self._second if self._second > second else None


class Every:
    """`rate(...)`, counted from the action's start."""

    def __init__(self, text: str) -> None:
        found = _RATE.match(text)
        if found is None or int(found[1]) < 1 or (int(found[1]) == 1) == found[2].endswith("s"):
            raise ScheduleError(text)
        self._seconds = int(found[1]) * _SECONDS[found[2].rstrip("s")]

    def after(self, second: int, start: int) -> int | None:
        return start + (max(0, second - start) // self._seconds + 1) * self._seconds


class Cron:
    """`cron(minutes hours day-of-month month day-of-week year)`."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        fields = text.split()
        if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
            raise ScheduleError(text)
        self._zone = zone
        self._minutes = sorted(_numbers(fields[0], range(60)))
        self._hours = sorted(_numbers(fields[1], range(24)))
        self._day, self._weekday = fields[2].upper(), fields[4].upper()
        self._months = _numbers(fields[3].upper(), range(1, 13), _MONTHS)
        self._years = _numbers(fields[5], _YEARS)
        _days_of_month(self._day, date(2024, 1, 1)) if self._day != "?" else _days_by_weekday(self._weekday, date(2024, 1, 1))

    def after(self, second: int, start: int) -> int | None:
        day = datetime.fromtimestamp(second, self._zone).date()
        for _ in range(_DAYS_SEARCHED):
            if self._fits(day):
                for hour in self._hours:
                    for minute in self._minutes:
                        found = self._instant(datetime(day.year, day.month, day.day, hour, minute))
                        if found is not None and found > second:
                            return found
            if day.year >= _YEARS[-1]:
                return None
            day += timedelta(days=1)
        return None

    def _instant(self, local: datetime) -> int | None:
        """When it is so late; None for a time that the change to summer time leaves out."""
        aware = local.replace(tzinfo=self._zone)
        second = int(aware.timestamp())
        return second if datetime.fromtimestamp(second, self._zone).replace(tzinfo=None) == local else None

    def _fits(self, day: date) -> bool:
        if day.month not in self._months or day.year not in self._years:
            return False
        return day.day in (_days_of_month(self._day, day) if self._day != "?" else _days_by_weekday(self._weekday, day))


Schedule = Once | Every | Cron


@lru_cache(maxsize=512)
def parse_schedule(text: str, zone_name: str) -> Schedule:
    """Compile a schedule; ScheduleError for a text that is none."""
    found = _FORM.match(text)
    if found is None:
        raise ScheduleError(text)
    zone = ZoneInfo(zone_name)
    if found[1] == "at":
        return Once(found[2], zone)
    return Every(found[2]) if found[1] == "rate" else Cron(found[2], zone)


def _numbers(field: str, allowed: range, names: tuple[str, ...] = ()) -> frozenset[int]:
    return frozenset(number for part in field.split(",") for number in _part(part, allowed, names))


def _part(part: str, allowed: range, names: tuple[str, ...]) -> Iterator[int]:
    span, _, step_text = part.partition("/")
    step = _number(step_text, range(1, 10_000), ()) if step_text else 1
    if span in ("*", "?"):
        return iter(allowed[::step])
    first, dash, last = span.partition("-")
    start = _number(first, allowed, names)
    if dash:
        end = _number(last, allowed, names)
        if end < start:
            raise ScheduleError(part)
    else:
        end = allowed[-1] if step_text else start
    return iter(range(start, end + 1, step))


def _number(text: str, allowed: range, names: tuple[str, ...]) -> int:
    if text in names:
        return allowed[names.index(text)]
    if not text.isascii() or not text.isdigit() or int(text) not in allowed:
        raise ScheduleError(text)
    return int(text)


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _days_of_month(field: str, month: date) -> frozenset[int]:
    """The days of a month that a field means: numbers, `L` (the last), `15W` (the weekday nearest to the 15th)."""
    last = _length(month)
    if field in ("L", "LW"):
        return frozenset((last,)) if field == "L" else _nearest_weekday(last, month)
    if field.endswith("W"):
        return _nearest_weekday(_number(field[:-1], range(1, 32), ()), month)
    return _numbers(field, range(1, 32))


def _nearest_weekday(wanted: int, month: date) -> frozenset[int]:
    last = _length(month)
    if wanted > last:
        return frozenset()
    weekday = date(month.year, month.month, wanted).weekday()
    if weekday == 5:
        return frozenset((wanted - 1 if wanted > 1 else wanted + 2,))
    if weekday == 6:
        return frozenset((wanted + 1 if wanted < last else wanted - 2,))
    return frozenset((wanted,))


def _days_by_weekday(field: str, month: date) -> frozenset[int]:
    """The days of a month on some weekdays (1 is Sunday): `MON-FRI`, `6L` (the last Friday), `3#2` (the second Tuesday)."""
    last = _length(month)
    by_weekday = {number: [day for day in range(1, last + 1) if date(month.year, month.month, day).isoweekday() % 7 + 1 == number] for number in range(1, 8)}
    if field == "L":
        return frozenset(by_weekday[7])
    if field.endswith("L"):
        return frozenset(by_weekday[_number(field[:-1], range(1, 8), _WEEKDAYS)][-1:])
    if "#" in field:
        weekday, _, which = field.partition("#")
        place = _number(which, range(1, 6), ())
        return frozenset(by_weekday[_number(weekday, range(1, 8), _WEEKDAYS)][place - 1 : place])
    return frozenset(day for number in _numbers(field, range(1, 8), _WEEKDAYS) for day in by_weekday[number])
