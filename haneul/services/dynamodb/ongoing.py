"""Items of transactions that are under way. Until such a transaction is durable nobody else writes them, or reads them in a transaction.

(Developer Guide: "Transaction conflict handling in DynamoDB".)
"""

from __future__ import annotations

from collections.abc import Sequence

from haneul.services.dynamodb.errors import transaction_conflict
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.throughput.enforcement import Capacity


class Ongoing:
    """The rows that transactions under way write or check, each with what stands for its transaction."""

    __slots__ = ("_capacity", "_rows")

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._rows: dict[bytes, object] = {}

    def refuse(self, table: Table, row: bytes, by: object = None) -> None:
        """Raise TransactionConflictException, and count it, when the row belongs to a transaction under way other than `by`."""
        holder = self._rows.get(row)
        if holder is not None and holder is not by:
            raise self.conflict(table)

    def conflict(self, table: Table) -> Exception:
        """The error of a request that meets another one at an item."""
        self._capacity.count(table, "TransactionConflict")
        return transaction_conflict()

    def begin(self, rows: Sequence[bytes], by: object) -> None:
        """They belong to a transaction that nobody has refused them to."""
        for row in rows:
            self._rows[row] = by

    def end(self, rows: Sequence[bytes], by: object) -> None:
        """A transaction is durable, or has failed."""
        for row in rows:
            if self._rows.get(row) is by:
                del self._rows[row]
