"""PutCompositeAlarm."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.actions import action_conditions, checked_actions
from haneul.services.cloudwatch.alarms import COMPOSITE, AlarmName, alarm_arn, find_alarm
from haneul.services.cloudwatch.errors import validation
from haneul.services.cloudwatch.put_metric_alarm import put_alarm
from haneul.services.cloudwatch.rules import RuleError, parse_rule

_NOT_BUILT = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod", "ActionConfiguration")
_CHILDREN_MAX = 100


@operation("cloudwatch:PutCompositeAlarm", resource=alarm_arn, conditions=action_conditions, tagging="cloudwatch:TagResource", partial=", ".join(_NOT_BUILT))
async def put_composite_alarm(call: Call, request: Shape) -> None:
    """Make an alarm whose state follows from those of other alarms. Alarms that look at each other are taken: they keep their states until the circle is broken."""
    for parameter in _NOT_BUILT:
        if parameter in request:
            raise NotBuilt(f"the parameter {parameter} of cloudwatch:PutCompositeAlarm")
    try:
        rule = parse_rule(request["AlarmRule"])
    except RuleError as problem:
        raise validation(f"AlarmRule must follow the alarm rule syntax: {problem}.") from None
    if len(rule.names) > _CHILDREN_MAX:
        raise validation(f"AlarmRule cannot refer to more than {_CHILDREN_MAX} alarms.")
    for child in sorted(rule.names):
        if find_alarm(call.cloud.store, AlarmName(call.account, call.region, child)) is None:
            raise validation(f"Could not save the composite alarm as alarms [{child}] in the alarm rule do not exist")
    checked_actions(call.region, request)
    await put_alarm(call, request, COMPOSITE)
