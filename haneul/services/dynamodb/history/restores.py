"""RestoreTableToPointInTime and RestoreTableFromBackup."""

from __future__ import annotations

import msgspec

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import definitions, encryption
from haneul.services.dynamodb.arns import named_table_arn
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.history.backups import backup_arn, by_aws_backup
from haneul.services.dynamodb.history.continuous_backups import find_table, restorable
from haneul.services.dynamodb.history.errors import (
    backup_in_use,
    backup_not_found,
    being_restored,
    invalid_restore_time,
    recovery_unavailable,
    table_exists,
    table_in_use,
    table_not_found,
)
from haneul.services.dynamodb.history.holding import holds
from haneul.services.dynamodb.history.log import log_prefix
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.history.records import RESTORE_SPACE, Restore, find_backup, owner_of
from haneul.services.dynamodb.history.restore_work import begin
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, RestoreNote, TableRecord, new_id, table_key
from haneul.services.dynamodb.throughput.limits import check_account, check_units, set_maximums
from haneul.services.dynamodb.throughput.table_counts import check_jobs, check_tables
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_PARTIAL = f"{encryption.PARTIAL}; vector indexes"
# Restores of either kind that an account may have under way in a region (API Reference: "RestoreTableFromBackup").
RESTORES_MAX = 50

# What a restore does to its new table, for which the caller needs permission there.
_ON_TARGET = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")


def _source_arn(call: Call, request: Shape) -> str:
    source = request.get("SourceTableArn") or request.get("SourceTableName")
    return named_table_arn(call, source or request["TargetTableName"])


def _authorize_target(call: Call, request: Shape) -> None:
    """AccessDenied unless the caller may read and write the new table (Developer Guide: "Using IAM with DynamoDB backup and restore")."""
    target = named_table_arn(call, request["TargetTableName"])
    for name in _ON_TARGET:
        call.authorize(f"dynamodb:{name}", target)


