"""What AWS Backup keeps, and where: vaults, plans, selections, jobs and recovery points. Times in nanoseconds."""

from __future__ import annotations

from typing import Any

import msgspec

from haneul.clock import DAY
from haneul.core.arn import make_arn
from haneul.store.keys import Part, pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

VAULT_SPACE = "backup-vault"
PLAN_SPACE = "backup-plan"
PLAN_VERSION_SPACE = "backup-plan-version"
SELECTION_SPACE = "backup-selection"
JOB_SPACE = "backup-job"
RESTORE_SPACE = "backup-restore"
ID_SPACE = "backup-id"
POINT_SPACE = "backup-point"
POINT_OF_SPACE = "backup-point-of"
PROTECTED_SPACE = "backup-protected"
PART_SPACE = "backup-part"
TOKEN_SPACE = "backup-token"

DYNAMODB, S3 = "DynamoDB", "S3"
# Jobs are listed for 30 days (API Reference: "ListBackupJobs").
JOB_LIFE = 30 * DAY

Shape = dict[str, Any]


class Vault(msgspec.Struct):
    """A vault: what recovery points lie in. `policy` is the JSON text of its access policy; retention limits in days, 0 for none."""

    account: str
    region: str
    name: str
    created_at: int
    creator_request_id: str = ""
    tags: dict[str, str] = {}
    policy: str = ""
    retention_days_min: int = 0
    retention_days_max: int = 0
    locked: bool = False
    # From when on the lock can be neither changed nor taken away (compliance mode), 0 for never.
    lock_at: int = 0

    @property
    def arn(self) -> str:
        return make_arn("backup", self.region, self.account, f"backup-vault:{self.name}")


class Plan(msgspec.Struct):
    """A version of a plan. `body` is the API's BackupPlan, with the ids of its rules."""

    account: str
    region: str
    id: str
    version: str
    body: Shape
    created_at: int
    creator_request_id: str = ""
    tags: dict[str, str] = {}
    last_run_at: int = 0
    deleted_at: int = 0

    @property
    def arn(self) -> str:
        return make_arn("backup", self.region, self.account, f"backup-plan:{self.id}")


class Selection(msgspec.Struct):
    """Which resources a plan backs up, and with which role. `body` is the API's BackupSelection."""

    plan_id: str
    id: str
    body: Shape
    created_at: int
    creator_request_id: str = ""


class Job(msgspec.Struct):
    """A backup being made. `cursor` is how far a copy has come; `point_arn` the recovery point as soon as it has a name.

    A job that has not begun by `start_by`, or not ended by `complete_by`, is EXPIRED.
    """

    account: str
    region: str
    id: str
    vault: str
    resource_arn: str
    resource_type: str
    role_arn: str
    created_at: int
    start_by: int
    complete_by: int
    lifecycle: dict[str, int] = {}
    tags: dict[str, str] = {}
    created_by: dict[str, str] = {}
    state: str = "CREATED"
    message: str = ""
    point_arn: str = ""
    cursor: str = ""
    size_bytes: int = 0
    completed_at: int = 0
    # The table's backup in DynamoDB, which the recovery point is made of.
    backup_arn: str = ""


class RestoreJob(msgspec.Struct):
    """A recovery point being restored."""

    account: str
    region: str
    id: str
    vault: str
    point_arn: str
    resource_arn: str
    resource_type: str
    role_arn: str
    created_at: int
    point_created_at: int
    metadata: dict[str, str]
    size_bytes: int
    status: str = "PENDING"
    message: str = ""
    created_arn: str = ""
    cursor: str = ""
    completed_at: int = 0
    backup_arn: str = ""


