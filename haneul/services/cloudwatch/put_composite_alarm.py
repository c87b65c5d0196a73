"""PutCompositeAlarm."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.actions import action_conditions, checked_actions
from haneul.services.cloudwatch.alarms import COMPOSITE, AlarmName, alarm_arn, alarm_of_arn, find_alarm
from haneul.services.cloudwatch.errors import validation
from haneul.services.cloudwatch.put_metric_alarm import put_alarm
from haneul.services.cloudwatch.rules import RuleError, parse_rule

_NOT_BUILT = ("ActionConfiguration",)
_PERIODS = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
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
    _check_suppressor(call, request)
    checked_actions(call.region, request)
    await put_alarm(call, request, COMPOSITE)


def _check_suppressor(call: Call, request: Shape) -> None:
    """The two periods are required with a suppressor, which must exist, and mean nothing without."""
    given = request.get("ActionsSuppressor")
    for period in _PERIODS:
        if (given is None) == (period in request):
            raise validation(f"The parameter {period} is {'required' if given is not None else 'only allowed'} when ActionsSuppressor is specified.")
        if request.get(period, 0) < 0:
            raise validation(f"The parameter {period} must not be negative.")
    if given is None:
        return
    place = AlarmName(call.account, call.region, "")
    suppressor = alarm_of_arn(given) if given.startswith("arn:") else place._replace(name=given)
    if suppressor is None or suppressor[:2] != place[:2] or find_alarm(call.cloud.store, suppressor) is None:
        raise validation(f"Could not save the composite alarm as the actions suppressor [{given}] does not exist")
