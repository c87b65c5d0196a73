"""Data in the store: one row for each metric, resolution, stretch of time and unit, so that a write costs the same however much there is.

Every value is kept at 60 s, 300 s and 3600 s (at 1 s too when it is reported at high resolution); each resolution is forgotten at its own age. Rows lie
in chunks of time, so that forgetting is the removal of whole ranges. Source: CloudWatch User Guide, "Metrics retention".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from haneul.services.cloudwatch.metrics import UNIT_NUMBERS, UNITS, Metric
from haneul.services.cloudwatch.points import Point
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

DATA = "cloudwatch-data"
INDEX = "cloudwatch-metric"
_HOUR = 3600
_DAY = 24 * _HOUR
LISTED_SECONDS = 14 * _DAY
ACTIVE_SECONDS = 3 * _HOUR
# The list of metrics is told no more often than this that a metric is still alive.
_ACTIVITY_STEP_SECONDS = 300


class Resolution(NamedTuple):
    """How long rows of one resolution are kept and how much time a chunk of them covers, in seconds."""

    kept: int
    chunk: int


RESOLUTIONS: Mapping[int, Resolution] = MappingProxyType(
    {
        1: Resolution(3 * _HOUR, _HOUR),
        60: Resolution(15 * _DAY, _DAY),
        300: Resolution(63 * _DAY, 7 * _DAY),
        3600: Resolution(455 * _DAY, 30 * _DAY),
    }
)


class Datum(NamedTuple):
    """Values that were reported for one moment. `second` is when, since the epoch; `fine` when they are kept by the second too."""

    metric: Metric
    second: int
    unit: str
    point: Point
    fine: bool


class DataWriter:
    """Writes what was reported. It remembers which metrics the list knows to be alive, so that most writes need not look."""

    def __init__(self) -> None:
        self._alive: dict[bytes, int] = {}

    def forget(self) -> None:
        self._alive.clear()

    def write(self, tx: Transaction, data: Iterable[Datum], now_seconds: int) -> set[bytes]:
        """Add data to the rows they belong to; returns the ids of their metrics."""
        ids: dict[Metric, bytes] = {}
        rows: dict[tuple[int, bytes, int, str], Point] = {}
        for one in data:
            metric_id = ids.get(one.metric)
            if metric_id is None:
                metric_id = ids[one.metric] = one.metric.id
            for resolution, kept in RESOLUTIONS.items():
                if (resolution > 1 or one.fine) and one.second > now_seconds - kept.kept:
                    place = (resolution, metric_id, one.second - one.second % resolution, one.unit)
                    row = rows.get(place)
                    if row is None:
                        row = rows[place] = Point(values={})
                    row.add(one.point)
        for (resolution, metric_id, second, unit), point in rows.items():
            key = pack((DATA, resolution, second // RESOLUTIONS[resolution].chunk, metric_id, second, UNIT_NUMBERS[unit]))
            known = tx.get(key)
            if known is not None:
                before = decode(known, Point)
                before.add(point)
                point = before
            tx.put(key, encode(point))
        for metric, metric_id in ids.items():
            self._keep_alive(tx, metric, metric_id, now_seconds)
        return set(ids.values())

    def _keep_alive(self, tx: Transaction, metric: Metric, metric_id: bytes, now_seconds: int) -> None:
        if now_seconds - self._alive.get(metric_id, 0) >= _ACTIVITY_STEP_SECONDS:
            tx.put(index_key(metric), encode(now_seconds))
            if len(self._alive) > 100_000:
                self._alive.clear()
            self._alive[metric_id] = now_seconds


def index_key(metric: Metric) -> bytes:
    return pack((INDEX, *metric[:4], *(text for pair in metric.dimensions for text in pair)))


def metric_of_index(key: bytes) -> Metric:
    _, account, region, namespace, name, *rest = (str(part) for part in unpack(key))
    return Metric(account, region, namespace, name, tuple(zip(rest[::2], rest[1::2], strict=True)))


def resolution_for(start: int, period: int) -> int:
    """The coarsest resolution whose rows make up periods of `period` seconds that begin at `start`."""
    for resolution in (3600, 300, 60):
        if period % resolution == 0 and start % resolution == 0:
            return resolution
    return 1


def read_rows(reader: Reader, metric_id: bytes, resolution: int, start: int, end: int, now_seconds: int) -> Iterator[tuple[int, str, Point]]:
    """Rows of one resolution with start <= second < end that are not too old: second, unit, point."""
    kept, chunk = RESOLUTIONS[resolution]
    start = max(start, now_seconds - kept)
    for number in range(start // chunk, (end - 1) // chunk + 1):
        prefix = (DATA, resolution, number, metric_id)
        first = pack((*prefix, max(start, number * chunk)))
        last = pack((*prefix, min(end, (number + 1) * chunk)))
        for key, value in reader.iterate(first, last):
            parts = unpack(key)
            yield int(parts[4]), UNITS[int(parts[5])], decode(value, Point)


def read_periods(reader: Reader, metric_id: bytes, start: int, end: int, period: int, now_seconds: int, unit: str | None = None) -> dict[tuple[int, str], Point]:
    """Points by (begin of the period, unit), of periods that begin at `start`. A period that `end` cuts is left as it is cut."""
    made: dict[tuple[int, str], Point] = {}
    if end <= start:
        return made
    for second, row_unit, point in read_rows(reader, metric_id, resolution_for(start, period), start, end, now_seconds):
        if unit is not None and unit != row_unit:
            continue
        place = (second - (second - start) % period, row_unit)
        known = made.get(place)
        if known is None:
            made[place] = point
        else:
            known.add(point)
    return made


def read_series(reader: Reader, metric_id: bytes, start: int, end: int, period: int, now_seconds: int, unit: str | None = None) -> dict[int, Point]:
    """Points by begin of the period, all units taken together unless one is asked for."""
    made: dict[int, Point] = {}
    for (second, _), point in sorted(read_periods(reader, metric_id, start, end, period, now_seconds, unit).items()):
        known = made.get(second)
        if known is None:
            made[second] = point
        else:
            known.add(point)
    return made


def expired_chunk(reader: Reader, resolution: int, now_seconds: int) -> tuple[bytes, bytes] | None:
    """The range of the oldest rows of a resolution that are past their time altogether."""
    kept, chunk = RESOLUTIONS[resolution]
    start, _ = prefix_range(pack((DATA, resolution)))
    end = pack((DATA, resolution, (now_seconds - kept) // chunk))
    return (start, end) if reader.range(start, end, 1) else None
