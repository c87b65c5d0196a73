"""DescribeAlarms, DescribeAlarmsForMetric."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.cloudwatch.alarms import COMPOSITE, METRIC, Alarm, AlarmName, alarms_prefix, find_alarm, name_of_key, shown_alarm
from haneul.services.cloudwatch.errors import invalid_token, validation
from haneul.services.cloudwatch.metrics import metric_of
from haneul.services.cloudwatch.rules import parse_rule
from haneul.services.cloudwatch.service import CloudWatch
from haneul.store.keys import pack, prefix_range
from haneul.store.records import decode

_PAGE = 50

Test = Callable[[Alarm], bool]


@operation("cloudwatch:DescribeAlarms", resource=lambda call, request: call.arn("alarm:*"))
async def describe_alarms(call: Call, request: Shape) -> Shape:
    """Alarms in the order of their names; metric alarms only, unless types are asked for."""
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise validation("AlarmNames and AlarmNamePrefix are mutually exclusive.")
    family = [name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if name in request]
    if family and set(request) - {family[0], "MaxRecords", "NextToken"}:
        raise validation(f"{family[0]} cannot be combined with other parameters.")
    test = _family_test(call, request) if family else _test(request)
    limit = request.get("MaxRecords", _PAGE)
    found: dict[str, list[Shape]] = {METRIC: [], COMPOSITE: []}
    shown = 0
    for name, alarm in _candidates(call, request):
        if not test(alarm):
            continue
        if shown == limit:
            return {"MetricAlarms": found[METRIC], "CompositeAlarms": found[COMPOSITE], "NextToken": make_token(name.key)}
        shape = _relative(name, alarm, family[0]) if family else shown_alarm(name, alarm)
        found[alarm.kind].append(shape)
        shown += 1
    return {"MetricAlarms": found[METRIC], "CompositeAlarms": found[COMPOSITE]}


def _relative(name: AlarmName, alarm: Alarm, asked: str) -> Shape:
    """What is told of a child or a parent: of parents who they are, of children their states too."""
    shape: Shape = {"AlarmName": alarm.name, "AlarmArn": name.arn}
    return shape | {"StateValue": alarm.state, "StateUpdatedTimestamp": alarm.state_updated_at} if asked == "ChildrenOfAlarmName" else shape


def _candidates(call: Call, request: Shape) -> Iterator[tuple[AlarmName, Alarm]]:
    store = call.cloud.store
    start, end = prefix_range(alarms_prefix(call.account, call.region))
    if "AlarmNamePrefix" in request:
        # The end of a text is marked by a zero byte, which a prefix does not have.
        start, end = prefix_range(pack((*_place(call), request["AlarmNamePrefix"]))[:-1])
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position < end:
            raise invalid_token()
        start = position
    if "AlarmNames" in request:
        for one in sorted(set(request["AlarmNames"])):
            name = AlarmName(call.account, call.region, one)
            alarm = find_alarm(store, name) if name.key >= start else None
            if alarm is not None:
                yield name, alarm
        return
    for key, value in store.iterate(start, end):
        yield name_of_key(key), decode(value, Alarm)


def _place(call: Call) -> tuple[str, str, str]:
    return ("cloudwatch-alarm", call.account, call.region)


def _test(request: Shape) -> Test:
    kinds = request.get("AlarmTypes") or [METRIC]
    state, action = request.get("StateValue"), request.get("ActionPrefix")

    def test(alarm: Alarm) -> bool:
        if alarm.kind not in kinds or (state is not None and alarm.state != state):
            return False
        return action is None or any(one.startswith(action) for kind in ("OK", "ALARM", "INSUFFICIENT_DATA") for one in alarm.actions(kind))

    return test


def _family_test(call: Call, request: Shape) -> Test:
    child = request.get("ParentsOfAlarmName")
    if child is not None:
        return lambda alarm: alarm.kind == COMPOSITE and child in parse_rule(alarm.settings["AlarmRule"]).names
    parent = find_alarm(call.cloud.store, AlarmName(call.account, call.region, request["ChildrenOfAlarmName"]))
    names = parse_rule(parent.settings["AlarmRule"]).names if parent is not None and parent.kind == COMPOSITE else frozenset()
    return lambda alarm: alarm.name in names


@operation("cloudwatch:DescribeAlarmsForMetric", resource=lambda call, request: call.arn("alarm:*"))
async def describe_alarms_for_metric(call: Call, request: Shape) -> Shape:
    """The alarms on exactly one metric, not those on expressions."""
    metric = metric_of(call.account, call.region, request)
    found: list[Shape] = []
    for name in sorted(call.service(CloudWatch).monitor.of_metric(metric.id)):
        alarm = find_alarm(call.cloud.store, name)
        if alarm is None or "Metrics" in alarm.settings:
            continue
        asked = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        if all(alarm.settings.get(one) == request[one] for one in asked if one in request):
            found.append(shown_alarm(name, alarm))
    return {"MetricAlarms": found}
