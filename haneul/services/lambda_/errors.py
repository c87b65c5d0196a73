"""Errors that more than one Lambda operation answers with."""

from __future__ import annotations

from haneul.core.errors import ServiceError

_USER = {"Type": "User"}


def invalid(message: str) -> ServiceError:
    """A parameter that cannot be."""
    return ServiceError("InvalidParameterValueException", message, 400, fields=_USER)


def not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, 404, fields=_USER)


def function_not_found(arn: str) -> ServiceError:
    return not_found(f"Function not found: {arn}")


def conflict(message: str) -> ServiceError:
    return ServiceError("ResourceConflictException", message, 409, fields=_USER)


def precondition_failed() -> ServiceError:
    return ServiceError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        412,
        fields=_USER,
    )


def throttled(reason: str, message: str = "Rate Exceeded.") -> ServiceError:
    """Too many invocations at once; `reason` is one of the model's ThrottleReason values."""
    return ServiceError("TooManyRequestsException", message, 429, fields={"Type": "User", "Reason": reason, "retryAfterSeconds": "1"})


_MACHINE_FULL = "Rate Exceeded. This machine has no room for another execution environment now, or starts as many as it can."


def machine_full() -> ServiceError:
    """What this machine cannot carry now: for the caller a throttle like any other."""
    return throttled("ConcurrentInvocationLimitExceeded", _MACHINE_FULL)


def is_machine_full(error: Exception) -> bool:
    """Whether it is for want of machine that something was refused, and not by a limit of the function or the account."""
    return isinstance(error, ServiceError) and error.message == _MACHINE_FULL


def too_large(limit: int, operation: str) -> ServiceError:
    return ServiceError("RequestTooLargeException", f"Request must be smaller than {limit} bytes for the {operation} operation", 413, fields=_USER)


def bad_content(message: str) -> ServiceError:
    return ServiceError("InvalidRequestContentException", f"Could not parse request body into json: {message}", 400, fields=_USER)
