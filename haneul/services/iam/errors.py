"""IAM's errors, with its words."""

from __future__ import annotations

from haneul.core.errors import ServiceError

# XML 1.0 has no way to write these, and messages repeat what clients sent.
_UNWRITABLE = {code: "\ufffd" for code in range(32) if code not in (9, 10, 13)}


def no_such_entity(message: str) -> ServiceError:
    return ServiceError("NoSuchEntity", message.translate(_UNWRITABLE), 404)


def already_exists(message: str) -> ServiceError:
    return ServiceError("EntityAlreadyExists", message, 409)


def delete_conflict(message: str) -> ServiceError:
    return ServiceError("DeleteConflict", message, 409)


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceeded", message, 409)


def quota_exceeded(quota: str, limit: int) -> ServiceError:
    return limit_exceeded(f"Cannot exceed quota for {quota}: {limit}")


def invalid_input(message: str) -> ServiceError:
    return ServiceError("InvalidInput", message.translate(_UNWRITABLE), 400)


def validation_error(message: str) -> ServiceError:
    return ServiceError("ValidationError", message.translate(_UNWRITABLE), 400)


def access_denied(message: str) -> ServiceError:
    return ServiceError("AccessDenied", message, 403)


def invalid_token() -> ServiceError:
    return ServiceError("InvalidClientTokenId", "The security token included in the request is invalid", 403)


def unmodifiable_role(name: str) -> ServiceError:
    """A service-linked role belongs to its service."""
    return ServiceError("UnmodifiableEntity", f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS", 400)


def policy_not_found(arn: str) -> ServiceError:
    return no_such_entity(f"Policy {arn} was not found.")


def policy_not_attachable(arn: str) -> ServiceError:
    return no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def version_not_found(arn: str, version_id: str) -> ServiceError:
    return no_such_entity(f"Policy {arn} version {version_id} does not exist or is not attachable.")
