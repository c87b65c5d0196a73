"""Running a plan's rules by their schedules: each rule has one durable timer; when it comes, the resources that the plan selects get their jobs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from haneul.clock import MINUTE
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.backup.job_work import begin
from haneul.services.backup.records import PLAN_SPACE, SELECTION_SPACE, Job, Plan, Selection, find_plan, key
from haneul.services.backup.resources import all_resources, tags_of
from haneul.services.backup.roles import type_of
from haneul.services.backup.schedule import Schedule
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

RUN = "backup-run"


def plan_runs(cloud: Cloud, tx: Transaction, plan: Plan, *, stop: bool = False) -> None:
    """Set the timers of a plan's rules, or stop them."""
    for rule in plan.body["Rules"]:
        if stop:
            cloud.outbox.cancel(tx, RUN, f"{plan.id}/{rule['RuleId']}")
        else:
            _set(cloud, tx, plan, rule, cloud.clock.now())


def _set(cloud: Cloud, tx: Transaction, plan: Plan, rule: dict[str, Any], behind: int) -> None:
    due = Schedule(rule["ScheduleExpression"], rule["ScheduleExpressionTimezone"]).next(behind)
    if due is not None:
        payload = {"account": plan.account, "region": plan.region, "plan": plan.id, "rule": rule["RuleId"], "due": due}
        cloud.outbox.put(tx, RUN, payload, due=due, key=f"{plan.id}/{rule['RuleId']}")


async def run(cloud: Cloud, payload: dict[str, Any]) -> None:
    """A rule's time has come: begin a job for every resource that the plan selects, and set the timer for the next time, all in one transaction."""
    account, region = payload["account"], payload["region"]
    plan = find_plan(cloud.store, account, region, payload["plan"])
    rule = next((one for one in plan.body["Rules"] if one["RuleId"] == payload["rule"]), None) if plan is not None else None
    if plan is None or rule is None:
        return
    rows = cloud.store.range(*prefix_range(key(SELECTION_SPACE, account, region, plan.id)))
    chosen: dict[str, str] = {}
    for selection in (decode(raw, Selection) for _, raw in rows):
        for arn in await selected(cloud, region, account, selection.body):
            chosen.setdefault(arn, selection.body["IamRoleArn"])

    def work(tx: Transaction) -> None:
        current = find_plan(tx, account, region, payload["plan"])
        if current is None or current.version != plan.version:
            return
        now = cloud.clock.now()
        for arn, role in sorted(chosen.items()):
            begin(cloud, tx, _job(cloud, current, rule, arn, role, now))
        current.last_run_at = now
        tx.put(key(PLAN_SPACE, account, region, current.id), encode(current))
        # What was missed while nothing ran is made up for once, not as often as it was missed.
        _set(cloud, tx, current, rule, max(payload["due"], now))

    await cloud.store.transact(work)


def _job(cloud: Cloud, plan: Plan, rule: dict[str, Any], arn: str, role: str, now: int) -> Job:
    return Job(
        plan.account,
        plan.region,
        cloud.ids.uuid(),
        rule["TargetBackupVaultName"],
        arn,
        type_of(arn),
        role,
        now,
        now + int(rule["StartWindowMinutes"]) * MINUTE,
        now + int(rule["CompletionWindowMinutes"]) * MINUTE,
        lifecycle={name: days for name, days in rule.get("Lifecycle", {}).items() if isinstance(days, int) and days > 0},
        tags=rule.get("RecoveryPointTags", {}),
        created_by={
            "BackupPlanId": plan.id,
            "BackupPlanArn": plan.arn,
            "BackupPlanName": plan.body["BackupPlanName"],
            "BackupPlanVersion": plan.version,
            "BackupRuleId": rule["RuleId"],
            "BackupRuleName": rule["RuleName"],
            "BackupRuleCron": rule["ScheduleExpression"],
            "BackupRuleTimezone": rule["ScheduleExpressionTimezone"],
        },
    )


# ---- what a selection selects


async def selected(cloud: Cloud, region: str, account: str, body: dict[str, Any]) -> list[str]:
    """The ARNs of the tables and buckets that a BackupSelection means now."""
    patterns = body.get("Resources") or []
    tags = body.get("ListOfTags") or []
    conditions = {name: list(some) for name, some in (body.get("Conditions") or {}).items() if some}
    if patterns and not tags and not conditions and not body.get("NotResources") and not any("*" in one or "?" in one for one in patterns):
        return [arn for arn in patterns if _supported(arn)]
    found: list[str] = []
    for arn in await all_resources(cloud, region, account):
        if any(_like(arn, one) for one in body.get("NotResources") or ()):
            continue
        named = any(_like(arn, one) for one in patterns)
        if patterns and not named and not tags:
            continue
        held = await tags_of(cloud, region, account, arn) if tags or conditions else {}
        # Tags of ListOfTags select more resources; Conditions leave some of those out.
        if not named and not any(held.get(one["ConditionKey"]) == one["ConditionValue"] for one in tags):
            continue
        if _hold(conditions, held):
            found.append(arn)
    return found


def _like(text: str, pattern: str) -> bool:
    """Whether a text is as a pattern with `*` and `?` says."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _supported(arn: str) -> bool:
    try:
        type_of(arn)
    except ServiceError:
        return False
    return True


def _hold(conditions: dict[str, list[dict[str, str]]], tags: dict[str, str]) -> bool:
    """Whether a resource's tags fulfil all conditions, whose keys are `aws:ResourceTag/NAME`."""
    for kind, some in conditions.items():
        for one in some:
            value = tags.get(one["ConditionKey"].removeprefix("aws:ResourceTag/"))
            wanted = one["ConditionValue"]
            same = value is not None and (_like(value, wanted) if kind.endswith("Like") else value == wanted)
            if same == ("Not" in kind):
                return False
    return True


HANDLERS = ((RUN, run),)
