"""Committed rows that are not in the SQLite file yet, in layers over it; and reads through all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import apsw

from haneul.store.port import Row, StoreError
from haneul.store.seals import MARK, SEALED, RowSeals
from haneul.store.sqlite import RecentRows, pages, read_range, read_row, read_values

ABSENT: Final = bytes(bytearray(b"absent"))  # Not a row that is gone (None), but none at all: told by being this object.
_LAYER_ROWS = 32_768
_LAYER_BYTES: Final = 16 << 20
_FEW: Final = 32
_COUNTED: Final = 128
_BARE_MAX: Final = 8
_MANY: Final = 512
_PORTION: Final = 16


class Layer:
    """Rows over older ones. `None` hides what lies below."""

    __slots__ = ("_fresh", "_order", "end", "gone", "rows", "size", "used")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        # The keys of rows that hide nothing only: in order, and those not sorted in yet.
        self._order: list[bytes] = []
        self._fresh: set[bytes] = set()
        # Those of rows that hide something: no order is kept among them, so that what is gone costs no reader anything.
        self.gone: set[bytes] = set()
        # How much of the log these rows are, and the position behind the last of them.
        self.size = 0
        self.end = 0
        # Rows that were remembered until they were written here, and will be again.
        self.used: set[bytes] = set()

    def full(self) -> bool:
        """Whether it is time for another layer."""
        return len(self.rows) >= _LAYER_ROWS or self.size >= _LAYER_BYTES

    def put(self, key: bytes, value: bytes | None) -> None:
        rows = self.rows
        if value is None:
            if rows.get(key) is not None:
                if key in self._fresh:
                    self._fresh.discard(key)
                else:
                    del self._order[bisect_left(self._order, key)]
            self.gone.add(key)
        elif rows.get(key) is None:
            self.gone.discard(key)
            self._fresh.add(key)
        rows[key] = value

    def put_all(self, rows: dict[bytes, bytes | None]) -> None:
        for key, value in rows.items():
            self.put(key, value)
        if len(self._fresh) > _MANY:
            self.sort()

    def sort(self) -> None:
        """Bring the keys in order, in steps that each take a moment only."""
        order, fresh = self._order, self._fresh
        if len(fresh) <= _FEW:
            for key in fresh:
                insort(order, key)
        else:
            order += sorted(fresh)
            order.sort()  # Two runs, which are merged.
        fresh.clear()

    def keys(self) -> list[bytes]:
        """Those of rows that hide nothing, in order."""
        if self._fresh:
            self.sort()
        return self._order

    def between(self, start: bytes, end: bytes, limit: int | None, reverse: bool) -> list[bytes]:
        """The first `limit` keys of rows with start <= key < end that hide nothing."""
        if self._fresh:
            self.sort()
        order = self._order
        first = bisect_left(order, start)
        last = bisect_left(order, end, first)
        if reverse:
            if limit is not None and last - first > limit:
                first = last - limit
            return order[first:last][::-1]
        if limit is not None and last - first > limit:
            last = first + limit
        return order[first:last]

    def touches(self, start: bytes, end: bytes) -> bool:
        """Whether a range may look different because of these rows."""
        if self.gone and self.hides(start, end):
            return True
        if self._fresh:
            self.sort()
        at = bisect_left(self._order, start)
        return at < len(self._order) and self._order[at] < end

    def hides(self, start: bytes, end: bytes) -> int:
        """How many rows of a range these may hide; 1 where it is not worth while to count them."""
        if len(self.gone) > _COUNTED:
            return 1
        return len([key for key in self.gone if start <= key < end])


class Batch(Layer):
    """The writes of several transactions that share one commit. Most are never asked for a range, and until then have no order."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def put_all(self, rows: dict[bytes, bytes | None]) -> None:
        if self._asked:
            super().put_all(rows)
        else:
            self.rows.update(rows)

    def touches(self, start: bytes, end: bytes) -> bool:
        if not self._asked:
            self._asked = True
            self._order = sorted([key for key, value in self.rows.items() if value is not None])
            self.gone = {key for key, value in self.rows.items() if value is None}
        return super().touches(start, end)


Fetch = Callable[[bytes, bytes, int | None, bool], list[Row]]


