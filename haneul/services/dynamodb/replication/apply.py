"""A version of an item arrives at a replica: it replaces what is there if it is newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.services.dynamodb.replication.journal import note_tombstone, stamp_moment
from haneul.services.dynamodb.rows import row_item
from haneul.services.dynamodb.table import Table
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb


def apply_version(service: DynamoDb, tx: Transaction, target: Table, suffix: bytes, stamp: bytes | None, new_row: bytes | None) -> bool:
    """Bring one item of a replica to a version of another region; False when what is there is as new.

    Without a stamp the item is from before the table was global, and everything else is newer. Indexes, counts, stream and time to live follow as
    with any write; nobody's identity stands in the stream record, even if the item expired elsewhere.
    """
    journal = target.journal
    assert journal is not None
    key = journal.versions + suffix
    mine = tx.get(key)
    row = target.prefix + suffix
    old_row = tx.get(row)
    if mine is not None and (stamp is None or mine >= stamp):
        return False
    if stamp is None and (old_row is not None or new_row is None):
        return False
    silent = target.silent()
    old = row_item(old_row) if old_row is not None and not silent.plain else None
    new = row_item(new_row) if new_row is not None and not silent.plain else None
    service.put_row(tx, silent, row, old_row, old, new_row, new)
    if stamp is not None:
        tx.put(key, stamp)
        if new_row is None:
            note_tombstone(service, tx, journal, suffix, stamp_moment(stamp))
    return True
