"""CreateBackup, DescribeBackup, ListBackups and DeleteBackup."""

from __future__ import annotations

from typing import Any

from haneul.core.arn import Arn, parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.encryption import key_arn
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.history.backup_work import COPY, fix_moment, payload_of, remove
from haneul.services.dynamodb.history.continuous_backups import find_table
from haneul.services.dynamodb.history.errors import backup_in_use, backup_not_found, being_restored, invalid_request, system_backup, table_not_found
from haneul.services.dynamodb.history.holding import hold, holds, start_log
from haneul.services.dynamodb.history.records import (
    AWS_BACKUP,
    BACKUP_SPACE,
    SYSTEM,
    USER,
    Backup,
    backup_key,
    backup_rows,
    checked_backup_arn,
    find_backup,
    job_id,
    key_of_backup,
    owner_of,
)
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import IndexRecord, TableRecord
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

PAGE_MAX = 100
# Of an account in a region, in a second (API Reference: each operation's page).
_RATE = 10
_LIST_RATE = 5
_BACKUP_SERVICE = "AWSBackup"


def backup_arn(call: Call, request: Shape) -> str:
    """The backup of a request with a BackupArn."""
    return str(request["BackupArn"])


def by_aws_backup(call: Call) -> bool:
    """Whether AWS Backup calls, in a session of the role that was passed to it."""
    return call.http is None and call.caller.kind == "role" and call.caller.session_name == _BACKUP_SERVICE


def _meant(call: Call, request: Shape) -> Arn:
    """The backup that is meant: one of the region of the call, whichever region its ARN says.

    AccessDenied unless the caller may do this with it. AWS Backup has asked for its own permissions, on the recovery point.
    """
    arn = checked_backup_arn(call, backup_arn(call, request))._replace(region=call.region)
    if not by_aws_backup(call):
        call.authorize(call.operation.action, str(arn))
    call.service(DynamoDb).rates.check(call, _RATE)
    return arn


def describe_details(backup: Backup) -> Shape:
    """A backup's BackupDetails."""
    found: Shape = {
        "BackupArn": backup.arn,
        "BackupName": backup.name,
        "BackupSizeBytes": backup.size_bytes,
        "BackupStatus": backup.status,
        "BackupType": backup.kind,
        "BackupCreationDateTime": backup.created_at,
    }
    if backup.expires_at:
        found["BackupExpiryDateTime"] = backup.expires_at
    return found


def _throughput(holder: TableRecord | IndexRecord) -> Shape:
    return {"ReadCapacityUnits": holder.throughput.read_units, "WriteCapacityUnits": holder.throughput.write_units}


def _index(index: IndexRecord) -> Shape:
    projection: Shape = {"ProjectionType": index.projection}
    if index.projection == "INCLUDE":
        projection["NonKeyAttributes"] = index.included
    found: Shape = {
        "IndexName": index.name,
        "KeySchema": [{"AttributeName": name, "KeyType": "HASH"} for name in index.hash_names]
        + [{"AttributeName": name, "KeyType": "RANGE"} for name in index.range_names],
        "Projection": projection,
    }
    if index.is_global:
        found["ProvisionedThroughput"] = _throughput(index)
    return found