@operation("dynamodb:RestoreTableToPointInTime", resource=_source_arn, partial=_PARTIAL)
async def restore_table_to_point_in_time(call: Call, request: Shape) -> Shape:
    """Make a new table with what another one held at a moment. The source is written on meanwhile.

    Raises PointInTimeRecoveryUnavailableException, InvalidRestoreTimeException, TableAlreadyExistsException. Time to live, tags, stream, policies,
    deletion protection and recovery itself are not restored. (API Reference: "RestoreTableToPointInTime"; Developer Guide: "Point-in-time recovery".)
    """
    service = call.service(DynamoDb)
    _authorize_target(call, request)
    _refuse(request)
    name = _source_name(request)
    latest, moment = request.get("UseLatestRestorableTime", False), request.get("RestoreDateTime")
    if latest and moment is not None:
        raise validation("Invalid Request: Both RestoreDateTime and UseLatestRestorableTime cannot be set for point-in-time restore request")
    if not latest and moment is None:
        raise validation("Invalid Request: Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both")
    if name.startswith("arn:"):
        _check_regions(call, request, name)

    def work(tx: Transaction) -> Shape:
        source = _source(tx, service, call, name)
        if source.status in ("CREATING", "DELETING"):
            raise table_in_use(source.name, "created" if source.status == "CREATING" else "deleted")
        if not source.history.recovery:
            raise recovery_unavailable(source.name)
        first, last = restorable(source, call.now)
        time = last if moment is None else moment
        if not first <= time <= last:
            raise invalid_restore_time(time, -(-first // SECOND), last // SECOND)
        past = Past(Table(source).prefix, log_prefix(source), time)
        return _begin(service, call, tx, request, source, RestoreNote(source.arn, "", time), Restore(past, source))

    return {"TableDescription": await call.cloud.store.transact(work)}


@operation("dynamodb:RestoreTableFromBackup", resource=backup_arn, authorized_inside=True, partial=_PARTIAL)
async def restore_table_from_backup(call: Call, request: Shape) -> Shape:
    """Make a new table with what a backup holds. Raises BackupNotFoundException, BackupInUseException, TableAlreadyExistsException.

    (API Reference: "RestoreTableFromBackup".)
    """
    service = call.service(DynamoDb)
    if by_aws_backup(call):
        call.authorize("dynamodb:RestoreTableFromAwsBackup", named_table_arn(call, request["TargetTableName"]))
    else:
        call.authorize(call.operation.action, backup_arn(call, request))
        _authorize_target(call, request)
    _refuse(request)
    _check_regions(call, request, request["BackupArn"])

    def work(tx: Transaction) -> Shape:
        backup = find_backup(tx, call, request["BackupArn"], any_region=True)
        if backup is None:
            raise backup_not_found(request["BackupArn"])
        if backup.status != "AVAILABLE":
            raise backup_in_use(backup.arn)
        if holds(tx, owner_of(backup)):
            raise being_restored(backup.arn)
        note = RestoreNote(backup.table.arn, backup.arn, backup.created_at)
        return _begin(service, call, tx, request, backup.table, note, Restore(Past(backup.rows), owner_of(backup)))

    return {"TableDescription": await call.cloud.store.transact(work)}


def _source_name(request: Shape) -> str:
    """The name or ARN of the table to restore, of which a request gives one."""
    name, arn = request.get("SourceTableName"), request.get("SourceTableArn")
    if name and arn:
        raise validation("Must provide exactly one of: sourceTableArn, sourceTableName")
    if arn and parse_arn(arn) is None:
        raise invalid("sourceTableArn is not a valid ARN")
    if not (name or arn):
        raise validation("The parameter 'TableName' is required")
    return str(name or arn)


def _check_regions(call: Call, request: Shape, arn: str) -> None:
    """ValidationException for what lies in another region, unless the request says how it is to be encrypted here."""
    found = parse_arn(arn)
    if found is not None and found.region != call.region and not request.get("SSESpecificationOverride"):
        raise validation("Invalid Request: sseSpecificationOverride must be provided for cross-region restores")


def _source(tx: Transaction, service: DynamoDb, call: Call, name: str) -> TableRecord:
    """The table to restore from, which an ARN may name in another region."""
    arn = parse_arn(name)
    if arn is None or arn.service != "dynamodb" or arn.region == call.region:
        return find_table(tx, service, call, name)
    table = arn.resource.removeprefix("table/")
    raw = tx.get(table_key(arn.account, arn.region, table))
    if raw is None:
        raise table_not_found(table)
    return decode(raw, TableRecord)


def _refuse(request: Shape) -> None:
    if "VectorIndexOverride" in request:
        raise NotBuilt("the parameter VectorIndexOverride of DynamoDB's restores")
    if any("WarmThroughput" in index for index in request.get("GlobalSecondaryIndexOverride", ())):
        raise invalid("WarmThroughput is not supported for GlobalSecondaryIndexOverride")


def _begin(service: DynamoDb, call: Call, tx: Transaction, request: Shape, source: TableRecord, note: RestoreNote, restore: Restore) -> Shape:
    wanted = encryption.wanted_encryption(call, request.get("SSESpecificationOverride"))
    account, region, name = service.place(call, request["TargetTableName"])
    known = tx.get(table_key(account, region, name))
    if known is not None:
        there = decode(known, TableRecord)
        if there.status == "CREATING" and there.restore is not None:
            raise table_in_use(name, "created")
        raise table_exists(name)
    target = target_of(call, request, source, (account, region, name))
    target.restore = note
    managed = source.encryption is not None and source.encryption.managed if wanted is None else wanted.managed
    encryption.encrypt_new(tx, target, managed=managed, ids=call.cloud.ids)
    check_tables(tx, account, region, indexed=bool(target.indexes))
    check_jobs(tx, RESTORE_SPACE, account, region, RESTORES_MAX, "restores")
    if service.capacity.enforced:
        holders: list[TableRecord | IndexRecord] = [target, *(index for index in target.indexes if index.is_global)]
        for holder in holders:
            check_units(region, holder, holder.throughput.read_units, holder.throughput.write_units)
        check_account(tx, target)
    begin(service, tx, target, restore)
    return describe_table(tx, target)


def target_of(call: Call, request: Shape, source: TableRecord, place: tuple[str, str, str]) -> TableRecord:
    """The record of a table that is restored: the source's key, indexes and capacity, with what the request overrides."""
    ids = call.cloud.ids
    account, region, name = place
    target = TableRecord(
        id=new_id(ids),
        table_id=ids.uuid(),
        account=account,
        region=region,
        name=name,
        status="CREATING",
        created_at=call.now,
        attributes=dict(source.attributes),
        hash_name=source.hash_name,
        range_name=source.range_name,
        indexes=[decode(encode(index), IndexRecord) for index in source.indexes if index.status != "DELETING"],
        on_demand=source.on_demand,
        on_demand_since=call.now if source.on_demand else 0,
        billing_mode_given=source.billing_mode_given,
        throughput=source.throughput,
        on_demand_read_max=source.on_demand_read_max,
        on_demand_write_max=source.on_demand_write_max,
    )
    _override_capacity(call, request, target)
    target.indexes = _indexes(request, source, target)
    for index in target.indexes:
        index.id = new_id(ids)
        if index.is_global:
            index.status, index.backfilling = "CREATING", False
    used = {target.hash_name, target.range_name, *(one for index in target.indexes for one in (*index.hash_names, *index.range_names))}
    target.attributes = {one: kind for one, kind in target.attributes.items() if one in used}
    return target


def _override_capacity(call: Call, request: Shape, target: TableRecord) -> None:
    mode, throughput = request.get("BillingModeOverride"), request.get("ProvisionedThroughputOverride")
    on_demand = mode == "PAY_PER_REQUEST" if mode else target.on_demand
    if on_demand and throughput:
        raise validation("Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED")
    if not on_demand and target.on_demand and not throughput:
        raise validation("Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED")
    definitions.check_throughput(throughput)
    if on_demand != target.on_demand:
        target.on_demand_since = call.now if on_demand else 0
        for index in target.indexes:
            index.throughput = definitions.throughput_of(None)
    target.on_demand = on_demand
    target.billing_mode_given = target.billing_mode_given or mode is not None
    if throughput or on_demand:
        target.throughput = definitions.throughput_of(throughput)
    else:
        target.throughput = definitions.throughput_of(
            {"ReadCapacityUnits": target.throughput.read_units, "WriteCapacityUnits": target.throughput.write_units}
        )
    if "OnDemandThroughputOverride" in request:
        set_maximums(target, {"OnDemandThroughput": request["OnDemandThroughputOverride"]}, region=target.region, on_demand=on_demand, made=True)


def _indexes(request: Shape, source: TableRecord, target: TableRecord) -> list[IndexRecord]:
    """The indexes of a restored table: the source's, or those of them that the request lists."""
    kept: list[IndexRecord] = []
    for parameter, is_global in (("LocalSecondaryIndexOverride", False), ("GlobalSecondaryIndexOverride", True)):
        known = {index.name: index for index in target.indexes if index.is_global == is_global}
        if parameter not in request:
            kept += known.values()
            continue
        for wanted in request[parameter]:
            index = known.get(wanted["IndexName"])
            if index is None or not _same(wanted, index):
                raise validation(
                    f"Index {wanted['IndexName']} does not match a secondary index that existed in the source table and cannot be created "
                    "during the restore operation"
                )
            index = msgspec.structs.replace(index)
            throughput = wanted.get("ProvisionedThroughput")
            if target.on_demand and throughput:
                raise invalid(f"ProvisionedThroughput should not be specified for index: {index.name} when BillingMode is PAY_PER_REQUEST")
            if throughput:
                index.throughput = definitions.throughput_of(throughput)
            set_maximums(index, wanted, region=target.region, on_demand=target.on_demand, made=True)
            kept.append(index)
    for index in kept:
        if index.is_global and not target.on_demand and not index.throughput.read_units:
            raise invalid(f"ProvisionedThroughput must be specified for index: {index.name}")
    return kept


def _same(wanted: Shape, index: IndexRecord) -> bool:
    """Whether an override describes an index as it is."""
    schema, projection = wanted["KeySchema"], wanted["Projection"]
    return (
        [one["AttributeName"] for one in schema if one["KeyType"] == "HASH"] == index.hash_names
        and [one["AttributeName"] for one in schema if one["KeyType"] == "RANGE"] == index.range_names
        and projection.get("ProjectionType") == index.projection
        and sorted(projection.get("NonKeyAttributes", ())) == sorted(index.included)
    )
