"""GetMetricData."""

from __future__ import annotations

from datetime import timezone

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.cloudwatch.errors import invalid_token, validation
from haneul.services.cloudwatch.labels import dynamic, time_zone
from haneul.services.cloudwatch.mathematics.functions import Grid
from haneul.services.cloudwatch.mathematics.parser import MathError
from haneul.services.cloudwatch.mathematics.series import TimeSeries
from haneul.services.cloudwatch.periods import rounded_start
from haneul.services.cloudwatch.queries import Evaluation, Place, Query, checked_queries, finest_period
from haneul.services.cloudwatch.service import CloudWatch

_DATAPOINTS_MAX = 100_800


@operation("cloudwatch:GetMetricData", partial="Metrics Insights queries, ANOMALY_DETECTION_BAND, INSIGHT_RULE_METRIC, SERVICE_QUOTA, spans of time in labels")
async def get_metric_data(call: Call, request: Shape) -> Shape:
    """Values of metrics and of expressions over them, newest first unless asked otherwise."""
    if request["StartTime"] >= request["EndTime"]:
        raise validation("The parameter EndTime must be greater than StartTime.")
    offset = request.get("LabelOptions", {}).get("Timezone", "+0000")
    zone = time_zone(offset)
    if zone is None:
        raise validation(f"The value {offset} for parameter LabelOptions.Timezone is invalid. It must be + or - followed by four digits.")
    limit = request.get("MaxDatapoints", _DATAPOINTS_MAX)
    if not 1 <= limit <= _DATAPOINTS_MAX:
        raise validation(f"The parameter MaxDatapoints must be between 1 and {_DATAPOINTS_MAX}.")
    scan_by = request.get("ScanBy", "TimestampDescending")
    if scan_by not in ("TimestampDescending", "TimestampAscending"):
        raise validation(f"The value {scan_by} for parameter ScanBy is invalid.")
    await call.service(CloudWatch).flush()
    place = Place(call.account, call.region)
    queries = checked_queries(place, request["MetricDataQueries"])
    # Times are rounded by the finest period asked for, so that no value that was asked for is left out.
    start = rounded_start(request["StartTime"], min((one.period for one in queries.values() if one.period), default=60), call.now)
    grid = Grid(start, -(-request["EndTime"] // SECOND), finest_period(queries.values()))
    evaluation = Evaluation(call.cloud.store, place, queries, grid, call.now // SECOND)
    results = [made for query in queries.values() if query.returned for made in _results(evaluation, query, scan_by == "TimestampDescending", zone)]
    return _page(results, limit, request.get("NextToken"))


def _results(evaluation: Evaluation, query: Query, newest_first: bool, zone: timezone) -> list[Shape]:
    try:
        value = evaluation.query(query.id)
    except MathError as error:
        raise query.wrong(error) from None
    if not isinstance(value, TimeSeries | list):
        raise query.wrong("The expression does not result in a time series")
    many = isinstance(value, list) and len(value) > 1
    return [_result(query, one, newest_first, zone, many) for one in (value if isinstance(value, list) else [value])]


def _result(query: Query, series: TimeSeries, newest_first: bool, zone: timezone, many: bool) -> Shape:
    plain = series.label if query.metric is not None or (series.label and not query.names) else query.id
    label = dynamic(query.label, series, zone) if query.label is not None else plain
    if many and query.label is not None and "${" not in query.label:
        label = f"{label} {series.label}".strip()  # One label for several series says of each which it is.
    seconds = list(series.values)
    if newest_first:
        seconds.reverse()
    return {"Id": query.id, "Label": label, "Timestamps": [second * SECOND for second in seconds], "Values": [series.values[second] for second in seconds]}


def _page(results: list[Shape], limit: int, token: str | None) -> Shape:
    """At most `limit` datapoints from where the last page ended. Results that are done do not appear again."""
    skipped = 0
    if token is not None:
        position = read_token(token)
        if position is None or not position.isdigit():
            raise invalid_token()
        skipped = int(position)
    page: list[Shape] = []
    at = taken = 0
    for result in results:
        count = len(result["Values"])
        first = max(0, skipped - at)
        at += count
        if token is not None and at <= skipped:
            continue
        last = min(count, first + limit - taken)
        taken += last - first
        complete = last == count
        part = {**result, "Timestamps": result["Timestamps"][first:last], "Values": result["Values"][first:last]}
        page.append({**part, "StatusCode": "Complete" if complete else "PartialData"})
    total = sum(len(result["Values"]) for result in results)
    answer: Shape = {"MetricDataResults": page, "Messages": []}
    if skipped + taken < total:
        answer["NextToken"] = make_token(str(skipped + taken).encode())
    return answer
