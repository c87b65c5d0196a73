"""Which of the counts that are kept for the bill are metrics too. They become so when they are written, so that they cost a request nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haneul.metering.metrics import Dimensions

# Services that report calls of their API in AWS/Usage, by the names they have there.
_USAGE = {"cloudwatch": "CloudWatch", "logs": "Logs"}
_GATEWAY = frozenset(("Count", "4XXError", "5XXError"))
_LOGS = {"IncomingBytes": "Bytes", "IncomingLogEvents": "None"}


class Reported(NamedTuple):
    """A metric that a count is reported as."""

    namespace: str
    name: str
    dimensions: Dimensions
    unit: str


def reported_as(service: str, metric: str, resource: str) -> Iterator[Reported]:
    """The metrics of one kind of count; most have none."""
    if service == "apigateway" and metric in _GATEWAY:
        api, _, stage = resource.rpartition("/")
        yield Reported("AWS/ApiGateway", metric, (("ApiName", api),), "Count")
        yield Reported("AWS/ApiGateway", metric, (("ApiName", api), ("Stage", stage)), "Count")
    elif service == "logs" and metric in _LOGS:
        yield Reported("AWS/Logs", metric, (("LogGroupName", resource),), _LOGS[metric])
    elif metric in ("Requests", "Errors") and service in _USAGE:
        dimensions = (("Class", "None"), ("Resource", resource), ("Service", _USAGE[service]), ("Type", "API"))
        yield Reported("AWS/Usage", "CallCount", dimensions, "None")
