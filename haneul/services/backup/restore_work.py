"""Restoring recovery points: a table through DynamoDB's own restore, a bucket object by object; a crash only delays it."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.backup import bucket_copies
from haneul.services.backup.errors import invalid_request
from haneul.services.backup.job_work import forget_later, payload_of
from haneul.services.backup.records import DYNAMODB, RESTORE_SPACE, RestoreJob, find_job, find_point, put_job, put_point
from haneul.services.backup.roles import Problem, as_role, as_service, words
from haneul.store.port import Transaction
from haneul.store.records import decode

WORK = "backup-restore-job"
LOOK_AGAIN = 1 * SECOND
_AT_ONCE = 50


def begin(cloud: Cloud, tx: Transaction, job: RestoreJob) -> None:
    """Write a new job, and promise its work. InvalidRequestException when the recovery point is on its way out."""
    point = find_point(tx, job.account, job.region, job.vault, job.point_arn)
    if point is None or point.status == "DELETING":
        raise invalid_request(f"Recovery point {job.point_arn} is being deleted")
    point.restoring = [*point.restoring, job.id]
    put_point(tx, point)
    put_job(tx, RESTORE_SPACE, job)
    cloud.outbox.put(tx, WORK, payload_of(job), due=cloud.clock.now() + LOOK_AGAIN)


async def work_on(cloud: Cloud, payload: dict[str, Any]) -> None:
    """Carry a job on: to its end, or until the other service has something new to say."""
    raw = find_job(cloud.store, RESTORE_SPACE, payload["account"], payload["region"], payload["id"])
    job = decode(raw, RestoreJob) if raw is not None else None
    if job is None or job.status not in ("PENDING", "RUNNING"):
        return
    try:
        if job.resource_type == DYNAMODB:
            await _table(cloud, job)
        else:
            await _bucket(cloud, job)
    except Problem as problem:
        await _end(cloud, job, "FAILED", words(problem))


async def _table(cloud: Cloud, job: RestoreJob) -> None:
    async def ask(operation: str, **request: Any) -> dict[str, Any]:
        return await as_role(cloud, job.role_arn, job.region, job.account, f"dynamodb:{operation}", request)

    name = job.metadata["targetTableName"]
    if job.status == "PENDING":
        made = await ask("RestoreTableFromBackup", TargetTableName=name, BackupArn=job.backup_arn)
        # After a crash the table may be there because this job has begun it; an older one is another job's.
        if made["TableDescription"]["CreationDateTime"] < job.created_at:
            raise ServiceError("TableAlreadyExistsException", f"Table already exists: {name}", 400)
        job.status, job.created_arn = "RUNNING", f"arn:aws:dynamodb:{job.region}:{job.account}:table/{name}"
        await _again(cloud, job)
        return
    table = await _described(cloud, job, name)
    if table["TableStatus"] == "CREATING":
        await _again(cloud, job)
    else:
        await _end(cloud, job, "COMPLETED", "")


async def _described(cloud: Cloud, job: RestoreJob, name: str) -> dict[str, Any]:
    """The new table. A look of the service's own: the role need not be allowed more than the restore."""
    answer = await as_service(cloud, job.region, job.account, "dynamodb:DescribeTable", {"TableName": name})
    return dict(answer["Table"])


async def _bucket(cloud: Cloud, job: RestoreJob) -> None:
    async def ask(operation: str, **request: Any) -> dict[str, Any]:
        return await as_role(cloud, job.role_arn, job.region, job.account, f"s3:{operation}", request)

    bucket = job.metadata["DestinationBucketName"]
    if job.status == "PENDING":
        if job.metadata.get("NewBucket") == "true":
            await _create_bucket(job, bucket, ask)
        job.status, job.created_arn = "RUNNING", f"arn:aws:s3:::{bucket}"
        await cloud.store.transact(lambda tx: put_job(tx, RESTORE_SPACE, job))
    wanted = orjson.loads(job.metadata.get("ItemsToRestore", "[]"))
    while copies := bucket_copies.copies(cloud, job.account, job.region, job.point_arn, job.cursor, _AT_ONCE):
        for copy in copies:
            if not wanted or any(copy.name == one or copy.name.startswith(one.rstrip("/") + "/") for one in wanted):
                await bucket_copies.put_back(cloud, job.point_arn, copy, bucket, ask)
        job.cursor = copies[-1].name
        await cloud.store.transact(lambda tx: put_job(tx, RESTORE_SPACE, job))
    await _end(cloud, job, "COMPLETED", "")


async def _create_bucket(job: RestoreJob, bucket: str, ask: bucket_copies.Ask) -> None:
    place = {} if job.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": job.region}}
    try:
        await ask("CreateBucket", Bucket=bucket, **place)
    except ServiceError as problem:
        if problem.code != "BucketAlreadyOwnedByYou":
            raise


async def _again(cloud: Cloud, job: RestoreJob) -> None:
    def work(tx: Transaction) -> None:
        put_job(tx, RESTORE_SPACE, job)
        cloud.outbox.put(tx, WORK, payload_of(job), due=cloud.clock.now() + LOOK_AGAIN)

    await cloud.store.transact(work)


async def _end(cloud: Cloud, job: RestoreJob, status: str, message: str) -> None:
    def work(tx: Transaction) -> None:
        now = cloud.clock.now()
        job.status, job.message, job.completed_at = status, message, now
        put_job(tx, RESTORE_SPACE, job)
        forget_later(cloud, tx, RESTORE_SPACE, job)
        point = find_point(tx, job.account, job.region, job.vault, job.point_arn)
        if point is not None:
            point.restoring = [one for one in point.restoring if one != job.id]
            point.restored_at = now if status == "COMPLETED" else point.restored_at
            put_point(tx, point)

    await cloud.store.transact(work)


HANDLERS = ((WORK, work_on),)
