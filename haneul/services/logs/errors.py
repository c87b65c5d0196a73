"""Errors that several operations share, in the service's words."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def invalid_parameter(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message, 400)


def group_not_found() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The specified log group does not exist.", 400)


def stream_not_found() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The specified log stream does not exist.", 400)


def invalid_token() -> ServiceError:
    return invalid_parameter("The specified nextToken is invalid.")


def not_of_this_class() -> ServiceError:
    """Groups of the class INFREQUENT_ACCESS have no filters and no live tail ("Log classes")."""
    return ServiceError("InvalidOperationException", "The operation is not supported for log groups of the log class INFREQUENT_ACCESS.", 400)
