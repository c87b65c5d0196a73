"""Tables as the API describes them (API Reference: "TableDescription")."""

from __future__ import annotations

from typing import Any

from haneul.services.dynamodb.encryption import describe_encryption
from haneul.services.dynamodb.replication.describe import describe_replication
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, RestoreNote, StreamSettings, TableRecord, Throughput
from haneul.services.dynamodb.throughput.changes import decreases_today
from haneul.services.dynamodb.throughput.warm import warm_units
from haneul.services.dynamodb.writing import read_counts
from haneul.store.port import Reader

Shape = dict[str, Any]


def describe_table(reader: Reader, record: TableRecord, now: int = 0) -> Shape:
    """The TableDescription of a table. Without the time, decreases are counted as of the last one's day."""
    counts = read_counts(reader, Table(record))
    items, size = counts.get("", (0, 0))
    found: Shape = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in sorted(record.attributes.items())],
        "TableName": record.name,
        "KeySchema": _key_schema([record.hash_name], [record.range_name] if record.range_name else []),
        "TableStatus": record.status,
        "CreationDateTime": record.created_at,
        "ProvisionedThroughput": describe_throughput(record.throughput, now),
        "TableSizeBytes": size,
        "ItemCount": items,
        "TableArn": record.arn,
        "TableId": record.table_id,
        "DeletionProtectionEnabled": record.deletion_protection,
    }
    if record.on_demand or (record.on_demand_since and record.replication is None):  # Tables that have always been provisioned say nothing of it.
        summary: Shape = {"BillingMode": "PAY_PER_REQUEST" if record.on_demand else "PROVISIONED"}
        if record.on_demand_since and record.status != "CREATING":
            summary["LastUpdateToPayPerRequestDateTime"] = record.on_demand_since
        found["BillingModeSummary"] = summary
    for title, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [_describe_index(record, index, counts, now) for index in record.indexes if index.is_global == is_global]
        if indexes:
            found[title] = indexes
    if record.table_class:
        found["TableClassSummary"] = {"TableClass": record.table_class}
        if record.table_class_changed_at:
            found["TableClassSummary"]["LastUpdateDateTime"] = record.table_class_changed_at
    found.update(describe_replication(reader, record, lambda table, holder: _warm(table, holder, holder.status)))
    if record.restore is not None and record.being_restored:
        found["RestoreSummary"] = _describe_restore(record.restore)
    found.update(_describe_stream(record, record.stream))
    found.update(describe_encryption(reader, record))
    found.update(_maximums(record))
    found["WarmThroughput"] = _warm(record, record, "ACTIVE" if record.status == "UPDATING" else record.status)
    return found


def _describe_restore(restore: RestoreNote) -> Shape:
    found: Shape = {"SourceTableArn": restore.table_arn, "RestoreDateTime": restore.time, "RestoreInProgress": restore.in_progress}
    if restore.backup_arn:
        found["SourceBackupArn"] = restore.backup_arn
    return found


def _describe_stream(record: TableRecord, stream: StreamSettings | None) -> Shape:
    if stream is None or (record.replication is not None and record.status == "CREATING"):
        return {}  # A replica that is being filled does not tell of its stream yet.
    found: Shape = {"LatestStreamLabel": stream.label, "LatestStreamArn": record.stream_arn}
    if stream.enabled:
        found["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream.view_type}
    return found


def _describe_index(record: TableRecord, index: IndexRecord, counts: dict[str, tuple[int, int]], now: int) -> Shape:
    items, size = counts.get(index.id, (0, 0))
    projection: Shape = {"ProjectionType": index.projection}
    if index.projection == "INCLUDE":
        projection["NonKeyAttributes"] = sorted(index.included)
    found: Shape = {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.hash_names, index.range_names),
        "Projection": projection,
        "IndexSizeBytes": size,
        "ItemCount": items,
        "IndexArn": f"{record.arn}/index/{index.name}",
    }
    if index.is_global:
        if not record.being_restored:
            found["IndexStatus"] = index.status
        if index.backfilling or (index.status == "CREATING" and record.status != "CREATING"):
            found["Backfilling"] = index.backfilling
        found["ProvisionedThroughput"] = describe_throughput(index.throughput, now)
        found.update(_maximums(index))
        found["WarmThroughput"] = _warm(record, index, index.status)
    return found


def _maximums(record: TableRecord | IndexRecord) -> Shape:
    maximums = {"MaxReadRequestUnits": record.on_demand_read_max, "MaxWriteRequestUnits": record.on_demand_write_max}
    given = {name: value for name, value in maximums.items() if value is not None}
    return {"OnDemandThroughput": given} if given else {}


def _warm(record: TableRecord, holder: TableRecord | IndexRecord, status: str) -> Shape:
    """Warm throughput that was asked for is UPDATING until it is there, with the table or index at the latest; that of an index has no other state but ACTIVE.

    (API Reference: "GlobalSecondaryIndexWarmThroughputDescription"; Developer Guide: "Create a new DynamoDB table with higher warm throughput".)
    """
    read, write = warm_units(record, holder)
    asked = holder.warm_read is not None or isinstance(holder, IndexRecord)
    if holder.warm_wanted_read or holder.warm_wanted_write or (status == "CREATING" and asked):
        status = "UPDATING"
    elif status == "DELETING" and isinstance(holder, IndexRecord):
        status = "ACTIVE"
    return {"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": status}


def describe_throughput(throughput: Throughput, now: int) -> Shape:
    """A ProvisionedThroughputDescription. While units are being changed they are the old ones, with the date of the request; on the way to on demand they are gone already."""
    found: Shape = {
        "NumberOfDecreasesToday": decreases_today(throughput, now or throughput.decreased_at),
        "ReadCapacityUnits": throughput.read_units,
        "WriteCapacityUnits": throughput.write_units,
    }
    asked_at = throughput.asked_at
    rises = throughput.wanted_read > throughput.read_units or throughput.wanted_write > throughput.write_units
    falls = throughput.wanted_read < throughput.read_units or throughput.wanted_write < throughput.write_units or not throughput.wanted_read
    for name, time in (
        ("LastIncreaseDateTime", asked_at if asked_at and rises else throughput.increased_at),
        ("LastDecreaseDateTime", asked_at if asked_at and falls else throughput.decreased_at),
    ):
        if time:
            found[name] = time
    return found


def _key_schema(hash_names: list[str], range_names: list[str]) -> list[Shape]:
    return [{"AttributeName": name, "KeyType": "HASH"} for name in hash_names] + [{"AttributeName": name, "KeyType": "RANGE"} for name in range_names]
