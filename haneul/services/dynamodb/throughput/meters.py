"""The flows of one table: its own reads and writes and those of each global index."""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.services.dynamodb.table import Index, Table
from haneul.services.dynamodb.tables import IndexRecord, TableRecord
from haneul.services.dynamodb.throughput.flows import TABLE_UNITS_MAX, Flow, Identity, Settings
from haneul.services.dynamodb.throughput.partitions import PARTITION_BYTES, Partitions, partitions_for, warm_partitions_for
from haneul.services.dynamodb.throughput.warm import warm_units

NAMESPACE = "AWS/DynamoDB"


def settings_of(record: TableRecord, holder: TableRecord | IndexRecord) -> tuple[Settings, Settings]:
    """What limits the reads and the writes of a table or an index."""
    throughput = holder.throughput
    warm_read, warm_write = warm_units(record, holder)
    if record.on_demand:
        return Settings(0, holder.on_demand_read_max, warm_read), Settings(0, holder.on_demand_write_max, warm_write)
    # A table that was made before capacity counted may have no provisioned units; one is the least there can be.
    return Settings(max(1, throughput.read_units), None, warm_read), Settings(max(1, throughput.write_units), None, warm_write)


class Meter:
    """Reads and writes of one table or global index."""

    __slots__ = ("_cloud", "id", "partitions", "reads", "writes")

    def __init__(self, cloud: Cloud, record: TableRecord, holder: TableRecord | IndexRecord, prefix: bytes, size: int, *, whole_collections: bool) -> None:
        index = holder if isinstance(holder, IndexRecord) else None
        self._cloud = cloud
        self.id = holder.id
        dimensions: tuple[tuple[str, str], ...] = (("TableName", record.name),)
        arn = record.arn
        if index is not None:
            dimensions = (("GlobalSecondaryIndexName", index.name), *dimensions)
            arn = f"{arn}/index/{index.name}"
        identity = Identity((record.account, record.region), dimensions, arn, index is not None)
        reads, writes = settings_of(record, holder)
        self.partitions = Partitions(prefix, max(_count(record, reads, writes), -(-size // PARTITION_BYTES)), whole_collections=whole_collections)
        self.reads, self.writes = (
            Flow(
                identity,
                is_write=is_write,
                partitions=self.partitions,
                settings=settings,
                consumed=cloud.metrics.series(*identity.place, NAMESPACE, f"Consumed{kind}CapacityUnits", dimensions),
            )
            for kind, is_write, settings in (("Read", False, reads), ("Write", True, writes))
        )
        self._report(record, holder)

    def _report(self, record: TableRecord, holder: TableRecord | IndexRecord) -> None:
        """While an index is being added to a table, what is written to it is counted apart (Developer Guide: "DynamoDB metrics", OnlineIndexConsumedWriteCapacity)."""
        being_filled = isinstance(holder, IndexRecord) and (holder.status == "CREATING" or holder.backfilling)
        if being_filled != self.writes.being_filled:
            name = "OnlineIndexConsumedWriteCapacity" if being_filled else "ConsumedWriteCapacityUnits"
            self.writes.report_to(self._cloud.metrics.series(record.account, record.region, NAMESPACE, name, self.writes.dimensions), being_filled=being_filled)

    def change(self, record: TableRecord, holder: TableRecord | IndexRecord, now: int) -> None:
        """The table was updated."""
        reads, writes = settings_of(record, holder)
        self.reads.change(reads, now)
        self.writes.change(writes, now)
        self.partitions.grow(_count(record, reads, writes))
        self._report(record, holder)

    def grow(self) -> tuple[int, int]:
        """Partitions for what the table is ready for now; that, in units a second."""
        ready = min(self.reads.ready_for(), TABLE_UNITS_MAX), min(self.writes.ready_for(), TABLE_UNITS_MAX)
        self.partitions.grow(warm_partitions_for(*ready))
        return ready


def _count(record: TableRecord, reads: Settings, writes: Settings) -> int:
    """Partitions that a table or index needs for its throughput. What is warm has its partitions in either mode."""
    return max(warm_partitions_for(reads.warm, writes.warm), 1 if record.on_demand else partitions_for(reads.provisioned, writes.provisioned))


def first_partitions(record: TableRecord) -> Partitions:
    """The partitions that a new table has."""
    reads, writes = settings_of(record, record)
    return Partitions(b"", _count(record, reads, writes), whole_collections=False)


class TableMeters:
    """The meters of a table and its global indexes, kept as long as the table lives in this process."""

    __slots__ = ("indexes", "table")

    def __init__(self, cloud: Cloud, table: Table, sizes: dict[str, tuple[int, int]]) -> None:
        # With local indexes, items with one partition key cannot be told apart by partitions.
        self.table = Meter(cloud, table.record, table.record, table.prefix, sizes.get("", (0, 0))[1], whole_collections=bool(table.local_indexes))
        self.indexes: dict[str, Meter] = {}
        for index in table.indexes:
            if index.is_global:
                self._add(cloud, table, index, sizes)

    def _add(self, cloud: Cloud, table: Table, index: Index, sizes: dict[str, tuple[int, int]]) -> None:
        self.indexes[index.name] = Meter(cloud, table.record, index.record, index.prefix, sizes.get(index.record.id, (0, 0))[1], whole_collections=False)

    def change(self, cloud: Cloud, table: Table, now: int) -> None:
        """The table was updated."""
        self.table.change(table.record, table.record, now)
        before, self.indexes = self.indexes, {}
        for index in table.indexes:
            if not index.is_global:
                continue
            known = before.get(index.name)
            if known is None or known.id != index.record.id:
                self._add(cloud, table, index, {})
            else:
                known.change(table.record, index.record, now)
                self.indexes[index.name] = known
