"""Timestamps on the wire. Inside they are integers, nanoseconds since the epoch; outside they come in three forms.

`unixTimestamp` is seconds since the epoch, `iso8601` is RFC 3339 in UTC, `rfc822` is the date of HTTP headers. Answers carry at most
milliseconds, as the real services' do, and never show a time later than it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?\Z")
_ISO_BASIC: Final = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d)()([Zz])\Z")
_RFC: Final = re.compile(r"(?:[A-Za-z]{3,9},\s*)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}|\d\d)\s+(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(GMT|UTC|Z|[+-]\d{4})?\Z")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LATEST_SECONDS: Final = 253_402_300_799  # The end of the year 9999.
_EARLIEST_SECONDS: Final = -62_135_596_800


def from_number(value: float) -> int:
    """Seconds since the epoch, as JSON and CBOR carry them. ValueError when no calendar has such a time."""
    if not _EARLIEST_SECONDS <= value <= _LATEST_SECONDS:  # Not-a-number fails here too.
        raise ValueError(f"{value} is not a time")
    if type(value) is int:
        return value * SECOND
    return int(Decimal(repr(value)).scaleb(9))  # By way of the decimal digits that the client wrote, which a product of floats would lose.


def from_text(text: str) -> int:
    """Any of the three forms, as a string. ValueError when it is none of them."""
    text = text.strip()
    found = _ISO.match(text) or _ISO_BASIC.match(text)
    if found is not None:
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        return _assemble(int(year), int(month), int(day), hour, minute, second, fraction, zone)
    found = _RFC.match(text)
    if found is not None:
        day, name, year, hour, minute, second, fraction, zone = found.groups()
        month = name.capitalize()
        if month not in _MONTHS:
            raise ValueError(f"{text!r} is not a time")
        return _assemble(int(year) + (2000 if len(year) == 2 else 0), _MONTHS.index(month) + 1, int(day), hour, minute, second, fraction, zone)
    return from_number(float(text)) if "." in text or "e" in text.lower() else from_number(int(text))


def _assemble(year: int, month: int, day: int, hour: str | None, minute: str | None, second: str | None, fraction: str | None, zone: str | None) -> int:
    leap = 1 if second == "60" else 0
    moment = datetime(year, month, day, int(hour or 0), int(minute or 0), int(second or 0) - leap, tzinfo=UTC) - _EPOCH
    seconds = moment.days * 86_400 + moment.seconds + leap
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3_600 + int(digits[2:]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return seconds * SECOND + (int(fraction[:9].ljust(9, "0")) if fraction else 0)


def to_number(nanoseconds: int) -> int | float:
    """Seconds since the epoch: an integer when whole, otherwise with milliseconds."""
    milliseconds = nanoseconds // MILLISECOND
    return milliseconds / 1_000 if milliseconds % 1_000 else milliseconds // 1_000


def to_iso8601(nanoseconds: int) -> str:
    """`2015-01-01T12:00:00Z`, with milliseconds where there are some."""
    seconds, rest = divmod(nanoseconds, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}.{rest // MILLISECOND:03}Z" if rest >= MILLISECOND else f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}Z"


def to_iso8601_milliseconds(nanoseconds: int) -> str:
    """`2015-01-01T12:00:00.000Z`: S3 and EC2 always write the milliseconds."""
    seconds, rest = divmod(nanoseconds, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}.{rest // MILLISECOND:03}Z"


def to_rfc822(nanoseconds: int) -> str:
    """`Thu, 01 Jan 2015 12:00:00 GMT`."""
    return _http_date(nanoseconds // SECOND)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04} {moment:%H:%M:%S} GMT"


def to_text(nanoseconds: int, timestamp_format: str) -> str:
    """A timestamp as text, in the form that the model names."""
    form = timestamp_format.lower()
    if form == "iso8601":
        return to_iso8601(nanoseconds)
    if form == "rfc822":
        return to_rfc822(nanoseconds)
    return str(to_number(nanoseconds))
