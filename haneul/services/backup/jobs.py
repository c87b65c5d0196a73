"""Backup jobs: StartBackupJob, DescribeBackupJob, ListBackupJobs and StopBackupJob."""

from __future__ import annotations

from haneul.clock import MINUTE
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, refuse_given
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import vault_arn
from haneul.services.backup.errors import invalid_request, not_found
from haneul.services.backup.job_work import begin, forget_later
from haneul.services.backup.lifecycles import check_lifecycle, check_windows
from haneul.services.backup.pages import page, within
from haneul.services.backup.records import JOB_SPACE, TOKEN_SPACE, Job, find_job, key, put_job
from haneul.services.backup.roles import check_role, name_of, type_of
from haneul.services.backup.tag_rules import checked_tags
from haneul.services.backup.tokens import forget_token_later
from haneul.services.backup.vaults import need_vault
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_STATES_THAT_STOP = ("CREATED", "RUNNING")


def need_job(reader: Reader, call: Call, job_id: str) -> Job:
    """The job of an id; ResourceNotFoundException when it is not there."""
    raw = find_job(reader, JOB_SPACE, call.account, call.region, job_id)
    if raw is None:
        raise not_found(f"Cannot find Backup job with ID {job_id}")
    return decode(raw, Job)


def describe_job(call: Call, job: Job) -> Shape:
    """A BackupJob."""
    found: Shape = {
        "AccountId": job.account,
        "BackupJobId": job.id,
        "BackupVaultName": job.vault,
        "BackupVaultArn": call.arn(f"backup-vault:{job.vault}"),
        "VaultType": "BACKUP_VAULT",
        "ResourceArn": job.resource_arn,
        "ResourceType": job.resource_type,
        "ResourceName": name_of(job.resource_arn),
        "CreationDate": job.created_at,
        "InitiationDate": job.created_at,
        "StartBy": job.start_by,
        "State": job.state,
        "PercentDone": "100.0" if job.state == "COMPLETED" else "0.0",
        "BackupSizeInBytes": job.size_bytes,
        "IamRoleArn": job.role_arn,
        "IsParent": False,
        "MessageCategory": {"COMPLETED": "SUCCESS", "FAILED": "Error"}.get(job.state, ""),
    }
    if job.lifecycle:
        found["RecoveryPointLifecycle"] = job.lifecycle
    for name, value in (("RecoveryPointArn", job.point_arn), ("CompletionDate", job.completed_at), ("StatusMessage", job.message), ("CreatedBy", job.created_by)):
        if value:
            found[name] = value
    return found


@operation("backup:StartBackupJob", resource=vault_arn, partial="air-gapped vaults, indexes; tables and buckets only")
async def start_backup_job(call: Call, request: Shape) -> Shape:
    """Back up a table or bucket now, with a role that the caller may pass. (API Reference: "StartBackupJob".)"""
    for name in ("LogicallyAirGappedBackupVaultArn", "BackupOptions"):
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of backup:StartBackupJob")
    if request.get("Index") == "ENABLED":
        raise NotBuilt("the parameter Index of backup:StartBackupJob")
    vault = need_vault(call.cloud.store, call, request["BackupVaultName"])
    check_role(call, request["IamRoleArn"])
    start, complete = check_windows(request.get("StartWindowMinutes"), request.get("CompleteWindowMinutes"))
    job = Job(
        call.account,
        call.region,
        call.cloud.ids.uuid(),
        vault.name,
        request["ResourceArn"],
        type_of(request["ResourceArn"]),
        request["IamRoleArn"],
        call.now,
        call.now + start * MINUTE,
        call.now + complete * MINUTE,
        lifecycle=check_lifecycle(request.get("Lifecycle", {}), vault),
        tags=checked_tags(request.get("RecoveryPointTags", {})),
    )

    def work(tx: Transaction) -> Job:
        token = request.get("IdempotencyToken")
        if token:
            place = key(TOKEN_SPACE, call.account, call.region, "backup", token)
            known = tx.get(place)
            if known is not None:
                return need_job(tx, call, known.decode())
            tx.put(place, job.id.encode())
            forget_token_later(call.cloud, tx, place)
        begin(call.cloud, tx, job)
        return job

    made = await call.cloud.store.transact(work)
    answer: Shape = {"BackupJobId": made.id, "CreationDate": made.created_at, "IsParent": False}
    if made.point_arn:
        answer["RecoveryPointArn"] = made.point_arn
    return answer


@operation("backup:DescribeBackupJob")
async def describe_backup_job(call: Call, request: Shape) -> Shape:
    """How a backup is going. (API Reference: "DescribeBackupJob".)"""
    return describe_job(call, need_job(call.cloud.store, call, request["BackupJobId"]))


@operation("backup:ListBackupJobs", partial="ByMessageCategory")
async def list_backup_jobs(call: Call, request: Shape) -> Shape:
    """Jobs of the last 30 days, the newest first. (API Reference: "ListBackupJobs".)"""
    refuse_given("backup:ListBackupJobs", request, "ByMessageCategory")
    pairs = (("ByResourceArn", "resource_arn"), ("ByState", "state"), ("ByBackupVaultName", "vault"), ("ByResourceType", "resource_type"), ("ByAccountId", "account"))

    def keep(job: Job) -> bool:
        return (
            "ByParentJobId" not in request  # Jobs of several resources at once, whose parts have a parent, there are none.
            and all(request[name] in (getattr(job, field), "*") for name, field in pairs if name in request)
            and within(request, job.created_at, "ByCreatedBefore", "ByCreatedAfter")
            and within(request, job.completed_at, "ByCompleteBefore", "ByCompleteAfter")
        )

    jobs, more = page(call, request, key(JOB_SPACE, call.account, call.region), Job, keep)
    return {"BackupJobs": [describe_job(call, job) for job in jobs], **more}


@operation("backup:StopBackupJob")
async def stop_backup_job(call: Call, request: Shape) -> Shape:
    """Stop a job; what it has made so far goes. (API Reference: "StopBackupJob".)"""

    def work(tx: Transaction) -> None:
        job = need_job(tx, call, request["BackupJobId"])
        if job.state not in _STATES_THAT_STOP:
            raise invalid_request(f"Backup job {job.id} cannot be stopped in state {job.state}")
        job.state = "ABORTING"
        if not job.point_arn:
            job.state, job.message, job.completed_at = "ABORTED", "Backup job was stopped by user", call.now
            forget_later(call.cloud, tx, JOB_SPACE, job)
        put_job(tx, JOB_SPACE, job)

    await call.cloud.store.transact(work)
    return {}
