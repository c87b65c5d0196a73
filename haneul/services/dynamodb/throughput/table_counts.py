"""How many tables an account has in a region, and how many of them may be in a passing state at once.

(Developer Guide: "Quotas in Amazon DynamoDB", tables and API-specific quotas; API Reference: "LimitExceededException".)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haneul.services.dynamodb.tables import TABLE_SPACE, TableRecord
from haneul.services.dynamodb.throughput.limits import check_account, too_many
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

TABLES_MAX = 2_500
OPERATIONS_MAX = 500
# Of them, tables with secondary indexes that are being created.
INDEXED_MAX = 250
_PASSING = frozenset(("CREATING", "UPDATING", "DELETING"))
_SWITCHING = frozenset(("ENABLING", "DISABLING"))


def check_tables(reader: Reader, account: str, region: str, *, indexed: bool) -> None:
    """LimitExceededException when there is no room for another table (`indexed`: one with secondary indexes), or too many are being changed."""
    if _count(reader, account, region, TABLES_MAX) >= TABLES_MAX:
        raise too_many(f"There is a limit of {TABLES_MAX} tables per subscriber")
    check_operations(reader, account, region)
    if indexed and _count(reader, account, region, INDEXED_MAX) >= INDEXED_MAX:
        made = sum(record.status == "CREATING" and bool(record.indexes) for record in _tables(reader, account, region))
        if made >= INDEXED_MAX:
            raise too_many("You have exceeded the maximum number of indexed tables that can be created simultaneously.")


def check_operations(reader: Reader, account: str, region: str) -> None:
    """LimitExceededException when as many tables as may be are being created, updated (also their time to live) or deleted."""
    if _count(reader, account, region, OPERATIONS_MAX) < OPERATIONS_MAX:
        return
    passing = sum(record.status in _PASSING or record.expiry_status in _SWITCHING for record in _tables(reader, account, region))
    if passing >= OPERATIONS_MAX:
        raise too_many(f"Only {OPERATIONS_MAX} tables can be created, updated, or deleted simultaneously")


def _tables(reader: Reader, account: str, region: str) -> Iterator[TableRecord]:
    return (decode(value, TableRecord) for _, value in reader.iterate(*prefix_range(pack((TABLE_SPACE, account, region)))))


def check_room(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """LimitExceededException when an account has no room for a further table."""
    check_tables(tx, record.account, record.region, indexed=bool(record.indexes))
    if service.capacity.enforced:
        check_account(tx, record)


def check_jobs(reader: Reader, space: str, account: str, region: str, most: int, what: str, doing: str = "under way") -> None:
    """LimitExceededException when as many jobs as may be are under way; `space` has a row for each of them, `what` is what they are called."""
    if _count(reader, account, region, most, space) >= most:
        raise too_many(f"Only {most} {what} can be {doing} simultaneously")


def _count(reader: Reader, account: str, region: str, limit: int, space: str = TABLE_SPACE) -> int:
    return len(reader.range(*prefix_range(pack((space, account, region))), limit))
