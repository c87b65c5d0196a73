"""An alarm made ready to be evaluated."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.ports import Shape
from haneul.services.cloudwatch.alarms import Alarm, AlarmName
from haneul.services.cloudwatch.judging import SPARE_PERIODS, Datapoint, Rule
from haneul.services.cloudwatch.mathematics.functions import WITHOUT_DATA, Grid
from haneul.services.cloudwatch.mathematics.parser import MathError, functions_in
from haneul.services.cloudwatch.mathematics.series import TimeSeries
from haneul.services.cloudwatch.points import samples_needed
from haneul.services.cloudwatch.queries import Evaluation, Place, checked_queries, finest_period
from haneul.services.cloudwatch.rows import read_series
from haneul.services.cloudwatch.transitions import SCALING_PREFIX
from haneul.store.port import Reader

# Missing data of these leave an alarm as it is, whatever it says (API Reference: PutMetricAlarm, "TreatMissingData").
_ALWAYS_IGNORED = frozenset(("AWS/DynamoDB",))
# To those who scale provisioned capacity no consumption is a consumption of 0.
_CONSUMED = frozenset(("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"))


class Watched:
    """A metric alarm's parsed settings: what it reads, and how often (`step`, seconds).

    `zero_since` (seconds) is from when on a period without data counts as 0; None where that is no datapoint.
    """

    __slots__ = ("configured_at", "metric_ids", "name", "queries", "restless", "result", "rule", "samples_needed", "step", "zero_since")

    def __init__(self, name: AlarmName, alarm: Alarm) -> None:
        settings = alarm.settings
        self.name = name
        self.configured_at = alarm.configured_at
        self.queries = checked_queries(Place(name.account, name.region), query_shapes(settings))
        self.result = next(query for query in self.queries.values() if query.returned)
        namespaces = {query.metric.namespace for query in self.queries.values() if query.metric is not None}
        period = self.result.period or finest_period(self.queries.values())
        self.rule = Rule(
            comparison=settings["ComparisonOperator"],
            threshold=settings["Threshold"],
            periods=settings["EvaluationPeriods"],
            needed=settings["DatapointsToAlarm"] if "DatapointsToAlarm" in settings else settings["EvaluationPeriods"],
            treatment="ignore" if namespaces & _ALWAYS_IGNORED else settings.get("TreatMissingData", "missing"),
            period_seconds=period,
            statistic=settings.get("Statistic") or settings.get("ExtendedStatistic", ""),
            unit=settings.get("Unit", ""),
        )
        # Below so many samples the state stays as it is.
        self.samples_needed = samples_needed(self.rule.statistic) if settings.get("EvaluateLowSampleCountPercentile") == "ignore" else 0.0
        self.metric_ids = frozenset(query.metric.id for query in self.queries.values() if query.metric is not None)
        # With functions that have values where the metrics have none, an alarm is never at rest.
        self.restless = any(query.tree is not None and functions_in(query.tree) & WITHOUT_DATA for query in self.queries.values())
        metric = self.result.metric
        scales = any(action.startswith(SCALING_PREFIX) for action in settings.get("AlarmActions", ()))
        counted = scales and metric is not None and metric.namespace == "AWS/DynamoDB" and metric.name in _CONSUMED
        self.zero_since = alarm.made_at // SECOND if counted else None
        # Long periods are looked at every five minutes, as their rows then are.
        self.step = 10 if period < 60 else 300 if period >= 3600 else 60

    def too_few_samples(self, reader: Reader, now_seconds: int) -> bool:
        """Whether the evaluation periods have samples, but too few for the percentile to mean something."""
        metric = self.result.metric
        if not self.samples_needed or metric is None:
            return False
        period = self.rule.period_seconds
        end = now_seconds - now_seconds % self.step
        points = read_series(reader, metric.id, end - period * self.rule.periods, end, period, now_seconds, self.result.unit)
        return 0 < sum(point.samples for point in points.values()) < self.samples_needed

    def window(self, reader: Reader, now_seconds: int) -> list[Datapoint | None]:
        """The datapoints of the evaluation range that ends now, oldest first."""
        period = self.rule.period_seconds
        end = now_seconds - now_seconds % self.step
        start = end - period * (self.rule.periods + SPARE_PERIODS)
        evaluation = Evaluation(reader, Place(self.name.account, self.name.region), self.queries, Grid(start, end, period), now_seconds)
        try:
            series = evaluation.query(self.result.id)
        except MathError:
            series = TimeSeries({}, period)
        values = series.values if isinstance(series, TimeSeries) else {}
        return [self._datapoint(second, values) for second in range(start, end, period)]

    def _datapoint(self, second: int, values: dict[int, float]) -> Datapoint | None:
        if second in values:
            return Datapoint(second, values[second])
        return Datapoint(second, 0.0) if self.zero_since is not None and second >= self.zero_since else None


def query_shapes(settings: Shape) -> list[Shape]:
    """An alarm's queries; one on a single metric is a query too."""
    if "Metrics" in settings:
        queries: list[Shape] = settings["Metrics"]
        return queries
    metric = {name: settings[name] for name in ("Namespace", "MetricName", "Dimensions") if name in settings}
    stat = {"Metric": metric, "Period": settings["Period"], "Stat": settings.get("Statistic") or settings.get("ExtendedStatistic")}
    if "Unit" in settings:
        stat["Unit"] = settings["Unit"]
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]
