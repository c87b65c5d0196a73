"""MetricDataQuery lists, as GetMetricData and alarms with metric math have them: checked once, then worked out over a stretch of time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.cloudwatch.errors import validation
from haneul.services.cloudwatch.labels import distinguishing, not_built
from haneul.services.cloudwatch.mathematics.evaluate import NOT_BUILT, evaluate
from haneul.services.cloudwatch.mathematics.functions import FUNCTIONS, KEYWORDS, Grid
from haneul.services.cloudwatch.mathematics.parser import MathError, Node, functions_in, names_in, parse
from haneul.services.cloudwatch.mathematics.search import parse_search
from haneul.services.cloudwatch.mathematics.series import TimeSeries, Value
from haneul.services.cloudwatch.metrics import UNIT_NUMBERS, Metric, metric_of
from haneul.services.cloudwatch.periods import checked_period
from haneul.services.cloudwatch.points import statistic
from haneul.services.cloudwatch.rows import INDEX, LISTED_SECONDS, metric_of_index, read_series
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader
from haneul.store.records import decode

QUERIES_MAX = 500
_SEARCHED_MAX = 500
# A query of Metrics Insights: it begins as no expression does.
_INSIGHTS = re.compile(r"\s*SELECT\s", re.IGNORECASE)
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*\Z")
_OTHER_FUNCTIONS = frozenset(("METRICS", "SEARCH", *NOT_BUILT))


class Place(NamedTuple):
    """Whose metrics are meant."""

    account: str
    region: str


class Query:
    """One query, checked. `tree` is an expression's; `metric`, `period`, `stat` and `unit` are those of a MetricStat."""

    __slots__ = ("id", "label", "metric", "period", "returned", "stat", "text", "tree", "unit")

    def __init__(self, place: Place, shape: Shape) -> None:
        self.id: str = shape["Id"]
        self.label: str | None = shape.get("Label")
        self.returned: bool = shape.get("ReturnData", True)
        self.metric: Metric | None = None
        self.tree: Node | None = None
        self.text: str = shape.get("Expression", "")
        self.period: int = shape.get("Period", 0)
        self.stat = ""
        self.unit: str | None = None
        if _ID.match(self.id) is None:
            raise validation(f"The value {self.id} for parameter MetricDataQueries.member.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.")
        if ("Expression" in shape) == ("MetricStat" in shape):
            raise validation(f"Exactly one of MetricStat and Expression must be specified for the query {self.id}.")
        if shape.get("AccountId", place.account) != place.account:
            raise NotBuilt("the parameter AccountId of another account in a metric data query")
        unfilled = not_built(self.label) if self.label is not None else None
        if unfilled is not None:
            raise NotBuilt(f"{unfilled} in labels of metric data queries")
        if "MetricStat" in shape:
            self._read_stat(place, shape["MetricStat"])
        else:
            self._read_expression()

    def _read_stat(self, place: Place, stat: Shape) -> None:
        self.metric = metric_of(place.account, place.region, stat["Metric"])
        if not self.metric.namespace or not self.metric.name:
            raise validation(f"The query {self.id} must name a Namespace and a MetricName.")
        self.period, self.stat, self.unit = checked_period(stat["Period"]), stat["Stat"], stat.get("Unit")
        if statistic(self.stat) is None:
            raise validation(f"The value {self.stat} for parameter Stat of the query {self.id} is invalid.")
        if self.unit is not None and self.unit not in UNIT_NUMBERS:
            raise validation(f"The value {self.unit} for parameter Unit of the query {self.id} is invalid.")

    def _read_expression(self) -> None:
        if self.period:
            checked_period(self.period)
        if _INSIGHTS.match(self.text) is not None:
            raise NotBuilt("Metrics Insights (the metric data query SELECT)")
        try:
            self.tree = parse(self.text)
        except MathError as error:
            raise self.wrong(error) from None
        for name in functions_in(self.tree) - FUNCTIONS.keys():
            if name not in _OTHER_FUNCTIONS:
                raise self.wrong(f"Unsupported function {name}")
            if name in NOT_BUILT:
                raise NotBuilt(f"{NOT_BUILT[name]} (the metric math function {name})")

    @property
    def names(self) -> set[str]:
        return names_in(self.tree) - KEYWORDS if self.tree is not None else set()

    def wrong(self, reason: object) -> Exception:
        return validation(f"Error in expression '{self.id}': {reason}")


