"""What topics and functions are told of a change of an alarm's state."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.ports import Shape
from haneul.services.cloudwatch.alarms import COMPOSITE, AlarmName
from haneul.services.cloudwatch.judging import iso
from haneul.services.cloudwatch.regions import region_name

# Members of a composite alarm's settings → what the event for functions calls them.
_SUPPRESSION = {name: name[0].lower() + name[1:] for name in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")}


def subject(payload: Shape) -> str:
    """The subject of a notification, at most 100 characters."""
    name = AlarmName(*payload["alarm"])
    return f'{payload["state"]}: "{name.name}" in {region_name(name.region)}'[:100]


def notification(payload: Shape) -> Shape:
    """What a topic is told of a change of state."""
    name, settings = AlarmName(*payload["alarm"]), payload["settings"]
    message: Shape = {
        "AlarmName": name.name,
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": name.account,
        "NewStateValue": payload["state"],
        "NewStateReason": payload["reason"],
        "StateChangeTime": iso(payload["at"] // SECOND),
        "Region": region_name(name.region),
        "AlarmArn": name.arn,
        "OldStateValue": payload["previous"]["value"],
        "OKActions": settings.get("OKActions", []),
        "AlarmActions": settings.get("AlarmActions", []),
        "InsufficientDataActions": settings.get("InsufficientDataActions", []),
    }
    if payload["kind"] == COMPOSITE:
        return message | {"AlarmRule": settings["AlarmRule"], "TriggeringChildren": _triggering(payload["reason_data"])}
    return message | {"AlarmConfigurationUpdatedTimestamp": iso(payload["configured_at"] // SECOND), "Trigger": _trigger(settings)}


def _triggering(reason_data: str) -> list[Shape]:
    """The alarms whose change was the reason of a composite alarm's; none for a state that was set."""
    try:
        given = orjson.loads(reason_data)["triggeringAlarms"]
        return [{"Arn": one["arn"], "State": {"Value": one["state"]["value"], "Timestamp": one["state"]["timestamp"]}} for one in given]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []


def _trigger(settings: Shape) -> Shape:
    rule: Shape = {"EvaluationPeriods": settings["EvaluationPeriods"]}
    if "DatapointsToAlarm" in settings:
        rule["DatapointsToAlarm"] = settings["DatapointsToAlarm"]
    rule |= {
        "ComparisonOperator": settings["ComparisonOperator"],
        "Threshold": settings["Threshold"],
        "TreatMissingData": settings.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "Metrics" in settings:
        periods = (one.get("Period") or one.get("MetricStat", {}).get("Period", 0) for one in settings["Metrics"])
        return {"Period": max(periods), **rule, "Metrics": [_told_query(one) for one in settings["Metrics"]]}
    statistic = settings.get("Statistic", "").upper()
    return {
        "MetricName": settings["MetricName"],
        "Namespace": settings["Namespace"],
        "StatisticType": "Statistic" if statistic else "ExtendedStatistic",
        "Statistic": statistic or settings["ExtendedStatistic"],
        "Unit": settings.get("Unit"),
        "Dimensions": _told_dimensions(settings),
        "Period": settings["Period"],
        **rule,
    }


def _told_dimensions(metric: Shape) -> list[Shape]:
    return [{"value": one["Value"], "name": one["Name"]} for one in metric.get("Dimensions", [])]


def _told_query(query: Shape) -> Shape:
    told: Shape = {"ReturnData": True, **query}
    if "MetricStat" in query:
        stat = query["MetricStat"]
        told["MetricStat"] = {**stat, "Metric": {**stat["Metric"], "Dimensions": _told_dimensions(stat["Metric"])}}
    return told


def function_event(payload: Shape) -> Shape:
    """What a function gets (CloudWatch User Guide, "Invoke a Lambda function from an alarm")."""
    name, settings = AlarmName(*payload["alarm"]), payload["settings"]
    configuration: Shape = {"description": settings["AlarmDescription"]} if "AlarmDescription" in settings else {}
    if payload["kind"] == COMPOSITE:
        configuration["alarmRule"] = settings["AlarmRule"]
        configuration |= {told: settings[member] for member, told in _SUPPRESSION.items() if member in settings}
    elif "Metrics" in settings:
        configuration["metrics"] = [_event_query(one) for one in settings["Metrics"]]
    else:
        stat = {"Metric": settings, "Period": settings["Period"], "Stat": settings.get("Statistic") or settings["ExtendedStatistic"]}
        if "Unit" in settings:
            stat["Unit"] = settings["Unit"]
        configuration["metrics"] = [_event_query({"Id": "m1", "MetricStat": stat})]
    state: Shape = {"value": payload["state"], "reason": payload["reason"]}
    if payload["reason_data"]:
        state["reasonData"] = payload["reason_data"]
    state["timestamp"] = iso(payload["at"] // SECOND)
    return {
        "source": "aws.cloudwatch",
        "alarmArn": name.arn,
        "accountId": name.account,
        "time": iso(payload["at"] // SECOND),
        "region": name.region,
        "alarmData": {"alarmName": name.name, "state": state, "previousState": payload["previous"], "configuration": configuration},
    }


def _event_query(query: Shape) -> Shape:
    told: dict[str, Any] = {"id": query["Id"]}
    if "MetricStat" in query:
        stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
        dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
        told["metricStat"] = {"metric": {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": dimensions}, "period": stat["Period"], "stat": stat["Stat"]}
        if "Unit" in stat:
            told["metricStat"]["unit"] = stat["Unit"]
    for member, name in (("Expression", "expression"), ("Label", "label"), ("Period", "period")):
        if member in query:
            told[name] = query[member]
    told["returnData"] = query.get("ReturnData", True)
    return told
