"""Subscription attributes: which there are and what they may be (API Reference, Subscribe and SetSubscriptionAttributes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from haneul.core.arn import parse_arn
from haneul.core.errors import NotBuilt, ServiceError
from haneul.services.sns import errors
from haneul.services.sns.filter_policies import BadFilter, FilterPolicy
from haneul.services.sns.records import SubscriptionRecord, Topic

_NOT_BUILT = {
    "DeliveryPolicy": "deliveries over HTTP, which are what a subscription's DeliveryPolicy is about",
    "ReplayPolicy": "archives of FIFO topics, which a subscription's ReplayPolicy would read",
    "SubscriptionRoleArn": "Firehose, which a subscription's SubscriptionRoleArn is for",
}
_SCOPES = ("MessageAttributes", "MessageBody")
_KNOWN = frozenset(("RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"))


def with_changes(topic: Topic, record: SubscriptionRecord, given: Mapping[str, str | None]) -> dict[str, str]:
    """A subscription's attributes after a change; an empty text takes one away. InvalidParameter for what cannot be."""
    found = dict(record.attributes)
    for name, value in given.items():
        if name in _NOT_BUILT:
            if value:
                raise NotBuilt(_NOT_BUILT[name])
            continue
        if name not in _KNOWN:
            raise errors.invalid("AttributeName")
        text = value or ""
        if name == "RawMessageDelivery":
            _check_raw(record.protocol, text)
        elif name == "FilterPolicyScope" and text not in _SCOPES:
            raise errors.invalid(f"FilterPolicyScope: Invalid value [{value or 'null'}]. Please use either MessageBody or MessageAttributes")
        elif name == "RedrivePolicy" and text:
            text = _redrive(topic, text)
        found[name] = text
    if not found.get("FilterPolicy") or found["FilterPolicy"] == "{}":
        found.pop("FilterPolicy", None)
    elif not given.keys().isdisjoint(("FilterPolicy", "FilterPolicyScope")):
        try:
            FilterPolicy(found["FilterPolicy"], found.get("FilterPolicyScope", _SCOPES[0]))
        except BadFilter as problem:
            raise errors.invalid(f"FilterPolicy: {problem}") from None
    if not found.get("RedrivePolicy"):
        found.pop("RedrivePolicy", None)
    if found.get("RawMessageDelivery") == "false":
        del found["RawMessageDelivery"]
    return found


def _check_raw(protocol: str, value: str) -> None:
    if value not in ("true", "false"):
        raise errors.invalid(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    if value == "true" and protocol != "sqs":
        raise ServiceError("InvalidParameter", f"Invalid parameter: Delivery protocol [{protocol}] does not support raw message delivery.", 400)


def _redrive(topic: Topic, text: str) -> str:
    try:
        policy: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        policy = None
    if not isinstance(policy, dict):
        raise errors.invalid("RedrivePolicy: failed to parse JSON.")
    for name in policy:
        if name != "deadLetterTargetArn":
            raise errors.invalid(f"RedrivePolicy: invalid JSON. Attribute {name} is unknown.")
    target = policy.get("deadLetterTargetArn")
    arn = parse_arn(target) if isinstance(target, str) else None
    if arn is None or arn.service != "sqs" or not arn.account or not arn.resource:
        raise errors.invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if arn.region != topic.place.region:
        raise errors.invalid("RedrivePolicy: deadLetterTargetArn must be in the region of the subscription")
    if arn.resource.endswith(".fifo") != topic.fifo:
        kind = "FIFO" if topic.fifo else "standard"
        raise errors.invalid(f"RedrivePolicy: must use a {kind} queue as DLQ for a {kind} topic")
    return text


def shown(topic: Topic, record: SubscriptionRecord) -> dict[str, str]:
    """All attributes of a subscription, as GetSubscriptionAttributes gives them."""
    found = {
        "SubscriptionArn": topic.subscription_arn(record.id),
        "TopicArn": topic.arn,
        "Protocol": record.protocol,
        "Endpoint": record.endpoint,
        "Owner": record.owner,
        "SubscriptionPrincipal": record.principal,
        "ConfirmationWasAuthenticated": "true" if record.authenticated else "false",
        "PendingConfirmation": "false" if record.confirmed else "true",
        "RawMessageDelivery": "false",
        **record.attributes,
    }
    if record.filtered:
        found.setdefault("FilterPolicyScope", _SCOPES[0])
    else:
        found.pop("FilterPolicyScope", None)
    return found
