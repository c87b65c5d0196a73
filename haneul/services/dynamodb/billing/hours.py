"""What tables and backups cost by the hour: provisioned capacity, storage, point-in-time recovery, backups.

Capacity costs what was the highest in the hour, for each table and global index by itself, also of what is gone when the hour ends; what differs from the
state at its end is kept in the store, so that a restart does not forget it. Everything else is looked at when the hour ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from haneul.clock import HOUR
from haneul.metering.hours import Hours, Seen, unhurried
from haneul.services.dynamodb.billing import metrics
from haneul.services.dynamodb.history.records import BACKUP_SPACE, USER, Backup
from haneul.services.dynamodb.tables import TABLE_SPACE, TableRecord
from haneul.services.dynamodb.writing import read_counts
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

# What DynamoDB adds to each item, in the table and in each index, when it counts storage.
ITEM_OVERHEAD_BYTES: Final = 100
_AT_ONCE: Final = 50

Place = tuple[str, str, str]
Line = tuple[tuple[str, str, str, str, str], int]
Units = dict[str, tuple[int, int]]
"""Provisioned read and write units, of the table under "" and of global indexes under their internal ids."""


class Peak(msgspec.Struct):
    """The highest provisioned units of one table, which may be gone, in the hour that is running."""

    account: str
    region: str
    name: str
    table_class: str
    replica: bool
    units: Units


class _Known:
    """A table: its units as they are, and the hour's highest."""

    __slots__ = ("created_at", "peak", "table_id", "units")

    def __init__(self, record: TableRecord) -> None:
        self.table_id = record.id
        self.created_at = record.created_at
        self.units = _units(record)
        self.peak = Peak(record.account, record.region, record.name, record.table_class, record.replication is not None, dict(self.units))

    def change(self, record: TableRecord) -> bool:
        """The table's record was written; whether what its capacity costs in this hour has changed."""
        peak, units = self.peak, _units(record)
        replica = record.replication is not None
        if units == self.units and (record.table_class, replica) == (peak.table_class, peak.replica):
            return False
        self.units, peak.table_class, peak.replica = units, record.table_class, replica
        _raise(peak.units, units)
        return bool(peak.units)


def _units(record: TableRecord) -> Units:
    if record.on_demand:
        return {}
    indexes = {index.id: (index.throughput.read_units, index.throughput.write_units) for index in record.indexes if index.is_global}
    return {"": (record.throughput.read_units, record.throughput.write_units), **indexes}


def _raise(highest: Units, units: Units) -> None:
    """Make `highest` at least `units`."""
    for holder, (read, write) in units.items():
        known_read, known_write = highest.get(holder, (0, 0))
        highest[holder] = max(read, known_read), max(write, known_write)