def merged(layers: Sequence[Layer], below: Fetch, start: bytes, end: bytes, limit: int | None, reverse: bool) -> tuple[list[Row], int]:
    """The rows of a range as the layers, the newest of them first, show what is `below` them; and how many rows were read that they hide.
    All layers have been asked whether they touch the range."""
    found: list[Row] = []
    hidden = 0
    if limit == 0:
        return found, hidden
    portion = limit if limit is None else limit + sum([layer.hides(start, end) for layer in layers if layer.gone])
    while True:
        rows = below(start, end, portion, reverse)
        # Up to here everything has been read.
        edge = rows[-1][0] if portion is not None and len(rows) >= portion else None
        shown: dict[bytes, bytes | None] = dict(rows)
        for layer in reversed(layers):
            gone = layer.gone
            if gone:
                for key in [key for key in shown if key in gone]:
                    del shown[key]
                    hidden += 1
            keys = layer.between(start, end, portion, reverse)
            if portion is not None and len(keys) >= portion and (edge is None or (keys[-1] > edge if reverse else keys[-1] < edge)):
                edge = keys[-1]
            over = layer.rows
            for key in keys:
                shown[key] = over[key]
        if edge is None:
            inside = list(shown.items())
        elif reverse:
            inside = [row for row in shown.items() if row[0] >= edge]
        else:
            inside = [row for row in shown.items() if row[0] <= edge]
        inside.sort(reverse=reverse)
        found += inside  # type: ignore[arg-type]
        if limit is None or portion is None:
            return found, hidden
        if edge is None or len(found) >= limit:
            return found[:limit], hidden
        if reverse:
            end = edge
        else:
            start = edge + b"\x00"
        portion = max(2 * portion, _PORTION)


class CommittedRows:
    """Reads of what is committed: rows of the layers, rows remembered, and the SQLite file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._reader = connection
        self._recent = RecentRows()
        # Those that are not empty, the newest first. A row in one of them is not among the remembered ones.
        self._layers: list[Layer] = []
        # Starts of ranges, and the keys before which nothing is to be seen there: what is taken away at the front of a queue
        # lies in the file, hidden, until it is settled, and would be read by everybody who looks for the first row.
        self._bare: dict[bytes, bytes] = {}
        # What opens rows that are sealed.
        self.seals: RowSeals | None = None

    def get(self, key: bytes) -> bytes | None:
        found = self._find(key)
        return self.opened(key, found) if found and found[0] == SEALED else found

    def _find(self, key: bytes) -> bytes | None:
        if self._layers:
            for layer in self._layers:
                over = layer.rows.get(key, ABSENT)
                if over is not ABSENT:
                    return over
        found = self._recent.young.get(key)
        return found if found is not None else self._read(key)

    def opened(self, key: bytes, value: bytes) -> bytes:
        """A value that may be sealed, as whoever put it there gave it."""
        if not value.startswith(MARK):
            return value
        if self.seals is None:
            raise StoreError("a row is sealed, and there is no vault to open it with")
        return self.seals.open(key, value)

    def opened_rows(self, rows: list[Row]) -> list[Row]:
        """Rows of which some may be sealed."""
        for _, value in rows:
            if value and value[0] == SEALED:
                return [(key, self.opened(key, one)) for key, one in rows]
        return rows

    def _read(self, key: bytes) -> bytes | None:
        found = self._recent.find(key)
        if found is None:
            found = read_row(self._reader, key)
            if found is not None:
                self._recent.keep(key, found)
        return found

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[Row]:
        if self._layers:
            first = start
            if self._bare and not reverse:
                first = self._bare.get(start, start)
                if first >= end:
                    return []
            layers = [layer for layer in self._layers if layer.touches(first, end)]
            if layers:
                rows, hidden = merged(layers, self._below, first, end, limit, reverse)
                if hidden > _FEW and not reverse:
                    self._bare.pop(start, None)
                    if len(self._bare) >= _BARE_MAX:
                        del self._bare[next(iter(self._bare))]
                    self._bare[start] = rows[0][0] if rows else end
                return self.opened_rows(rows)
        return self.opened_rows(read_range(self._reader, start, end, limit, reverse))

    def values(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[bytes]:
        for layer in self._layers:
            if layer.touches(start, end):
                return [value for _, value in self.range(start, end, limit, reverse)]
        found = read_values(self._reader, start, end, limit, reverse)
        for value in found:
            if value and value[0] == SEALED:  # What a row's seal is bound to is its key.
                return [one for _, one in self.range(start, end, limit, reverse)]
        return found

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[Row]:
        return pages(self, start, end, reverse, page)

    def _below(self, start: bytes, end: bytes, limit: int | None, reverse: bool) -> list[Row]:
        return read_range(self._reader, start, end, limit, reverse)

    def _put_over(self, layer: Layer, rows: dict[bytes, bytes | None]) -> None:
        """Rows that are committed now, into the newest layer."""
        layer.put_all(rows)
        layer.used.update(self._recent.forget(rows))
        if self._bare:
            for key, value in rows.items():
                if value is not None:
                    for start in [start for start, first in self._bare.items() if start <= key < first]:
                        self._bare[start] = key

    def _drop(self, layer: Layer) -> None:
        """The rows of the oldest layer are in the SQLite file now."""
        self._layers.remove(layer)
        if not self._layers:
            self._bare.clear()
        for key in layer.used:
            value = layer.rows[key]
            if value is not None and all(key not in newer.rows for newer in self._layers):
                self._recent.keep(key, value)
