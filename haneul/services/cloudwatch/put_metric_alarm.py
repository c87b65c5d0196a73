"""PutMetricAlarm."""

from __future__ import annotations

import re
from functools import partial

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.actions import action_conditions, checked_actions
from haneul.services.cloudwatch.alarms import COMPOSITE, METRIC, Alarm, AlarmName, alarm_arn, find_alarm, save_alarm
from haneul.services.cloudwatch.errors import validation
from haneul.services.cloudwatch.history import note
from haneul.services.cloudwatch.judging import COMPARISONS, TREATMENTS
from haneul.services.cloudwatch.mathematics.functions import Grid
from haneul.services.cloudwatch.mathematics.parser import functions_in
from haneul.services.cloudwatch.mathematics.series import TimeSeries
from haneul.services.cloudwatch.periods import checked_period
from haneul.services.cloudwatch.points import SIMPLE, statistic
from haneul.services.cloudwatch.queries import Evaluation, Place, checked_queries, finest_period
from haneul.services.cloudwatch.tags import tags_of
from haneul.services.cloudwatch.watched import query_shapes
from haneul.store.port import Transaction

_QUERIES_MAX = 20
_QUERIES_OF_KIND_MAX = 10
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_NOT_BUILT = ("ThresholdMetricId", "EvaluationWindow", "WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval", "ActionConfiguration")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SINGLE = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")


@operation("cloudwatch:PutMetricAlarm", resource=alarm_arn, conditions=action_conditions, tagging="cloudwatch:TagResource", partial=", ".join(_NOT_BUILT))
async def put_metric_alarm(call: Call, request: Shape) -> None:
    """Make an alarm on a metric or on an expression, or give an existing one other settings; its state stays until it is evaluated."""
    for parameter in _NOT_BUILT:
        if parameter in request:
            raise NotBuilt(f"the parameter {parameter} of cloudwatch:PutMetricAlarm")
    if _CONTROL.search(request["AlarmName"]) is not None:
        raise validation("AlarmName must not contain ASCII control characters.")
    _check_rule(request)
    if "Metrics" in request:
        _check_queries(call, request)
    else:
        _check_metric(request)
    _check_span(request)
    checked_queries(Place(call.account, call.region), query_shapes(request))
    checked_actions(call.region, request)
    await put_alarm(call, request, METRIC)


def _check_rule(request: Shape) -> None:
    comparison = request.get("ComparisonOperator")
    if comparison is None:
        raise validation("ComparisonOperator is required.")
    if comparison not in COMPARISONS:
        raise NotBuilt(f"the ComparisonOperator {comparison} (anomaly detection)")
    if "EvaluationPeriods" not in request:
        raise validation("EvaluationPeriods is required.")
    if "Threshold" not in request:
        raise validation("The parameter Threshold is required.")
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    treatment = request.get("TreatMissingData", "missing")
    if treatment not in TREATMENTS:
        raise validation(f"The value {treatment} for parameter TreatMissingData is not supported.")
    low_samples = request.get("EvaluateLowSampleCountPercentile", "evaluate")
    if low_samples not in ("evaluate", "ignore"):
        raise validation(f"Option {low_samples} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are evaluate and ignore.")


def _check_metric(request: Shape) -> None:
    for name in ("MetricName", "Namespace"):
        if name not in request:
            raise validation(f"The parameter {name} is required.")
    if ("Statistic" in request) == ("ExtendedStatistic" in request):
        raise validation("Exactly one of Statistic and ExtendedStatistic must be specified.")
    extended = request.get("ExtendedStatistic")
    if extended is not None and (extended in SIMPLE or statistic(extended) is None):
        raise validation(f"The value {extended} for parameter ExtendedStatistic is not supported.")
    if "Period" not in request:
        raise validation("The parameter Period is required.")


