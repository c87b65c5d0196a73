"""What a request for a bill asks for: whose, from when, to when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from haneul.clock import MINUTE, SECOND

_NAMES = ("account", "from", "to")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_ACCOUNT = re.compile(r"[0-9]{12}")


def read_wish(query: str, account: str, now: int) -> tuple[str, int, int]:
    """Account, start and end (nanoseconds, whole minutes, the end not included) of a query; `account` and the month of `now`, up to then, where it names none.

    Raises ValueError, which says what is wrong, for everything that cannot be understood.
    """
    wish: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _NAMES or name in wish:
            raise ValueError(f"a bill takes account, from and to, each once, not {name!r}")
        wish[name] = value
    whose = wish.get("account", account)
    if not _ACCOUNT.fullmatch(whose):
        raise ValueError(f"an account is twelve digits, not {whose!r}")
    first = datetime.fromtimestamp(now // SECOND, UTC).replace(day=1, hour=0, minute=0, second=0)
    start = read_time(wish["from"]) if "from" in wish else int(first.timestamp()) * SECOND
    end = read_time(wish["to"]) if "to" in wish else now + MINUTE
    start, end = start // MINUTE * MINUTE, end // MINUTE * MINUTE
    if start >= end:
        raise ValueError("a bill ends after it begins")
    return whose, start, end


def read_time(text: str) -> int:
    """A month (its beginning), a day or a time, as nanoseconds; in UTC unless it says otherwise. Raises ValueError."""
    try:
        at = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        seconds = int(at.timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"a time is written 2026-11, 2026-11-30 or 2026-11-30T12:00:00Z, not {text!r}") from None
    if seconds < 0:
        raise ValueError(f"{text} is before there were clouds")
    return seconds * SECOND
