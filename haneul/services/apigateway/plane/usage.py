"""How often API keys have been used, for quotas.

Counts gather in memory and go to the store once a second, as metering's do: a quota is a limit for clients, not a ledger, and a crash may
forget a second of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date, timedelta

from haneul.clock import DAY, SECOND, Clock, Timer
from haneul.core.ports import Shape
from haneul.services.apigateway.records import USAGE, Home
from haneul.store.keys import pack
from haneul.store.port import Reader, Store, Transaction
from haneul.store.records import decode, encode

_EPOCH = date(1970, 1, 1)
_SUNDAY = 4  # 1970-01-01 was a Thursday: day 3 was the first Sunday, so (day + 4) % 7 is 0 on Sundays.
_FLUSH_EVERY = SECOND

Line = tuple[Home, str, str, int]


def day_of(text: str) -> int | None:
    """Days since the epoch of `YYYY-MM-DD`; None for anything else."""
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return None


def days_between(first: int, last: int) -> Iterable[int]:
    """All days from the first to the last, both included."""
    return range(first, last + 1)


def period_start(quota: Shape, day: int) -> int:
    """The first day of the quota's period that `day` falls in; `offset` shifts where weeks and months begin."""
    offset: int = quota.get("offset", 0)
    if quota["period"] == "DAY":
        return day
    if quota["period"] == "WEEK":
        return day - (day + _SUNDAY - offset) % 7
    today = _EPOCH + timedelta(days=day)
    begins = today.replace(day=1 + offset)
    if begins > today:
        begins = (today.replace(day=1) - timedelta(days=1)).replace(day=1 + offset)
    return (begins - _EPOCH).days


def _key(line: Line) -> bytes:
    home, plan, key_id, day = line
    return pack((USAGE, *home, plan, key_id, day))


def read_count(reader: Reader, home: Home, plan: str, key_id: str, day: int) -> int:
    """Requests counted for a key on a day, as far as they are written."""
    value = reader.get(_key((home, plan, key_id, day)))
    return 0 if value is None else decode(value, int)


class UsageCounters:
    """Counts requests by plan, key and day."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[Line, int] = {}
        self._changed: set[Line] = set()
        self._timer: Timer | None = None

    def forget(self) -> None:
        """Begin anew from what the store says."""
        self._counts.clear()
        self._changed.clear()

    def take(self, home: Home, plan: Shape, key_id: str) -> bool:
        """Count one request; False, and nothing counted, when the plan's quota is used up."""
        day = self._clock.now() // DAY
        quota = plan.get("quota")
        if quota is not None:
            used = sum(self._count((home, plan["id"], key_id, one)) for one in days_between(period_start(quota, day), day))
            if used >= quota["limit"]:
                return False
        line = (home, plan["id"], key_id, day)
        self._counts[line] = self._count(line) + 1
        self._changed.add(line)
        if self._timer is None:
            self._timer = self._clock.call_later(_FLUSH_EVERY, self._flush_soon)
        return True

    def _count(self, line: Line) -> int:
        known = self._counts.get(line)
        if known is None:
            known = self._counts[line] = read_count(self._store, line[0], line[1], line[2], line[3])
        return known

    def _flush_soon(self) -> None:
        self._timer = None
        self._clock.run(self.flush(), name="apigateway usage")

    async def flush(self) -> None:
        """Write what has changed."""
        lines = {line: self._counts[line] for line in self._changed}
        self._changed.clear()
        if not lines:
            return
        today = self._clock.now() // DAY
        for line in [line for line in self._counts if line[3] < today - 31 and line not in lines]:
            del self._counts[line]

        def work(tx: Transaction) -> None:
            for line, count in lines.items():
                tx.put(_key(line), encode(count))

        await asyncio.shield(asyncio.ensure_future(self._store.transact(work)))
