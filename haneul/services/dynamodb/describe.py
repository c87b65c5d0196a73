"""Tables as the API describes them (API Reference: "TableDescription")."""

from __future__ import annotations

from typing import Any

from haneul.services.dynamodb.replication.describe import describe_replication
from haneul.services.dynamodb.tables import IndexRecord, RestoreNote, StreamSettings, Table, TableRecord, Throughput
from haneul.services.dynamodb.writing import read_counts
from haneul.store.port import Reader

Shape = dict[str, Any]


def describe_table(reader: Reader, record: TableRecord) -> Shape:
    """The TableDescription of a table."""
    counts = read_counts(reader, Table(record))
    items, size = counts.get("", (0, 0))
    found: Shape = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in record.attributes.items()],
        "TableName": record.name,
        "KeySchema": _key_schema([record.hash_name], [record.range_name] if record.range_name else []),
        "TableStatus": record.status,
        "CreationDateTime": record.created_at,
        "ProvisionedThroughput": describe_throughput(record.throughput),
        "TableSizeBytes": size,
        "ItemCount": items,
        "TableArn": record.arn,
        "TableId": record.table_id,
        "DeletionProtectionEnabled": record.deletion_protection,
    }
    if record.on_demand or record.billing_mode_given:
        summary: Shape = {"BillingMode": "PAY_PER_REQUEST" if record.on_demand else "PROVISIONED"}
        if record.on_demand_since:
            summary["LastUpdateToPayPerRequestDateTime"] = record.on_demand_since
        found["BillingModeSummary"] = summary
    for title, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [_describe_index(record, index, counts) for index in record.indexes if index.is_global == is_global]
        if indexes:
            found[title] = indexes
    if record.table_class:
        found["TableClassSummary"] = {"TableClass": record.table_class}
        if record.table_class_changed_at:
            found["TableClassSummary"]["LastUpdateDateTime"] = record.table_class_changed_at
    found.update(describe_replication(reader, record))
    if record.restore is not None:
        found["RestoreSummary"] = _describe_restore(record.restore)
    found.update(_describe_stream(record, record.stream))
    found.update(_maximums(record))
    found["WarmThroughput"] = _warm(record, record.status)
    return found


def _describe_restore(restore: RestoreNote) -> Shape:
    found: Shape = {"SourceTableArn": restore.table_arn, "RestoreDateTime": restore.time, "RestoreInProgress": restore.in_progress}
    if restore.backup_arn:
        found["SourceBackupArn"] = restore.backup_arn
    return found


def _describe_stream(record: TableRecord, stream: StreamSettings | None) -> Shape:
    if stream is None:
        return {}
    found: Shape = {"LatestStreamLabel": stream.label, "LatestStreamArn": record.stream_arn}
    if stream.enabled:
        found["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream.view_type}
    return found


def _describe_index(record: TableRecord, index: IndexRecord, counts: dict[str, tuple[int, int]]) -> Shape:
    items, size = counts.get(index.id, (0, 0))
    projection: Shape = {"ProjectionType": index.projection}
    if index.projection == "INCLUDE":
        projection["NonKeyAttributes"] = index.included
    found: Shape = {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.hash_names, index.range_names),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": items,
        "IndexArn": f"{record.arn}/index/{index.name}",
    }
    if index.is_global:
        found["IndexStatus"] = index.status
        if index.status in ("CREATING", "DELETING") and record.status != "CREATING":
            found["Backfilling"] = index.backfilling
        found["ProvisionedThroughput"] = describe_throughput(index.throughput)
        found.update(_maximums(index))
        found["WarmThroughput"] = _warm(index, index.status)
    return found


def _maximums(record: TableRecord | IndexRecord) -> Shape:
    if record.on_demand_read_max is None and record.on_demand_write_max is None:
        return {}
    return {
        "OnDemandThroughput": {
            "MaxReadRequestUnits": -1 if record.on_demand_read_max is None else record.on_demand_read_max,
            "MaxWriteRequestUnits": -1 if record.on_demand_write_max is None else record.on_demand_write_max,
        }
    }


# What a table on demand takes at once without having been asked to (Developer Guide: "DynamoDB warm throughput").
WARM_READ_UNITS = 12_000
WARM_WRITE_UNITS = 4_000


def _warm(record: TableRecord | IndexRecord, status: str) -> Shape:
    # A provisioned table is warm for what is provisioned.
    return {
        "ReadUnitsPerSecond": record.warm_read or record.throughput.read_units or WARM_READ_UNITS,
        "WriteUnitsPerSecond": record.warm_write or record.throughput.write_units or WARM_WRITE_UNITS,
        "Status": status,
    }


def describe_throughput(throughput: Throughput) -> Shape:
    """A ProvisionedThroughputDescription."""
    found: Shape = {
        "NumberOfDecreasesToday": throughput.decreases_today,
        "ReadCapacityUnits": throughput.read_units,
        "WriteCapacityUnits": throughput.write_units,
    }
    if throughput.increased_at:
        found["LastIncreaseDateTime"] = throughput.increased_at
    if throughput.decreased_at:
        found["LastDecreaseDateTime"] = throughput.decreased_at
    return found


def _key_schema(hash_names: list[str], range_names: list[str]) -> list[Shape]:
    return [{"AttributeName": name, "KeyType": "HASH"} for name in hash_names] + [{"AttributeName": name, "KeyType": "RANGE"} for name in range_names]
