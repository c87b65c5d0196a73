"""What UpdateTable admits while a table is being changed: that depends on the change under way and on the one that is asked for.

A table is UPDATING while its capacity or mode, its stream, or its class changes. Each of these refuses the others and itself in words of its own; deletion
protection and warm throughput can be changed all the time.
"""

from __future__ import annotations

from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.delete_table import check_settled
from haneul.services.dynamodb.errors import invalid, still_in_use
from haneul.services.dynamodb.tables import TableRecord
from haneul.services.dynamodb.throughput.combinations import changes_of

Shape = dict[str, Any]



def check_admitted(record: TableRecord, request: Shape) -> None:
    """ResourceInUseException for what an UpdateTable may not change while the table is in its present state."""
    if record.status != "UPDATING" or record.replication is not None:
        check_settled(record)
        return
    given = changes_of(request)
    if given == {"DeletionProtectionEnabled"} or says_on_demand_again(record, request):
        return
    if given == {"GlobalSecondaryIndexUpdates"} and not any(update.get("Create") or update.get("Delete") for update in request["GlobalSecondaryIndexUpdates"]):
        check_settled(record)
    if given == {"OnDemandThroughput"}:
        _check_mode(record, request["OnDemandThroughput"])
    for under_way, refused in ((_units_change(record), _refused_by_units), (_stream_changes(record), _refused_by_stream), (record.class_wanted, _refused_by_class)):
        if under_way and given != {"WarmThroughput"}:
            raise refused(record, given)
        if under_way:
            return
    check_settled(record)


def says_on_demand_again(record: TableRecord, request: Shape) -> bool:
    """Whether a request says no more than the mode on demand, for a table that has it, or is just about to leave it: that is answered, and changes nothing."""
    if changes_of(request) != {"BillingMode"} or request["BillingMode"] != "PAY_PER_REQUEST":
        return False
    return record.on_demand != record.switching


def _units_change(record: TableRecord) -> bool:
    return record.switching or bool(record.throughput.wanted_read or record.throughput.wanted_write)


def _stream_changes(record: TableRecord) -> bool:
    return record.stream is not None and record.stream.changing


def _check_mode(record: TableRecord, wanted: Shape) -> None:
    """The mode that counts is the one that the table had before the change of it."""
    if record.on_demand == record.switching:
        name = next((name for name in ("MaxReadRequestUnits", "MaxWriteRequestUnits") if name in wanted), "")
        if name:
            raise invalid(f"{name} for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED")


def _refused_by_units(record: TableRecord, given: set[str]) -> ServiceError:
    table = f"Table: {record.name}"
    if "BillingMode" in given or "ProvisionedThroughput" in given:
        return still_in_use(f"Table IOPS are currently being updated. {table}")
    if "OnDemandThroughput" in given:
        return still_in_use("OnDemandThroughput cannot be updated while BillingMode update is in progress")
    if "StreamSpecification" in given:
        return still_in_use(f"Can't enable or disable stream while table IOPS are being updated. {table}")
    if "TableClass" in given:
        return still_in_use(f"Can't update table class while table IOPS are being updated. {table}")
    return still_in_use(f"Can't create or delete indexes while table IOPS are being updated. {table}")


def _refused_by_stream(record: TableRecord, given: set[str]) -> ServiceError:
    assert record.stream is not None
    place = f"Table: {record.name} Stream: {record.stream.label} Operation: {'ENABLE' if record.stream.enabled else 'DISABLE'}"
    if "StreamSpecification" in given:
        return still_in_use(f"A stream status change is currently in progress. {place}")
    if "OnDemandThroughput" in given:
        return still_in_use("OnDemandThroughput cannot be updated while stream status update is in progress")
    return still_in_use(f"Can't {_what(given)} when stream status is being updated. {place}")


def _refused_by_class(record: TableRecord, given: set[str]) -> ServiceError:
    wanted = f"TableClassUpdateInProgress: {record.class_wanted}"
    if "OnDemandThroughput" in given:
        return still_in_use(f"OnDemandThroughput cannot be updated while TableClass update is in progress. {wanted}")
    what = "change stream status" if "StreamSpecification" in given else _what(given)
    return still_in_use(f"Can't {what} when a table class update is in progress. Table: {record.name} {wanted}")


def _what(given: set[str]) -> str:
    if "BillingMode" in given or "ProvisionedThroughput" in given:
        return "change table IOPS"
    return "update table class" if "TableClass" in given else "create or delete an index"
