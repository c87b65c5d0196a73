"""Restore jobs: StartRestoreJob, DescribeRestoreJob and ListRestoreJobs."""

from __future__ import annotations

import orjson

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import point_arn
from haneul.services.backup.errors import invalid_value, not_found
from haneul.services.backup.pages import page, within
from haneul.services.backup.records import DYNAMODB, RESTORE_SPACE, TOKEN_SPACE, Point, RestoreJob, find_job, key, point_anywhere
from haneul.services.backup.restore_work import begin
from haneul.services.backup.roles import check_role
from haneul.services.backup.tokens import forget_token_later
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

# What the metadata of a restore may say, by type of resource; everything else would change the restore in ways that are not built.
_TABLE_METADATA = {"targetTableName", "originalTableName", "encryptionType", "kmsMasterKeyArn", "aws:backup:request-id"}
_BUCKET_METADATA = {"DestinationBucketName", "NewBucket", "CreationToken", "Encrypted", "EncryptionType", "ItemsToRestore", "aws:backup:request-id"}
ITEMS_MAX = 5
NO_KEY = ("Default", "original", "SSE-S3", "Not Applicable")


def _need_point(reader: Reader, call: Call, arn: str) -> Point:
    """A recovery point in whichever vault it lies; ResourceNotFoundException when it is not there."""
    point = point_anywhere(reader, call.account, call.region, arn)
    if point is not None:
        return point
    raise not_found(f"Recovery point {arn} does not exist")


def _describe(call: Call, job: RestoreJob) -> Shape:
    found: Shape = {
        "AccountId": job.account,
        "RestoreJobId": job.id,
        "RecoveryPointArn": job.point_arn,
        "SourceResourceArn": job.resource_arn,
        "BackupVaultArn": call.arn(f"backup-vault:{job.vault}"),
        "CreationDate": job.created_at,
        "Status": job.status,
        "PercentDone": "100.00%" if job.status == "COMPLETED" else "0.00%",
        "BackupSizeInBytes": job.size_bytes,
        "IamRoleArn": job.role_arn,
        "ResourceType": job.resource_type,
        "RecoveryPointCreationDate": job.point_created_at,
    }
    for name, value in (("CreatedResourceArn", job.created_arn), ("CompletionDate", job.completed_at), ("StatusMessage", job.message)):
        if value:
            found[name] = value
    return found


@operation("backup:StartRestoreJob", resource=point_arn, partial="encryption with customer-managed keys, index overrides")
async def start_restore_job(call: Call, request: Shape) -> Shape:
    """Make a table or fill a bucket from a recovery point, with a role that the caller may pass. (API Reference: "StartRestoreJob".)"""
    point = _need_point(call.cloud.store, call, request["RecoveryPointArn"])
    metadata = request["Metadata"]
    role = request.get("IamRoleArn")
    if not role:
        raise invalid_value("IamRoleArn is required")
    check_role(call, role)
    _check_metadata(point, metadata, request)
    job = RestoreJob(
        call.account,
        call.region,
        call.cloud.ids.uuid().upper(),
        point.vault,
        point.arn,
        point.resource_arn,
        point.resource_type,
        role,
        call.now,
        point.created_at,
        metadata,
        point.size_bytes,
        backup_arn=point.backup_arn,
    )

    def work(tx: Transaction) -> str:
        token = request.get("IdempotencyToken")
        if token:
            place = key(TOKEN_SPACE, call.account, call.region, "restore", token)
            known = tx.get(place)
            if known is not None:
                return known.decode()
            tx.put(place, job.id.encode())
            forget_token_later(call.cloud, tx, place)
        begin(call.cloud, tx, job)
        return job.id

    return {"RestoreJobId": await call.cloud.store.transact(work)}


