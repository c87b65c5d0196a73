"""DescribeTableReplicaAutoScaling and UpdateTableReplicaAutoScaling: Application Auto Scaling of all replicas at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.replication.records import GlobalTable, Member, read_group
from haneul.services.dynamodb.replication.scaling import Scaled, ready_indexes, scaling_is_there
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import TableRecord

_WRITES = "ProvisionedWriteCapacityAutoScaling"
_READS = "ProvisionedReadCapacityAutoScaling"
# What settings that do not disable scaling must have, as messages list it.
_PARTS = ("MaximumUnits", "ScalingPolicyUpdate", "MinimumUnits")


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


@operation("dynamodb:UpdateTableReplicaAutoScaling", resource=table_arn)
async def update_table_replica_auto_scaling(call: Call, request: Shape) -> Shape:
    """Change how write capacity scales in all regions, and read capacity in each. The answer shows the settings of before.

    Raises ValidationException for settings that are not whole, ResourceNotFoundException for regions and indexes that there are not (yet).
    (API Reference: "UpdateTableReplicaAutoScaling".)
    """
    group, record = _global_table(call, request)
    _check_regions(group, request)
    changes = list(_changes(call, group, record, request))
    if not changes:
        raise _refused(group, " because at least one update parameter must be specified.")
    for _, name, wanted in changes:
        _check(group, record, name, wanted)
    before = await _describe(call, group, record)
    for scaled, _, wanted in changes:
        await scaled.update(wanted)
    return {"TableAutoScalingDescription": before}


def _check_regions(group: GlobalTable, request: Shape) -> None:
    """Every region of a replica is named once, and something is said of it."""
    updates = request.get("ReplicaUpdates", ())
    named = [replica["RegionName"] for replica in updates]
    twice = sorted({region for region in named if named.count(region) > 1})
    if twice:
        raise _refused(group, f" because the regions: \u2018[{', '.join(twice)}]\u2019 were specified more than once.")
    for replica in updates:
        region = replica["RegionName"]
        if group.member(region) is None:
            raise ServiceError("ResourceNotFoundException", f"The global table '{group.name}' does not have a replica in region '{region}'.", 400)
        if replica.keys() == {"RegionName"}:
            raise _refused(group, f" because at least one update parameter must be specified for region: \u2018{region}\u2019.")


def _changes(call: Call, group: GlobalTable, record: TableRecord, request: Shape) -> Iterator[tuple[Scaled, str, Shape]]:
    """What is to be changed: where, by which parameter, and how."""
    regions = [member.region for member in group.members]
    known = ready_indexes(record)
    wanted: Shape | None = request.get(f"{_WRITES}Update")
    if wanted is not None:
        for region in regions:
            yield Scaled(call, region, record.name, "Write"), f"{_WRITES}SettingsUpdate", wanted
    updates = request.get("GlobalSecondaryIndexUpdates", ())
    missing = [name for update in updates if (name := update.get("IndexName", "")) not in known]
    if missing:
        why = f" because the global secondary indexes with names: \u2018[{', '.join(missing)}]\u2019 do not exist."
        raise _refused(group, why, code="ResourceNotFoundException")
    for update in updates:
        wanted = update.get(f"{_WRITES}Update")
        if wanted is not None:
            for region in regions:
                yield Scaled(call, region, record.name, "Write", update["IndexName"]), f"{_WRITES}SettingsUpdate", wanted
    for replica in request.get("ReplicaUpdates", ()):
        region = replica["RegionName"]
        wanted = replica.get(f"Replica{_READS}Update")
        if wanted is not None:
            yield Scaled(call, region, record.name, "Read"), f"Replica{_READS}SettingsUpdate", wanted
        for update in replica.get("ReplicaGlobalSecondaryIndexUpdates", ()):
            name = update.get("IndexName", "")
            if name not in known:
                why = f" because a global secondary index with name: \u2018{name}\u2019 does not exist in region: \u2018{region}\u2019."
                raise _refused(group, why, code="ResourceNotFoundException")
            wanted = update.get(f"{_READS}Update")
            if wanted is not None:
                yield Scaled(call, region, record.name, "Read", name), f"{_READS}SettingsUpdate", wanted


def _check(group: GlobalTable, record: TableRecord, name: str, wanted: Shape) -> None:
    """Settings are given whole, or not at all when scaling is disabled."""
    if wanted.get("AutoScalingDisabled"):
        given = ", ".join(f"'{part}'" for part in (*_PARTS, "AutoScalingRoleArn") if part in wanted)
        if given:
            # Unlike the other messages this one has no colon before the name.
            raise validation(
                f"Failed to update settings for global table with name \u2018{group.name}\u2019: Parameters {given} must be left blank when disabling auto scaling."
            )
        return
    if record.on_demand:
        regions = ", ".join(f"'{member.region.upper()}'" for member in _in_order(group))
        raise validation(
            f"Failed to update global table with name \u2018{group.name}\u2018. Replicas {regions} BillingMode is PayPerRequest. "
            f"You must convert table's BillingMode to PROVISIONED to set parameters: '{name}'."
        )
    missing = ", ".join(f"'{part}'" for part in _PARTS if part not in wanted)
    if missing:
        raise _refused(group, f": Parameters {missing} are required unless auto scaling is being disabled.")


def _refused(group: GlobalTable, why: str, *, code: str = "ValidationException") -> ServiceError:
    return ServiceError(code, f"Failed to update settings for global table with name: \u2018{group.name}\u2019{why}", 400)


def _in_order(group: GlobalTable) -> list[Member]:
    """The replicas by the names of their regions, wherever they are asked for."""
    return sorted(group.members, key=lambda member: member.region)


async def _describe(call: Call, group: GlobalTable, record: TableRecord) -> dict[str, Any]:
    replicas = []
    for member in _in_order(group):
        one: Shape = {"RegionName": member.region, "ReplicaStatus": member.status}
        for kind, name in (("Read", _READS), ("Write", _WRITES)):
            one[f"Replica{name}Settings"] = await Scaled(call, member.region, record.name, kind).describe(on_demand=record.on_demand)
        one["GlobalSecondaryIndexes"] = [await _describe_index(call, member.region, record, name) for name in ready_indexes(record)]
        replicas.append(one)
    return {"TableName": record.name, "TableStatus": record.status, "Replicas": replicas}


async def _describe_index(call: Call, region: str, record: TableRecord, name: str) -> Shape:
    index = record.find_index(name)
    one: Shape = {"IndexName": name, "IndexStatus": index.status if index is not None else "ACTIVE"}
    for kind, title in (("Read", _READS), ("Write", _WRITES)):
        one[f"{title}Settings"] = await Scaled(call, region, record.name, kind, name).describe(on_demand=record.on_demand)
    return one
