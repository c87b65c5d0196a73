"""SuccessfulRequestLatency of each operation and table, and what is provisioned, while a table is in use (DynamoDB Developer Guide, "DynamoDB metrics").

Consumption and throttling are reported where they are counted (`throughput/`). What is provisioned is reported once a minute for tables that
had successful requests in the last quarter of an hour.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from haneul.clock import MINUTE, Clock, Timer
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Operation, Shape
from haneul.metering.metrics import Series
from haneul.services.dynamodb.tables import Table, Throughput

_NAMESPACE = "AWS/DynamoDB"
# Operations on the items of one table.
MEASURED = frozenset(("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"))
_REPORTED_FOR = 15 * MINUTE
_SERIES_MAX = 20_000
# Latencies are told to the hundredth of a millisecond, in nanoseconds: so there are not too many different ones.
_GRAIN = 10_000

Place = tuple[str, str, str]


class Latencies:
    """The latencies of all tables in use."""

    def __init__(self, cloud: Cloud, find: Callable[[str, str, str], Table | None]) -> None:
        self._cloud = cloud
        self._find = find
        self._series: dict[tuple[str, str, str, str], Series] = {}
        self._used_at: dict[Place, int] = {}
        self._timer: Timer | None = None
        self._following = False

    def add(self, call: Call, operation: str, table: str, nanoseconds: int) -> None:
        """A request has succeeded; `table` is a name or an ARN."""
        key = (operation, table, call.account, call.region)
        series = self._series.get(key)
        if series is None:
            series = self._new(key)
        if not series.count and not self._following:
            self.in_use((call.account, call.region, _name(table)))
        series.add(nanoseconds // _GRAIN / 100)

    def _new(self, key: tuple[str, str, str, str]) -> Series:
        if len(self._series) >= _SERIES_MAX:
            self._series.clear()
        operation, table, account, region = key
        dimensions = (("Operation", operation), ("TableName", _name(table)))
        series = self._series[key] = self._cloud.metrics.series(account, region, _NAMESPACE, "SuccessfulRequestLatency", dimensions, "Milliseconds")
        return series

    def stop(self) -> None:
        """Report nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._used_at.clear()

    def follow(self) -> None:
        """Another process reports what is provisioned."""
        self._following = True

    def in_use(self, place: Place) -> None:
        """A table had a successful request: what is provisioned for it is reported."""
        now = self._cloud.clock.now()
        self._used_at[place] = now
        if self._timer is None:
            # A moment before the minute ends, so that what is reported belongs to it.
            self._timer = self._cloud.clock.call_at((now // MINUTE + 1) * MINUTE - 2, self._report)

    def _report(self) -> None:
        now = self._cloud.clock.now()
        for place, used_at in list(self._used_at.items()):
            table = self._find(*place)
            if table is None or now - used_at > _REPORTED_FOR:
                del self._used_at[place]
            elif not table.record.on_demand:
                self._report_table(place, table)
        self._timer = self._cloud.clock.call_at((now // MINUTE + 2) * MINUTE - 2, self._report) if self._used_at else None

    def _report_table(self, place: Place, table: Table) -> None:
        account, region, name = place
        own = (("TableName", name),)
        holders: list[tuple[tuple[tuple[str, str], ...], Throughput]] = [(own, table.record.throughput)]
        holders += [((("GlobalSecondaryIndexName", one.name), *own), one.record.throughput) for one in table.indexes if one.is_global]
        for dimensions, throughput in holders:
            for kind, units in (("Read", throughput.read_units), ("Write", throughput.write_units)):
                self._cloud.metrics.add(account, region, _NAMESPACE, f"Provisioned{kind}CapacityUnits", dimensions, float(units))


def _name(table: str) -> str:
    return table.rpartition("/")[2] if table.startswith("arn:") else table


def measured(operations: Iterable[Operation], latencies_of: Callable[[Call], Latencies]) -> dict[str, Operation]:
    """Operations by name, those on items made to report how long they took."""
    return {one.name: _measured(one, latencies_of) if one.name in MEASURED else one for one in operations}


def _measured(one: Operation, latencies_of: Callable[[Call], Latencies]) -> Operation:
    handler, name = one.handler, one.name

    async def run(call: Call, request: Shape) -> Shape | None:
        started = Clock.machine_now()
        result = await handler(call, request)
        latencies_of(call).add(call, name, request["TableName"], Clock.machine_now() - started)
        return result

    return dataclasses.replace(one, handler=run)
