"""SNS's errors, in the real service's words."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def invalid(what: str) -> ServiceError:
    """`what` is the parameter, and mostly `Reason:` with what is wrong with it."""
    return ServiceError("InvalidParameter", f"Invalid parameter: {what}", 400)


def topic_missing() -> ServiceError:
    return ServiceError("NotFound", "Topic does not exist", 404)


def subscription_missing() -> ServiceError:
    return ServiceError("NotFound", "Subscription does not exist", 404)


def resource_missing() -> ServiceError:
    """Tags are asked for by ARN of any resource."""
    return ServiceError("ResourceNotFound", "Resource does not exist", 404)


def invalid_value(message: str) -> ServiceError:
    """A message attribute that cannot be."""
    return ServiceError("InvalidParameterValueException", message, 400)
