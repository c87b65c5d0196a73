"""PutMetricData."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from haneul.clock import DAY, HOUR, SECOND
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.errors import invalid_combination, invalid_value, missing
from haneul.services.cloudwatch.metrics import UNIT_NUMBERS, Metric, sorted_dimensions
from haneul.services.cloudwatch.points import Point
from haneul.services.cloudwatch.rows import Datum
from haneul.services.cloudwatch.service import CloudWatch

_DATA_MAX = 1000
_VALUES_MAX = 150
_REQUEST_BYTES_MAX = 1024 * 1024
_PAST_MAX = 14 * DAY
_FUTURE_MAX = 2 * HOUR
# Numbers beyond 2 to the 360th are not taken.
_MAGNITUDE_MAX = 2.0**360


@operation("cloudwatch:PutMetricData", conditions=lambda call, request: {"cloudwatch:namespace": request["Namespace"]}, partial="EntityMetricData")
async def put_metric_data(call: Call, request: Shape) -> None:
    """Take in values of metrics, for times from two weeks ago to two hours ahead."""
    if request.get("EntityMetricData"):
        raise NotBuilt("the parameter EntityMetricData of cloudwatch:PutMetricData")
    namespace, given = request["Namespace"], request.get("MetricData")
    if not given:
        raise missing("MetricData")
    if len(given) > _DATA_MAX:
        raise invalid_value(f"The collection MetricData must not have a size greater than {_DATA_MAX}.")
    if call.http is not None and len(call.http.body) > _REQUEST_BYTES_MAX and "x-www-form" not in call.http.headers.get("content-type", ""):
        raise ServiceError("RequestEntityTooLarge", f"Request size exceeded {_REQUEST_BYTES_MAX} bytes", 413)
    if namespace.startswith("AWS/") and call.caller.kind != "service":
        raise invalid_value("The value AWS/ for parameter Namespace is invalid.")
    data = [_datum(call, namespace, one, f"MetricData.member.{number}") for number, one in enumerate(given, 1)]
    # Values that all occurred no times are no values.
    await call.service(CloudWatch).store_data([one for one in data if one.point.samples])


def _datum(call: Call, namespace: str, given: Mapping[str, Any], where: str) -> Datum:
    metric = Metric(call.account, call.region, namespace, given["MetricName"], _checked_dimensions(given, where))
    now = call.now
    timestamp = given.get("Timestamp", now)
    if timestamp < now - _PAST_MAX:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past.")
    if timestamp > now + _FUTURE_MAX:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time within two hours of the current time.")
    resolution = given.get("StorageResolution", 60)
    if resolution not in (1, 60):
        raise invalid_value(f"The value {resolution} for parameter {where}.StorageResolution is invalid.")
    unit = given.get("Unit", "None")
    if unit not in UNIT_NUMBERS:
        raise invalid_value(f"The value {unit} for parameter {where}.Unit is invalid.")
    return Datum(metric, timestamp // SECOND, unit, _point(given, where), resolution == 1)


def _checked_dimensions(given: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    dimensions = sorted_dimensions(given.get("Dimensions"))
    for number, (name, value) in enumerate(dimensions, 1):
        if not name.isascii() or not value.isascii() or not name.strip() or not value.strip() or name.startswith(":"):
            raise invalid_value(f"The parameter {where}.Dimensions.member.{number} must contain only ASCII characters, not all of them blank.")
    if len({name for name, _ in dimensions}) != len(dimensions):
        raise invalid_value(f"No two dimensions of {where} may have the same name.")
    return dimensions


def _point(given: Mapping[str, Any], where: str) -> Point:
    forms = [name for name in ("Value", "Values", "StatisticValues") if name in given]
    if not forms:
        raise invalid_combination(f"At least one of the parameters must be specified: {where}.Value, {where}.StatisticValues.")
    if len(forms) > 1:
        raise invalid_combination(f"The parameters {where}.{forms[0]} and {where}.{forms[1]} are mutually exclusive and you have specified both.")
    if "Counts" in given and "Values" not in given:
        raise invalid_combination(f"The parameter {where}.Counts requires {where}.Values.")
    if forms[0] == "Value":
        value = _number(given["Value"], f"{where}.Value")
        return Point(1.0, value, value, value, {value: 1.0})
    if forms[0] == "Values":
        return _of_values(given["Values"], given.get("Counts"), where)
    return _of_summary(given["StatisticValues"], where)


def _of_values(values: list[float], counts: list[float] | None, where: str) -> Point:
    if len(values) > _VALUES_MAX:
        raise invalid_value(f"The collection {where}.Values must not have a size greater than {_VALUES_MAX}.")
    if not values:
        raise invalid_value(f"The collection {where}.Values must not be empty.")
    if counts is not None and len(counts) != len(values):
        raise invalid_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    point = Point(values={})
    for number, value in enumerate(values):
        value = _number(value, f"{where}.Values.member.{number + 1}")
        count = 1.0 if counts is None else _number(counts[number], f"{where}.Counts.member.{number + 1}")
        if count < 0:
            raise invalid_value(f"The value {count} for parameter {where}.Counts.member.{number + 1} is invalid.")
        point.add(Point(count, value * count, value, value, {value: count}))
    return point


def _of_summary(given: Mapping[str, float], where: str) -> Point:
    samples, total, low, high = (_number(given[name], f"{where}.StatisticValues.{name}") for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    if samples <= 0:
        raise invalid_value(f"The parameter {where}.StatisticValues.SampleCount must be greater than 0.")
    if low > high:
        raise invalid_combination(f"The parameter {where}.StatisticValues.Maximum must be greater than or equal to {where}.StatisticValues.Minimum.")
    # A summary of one value, or of equal ones, is as good as the values themselves, if its sum is theirs.
    plain = low == high and math.isclose(total, low * samples)
    return Point(samples, total, low, high, {low: samples} if plain else {}, not plain)


def _number(value: float, where: str) -> float:
    if not math.isfinite(value) or abs(value) > _MAGNITUDE_MAX:
        raise invalid_value(f"The value {value} for parameter {where} is invalid.")
    return float(value)
