"""Making backups: a table's by DynamoDB's own backups, a bucket's by copying its objects; step by step, so that a crash only delays a job."""

from __future__ import annotations

from typing import Any

from haneul.clock import SECOND
from haneul.core.arn import make_arn
from haneul.core.cloud import Cloud
from haneul.services.backup import bucket_copies
from haneul.services.backup.lifecycles import check_lifecycle
from haneul.services.backup.point_work import plan_lifecycle
from haneul.services.backup.records import (
    DYNAMODB,
    ID_SPACE,
    JOB_LIFE,
    JOB_SPACE,
    PROTECTED_SPACE,
    Job,
    Point,
    Protected,
    RestoreJob,
    find_job,
    find_vault,
    job_key,
    key,
    put_job,
    put_point,
)
from haneul.services.backup.resources import tags_of
from haneul.services.backup.roles import Problem, as_role, as_service, name_of, words
from haneul.services.backup.tag_rules import TAGS_MAX
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

WORK = "backup-job"
FORGET = "backup-forget"
# How often a job looks whether the other service is done.
LOOK_AGAIN = 1 * SECOND


def payload_of(job: Job | RestoreJob) -> dict[str, Any]:
    return {"account": job.account, "region": job.region, "id": job.id}


def begin(cloud: Cloud, tx: Transaction, job: Job) -> None:
    """Write a new job, and promise its work."""
    put_job(tx, JOB_SPACE, job)
    cloud.outbox.put(tx, WORK, payload_of(job), due=cloud.clock.now() + LOOK_AGAIN)


def forget_later(cloud: Cloud, tx: Transaction, space: str, job: Job | RestoreJob) -> None:
    """A job that has ended is listed for some time."""
    cloud.outbox.put(tx, FORGET, {**payload_of(job), "space": space}, due=cloud.clock.now() + JOB_LIFE)


async def forget(cloud: Cloud, payload: dict[str, Any]) -> None:
    """Remove a job that ended long ago."""
    space, account, region, job_id = payload["space"], payload["account"], payload["region"], payload["id"]

    def work(tx: Transaction) -> None:
        pointer = key(ID_SPACE, account, region, space, job_id)
        place = tx.get(pointer)
        if place is not None:
            tx.delete(place)
            tx.delete(pointer)

    await cloud.store.transact(work)


def read_job(cloud: Cloud, payload: dict[str, Any]) -> Job | None:
    raw = find_job(cloud.store, JOB_SPACE, payload["account"], payload["region"], payload["id"])
    return decode(raw, Job) if raw is not None else None


async def work_on(cloud: Cloud, payload: dict[str, Any]) -> None:
    """Carry a job on: to its end, or until the other service has something new to say."""
    job = read_job(cloud, payload)
    if job is None or job.state not in ("CREATED", "RUNNING", "ABORTING"):
        return
    try:
        late = _too_late(cloud, job)
        if late and job.state != "ABORTING":
            # It ends as if it had been stopped, but says why.
            job.state, job.message = "ABORTING", late
        vault = find_vault(cloud.store, job.account, job.region, job.vault)
        if vault is not None and job.state == "CREATED":
            check_lifecycle(job.lifecycle, vault)  # The vault may have been locked since the rule was made.
        if vault is None:
            await _end(cloud, job, "FAILED", f"Backup vault {job.vault} does not exist")
        elif job.resource_type == DYNAMODB:
            await _table(cloud, job)
        else:
            await _bucket(cloud, job)
    except Problem as problem:
        if job.resource_type != DYNAMODB and job.point_arn:
            await bucket_copies.remove(cloud, job.account, job.region, job.point_arn)
        await _end(cloud, job, "FAILED", words(problem))


def _too_late(cloud: Cloud, job: Job) -> str:
    """Why a job's time is over; empty when it is not."""
    now = cloud.clock.now()
    if job.state == "CREATED" and now > job.start_by:
        return "Backup job expired before it was started"
    return "Backup job expired before completion" if now > job.complete_by else ""


async def _give_up(cloud: Cloud, job: Job) -> None:
    """What was begun is undone: the job was stopped, or its time is over."""
    job.point_arn = job.backup_arn = ""
    await _end(cloud, job, "EXPIRED" if job.message else "ABORTED", job.message or "Backup job was stopped by user")


def _point_arn(job: Job) -> str:
    """Recovery points are AWS Backup's, those of tables too (Developer Guide: "Advanced DynamoDB backup", which is on by default)."""
    return make_arn("backup", job.region, job.account, f"recovery-point:{job.id}")


async def _inherit_tags(cloud: Cloud, job: Job) -> None:
    """A recovery point has its resource's tags too, in alphabetical order, as many as there is room for; those of the job come first.

    (Developer Guide: "Copying tags onto backups".)
    """
    held = await tags_of(cloud, job.region, job.account, job.resource_arn)
    more = [(name, value) for name, value in sorted(held.items()) if name not in job.tags and not name.lower().startswith("aws:")]
    job.tags = {**job.tags, **dict(more[: max(0, TAGS_MAX - len(job.tags))])}


