"""Capacity as a limit: who may read or write now, who is throttled, and what it is charged to.

Everything here lives in this process's memory, and a request costs a few additions. A restart therefore begins with full bursts and fresh
partitions; what on-demand tables have grown to is kept with the table (`warm_read`, `warm_write`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.table import Index, Table
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, table_key
from haneul.services.dynamodb.throughput.flows import Flow
from haneul.services.dynamodb.throughput.meters import NAMESPACE, TableMeters, first_partitions
from haneul.services.dynamodb.throughput.throttled import CODES
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_CLOSED_MAX: Final = 10_000
# Why a transaction was cancelled, when it was for capacity.
_CANCELLED: Final = frozenset(("ProvisionedThroughputExceeded", "ThrottlingError"))

Sizes = Callable[[Reader, Table], dict[str, tuple[int, int]]]
Entry = tuple[Index, bytes, int]
"""What a write does to an index: the index, where, and units."""


class Capacity:
    """The throughput of all tables of a running service. Nothing is enforced with `haneul start --capacity unlimited`, only counted."""

    def __init__(self, cloud: Cloud, sizes: Sizes) -> None:
        self._cloud = cloud
        self._clock = cloud.clock
        self._sizes = sizes
        self.enforced = not cloud.settings.capacity_unlimited
        self._meters: dict[tuple[str, str, str], tuple[str, TableMeters]] = {}
        # Until when tables, by id, are not to be read by other processes.
        self._closed: dict[str, int] = {}

    def forget(self, place: tuple[str, str, str]) -> None:
        """A table is gone."""
        self._meters.pop(place, None)

    def follow(self, table: Table) -> None:
        """A table was compiled anew: what limits it now limits it from now on."""
        record = table.record
        if (record.account, record.region, record.name) in self._meters:
            self._attach(table)

    def _of(self, table: Table) -> TableMeters:
        return table.meters or self._attach(table)

    def _attach(self, table: Table) -> TableMeters:
        """The meters of a table that was made, updated, or met for the first time."""
        record = table.record
        place = (record.account, record.region, record.name)
        known = self._meters.get(place)
        if known is not None and known[0] == record.id:
            meters = known[1]
            meters.change(self._cloud, table, self._clock.now())
        else:
            meters = TableMeters(self._cloud, table, self._sizes(self._cloud.store, table))
            self._meters[place] = (record.id, meters)
        table.meters = meters
        return meters

    def partition_lows(self, record: TableRecord) -> list[bytes]:
        """The hashes of partition keys, in order, at which a table's partitions begin, but for the first."""
        known = self._meters.get((record.account, record.region, record.name))
        partitions = known[1].table.partitions if known is not None and known[0] == record.id else first_partitions(record)
        return partitions.lows()

    # ---- reads

    def admit(self, table: Table) -> None:
        """Called before several tables are read for one request, so that a process which only reads can pass all of it on. Nothing to do here."""

    def check_read(self, table: Table, index: Index | None, place: bytes, operation: str) -> None:
        """Raise the throttling error unless a read at a row may begin."""
        flow, place = self._reads(table, index, place)
        try:
            self._let_in(flow, self._clock.now(), place)
        except ServiceError as error:
            self.count_throttled(error, table, operation)
            raise

    def take_read(self, table: Table, index: Index | None, place: bytes, half_units: int) -> None:
        """Charge a read that was let in."""
        flow, place = self._reads(table, index, place)
        self._use(table, table.read_metric, half_units)
        if flow.take(self._clock.now(), half_units, place):
            self._grown(table)

    def read(self, table: Table, row: bytes, half_units: int, operation: str = "") -> None:
        """Charge the read of one item to its table, or raise the throttling error, counting `operation` as throttled."""
        flow = (table.meters or self._attach(table)).table.reads
        now = self._clock.now()
        limit = flow.blocked(now, row)
        if limit and self.enforced:
            if operation:
                self.count_throttled_request(table, operation)
            raise self._refuse(flow, limit)
        self._use(table, table.read_metric, half_units)
        if flow.take(now, half_units, row):
            self._grown(table)

    def take_elsewhere(self, table: Table, index: Index | None, place: bytes, costs: Sequence[Sequence[int]], now: int) -> float:
        """Charge reads that another process has let in, as pairs of half units and how many; the half units that it may take there without asking."""
        flow, place = self._reads(table, index, place)
        grown = False
        for half_units, count in costs:
            self._use(table, table.read_metric, half_units * count)
            grown |= flow.take_many(now, half_units, place, count)
        if grown:
            self._grown(table)
        return flow.spare(now, place)

    def close_to_others(self, table_id: str, now: int) -> None:
        """Let other processes not read a table for the next second, which is as long as partitions remember."""
        if len(self._closed) >= _CLOSED_MAX:
            self._closed.clear()
        self._closed[table_id] = now + SECOND

    def spare_reads(self, table: Table, now: int) -> float:
        """The half units that another process may take of a table without asking."""
        if self._closed.get(table.record.id, 0) > now:
            return 0.0
        meters = self._of(table)
        return min(meter.reads.spare(now, b"") for meter in (meters.table, *meters.indexes.values()))

    def _reads(self, table: Table, index: Index | None, place: bytes) -> tuple[Flow, bytes]:
        """Who pays for a read: local indexes are parts of their table, and lie where its items lie."""
        meters = self._of(table)
        if index is None:
            return meters.table.reads, place
        if not index.is_global:
            return meters.table.reads, table.prefix + place[len(index.prefix) :]
        return meters.indexes[index.name].reads, place

    # ---- writes

    def write(self, table: Table, row: bytes, units: int, entries: Sequence[Entry] = (), *, admitted: bool = False) -> None:
        """Charge the write of one item to its table and the indexes that it changes, or raise the throttling error and charge nothing. `admitted`: `let_in` was
        asked before.

        A global index with nothing left holds up the writes of its table.
        """
        meters = table.meters or self._attach(table)
        now = self._clock.now()
        flow = meters.table.writes
        if not admitted:
            self._let_in(flow, now, row)
        own, others, grown = units, 0, False
        if entries:
            for index, place, _ in entries:
                if index.is_global:
                    self._let_in(meters.indexes[index.name].writes, now, place)
            for index, place, spent in entries:
                if index.is_global:
                    others += spent
                    grown |= meters.indexes[index.name].writes.take(now, spent, place)
                else:
                    own += spent
        if others and table.write_metric is not table.index_write_metric:
            self._use(table, table.index_write_metric, others)
            self._use(table, table.write_metric, own)
        else:
            self._use(table, table.write_metric, own + others)
        if flow.take(now, own, row) or grown:
            self._grown(table)

    def fill(self, table: Table, index: Index, entry: bytes, units: int) -> bool:
        """Charge an entry that a new index gets of an item that was there before it; False, and nothing charged, when it must wait.

        Filling shares the index's writes with those of the table (Developer Guide: "Managing global secondary indexes in DynamoDB").
        """
        flow, now = self._of(table).indexes[index.name].writes, self._clock.now()
        limit = flow.blocked(now, entry)
        if limit and self.enforced:
            self._count_event(flow, limit)
            return False
        self._use(table, table.index_write_metric, units)
        if flow.take(now, units, entry):
            self._grown(table)
        return True

    # ---- throttling

    def let_in(self, table: Table, row: bytes, *, writes: bool) -> None:
        """Raise the throttling error unless an action on one item may begin. A transaction asks for all of its actions before any is charged: it is one request."""
        meter = self._of(table).table
        self._let_in(meter.writes if writes else meter.reads, self._clock.now(), row)

    def _let_in(self, flow: Flow, now: int, place: bytes) -> None:
        limit = flow.blocked(now, place)
        if limit and self.enforced:
            raise self._refuse(flow, limit)

    def _refuse(self, flow: Flow, limit: str) -> ServiceError:
        """The error of a request that exceeds a limit. It is counted as an event of throttling."""
        self._count_event(flow, limit)
        return flow.refusal(limit)

    def _count_event(self, flow: Flow, limit: str) -> None:
        """Count that something was throttled. Writes to an index that is being added to its table have a metric of their own."""
        kind = "Write" if flow.is_write else "Read"
        names = ("OnlineIndexThrottleEvents",) if flow.being_filled else (f"{kind}ThrottleEvents", f"{kind}{limit}ThrottleEvents")
        for name in names:
            self._cloud.metrics.add(*flow.place, NAMESPACE, name, flow.dimensions)

    def count_throttled(self, error: ServiceError, table: Table, operation: str) -> None:
        """Count a request of `operation` that ended in an error, if that was throttling."""
        if error.code in CODES:
            self.count_throttled_request(table, operation)

    def count_parts(self, throttled: Sequence[Table], asked: int, operation: str) -> None:
        """Count a batch of which these parts were throttled: as a throttled request it counts only when nothing of it was let in.

        (Developer Guide: "DynamoDB metrics", ThrottledRequests.)
        """
        for table in {id(table): table for table in throttled}.values():
            if len(throttled) == asked:
                self.count_throttled_request(table, operation)
            else:
                self.close_to_others(table.record.id, self._clock.now())

    def count_cancelled(self, tables: Sequence[Table], reasons: Sequence[dict[str, Any]], operation: str) -> None:
        """Count a transaction once for each table with an action that was throttled. `tables` and `reasons` are those of its actions."""
        throttled = [table for table, reason in zip(tables, reasons) if reason["Code"] in _CANCELLED]
        self.count_parts(throttled, len(throttled), operation)

    def count_refused(self, account: str, region: str, error: ServiceError) -> None:
        """Count a request that was answered with 400, but for those that metrics of their own count (Developer Guide: "DynamoDB metrics", UserErrors)."""
        if error.status in (None, 400) and not _is_throttled(error) and error.code != "ConditionalCheckFailedException":
            self._cloud.metrics.add(account, region, NAMESPACE, "UserErrors")

    def count_throttled_request(self, table: Table, operation: str) -> None:
        """Count a request of which something was throttled."""
        record = table.record
        self.close_to_others(record.id, self._clock.now())
        dimensions = (("Operation", operation), ("TableName", record.name))
        self._cloud.metrics.add(record.account, record.region, NAMESPACE, "ThrottledRequests", dimensions)

    def count(self, table: Table, metric: str, times: int = 1) -> None:
        """Report that something of which a table reports the number has happened."""
        record = table.record
        self._cloud.metrics.add(record.account, record.region, NAMESPACE, metric, (("TableName", record.name),), count=times)

    def _use(self, table: Table, metric: str, units: int) -> None:
        """Enter capacity units of a table with its indexes into the usage records, by one of the metrics that it was compiled with."""
        self._cloud.usage.add(table.account, table.region, "dynamodb", metric, table.name, units)

    # ---- growth on demand

    def _grown(self, table: Table) -> None:
        """Traffic on demand has made a table, or an index of it, ready for more: keep that."""
        meters = self._of(table)
        ready = {meter.id: meter.grow() for meter in (meters.table, *meters.indexes.values())}
        self._clock.run(self._keep(table.record, ready), name="warm throughput")

    async def _keep(self, known: TableRecord, ready: dict[str, tuple[int, int]]) -> None:
        def work(tx: Transaction) -> None:
            place = table_key(known.account, known.region, known.name)
            raw = tx.get(place)
            record = decode(raw, TableRecord) if raw is not None else None
            if record is None or record.id != known.id or not record.on_demand:
                return
            holders: list[TableRecord | IndexRecord] = [record, *record.indexes]
            for holder in holders:
                read, write = ready.get(holder.id, (0, 0))
                holder.warm_read = max(holder.warm_read or 0, read) or None
                holder.warm_write = max(holder.warm_write or 0, write) or None
            tx.put(place, encode(record))

        await self._cloud.store.transact(work)


def _is_throttled(error: ServiceError) -> bool:
    """Whether a request ended for want of capacity: by itself, or as a transaction that was cancelled."""
    return error.code in CODES or any([reason["Code"] in _CANCELLED for reason in error.fields.get("CancellationReasons", ())])


def is_throttling(error: ServiceError) -> bool:
    """Whether an error says that capacity was exceeded."""
    return error.code in CODES

