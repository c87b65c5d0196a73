"""Which changes of a table and of its indexes are admitted while an index is being made, changed or removed.

(Developer Guide: "Managing global secondary indexes", "Modifying an index creation", "Deleting a global secondary index during backfilling".)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import limit_exceeded, still_in_use, validation
from haneul.services.dynamodb.lifecycle import allocates, changes_indexes
from haneul.services.dynamodb.tables import IndexRecord, TableRecord

Shape = dict[str, Any]

_INDEX_CHANGES_MAX = 1


def indexes_change(record: TableRecord) -> bool:
    """Whether it is for an index that a table is UPDATING: then `check_indexes` knows what it admits."""
    return record.status == "UPDATING" and changes_indexes(record)


def check_indexes(record: TableRecord, request: Shape) -> None:
    """ResourceInUseException for an UpdateTable that has to wait until an index is ready or gone, LimitExceededException for an index too many at once.

    ResourceNotFoundException and ValidationException for indexes that are not there, or not global.
    """
    _check_updates(record, request.get("GlobalSecondaryIndexUpdates") or ())
    for doing, names in (
        ("created", [index.name for index in record.indexes if allocates(index)]),
        ("deleted", [index.name for index in record.indexes if index.status == "DELETING"]),
    ):
        if names:
            _check_table(record, request, doing, f"[{', '.join(names)}]")


def _check_table(record: TableRecord, request: Shape, doing: str, names: str) -> None:
    """What may not be changed of the table itself while the indexes `names` are being `created` or `deleted`."""
    mode = request.get("BillingMode")
    if request.get("ProvisionedThroughput") or (mode and (mode == "PAY_PER_REQUEST") != record.on_demand):
        raise still_in_use(f"Can't change table IOPS when an index is being {doing}. Table: {record.name} Indexes: {names}")
    if request.get("StreamSpecification"):
        raise still_in_use(f"Can't change stream status when an index is being {doing}. Table: {record.name} Indexes: {names}")
    if request.get("OnDemandThroughput") and record.on_demand:
        what = "creation" if doing == "created" else "deletion"
        raise still_in_use(f"OnDemandThroughput cannot be updated while index {what} is in progress for indexes: {names}")
    if request.get("TableClass") or (request.get("WarmThroughput") and doing == "created"):
        raise still_in_use(f"Table is being updated: {record.name}")


def _check_updates(record: TableRecord, updates: Any) -> None:
    online = [one["IndexName"] for kind, one in _actions(updates) if kind != "Update"]
    passing = [index for index in record.indexes if index.name not in online and (index.status in ("CREATING", "DELETING") or index.backfilling)]
    if online and len(online) + len(passing) > _INDEX_CHANGES_MAX:
        raise limit_exceeded("Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
    for kind, one in _actions(updates):
        index = record.find_index(one["IndexName"])
        if kind != "Create":
            _check_present(record, index, one["IndexName"], kind)
        elif index is not None and index.status != "DELETING":
            raise validation("Attempting to create an index which already exists")
        if index is not None:
            _check_index(record, index, kind)


def _actions(updates: Any) -> Iterator[tuple[str, Shape]]:
    for update in updates:
        for kind in ("Update", "Create", "Delete"):
            if update.get(kind):
                yield kind, update[kind]


def _check_present(record: TableRecord, index: IndexRecord | None, name: str, kind: str) -> None:
    if index is None:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Index {name} for table {record.name}", 400)
    if not index.is_global:
        raise validation(f"Cannot {kind.lower()} an index that is not a GlobalSecondaryIndex: {name}")


def _check_index(record: TableRecord, index: IndexRecord, kind: str) -> None:
    """An index may be changed or removed when it is ACTIVE, or being filled."""
    where = f"Table: {record.name} Index: {index.name}"
    if index.status == "DELETING":
        raise still_in_use(f"Index is being deleted. {where}")
    if allocates(index) and kind == "Delete":
        raise still_in_use(f"Index creation is in resource allocation phase. Retry deletion during backfilling phase or when the index is active. {where}")
    if allocates(index):
        raise still_in_use(f"Index is being created but is not backfilling yet. {where}")
    if index.status == "UPDATING":
        raise still_in_use(f"Index is being updated. {where}")
