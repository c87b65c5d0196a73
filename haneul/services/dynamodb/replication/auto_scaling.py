"""DescribeTableReplicaAutoScaling and UpdateTableReplicaAutoScaling: Application Auto Scaling of all replicas at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.replication.records import GlobalTable, read_group
from haneul.services.dynamodb.replication.scaling import Scaled, global_indexes, scaling_is_there
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import TableRecord

_WRITES = "ProvisionedWriteCapacityAutoScaling"
_READS = "ProvisionedReadCapacityAutoScaling"


def _global_table(call: Call, request: Shape) -> tuple[GlobalTable, TableRecord]:
    """The global table that a request names, and its table here; ResourceNotFoundException for tables that are in one region only."""
    account, region, name = call.service(DynamoDb).place(call, request["TableName"])
    table = call.service(DynamoDb).stored_table(account, region, name)
    settings = table.record.replication if table is not None else None
    group = read_group(call.cloud.store, account, settings.group) if settings is not None else None
    if table is None or group is None:
        raise ServiceError("ResourceNotFoundException", f"Global table with name: '{name}' does not exist.", 400)
    if not scaling_is_there(call):
        raise NotBuilt("automatic scaling in a cloud without application-autoscaling")
    return group, table.record


@operation("dynamodb:DescribeTableReplicaAutoScaling", resource=table_arn)
async def describe_table_replica_auto_scaling(call: Call, request: Shape) -> Shape:
    """How the capacity of every replica scales. (API Reference: "DescribeTableReplicaAutoScaling".)"""
    return {"TableAutoScalingDescription": await _describe(call, *_global_table(call, request))}


@operation("dynamodb:UpdateTableReplicaAutoScaling", resource=table_arn, partial="AutoScalingRoleArn")
async def update_table_replica_auto_scaling(call: Call, request: Shape) -> Shape:
    """Change how write capacity scales in all regions, and read capacity in each. (API Reference: "UpdateTableReplicaAutoScaling".)"""
    group, record = _global_table(call, request)
    changes = list(_changes(call, group, record, request))
    if not changes:
        raise _refused(group, "because at least one update parameter must be specified", colon=False)
    for _, name, wanted in changes:
        _check(group, record, name, wanted)
    for scaled, _, wanted in changes:
        await scaled.update(wanted)
    return {"TableAutoScalingDescription": await _describe(call, group, record)}


def _changes(call: Call, group: GlobalTable, record: TableRecord, request: Shape) -> Iterator[tuple[Scaled, str, Shape]]:
    """What is to be changed: where, by which parameter, and how."""
    regions = [member.region for member in group.members]
    known = set(global_indexes(record))

    def index_of(update: Shape) -> str:
        name = update.get("IndexName", "")
        if name not in known:
            raise validation(f"The table does not have the specified index: {name}")
        return str(name)

    table = request.get(f"{_WRITES}Update")
    for region in regions if table else ():
        yield Scaled(call, region, record.name, "Write"), f"{_WRITES}Update", table or {}
    for update in request.get("GlobalSecondaryIndexUpdates", ()):
        wanted = update.get(f"{_WRITES}Update")
        for region in regions if wanted else ():
            yield Scaled(call, region, record.name, "Write", index_of(update)), f"{_WRITES}Update", wanted
    for replica in request.get("ReplicaUpdates", ()):
        region = replica["RegionName"]
        if region not in regions:
            raise ServiceError("ResourceNotFoundException", f"The global table '{record.name}' does not have a replica in region '{region}'.", 400)
        wanted = replica.get(f"Replica{_READS}Update")
        if wanted:
            yield Scaled(call, region, record.name, "Read"), f"Replica{_READS}Update", wanted
        for update in replica.get("ReplicaGlobalSecondaryIndexUpdates", ()):
            if update.get(f"{_READS}Update"):
                yield Scaled(call, region, record.name, "Read", index_of(update)), f"{_READS}Update", update[f"{_READS}Update"]


def _check(group: GlobalTable, record: TableRecord, name: str, wanted: Shape) -> None:
    if wanted.get("AutoScalingDisabled"):
        if set(wanted) != {"AutoScalingDisabled"}:
            raise _refused(group, f"Parameters '{', '.join(sorted(set(wanted) - {'AutoScalingDisabled'}))}' must be left blank when disabling auto scaling.")
        return
    if record.on_demand:
        regions = ", ".join(f"'{member.region}'" for member in group.members)
        raise validation(
            f"Failed to update global table with name \u2018{group.name}\u2018. Replicas {regions} BillingMode is PayPerRequest. "
            f"You must convert table's BillingMode to PROVISIONED to set parameters: '{name}'."
        )
    missing = [part for part in ("MinimumUnits", "MaximumUnits") if part not in wanted]
    if missing:
        raise _refused(group, f"Parameters '{', '.join(missing)}' are required unless auto scaling is being disabled.")


def _refused(group: GlobalTable, why: str, *, colon: bool = True) -> ServiceError:
    return validation(f"Failed to update settings for global table with name: \u2018{group.name}\u2019{':' if colon else ''} {why}")


async def _describe(call: Call, group: GlobalTable, record: TableRecord) -> dict[str, Any]:
    replicas = []
    for member in group.members:
        one: Shape = {"RegionName": member.region, "ReplicaStatus": member.status}
        if not record.on_demand:
            for kind, name in (("Read", _READS), ("Write", _WRITES)):
                one[f"Replica{name}Settings"] = await Scaled(call, member.region, record.name, kind).describe()
        one["GlobalSecondaryIndexes"] = [await _describe_index(call, member.region, record, name) for name in global_indexes(record)]
        replicas.append(one)
    return {"TableName": record.name, "TableStatus": record.status, "Replicas": replicas}


async def _describe_index(call: Call, region: str, record: TableRecord, name: str) -> Shape:
    index = record.find_index(name)
    one: Shape = {"IndexName": name, "IndexStatus": index.status if index is not None else "ACTIVE"}
    if not record.on_demand:
        for kind, title in (("Read", _READS), ("Write", _WRITES)):
            one[f"{title}Settings"] = await Scaled(call, region, record.name, kind, name).describe()
    return one
