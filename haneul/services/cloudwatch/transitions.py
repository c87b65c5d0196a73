"""An alarm's change of state: its history line and what is to be done come into being with it, in one transaction."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.ports import Outbox, Shape
from haneul.services.cloudwatch.alarms import ALARM, COMPOSITE, Alarm, AlarmName, save_alarm
from haneul.services.cloudwatch.history import note
from haneul.services.cloudwatch.judging import iso
from haneul.store.port import Transaction

ACT = "cloudwatch:act"
SCALING_PREFIX = "arn:aws:autoscaling:"


def change_state(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, state: str, reason: str, reason_data: str, now: int) -> None:
    """Bring an alarm into `state`. Nothing is done for a state that it had already."""
    old: dict[str, Any] = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_data:
        old["stateReasonData"] = _object(alarm.reason_data)
    new: dict[str, Any] = {"stateValue": state, "stateReason": reason}
    if reason_data:
        new["stateReasonData"] = _object(reason_data)
    before, changed = alarm.state, alarm.state != state
    alarm.state, alarm.reason, alarm.reason_data, alarm.state_updated_at = state, reason, reason_data, now
    if changed:
        alarm.transitioned_at = now
        note(tx, name, alarm.kind, now, "StateUpdate", f"Alarm updated from {before} to {state}", {"version": "1.0", "oldState": old, "newState": new})
        if alarm.actions_enabled:
            _act(tx, outbox, name, alarm, alarm.actions(state), before, now)
    save_alarm(tx, name, alarm)


def keep_scaling(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, data: str, now: int) -> None:
    """Scaling policies are told of an alarm's state every minute that it lasts, with the datapoints of then; other actions once."""
    if alarm.actions_enabled:
        alarm.reason_data = data
        _act(tx, outbox, name, alarm, scaling_actions(alarm), alarm.state, now)


def scaling_actions(alarm: Alarm) -> list[str]:
    """The actions of an alarm's state that are scaling policies."""
    return [action for action in alarm.actions(alarm.state) if action.startswith(SCALING_PREFIX)] if alarm.state == ALARM else []


def _act(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, actions: list[str], before: str, now: int) -> None:
    for action in actions:
        payload: Shape = {
            "alarm": list(name),
            "kind": alarm.kind,
            "action": action,
            "before": before,
            "state": alarm.state,
            "reason": alarm.reason,
            "reason_data": alarm.reason_data,
            "at": now,
            "settings": alarm.settings,
        }
        outbox.put(tx, ACT, payload, lane=f"cloudwatch/{name.arn}")


def _object(text: str) -> Any:
    """The JSON value in a text; the text itself when it holds none (SetAlarmState takes any)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def notification(payload: Shape) -> Shape:
    """What a topic is told of a change of state."""
    name, settings = AlarmName(*payload["alarm"]), payload["settings"]
    message: Shape = {
        "AlarmName": name.name,
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": name.account,
        "AlarmConfigurationUpdatedTimestamp": iso(payload["at"] // SECOND),
        "NewStateValue": payload["state"],
        "NewStateReason": payload["reason"],
        "StateChangeTime": iso(payload["at"] // SECOND),
        "Region": name.region,
        "AlarmArn": name.arn,
        "OldStateValue": payload["before"],
        "OKActions": settings.get("OKActions", []),
        "AlarmActions": settings.get("AlarmActions", []),
        "InsufficientDataActions": settings.get("InsufficientDataActions", []),
    }
    if payload["kind"] == COMPOSITE:
        message["AlarmRule"] = settings["AlarmRule"]
        return message
    statistic = settings.get("Statistic", "").upper()
    message["Trigger"] = {
        "MetricName": settings.get("MetricName"),
        "Namespace": settings.get("Namespace"),
        "StatisticType": "Statistic" if statistic else "ExtendedStatistic",
        "Statistic": statistic or settings.get("ExtendedStatistic"),
        "Unit": settings.get("Unit"),
        "Dimensions": [{"value": one["Value"], "name": one["Name"]} for one in settings.get("Dimensions", [])],
        "Period": settings.get("Period"),
        "EvaluationPeriods": settings["EvaluationPeriods"],
        "ComparisonOperator": settings["ComparisonOperator"],
        "Threshold": settings["Threshold"],
        "TreatMissingData": settings.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "Metrics" in settings:
        message["Trigger"]["Metrics"] = settings["Metrics"]
    return message


def function_event(payload: Shape) -> Shape:
    """What a function gets (CloudWatch User Guide, "Invoke a Lambda function from an alarm")."""
    name, settings = AlarmName(*payload["alarm"]), payload["settings"]
    configuration: Shape = {"description": settings.get("AlarmDescription", "")}
    if payload["kind"] == COMPOSITE:
        configuration["alarmRule"] = settings["AlarmRule"]
    elif "Metrics" in settings:
        configuration["metrics"] = settings["Metrics"]
    else:
        metric = {"namespace": settings["Namespace"], "name": settings["MetricName"], "dimensions": {one["Name"]: one["Value"] for one in settings.get("Dimensions", [])}}
        stat = {"metric": metric, "period": settings["Period"], "stat": settings.get("Statistic") or settings.get("ExtendedStatistic")}
        configuration["metrics"] = [{"id": "m1", "metricStat": stat, "returnData": True}]
    state: Shape = {"value": payload["state"], "reason": payload["reason"], "timestamp": iso(payload["at"] // SECOND)}
    if payload["reason_data"]:
        state["reasonData"] = payload["reason_data"]
    return {
        "source": "aws.cloudwatch",
        "alarmArn": name.arn,
        "accountId": name.account,
        "time": iso(payload["at"] // SECOND),
        "region": name.region,
        "alarmData": {"alarmName": name.name, "state": state, "previousState": {"value": payload["before"]}, "configuration": configuration},
    }
