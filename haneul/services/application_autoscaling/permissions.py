"""What a caller must be allowed besides: to do with the resource and its alarms what Application Auto Scaling is going to do.

(Application Auto Scaling User Guide: "Permissions validation for Application Auto Scaling API calls on target resources", and the permissions for target
services and CloudWatch in "Application Auto Scaling identity-based policy examples".)
"""

from __future__ import annotations

from collections.abc import Iterable

from haneul.core.call import Call
from haneul.core.errors import AccessDenied
from haneul.services.application_autoscaling.errors import invalid
from haneul.services.application_autoscaling.records import Place


def check_resource_permissions(call: Call, actions: Iterable[str], resource: str) -> None:
    """ValidationException with what the caller may not do with the resource, an ARN."""
    _check(call, ((action, resource) for action in actions))


def check_alarm_permissions(call: Call, place: Place) -> None:
    """ValidationException with what the caller may not do with the alarms of target tracking policies."""
    alarm = call.arn(f"alarm:TargetTracking-{place.resource}-", "cloudwatch")
    _check(call, (("cloudwatch:PutMetricAlarm", alarm), ("cloudwatch:DescribeAlarms", call.arn("alarm:*", "cloudwatch")), ("cloudwatch:DeleteAlarms", alarm)))


def _check(call: Call, wanted: Iterable[tuple[str, str]]) -> None:
    missing: list[str] = []
    for action, resource in wanted:
        try:
            call.authorize(action, resource)
        except AccessDenied as problem:
            missing.append(problem.message)
    if missing:
        raise invalid("; ".join(missing))
