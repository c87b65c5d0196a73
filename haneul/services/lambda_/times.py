"""Times as Lambda's events and log lines write them."""

from __future__ import annotations

from datetime import UTC, datetime

from haneul.clock import SECOND


def iso_time(nanoseconds: int) -> str:
    """`2026-11-23T09:36:23.123Z`."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1_000_000:03d}Z"
