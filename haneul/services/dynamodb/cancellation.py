"""Why a transaction was cancelled, item by item (API Reference: "TransactionCanceledException")."""

from __future__ import annotations

from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import EmptyKeyValue

Shape = dict[str, Any]

NO_REASON: Shape = {"Code": "None"}
_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ValidationException": "ValidationError",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ThrottlingException": "ThrottlingError",
    "RequestLimitExceeded": "ThrottlingError",
}


def reason_of(error: ServiceError) -> Shape | None:
    """The cancellation reason that an action's error becomes; None for errors that fail the request as such."""
    code = None if isinstance(error, EmptyKeyValue) else _CODES.get(error.code)
    if code is None:
        return None
    reason = {"Code": code, "Message": error.message}
    if error.fields.get("Item"):
        reason["Item"] = error.fields["Item"]
    return reason


def cancelled(reasons: list[Shape]) -> ServiceError:
    """The error of a transaction, with a reason for every action."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    return ServiceError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        400,
        fields={"CancellationReasons": reasons},
    )


def cancelled_by(error: ServiceError, at: int, count: int) -> ServiceError:
    """The error of a transaction of `count` actions, of which the one at `at` failed."""
    reason = reason_of(error)
    if reason is None:
        return error
    return cancelled([reason if number == at else NO_REASON for number in range(count)])