async def _table(cloud: Cloud, job: Job) -> None:
    """What a recovery point of a table is made of is one of DynamoDB's backups, named after the job, so that it is found again and never made twice."""

    async def ask(operation: str, **request: Any) -> dict[str, Any]:
        return await as_role(cloud, job.role_arn, job.region, job.account, f"dynamodb:{operation}", request)

    if not job.point_arn:
        if job.state == "ABORTING":
            await _give_up(cloud, job)
            return
        name = f"awsbackup_{job.id}"
        known = await _tables_own(cloud, job, name)
        job.backup_arn = known or (await ask("CreateBackup", TableName=job.resource_arn, BackupName=name))["BackupDetails"]["BackupArn"]
        job.point_arn, job.state = _point_arn(job), "RUNNING"
        await _inherit_tags(cloud, job)
        await _save_and_return(cloud, job)
        return
    details = (await ask("DescribeBackup", BackupArn=job.backup_arn))["BackupDescription"]["BackupDetails"]
    if details["BackupStatus"] == "CREATING":
        await _save_and_return(cloud, job)
    elif job.state == "ABORTING":
        await ask("DeleteBackup", BackupArn=job.backup_arn)
        await _give_up(cloud, job)
    else:
        job.size_bytes = details["BackupSizeBytes"]
        await _complete(cloud, job)


async def _tables_own(cloud: Cloud, job: Job, name: str) -> str | None:
    """The backup that the job began before a crash."""
    if job.state == "CREATED":
        await _mark_running(cloud, job)
        return None
    # A look of the service's own: the policy for roles of backups does not allow to list them.
    answer = await as_service(cloud, job.region, job.account, "dynamodb:ListBackups", {"TableName": job.resource_arn, "BackupType": "AWS_BACKUP"})
    return next((one["BackupArn"] for one in answer["BackupSummaries"] if one["BackupName"] == name), None)


async def _mark_running(cloud: Cloud, job: Job) -> None:
    job.state = "RUNNING"
    await cloud.store.transact(lambda tx: put_job(tx, JOB_SPACE, job))


async def _bucket(cloud: Cloud, job: Job) -> None:
    """A bucket's backup holds copies of its newest objects, made object by object."""

    async def ask(operation: str, **request: Any) -> dict[str, Any]:
        return await as_role(cloud, job.role_arn, job.region, job.account, f"s3:{operation}", request)

    bucket = name_of(job.resource_arn)
    if job.state == "ABORTING":
        await bucket_copies.remove(cloud, job.account, job.region, job.point_arn)
        await _give_up(cloud, job)
        return
    if not job.point_arn:
        status = (await ask("GetBucketVersioning", Bucket=bucket)).get("Status")
        if status != "Enabled":
            await _end(cloud, job, "FAILED", f"Versioning must be enabled on bucket {bucket} to back it up")
            return
        job.point_arn = _point_arn(job)
        await _inherit_tags(cloud, job)
        await _mark_running(cloud, job)
    while True:
        current = read_job(cloud, payload_of(job))
        if current is None or current.state == "ABORTING":
            await bucket_copies.remove(cloud, job.account, job.region, job.point_arn)
            await _give_up(cloud, job)
            return
        if not await bucket_copies.copy_some(cloud, job, bucket, ask):
            break
    await _complete(cloud, job)


async def _save_and_return(cloud: Cloud, job: Job) -> None:
    """Look again in a while. A job that was stopped meanwhile stays stopped."""

    def work(tx: Transaction) -> None:
        raw = tx.get(job_key(JOB_SPACE, job))
        if raw is not None and decode(raw, Job).state == "ABORTING":
            job.state = "ABORTING"
        put_job(tx, JOB_SPACE, job)
        cloud.outbox.put(tx, WORK, payload_of(job), due=cloud.clock.now() + LOOK_AGAIN)

    await cloud.store.transact(work)


async def _end(cloud: Cloud, job: Job, state: str, message: str) -> None:
    def work(tx: Transaction) -> None:
        job.state, job.message, job.completed_at = state, message, cloud.clock.now()
        put_job(tx, JOB_SPACE, job)
        forget_later(cloud, tx, JOB_SPACE, job)

    await cloud.store.transact(work)


async def _complete(cloud: Cloud, job: Job) -> None:
    """The recovery point is in its vault."""

    def work(tx: Transaction) -> None:
        now = cloud.clock.now()
        job.state, job.completed_at = "COMPLETED", now
        put_job(tx, JOB_SPACE, job)
        forget_later(cloud, tx, JOB_SPACE, job)
        point = Point(
            job.account,
            job.region,
            job.vault,
            job.point_arn,
            job.resource_arn,
            job.resource_type,
            job.role_arn,
            job.created_at,
            now,
            job.size_bytes,
            job.lifecycle,
            job.tags,
            job.created_by,
            backup_arn=job.backup_arn,
        )
        put_point(tx, point)
        protected = Protected(job.resource_arn, job.resource_type, job.created_at, job.vault, job.point_arn)
        tx.put(key(PROTECTED_SPACE, job.account, job.region, job.resource_arn), encode(protected))
        plan_lifecycle(cloud, tx, point)

    await cloud.store.transact(work)


HANDLERS = ((WORK, work_on), (FORGET, forget))
