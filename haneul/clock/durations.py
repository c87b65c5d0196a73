"""Durations as people write them."""

from __future__ import annotations

import re

from haneul.clock.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND

_UNITS = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_LENGTH_MAX = 100
_PART = re.compile(r"(\d+)(ms|s|m|h|d)")


def parse_duration(text: str | int) -> int:
    """`35d`, `1h30m`, `250ms`, or a number of seconds, as nanoseconds. ValueError for anything else."""
    if isinstance(text, bool) or not isinstance(text, int | str) or len(str(text)) > _LENGTH_MAX:
        raise ValueError("a duration is a text such as 35d or 1h30m, or a number of seconds")
    if isinstance(text, int):
        return text * SECOND
    if text.isascii() and text.isdigit():
        return int(text) * SECOND
    total, at = 0, 0
    for part in _PART.finditer(text):
        if part.start() != at:
            break
        total += int(part[1]) * _UNITS[part[2]]
        at = part.end()
    if at != len(text) or not text:
        raise ValueError(f"{text!r} is no duration")
    return total
