"""Timestamps in their three forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.wire import timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(-60_000_000_000_000, 250_000_000_000_000).map(lambda milliseconds: milliseconds * 1_000_000)


@settings(deadline=None, derandomize=True, database=None)
@given(time=TIMES)
def test_what_is_written_is_read_back(time: int) -> None:
    """Because a time must not drift on its way out and in; botocore reads it as a third opinion."""
    assert timestamps.from_text(timestamps.to_iso8601(time)) == time
    assert timestamps.from_text(timestamps.to_iso8601_milliseconds(time)) == time
    assert timestamps.from_text(timestamps.to_rfc822(time)) == time // timestamps.SECOND * timestamps.SECOND
    assert timestamps.from_number(timestamps.to_number(time)) == time
    if time >= 0:
        assert parse_timestamp(timestamps.to_iso8601(time)) == EPOCH + timedelta(milliseconds=time // 1_000_000)


def test_a_time_is_never_shown_later_than_it_is() -> None:
    """Because a client may wait until the time that it is shown."""
    assert timestamps.to_number(1_999_999_999) == 1.999
    assert timestamps.to_iso8601(1_999_999_999) == "1970-01-01T00:00:01.999Z"
    assert timestamps.to_iso8601(1_000_999_999) == "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2015-01-01T12:00:00Z", 1_420_113_600),
        ("2015-01-01T12:00:00+02:00", 1_420_106_400),
        ("2015-01-01T12:00:00-0130", 1_420_119_000),
        ("20150101T120000Z", 1_420_113_600),
        ("2015-01-01", 1_420_070_400),
        ("Thu, 01 Jan 2015 12:00:00 GMT", 1_420_113_600),
        ("Thursday, 01-Jan-15 12:00:00 GMT", 1_420_113_600),
        ("1 Jan 2015 12:00:00 +0000", 1_420_113_600),
        ("1420113600", 1_420_113_600),
        ("1420113600.0", 1_420_113_600),
        ("2016-12-31T23:59:60Z", 1_483_228_800),
    ],
)
def test_forms_that_clients_send(text: str, seconds: int) -> None:
    """Because SDKs, browsers and shell scripts each have their own."""
    assert timestamps.from_text(text) == seconds * timestamps.SECOND


@pytest.mark.parametrize(
    "text", ["", "now", "2015-13-01T00:00:00Z", "2015-02-30", "Thu, 01 Foo 2015 12:00:00 GMT", "1e400", "nan", "99999999999999", "2015-01-01T25:00:00Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Because a wrong time must not become some other time."""
    with pytest.raises((ValueError, OverflowError)):
        timestamps.from_text(text)
