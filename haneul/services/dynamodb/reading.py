"""Pages of Query and Scan: which rows, how many, which parts of them, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import legacy
from haneul.services.dynamodb.capacity import consumed, read_half_units
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.expressions.bind import Predicate
from haneul.services.dynamodb.expressions.project import Project
from haneul.services.dynamodb.expressions.request import Expressions
from haneul.services.dynamodb.keys import KeySchema
from haneul.services.dynamodb.replication.strong import check_read
from haneul.services.dynamodb.rows import row_body, row_item, row_size, splice, total_size
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Index, Table
from haneul.services.dynamodb.values import Item, check, check_map, name_size

Shape = dict[str, Any]

PAGE_BYTES_MAX: Final = 1024 * 1024
_ROWS_FIRST: Final = 32
_ROWS_MAX: Final = 1024
_START = "The provided starting key is invalid"
# Some messages about values of a starting key come without the introduction.
_BARE: Final = ("contains duplicates", "number set", "numeric value", "significant digits", "number with magnitude")


class Source:
    """What is read: a table or one of its indexes."""

    __slots__ = ("index", "key", "prefix", "start_names", "table")

    def __init__(self, table: Table, index: Index | None) -> None:
        self.table = table
        self.index = index
        self.key: KeySchema = index.key if index is not None else table.key
        self.prefix = index.prefix if index is not None else table.prefix
        self.start_names = index.start_names if index is not None else table.key.names

    def row(self, key: Item) -> bytes:
        """Where the row with a whole starting key lies."""
        return self.index.row(key) if self.index is not None else self.prefix + self.key.suffix(key)


def source_of(service: DynamoDb, call: Call, request: Shape) -> Source:
    """The table, or the index that the request names."""
    table = service.table(call, request["TableName"])
    check_read(service, table, request)
    name = request.get("IndexName")
    if name is None:
        return Source(table, None)
    index = table.index(name)
    if index is None:
        raise validation(f"The table does not have the specified index: {name}")
    if index.is_global and request.get("ConsistentRead"):
        raise validation("Consistent reads are not supported on global secondary indexes")
    if not index.readable:
        raise validation(f"Cannot read from backfilling global secondary index: {name}")
    return Source(table, index)


def check_start_key(request: Shape) -> Item | None:
    """The values of the ExclusiveStartKey."""
    given: Any = request.get("ExclusiveStartKey")
    if given is None:
        return None
    check_map(given)
    start: Item = given
    for name, value in given.items():
        try:
            name_size(name)
            check(value)
        except ServiceError as error:
            bare = any(words in error.message for words in _BARE)
            raise validation(error.message if bare else f"{_START}: {error.message}") from None
    return start


def check_start_table_key(source: Source, start: Item) -> None:
    """The part of a starting key that is the table's own key."""
    try:
        source.table.key.check_key({name: start[name] for name in source.table.key.names if name in start})
    except ServiceError as error:
        raise validation(f"{_START}: {error.message}") from None


class Shaping:
    """Which items of a page are given, and what of them."""

    __slots__ = ("condition", "count_only", "fetch", "project")

    def __init__(self, condition: Predicate | None, project: Project | None, *, count_only: bool, fetch: bool) -> None:
        self.condition = condition
        self.project = project
        self.count_only = count_only
        self.fetch = fetch


