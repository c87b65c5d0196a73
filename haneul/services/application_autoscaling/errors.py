"""Errors that several operations share, in the service's words."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)


def no_target(namespace: str, resource: str, dimension: str, *, known: str = "registered") -> ServiceError:
    return ServiceError(
        "ObjectNotFoundException", f"No scalable target {known} for service namespace: {namespace}, resource ID: {resource}, scalable dimension: {dimension}", 400
    )


def not_found(message: str) -> ServiceError:
    return ServiceError("ObjectNotFoundException", message, 400)


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceededException", message, 400)


def invalid_token() -> ServiceError:
    return ServiceError("InvalidNextTokenException", "The specified next token is invalid", 400)
