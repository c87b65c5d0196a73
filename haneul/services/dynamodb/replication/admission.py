"""What a global table admits while it changes. All its tables change together: while one is UPDATING, or a replica comes or goes, the others take no change.

What concerns the items or one region alone goes on: tags, backups, recovery, policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from haneul.core.errors import ServiceError
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.errors import in_use, limit_exceeded, table_not_found, validation
from haneul.services.dynamodb.replication.delivery import stored_replica
from haneul.services.dynamodb.replication.records import SOURCE_KEPT, GlobalTable, read_group
from haneul.services.dynamodb.tables import TableRecord
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

_LIMIT = "Subscriber limit exceeded: "


def group_of(reader: Reader, record: TableRecord) -> GlobalTable | None:
    """The global table that a table is a replica in, if any."""
    settings = record.replication
    return read_group(reader, record.account, settings.group) if settings is not None else None


def is_being_added(record: TableRecord) -> bool:
    """Whether a table is a replica that is being filled: nothing but DescribeTable knows of it."""
    return record.replication is not None and record.status == "CREATING"


def busy() -> ServiceError:
    """Something else of the global table is being changed."""
    return in_use("The resource which you are attempting to change is in use.")


def being_added(name: str, region: str) -> ServiceError:
    """A replica is being filled, and what all replicas share cannot be changed meanwhile."""
    return validation(
        "Create/Update/Delete of replica is not allowed while the replica is being added "
        f"to table with name: \u2018{name}\u2019 in region: \u2018{region}\u2019."
    )


def check_free(reader: Reader, record: TableRecord) -> None:
    """ResourceInUseException while a global table is being changed, ResourceNotFoundException for a replica that is being filled."""
    group = group_of(reader, record)
    if group is None:
        return
    if record.status == "CREATING":
        raise table_not_found(record.name)
    if record.status != "ACTIVE" or any(member.status != "ACTIVE" for member in group.members):
        raise busy()


@contextmanager
def limits_of_replica(region: str) -> Iterator[None]:
    """Within it, a limit that is exceeded is told of as one of the replica in that region."""
    try:
        yield
    except ServiceError as error:
        if not error.message.startswith(_LIMIT):
            raise
        raise limit_exceeded(f"Limit exceeded for replica in {region}. {error.message.removeprefix(_LIMIT).removesuffix('.')}") from error


def check_nobody_comes(reader: Reader, record: TableRecord) -> None:
    """ValidationException while a replica is being added: for settings that all of them share."""
    if is_being_added(record):
        raise table_not_found(record.name)
    group = group_of(reader, record)
    for member in group.members if group is not None else ():
        if member.status == "CREATING":
            raise being_added(record.name, member.region)


def check_source(group: GlobalTable, region: str, now: int) -> None:
    """ValidationException for a replica that another one was made from within a day, until that one is gone."""
    if any(member.source == region and member.created_at > now - SOURCE_KEPT for member in group.members):
        raise validation("Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table in the last 24 hours.")


def hold_others(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """Whatever happens to one replica, the others are UPDATING for a moment, too."""
    group = group_of(tx, record)
    for member in group.others(record.region) if group is not None else ():
        table = stored_replica(tx, group, member.region) if group is not None else None
        if table is not None and table.record.status == "ACTIVE":
            table.record.status = "UPDATING"
            lifecycle.write_record(tx, table.record)
            lifecycle.plan(service, tx, lifecycle.SETTLE, table.record)


def hold_all(service: DynamoDb, tx: Transaction, record: TableRecord) -> None:
    """A replica and all others are UPDATING for a moment, though nothing of it takes time; the caller keeps the record."""
    if record.replication is not None:
        record.status = "UPDATING"
        lifecycle.plan(service, tx, lifecycle.SETTLE, record)
        hold_others(service, tx, record)