def check_select(request: Shape) -> None:
    """Select against the parameters that name attributes."""
    select = request.get("Select")
    named = "ProjectionExpression" if "ProjectionExpression" in request else "AttributesToGet" if "AttributesToGet" in request else None
    if select is None:
        return
    if select == "SPECIFIC_ATTRIBUTES":
        if named is None:
            raise validation("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
    elif named is not None:
        what = "only the Count" if select == "COUNT" else select
        raise validation(f"Cannot specify the {named} when choosing to get {what}")
    elif select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")


def shaping_of(request: Shape, bound: Expressions, source: Source, condition: Predicate | None) -> Shaping:
    """What to give of the rows, and whether an index holds it."""
    names = request.get("AttributesToGet")
    project = legacy.attributes_to_get(names) if names is not None else bound.projection
    wanted = tuple(names) if names is not None else bound.projected
    index = source.index
    fetch = False
    if index is not None and index.included is not None:
        missing = [name for name in wanted if name not in index.included]
        if request.get("Select") == "ALL_ATTRIBUTES":
            if index.is_global:
                raise invalid(f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} because its projection type is not ALL")
            fetch = True
        elif missing:
            if index.is_global:
                raise invalid(f"Global secondary index {index.name} does not project [{', '.join(missing)}]")
            fetch = True
    return Shaping(condition, project, count_only=request.get("Select") == "COUNT", fetch=fetch)


def check_filter_projected(source: Source, heads: Iterable[str]) -> None:
    """What a filter looks at must be in the index that is queried. (A scan of an index that does not have it finds nothing.)"""
    index = source.index
    missing = [name for name in heads if name not in index.included] if index is not None and index.included is not None else []
    if index is not None and missing:
        raise invalid(f"Secondary index {index.name} does not project one or more filter attributes: [{', '.join(missing)}]")


class Page:
    """One page being gathered. `taken` bytes of it hold what was read before."""

    def __init__(self, call: Call, service: DynamoDb, source: Source, shaping: Shaping, limit: int | None, taken: int = 0) -> None:
        self.call = call
        self.service = service
        self.source = source
        self.shaping = shaping
        self.limit = limit
        self.room = PAGE_BYTES_MAX - taken
        self.bodies: list[bytes] = []
        self.items: list[Item] = []
        self.count = 0
        self.scanned = 0
        self.size = 0
        self.fetched_size = 0
        self.fetched_half_units = 0
        self.last: bytes | None = None
        self.place = b""

    def read(self, start: bytes, end: bytes, *, reverse: bool, consistent: bool) -> None:
        """Take rows until the page is full or there are no more. `last` is the row where the next page goes on behind.

        Raises the throttling error when nothing is left for reads.
        """
        source = self.source
        self.service.capacity.check_read(source.table, source.index, start, self.call.operation.name)
        self.place = start
        take = self._taker(consistent)
        if take is None:
            self._read_whole(start, end, reverse)
            return
        for row in self._rows(start, end, reverse):
            self.scanned += 1
            self.size += row_size(row)
            take(row)
            if self.scanned == self.limit or self.size + self.fetched_size >= self.room:
                self.last = row
                return

    def _read_whole(self, start: bytes, end: bytes, reverse: bool) -> None:
        """`read` where rows go into the answer as they are."""
        limit, bodies = self.limit, self.bodies
        for rows in self._portions(start, end, reverse):
            total = self.size + total_size(rows)
            if total < self.room and (limit is None or self.scanned + len(rows) < limit):
                bodies.extend([row[5:] for row in rows])
                self.scanned += len(rows)
                self.size = total
            else:
                self._fill(rows)
        self.count = self.scanned

    def _fill(self, rows: list[bytes]) -> None:
        """Take as many rows as there is room for."""
        for row in rows:
            self.size += row_size(row)
            self.bodies.append(row[5:])
            self.scanned += 1
            if self.scanned == self.limit or self.size >= self.room:
                self.last = row
                return

    def _rows(self, start: bytes, end: bytes, reverse: bool) -> Iterator[bytes]:
        for rows in self._portions(start, end, reverse):
            yield from rows

    def _portions(self, start: bytes, end: bytes, reverse: bool) -> Iterator[list[bytes]]:
        """Rows in portions that follow their size, so that large items do not pile up in memory, until `last` is there."""
        store = self.call.cloud.store
        wanted = _ROWS_FIRST if self.limit is None else min(self.limit, _ROWS_FIRST)
        while start < end:
            # What opens a sealed row is its key: both are read at once.
            rows = [row for _, row in store.range(start, end, wanted, reverse)] if self.source.table.sealed_for else store.values(start, end, wanted, reverse)
            yield rows
            if len(rows) < wanted or self.last is not None:
                return
            edge = self.source.row(row_item(rows[-1]))
            if reverse:
                end = edge
            else:
                start = edge + b"\x00"
            size = self.size + self.fetched_size
            average = max(1, size // self.scanned)
            wanted = min(max(1, (self.room - size) // average + 1), _ROWS_MAX)
            if self.limit is not None:
                wanted = min(wanted, self.limit - self.scanned)

    def _taker(self, consistent: bool) -> Callable[[bytes], None] | None:
        """The function that takes one row; None where rows are taken as they are."""
        shaping = self.shaping
        if shaping.condition is None and not shaping.fetch and shaping.project is None:
            return self._count if shaping.count_only else None

        def take(row: bytes) -> None:
            if shaping.fetch:
                row = self._fetch(row, consistent)
            item = row_item(row)
            if shaping.condition is not None and not shaping.condition(item):
                return
            self.count += 1
            if shaping.project is not None:
                self.bodies.append(orjson.dumps(shaping.project(item)))
            elif not shaping.count_only:
                self.bodies.append(row_body(row))

        return take

    def _count(self, row: bytes) -> None:
        self.count += 1

    def _fetch(self, row: bytes, consistent: bool) -> bytes:
        """The whole item behind an entry of a local index, whose read is charged to the table and counts for the size of the page."""
        table = self.source.table
        whole = self.call.cloud.store.get(table.prefix + table.key.suffix(row_item(row))) or row
        size = row_size(whole)
        self.fetched_size += size
        self.fetched_half_units += read_half_units(size, consistent)
        return whole

    def answer(self, request: Shape) -> Shape:
        """The operation's result."""
        answer: Shape = {}
        if not self.shaping.count_only:
            joined = b"[%b]" % b",".join(self.bodies)
            answer["Items"] = splice(joined) if self.call.http is not None else orjson.loads(joined)
        answer["Count"] = self.count
        answer["ScannedCount"] = self.scanned
        if self.last is not None:
            item = row_item(self.last)
            answer["LastEvaluatedKey"] = {name: item[name] for name in self.source.start_names}
        capacity = self._capacity(request)
        if capacity is not None:
            answer["ConsumedCapacity"] = capacity
        return answer

    def _capacity(self, request: Shape) -> Shape | None:
        table, index = self.source.table, self.source.index
        halves = read_half_units(self.size, request.get("ConsistentRead", False))
        self.service.capacity.take_read(table, index, self.place, halves + self.fetched_half_units)
        mode = request.get("ReturnConsumedCapacity")
        if mode is None:
            return None
        if index is None:
            return consumed(mode, request["TableName"], halves / 2)
        units = {index.name: halves / 2}
        return consumed(mode, request["TableName"], self.fetched_half_units / 2, None if index.is_global else units, units if index.is_global else None)