def _check_queries(call: Call, request: Shape) -> None:
    for name in _SINGLE:
        if name in request:
            raise validation(f"The parameters Metrics and {name} are mutually exclusive.")
    if len(request["Metrics"]) > _QUERIES_MAX:
        raise validation(f"The collection Metrics must not have a size greater than {_QUERIES_MAX}.")
    place = Place(call.account, call.region)
    queries = checked_queries(place, request["Metrics"])
    metrics = sum(query.metric is not None for query in queries.values())
    for what, count in (("MetricStat", metrics), ("Expression", len(queries) - metrics)):
        if count > _QUERIES_OF_KIND_MAX:
            raise validation(f"No more than {_QUERIES_OF_KIND_MAX} of the metric data queries may have {what}.")
    if len({query.period for query in queries.values() if query.metric is not None}) > 1:
        raise validation("The metrics of a metric alarm must all have the same period.")
    returned = [query for query in queries.values() if query.returned]
    if len(returned) != 1:
        raise validation("Exactly one of the metric data queries must have ReturnData set to true.")
    for query in queries.values():
        if query.tree is not None and functions_in(query.tree) & {"SEARCH"}:
            raise validation("SEARCH is not supported on Metric Alarms.")
    # Over an empty stretch of time there is nothing to read, but what kind of value comes out is the same.
    now_seconds = call.now // SECOND
    nothing = Grid(now_seconds, now_seconds, finest_period(queries.values()))
    try:
        value = Evaluation(call.cloud.store, place, queries, nothing, now_seconds).query(returned[0].id)
    except ServiceError:
        return  # It has no value without data.
    if not isinstance(value, TimeSeries):
        raise validation(f"Error in expression '{returned[0].id}': The expression of an alarm must result in a single time series.")


def _check_span(request: Shape) -> None:
    if "Metrics" in request:
        period = max((one.get("Period") or one.get("MetricStat", {}).get("Period", 0) for one in request["Metrics"]), default=60) or 60
    else:
        period = request["Period"]
    if period not in (10, 20, 30) and period % 60:
        raise validation("Period must be 10, 20, 30 or a multiple of 60.")
    checked_period(period)
    limit = _WEEK_SECONDS if period >= 3600 else _DAY_SECONDS
    if period * request["EvaluationPeriods"] > limit:
        span = "a week" if limit == _WEEK_SECONDS else "a day"
        raise validation(f"Metrics cannot be checked across more than {span} (EvaluationPeriods * Period must be <= {limit}).")


async def put_alarm(call: Call, request: Shape, kind: str) -> None:
    """Keep an alarm of either kind. Tags are taken only when it is made."""
    name = AlarmName(call.account, call.region, request["AlarmName"])
    settings = {member: value for member, value in request.items() if member != "Tags"}
    settings.setdefault("ActionsEnabled", True)
    await call.cloud.store.transact(partial(_put, name, kind, settings, tags_of(request), call.now))


def _put(name: AlarmName, kind: str, settings: Shape, tags: dict[str, str], now: int, tx: Transaction) -> None:
    known = find_alarm(tx, name)
    if known is not None and known.kind != kind:
        other = "composite" if known.kind == COMPOSITE else "metric"
        raise validation(f"An alarm of the name {name.name} exists already; it is a {other} alarm.")
    # The time of its settings tells one version of an alarm from the next.
    at = now if known is None else max(now, known.configured_at + 1)
    alarm = Alarm(name.name, kind, settings, at, tags=tags, state_updated_at=now, transitioned_at=now, made_at=now)
    if known is not None:
        alarm.state, alarm.reason, alarm.reason_data, alarm.tags = known.state, known.reason, known.reason_data, known.tags
        alarm.state_updated_at, alarm.transitioned_at, alarm.made_at = known.state_updated_at, known.transitioned_at, known.made_at
        if name.suppressor(alarm) is not None:
            alarm.suppressed_by, alarm.suppressed_until, alarm.held = known.suppressed_by, known.suppressed_until, known.held
    done = "Create" if known is None else "Update"
    note(tx, name, kind, now, "ConfigurationUpdate", f'Alarm "{name.name}" {done.lower()}d', {"version": "1.0", "type": done, "updatedAlarm": settings})
    save_alarm(tx, name, alarm)
