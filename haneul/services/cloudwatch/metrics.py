"""What a metric is: a namespace, a name and a set of dimensions, in one account and region."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from haneul.core.ports import Shape
from haneul.store.keys import pack

Dimensions = tuple[tuple[str, str], ...]

# The units of the model, in its order: a row's key carries the number. Numbers may be added at the end only.
UNITS = (
    "None", "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits",
    "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
    "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second", "Count/Second",
)  # fmt: skip
UNIT_NUMBERS: Mapping[str, int] = MappingProxyType({unit: number for number, unit in enumerate(UNITS)})


class Metric(NamedTuple):
    """A metric's identity. `dimensions` are (name, value) pairs sorted by name."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions

    @property
    def id(self) -> bytes:
        """16 bytes that stand for the metric in the keys of its data."""
        parts = [self.account, self.region, self.namespace, self.name]
        for pair in self.dimensions:
            parts += pair
        return hashlib.blake2b(pack(parts), digest_size=16).digest()

    @property
    def shape(self) -> Shape:
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimension_shapes(self.dimensions)}


def sorted_dimensions(given: Iterable[Mapping[str, Any]] | None) -> Dimensions:
    """Dimensions of a request in the order that identifies a metric."""
    return tuple(sorted((one["Name"], one["Value"]) for one in given or ()))


def dimension_shapes(dimensions: Iterable[tuple[str, str]]) -> list[Shape]:
    return [{"Name": name, "Value": value} for name, value in dimensions]


def metric_of(account: str, region: str, shape: Mapping[str, Any]) -> Metric:
    """The metric that a request's Namespace, MetricName and Dimensions name."""
    return Metric(account, region, shape.get("Namespace", ""), shape.get("MetricName", ""), sorted_dimensions(shape.get("Dimensions")))
