"""Recovery points, by vault and by resource, and the resources that have any."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.backup.arns import point_arn, tagged_arn, vault_arn
from haneul.services.backup.errors import invalid_request, invalid_value, not_found
from haneul.services.backup.lifecycles import check_lifecycle
from haneul.services.backup.pages import PAGE_MAX, page, within
from haneul.services.backup.point_work import delete, plan_lifecycle
from haneul.services.backup.records import DYNAMODB, POINT_OF_SPACE, POINT_SPACE, PROTECTED_SPACE, Point, Protected, find_point, key, put_point
from haneul.services.backup.roles import name_of
from haneul.services.backup.vaults import need_vault, refuse_other_account
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode


def need_point(reader: Reader, call: Call, vault: str, arn: str) -> Point:
    """The recovery point of an ARN in a vault; ResourceNotFoundException when it is not there."""
    need_vault(reader, call, vault)
    point = find_point(reader, call.account, call.region, vault, arn)
    if point is None:
        raise not_found(f"Recovery point {arn} is not found in Backup vault {vault}")
    return point


def _describe(call: Call, point: Point) -> Shape:
    found: Shape = {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": point.vault,
        "BackupVaultArn": call.arn(f"backup-vault:{point.vault}"),
        "VaultType": "BACKUP_VAULT",
        "ResourceArn": point.resource_arn,
        "ResourceType": point.resource_type,
        "ResourceName": name_of(point.resource_arn),
        "IamRoleArn": point.role_arn,
        "Status": point.status,
        "CreationDate": point.created_at,
        "InitiationDate": point.created_at,
        "CompletionDate": point.completed_at,
        "BackupSizeInBytes": point.size_bytes,
        "IsEncrypted": True,
        "IsParent": False,
        "EncryptionKeyType": "AWS_OWNED_KMS_KEY",
    }
    if point.lifecycle:
        found["Lifecycle"], found["CalculatedLifecycle"] = point.lifecycle, point.calculated
    for name, value in (("CreatedBy", point.created_by), ("LastRestoreTime", point.restored_at), ("StatusMessage", point.message)):
        if value:
            found[name] = value
    return found


@operation("backup:DescribeRecoveryPoint", resource=point_arn, partial="vaults of other accounts")
async def describe_recovery_point(call: Call, request: Shape) -> Shape:
    """A recovery point. (API Reference: "DescribeRecoveryPoint".)"""
    refuse_other_account(call, request)
    point = need_point(call.cloud.store, call, request["BackupVaultName"], request["RecoveryPointArn"])
    return {**_describe(call, point), "StorageClass": "COLD" if point.cold else "WARM"}


@operation("backup:ListRecoveryPointsByBackupVault", resource=vault_arn, partial="vaults of other accounts")
async def list_recovery_points_by_backup_vault(call: Call, request: Shape) -> Shape:
    """The recovery points in a vault. (API Reference: "ListRecoveryPointsByBackupVault".)"""
    refuse_other_account(call, request)
    vault = need_vault(call.cloud.store, call, request["BackupVaultName"])

    def keep(point: Point) -> bool:
        return (
            "ByParentRecoveryPointArn" not in request  # No recovery point is a part of another.
            and request.get("ByResourceArn", point.resource_arn) == point.resource_arn
            and request.get("ByResourceType", point.resource_type) == point.resource_type
            and ("ByBackupPlanId" not in request or request["ByBackupPlanId"] == point.created_by.get("BackupPlanId"))
            and within(request, point.created_at, "ByCreatedBefore", "ByCreatedAfter")
        )

    points, more = page(call, request, key(POINT_SPACE, call.account, call.region, vault.name), Point, keep)
    return {"RecoveryPoints": [_describe(call, point) for point in points], **more}


@operation("backup:ListRecoveryPointsByResource", resource=tagged_arn)
async def list_recovery_points_by_resource(call: Call, request: Shape) -> Shape:
    """The recovery points of a table or bucket, the newest first. (API Reference: "ListRecoveryPointsByResource".)"""
    limit = request.get("MaxResults", PAGE_MAX)
    start, end = prefix_range(key(POINT_OF_SPACE, call.account, call.region, request["ResourceArn"]))
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position < end:
            raise invalid_value("Invalid NextToken")
        start = position + b"\x00"
    rows = call.cloud.store.range(start, end, limit + 1)
    shown: list[Shape] = []
    for place, vault in rows[:limit]:
        point = find_point(call.cloud.store, call.account, call.region, vault.decode(), str(unpack(place)[-1]))
        if point is not None:
            one = _describe(call, point)
            names = ("RecoveryPointArn", "CreationDate", "Status", "StatusMessage", "BackupVaultName", "IsParent", "ResourceName", "VaultType")
            shown.append({**{name: one[name] for name in names if name in one}, "BackupSizeBytes": point.size_bytes})
    answer: Shape = {"RecoveryPoints": shown}
    if len(rows) > limit:
        answer["NextToken"] = make_token(rows[limit - 1][0])
    return answer


@operation("backup:GetRecoveryPointRestoreMetadata", resource=point_arn, partial="vaults of other accounts")
async def get_recovery_point_restore_metadata(call: Call, request: Shape) -> Shape:
    """What StartRestoreJob needs to make the resource again as it was. (API Reference: "GetRecoveryPointRestoreMetadata".)"""
    refuse_other_account(call, request)
    point = need_point(call.cloud.store, call, request["BackupVaultName"], request["RecoveryPointArn"])
    name = name_of(point.resource_arn)
    if point.resource_type == DYNAMODB:
        metadata = {"originalTableName": name, "encryptionType": "Default", "kmsMasterKeyArn": "Not Applicable"}
    else:
        metadata = {"DestinationBucketName": name, "NewBucket": "false", "Encrypted": "true", "EncryptionType": "original"}
    return {
        "BackupVaultArn": call.arn(f"backup-vault:{point.vault}"),
        "RecoveryPointArn": point.arn,
        "RestoreMetadata": metadata,
        "ResourceType": point.resource_type,
    }


@operation("backup:UpdateRecoveryPointLifecycle", resource=point_arn)
async def update_recovery_point_lifecycle(call: Call, request: Shape) -> Shape:
    """Change when a recovery point becomes cold and ends, unless its vault is locked. (API Reference: "UpdateRecoveryPointLifecycle".)"""

    def work(tx: Transaction) -> Point:
        point = need_point(tx, call, request["BackupVaultName"], request["RecoveryPointArn"])
        vault = need_vault(tx, call, point.vault)
        if vault.locked:
            raise invalid_request("The lifecycle of recovery points in a locked backup vault cannot be changed")
        lifecycle = check_lifecycle(request.get("Lifecycle", {}), vault)
        if point.cold and lifecycle.get("MoveToColdStorageAfterDays") != point.lifecycle.get("MoveToColdStorageAfterDays"):
            raise invalid_request("The move to cold storage cannot be changed after it was made")
        point.lifecycle = lifecycle
        put_point(tx, point)
        plan_lifecycle(call.cloud, tx, point)
        return point

    point = await call.cloud.store.transact(work)
    return {
        "BackupVaultArn": call.arn(f"backup-vault:{point.vault}"),
        "RecoveryPointArn": point.arn,
        "Lifecycle": point.lifecycle,
        "CalculatedLifecycle": point.calculated,
    }


@operation("backup:DeleteRecoveryPoint", resource=point_arn)
async def delete_recovery_point(call: Call, request: Shape) -> Shape:
    """Delete a recovery point with what it holds, unless its vault is locked or it is being restored. (API Reference: "DeleteRecoveryPoint".)"""
    point = need_point(call.cloud.store, call, request["BackupVaultName"], request["RecoveryPointArn"])
    if need_vault(call.cloud.store, call, point.vault).locked:
        raise invalid_request("Recovery points of a locked backup vault cannot be deleted")
    await delete(call.cloud, point)
    return {}


def _describe_protected(call: Call, one: Protected) -> Shape:
    return {
        "ResourceArn": one.resource_arn,
        "ResourceType": one.resource_type,
        "ResourceName": name_of(one.resource_arn),
        "LastBackupTime": one.last_backup_at,
        "LastBackupVaultArn": call.arn(f"backup-vault:{one.last_vault}"),
        "LastRecoveryPointArn": one.last_point,
    }


@operation("backup:ListProtectedResources")
async def list_protected_resources(call: Call, request: Shape) -> Shape:
    """Resources that have recovery points. (API Reference: "ListProtectedResources".)"""
    found, more = page(call, request, key(PROTECTED_SPACE, call.account, call.region), Protected)
    return {"Results": [_describe_protected(call, one) for one in found], **more}


@operation("backup:DescribeProtectedResource")
async def describe_protected_resource(call: Call, request: Shape) -> Shape:
    """When a resource was last backed up, and where that is. (API Reference: "DescribeProtectedResource".)"""
    raw = call.cloud.store.get(key(PROTECTED_SPACE, call.account, call.region, request["ResourceArn"]))
    if raw is None:
        raise not_found(f"Resource {request['ResourceArn']} is not protected")
    return _describe_protected(call, decode(raw, Protected))
