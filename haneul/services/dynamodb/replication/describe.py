"""What DescribeTable says of a global table (API Reference: "ReplicaDescription"): the replicas in the other regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from haneul.services.dynamodb.encryption import key_arn
from haneul.services.dynamodb.replication.records import VERSION, Member, read_group
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.store.port import Reader
from haneul.store.records import decode

Shape = dict[str, Any]


def describe_replication(reader: Reader, record: TableRecord, warm: Callable[[TableRecord], Shape]) -> Shape:
    """The members of a TableDescription that only global tables have; `warm` describes the warm throughput of a replica's table."""
    settings = record.replication
    group = read_group(reader, record.account, settings.group) if settings is not None else None
    if settings is None or group is None:
        return {}
    tables: dict[str, TableRecord] = {}
    for member in group.members:
        raw = reader.get(table_key(group.account, member.region, group.name))
        if raw is not None:
            tables[member.region] = decode(raw, TableRecord)
    found: Shape = {
        "GlobalTableVersion": VERSION,
        "Replicas": [_describe_member(reader, member, tables, warm) for member in group.members if member.region != record.region],
        "GlobalTableSettingsReplicationMode": "ENABLED_WITH_OVERRIDES",
    }
    if group.strong:
        found["MultiRegionConsistency"] = "STRONG"
    if group.strong and group.witness:
        creating = any(member.status == "CREATING" for member in group.members)
        found["GlobalTableWitnesses"] = [{"RegionName": group.witness, "WitnessStatus": "CREATING" if creating else "ACTIVE"}]
    if not group.strong:
        found["DisassociationProtectionEnabled"] = settings.protected
    return found


def _describe_member(reader: Reader, member: Member, tables: Mapping[str, TableRecord], warm: Callable[[TableRecord], Shape]) -> Shape:
    table = tables.get(member.region)
    status = member.status
    if status == "ACTIVE" and table is not None and table.status == "UPDATING":
        status = "UPDATING"
    found: Shape = {
        "RegionName": member.region,
        "ReplicaStatus": status,
        "GlobalTableSettingsReplicationMode": "ENABLED_WITH_OVERRIDES",
    }
    if table is not None:
        found["WarmThroughput"] = warm(table)
    arn = key_arn(reader, table) if table is not None else None
    if arn is not None:
        found["KMSMasterKeyId"] = arn
    if member.read_units is not None:
        found["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": member.read_units}
    if member.on_demand_read_max is not None:
        found["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": member.on_demand_read_max}
    if member.table_class and table is not None and table.table_class:
        found["ReplicaTableClassSummary"] = {"TableClass": table.table_class}
        if table.table_class_changed_at:
            found["ReplicaTableClassSummary"]["LastUpdateDateTime"] = table.table_class_changed_at
    indexes = []
    for name, own in member.indexes.items():
        if table is None or table.find_index(name) is None:
            continue  # It has been deleted since.
        one: Shape = {"IndexName": name}
        if own.read_units is not None:
            one["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": own.read_units}
        if own.on_demand_read_max is not None:
            one["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": own.on_demand_read_max}
        indexes.append(one)
    if indexes:
        found["GlobalSecondaryIndexes"] = indexes
    return found
