"""What the batch operations have in common."""

from __future__ import annotations

import re
from typing import Any

from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.sqs import errors

ENTRIES_MAX = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")


def checked_entries(request: Shape, entry_shape: str) -> list[dict[str, Any]]:
    """The entries of a batch request: 1 to 10, with distinct ids."""
    entries: list[dict[str, Any]] = request.get("Entries") or []
    if not entries:
        raise ServiceError("EmptyBatchRequest", f"There should be at least one {entry_shape} in the request.")
    if len(entries) > ENTRIES_MAX:
        raise ServiceError("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {ENTRIES_MAX}. You have sent {len(entries)}.")
    seen: set[str] = set()
    for entry in entries:
        identity = entry.get("Id") if entry is not None else None
        if identity is None:
            raise errors.missing(f"{entry_shape}.Id")
        if _ID.match(identity) is None:
            raise ServiceError(
                "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
            )
        if identity in seen:
            raise ServiceError("BatchEntryIdsNotDistinct", f"Id {identity} repeated.")
        seen.add(identity)
    return entries


def failed(entry: dict[str, Any], error: ServiceError) -> Shape:
    """The result of an entry that its sender got wrong."""
    return {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}


def batch_result(successful: list[Shape], failures: list[Shape]) -> Shape:
    """Both lists, an empty one left out."""
    result: Shape = {}
    if successful:
        result["Successful"] = successful
    if failures:
        result["Failed"] = failures
    return result
