"""What CloudWatch learns of functions, and what the bill is made of.

Source: AWS Lambda Developer Guide, "Types of metrics for Lambda functions". Every metric goes to the function, to the qualifier that was asked for
(dimension Resource), and, of an alias with weights, to the version that ran (ExecutedVersion); most to the account as a whole too.
"""

from __future__ import annotations

from typing import Final

from haneul.core.cloud import Cloud
from haneul.metering.metrics import Dimensions, Gathered, Metrics, Series, SeriesName
from haneul.runtime.port import Outcome
from haneul.services.lambda_.functions import Resolution
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.platform_log import billed_milliseconds

NAMESPACE: Final = "AWS/Lambda"
_METERS_MAX: Final = 4096


class _Copy(Series):
    """Another name under which what a series has gathered is reported too."""

    __slots__ = ("of",)
    of: Series

    def take(self, minute: int) -> Gathered:
        of = self.of
        return Gathered(self.name, minute, of.count, of.sum, of.min, of.max, dict(of.values))


class _Copied(Metrics):
    """Where a series with copies enters itself: each value is added once, and read once for every name when it is handed on."""

    def __init__(self, metrics: Metrics, copies: list[_Copy]) -> None:
        self._to = metrics
        self._copies = copies

    def enter(self, series: Series) -> None:
        for copy in self._copies:  # They are read before the series itself, which then begins anew.
            self._to.enter(copy)
        self._to.enter(series)


class FunctionMeters:
    """The meters of invocations of one kind."""

    def __init__(self, cloud: Cloud, target: Target, executed: str) -> None:
        self._cloud = cloud
        self._target = target
        resource = f"{target.name}:{target.qualifier}" if target.qualifier else target.name
        function: Dimensions = (("FunctionName", target.name),)
        self._sets: list[Dimensions] = [(), function, (*function, ("Resource", resource))]
        if executed:
            self._sets.append((("ExecutedVersion", executed), *function, ("Resource", resource)))
        self.invocations = self._meter("Invocations")
        self.errors = self._meter("Errors")
        self.throttles = self._meter("Throttles")
        self.duration = self._meter("Duration", "Milliseconds")
        self.concurrency = self._meter("ConcurrentExecutions")
        self._others: dict[str, Series] = {}

    def _meter(self, name: str, unit: str = "Count") -> Series:
        account, region = self._target.account, self._target.region
        metrics = self._cloud.metrics
        *others, own = (SeriesName(account, region, NAMESPACE, name, dimensions, unit) for dimensions in self._sets)
        copies = [_Copy(metrics, one) for one in others]
        series = Series(_Copied(metrics, copies), own)
        for copy in copies:
            copy.of = series
        return series

    def add(self, name: str, value: float = 1.0, unit: str = "Count") -> None:
        """Report one of the rarer metrics."""
        meter = self._others.get(name)
        if meter is None:
            meter = self._others[name] = self._meter(name, unit)
        meter.add(value)


class Meters:
    """Gives out meters, and meters invocations."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._known: dict[tuple[Target, str], FunctionMeters] = {}
        self._unreserved: dict[tuple[str, str], Series] = {}

    def of(self, found: Resolution) -> FunctionMeters:
        """The meters of what `found` names."""
        weighted = found.alias is not None and bool(found.alias.weights)
        return self._of(found.target, found.version.qualifier if weighted else "")

    def of_target(self, target: Target) -> FunctionMeters:
        return self._of(target, "")

    def _of(self, target: Target, executed: str) -> FunctionMeters:
        meters = self._known.get((target, executed))
        if meters is None:
            if len(self._known) >= _METERS_MAX:
                self._known.clear()
            meters = self._known[target, executed] = FunctionMeters(self._cloud, target, executed)
        return meters

    def ran(self, found: Resolution, outcome: Outcome) -> None:
        """An invocation has ended: metrics, and what is paid for it."""
        account, region, name, _ = found.target
        meters = self.of(found)
        meters.invocations.add(1.0)
        meters.errors.add(0.0 if outcome.status == "success" else 1.0)
        meters.throttles.add(0.0)
        meters.duration.add(round(outcome.duration_ns / 1_000_000, 2))
        add = self._cloud.usage.add
        billed = billed_milliseconds(outcome)
        add(account, region, "lambda", "Invocations", name)
        add(account, region, "lambda", "BilledMilliseconds", name, billed)
        add(account, region, "lambda", "GbSecondsMillionths", name, billed * found.version.memory_mb * 1000 // 1024)
        add(account, region, "lambda", "DurationMicroseconds", name, outcome.duration_ns // 1000)
        if outcome.init_duration_ns is not None:
            add(account, region, "lambda", "InitMicroseconds", name, outcome.init_duration_ns // 1000)
        if outcome.status != "success":
            add(account, region, "lambda", "FunctionErrors", name)

    def throttled(self, found: Resolution) -> None:
        """An invocation was refused because too many were under way."""
        self.of(found).throttles.add(1.0)
        self._cloud.usage.add(found.target.account, found.target.region, "lambda", "Throttles", found.target.name)

    def unreserved(self, area: tuple[str, str], running: int) -> None:
        """How many invocations of functions without reserved concurrency run at once in an account and region."""
        series = self._unreserved.get(area)
        if series is None:
            series = self._unreserved[area] = self._cloud.metrics.series(*area, NAMESPACE, "UnreservedConcurrentExecutions")
        series.add(float(running))

    def count(self, target: Target, name: str, value: int = 1) -> None:
        """One of the rarer counts, as a metric and as usage."""
        self.of_target(target).add(name, float(value))
        self._cloud.usage.add(target.account, target.region, "lambda", name, target.name, value)