class TableHours:
    """Counts the hours of a running service's tables and backups. Only in the process that writes."""

    def __init__(self, service: DynamoDb) -> None:
        self._service = service
        self._store = service.cloud.store
        self._hours = Hours(service.cloud.store, service.cloud.clock, "dynamodb", self._look)
        self._tables: dict[Place, _Known] = {}
        # The highest units of tables that are gone, by id.
        self._ended: dict[str, Peak] = {}
        self._unwatch: list[Callable[[], None]] = []

    def start(self) -> None:
        """Take note of everything that is there, and go on where an earlier run ended."""
        store, hours = self._store, self._hours
        hours.load()
        self._tables, self._ended = {}, {}
        for key, value in store.iterate(*prefix_range(pack((TABLE_SPACE,)))):
            self._tables[_place(key)] = _Known(decode(value, TableRecord))
        by_id = {known.table_id: known for known in self._tables.values()}
        for table_id, value in hours.notes():
            peak = decode(value, Peak)
            if table_id in by_id:
                _raise(by_id[table_id].peak.units, peak.units)
            else:
                self._ended[table_id] = peak
        self._unwatch = [store.watch(pack((TABLE_SPACE,)), self._tables_changed), store.watch(pack((BACKUP_SPACE,)), self._backups_changed)]
        hours.start(anything=bool(self._tables or self._ended or store.range(*prefix_range(pack((BACKUP_SPACE,))), 1)))

    async def stop(self) -> None:
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch = []
        await self._hours.stop()

    async def flush(self) -> None:
        """Enter what has been counted."""
        await self._hours.flush()

    # ---- what changes within the hour

    def _backups_changed(self, keys: Sequence[bytes]) -> None:
        self._hours.wake()

    def _tables_changed(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._note(_place(key))

    def _note(self, place: Place) -> None:
        table = self._service.stored_table(*place)
        record = table.record if table is not None else None
        known = self._tables.get(place)
        if known is not None and (record is None or record.id != known.table_id):
            del self._tables[place]
            if known.peak.units:
                self._ended[known.table_id] = known.peak
                self._hours.note(known.table_id, encode(known.peak))
            known = None
        if record is None:
            return
        if known is None:
            self._tables[place] = _Known(record)
        elif known.change(record):
            self._hours.note(known.table_id, encode(known.peak))
        self._hours.wake()

    # ---- the end of an hour

    async def _look(self, hour: int) -> Seen:
        ended, self._ended = self._ended, {}
        horizon = (hour + 1) * HOUR
        lines: list[Line] = []
        for peak in ended.values():
            lines += _capacity_lines(peak)
        places = []
        for place, known in self._tables.items():
            if known.created_at < horizon:
                lines += _capacity_lines(known.peak)
                known.peak.units = dict(known.units)
                places.append(place)
        async for place in unhurried(places, _AT_ONCE):
            lines += self._storage_lines(place)
        backups = await self._backup_lines(lines, horizon)
        return Seen(lines, bool(self._tables) or backups)

    def _storage_lines(self, place: Place) -> list[Line]:
        table = self._service.stored_table(*place)
        if table is None:
            return []
        record, counts = table.record, read_counts(self._store, table)
        local = {"", *(index.id for index in record.indexes if not index.is_global)}
        stored = sum(size + ITEM_OVERHEAD_BYTES * items for items, size in counts.values())
        recovered = sum(size for holder, (_, size) in counts.items() if holder in local) if record.history.recovery else 0
        found = ((metrics.by_class(metrics.STORAGE, record.table_class), stored), (metrics.RECOVERY, recovered))
        return [_line(place, metric, value) for metric, value in found if value]

    async def _backup_lines(self, lines: list[Line], horizon: int) -> bool:
        """Add the lines of backups that users made (AWS Backup's are billed there, those of deleted tables cost nothing); whether there are any."""
        found = False
        async for key, value in unhurried(self._store.iterate(*prefix_range(pack((BACKUP_SPACE,)))), _AT_ONCE):
            backup = decode(value, Backup)
            if backup.kind != USER:
                continue
            found = True
            if backup.status == "AVAILABLE" and backup.created_at < horizon and backup.size_bytes:
                lines.append(_line(_place(key), metrics.BACKUPS, backup.size_bytes))
        return found


def _place(key: bytes) -> Place:
    _, account, region, name, *_ = unpack(key)
    return str(account), str(region), str(name)


def _line(place: Place, metric: str, value: int) -> Line:
    return (place[0], place[1], "dynamodb", metric, place[2]), value


def _capacity_lines(peak: Peak) -> list[Line]:
    """The unit-hours of one hour. A replica's own writes are replicated ones, those of its global indexes are not."""
    place, units = (peak.account, peak.region, peak.name), peak.units
    own = units.get("", (0, 0))[1]
    reads, writes = sum(read for read, _ in units.values()), sum(write for _, write in units.values())
    replicated = own if peak.replica else 0
    found = ((metrics.READ_HOURS, reads), (metrics.WRITE_HOURS, writes - replicated), (metrics.REPLICATED_WRITE_HOURS, replicated))
    return [_line(place, metrics.by_class(metric, peak.table_class), value) for metric, value in found if value]
