"""Settings that are the same in all regions: a change of one replica is made at the others too.

(Developer Guide: "How DynamoDB global tables work", "Settings synchronization".)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haneul.services.dynamodb.delete_table import check_settled
from haneul.services.dynamodb.errors import invalid
from haneul.services.dynamodb.replication.delivery import stored_replica
from haneul.services.dynamodb.replication.records import IndexOverride, Member, read_group
from haneul.services.dynamodb.tables import IndexRecord, TableRecord
from haneul.store.port import Transaction

Shape = dict[str, Any]

# What each replica decides for itself.
_OWN = ("TableName", "DeletionProtectionEnabled", "StreamSpecification")


def other_replicas(tx: Transaction, record: TableRecord) -> Iterator[tuple[Member, TableRecord]]:
    """The replicas of a table in other regions."""
    settings = record.replication
    group = read_group(tx, record.account, settings.group) if settings is not None else None
    for member in group.others(record.region) if group is not None else ():
        table = stored_replica(tx, group, member.region) if group is not None else None
        if table is not None:
            yield member, table.record


def check_stream(record: TableRecord, wanted: Shape) -> None:
    """Eventually consistent replicas need their streams."""
    if record.replication is not None and not record.replication.strong and not wanted["StreamEnabled"]:
        raise invalid("Disabling Stream is not allowed for a Global Table replica.")


def changes_for_others(tx: Transaction, record: TableRecord, request: Shape) -> Iterator[tuple[TableRecord, Shape]]:
    """Of an UpdateTable of one replica, what the others have to change; a replica that is being changed refuses it.

    What a replica has of its own stays as it is.
    """
    shared = {name: value for name, value in request.items() if name not in _OWN}
    if not any(value not in (None, []) for value in shared.values()):
        return
    for member, other in other_replicas(tx, record):
        wanted = _for(member, other, shared)
        if wanted:
            if "SSESpecification" not in wanted or other.status != "UPDATING":
                check_settled(other)
            yield other, {"TableName": other.name, **wanted}


def _for(member: Member, other: TableRecord, shared: Shape) -> Shape:
    wanted = dict(shared)
    if "TableClass" in wanted and (member.table_class or wanted["TableClass"] == (other.table_class or "STANDARD")):
        del wanted["TableClass"]
    _own_read(wanted, other, IndexOverride(member.read_units, member.on_demand_read_max))
    updates = []
    for update in wanted.get("GlobalSecondaryIndexUpdates") or ():
        part = update.get("Update")
        if part is not None:
            index = other.find_index(part["IndexName"])
            part = dict(part)
            if index is not None:
                _own_read(part, index, member.indexes.get(index.name, IndexOverride()))
            if len(part) == 1:
                continue
            update = {"Update": part}
        updates.append(update)
    wanted.pop("GlobalSecondaryIndexUpdates", None)
    if updates:
        wanted["GlobalSecondaryIndexUpdates"] = updates
    if set(wanted) <= {"AttributeDefinitions"}:
        return {}
    return wanted


def _own_read(wanted: Shape, holder: TableRecord | IndexRecord, own: IndexOverride) -> None:
    """Leave a replica's own reading capacity alone, and say nothing of what is as wanted already."""
    throughput = wanted.get("ProvisionedThroughput")
    if throughput:
        if own.read_units is not None:
            throughput = {**throughput, "ReadCapacityUnits": own.read_units}
        same = (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (holder.throughput.read_units, holder.throughput.write_units)
        if same and not wanted.get("BillingMode"):
            del wanted["ProvisionedThroughput"]
        else:
            wanted["ProvisionedThroughput"] = throughput
    maximums = wanted.get("OnDemandThroughput")
    if maximums and own.on_demand_read_max is not None:
        wanted["OnDemandThroughput"] = {**maximums, "MaxReadRequestUnits": own.on_demand_read_max}
