"""What DescribeTable says of a global table (API Reference: "ReplicaDescription"): the replicas in the other regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haneul.services.dynamodb.encryption import key_arn
from haneul.services.dynamodb.replication.records import VERSION, Member, read_group
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, table_key
from haneul.store.port import Reader
from haneul.store.records import decode

Shape = dict[str, Any]


def describe_replication(reader: Reader, record: TableRecord, warm: Callable[[TableRecord, TableRecord | IndexRecord], Shape]) -> Shape:
    """The members of a TableDescription that only global tables have; `warm` describes the warm throughput of a replica's table, or of an index of it."""
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
        "Replicas": [_describe_member(reader, member, record, tables.get(member.region), warm) for member in group.members if member.region != record.region],
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


def _describe_member(
    reader: Reader, member: Member, record: TableRecord, table: TableRecord | None, warm: Callable[[TableRecord, TableRecord | IndexRecord], Shape]
) -> Shape:
    """A replica as it looks from another one, `record`: what it reads with is shown where it differs. That its table is UPDATING does not show.

    One that goes looks ACTIVE until the others have settled.
    """
    found: Shape = {
        "RegionName": member.region,
        "ReplicaStatus": "ACTIVE" if member.leaving and record.status == "UPDATING" else member.status,
        "GlobalTableSettingsReplicationMode": "ENABLED_WITH_OVERRIDES",
    }
    if table is None:
        return found
    found["WarmThroughput"] = warm(table, table)
    arn = key_arn(reader, table)
    if arn is not None:
        found["KMSMasterKeyId"] = arn
    found.update(_overrides(record, table))
    if table.table_class:
        found["ReplicaTableClassSummary"] = {"TableClass": table.table_class}
        if table.table_class_changed_at:
            found["ReplicaTableClassSummary"]["LastUpdateDateTime"] = table.table_class_changed_at
    indexes = []
    for index in table.indexes:
        if index.is_global:
            here = record.find_index(index.name)
            own = _overrides(here, index) if here is not None else {}
            indexes.append({"IndexName": index.name, **own, "WarmThroughput": warm(table, index)})
    if indexes:
        found["GlobalSecondaryIndexes"] = indexes
    return found


def _overrides(here: TableRecord | IndexRecord, there: TableRecord | IndexRecord) -> Shape:
    found: Shape = {}
    if _read_units(there) != _read_units(here):
        found["ProvisionedThroughputOverride"] = {"ReadCapacityUnits": _read_units(there)}
    if there.on_demand_read_max != here.on_demand_read_max:
        found["OnDemandThroughputOverride"] = {"MaxReadRequestUnits": -1 if there.on_demand_read_max is None else there.on_demand_read_max}
    return found


def _read_units(holder: TableRecord | IndexRecord) -> int:
    """What a table or index reads with, or will when its update is done."""
    return holder.throughput.wanted_read or holder.throughput.read_units
