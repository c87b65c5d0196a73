"""UpdateTimeToLive and DescribeTimeToLive."""

from __future__ import annotations

from haneul.clock import HOUR
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import in_use, still_in_use, table_not_found, validation
from haneul.services.dynamodb.replication.admission import check_nobody_comes, is_being_added
from haneul.services.dynamodb.replication.settings import other_replicas
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord, find_record
from haneul.services.dynamodb.throughput.table_counts import check_operations
from haneul.store.port import Transaction

# After a change the service takes no other one for this long.
CHANGE_PAUSE = HOUR


@operation("dynamodb:UpdateTimeToLive", resource=table_arn)
async def update_time_to_live(call: Call, request: Shape) -> Shape:
    """Switch expiry of items by an attribute on or off; items that are there already are taken in by and by. (API Reference: "UpdateTimeToLive".)"""
    service = call.service(DynamoDb)
    wanted = request["TimeToLiveSpecification"]
    account, region, name = service.place(call, request["TableName"])
    attribute, enabled = wanted["AttributeName"], wanted["Enabled"]

    def work(tx: Transaction) -> None:
        record = find_record(tx, account, region, name)
        if record is None:
            raise table_not_found(name)
        check_nobody_comes(tx, record)
        if record.status == "CREATING":
            raise still_in_use(f"Table {name} is being created")
        if record.status == "DELETING" and record.replication is not None:
            raise in_use("The resource which you are attempting to change is in use.")
        if record.replication is not None and record.replication.strong:
            raise validation("Time to live is not supported on global tables with multi-Region strong consistency")
        if enabled and record.expiry_status in ("ENABLED", "ENABLING"):
            if attribute != record.expiry_attribute:
                raise validation("TimeToLive is active on a different AttributeName: current AttributeName is " + record.expiry_attribute)
            raise validation("TimeToLive is already enabled")
        if not enabled and record.expiry_status in ("DISABLED", "DISABLING"):
            raise validation("TimeToLive is already disabled")
        if not enabled and attribute != record.expiry_attribute:
            raise validation("TimeToLive is active on a different AttributeName: current AttributeName is " + record.expiry_attribute)
        if record.expiry_changed_at and call.now < record.expiry_changed_at + CHANGE_PAUSE:
            raise validation("Time to live has been modified multiple times within a fixed interval")
        check_operations(tx, account, region)
        others = [other for _, other in other_replicas(tx, record)]
        for other in others:  # It is switched in all regions, so that permission is needed in all of them.
            call.authorize("dynamodb:UpdateTimeToLive", other.arn)
        for one in (record, *others):
            _switch(service, call, tx, one, attribute, enabled=enabled)

    await call.cloud.store.transact(work)
    return {"TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}}


def _switch(service: DynamoDb, call: Call, tx: Transaction, record: TableRecord, attribute: str, *, enabled: bool) -> None:
    """Begin to switch one table's expiry."""
    if enabled:
        record.expiry_changed_at = call.now
        record.expiry_attribute, record.expiry_status = attribute, "ENABLING"
        lifecycle.plan(service, tx, lifecycle.EXPIRY_ON, record)
    else:
        record.expiry_status = "DISABLING"
        lifecycle.plan(service, tx, lifecycle.EXPIRY_OFF, record, prefix=Table(record).expiry_prefix)
        record.expiry_changed_at = call.now
    lifecycle.write_record(tx, record)


@operation("dynamodb:DescribeTimeToLive", resource=table_arn)
async def describe_time_to_live(call: Call, request: Shape) -> Shape:
    """Whether and by which attribute items expire. (API Reference: "DescribeTimeToLive".)"""
    service = call.service(DynamoDb)
    account, region, name = service.place(call, request["TableName"])
    table = service.stored_table(account, region, name)
    if table is None or is_being_added(table.record) or table.record.being_restored:
        raise table_not_found(name)
    record = table.record
    if record.status in ("CREATING", "DELETING"):
        raise validation(f"Cannot describe time to live while table is in {record.status} state: Current table state is {record.status}")
    found: Shape = {"TimeToLiveStatus": record.expiry_status}
    if record.expiry_attribute:
        found["AttributeName"] = record.expiry_attribute
    return {"TimeToLiveDescription": found}
