"""AddPermission and RemovePermission: statements of the topic's policy by label."""

from __future__ import annotations

import re
from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.actions import POLICY_ACTIONS
from haneul.services.sns.attributes_of_topics import change_topic
from haneul.services.sns.records import TopicRecord, topic_arn, topic_of_arn
from haneul.services.sns.topic_attributes import STATEMENTS_MAX, check_policy_size

_ACCOUNT = re.compile(r"\d{12}\Z")


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found = policy["Statement"]
    return [found] if isinstance(found, dict) else found


@operation("sns:AddPermission", action="SNS:AddPermission", resource=topic_arn)
async def add_permission(call: Call, request: Shape) -> None:
    """Add a statement that allows accounts some actions."""
    place, label = topic_of_arn(request["TopicArn"]), request["Label"]
    accounts: list[str] = request["AWSAccountId"]
    actions: list[str] = request["ActionName"]
    if not label:
        raise errors.invalid("Label")
    if not accounts or any(_ACCOUNT.match(account or "") is None for account in accounts):
        raise errors.invalid("AWSAccountId")
    if not actions or any(action not in POLICY_ACTIONS for action in actions):
        raise errors.invalid("Policy statement action out of service scope!")
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _one_or_all([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": _one_or_all([f"SNS:{action}" for action in actions]),
        "Resource": place.arn,
    }

    def change(record: TopicRecord) -> None:
        policy = orjson.loads(record.attributes["Policy"])
        statements = _statements(policy)
        if any(one.get("Sid") == label for one in statements):
            raise errors.invalid("Statement already exists")
        if len(statements) >= STATEMENTS_MAX:
            raise errors.invalid("Policy Error: null")
        policy["Statement"] = [*statements, statement]
        record.attributes["Policy"] = check_policy_size(orjson.dumps(policy).decode())

    await change_topic(call, place, change)


@operation("sns:RemovePermission", action="SNS:RemovePermission", resource=topic_arn)
async def remove_permission(call: Call, request: Shape) -> None:
    """Remove the statement with a label; no error when there is none."""
    place, label = topic_of_arn(request["TopicArn"]), request["Label"]

    def change(record: TopicRecord) -> None:
        policy = orjson.loads(record.attributes["Policy"])
        policy["Statement"] = [one for one in _statements(policy) if one.get("Sid") != label]
        record.attributes["Policy"] = orjson.dumps(policy).decode()

    await change_topic(call, place, change)
