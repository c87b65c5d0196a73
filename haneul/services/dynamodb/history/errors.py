"""Errors of point-in-time recovery, backups, exports and imports, in DynamoDB's own words (API Reference: "Common Errors" and each operation's)."""

from __future__ import annotations

from datetime import UTC, datetime

from haneul.clock import SECOND
from haneul.core.errors import ServiceError


def table_not_found(name: str) -> ServiceError:
    """The table whose history is meant is not there."""
    return ServiceError("TableNotFoundException", f"Table not found: {name}", 400)


def table_in_use(name: str, doing: str) -> ServiceError:
    """The table is being made or removed."""
    return ServiceError("TableInUseException", f"Table is being {doing}: {name}", 400)


def source_not_found() -> ServiceError:
    """The table to restore from, which is named by its ARN, is not there."""
    return ServiceError("TableNotFoundException", "Table not found", 400)


def invalid_request(message: str) -> ServiceError:
    """A request whose parameters do not fit together, or do not fit what it is about."""
    return ServiceError("ValidationException", f"Invalid Request: {message}", 400)


def table_exists(name: str) -> ServiceError:
    """The name of a table to be restored is taken."""
    return ServiceError("TableAlreadyExistsException", f"Table already exists: {name}", 400)


def already_restored(name: str, backup_arn: str) -> ServiceError:
    """The table is still being filled, from the backup that is named if it is one."""
    return ServiceError("TableInUseException", f"Table: {name} is already being restored{f' from backup: {backup_arn}' if backup_arn else ''}", 400)


def backups_unavailable(name: str) -> ServiceError:
    """Backups cannot be switched yet: the table is too new."""
    return ServiceError("ContinuousBackupsUnavailableException", f"Backups are being enabled for the table: {name}. Please retry later", 400)


def recovery_unavailable(name: str) -> ServiceError:
    """The table keeps no history."""
    return ServiceError("PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled for table '{name}'", 400)


def invalid_restore_time(time: int, first: int, last: int) -> ServiceError:
    """A moment (nanoseconds) outside of what the history covers, whose ends are in seconds."""
    return ServiceError(
        "InvalidRestoreTimeException",
        f"RestoreDateTime '{_shown(time // SECOND)}' must be within EarliestRestorableDateTime '{_shown(first)}' "
        f"and LatestRestorableDateTime '{_shown(max(first, last))}'",
        400,
    )


def _shown(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def backup_not_found(arn: str) -> ServiceError:
    """No such backup."""
    return ServiceError("BackupNotFoundException", f"Backup not found: {arn}", 400)


def backup_in_use(arn: str) -> ServiceError:
    """The backup is being made."""
    return ServiceError("BackupInUseException", f"Backup is being used by another operation: {arn}", 400)


def being_restored(arn: str, which: str = "table") -> ServiceError:
    """A table is being restored from the backup: it cannot be deleted, nor (`which` is "another table") be restored from a second time."""
    return ServiceError("BackupInUseException", f"Backup is being used to restore {which}: {arn}", 400)


def invalid_backup_arn() -> ServiceError:
    """The ARN of something else, or none."""
    return ServiceError("ValidationException", "Invalid Backup ARN", 400)


def foreign_backup() -> ServiceError:
    """The backup of another account."""
    return ServiceError("AccessDeniedException", "Access is denied", 400)


def system_backup(arn: str, expires_at: int) -> ServiceError:
    """A backup that the service made when a table was deleted; it ends by itself (nanoseconds)."""
    return invalid_request(f"User is not allowed to delete the system backup with arn {arn}. It will automatically expire on {_shown(expires_at // SECOND)}")


def invalid_export_time(message: str) -> ServiceError:
    """A moment or a span that cannot be exported."""
    return ServiceError("InvalidExportTimeException", message, 400)


def span_too_early(time: int) -> ServiceError:
    """A span that begins (nanoseconds) before what can be exported; the service speaks of the table's creation also where recovery began later."""
    return invalid_export_time(f"Incremental export period from time cannot be less than the table creation time : {_shown(time // SECOND)}")


def span_too_late(time: int) -> ServiceError:
    """A span that ends (nanoseconds) in the future."""
    return invalid_export_time(f"Incremental export period to time cannot be greater than the current time : {_shown(time // SECOND)}")


def export_not_found(what: str) -> ServiceError:
    """No such export. The service says so twice, except of an ARN of another region."""
    return ServiceError("ExportNotFoundException", f"Export not found: {what}", 400)


def export_conflict(message: str) -> ServiceError:
    """An export with this token and other parameters."""
    return ServiceError("ExportConflictException", message, 400)


def import_not_found(arn: str) -> ServiceError:
    """No such import."""
    return ServiceError("ImportNotFoundException", f"Import not found: {arn}", 400)


def import_conflict(message: str) -> ServiceError:
    """An import with this token and other parameters."""
    return ServiceError("ImportConflictException", message, 400)
