"""Settings that are the same in all regions: a change of one replica is made at the others too.

(Developer Guide: "How DynamoDB global tables work", "Settings synchronization".)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haneul.core.call import Call
from haneul.services.dynamodb.errors import invalid
from haneul.services.dynamodb.replication.admission import busy, group_of
from haneul.services.dynamodb.replication.delivery import stored_replica
from haneul.services.dynamodb.replication.records import IndexOverride, Member, group_key
from haneul.services.dynamodb.tables import IndexRecord, TableRecord
from haneul.store.port import Transaction
from haneul.store.records import encode

Shape = dict[str, Any]

# What each replica decides for itself.
_OWN = ("TableName", "DeletionProtectionEnabled", "StreamSpecification")
# The session in which Application Auto Scaling changes capacity.
_SCALING = "AutoScaling-UpdateCapacity"


def other_replicas(tx: Transaction, record: TableRecord) -> Iterator[tuple[Member, TableRecord]]:
    """The replicas of a table in other regions."""
    group = group_of(tx, record)
    for member in group.others(record.region) if group is not None else ():
        table = stored_replica(tx, group, member.region) if group is not None else None
        if table is not None:
            yield member, table.record


def check_stream(record: TableRecord, wanted: Shape) -> None:
    """Eventually consistent replicas need their streams."""
    if record.replication is not None and not record.replication.strong and not wanted["StreamEnabled"]:
        raise invalid("Disabling Stream is not allowed for a Global Table replica.")


def scales(call: Call) -> bool:
    """Whether Application Auto Scaling calls: what it reads with in one region, the others do not follow."""
    return call.http is None and call.caller.kind == "role" and call.caller.session_name == _SCALING


def changes_for_others(tx: Transaction, record: TableRecord, request: Shape, *, scaling: bool) -> list[tuple[TableRecord, Shape]]:
    """Of an UpdateTable of one replica, what the others have to change; a replica that is being changed refuses it.

    What a replica has of its own stays as it is; with `scaling` all keep what they read with as their own. A replica that asks for something else for
    all of them has it no more for itself.
    """
    shared = {name: value for name, value in request.items() if name not in _OWN}
    group = group_of(tx, record)
    if group is None or not any(value not in (None, []) for value in shared.values()):
        return []
    mine = group.member(record.region)
    found: list[tuple[TableRecord, Shape]] = []
    for member in group.others(record.region):
        table = stored_replica(tx, group, member.region)
        if table is None:
            continue
        if scaling:
            _pin(member, table.record, shared)
        wanted = _for(member, table.record, shared)
        if wanted:
            if table.record.status != "ACTIVE" and ("SSESpecification" not in wanted or table.record.status != "UPDATING"):
                raise busy()
            found.append((table.record, {"TableName": table.record.name, **wanted}))
    if mine is not None and not scaling:
        _share(mine, record, shared)
    tx.put(group_key(group.account, group.id), encode(group))
    return found


def _parts(record: TableRecord, shared: Shape) -> Iterator[tuple[str, TableRecord | IndexRecord, Shape]]:
    """The parts of a change that are about the throughput of a table (no name) or of its indexes."""
    yield "", record, shared
    for update in shared.get("GlobalSecondaryIndexUpdates") or ():
        part = update.get("Update")
        index = record.find_index(part["IndexName"]) if part is not None else None
        if index is not None:
            yield index.name, index, part


def _pin(member: Member, other: TableRecord, shared: Shape) -> None:
    """A replica keeps the units that it reads with."""
    for name, holder, part in _parts(other, shared):
        if not part.get("ProvisionedThroughput"):
            continue
        units = holder.throughput.read_units
        if not name:
            member.read_units = units
        else:
            own = member.indexes.get(name, IndexOverride())
            member.indexes = {**member.indexes, name: IndexOverride(units, own.on_demand_read_max)}


def _share(mine: Member, record: TableRecord, shared: Shape) -> None:
    """What a replica asks for, for itself and all others, is not its own."""
    for name, _, part in _parts(record, shared):
        holder = mine if not name else mine.indexes.get(name)
        if holder is None:
            continue
        if part.get("ProvisionedThroughput"):
            holder.read_units = None
        if (part.get("OnDemandThroughput") or {}).get("MaxReadRequestUnits") is not None:
            holder.on_demand_read_max = None


def _for(member: Member, other: TableRecord, shared: Shape) -> Shape:
    wanted = dict(shared)
    if "TableClass" in wanted and wanted["TableClass"] == (other.table_class or "STANDARD"):
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
