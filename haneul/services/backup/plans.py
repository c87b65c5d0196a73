"""Plans: CreateBackupPlan, UpdateBackupPlan, GetBackupPlan, DeleteBackupPlan, ListBackupPlans and ListBackupPlanVersions."""

from __future__ import annotations

import itertools

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import plan_arn
from haneul.services.backup.errors import already_exists, invalid_request, invalid_value, not_found
from haneul.services.backup.lifecycles import check_lifecycle, check_windows
from haneul.services.backup.pages import page
from haneul.services.backup.records import PLAN_SPACE, PLAN_VERSION_SPACE, SELECTION_SPACE, Plan, find_plan, key
from haneul.services.backup.runs import plan_runs
from haneul.services.backup.schedule import Schedule
from haneul.services.backup.tag_rules import checked_tags
from haneul.services.backup.vaults import need_vault
from haneul.store.keys import prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

DEFAULT_SCHEDULE = "cron(0 5 ? * * *)"
_VERSION_LENGTH = 48
_NOT_BUILT = ("CopyActions", "IndexActions", "ScanActions", "TargetLogicallyAirGappedBackupVaultArn")


def need_plan(reader: Reader, call: Call, plan_id: str) -> Plan:
    """The plan of an id; ResourceNotFoundException when it is not there."""
    plan = find_plan(reader, call.account, call.region, plan_id)
    if plan is None:
        raise not_found(f"Failed reading Backup plan with provided planId {plan_id}")
    return plan


def write_plan(tx: Transaction, plan: Plan) -> None:
    """Write a plan and, once for each version, what that version was."""
    tx.put(key(PLAN_SPACE, plan.account, plan.region, plan.id), encode(plan))
    tx.put(key(PLAN_VERSION_SPACE, plan.account, plan.region, plan.id, -plan.created_at, plan.version), encode(plan))


def _body(call: Call, given: Shape) -> Shape:
    """A plan's BackupPlan as it is kept, checked, with ids for its rules and everything that it leaves open decided."""
    for name in ("AdvancedBackupSettings", "ScanSettings"):
        if given.get(name):
            raise NotBuilt(f"the parameter {name} of AWS Backup's plans")
    rules: list[Shape] = []
    if not given["Rules"]:
        raise invalid_value("A backup plan must have at least one rule")
    for rule in given["Rules"]:
        for name in _NOT_BUILT:
            if rule.get(name):
                raise NotBuilt(f"the parameter {name} of AWS Backup's rules")
        if rule.get("EnableContinuousBackup"):
            raise NotBuilt("the parameter EnableContinuousBackup of AWS Backup's rules")
        vault = need_vault(call.cloud.store, call, rule["TargetBackupVaultName"])
        try:
            check_lifecycle(rule.get("Lifecycle", {}), vault)
        except ServiceError as problem:
            raise invalid_value(f"Error in rule {rule['RuleName']} : {problem.message}") from None
        checked_tags(rule.get("RecoveryPointTags", {}))
        start, complete = check_windows(rule.get("StartWindowMinutes"), rule.get("CompletionWindowMinutes"))
        rule = {
            "ScheduleExpression": DEFAULT_SCHEDULE,
            "ScheduleExpressionTimezone": "Etc/UTC",
            **rule,
            "StartWindowMinutes": start,
            "CompletionWindowMinutes": complete,
            "RuleId": call.cloud.ids.uuid(),
        }
        if Schedule(rule["ScheduleExpression"], rule["ScheduleExpressionTimezone"]).more_than_hourly:
            raise invalid_value("The interval between backup jobs shouldn't be less than 60 minutes.")
        rules.append(rule)
    if len({rule["RuleName"] for rule in rules}) != len(rules):
        raise invalid_value("Rule names must be unique within a backup plan")
    return {"BackupPlanName": given["BackupPlanName"], "Rules": rules}


def _document(body: Shape) -> Shape:
    """A plan as it was written: the ids of its rules are not part of that."""
    return {**body, "Rules": [{name: value for name, value in rule.items() if name != "RuleId"} for rule in body["Rules"]]}


def _answer(plan: Plan) -> Shape:
    return {"BackupPlanId": plan.id, "BackupPlanArn": plan.arn, "CreationDate": plan.created_at, "VersionId": plan.version}


@operation("backup:CreateBackupPlan", resource=plan_arn, tagging="backup:TagResource", partial="copy actions, continuous backups, advanced settings, indexes and malware scans")
async def create_backup_plan(call: Call, request: Shape) -> Shape:
    """Make a plan, whose rules run by their schedules. Raises AlreadyExistsException for an equal plan; names may be the same. (API Reference: "CreateBackupPlan".)"""
    body = _body(call, request["BackupPlan"])
    ids = call.cloud.ids
    plan = Plan(
        call.account,
        call.region,
        ids.uuid(),
        ids.text(_VERSION_LENGTH),
        body,
        call.now,
        request.get("CreatorRequestId", ids.uuid()),
        checked_tags(request.get("BackupPlanTags", {})),
    )

    def work(tx: Transaction) -> Shape:
        for _, raw in tx.range(*prefix_range(key(PLAN_SPACE, call.account, call.region))):
            other = decode(raw, Plan)
            if not other.deleted_at and _document(other.body) == _document(body):
                if other.creator_request_id == plan.creator_request_id:
                    return _answer(other)
                raise already_exists("Backup plan with the same plan document already exists", other.arn)
        write_plan(tx, plan)
        plan_runs(call.cloud, tx, plan)
        return _answer(plan)

    return await call.cloud.store.transact(work)