class Point(msgspec.Struct):
    """A recovery point. `message` says why it could not be deleted and is EXPIRED."""

    account: str
    region: str
    vault: str
    arn: str
    resource_arn: str
    resource_type: str
    role_arn: str
    created_at: int
    completed_at: int
    size_bytes: int
    lifecycle: dict[str, int] = {}
    tags: dict[str, str] = {}
    created_by: dict[str, str] = {}
    status: str = "COMPLETED"
    message: str = ""
    cold: bool = False
    restored_at: int = 0
    # Restore jobs that have not ended: until they have, it cannot be deleted.
    restoring: list[str] = []
    # The table's backup in DynamoDB, which it is made of.
    backup_arn: str = ""

    @property
    def calculated(self) -> Shape:
        """When the lifecycle moves and ends it (CalculatedLifecycle). Buckets have no cold storage: the days until then are ignored (API Reference: "Lifecycle")."""
        found: Shape = {}
        for name, shown in (("MoveToColdStorageAfterDays", "MoveToColdStorageAt"), ("DeleteAfterDays", "DeleteAt")):
            days = self.lifecycle.get(name, -1)
            if days > 0 and (shown == "DeleteAt" or self.resource_type == DYNAMODB):
                found[shown] = self.created_at + days * DAY
        return found


class Protected(msgspec.Struct):
    """A resource that has been backed up, and its latest recovery point."""

    resource_arn: str
    resource_type: str
    last_backup_at: int
    last_vault: str
    last_point: str


def key(space: str, account: str, region: str, *more: Part) -> bytes:
    """Where a record lies: `space`, account, region, and what names it there."""
    return pack((space, account, region, *more))


def job_key(space: str, job: Job | RestoreJob) -> bytes:
    """Jobs lie by time, the newest first."""
    return key(space, job.account, job.region, -job.created_at, job.id)


def put_job(tx: Transaction, space: str, job: Job | RestoreJob) -> None:
    """Write a job, and the way to it by its id."""
    place = job_key(space, job)
    tx.put(place, encode(job))
    tx.put(key(ID_SPACE, job.account, job.region, space, job.id), place)


def find_job(reader: Reader, space: str, account: str, region: str, job_id: str) -> bytes | None:
    """The stored job of an id."""
    place = reader.get(key(ID_SPACE, account, region, space, job_id))
    return reader.get(place) if place is not None else None


def point_key(account: str, region: str, vault: str, arn: str) -> bytes:
    return key(POINT_SPACE, account, region, vault, arn)


def put_point(tx: Transaction, point: Point) -> None:
    """Write a recovery point, and the way to it by its resource."""
    tx.put(point_key(point.account, point.region, point.vault, point.arn), encode(point))
    tx.put(key(POINT_OF_SPACE, point.account, point.region, point.resource_arn, -point.created_at, point.arn), point.vault.encode())


def drop_point(tx: Transaction, point: Point) -> None:
    tx.delete(point_key(point.account, point.region, point.vault, point.arn))
    tx.delete(key(POINT_OF_SPACE, point.account, point.region, point.resource_arn, -point.created_at, point.arn))


def find_vault(reader: Reader, account: str, region: str, name: str) -> Vault | None:
    raw = reader.get(key(VAULT_SPACE, account, region, name))
    return decode(raw, Vault) if raw is not None else None


def find_point(reader: Reader, account: str, region: str, vault: str, arn: str) -> Point | None:
    raw = reader.get(point_key(account, region, vault, arn))
    return decode(raw, Point) if raw is not None else None


def vault_of(reader: Reader, account: str, region: str, arn: str) -> Vault | None:
    """The vault that a recovery point lies in."""
    for _, raw in reader.range(*prefix_range(key(VAULT_SPACE, account, region))):
        vault = decode(raw, Vault)
        if find_point(reader, account, region, vault.name, arn) is not None:
            return vault
    return None


def point_anywhere(reader: Reader, account: str, region: str, arn: str) -> Point | None:
    """A recovery point in whichever vault it lies."""
    vault = vault_of(reader, account, region, arn)
    return find_point(reader, account, region, vault.name, arn) if vault is not None else None


def find_plan(reader: Reader, account: str, region: str, plan_id: str) -> Plan | None:
    """The newest version of a plan that is not deleted."""
    raw = reader.get(key(PLAN_SPACE, account, region, plan_id))
    plan = decode(raw, Plan) if raw is not None else None
    return plan if plan is not None and not plan.deleted_at else None
