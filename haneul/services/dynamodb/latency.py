"""What requests report of themselves: SuccessfulRequestLatency of each operation and table, and ReturnedItemCount; and what is provisioned, while a
table is in use (DynamoDB Developer Guide, "DynamoDB metrics").

Consumption and throttling are reported where they are counted (`throughput/`). What is provisioned is reported every five minutes for tables that
had successful requests in the last quarter of an hour, and so is what the account has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from haneul.clock import MINUTE, Timer
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Operation, Shape
from haneul.metering.metrics import Series
from haneul.services.dynamodb.expressions.request import Parsers
from haneul.services.dynamodb.requested import TABLES_OF
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, TableRecord
from haneul.services.dynamodb.throughput.account import report_account

_NAMESPACE: Final = "AWS/DynamoDB"
# Operations on the items of one table; those that return pages of them.
MEASURED: Final = frozenset(("GetItem", "PutItem", "UpdateItem", "DeleteItem"))
_PAGES: Final = frozenset(("Query", "Scan"))
_PROVISIONED_EVERY: Final = 5 * MINUTE
_REPORTED_FOR: Final = 15 * MINUTE
_SERIES_MAX: Final = 20_000
# Latencies are told to the hundredth of a millisecond, in nanoseconds: so there are not too many different ones.
_GRAIN: Final = 10_000

Place = tuple[str, str, str]


class Latencies:
    """The latencies of all tables in use."""

    def __init__(self, cloud: Cloud, find: Callable[[str, str, str], Table | None], parsers: Parsers) -> None:
        self._cloud = cloud
        self._find = find
        self._parsers = parsers
        self._series: dict[tuple[str, str, str, str], Series] = {}
        self._items: dict[tuple[str, str, str, str], Series] = {}
        # The stretch of five minutes in which the numbers of each account and region, and of each table, were reported last.
        self._account_at: dict[tuple[str, str], int] = {}
        self._table_at: dict[Place, int] = {}
        self._used_at: dict[Place, int] = {}
        self._timer: Timer | None = None
        self._following = False

    def add(self, call: Call, operation: str, table: str, nanoseconds: int) -> None:
        """A request has succeeded; `table` is a name or an ARN."""
        key = (operation, table, call.account, call.region)
        series = self._series.get(key)
        if series is None:
            series = self._new(self._series, key, "SuccessfulRequestLatency", "Milliseconds")
        if not series.count and not self._following:
            self.in_use(_place(call, table))
        series.add(nanoseconds // _GRAIN / 100)

    def returned(self, call: Call, operation: str, table: str, items: int) -> None:
        """A request has returned so many items of a table."""
        key = (operation, table, call.account, call.region)
        series = self._items.get(key)
        if series is None:
            series = self._new(self._items, key, "ReturnedItemCount", "Count")
        series.add(float(items))

    def add_all(self, call: Call, operation: str, request: Shape, result: Shape, nanoseconds: int) -> None:
        """A request on items of several tables, or one that says in a statement which table it means, has succeeded."""
        for table in TABLES_OF[operation](self._parsers, request, result):
            self.add(call, operation, table, nanoseconds)

    def failed(self, call: Call) -> None:
        """A request ended in an error of the service itself."""
        operation, request = call.operation.name, call.request
        if not request:
            return  # It failed before anybody knew what it was about.
        find = TABLES_OF.get(operation)
        for table in find(self._parsers, request, {}) if find is not None else (str(request.get("TableName", "")),):
            account, region, name = _place(call, table)
            if name:
                self._cloud.metrics.add(account, region, _NAMESPACE, "SystemErrors", (("Operation", operation), ("TableName", name)))

    def _new(self, known: dict[tuple[str, str, str, str], Series], key: tuple[str, str, str, str], metric: str, unit: str) -> Series:
        if len(known) >= _SERIES_MAX:
            known.clear()
        operation, table, account, region = key
        account, region, name = _named(table, account, region)
        dimensions = (("Operation", operation), ("TableName", name))
        series = known[key] = self._cloud.metrics.series(account, region, _NAMESPACE, metric, dimensions, unit)
        return series

    def stop(self) -> None:
        """Report nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._used_at.clear()
        self._account_at.clear()
        self._table_at.clear()

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
        stretch = now // _PROVISIONED_EVERY
        for place, used_at in list(self._used_at.items()):
            table = self._find(*place)
            if table is None or now - used_at > _REPORTED_FOR:
                del self._used_at[place]
                self._table_at.pop(place, None)
            elif self._table_at.get(place, 0) != stretch:
                self._table_at[place] = stretch
                self._report_table(place, table)
        for account, region in {place[:2] for place in self._used_at}:
            if self._account_at.get((account, region), 0) != stretch:
                self._account_at[account, region] = stretch
                report_account(self._cloud, account, region)
        self._timer = self._cloud.clock.call_at((now // MINUTE + 2) * MINUTE - 2, self._report) if self._used_at else None

    def _report_table(self, place: Place, table: Table) -> None:
        account, region, name = place
        own = (("TableName", name),)
        holders: list[tuple[tuple[tuple[str, str], ...], TableRecord | IndexRecord]] = [(own, table.record)]
        holders += [((("GlobalSecondaryIndexName", one.name), *own), one.record) for one in table.indexes if one.is_global]
        for dimensions, holder in holders:
            units: tuple[tuple[str, int | None], ...]
            if table.record.on_demand:
                units = ("OnDemandMaxReadRequestUnits", holder.on_demand_read_max), ("OnDemandMaxWriteRequestUnits", holder.on_demand_write_max)
            else:
                throughput = holder.throughput
                units = ("ProvisionedReadCapacityUnits", throughput.read_units), ("ProvisionedWriteCapacityUnits", throughput.write_units)
            for metric, value in units:
                if value is not None:
                    self._cloud.metrics.add(account, region, _NAMESPACE, metric, dimensions, float(value))


def _named(table: str, account: str, region: str) -> Place:
    """Account, region and name of a table, which a request of that account and region names by its name or its ARN."""
    if not table.startswith("arn:"):
        return account, region, table
    arn = parse_arn(table)
    return (arn.account, arn.region, arn.resource.partition("/")[2]) if arn is not None else (account, region, table.rpartition("/")[2])


def _place(call: Call, table: str) -> Place:
    return _named(table, call.account, call.region)


class _Reports:
    """What operations report once they have succeeded."""

    __slots__ = ("_latencies_of",)

    def __init__(self, latencies_of: Callable[[Call], Latencies]) -> None:
        self._latencies_of = latencies_of

    def item(self, call: Call, request: Shape, result: Shape, nanoseconds: int) -> None:
        self._latencies_of(call).add(call, call.operation.name, request["TableName"], nanoseconds)

    def page(self, call: Call, request: Shape, result: Shape, nanoseconds: int) -> None:
        latencies, name = self._latencies_of(call), call.operation.name
        latencies.add(call, name, request["TableName"], nanoseconds)
        latencies.returned(call, name, request["TableName"], result["Count"])

    def many(self, call: Call, request: Shape, result: Shape, nanoseconds: int) -> None:
        self._latencies_of(call).add_all(call, call.operation.name, request, result, nanoseconds)


def measured(operations: Iterable[Operation], latencies_of: Callable[[Call], Latencies]) -> dict[str, Operation]:
    """Operations by name, those on items made to report how long they took and what they returned."""
    reports = _Reports(latencies_of)
    return {one.name: _measured(one, reports) for one in operations}


def _measured(one: Operation, reports: _Reports) -> Operation:
    if one.name in MEASURED:
        return one.with_report(reports.item)
    if one.name in _PAGES:
        return one.with_report(reports.page)
    return one.with_report(reports.many) if one.name in TABLES_OF else one
