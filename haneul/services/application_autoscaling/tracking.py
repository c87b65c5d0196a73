"""Target tracking: the alarms that a policy keeps, and the capacity that follows when one of them is raised.

DynamoDB's are those that the real service makes: scaling out after 2 minutes above the target, in after 15 minutes 20 points below it, with
thresholds in units per minute of what is provisioned now. Others compare the metric itself: 3 minutes above the target, 15 below nine tenths of it.
Source: Application Auto Scaling User Guide, "Target tracking scaling policies"; DynamoDB Developer Guide, "Managing throughput capacity automatically".
"""

from __future__ import annotations

import math

from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.adapters import Tracked, adapter_of
from haneul.services.application_autoscaling.records import Place, Policy, Target

HIGH, LOW = "AlarmHigh", "AlarmLow"
PROVISIONED_HIGH, PROVISIONED_LOW = "ProvisionedCapacityHigh", "ProvisionedCapacityLow"
_PERIOD_SECONDS = 60
_POINTS_BELOW = 20.0
_SESSION = "AutoScaling-ManageAlarms"


def tracked_by(place: Place, policy: Policy) -> Tracked | None:
    """The metric that a policy follows; None when it is an expression."""
    customized = policy.settings.get("CustomizedMetricSpecification")
    if customized is None:
        return adapter_of(*place[2:]).tracked(place)
    if "Metrics" in customized:
        return None
    return Tracked(customized["Namespace"], customized["MetricName"], customized.get("Dimensions", []), customized["Statistic"], False)


def alarm_names(place: Place, policy: Policy, new_id: str) -> dict[str, str]:
    """Names for a policy's alarms, by their kind."""
    tracked = tracked_by(place, policy)
    kinds = [HIGH, LOW] if tracked is None or not tracked.utilization else [HIGH, LOW, PROVISIONED_HIGH, PROVISIONED_LOW]
    return {kind: f"TargetTracking-{place.resource}-{kind}-{new_id[:-2]}{number:02x}" for number, kind in enumerate(kinds)}


def _thresholds(policy: Policy, utilization: bool, capacity: int) -> tuple[float, float]:
    target = policy.settings["TargetValue"]
    if utilization:
        low = target - _POINTS_BELOW if target > _POINTS_BELOW else target / 2
        return target / 100 * capacity * _PERIOD_SECONDS, low / 100 * capacity * _PERIOD_SECONDS
    return target, target * 0.9


def _alarms(place: Place, policy: Policy, capacity: int) -> list[Shape]:
    tracked = tracked_by(place, policy)
    utilization = tracked is not None and tracked.utilization
    high, low = _thresholds(policy, utilization, capacity)
    metric: Shape
    if tracked is None:
        metric = {"Metrics": [{**one, "MetricStat": {**one["MetricStat"], "Period": 60}} if "MetricStat" in one else one for one in _expressions(policy)]}
    else:
        metric = {"Namespace": tracked.namespace, "MetricName": tracked.metric, "Dimensions": tracked.dimensions, "Statistic": tracked.statistic, "Period": 60}
        unit = policy.settings.get("CustomizedMetricSpecification", {}).get("Unit")
        if unit:
            metric["Unit"] = unit
    common = {"AlarmActions": [policy.arn], "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}."}
    made = [
        {"AlarmName": policy.alarms[HIGH], **common, **metric, "EvaluationPeriods": 2 if utilization else 3, "Threshold": high,
         "ComparisonOperator": "GreaterThanThreshold"},
        {"AlarmName": policy.alarms[LOW], **common, **metric, "EvaluationPeriods": 15, "Threshold": low, "ComparisonOperator": "LessThanThreshold"},
    ]  # fmt: skip
    if utilization:
        assert tracked is not None
        provisioned = {**metric, "MetricName": tracked.metric.replace("Consumed", "Provisioned"), "Statistic": "Average", "Period": 300}
        for kind, comparison in ((PROVISIONED_HIGH, "GreaterThanThreshold"), (PROVISIONED_LOW, "LessThanThreshold")):
            alarm = {**common, **provisioned, "EvaluationPeriods": 3, "Threshold": float(capacity), "ComparisonOperator": comparison}
            made.append({"AlarmName": policy.alarms[kind], **alarm})
    return made


def _expressions(policy: Policy) -> list[Shape]:
    metrics: list[Shape] = policy.settings["CustomizedMetricSpecification"]["Metrics"]
    return metrics


async def put_alarms(cloud: Cloud, place: Place, target: Target, policy: Policy, capacity: int) -> None:
    """Make a policy's alarms, or give them thresholds for another capacity."""
    for alarm in _alarms(place, policy, capacity):
        await _call(cloud, "cloudwatch:PutMetricAlarm", alarm, place, target)


async def delete_alarms(cloud: Cloud, place: Place, target: Target, policy: Policy) -> None:
    """Take a policy's alarms away."""
    await _call(cloud, "cloudwatch:DeleteAlarms", {"AlarmNames": list(policy.alarms.values())}, place, target)


async def _call(cloud: Cloud, operation: str, params: Shape, place: Place, target: Target) -> None:
    principal = adapter_of(*place[2:]).principal
    await call_as(cloud, operation, params, role=target.role, principal=principal, session_name=_SESSION, region=place.region, account=place.account)


def wanted_capacity(place: Place, policy: Policy, values: list[float], current: int) -> int:
    """The capacity at which the highest of the values would be just the target."""
    tracked = tracked_by(place, policy)
    target: float = policy.settings["TargetValue"]
    highest = max(values)
    if tracked is not None and tracked.utilization:
        return math.ceil(round(highest / _PERIOD_SECONDS / (target / 100), 6))
    return math.ceil(round(current * highest / target, 6))
