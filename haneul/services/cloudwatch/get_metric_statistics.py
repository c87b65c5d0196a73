"""GetMetricStatistics."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.errors import invalid_combination, invalid_value
from haneul.services.cloudwatch.metrics import UNIT_NUMBERS, metric_of
from haneul.services.cloudwatch.periods import checked_period, rounded_start
from haneul.services.cloudwatch.points import SIMPLE, Statistic, statistic
from haneul.services.cloudwatch.rows import read_periods
from haneul.services.cloudwatch.service import CloudWatch

_DATAPOINTS_MAX = 1440


@operation("cloudwatch:GetMetricStatistics")
async def get_metric_statistics(call: Call, request: Shape) -> Shape:
    """Statistics of one metric, a datapoint for each period and unit that has values."""
    simple, extended = _checked_statistics(request)
    if request["StartTime"] >= request["EndTime"]:
        raise invalid_combination("The parameter StartTime must be less than the parameter EndTime.")
    period = checked_period(request["Period"])
    start, end = rounded_start(request["StartTime"], period, call.now), -(-request["EndTime"] // SECOND)
    wanted = -(-(end - start) // period)
    if wanted > _DATAPOINTS_MAX:
        raise invalid_combination(
            f"You have requested up to {wanted:,} datapoints, which exceeds the limit of {_DATAPOINTS_MAX:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    unit = request.get("Unit")
    if unit is not None and unit not in UNIT_NUMBERS:
        raise invalid_value(f"The value {unit} for parameter Unit is invalid.")
    await call.service(CloudWatch).flush()
    points = read_periods(call.cloud.store, metric_of(call.account, call.region, request).id, start, end, period, call.now // SECOND, unit)
    datapoints: list[Shape] = []
    for (second, point_unit), point in points.items():
        made: Shape = {"Timestamp": second * SECOND, "Unit": point_unit, **{name: make(point) for name, make in simple.items()}}
        if extended:
            found = {name: value for name, make in extended.items() if (value := make(point)) is not None}
            if not found and not simple:
                continue
            made["ExtendedStatistics"] = found
        datapoints.append(made)
    return {"Label": request["MetricName"], "Datapoints": datapoints}


def _checked_statistics(request: Shape) -> tuple[dict[str, Statistic], dict[str, Statistic]]:
    if not request.get("Statistics") and not request.get("ExtendedStatistics"):
        raise invalid_combination("Must specify either Statistics or ExtendedStatistics")
    if request.get("Statistics") and request.get("ExtendedStatistics"):
        raise invalid_combination("Must specify either Statistics or ExtendedStatistics, but not both")
    simple: dict[str, Statistic] = {}
    for name in request.get("Statistics", ()):
        made = statistic(name) if name in SIMPLE else None
        if made is None:
            raise invalid_value(f"The value {name} for parameter Statistics is invalid.")
        simple[name] = made
    extended: dict[str, Statistic] = {}
    for name in request.get("ExtendedStatistics", ()):
        made = statistic(name) if name not in SIMPLE else None
        if made is None:
            raise invalid_value(f"The value {name} for parameter ExtendedStatistics is invalid.")
        extended[name] = made
    return simple, extended
