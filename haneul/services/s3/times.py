"""Times as S3 writes them inside its own documents (nanoseconds in, text out). Shapes of the model carry nanoseconds and are written by the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from haneul.clock import DAY, MILLISECOND, SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def whole_seconds(nanoseconds: int) -> int:
    """A time as S3 keeps it with buckets, objects and uploads: listings show the same second that headers do."""
    return nanoseconds - nanoseconds % SECOND


def iso8601(nanoseconds: int) -> str:
    """`2015-01-01T12:00:00.000Z`."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest // MILLISECOND:03}Z"


def http_date(nanoseconds: int) -> str:
    """`Thu, 01 Jan 2015 12:00:00 GMT`, in English whatever the locale."""
    moment = _EPOCH + timedelta(seconds=nanoseconds // SECOND)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def read_http_date(text: str) -> int | None:
    """A date of HTTP headers in any of its three forms (RFC 9110, section 5.6.7); None for one that cannot be read."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * SECOND


def midnight_after(nanoseconds: int) -> int:
    """The first midnight UTC at or after a time: lifecycle rules count whole days from there."""
    return -(-nanoseconds // DAY) * DAY
