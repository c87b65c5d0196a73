"""Lifecycles: when recovery points become cold, and when they end."""

from __future__ import annotations

from typing import Any

from haneul.services.backup.errors import invalid_value
from haneul.services.backup.records import Vault

# What is cold has to stay so for 90 days (API Reference: "Lifecycle").
COLD_DAYS_MIN = 90
DAYS_MAX = 36_500
# Until when a job must have begun and ended, unless it is said (API Reference: "BackupRule").
START_WINDOW_MINUTES, COMPLETION_WINDOW_MINUTES = 480, 10_080
WINDOW_MINUTES_MIN = 60
WINDOW_MINUTES_MAX = 52_560_000


def check_lifecycle(lifecycle: dict[str, Any], vault: Vault) -> dict[str, int]:
    """The days of a lifecycle, as they are kept. InvalidParameterValueException when they contradict each other or the vault's lock."""
    if lifecycle.get("DeleteAfterEvent"):
        raise invalid_value("DeleteAfterEvent is not valid as an input")
    found = {name: int(lifecycle[name]) for name in ("MoveToColdStorageAfterDays", "DeleteAfterDays") if name in lifecycle}
    cold, end = found.get("MoveToColdStorageAfterDays", -1), found.get("DeleteAfterDays", -1)
    if cold >= 0 and 0 <= end < cold + COLD_DAYS_MIN:
        raise invalid_value(f"Invalid lifecycle. DeleteAfterDays cannot be less than {COLD_DAYS_MIN} days apart from MoveToColdStorageAfterDays")
    for name, days in found.items():
        if days != -1 and not 1 <= days <= DAYS_MAX:
            raise invalid_value(f"Invalid lifecycle. {name} cannot be less than 1 or more than {DAYS_MAX} days")
    if vault.locked:
        if end < vault.retention_days_min and end != -1:
            raise invalid_value(f"Retention is less than the vault's minimum of {vault.retention_days_min} days")
        if vault.retention_days_max and (end == -1 or end > vault.retention_days_max):
            raise invalid_value(f"Retention is more than the vault's maximum of {vault.retention_days_max} days")
    return {name: days for name, days in found.items() if days > 0}


def check_windows(start: int | None, complete: int | None) -> tuple[int, int]:
    """Minutes until a job must have begun, and ended. InvalidParameterValueException when they make no sense."""
    begin = START_WINDOW_MINUTES if start is None else start
    end = max(COMPLETION_WINDOW_MINUTES, begin + WINDOW_MINUTES_MIN) if complete is None else complete
    if begin < WINDOW_MINUTES_MIN:
        raise invalid_value("Start window must be at least 60 minutes")
    if begin > WINDOW_MINUTES_MAX:
        raise invalid_value(f"Start window must not be greater than {WINDOW_MINUTES_MAX} minutes")
    if end < begin + WINDOW_MINUTES_MIN:
        raise invalid_value("Completion window must be at least 60 minutes greater than start window")
    return begin, end
