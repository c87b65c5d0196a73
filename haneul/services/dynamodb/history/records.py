"""What is kept of backups and of tables being restored."""

from __future__ import annotations

import msgspec

from haneul.clock import MILLISECOND, Ids
from haneul.core.arn import Arn, parse_arn
from haneul.core.call import Call
from haneul.services.dynamodb.history.errors import foreign_backup, invalid_backup_arn, invalid_request
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.replication.requests import REGIONS
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


def checked_backup_arn(call: Call, text: str) -> Arn:
    """A backup's ARN. ValidationException when it is none, AccessDeniedException when it is another account's."""
    arn = parse_arn(text)
    parts = arn.resource.split("/") if arn is not None else []
    if arn is None or len(parts) != 4 or parts[0] != "table" or parts[2] != "backup":
        raise invalid_backup_arn()
    if arn.account != call.account or not arn.region:
        raise foreign_backup()
    if arn.partition != "aws" or arn.service != "dynamodb" or (arn.region not in REGIONS and arn.region != call.region):
        raise invalid_request("BackupArn is not valid")
    return arn


def find_backup(reader: Reader, arn: Arn) -> Backup | None:
    """The backup that an ARN names (`checked_backup_arn`)."""
    _, table, _, backup_id = arn.resource.split("/")
    raw = reader.get(backup_key(arn.account, arn.region, table, backup_id))
    return decode(raw, Backup) if raw is not None else None
