"""RestoreTableToPointInTime and RestoreTableFromBackup."""

from __future__ import annotations

import msgspec

from haneul.clock import SECOND
from haneul.core.arn import Arn, parse_arn
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import definitions, encryption
from haneul.services.dynamodb.arns import named_table_arn
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.errors import foreign_owner, invalid, validation
from haneul.services.dynamodb.history.backups import backup_arn, by_aws_backup
from haneul.services.dynamodb.history.continuous_backups import find_table, restorable
from haneul.services.dynamodb.history.errors import (
    already_restored,
    backup_in_use,
    backup_not_found,
    being_restored,
    invalid_request,
    invalid_restore_time,
    recovery_unavailable,
    source_not_found,
    table_exists,
)
from haneul.services.dynamodb.history.holding import holds
from haneul.services.dynamodb.history.log import log_prefix
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.history.records import RESTORE_SPACE, Restore, checked_backup_arn, find_backup, owner_of
from haneul.services.dynamodb.history.restore_work import begin
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, RestoreNote, TableRecord, find_record, new_id, table_key
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


@operation("dynamodb:RestoreTableToPointInTime", resource=_source_arn, authorized_inside=True, partial=_PARTIAL)
async def restore_table_to_point_in_time(call: Call, request: Shape) -> Shape:
    """Make a new table with what another one held at a moment. The source is written on meanwhile; one that is being deleted serves until it is gone.

    Raises PointInTimeRecoveryUnavailableException, InvalidRestoreTimeException, TableAlreadyExistsException. Time to live, tags, stream, policies,
    deletion protection and recovery itself are not restored. (API Reference: "RestoreTableToPointInTime"; Developer Guide: "Point-in-time recovery".)
    """
    service = call.service(DynamoDb)
    latest, moment = request.get("UseLatestRestorableTime", False), request.get("RestoreDateTime")
    if latest and moment is not None:
        raise invalid_request("Both RestoreDateTime and UseLatestRestorableTime cannot be set for point-in-time restore request")
    if not latest and moment is None:
        raise invalid_request("Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both")
    name, arn = _named_source(call, request)
    call.authorize(call.operation.action, _source_arn(call, request))
    _authorize_target(call, request)
    _refuse(request)
    if arn is not None:
        _check_regions(call, request, arn)

    def work(tx: Transaction) -> Shape:
        source = find_table(tx, service, call, name) if arn is None else _find_source(tx, arn)
        if not source.history.recovery:
            raise recovery_unavailable(source.name)
        first, last = restorable(source, call.now)
        time = last if moment is None else moment
        if not first // SECOND * SECOND <= time <= last:
            raise invalid_restore_time(time, first // SECOND, last // SECOND)
        _check_target(_target(tx, service, call, request))
        time = max(time, first)  # The whole second that is shown as the first moment stands for it.
        past = Past(Table(source).prefix, log_prefix(source), time)
        return _begin(service, call, tx, request, source, RestoreNote(source.arn, "", time), Restore(past, source))

    return {"TableDescription": await call.cloud.store.transact(work)}


@operation("dynamodb:RestoreTableFromBackup", resource=backup_arn, authorized_inside=True, partial=_PARTIAL)
async def restore_table_from_backup(call: Call, request: Shape) -> Shape:
    """Make a new table with what a backup holds. Raises BackupNotFoundException, BackupInUseException, TableAlreadyExistsException.

    (API Reference: "RestoreTableFromBackup".)
    """
    service = call.service(DynamoDb)
    arn = checked_backup_arn(call, request["BackupArn"])
    if by_aws_backup(call):
        call.authorize("dynamodb:RestoreTableFromAwsBackup", named_table_arn(call, request["TargetTableName"]))
    else:
        call.authorize(call.operation.action, backup_arn(call, request))
        _authorize_target(call, request)
    _refuse(request)
    _check_regions(call, request, arn)

    def work(tx: Transaction) -> Shape:
        backup = find_backup(tx, arn)
        if backup is None:
            raise backup_not_found(request["BackupArn"])
        there = _target(tx, service, call, request)
        if there is not None and by_aws_backup(call) and there.restore is not None and there.restore.backup_arn == backup.arn:
            return describe_table(tx, there)  # It asks again after a crash, and tells by the table's age whether it has made it itself.
        _check_target(there)
        if backup.status != "AVAILABLE":
            raise backup_in_use(backup.arn)
        if holds(tx, owner_of(backup)):
            raise being_restored(backup.arn, "another table")
        note = RestoreNote(backup.table.arn, backup.arn, backup.created_at)
        return _begin(service, call, tx, request, backup.table, note, Restore(Past(backup.rows), owner_of(backup)))

    return {"TableDescription": await call.cloud.store.transact(work)}


def _named_source(call: Call, request: Shape) -> tuple[str, Arn | None]:
    """The table to restore, of which a request gives the name or the ARN, which may be in another region."""
    name, text = request.get("SourceTableName", ""), request.get("SourceTableArn", "")
    if name and text:
        raise validation("Must provide exactly one of: sourceTableArn, sourceTableName")
    if not (name or text):
        raise validation("The parameter 'TableName' is required but was not present in the request")
    if name:
        return name, None
    if not text.startswith("arn:"):
        raise invalid(f"ARNs must start with 'arn:': {text}")
    arn = parse_arn(text)
    if arn is None or arn.service != "dynamodb" or not arn.resource.startswith("table/"):
        raise validation("sourceTableArn is not a valid ARN")
    if arn.account != call.account:
        raise foreign_owner()
    return arn.resource.removeprefix("table/"), arn


def _check_regions(call: Call, request: Shape, arn: Arn) -> None:
    """ValidationException for what lies in another region, unless the request says how it is to be encrypted here."""
    if arn.region != call.region and not request.get("SSESpecificationOverride"):
        raise invalid_request("sseSpecificationOverride must be provided for cross-region restores")


def _find_source(tx: Transaction, arn: Arn) -> TableRecord:
    """The table that an ARN names."""
    record = find_record(tx, arn.account, arn.region, arn.resource.removeprefix("table/"))
    if record is None:
        raise source_not_found()
    return record


def _refuse(request: Shape) -> None:
    if "VectorIndexOverride" in request:
        raise NotBuilt("the parameter VectorIndexOverride of DynamoDB's restores")
    if any("WarmThroughput" in index for index in request.get("GlobalSecondaryIndexOverride", ())):
        raise invalid("WarmThroughput is not supported for GlobalSecondaryIndexOverride")


def _target(tx: Transaction, service: DynamoDb, call: Call, request: Shape) -> TableRecord | None:
    """The table that has the new one's name."""
    raw = tx.get(table_key(*service.place(call, request["TargetTableName"])))
    return decode(raw, TableRecord) if raw is not None else None


def _check_target(there: TableRecord | None) -> None:
    """TableAlreadyExistsException when the new table's name is taken, TableInUseException when that is by another restore."""
    if there is None:
        return
    if there.being_restored:
        raise already_restored(there.name, there.restore.backup_arn if there.restore is not None else "")
    raise table_exists(there.name)


def _begin(service: DynamoDb, call: Call, tx: Transaction, request: Shape, source: TableRecord, note: RestoreNote, restore: Restore) -> Shape:
    wanted = encryption.wanted_encryption(call, request.get("SSESpecificationOverride"))
    account, region, name = service.place(call, request["TargetTableName"])
    target = target_of(call, request, source, (account, region, name))
    target.restore = note
    managed = source.encryption is not None and source.encryption.managed if wanted is None else wanted.managed
    encryption.encrypt_new(tx, target, managed=managed, ids=call.cloud.ids)
    check_tables(tx, account, region, indexed=bool(target.indexes))
    check_jobs(tx, RESTORE_SPACE, account, region, RESTORES_MAX, "restore operations", "done")
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
        raise invalid_request(
            "Cannot override ProvisionedThroughput "
            + ("if BillingMode is overridden to PAY_PER_REQUEST" if mode else "unless BillingMode is PROVISIONED")
        )
    if not on_demand and target.on_demand and not throughput:
        raise invalid_request("Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED")
    definitions.check_throughput(throughput)
    if on_demand != target.on_demand:
        target.on_demand_since = call.now if on_demand else 0
        for index in target.indexes:
            index.throughput = definitions.throughput_of(None)
    target.on_demand = on_demand
    if throughput or on_demand:
        target.throughput = definitions.throughput_of(throughput)
    else:
        target.throughput = definitions.throughput_of(
            {"ReadCapacityUnits": target.throughput.read_units, "WriteCapacityUnits": target.throughput.write_units}
        )
    if "OnDemandThroughputOverride" in request:
        for name in ("MaxReadRequestUnits", "MaxWriteRequestUnits"):
            value = request["OnDemandThroughputOverride"].get(name)
            if value is not None and not on_demand:
                raise invalid_request(f"Cannot override {name} for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST")
            if value is not None and value < 1:
                raise invalid_request(f"Requested {name} for OnDemandThroughput is outside of valid range")
        set_maximums(target, {"OnDemandThroughput": request["OnDemandThroughputOverride"]}, region=target.region, on_demand=on_demand, made=True)


def _indexes(request: Shape, source: TableRecord, target: TableRecord) -> list[IndexRecord]:
    """The indexes of a restored table: the source's, or those of them that the request lists by their keys and projections, under the names that it gives them."""
    kept: list[IndexRecord] = []
    for parameter, is_global in (("LocalSecondaryIndexOverride", False), ("GlobalSecondaryIndexOverride", True)):
        known = [index for index in target.indexes if index.is_global == is_global]
        if parameter not in request:
            kept += known
            continue
        for wanted in request[parameter]:
            name = wanted["IndexName"]
            alike = [index for index in known if _same(wanted, index)]
            if not alike:
                raise invalid_request(
                    f"Index {name} does not match a secondary index that existed in the source table and cannot be created during the restore operation"
                )
            index = next((one for one in alike if one.name == name), alike[0])
            known.remove(index)
            index = msgspec.structs.replace(index, name=name)
            throughput = wanted.get("ProvisionedThroughput")
            if target.on_demand and throughput:
                raise invalid_request(f"Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index {name}")
            if is_global:
                index.throughput = definitions.throughput_of(throughput)
            set_maximums(index, wanted, region=target.region, on_demand=target.on_demand, made=True)
            kept.append(index)
    for at, index in enumerate(kept):
        if any(other.name == index.name for other in kept[:at]):
            raise invalid(f"Duplicate index name: {index.name}")
        if index.is_global and not target.on_demand and not index.throughput.read_units:
            raise invalid_request(f"Must specify provisioned throughput for index {index.name}")
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