def _check_metadata(point: Point, metadata: dict[str, str], request: Shape) -> None:
    table = point.resource_type == DYNAMODB
    if request.get("ResourceType", point.resource_type) != point.resource_type:
        raise invalid_value(f"ResourceType must be {point.resource_type} for this recovery point")
    if request.get("CopySourceTagsToRestoredResource"):
        raise NotBuilt("the parameter CopySourceTagsToRestoredResource of backup:StartRestoreJob")
    unknown = set(metadata) - (_TABLE_METADATA if table else _BUCKET_METADATA)
    if unknown:
        raise NotBuilt(f"the restore metadata {', '.join(sorted(unknown))} of {point.resource_type} in backup:StartRestoreJob")
    for name in ("encryptionType", "EncryptionType", "kmsMasterKeyArn"):
        if metadata.get(name, "Default") not in NO_KEY:
            raise NotBuilt(f"{name} {metadata[name]} of backup:StartRestoreJob")
    needed = "targetTableName" if table else "DestinationBucketName"
    if not metadata.get(needed):
        raise invalid_value(f"Metadata must contain {needed}")
    if "ItemsToRestore" in metadata:
        try:
            items = orjson.loads(metadata["ItemsToRestore"])
        except orjson.JSONDecodeError:
            items = None
        if not isinstance(items, list) or not 1 <= len(items) <= ITEMS_MAX or not all(isinstance(one, str) for one in items):
            raise invalid_value(f"ItemsToRestore must be a list of 1 to {ITEMS_MAX} keys or prefixes")


def _need_job(call: Call, request: Shape) -> RestoreJob:
    raw = find_job(call.cloud.store, RESTORE_SPACE, call.account, call.region, request["RestoreJobId"])
    if raw is None:
        raise not_found(f"Cannot find Restore job with ID {request['RestoreJobId']}")
    return decode(raw, RestoreJob)


@operation("backup:DescribeRestoreJob")
async def describe_restore_job(call: Call, request: Shape) -> Shape:
    """How a restore is going. (API Reference: "DescribeRestoreJob".)"""
    return _describe(call, _need_job(call, request))


@operation("backup:GetRestoreJobMetadata")
async def get_restore_job_metadata(call: Call, request: Shape) -> Shape:
    """What a restore was asked for. (API Reference: "GetRestoreJobMetadata".)"""
    job = _need_job(call, request)
    return {"RestoreJobId": job.id, "Metadata": job.metadata}


@operation("backup:ListRestoreJobsByProtectedResource")
async def list_restore_jobs_by_protected_resource(call: Call, request: Shape) -> Shape:
    """Restores of a table or bucket in the last 30 days, the newest first. (API Reference: "ListRestoreJobsByProtectedResource".)"""

    def keep(job: RestoreJob) -> bool:
        return (
            job.resource_arn == request["ResourceArn"]
            and request.get("ByStatus", job.status) == job.status
            and within(request, job.point_created_at, "ByRecoveryPointCreationDateBefore", "ByRecoveryPointCreationDateAfter")
        )

    jobs, more = page(call, request, key(RESTORE_SPACE, call.account, call.region), RestoreJob, keep)
    return {"RestoreJobs": [_describe(call, job) for job in jobs], **more}


@operation("backup:ListRestoreJobs")
async def list_restore_jobs(call: Call, request: Shape) -> Shape:
    """Restores of the last 30 days, the newest first. (API Reference: "ListRestoreJobs".)"""

    def keep(job: RestoreJob) -> bool:
        return (
            "ByParentJobId" not in request  # No restore has parts, nor comes from a plan that tests restores.
            and "ByRestoreTestingPlanArn" not in request
            and request.get("ByAccountId", job.account) in (job.account, "*")
            and request.get("ByStatus", job.status) == job.status
            and request.get("ByResourceType", job.resource_type) == job.resource_type
            and within(request, job.created_at, "ByCreatedBefore", "ByCreatedAfter")
            and within(request, job.completed_at, "ByCompleteBefore", "ByCompleteAfter")
        )

    jobs, more = page(call, request, key(RESTORE_SPACE, call.account, call.region), RestoreJob, keep)
    return {"RestoreJobs": [_describe(call, job) for job in jobs], **more}
