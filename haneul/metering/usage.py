"""Usage records: how much of what was used, by whom, in which minute. Metrics and the bill are made of them.

Counts gather in memory and go to the store every second and at the end; requests that only read are not made to wait for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from haneul.clock import MINUTE, SECOND, Clock, Timer
from haneul.metering.metrics import Metrics
from haneul.metering.translation import reported_as
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, StoreError, Transaction
from haneul.store.records import decode, encode

_SPACE: Final = "usage"
_FLUSH_EVERY: Final = SECOND

Line = tuple[str, str, str, str, str]


def put_usage(tx: Transaction, time: int, line: Line, value: int) -> None:
    """Add to the usage record of a time (nanoseconds), in a transaction: for what must be counted exactly once."""
    key = pack((_SPACE, *line[:2], time // MINUTE, *line[2:]))
    known = tx.get(key)
    tx.put(key, encode(value + (decode(known, int) if known is not None else 0)))


class StoredUsage:
    """The `Usage` of `core/ports.py`. One record a minute for each (account, region, service, metric, resource)."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[Line, list[int]] = {}  # Each number in a list by itself, so that adding to it looks for it once.
        self._timer: Timer | None = None
        # Where counts that are metrics too are reported; nowhere until somebody gives it.
        self.metrics: Metrics | None = None

    def add(self, account: str, region: str, service: str, metric: str, resource: str, value: int = 1) -> None:
        line = (account, region, service, metric, resource)
        known = self._counts.get(line)
        if known is not None:
            known[0] += value
        else:
            self._counts[line] = [value]
            if self._timer is None:
                now = self._clock.now()
                # Before the minute ends, so that what is counted in it belongs to it.
                self._timer = self._clock.call_at(min(now + _FLUSH_EVERY, (now // MINUTE + 1) * MINUTE - 3), self._flush_soon)

    def _flush_soon(self) -> None:
        self._timer = None
        self._clock.run(self.flush(), name="usage")

    async def flush(self) -> None:
        """Write what has gathered. What cannot be written now (a full disk) is written later; StoreError says so."""
        counts = {line: known[0] for line, known in self._counts.items()}
        self._counts = {}
        if counts:
            await asyncio.shield(asyncio.ensure_future(self._write(counts)))

    async def _write(self, counts: dict[Line, int]) -> None:
        minute = self._clock.now() // MINUTE

        def work(tx: Transaction) -> None:
            for line, value in counts.items():
                put_usage(tx, minute * MINUTE, line, value)

        try:
            await self._store.transact(work)
        except StoreError:
            for line, value in counts.items():
                self.add(*line, value)
            raise
        if self.metrics is not None:
            _report(self.metrics, counts)

    def read(self, account: str, region: str, start: int, end: int) -> Iterator[tuple[int, str, str, str, int]]:
        """Records of an account and region with start <= time < end (nanoseconds): minute's start, service, metric, resource, value."""
        first = pack((_SPACE, account, region, start // MINUTE))
        last = pack((_SPACE, account, region, -(-end // MINUTE)))
        for key, value in self._store.iterate(first, last):
            parts = unpack(key)
            yield int(parts[3]) * MINUTE, str(parts[4]), str(parts[5]), str(parts[6]), decode(value, int)

    def regions(self, account: str) -> list[str]:
        """The regions in which an account has used anything, at the cost of one look for each."""
        start, end = prefix_range(pack((_SPACE, account)))
        found: list[str] = []
        while rows := self._store.range(start, end, 1):
            region = str(unpack(rows[0][0])[2])
            found.append(region)
            start = prefix_range(pack((_SPACE, account, region)))[1]
        return found

    def total(self, account: str) -> dict[tuple[str, str], int]:
        """All that an account has used, by (service, metric)."""
        totals: dict[tuple[str, str], int] = {}
        for key, value in self._store.iterate(*prefix_range(pack((_SPACE, account)))):
            parts = unpack(key)
            name = (str(parts[4]), str(parts[5]))
            totals[name] = totals.get(name, 0) + decode(value, int)
        return totals


def _report(metrics: Metrics, counts: Mapping[Line, int]) -> None:
    for (account, region, service, metric, resource), value in counts.items():
        for one in reported_as(service, metric, resource):
            metrics.add(account, region, one.namespace, one.name, one.dimensions, 1.0, one.unit, value)
