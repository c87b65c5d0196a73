"""Subscription attributes (API Reference, Subscribe and SetSubscriptionAttributes)."""

from __future__ import annotations

from haneul.core.errors import NotBuilt
from haneul.services.sns import errors


def checked(name: str, value: str) -> str:
    """One attribute in the form in which it is kept."""
    if name == "RawMessageDelivery":
        if value not in ("true", "false"):
            raise errors.invalid("Attributes Reason: RawMessageDelivery: Invalid value [" + value + "]. Must be true or false.")
        return value
    raise NotBuilt(f"the attribute {name} of subscriptions")
