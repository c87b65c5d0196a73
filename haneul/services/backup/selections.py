"""Selections: CreateBackupSelection, GetBackupSelection, ListBackupSelections and DeleteBackupSelection."""

from __future__ import annotations

from collections.abc import Sequence

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import plan_arn
from haneul.services.backup.errors import already_exists, invalid_value, not_found
from haneul.services.backup.pages import page
from haneul.services.backup.plans import need_plan
from haneul.services.backup.records import SELECTION_SPACE, Selection, key
from haneul.services.backup.roles import check_role
from haneul.store.keys import prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

ARNS_MAX, PATTERNS_MAX = 500, 30


def _need(reader: Reader, call: Call, request: Shape) -> Selection:
    raw = reader.get(key(SELECTION_SPACE, call.account, call.region, request["BackupPlanId"], request["SelectionId"]))
    if raw is None:
        raise not_found(f"Failed reading Backup selection with provided selectionId {request['SelectionId']}")
    return decode(raw, Selection)


def _check_resources(call: Call, name: str, patterns: Sequence[str]) -> None:
    """InvalidParameterValueException for wrong resources, or too many (API Reference: "BackupSelection")."""
    for one in patterns:
        _check_resource(call, one)
    wild = any("*" in one or "?" in one for one in patterns)
    most = PATTERNS_MAX if wild else ARNS_MAX
    if len(patterns) > most:
        raise invalid_value(f"{name} must have at most {most} ARNs {'with' if wild else 'without'} wildcards")


def _check_resource(call: Call, pattern: str) -> None:
    """InvalidParameterValueException for what is neither an ARN, which may have wildcards, nor all resources, or an ARN of another region."""
    arn = parse_arn(pattern)
    if pattern != "*" and arn is None:
        raise invalid_value(f"Invalid ARN: {pattern}. Specify a valid ARN.")
    if arn is not None and arn.region not in ("", "*", call.region):
        raise invalid_value(f"Invalid ARN: {pattern}. Expected region is {call.region}")


@operation("backup:CreateBackupSelection", resource=plan_arn)
async def create_backup_selection(call: Call, request: Shape) -> Shape:
    """Say which resources a plan backs up, by ARN, tag or condition, and with which role, that the caller may pass.

    (API Reference: "CreateBackupSelection".)
    """
    body = request["BackupSelection"]
    check_role(call, body["IamRoleArn"])
    if not body.get("Resources") and not body.get("ListOfTags"):
        raise invalid_value("Invalid backup selection. Either 'ListOfTags' or 'Resources' section must be non-empty.")
    for name in ("Resources", "NotResources"):
        _check_resources(call, name, body.get(name) or ())
    made = Selection(request["BackupPlanId"], call.cloud.ids.uuid(), body, call.now, request.get("CreatorRequestId", call.cloud.ids.uuid()))

    def work(tx: Transaction) -> Selection:
        plan = need_plan(tx, call, request["BackupPlanId"])
        for _, raw in tx.range(*prefix_range(key(SELECTION_SPACE, plan.account, plan.region, plan.id))):
            other = decode(raw, Selection)
            if other.body["SelectionName"] == body["SelectionName"]:
                if other.creator_request_id == made.creator_request_id:
                    return other
                raise already_exists("Backup selection with the same name already exists", plan.arn)
        tx.put(key(SELECTION_SPACE, plan.account, plan.region, plan.id, made.id), encode(made))
        return made

    kept = await call.cloud.store.transact(work)
    return {"SelectionId": kept.id, "BackupPlanId": kept.plan_id, "CreationDate": kept.created_at}


@operation("backup:GetBackupSelection", resource=plan_arn)
async def get_backup_selection(call: Call, request: Shape) -> Shape:
    """A selection. (API Reference: "GetBackupSelection".)"""
    found = _need(call.cloud.store, call, request)
    return {
        "BackupSelection": found.body,
        "SelectionId": found.id,
        "BackupPlanId": found.plan_id,
        "CreationDate": found.created_at,
        "CreatorRequestId": found.creator_request_id,
    }


@operation("backup:DeleteBackupSelection", resource=plan_arn)
async def delete_backup_selection(call: Call, request: Shape) -> Shape:
    """Remove a selection. (API Reference: "DeleteBackupSelection".)"""

    def work(tx: Transaction) -> None:
        found = _need(tx, call, request)
        tx.delete(key(SELECTION_SPACE, call.account, call.region, found.plan_id, found.id))

    await call.cloud.store.transact(work)
    return {}


@operation("backup:ListBackupSelections", resource=plan_arn)
async def list_backup_selections(call: Call, request: Shape) -> Shape:
    """A plan's selections. (API Reference: "ListBackupSelections".)"""
    plan = need_plan(call.cloud.store, call, request["BackupPlanId"])
    selections, more = page(call, request, key(SELECTION_SPACE, plan.account, plan.region, plan.id), Selection)
    shown = [
        {
            "SelectionId": one.id,
            "SelectionName": one.body["SelectionName"],
            "BackupPlanId": one.plan_id,
            "CreationDate": one.created_at,
            "CreatorRequestId": one.creator_request_id,
            "IamRoleArn": one.body["IamRoleArn"],
        }
        for one in selections
    ]
    return {"BackupSelectionsList": shown, **more}
