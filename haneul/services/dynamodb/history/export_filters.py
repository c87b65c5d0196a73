"""Which items an export takes, and which of their attributes, when a FilterSpecification says it.

(Developer Guide: "Filtering a table export"; API Reference: "FilterSpecification".)
"""

from __future__ import annotations

from haneul.services.dynamodb.expressions.request import Parsers, bind
from haneul.services.dynamodb.history.export_records import Export
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item


class ExportFilter:
    """The FilterSpecification of an export, whose expressions were checked when it began."""

    def __init__(self, parsers: Parsers, export: Export) -> None:
        bound = bind(parsers, export.filter)
        self._low, self._high = export.low, export.high
        self._key = Table(export.table).key
        self._condition = bound.filter
        self._projection = bound.projection

    def reads(self, item: Item) -> bool:
        """Whether an item has a key that the export looks at."""
        return not self._high or self._low <= self._key.suffix(item) < self._high

    def takes(self, item: Item) -> bool:
        """Whether the export has an item of those that it looks at."""
        return self._condition is None or self._condition(item)

    def shown(self, item: Item) -> Item:
        """What the export has of an item."""
        return item if self._projection is None else self._projection(item)

    def ends(self, place: bytes) -> bool:
        """Whether nothing that is looked at lies at a place of the table or behind it."""
        return bool(self._high) and place >= self._high
