"""The one call that the write path makes for replicas; tables that are in one region only never come here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.services.dynamodb.replication.journal import append, make_stamp, note_tombstone, stamp_moment, stamp_region
from haneul.services.dynamodb.replication.records import read_group
from haneul.services.dynamodb.replication.strong import check_conflict, spread
from haneul.services.dynamodb.table import Table
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb


def record_write(service: DynamoDb, tx: Transaction, table: Table, row: bytes, new_row: bytes | None, now: int) -> None:
    """Give a write of this region its version, and tell the other regions of it: later, or at once where the table is strongly consistent.

    A write is newer than what it replaces, whatever the clocks say.
    """
    journal = table.journal
    assert journal is not None
    suffix = row[len(table.prefix) :]
    key = journal.versions + suffix
    before = tx.get(key)
    group = read_group(tx, journal.account, journal.group) if journal.strong else None
    if group is not None:
        check_conflict(service, journal, before, key)
    moment = now if before is None else max(now, stamp_moment(before) + 1)
    stamp = make_stamp(moment, journal.region)
    tx.put(key, stamp)
    if new_row is None:
        note_tombstone(service, tx, journal, suffix, moment)
    if group is not None:
        spread(service, tx, table, group, suffix, stamp, new_row, now)
    elif not journal.strong:
        append(service, tx, journal, suffix, now)


def expires_here(service: DynamoDb, tx: Transaction, table: Table, row: bytes) -> bool:
    """Whether it is this region that deletes an item whose time to live is over: the one where it was written last, so that it is deleted once.

    Items of a region that has no replica any more expire in the first one that has.
    """
    journal = table.journal
    if journal is None:
        return True
    group = read_group(tx, journal.account, journal.group)
    if group is None:
        return True
    stamp = tx.get(journal.versions + row[len(table.prefix) :])
    home = stamp_region(stamp) if stamp is not None else ""
    regions = sorted(member.region for member in group.members if not member.leaving)
    return journal.region == (home if home in regions else regions[0]) if regions else True
