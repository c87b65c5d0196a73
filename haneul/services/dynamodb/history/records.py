"""What is kept of backups and of tables being restored."""

from __future__ import annotations

import msgspec

from haneul.clock import MILLISECOND, Ids
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.tables import TableRecord
from haneul.store.keys import pack
from haneul.store.port import Reader
from haneul.store.records import decode

BACKUP_SPACE = "dynamodb-backup"
BACKUP_ITEM_SPACE = "dynamodb-backup-item"
RESTORE_SPACE = "dynamodb-restore"

USER, SYSTEM, AWS_BACKUP = "USER", "SYSTEM", "AWS_BACKUP"


class Backup(msgspec.Struct):
    """A backup: the table's settings as they were, and where its rows are. Times in nanoseconds; `time` 0 until the moment is fixed.

    While it is CREATING, rows are copied from the table's past, from `cursor` on.
    """

    id: str
    name: str
    kind: str
    status: str
    table: TableRecord
    rows: bytes
    created_at: int
    time: int = 0
    expires_at: int = 0
    size_bytes: int = 0
    items: int = 0
    cursor: bytes = b""

    @property
    def arn(self) -> str:
        return f"{self.table.arn}/backup/{self.id}"


class Restore(msgspec.Struct):
    """A table being filled with the rows of a past. `source` is what to release at the end: the table, or the backup under the id of its own."""

    past: Past
    source: TableRecord
    cursor: bytes = b""


def job_id(now: int, ids: Ids) -> str:
    """The last part of the ARN of a backup, an export or an import: milliseconds and chance."""
    return f"{now // MILLISECOND:014}-{ids.hex(8)}"


def backup_key(account: str, region: str, table: str, backup_id: str) -> bytes:
    return pack((BACKUP_SPACE, account, region, table, backup_id))


def key_of_backup(backup: Backup) -> bytes:
    """Where a backup's record lies."""
    return backup_key(backup.table.account, backup.table.region, backup.table.name, backup.id)


def backup_rows(account: str, region: str, backup_id: str) -> bytes:
    """What the keys of a backup's own rows begin with."""
    return pack((BACKUP_ITEM_SPACE, account, region, backup_id))


def owner_of(backup: Backup) -> TableRecord:
    """A backup as something that can be held, as tables are."""
    return msgspec.structs.replace(backup.table, id=f"backup-{backup.id}")


def restore_key(target: TableRecord) -> bytes:
    return pack((RESTORE_SPACE, target.account, target.region, target.id))


def find_backup(reader: Reader, call: Call, arn: str, *, any_region: bool = False) -> Backup | None:
    """The backup that an ARN names; one of another region only for those who may restore from there. ValidationException for an ARN of something else."""
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None else []
    if found is None or found.service != "dynamodb" or len(parts) != 4 or parts[0] != "table" or parts[2] != "backup":
        raise validation("Invalid Backup ARN")
    if found.region != call.region and not any_region:
        return None
    raw = reader.get(backup_key(found.account, found.region, parts[1], parts[3]))
    return decode(raw, Backup) if raw is not None else None
