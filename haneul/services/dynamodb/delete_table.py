"""DeleteTable."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.encryption import is_changing
from haneul.services.dynamodb.errors import still_in_use, table_not_found, validation
from haneul.services.dynamodb.history.backups import being_backed_up
from haneul.services.dynamodb.replication.membership import Membership
from haneul.services.dynamodb.resource_policies import is_policy_pending
from haneul.services.dynamodb.resource_tags import being_tagged
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.services.dynamodb.throughput.table_counts import check_operations
from haneul.store.port import Transaction
from haneul.store.records import decode

_PASSING = {"CREATING": "created", "DELETING": "deleted", "UPDATING": "updated"}


def check_settled(record: TableRecord) -> None:
    """ResourceInUseException while a table is in a passing state."""
    if record.status in _PASSING:
        raise still_in_use(f"Table is being {_PASSING[record.status]}: {record.name}")


def check_deletable(record: TableRecord) -> None:
    """ResourceInUseException while a table, its warm throughput, or an index of it is in a passing state."""
    if record.status not in ("ACTIVE", "UPDATING"):
        check_settled(record)
    if record.status == "UPDATING" and record.stream is not None and record.stream.changing:
        raise still_in_use("Cannot delete table while stream is being enabled/disabled.")
    if any(index.is_global and index.status != "ACTIVE" for index in record.indexes):
        raise still_in_use("Cannot delete table while indexes are being created, updated, or deleted.")
    if record.status == "UPDATING" or is_changing(record) or record.warm_wanted_read or record.warm_wanted_write:
        raise still_in_use(f"Table: {record.name} is in the process of being updated.")


@operation("dynamodb:DeleteTable", resource=table_arn)
async def delete_table(call: Call, request: Shape) -> Shape:
    """Delete a table with all its items and indexes. It is DELETING until it is gone; rows are removed afterwards, in the background.

    Raises ResourceInUseException while it is being made or changed, LimitExceededException while too many others are. (API Reference: "DeleteTable".)
    """
    service = call.service(DynamoDb)
    account, region, name = service.place(call, request["TableName"])

    def work(tx: Transaction) -> Shape:
        raw = tx.get(table_key(account, region, name))
        if raw is None:
            raise table_not_found(name)
        record = decode(raw, TableRecord)
        membership = Membership(service, call, tx, record)
        membership.check_deletable()
        check_deletable(record)
        if record.deletion_protection:
            raise validation("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
        if is_policy_pending(record, call.now):
            raise still_in_use(f"Table: {name} has a pending resource-based policy update.")
        if being_tagged(record, call.now):
            raise still_in_use(f"Table tags are being updated: {name}")
        if being_backed_up(tx, record):
            raise still_in_use(f"Table is being backed up: {name}")
        check_operations(tx, account, region)
        if record.replication is not None:
            membership.delete_local()
        else:
            record.status = "DELETING"
            lifecycle.end_stream(service, tx, record)
            lifecycle.plan(service, tx, lifecycle.DROP, record)
        lifecycle.write_record(tx, record)
        described = describe_table(tx, record)
        return {
            key: value
            for key, value in described.items()
            if key in ("TableName", "TableStatus", "ProvisionedThroughput", "TableSizeBytes", "ItemCount", "TableArn", "TableId", "DeletionProtectionEnabled")
            or key in ("BillingModeSummary", "TableClassSummary", "Replicas")
        }

    return {"TableDescription": await call.cloud.store.transact(work)}
