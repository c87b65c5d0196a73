"""Errors that DynamoDB answers with, in its own words (Developer Guide: "Error handling with DynamoDB")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from haneul.clock import MILLISECOND, SECOND
from haneul.core.errors import ServiceError

INVALID = "One or more parameter values were invalid: "


def timestamp(time: int) -> str:
    """A time (nanoseconds) as messages, labels and manifests show it, to the millisecond."""
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{time % SECOND // MILLISECOND:03}"


def validation(message: str) -> ServiceError:
    """The request is not what the operation takes."""
    return ServiceError("ValidationException", message, 400)


def invalid(message: str) -> ServiceError:
    """`validation` with the introduction that many of DynamoDB's messages have."""
    return ServiceError("ValidationException", INVALID + message, 400)


class EmptyKeyValue(ServiceError):
    """A key attribute, of a table or an index, without content: wrong in itself, so that a transaction with it is refused, not cancelled."""

    def __init__(self, kind: str, *, before: str = "", after: str = "") -> None:
        what = "string" if kind == "S" else "binary"
        super().__init__(
            "ValidationException",
            f"One or more parameter values are not valid. {before}The AttributeValue for a key attribute cannot contain an empty {what} value.{after}",
            400,
        )


def not_found() -> ServiceError:
    """The table of an operation on items is not there, or not ready."""
    return ServiceError("ResourceNotFoundException", "Requested resource not found", 400)


def table_not_found(name: str) -> ServiceError:
    """The table of an operation on tables is not there."""
    return ServiceError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found", 400)


def foreign_owner() -> ServiceError:
    """What only a table's own account may do, also where a policy would let others."""
    return validation("This action is only supported by accounts that match the resource owner\u2019s account.")


def in_use(message: str) -> ServiceError:
    """The table is in a state that does not allow the change."""
    return ServiceError("ResourceInUseException", message, 400)


def still_in_use(message: str) -> ServiceError:
    """`in_use` with the introduction that most of these messages have."""
    return in_use(f"Attempt to change a resource which is still in use: {message}")


def limit_exceeded(message: str) -> ServiceError:
    """A limit of the account or table."""
    return ServiceError("LimitExceededException", message, 400)


def condition_failed(item: dict[str, Any] | None = None) -> ServiceError:
    """A condition did not hold; `item` is what the caller asked to see of it."""
    return ServiceError("ConditionalCheckFailedException", "The conditional request failed", 400, fields={"Item": item} if item else None)


def transaction_conflict() -> ServiceError:
    """An item that belongs to a transaction under way."""
    return ServiceError("TransactionConflictException", "Transaction is ongoing for the item", 400)


def key_mismatch() -> ServiceError:
    """A key that is not of the table's schema."""
    return validation("The provided key element does not match the schema")


def duplicate_keys() -> ServiceError:
    """A batch that names an item twice."""
    return validation("Provided list of item keys contains duplicates")
