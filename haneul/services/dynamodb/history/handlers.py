"""What the outbox carries out for the history of tables."""

from __future__ import annotations

from haneul.services.dynamodb.history import backup_work, export_work, holding, import_work, restore_work
from haneul.services.dynamodb.lifecycle import Handler

HANDLERS: tuple[tuple[str, Handler], ...] = (
    (holding.TRIM_LOG, holding.trim_log),
    (holding.CHECK_LOG, holding.check_log),
    (backup_work.COPY, backup_work.copy),
    (backup_work.END, backup_work.end),
    (restore_work.FILL, restore_work.fill),
    (export_work.WRITE, export_work.write),
    (import_work.READ, import_work.read),
)
