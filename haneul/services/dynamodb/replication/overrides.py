"""What a replica may have of its own: capacity to read with, and the table class. Everything else is the same in all regions."""

from __future__ import annotations

from typing import Any

from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.replication.records import IndexOverride, Member
from haneul.services.dynamodb.tables import IndexRecord, TableRecord

Shape = dict[str, Any]


def set_overrides(member: Member, part: Shape, table: TableRecord, *, new: bool) -> None:
    """Take over what a request says of a replica of `table`, or of a new one made from it (which may bring provisioned capacity that an on-demand
    table does not use)."""
    read = _read_units(part, table, new=new)
    if read is not None:
        member.read_units = read
    maximum = _read_maximum(part, table)
    if maximum is not None:
        member.on_demand_read_max = maximum
    for one in part.get("GlobalSecondaryIndexes") or ():
        index = table.find_index(one["IndexName"])
        if index is None or not index.is_global:
            continue  # The real service takes the names of indexes that are not there.
        own = member.indexes.get(index.name, IndexOverride())
        read, maximum = _read_units(one, table, new=new), _read_maximum(one, table, index.name)
        own.read_units = own.read_units if read is None else read
        own.on_demand_read_max = own.on_demand_read_max if maximum is None else maximum
        member.indexes = {**member.indexes, index.name: own}


def _read_units(part: Shape, table: TableRecord, *, new: bool) -> int | None:
    units: int | None = (part.get("ProvisionedThroughputOverride") or {}).get("ReadCapacityUnits")
    if units is None or not table.on_demand:
        return units
    if not new:
        raise validation("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
    return None


def _read_maximum(part: Shape, table: TableRecord, index: str = "") -> int | None:
    units: int | None = (part.get("OnDemandThroughputOverride") or {}).get("MaxReadRequestUnits")
    if units is None:
        return None
    if not table.on_demand:
        for_index = f" for index : {index}" if index else ""
        raise validation(f"MaxReadRequestUnits for OnDemandThroughput{for_index} cannot be specified when the table BillingMode is PROVISIONED")
    if units != -1 and units < 1:
        raise invalid(f"Requested MaxReadRequestUnits for OnDemandThroughput for {f'index : {index}' if index else 'table'} is outside of valid range")
    return units


def apply_overrides(record: TableRecord, member: Member, base: TableRecord) -> None:
    """Give a replica's table what it has of its own. What is as in the table `base`, where that was asked for, is no override any more."""
    holders: list[tuple[TableRecord | IndexRecord | None, int | None, int | None]] = [(record, member.read_units, member.on_demand_read_max)]
    holders += [(record.find_index(name), own.read_units, own.on_demand_read_max) for name, own in member.indexes.items()]
    for holder, read, maximum in holders:
        if holder is None:
            continue
        if read is not None and not record.on_demand:
            holder.throughput.read_units = read
        if maximum is not None and record.on_demand:
            holder.on_demand_read_max = None if maximum == -1 else maximum
    drop_overrides(member, record, base)


def drop_overrides(member: Member, record: TableRecord, base: TableRecord) -> None:
    """Forget the overrides of a replica that say what holds in another region anyway."""
    if record.throughput.read_units == base.throughput.read_units:
        member.read_units = None
    if record.on_demand_read_max == base.on_demand_read_max:
        member.on_demand_read_max = None
    kept: dict[str, IndexOverride] = {}
    for name, own in member.indexes.items():
        index, other = record.find_index(name), base.find_index(name)
        if index is None or other is None:
            continue
        read = own.read_units if index.throughput.read_units != other.throughput.read_units else None
        maximum = own.on_demand_read_max if index.on_demand_read_max != other.on_demand_read_max else None
        if read is not None or maximum is not None:
            kept[name] = IndexOverride(read, maximum)
    member.indexes = kept