def describe_backup(reader: Reader, backup: Backup) -> Shape:
    """A backup's BackupDescription: itself, the table as it was, and the table's indexes, stream and time to live."""
    table = backup.table
    source: Shape = {
        "TableName": table.name,
        "TableId": table.table_id,
        "TableArn": table.arn,
        "TableSizeBytes": backup.size_bytes,
        "KeySchema": [{"AttributeName": table.hash_name, "KeyType": "HASH"}]
        + ([{"AttributeName": table.range_name, "KeyType": "RANGE"}] if table.range_name else []),
        "TableCreationDateTime": table.created_at,
        "ProvisionedThroughput": _throughput(table),
        "ItemCount": backup.items,
        "BillingMode": "PAY_PER_REQUEST" if table.on_demand else "PROVISIONED",
    }
    maximums = {"MaxReadRequestUnits": table.on_demand_read_max, "MaxWriteRequestUnits": table.on_demand_write_max}
    if any(value is not None for value in maximums.values()):
        source["OnDemandThroughput"] = {name: value for name, value in maximums.items() if value is not None}
    features: Shape = {}
    for title, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [_index(index) for index in table.indexes if index.is_global == is_global]
        if indexes:
            features[title] = indexes
    if table.stream is not None and table.stream.enabled:
        features["StreamDescription"] = {"StreamEnabled": True, "StreamViewType": table.stream.view_type}
    if table.expiry_status != "DISABLED":
        features["TimeToLiveDescription"] = {"TimeToLiveStatus": table.expiry_status, "AttributeName": table.expiry_attribute}
    if table.encryption is not None and table.encryption.managed:
        features["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key_arn(reader, table)}
    return {"BackupDetails": describe_details(backup), "SourceTableDetails": source, "SourceTableFeatureDetails": features}


def backups_of(reader: Reader, account: str, region: str, table: str | None = None, behind: bytes | None = None) -> Any:
    """Backups in the order of tables and times, one by one, as (key, backup)."""
    place = (BACKUP_SPACE, account, region) if table is None else (BACKUP_SPACE, account, region, table)
    start, end = prefix_range(pack(place))
    for key, value in reader.iterate(max(start, behind + b"\x00") if behind else start, end):
        yield key, decode(value, Backup)


def being_backed_up(reader: Reader, record: TableRecord) -> bool:
    """Whether a backup of the table is being made: the newest ones are looked at, older ones are done."""
    if not record.history.log_id or not holds(reader, record):
        return False
    return any(
        backup.status == "CREATING" and backup.table.id == record.id for _, backup in backups_of(reader, record.account, record.region, record.name)
    )


@operation("dynamodb:CreateBackup", resource=table_arn, authorized_inside=True)
async def create_backup(call: Call, request: Shape) -> Shape:
    """Begin a backup of a table as it is now. The rows are copied in the background, while the table is written on; nothing of that shows in the backup.

    Several may be under way at a time, under one name too, and a table that is being deleted can be backed up until it is gone. Raises
    TableNotFoundException. (API Reference: "CreateBackup".)
    """
    # AWS Backup is asked for a permission of its own (Developer Guide: "Using IAM with DynamoDB backup and restore", example 8).
    call.authorize("dynamodb:StartAwsBackupJob" if by_aws_backup(call) else call.operation.action, table_arn(call, request))
    service = call.service(DynamoDb)

    def work(tx: Transaction) -> Backup:
        record = find_table(tx, service, call, request["TableName"])
        if record.status == "CREATING":
            raise table_not_found(record.name)  # Backups hear of a table only when it is ready.
        start_log(service, tx, record)
        lifecycle.write_record(tx, record)
        backup_id = job_id(call.now, call.cloud.ids)
        kind = AWS_BACKUP if by_aws_backup(call) else USER
        rows = backup_rows(record.account, record.region, backup_id)
        backup = Backup(backup_id, request["BackupName"], kind, "CREATING", record, rows, call.now)
        tx.put(key_of_backup(backup), encode(backup))
        hold(tx, record, backup.id, call.now)
        service.cloud.outbox.put(tx, COPY, payload_of(backup), due=call.now + lifecycle.TRANSITION)
        return backup

    backup = await call.cloud.store.transact(work)
    await fix_moment(service, payload_of(backup))
    return {"BackupDetails": describe_details(backup)}


@operation("dynamodb:DescribeBackup", resource=backup_arn, authorized_inside=True)
async def describe_one_backup(call: Call, request: Shape) -> Shape:
    """A backup, under the ARN that it was asked for by, and what its table was. (API Reference: "DescribeBackup".)"""
    backup = find_backup(call.cloud.store, _meant(call, request))
    if backup is None:
        raise backup_not_found(request["BackupArn"])
    found = describe_backup(call.cloud.store, backup)
    found["BackupDetails"]["BackupArn"] = request["BackupArn"]
    return {"BackupDescription": found}


@operation("dynamodb:DeleteBackup", resource=backup_arn, authorized_inside=True)
async def delete_backup(call: Call, request: Shape) -> Shape:
    """Delete a backup. Raises BackupInUseException while it is being made or a table is being restored from it. (API Reference: "DeleteBackup".)"""
    arn, service = _meant(call, request), call.service(DynamoDb)

    def work(tx: Transaction) -> Backup:
        backup = find_backup(tx, arn)
        if backup is None:
            raise backup_not_found(request["BackupArn"])
        if backup.kind == AWS_BACKUP and not by_aws_backup(call):
            raise validation(f"Backup is managed by AWS Backup and can only be deleted there: {backup.arn}")
        if backup.kind == SYSTEM:
            raise system_backup(backup.arn, backup.expires_at)
        if backup.status == "CREATING":
            raise backup_in_use(backup.arn)
        if holds(tx, owner_of(backup)):
            raise being_restored(backup.arn)
        remove(service, tx, backup)
        return backup

    backup = await call.cloud.store.transact(work)
    backup.status = "DELETED"
    return {"BackupDescription": describe_backup(call.cloud.store, backup)}


@operation("dynamodb:ListBackups")
async def list_backups(call: Call, request: Shape) -> Shape:
    """Backups, those that users made unless BackupType says otherwise, up to 100 at once. (API Reference: "ListBackups".)"""
    service = call.service(DynamoDb)
    service.rates.check(call, _LIST_RATE)
    limit, wanted = request.get("Limit", PAGE_MAX), request.get("BackupType", USER)
    lower, upper = request.get("TimeRangeLowerBound", 0), request.get("TimeRangeUpperBound")
    if upper is not None and lower > upper:
        raise invalid("Time range lower bound must be less than or equal to upper bound")
    account, region, table = (call.account, call.region, None)
    if "TableName" in request:
        account, region, table = service.place(call, request["TableName"])
    behind: bytes | None = None
    if "ExclusiveStartBackupArn" in request:
        parts = request["ExclusiveStartBackupArn"].split("/")
        if len(parts) != 4:
            raise validation("Invalid ExclusiveStartBackupArn")
        arn = parse_arn(request["ExclusiveStartBackupArn"])
        if arn is not None and arn.region != region:
            raise invalid_request("The supplied ExclusiveStartBackupArn does not match the region")
        behind = backup_key(account, region, parts[1], parts[3])
    found: list[Backup] = []
    for _, backup in backups_of(call.cloud.store, account, region, table, behind):
        if wanted not in ("ALL", backup.kind) or backup.created_at < lower or (upper is not None and backup.created_at >= upper):
            continue
        found.append(backup)
        if len(found) > limit:
            break
    answer: Shape = {"BackupSummaries": [_summary(backup) for backup in found[:limit]]}
    if len(found) > limit:
        answer["LastEvaluatedBackupArn"] = found[limit - 1].arn
    return answer


def _summary(backup: Backup) -> Shape:
    table = backup.table
    return {"TableName": table.name, "TableId": table.table_id, "TableArn": table.arn, **describe_details(backup)}
