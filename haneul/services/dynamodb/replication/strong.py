"""Multi-Region strong consistency: a write is in every region that can be reached before it is answered.

A region serves writes and consistent reads only while it reaches another replica or the witness, and lacks nothing that was written elsewhere. (Developer
Guide: "How DynamoDB global tables work", "Multi-Region strong consistency (MRSC)".)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from haneul.core.errors import ServiceError
from haneul.core.ports import Links
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.replication.apply import apply_version
from haneul.services.dynamodb.replication.journal import Journal, append, stamp_region
from haneul.services.dynamodb.replication.records import GlobalTable, read_group
from haneul.services.dynamodb.table import Table
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

T = TypeVar("T")

_MARK: Final = b"\x01"


def connected(links: Links, group: GlobalTable, one: str, other: str) -> bool:
    """Whether two regions of a strongly consistent table reach one another, directly or through the third."""
    if links.reach(one, other):
        return True
    third = [region for region in (*(member.region for member in group.members), group.witness) if region and region not in (one, other)]
    return any(links.reach(one, region) and links.reach(region, other) for region in third)


def _check_quorum(service: DynamoDb, reader: Reader, journal: Journal, group: GlobalTable) -> None:
    if any(member.status == "CREATING" for member in group.members):
        return  # The table is only becoming one in several regions.
    others = [region for region in (*(member.region for member in group.members), group.witness) if region and region != journal.region]
    if reader.get(journal.behind) is not None or not any(service.cloud.links.reach(journal.region, region) for region in others):
        raise ServiceError("InternalServerError", "The Region cannot reach enough other Regions of the global table. Please retry.", 500)


def guarded(service: DynamoDb, work: Callable[[Transaction], T], tables: Sequence[Table]) -> Callable[[Transaction], T]:
    """A transaction that looks at, or changes, items only while enough regions are there: what conditions see must be the newest."""

    def checked(tx: Transaction) -> T:
        for table in tables:
            group = read_group(tx, table.record.account, table.journal.group) if table.journal is not None else None
            if group is not None and table.journal is not None:
                _check_quorum(service, tx, table.journal, group)
        return work(tx)

    return checked


def check_conflict(service: DynamoDb, journal: Journal, before: bytes | None, key: bytes) -> None:
    """ReplicatedWriteConflictException while another region is writing the same item: what it wrote (`before`) is not yet on the disk."""
    if before is not None and stamp_region(before) != journal.region and service.cloud.store.get(key) != before:
        raise ServiceError(
            "ReplicatedWriteConflictException", "One or more items in this request are being modified by a request in another Region.", 400
        )


def spread(service: DynamoDb, tx: Transaction, table: Table, group: GlobalTable, suffix: bytes, stamp: bytes, new_row: bytes | None, now: int) -> None:
    """Write a version in all other regions that can be reached; the log keeps it for those that cannot."""
    journal = table.journal
    assert journal is not None
    lagging = False
    for member in group.others(journal.region):
        target = service.stored_table(journal.account, member.region, table.name)
        if target is None or target.journal is None:
            continue
        at_hand = member.status == "ACTIVE" and connected(service.cloud.links, group, journal.region, member.region)
        if at_hand and tx.get(target.journal.behind) is None:
            apply_version(service, tx, target, suffix, stamp, new_row)
        else:
            tx.put(target.journal.behind, _MARK)
            lagging = True
    if lagging:
        append(service, tx, journal, suffix, now)


def check_read(service: DynamoDb, table: Table, request: Mapping[str, Any]) -> None:
    """A consistent read of a strongly consistent table needs the other regions; any other read does not."""
    journal = table.journal
    if journal is None or not journal.strong or not request.get("ConsistentRead"):
        return
    group = read_group(service.cloud.store, journal.account, journal.group)
    if group is not None:
        _check_quorum(service, service.cloud.store, journal, group)


def refuse_transaction(table: Table) -> None:
    """Strongly consistent global tables take no transactions."""
    if table.journal is not None and table.journal.strong:
        raise validation("Transactional operations are not supported on global tables with multi-Region strong consistency")