@operation("backup:UpdateBackupPlan", resource=plan_arn, partial="copy actions, continuous backups, advanced settings, indexes and malware scans")
async def update_backup_plan(call: Call, request: Shape) -> Shape:
    """A new version of a plan; the rules of the old one run no more. (API Reference: "UpdateBackupPlan".)"""
    body = _body(call, request["BackupPlan"])

    def work(tx: Transaction) -> Shape:
        plan = need_plan(tx, call, request["BackupPlanId"])
        kept = {rule["RuleName"]: rule["RuleId"] for rule in plan.body["Rules"]}
        for rule in body["Rules"]:
            rule["RuleId"] = kept.get(rule["RuleName"], rule["RuleId"])
        plan_runs(call.cloud, tx, plan, stop=True)
        plan.body, plan.version, plan.created_at = body, call.cloud.ids.text(_VERSION_LENGTH), call.now
        write_plan(tx, plan)
        plan_runs(call.cloud, tx, plan)
        return _answer(plan)

    return await call.cloud.store.transact(work)


@operation("backup:GetBackupPlan", resource=plan_arn)
async def get_backup_plan(call: Call, request: Shape) -> Shape:
    """A plan, the newest version of it or any, and when it runs next. (API Reference: "GetBackupPlan".)"""
    plan = need_plan(call.cloud.store, call, request["BackupPlanId"])
    if request.get("VersionId", plan.version) != plan.version:
        plan = next((one for one in _versions(call, plan) if one.version == request["VersionId"]), plan)
        if plan.version != request["VersionId"]:
            raise not_found(f"Failed reading Backup plan with provided version {request['VersionId']}")
    found: Shape = {**_answer(plan), "BackupPlan": plan.body, "CreatorRequestId": plan.creator_request_id}
    if plan.last_run_at:
        found["LastExecutionDate"] = plan.last_run_at
    wanted = request.get("MaxScheduledRunsPreview", 0)
    if wanted:
        found["ScheduledRunsPreview"] = _preview(plan, call.now, wanted)
    return found


def _preview(plan: Plan, now: int, wanted: int) -> list[Shape]:
    times: list[tuple[int, str]] = []
    for rule in plan.body["Rules"]:
        schedule, at = Schedule(rule["ScheduleExpression"], rule["ScheduleExpressionTimezone"]), now
        for _ in range(wanted):
            following = schedule.next(at)
            if following is None:
                break
            at = following
            times.append((at, rule["RuleId"]))
    return [{"ExecutionTime": at, "RuleId": rule, "RuleExecutionType": "SNAPSHOTS"} for at, rule in itertools.islice(sorted(times), wanted)]


def _versions(call: Call, plan: Plan) -> list[Plan]:
    rows = call.cloud.store.range(*prefix_range(key(PLAN_VERSION_SPACE, plan.account, plan.region, plan.id)))
    return [decode(raw, Plan) for _, raw in rows]


@operation("backup:DeleteBackupPlan", resource=plan_arn)
async def delete_backup_plan(call: Call, request: Shape) -> Shape:
    """Delete a plan that selects nothing any more; its recovery points stay. (API Reference: "DeleteBackupPlan".)"""

    def work(tx: Transaction) -> Shape:
        plan = need_plan(tx, call, request["BackupPlanId"])
        if tx.range(*prefix_range(key(SELECTION_SPACE, plan.account, plan.region, plan.id)), 1):
            raise invalid_request("Related backup plan selections must be deleted prior to backup plan deletion")
        plan.deleted_at = call.now
        tx.put(key(PLAN_SPACE, plan.account, plan.region, plan.id), encode(plan))
        plan_runs(call.cloud, tx, plan, stop=True)
        return {"BackupPlanId": plan.id, "BackupPlanArn": plan.arn, "DeletionDate": plan.deleted_at, "VersionId": plan.version}

    return await call.cloud.store.transact(work)


def _member(plan: Plan) -> Shape:
    found: Shape = {**_answer(plan), "BackupPlanName": plan.body["BackupPlanName"], "CreatorRequestId": plan.creator_request_id}
    for name, at in (("DeletionDate", plan.deleted_at), ("LastExecutionDate", plan.last_run_at)):
        if at:
            found[name] = at
    return found


@operation("backup:ListBackupPlans")
async def list_backup_plans(call: Call, request: Shape) -> Shape:
    """Plans, deleted ones only when they are asked for. (API Reference: "ListBackupPlans".)"""
    deleted = request.get("IncludeDeleted", False)
    plans, more = page(call, request, key(PLAN_SPACE, call.account, call.region), Plan, lambda plan: deleted or not plan.deleted_at)
    return {"BackupPlansList": [_member(plan) for plan in plans], **more}


@operation("backup:ListBackupPlanVersions", resource=plan_arn)
async def list_backup_plan_versions(call: Call, request: Shape) -> Shape:
    """Versions of a plan, the newest first. (API Reference: "ListBackupPlanVersions".)"""
    plan = need_plan(call.cloud.store, call, request["BackupPlanId"])
    plans, more = page(call, request, key(PLAN_VERSION_SPACE, plan.account, plan.region, plan.id), Plan)
    return {"BackupPlanVersionsList": [_member(one) for one in plans], **more}
