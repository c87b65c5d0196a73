"""UpdateTable when it is about replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.core.call import Call
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.delete_table import check_settled
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.errors import table_not_found, validation
from haneul.services.dynamodb.replication.membership import Membership
from haneul.services.dynamodb.replication.requests import ReplicaChanges, authorize, replica_changes
from haneul.services.dynamodb.replication.scaling import scale_alike, unscaled
from haneul.services.dynamodb.tables import find_record
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

Shape = dict[str, Any]


async def update_replicas(call: Call, service: DynamoDb, request: Shape) -> Shape:
    """Add, change or remove replicas. A table that gets one is UPDATING until the new replica holds what it holds; requests are served all the time.

    Raises ValidationException for what the global table does not allow, ResourceInUseException while an earlier change is under way.
    """
    account, region, name = service.place(call, request["TableName"])
    changes = replica_changes(call, request)
    authorize(call, name, changes)
    table = service.stored_table(account, region, name)
    provisioned = table.record if table is not None and changes.create and not table.record.on_demand else None
    lacking = await unscaled(call, provisioned) if provisioned is not None else "Table"

    def work(tx: Transaction) -> Shape:
        record = find_record(tx, account, region, name)
        if record is None:
            raise table_not_found(name)
        membership = Membership(service, call, tx, record)
        membership.check(changes)
        check_settled(record)
        if changes.create and not record.on_demand and lacking:
            raise validation(f"{lacking} write capacity should either be Pay-Per-Request or AutoScaled.")
        before = describe_table(tx, record)
        membership.apply(changes)
        lifecycle.write_record(tx, record)
        return _answer(changes, before, describe_table(tx, record))

    described = await call.cloud.store.transact(work)
    for part in changes.create if provisioned is not None else ():
        assert provisioned is not None
        await scale_alike(call, provisioned, part["RegionName"])
    return {"TableDescription": described}


def _answer(changes: ReplicaChanges, before: Shape, after: Shape) -> Shape:
    """What UpdateTable shows: a table that is UPDATING, whose replicas and witness are as they were. New ones are not there yet, and what is changed or removed is."""
    if changes.protected is not None:
        return after
    if not changes.create:
        return {**before, "TableStatus": after["TableStatus"]}
    shown = {name: value for name, value in after.items() if name != "GlobalTableWitnesses"}
    shown["Replicas"] = before.get("Replicas", [])
    return shown
