"""Capacity in processes that only read: what they take is charged a moment later, where everything else is.

That is allowed only while a table has so much left that a moment does not matter. The writing process names such tables each time that it hears of
charges; reads of all others are passed on to it, so that limits stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from haneul.core.cloud import Cloud
from haneul.services.dynamodb.table import Index, Table
from haneul.services.dynamodb.throughput.enforcement import Capacity, Entry, Sizes
from haneul.store.following import Elsewhere

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

_ALLOWED_FOR: Final = 50_000_000
# What one reader may take of what is left until the next report; there may be several.
_SHARE: Final = 0.25

Charge = tuple[str, str, str, str, str, bytes]
"""Account, region and name of a table, its id, the index's name or nothing, and where the row lies."""


class ReportedCapacity(Capacity):
    """The `Capacity` of a process that only reads."""

    def __init__(self, cloud: Cloud, sizes: Sizes) -> None:
        super().__init__(cloud, sizes)
        self._charges: dict[Charge, dict[int, int]] = {}
        self._wanted: set[tuple[str, str, str]] = set()
        self._allowed: dict[str, int] = {}
        self._allowed_until = 0

    def follow(self, table: Table) -> None:
        """There is nothing to attach here."""

    def admit(self, table: Table) -> None:
        """Raise Elsewhere where charges must be exact at once."""
        if self.enforced and (self._allowed.get(table.record.id, 0) <= 0 or self._clock.machine_now() > self._allowed_until):
            record = table.record
            self._wanted.add((record.account, record.region, record.name))
            raise Elsewhere

    def check_read(self, table: Table, index: Index | None, place: bytes, operation: str) -> None:
        self.admit(table)

    def take_read(self, table: Table, index: Index | None, place: bytes, half_units: int) -> None:
        self._note(table, index, place, half_units)

    def read(self, table: Table, row: bytes, half_units: int, operation: str = "") -> None:
        if operation:  # Who names none has asked `admit` before.
            self.admit(table)
        self._note(table, None, row, half_units)

    def write(self, table: Table, row: bytes, units: int, entries: Sequence[Entry] = (), *, admitted: bool = False) -> None:
        raise Elsewhere

    def _note(self, table: Table, index: Index | None, place: bytes, half_units: int) -> None:
        record = table.record
        # Where rows lie matters only where partitions limit anything.
        charge = (record.account, record.region, record.name, record.id, index.name if index is not None else "", place if self.enforced else b"")
        known = self._charges.get(charge)
        if known is None:
            known = self._charges[charge] = {}
        known[half_units] = known.get(half_units, 0) + 1
        if self.enforced:
            self._allowed[record.id] = self._allowed.get(record.id, 0) - half_units

    def collect(self) -> dict[str, Any] | None:
        """Charges since the last time, and tables that were asked for but are not allowed."""
        if not self._charges and not self._wanted:
            return None
        charges = [(*charge, list(costs.items())) for charge, costs in self._charges.items()]
        wanted = list(self._wanted)
        self._charges = {}
        self._wanted = set()
        return {"charges": charges, "wanted": wanted}

    def hear(self, allowed: list[list[Any]]) -> None:
        """The tables (by id) that may be read until the next word, which comes soon or not at all, and how many half units of each."""
        self._allowed = {str(table_id): int(half_units) for table_id, half_units in allowed}
        self._allowed_until = self._clock.machine_now() + _ALLOWED_FOR


def take_reported(service: DynamoDb, collected: dict[str, Any]) -> list[tuple[str, int]]:
    """Charge what another process has read; the ids of the tables that it may go on reading, and how many half units of each."""
    capacity, now = service.capacity, service.cloud.clock.now()
    least: dict[str, float] = {}
    for account, region, name, table_id, index_name, place, costs in collected["charges"]:
        table = service.stored_table(account, region, name)
        if table is None or table.record.id != table_id:
            continue  # It was deleted meanwhile.
        index = table.index(index_name) if index_name else None
        left = capacity.take_elsewhere(table, index, place, costs, now)
        least[table_id] = min(left, least.get(table_id, left))
        service.latencies.in_use((account, region, name))
    for account, region, name in collected["wanted"]:
        table = service.stored_table(account, region, name)
        if table is not None and table.serving:
            least.setdefault(table.record.id, capacity.spare_reads(table, now))
    for table_id, left in least.items():
        if left <= 0:
            capacity.close_to_others(table_id, now)
    return [(table_id, int(left * _SHARE) + 1) for table_id, left in least.items() if left > 0]
