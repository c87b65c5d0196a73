"""Doing what alarms say: telling topics, functions and scaling policies. Whatever comes of it stands in the history."""

from __future__ import annotations

from functools import partial

import orjson

from haneul.core.arn import Arn, parse_arn
from haneul.core.call import Call, call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.cloudwatch.alarms import ACTIONS_OF, AlarmName
from haneul.services.cloudwatch.errors import validation
from haneul.services.cloudwatch.history import note
from haneul.services.cloudwatch.messages import function_event, notification, subject
from haneul.store.port import Transaction

# Application Auto Scaling carries out entries of this kind: {"policy": ARN, "alarm": [account, region, name], "at", "value", "state"}.
SCALE = "application-autoscaling:alarm"
_FUNCTION_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
_TOPIC_PRINCIPAL = "cloudwatch.amazonaws.com"
_SERVICES = frozenset(("sns", "lambda", "autoscaling", "automate", "ssm", "ssm-incidents", "swf", "aiops"))
# Alarms on expressions do not touch instances (User Guide: "Alarms on math expressions"); composite alarms do not scale either (API Reference: PutCompositeAlarm).
_SERVICES_OF_EXPRESSIONS = _SERVICES - {"automate", "swf"}
_SERVICES_OF_COMPOSITES = _SERVICES_OF_EXPRESSIONS - {"autoscaling"}


def action_conditions(call: Call, request: Shape) -> Shape:
    """The condition key of whoever makes an alarm: what it does on reaching any state (User Guide: "Using condition keys to limit alarm actions")."""
    actions = [action for member in ACTIONS_OF.values() for action in request.get(member, [])]
    return {"cloudwatch:AlarmActions": actions} if actions else {}


def checked_actions(region: str, request: Shape) -> None:
    """Refuse actions that are no ARN of a kind that alarms of this sort know, or lie in another region than the alarm."""
    services = _SERVICES_OF_COMPOSITES if "AlarmRule" in request else _SERVICES
    if any("Expression" in query for query in request.get("Metrics", ())):
        services = _SERVICES_OF_EXPRESSIONS
    for member in ACTIONS_OF.values():
        actions = request.get(member, [])
        for action in actions:
            arn = parse_arn(action)
            if arn is None or not arn.resource:
                raise validation(f"Invalid arn syntax: {action}")
            if arn.service not in services:
                raise validation(f"Invalid use of ARN: {action}")
            if arn.region and arn.region != region:
                raise validation(f"Invalid region {arn.region} specified. Only {region} is supported.")
        if len(set(actions)) != len(actions):
            raise validation(f"{member} must not contain an action more than once.")


async def act(cloud: Cloud, payload: Shape) -> None:
    """Carry out one action of an alarm, and note in its history what came of it."""
    name, action = AlarmName(*payload["alarm"]), payload["action"]
    arn = parse_arn(action)
    assert arn is not None
    error: str | None = None
    try:
        await _carry_out(cloud, name, arn, payload)
    except (ServiceError, AccessDenied) as problem:
        done, summary, error = "Failed", f"Failed to execute action {action}. Received error: \"{problem}\"", str(problem)
    else:
        done, summary = "Succeeded", f"Successfully executed action {action}"
    data = {"actionState": done, "notificationResource": action, "stateUpdateTimestamp": payload["at"] // 1_000_000, "error": error}
    if arn.service == "autoscaling" and payload["previous"]["value"] == payload["state"]:
        return  # Told again, not anew: the history shows the first time only.
    await cloud.store.transact(partial(_note, cloud, name, payload["kind"], summary, data))


def _note(cloud: Cloud, name: AlarmName, kind: str, summary: str, data: Shape, tx: Transaction) -> None:
    note(tx, name, kind, cloud.clock.now(), "Action", summary, data)


async def _carry_out(cloud: Cloud, name: AlarmName, arn: Arn, payload: Shape) -> None:
    if arn.service == "lambda":
        params = {"FunctionName": str(arn), "InvocationType": "Event", "Payload": orjson.dumps(function_event(payload))}
        await _call(cloud, "lambda:Invoke", params, _FUNCTION_PRINCIPAL, name)
    elif arn.service == "sns":
        message = notification(payload)
        params = {"TopicArn": str(arn), "Subject": subject(payload), "Message": orjson.dumps(message).decode()}
        await _call(cloud, "sns:Publish", params, _TOPIC_PRINCIPAL, name)
    elif arn.service == "autoscaling" and "application-autoscaling" in cloud.services:
        told = {"policy": str(arn), "alarm": list(name), "at": payload["at"], "state": payload["state"], "reason_data": payload["reason_data"]}
        # One entry for each policy and alarm is enough: a later one replaces what has not been looked at yet.
        await cloud.store.transact(lambda tx: cloud.outbox.put(tx, SCALE, told, lane=f"scaling/{arn}"))
    else:
        raise ServiceError("NotImplemented", f"Haneul has no service that carries out {arn}", 501)


async def _call(cloud: Cloud, operation: str, params: Shape, principal: str, name: AlarmName) -> None:
    await call_as(
        cloud, operation, params, principal=principal, source_arn=name.arn, source_account=name.account, region=name.region, account=name.account
    )
