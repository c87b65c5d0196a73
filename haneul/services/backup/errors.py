"""Errors that AWS Backup answers with (Developer Guide: API Reference, each operation's errors)."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def not_found(what: str) -> ServiceError:
    """A vault, plan, job or recovery point that is not there."""
    return ServiceError("ResourceNotFoundException", what, 400)


def vault_not_found(name: str) -> ServiceError:
    return not_found(f"Failed reading Backup vault with provided name {name}")


def invalid_value(message: str) -> ServiceError:
    """A parameter that makes no sense."""
    return ServiceError("InvalidParameterValueException", message, 400)


def invalid_request(message: str) -> ServiceError:
    """A request that does not fit what is there."""
    return ServiceError("InvalidRequestException", message, 400)


def busy() -> ServiceError:
    """A recovery point that something else is being done with."""
    return ServiceError("InvalidResourceStateException", "AWS Backup is already performing an action on this recovery point.", 400)


def already_exists(message: str, arn: str) -> ServiceError:
    """A name that is taken."""
    return ServiceError("AlreadyExistsException", message, 400, fields={"Arn": arn})
