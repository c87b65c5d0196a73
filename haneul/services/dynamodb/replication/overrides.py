"""What a replica may have of its own: capacity to read with, and the table class. Everything else is the same in all regions."""

from __future__ import annotations

from typing import Any

from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.replication.records import IndexOverride, Member
from haneul.services.dynamodb.tables import IndexRecord, TableRecord

Shape = dict[str, Any]


def set_overrides(member: Member, part: Shape, table: TableRecord) -> bool:
    """Take over what a request says of a replica (of `table`, or made from it); whether it says anything."""
    said = False
    read = _read_units(part, table)
    if read is not None:
        member.read_units, said = read, True
    maximum = _read_maximum(part, table)
    if maximum is not None:
        member.on_demand_read_max, said = maximum, True
    if part.get("TableClassOverride") is not None:
        member.table_class, said = part["TableClassOverride"], True
    for one in part.get("GlobalSecondaryIndexes") or ():
        index = table.find_index(one["IndexName"])
        if index is None or not index.is_global:
            raise validation(f"The table does not have the specified index: {one['IndexName']}")
        own = member.indexes.get(index.name, IndexOverride())
        read, maximum = _read_units(one, table), _read_maximum(one, table)
        own.read_units = own.read_units if read is None else read
        own.on_demand_read_max = own.on_demand_read_max if maximum is None else maximum
        member.indexes = {**member.indexes, index.name: own}
        said = said or read is not None or maximum is not None
    return said


def _read_units(part: Shape, table: TableRecord) -> int | None:
    units: int | None = (part.get("ProvisionedThroughputOverride") or {}).get("ReadCapacityUnits")
    if units is not None and table.on_demand:
        raise invalid("ProvisionedThroughputOverride cannot be specified when BillingMode is PAY_PER_REQUEST")
    return units


def _read_maximum(part: Shape, table: TableRecord) -> int | None:
    units: int | None = (part.get("OnDemandThroughputOverride") or {}).get("MaxReadRequestUnits")
    if units is None:
        return None
    if not table.on_demand:
        raise invalid("OnDemandThroughputOverride cannot be specified when BillingMode is PROVISIONED")
    if units != -1 and units < 1:
        raise invalid("MaxReadRequestUnits must be at least 1, or -1 to remove the maximum")
    return units


def apply_overrides(record: TableRecord, member: Member) -> None:
    """Give a replica's table what it has of its own."""
    if member.table_class and member.table_class != (record.table_class or "STANDARD"):
        record.table_class = member.table_class
    holders: list[tuple[TableRecord | IndexRecord | None, int | None, int | None]] = [(record, member.read_units, member.on_demand_read_max)]
    holders += [(record.find_index(name), own.read_units, own.on_demand_read_max) for name, own in member.indexes.items()]
    for holder, read, maximum in holders:
        if holder is None:
            continue
        if read is not None and not record.on_demand:
            holder.throughput.read_units = read
        if maximum is not None and record.on_demand:
            holder.on_demand_read_max = None if maximum == -1 else maximum
