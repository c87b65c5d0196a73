"""Working out an expression."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from haneul.core.errors import NotBuilt
from haneul.services.cloudwatch.mathematics.functions import FUNCTIONS, KEYWORDS, Grid
from haneul.services.cloudwatch.mathematics.parser import Array, Function, MathError, Name, Node, Number, Operation, Text
from haneul.services.cloudwatch.mathematics.series import TimeSeries, Value, combine

NOT_BUILT: Mapping[str, str] = MappingProxyType(
    {
        "ANOMALY_DETECTION_BAND": "anomaly detection",
        "INSIGHT_RULE_METRIC": "Contributor Insights rules",
        "SERVICE_QUOTA": "service quotas in metric math",
        "DB_PERF_INSIGHTS": "Database Insights",
        "LAMBDA": "metric data sources behind functions",
        "CROSS_METRIC": "cross metrics",
    }
)


class Inputs(Protocol):
    """What an expression may refer to."""

    def query(self, name: str) -> Value:
        """The result of another query; MathError when there is none of this id."""

    def metrics(self, text: str) -> list[TimeSeries]:
        """The results of all metric queries whose id contains `text`."""

    def search(self, text: str, statistic: str, period: int) -> list[TimeSeries]:
        """Every metric that a search finds."""


def evaluate(node: Node, inputs: Inputs, grid: Grid) -> Value:
    """The value of an expression; MathError when it has none."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Name):
        return node.value if node.value in KEYWORDS else inputs.query(node.value)
    if isinstance(node, Operation):
        return combine(node.operator, evaluate(node.left, inputs, grid), evaluate(node.right, inputs, grid))
    if isinstance(node, Array):
        return _array([evaluate(one, inputs, grid) for one in node.members])
    return _call(node, inputs, grid)


def _array(members: list[Value]) -> list[TimeSeries]:
    made: list[TimeSeries] = []
    for member in members:
        if isinstance(member, TimeSeries):
            made.append(member)
        elif isinstance(member, list):
            made += member
        else:
            raise MathError("An array holds time series")
    return made


def _call(node: Function, inputs: Inputs, grid: Grid) -> Value:
    if node.name in NOT_BUILT:
        raise NotBuilt(f"{NOT_BUILT[node.name]} (the metric math function {node.name})")
    arguments = [evaluate(one, inputs, grid) for one in node.arguments]
    if node.name == "METRICS":
        if len(arguments) > 1 or not all(isinstance(one, str) for one in arguments):
            raise MathError("METRICS takes nothing or one text")
        return inputs.metrics(str(arguments[0]) if arguments else "")
    if node.name == "SEARCH":
        if len(arguments) not in (2, 3) or not isinstance(arguments[0], str) or not isinstance(arguments[1], str):
            raise MathError("SEARCH takes an expression, a statistic and a period")
        period = arguments[2] if len(arguments) == 3 else float(grid.period)
        if not isinstance(period, float) or period < 1:
            raise MathError("The period of SEARCH is a number of seconds")
        return inputs.search(arguments[0], arguments[1], int(period))
    built = FUNCTIONS.get(node.name)
    if built is None:
        raise MathError(f"Unsupported function {node.name}")
    if not built.least <= len(arguments) <= built.most:
        raise MathError(f"{node.name} does not take {len(arguments)} arguments")
    return built.apply(arguments, grid)
