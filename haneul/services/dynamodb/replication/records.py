"""Global tables: which replicas belong together, and what each has of its own.

(Developer Guide: "How DynamoDB global tables work", version 2019.11.21; API Reference: "ReplicaDescription".)
"""

from __future__ import annotations

import msgspec

from haneul.clock import HOUR, MILLISECOND
from haneul.store.keys import pack
from haneul.store.port import Reader
from haneul.store.records import decode

GLOBAL_SPACE = "dynamodb-global"
VERSION = "2019.11.21"
# How long a write in one region takes to be seen in another one.
LATENCY = 400 * MILLISECOND
# A table cannot be deleted so long after a replica was made from it.
SOURCE_KEPT = 24 * HOUR
# Later than anything that a log holds.
FAR = (1 << 63) - 1


class IndexOverride(msgspec.Struct):
    """What a replica's global index has of its own."""

    read_units: int | None = None
    on_demand_read_max: int | None = None


class Member(msgspec.Struct):
    """A replica. `source` is the region that it was filled from (empty for the first one); times in nanoseconds.

    A `leaving` replica goes as soon as its last writes have reached the others; with `kept` it stays behind as a table of its own.
    """

    region: str
    status: str = "CREATING"
    created_at: int = 0
    source: str = ""
    kept: bool = False
    read_units: int | None = None
    on_demand_read_max: int | None = None
    indexes: dict[str, IndexOverride] = {}

    @property
    def leaving(self) -> bool:
        return self.status == "DELETING"


class GlobalTable(msgspec.Struct):
    """The tables of one name in several regions that are one table. `strong`: multi-Region strong consistency, with a witness region or without."""

    id: str
    account: str
    name: str
    strong: bool = False
    members: list[Member] = []
    witness: str = ""

    def member(self, region: str) -> Member | None:
        return next((member for member in self.members if member.region == region), None)

    def others(self, region: str) -> list[Member]:
        """The replicas in other regions that still take part."""
        return [member for member in self.members if member.region != region and not member.leaving]


def group_key(account: str, group_id: str) -> bytes:
    """Where a global table's record lies."""
    return pack((GLOBAL_SPACE, account, group_id))


def read_group(reader: Reader, account: str, group_id: str) -> GlobalTable | None:
    """A global table, or None when it is one no more."""
    raw = reader.get(group_key(account, group_id))
    return decode(raw, GlobalTable) if raw is not None else None