def checked_queries(place: Place, shapes: list[Shape]) -> dict[str, Query]:
    """Queries by id. ValidationError for ids given twice or unknown, circles, and expressions that cannot be understood."""
    if not shapes:
        raise validation("The parameter MetricDataQueries must not be empty.")
    if len(shapes) > QUERIES_MAX:
        raise validation(f"The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.")
    queries: dict[str, Query] = {}
    for shape in shapes:
        query = Query(place, shape)
        if query.id in queries:
            raise validation(f"The values for parameter id in MetricDataQueries are not unique: {query.id}.")
        queries[query.id] = query
    for query in queries.values():
        for name in query.names - queries.keys():
            raise query.wrong(f"Unrecognized variable: {name}")
    _refuse_circles(queries)
    return queries


def _refuse_circles(queries: dict[str, Query]) -> None:
    done: set[str] = set()
    for first in queries:
        way: list[tuple[str, Iterator[str]]] = [(first, iter(queries[first].names))]
        open_ids = {first}
        while way:
            name, rest = way[-1]
            following = next((one for one in rest if one not in done), None)
            if following is None:
                done.add(name)
                open_ids.discard(name)
                way.pop()
            elif following in open_ids:
                raise queries[name].wrong("Circular reference")
            else:
                open_ids.add(following)
                way.append((following, iter(queries[following].names)))


def finest_period(queries: Iterable[Query]) -> int:
    """The period in which expressions see time: the longest of the metrics', as series of different periods meet only there."""
    return max((query.period for query in queries if query.period), default=60)


class Evaluation:
    """Works out queries over a stretch of time (seconds since the epoch), each once."""

    def __init__(self, reader: Reader, place: Place, queries: dict[str, Query], grid: Grid, now_seconds: int) -> None:
        self._reader = reader
        self._place = place
        self._queries = queries
        self._grid = grid
        self._now_seconds = now_seconds
        self._found: dict[str, Value] = {}

    def query(self, name: str) -> Value:
        found = self._found.get(name)
        if found is None:
            query = self._queries.get(name)
            if query is None:
                raise MathError(f"Unrecognized variable: {name}")
            found = self._found[name] = self._work_out(query)
        return found

    def _work_out(self, query: Query) -> Value:
        if query.metric is not None:
            return self._read(query.metric, query.stat, query.period, query.unit)
        assert query.tree is not None
        grid = replace(self._grid, period=query.period) if query.period else self._grid
        try:
            return evaluate(query.tree, self, grid)
        except MathError as error:
            raise query.wrong(error) from None

    def metrics(self, text: str) -> list[TimeSeries]:
        found = [self.query(query.id) for query in self._queries.values() if query.metric is not None and text in query.id]
        return [one for one in found if isinstance(one, TimeSeries)]

    def search(self, text: str, stat: str, period: int) -> list[TimeSeries]:
        if statistic(stat) is None:
            raise MathError(f"Unknown statistic {stat}")
        search = parse_search(text)
        parts = (INDEX, *self._place) if search.namespace is None else (INDEX, *self._place, search.namespace)
        made: list[TimeSeries] = []
        for key, alive in self._reader.iterate(*prefix_range(pack(parts))):
            metric = metric_of_index(key)
            if decode(alive, int) >= self._now_seconds - LISTED_SECONDS and search.finds(metric):
                made.append(self._read(metric, stat, period, None))
                if len(made) == _SEARCHED_MAX:
                    break
        return [replace(one, label=label) for one, label in zip(made, distinguishing(made), strict=True)]

    def _read(self, metric: Metric, stat: str, period: int, unit: str | None) -> TimeSeries:
        make = statistic(stat)
        assert make is not None
        points = read_series(self._reader, metric.id, self._grid.start, self._grid.end, period, self._now_seconds, unit)
        values = {second: value for second in sorted(points) if (value := make(points[second])) is not None}
        properties = {"Namespace": metric.namespace, "MetricName": metric.name, "Stat": stat, "Period": str(period), "Region": metric.region, "AccountId": metric.account}
        for name, dimension in metric.dimensions:
            properties[f"Dim.{name}"] = dimension
        return TimeSeries(values, period, metric.name, properties)
