"""What may be asked for: bounds and quotas of provisioned units, of maximums on demand and of warm throughput.

(Developer Guide: "Quotas in Amazon DynamoDB", "DynamoDB maximum throughput for on-demand tables", "Understanding DynamoDB warm throughput".)
"""

from __future__ import annotations

from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import invalid, limit_exceeded
from haneul.services.dynamodb.tables import TABLE_SPACE, IndexRecord, TableRecord
from haneul.services.dynamodb.throughput.flows import TABLE_UNITS_MAX
from haneul.services.dynamodb.throughput.warm import WARM_READ_UNITS, WARM_WRITE_UNITS, warm_units
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader
from haneul.store.records import decode

Shape = dict[str, Any]

ACCOUNT_UNITS_MAX = 80_000
_SEE = "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
_INITIAL = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial"


def _title(holder: TableRecord | IndexRecord) -> str:
    return f"index {holder.name}" if isinstance(holder, IndexRecord) else "table"


# ---- provisioned units


def check_units(region: str, holder: TableRecord | IndexRecord, read: int, write: int) -> None:
    """LimitExceededException for more units than one table or index may have."""
    index = holder.name if isinstance(holder, IndexRecord) else None
    for name, units in (("ReadCapacityUnits", read), ("WriteCapacityUnits", write)):
        if units > TABLE_UNITS_MAX:
            what, kind = (f"{name} for index {index}", "index") if index is not None else (name, "table")
            raise limit_exceeded(
                f"The requested {what}, {units}, is above the per {kind} maximum for the account in {region}. Per table maximum: {TABLE_UNITS_MAX}. {_SEE}"
            )


def check_account(reader: Reader, record: TableRecord) -> None:
    """LimitExceededException when a table (as it shall be) and all the others together have more provisioned units than an account may have."""
    wanted = _units(record)
    if not any(wanted):
        return
    reserved = [0, 0]
    for _, value in reader.iterate(*prefix_range(pack((TABLE_SPACE, record.account, record.region)))):
        other = decode(value, TableRecord)
        if other.id != record.id:
            for at, units in enumerate(_units(other)):
                reserved[at] += units
    for name, units, others in zip(("ReadCapacityUnits", "WriteCapacityUnits"), wanted, reserved):
        if units + others > ACCOUNT_UNITS_MAX:
            raise limit_exceeded(
                f"This request would have caused the {name} limit to be exceeded for the account in {record.region}. "
                f"Current {name} reserved by the account: {others}. Limit: {ACCOUNT_UNITS_MAX}. Requested: {units}. {_SEE}"
            )


def _units(record: TableRecord) -> tuple[int, int]:
    """Read and write units provisioned for a table and its indexes, as they are or shall be."""
    if record.on_demand:
        return 0, 0
    all_of_them = [record.throughput, *(index.throughput for index in record.indexes if index.is_global and index.status != "DELETING")]
    return sum(one.wanted_read or one.read_units for one in all_of_them), sum(one.wanted_write or one.write_units for one in all_of_them)


# ---- on demand


def set_maximums(holder: TableRecord | IndexRecord, given: Shape, *, region: str, on_demand: bool, made: bool = False) -> None:
    """OnDemandThroughput of a table or index; -1 takes a maximum away. `made`: the table or index is being made, and has none that could be taken away."""
    maximums = given.get("OnDemandThroughput") or {}
    index = holder.name if isinstance(holder, IndexRecord) else None
    what = f"index : {index}" if index is not None else "table"
    for field, name, quota in (
        ("on_demand_read_max", "MaxReadRequestUnits", "TableMaxReadCapacityUnits"),
        ("on_demand_write_max", "MaxWriteRequestUnits", "TableMaxWriteCapacityUnits"),
    ):
        value = maximums.get(name)
        if value is None:
            continue
        if not on_demand:
            the_table = "table BillingMode is PROVISIONED." if made else "the table BillingMode is PROVISIONED"
            for_index = f" for index{'' if made else ' '}: {index}" if index is not None else ""
            raise invalid(f"{name} for OnDemandThroughput{for_index} cannot be specified when {the_table}")
        if value < 1 and (value != -1 or made):
            raise invalid(f"Requested {name} for OnDemandThroughput for {what} is outside of valid range")
        if value > TABLE_UNITS_MAX:
            raise limit_exceeded(f"Subscriber limit exceeded: Requested {name} for OnDemandThroughput for {what} exceeds {quota} of the account in region {region}")
        setattr(holder, field, None if value == -1 else value)


# ---- warm throughput


def set_warm(record: TableRecord, holder: TableRecord | IndexRecord, given: Shape, *, made: bool) -> bool:
    """WarmThroughput of a table or index: at once where it is being `made`, otherwise wanted until it is there. True when something was asked for."""
    wanted = given.get("WarmThroughput")
    if not wanted:
        return False
    current = warm_units(record, holder)
    initial = (WARM_READ_UNITS, WARM_WRITE_UNITS)
    asked = False
    for at, (name, quota, units) in enumerate(
        (
            ("ReadUnitsPerSecond", "TableMaxReadCapacityUnits", "ReadCapacityUnits"),
            ("WriteUnitsPerSecond", "TableMaxWriteCapacityUnits", "WriteCapacityUnits"),
        )
    ):
        value = wanted.get(name)
        if value is None:
            continue
        asked = True
        what = f"Requested {name} for WarmThroughput for {_title(holder)}"
        if made and record.on_demand and value < initial[at]:
            raise invalid(f"{what} is lower than initial throughput for OnDemand. See: {_INITIAL}")
        if made and value < current[at]:
            raise invalid(f"{what} is lower than {units} of ProvisionedThroughput")
        if value < current[at]:
            raise invalid(f"{what} is lower than current WarmThroughput, decreasing WarmThroughput is not supported")
        if value > TABLE_UNITS_MAX:
            raise limit_exceeded(f"Subscriber limit exceeded: {what} exceeds {quota} of the account in region {record.region}")
        if value == current[at] and not made:
            continue  # It is as warm as that.
        if at == 0:
            holder.warm_wanted_read = value
        else:
            holder.warm_wanted_write = value
    if made:
        settle_warm(holder)
    return asked


def settle_warm(holder: TableRecord | IndexRecord) -> None:
    """The warm throughput that was asked for is there."""
    holder.warm_read = max(holder.warm_read or 0, holder.warm_wanted_read) or None
    holder.warm_write = max(holder.warm_write or 0, holder.warm_wanted_write) or None
    holder.warm_wanted_read = holder.warm_wanted_write = 0


def too_many(message: str) -> ServiceError:
    """A quota of the account."""
    return limit_exceeded(f"Subscriber limit exceeded: {message}")
