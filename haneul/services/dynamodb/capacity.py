"""Capacity units, as AWS counts them, and the ConsumedCapacity of answers.

(Developer Guide: "DynamoDB read and write operations: capacity unit consumption".)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024


def write_units(size: int) -> int:
    """Units to write an item of `size` bytes."""
    return max(1, -(-size // WRITE_UNIT_BYTES))


def read_half_units(size: int, consistent: bool) -> int:
    """Half units to read `size` bytes; nothing to read costs like one block."""
    if size <= READ_UNIT_BYTES:
        return 2 if consistent else 1
    return -(-size // READ_UNIT_BYTES) * (2 if consistent else 1)


def consumed(
    mode: str | None,
    table: str,
    table_units: float,
    local: Mapping[str, float] | None = None,
    global_: Mapping[str, float] | None = None,
    *,
    kind: str | None = None,
) -> dict[str, Any] | None:
    """The ConsumedCapacity that `mode` (ReturnConsumedCapacity) asks for; None for NONE.

    `kind` (`Read` or `Write`) adds the members that answers of transactions carry.
    """
    if mode not in ("TOTAL", "INDEXES"):
        return None
    local, global_ = local or {}, global_ or {}
    total = table_units + sum(local.values()) + sum(global_.values())
    found: dict[str, Any] = {"TableName": table, **_units(total, kind)}
    if mode == "INDEXES":
        found["Table"] = _units(table_units, kind)
        if local:
            found["LocalSecondaryIndexes"] = {name: _units(units, kind) for name, units in local.items()}
        if global_:
            found["GlobalSecondaryIndexes"] = {name: _units(units, kind) for name, units in global_.items()}
    return found


def _units(units: float, kind: str | None) -> dict[str, float]:
    made = {"CapacityUnits": float(units)}
    if kind is not None:
        made[f"{kind}CapacityUnits"] = float(units)
    return made
