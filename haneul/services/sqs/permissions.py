"""AddPermission and RemovePermission: statements of the queue's policy by label."""

from __future__ import annotations

import re
from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.actions import ACTIONS
from haneul.services.sqs.queue_tags import change_record
from haneul.services.sqs.queues import QueueRecord, own_queue_arn, place_of
from haneul.store.port import Transaction

# What only the owner of a queue can do is not to be given away.
_OWNER_ONLY = frozenset(
    [
        "AddPermission",
        "CancelMessageMoveTask",
        "CreateQueue",
        "DeleteQueue",
        "ListMessageMoveTasks",
        "ListQueues",
        "ListQueueTags",
        "RemovePermission",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    ]
)
ACTIONS_MAX = 7
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_ACCOUNT = re.compile(r"\d{12}\Z")


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _checked_label(request: Shape) -> str:
    label: str = request.get("Label") or ""
    if not label:
        raise errors.missing("Label")
    if _LABEL.match(label) is None:
        raise errors.invalid_value(label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    return label


def _checked_actions(request: Shape) -> list[str]:
    actions: list[str] = request.get("Actions") or []
    if not actions:
        raise errors.missing("Actions")
    for action in actions:
        if action != "*" and action not in ACTIONS:
            raise errors.invalid_value(f"SQS:{action}", "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")
        if action in _OWNER_ONLY:
            raise errors.invalid_value(f"SQS:{action}", "ActionName", "Only the queue owner is allowed to invoke this action.")
    if len(actions) > ACTIONS_MAX:
        raise ServiceError("OverLimit", f"{len(actions)} Actions were found, maximum allowed is {ACTIONS_MAX}.")
    return actions


@operation("sqs:AddPermission", action="sqs:addpermission", resource=own_queue_arn)
async def add_permission(call: Call, request: Shape) -> None:
    """Add a statement that allows accounts some actions."""
    place, label = place_of(call, request), _checked_label(request)
    accounts: list[str] = request.get("AWSAccountIds") or []
    if not accounts:
        raise errors.missing("AWSAccountIds")
    actions = _checked_actions(request)
    for account in accounts:
        if account is None or _ACCOUNT.match(account) is None:
            raise errors.invalid_value(f"[{', '.join(map(str, accounts))}]", "PrincipalId", "Unable to verify.")

    def change(tx: Transaction, record: QueueRecord) -> None:
        policy = _policy_of(record, {"Version": "2008-10-17", "Id": f"{place.arn}/SQSDefaultPolicy", "Statement": []})
        if any(statement.get("Sid") == label for statement in policy["Statement"]):
            raise errors.invalid_value(label, "Label", "Already exists.")
        policy["Statement"].append(
            {
                "Sid": label,
                "Effect": "Allow",
                "Principal": {"AWS": _one_or_all([f"arn:aws:iam::{account}:root" for account in accounts])},
                "Action": _one_or_all([f"SQS:{action}" for action in actions]),
                "Resource": place.arn,
            }
        )
        _set_policy(call, record, policy)

    await change_record(call, place, change)


@operation("sqs:RemovePermission", action="sqs:removepermission", resource=own_queue_arn)
async def remove_permission(call: Call, request: Shape) -> None:
    """Remove the statement with a label."""
    place, label = place_of(call, request), _checked_label(request)

    def change(tx: Transaction, record: QueueRecord) -> None:
        policy = _policy_of(record, {"Statement": []})
        kept = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
        if len(kept) == len(policy["Statement"]):
            raise errors.invalid_value(label, "Label", "can't find label.")
        _set_policy(call, record, {**policy, "Statement": kept})

    await change_record(call, place, change)


def _policy_of(record: QueueRecord, default: dict[str, Any]) -> dict[str, Any]:
    text = record.attributes.get("Policy")
    if text is None:
        return default
    policy: dict[str, Any] = orjson.loads(text)
    if isinstance(policy["Statement"], dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


def _set_policy(call: Call, record: QueueRecord, policy: dict[str, Any]) -> None:
    if policy["Statement"]:
        record.attributes["Policy"] = orjson.dumps(policy).decode()
    else:
        record.attributes.pop("Policy", None)
    record.modified_at = call.now
