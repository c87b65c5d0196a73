"""What topics and subscriptions are in the store, and the names they go by.

Keys, each as a tuple; a topic is its account, region and name:

- `("sns-topic", account, region, name)` → `TopicRecord`
- `("sns-count", account, region, name)` → `Counts`
- `("sns-subscription", account, region, name, id)` → `SubscriptionRecord`; the id is the last part of the subscription's ARN
- `("sns-endpoint", account, region, name, protocol, endpoint)` → the id of the topic's subscription for it
- `("sns-owner", owner's account, region, account, name, id)` → nothing: who has which subscriptions
- `("sns-token", account, region, name, SHA-256 of the token)` → the id of the subscription that it confirms
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from haneul.core.arn import make_arn, parse_arn
from haneul.core.operation import Shape
from haneul.services.sns import errors
from haneul.store.keys import pack

TOPICS = "sns-topic"
COUNTS = "sns-count"
SUBSCRIPTIONS = "sns-subscription"
ENDPOINTS = "sns-endpoint"
OWNERS = "sns-owner"
TOKENS = "sns-token"

FIFO_SUFFIX = ".fifo"
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_NAME_MAX = 256


class TopicRecord(msgspec.Struct):
    """A topic. `attributes` as their texts on the wire, defaults included where the service shows them."""

    id: str
    created_at: int
    attributes: dict[str, str]
    tags: dict[str, str]


class Counts(msgspec.Struct):
    """How many subscriptions a topic has in each state, how many it had, and how many of its own have filter policies."""

    confirmed: int = 0
    pending: int = 0
    deleted: int = 0
    filtered: int = 0


class SubscriptionRecord(msgspec.Struct):
    """A subscription. `token` is the SHA-256 of the token that confirms it, which lasts until `token_until`; `confirmed` it stands as long as its topic."""

    id: str
    protocol: str
    endpoint: str
    owner: str
    created_at: int
    attributes: dict[str, str]
    confirmed: bool = True
    authenticated: bool = True
    authenticate_on_unsubscribe: bool = False
    token: str = ""
    token_until: int = 0


class Place(NamedTuple):
    """Where a topic is: the three parts of its identity."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> bytes:
        return pack((TOPICS, *self))

    @property
    def counts_key(self) -> bytes:
        return pack((COUNTS, *self))

    @property
    def arn(self) -> str:
        return make_arn("sns", self.region, self.account, self.name)

    @property
    def fifo(self) -> bool:
        return self.name.endswith(FIFO_SUFFIX)

    def subscription_key(self, identity: str) -> bytes:
        return pack((SUBSCRIPTIONS, *self, identity))

    def subscription_arn(self, identity: str) -> str:
        return f"{self.arn}:{identity}"

    def endpoint_key(self, protocol: str, endpoint: str) -> bytes:
        return pack((ENDPOINTS, *self, protocol, endpoint))

    def owner_key(self, owner: str, identity: str) -> bytes:
        return pack((OWNERS, owner, self.region, self.account, self.name, identity))

    def token_key(self, digest: str) -> bytes:
        return pack((TOKENS, *self, digest))


def is_topic_name(name: str) -> bool:
    """Whether a topic can be called so: 1 to 256 letters, digits, `-` and `_`; the suffix `.fifo` counts."""
    return len(name) <= _NAME_MAX and _NAME.match(name.removesuffix(FIFO_SUFFIX)) is not None


def _fields(arn: str, parameter: str, parts: int) -> list[str]:
    found = arn.split(":")
    if len(found) < 6:
        raise errors.invalid(f"{parameter} Reason: An ARN must have at least 6 elements, not {len(found)}")
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "sns" or not parsed.region or not parsed.account or len(found) != parts or not is_topic_name(found[5]):
        raise errors.invalid(parameter)
    return found


def topic_of_arn(arn: str, parameter: str = "TopicArn") -> Place:
    """The topic that an ARN names; InvalidParameter for a text that names none."""
    found = _fields(arn, parameter, 6)
    return Place(found[4], found[3], found[5])


def subscription_of_arn(arn: str, parameter: str = "SubscriptionArn") -> tuple[Place, str]:
    """The topic and the id of the subscription that an ARN names."""
    found = _fields(arn, parameter, 7)
    return Place(found[4], found[3], found[5]), found[6]


def topic_arn(call: object, request: Shape) -> str:
    """The resource of an operation on a topic."""
    return topic_of_arn(request.get("TopicArn") or "").arn
