"""Why a transaction was cancelled, item by item (API Reference: "TransactionCanceledException")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import EmptyKeyValue

Shape = dict[str, Any]

NO_REASON: Final[Shape] = {"Code": "None"}
_CODES: Final = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ValidationException": "ValidationError",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ThrottlingException": "ThrottlingError",
    "TransactionConflictException": "TransactionConflict",
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


def reason_or_raise(error: ServiceError) -> Shape:
    """`reason_of`; an error that fails the request as such is raised."""
    reason = reason_of(error)
    if reason is None:
        raise error
    return reason


def cancel_across_accounts(accounts: Sequence[str]) -> None:
    """Raise the error of a transaction whose tables are not all in one account, which need not be the caller's. `accounts` are those of the actions' tables."""
    elsewhere = {"Code": "ValidationError", "Message": "The tables of a transaction must be in one account"}
    cancel_for([NO_REASON if account == accounts[0] else elsewhere for account in accounts])


def cancel_for(reasons: list[Shape]) -> None:
    """Raise the error of a transaction, with a reason for every action, if any of them is one."""
    if all([reason is NO_REASON for reason in reasons]):
        return
    codes = ", ".join(reason["Code"] for reason in reasons)
    raise ServiceError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        400,
        fields={"CancellationReasons": reasons},
    )
