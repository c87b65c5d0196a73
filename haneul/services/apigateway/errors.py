"""Errors that several operations share, in the service's words."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def bad_request(message: str) -> ServiceError:
    return ServiceError("BadRequestException", message, 400)


def conflict(message: str) -> ServiceError:
    return ServiceError("ConflictException", message, 409)


def not_found(message: str) -> ServiceError:
    return ServiceError("NotFoundException", message, 404)


def unknown_api(account: str, api_id: str) -> ServiceError:
    return not_found(f"Invalid API identifier specified {account}:{api_id}")
