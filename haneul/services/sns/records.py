"""What topics and subscriptions are in the store, and the names they go by.

Keys, each as a tuple. What belongs to a topic lies below the topic's id as well, so that a new topic of the same name has nothing of it:

- `("sns-topic", account, region, name)` → `TopicRecord`
- `("sns-count", account, region, name, topic's id)` → `Counts`
- `("sns-account", account, region)` → `Totals`
- `("sns-subscription", account, region, name, topic's id, id)` → `SubscriptionRecord`; the id is the last part of the subscription's ARN
- `("sns-endpoint", account, region, name, topic's id, protocol, endpoint)` → the id of the topic's subscription for it
- `("sns-token", account, region, name, topic's id, SHA-256 of the token)` → `TokenRecord`
- `("sns-owner", owner's account, region, account, name, topic's id, id)` → nothing: who has which subscriptions
- what FIFO topics keep besides stands in `fifo.py`
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec
import orjson

from haneul.core.arn import make_arn, parse_arn
from haneul.core.operation import Shape
from haneul.services.sns import errors
from haneul.store.keys import pack
from haneul.store.port import Reader
from haneul.store.records import decode

TOPICS = "sns-topic"
COUNTS = "sns-count"
ACCOUNTS = "sns-account"
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
    """How many subscriptions a topic has in each state, how many it had, and how many have filter policies."""

    confirmed: int = 0
    pending: int = 0
    deleted: int = 0
    filtered: int = 0


class Totals(msgspec.Struct):
    """What an account has in a region, as far as it is limited: topics, and of all its topics the filter policies and pending subscriptions."""

    standard: int = 0
    fifo: int = 0
    filtered: int = 0
    pending: int = 0


class SubscriptionRecord(msgspec.Struct):
    """A subscription. `principal` is the ARN of who made it. `authenticated`: whether who confirmed it had signed. Unless it is confirmed by then, it ends at
    `pending_until`.
    """

    id: str
    protocol: str
    endpoint: str
    owner: str
    principal: str
    created_at: int
    attributes: dict[str, str]
    confirmed: bool = False
    authenticated: bool = False
    authenticate_on_unsubscribe: bool = False
    pending_until: int = 0

    @property
    def filtered(self) -> bool:
        return bool(self.attributes.get("FilterPolicy"))


class TokenRecord(msgspec.Struct):
    """What a token confirms: the subscription `id`, or one that was ended and can be taken up again."""

    id: str
    until: int
    ended: SubscriptionRecord | None = None


class Place(NamedTuple):
    """Where a topic is: the three parts of its identity."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> bytes:
        return pack((TOPICS, *self))

    @property
    def arn(self) -> str:
        return make_arn("sns", self.region, self.account, self.name)

    @property
    def fifo(self) -> bool:
        return self.name.endswith(FIFO_SUFFIX)


class Topic:
    """A topic ready for use: its record, its ARN, the policy that is judged by and the keys of what belongs to it. Never changes."""

    __slots__ = ("arn", "attributes", "fifo", "id", "place", "policy", "record")

    def __init__(self, place: Place, record: TopicRecord) -> None:
        self.place = place
        self.record = record
        self.id = record.id
        self.arn = place.arn
        self.fifo = place.fifo
        self.attributes = record.attributes
        text = record.attributes["Policy"]
        # One whose last statement was removed says nothing.
        self.policy = text if orjson.loads(text)["Statement"] else None

    @property
    def counts_key(self) -> bytes:
        return self.key(COUNTS)

    def key(self, space: str, *parts: str | int) -> bytes:
        """The key of something of this topic."""
        return pack((space, *self.place, self.id, *parts))

    def owner_key(self, owner: str, identity: str) -> bytes:
        return pack((OWNERS, owner, self.place.region, self.place.account, self.place.name, self.id, identity))

    def subscription_arn(self, identity: str) -> str:
        return f"{self.arn}:{identity}"


def find_topic(reader: Reader, place: Place) -> Topic | None:
    """The topic at a place, as this transaction sees it."""
    row = reader.get(place.key)
    return Topic(place, decode(row, TopicRecord)) if row is not None else None


def topic_at(reader: Reader, place: Place) -> Topic:
    """The same; NotFound when there is none."""
    topic = find_topic(reader, place)
    if topic is None:
        raise errors.topic_missing()
    return topic


def find_subscription(reader: Reader, topic: Topic, identity: str) -> SubscriptionRecord | None:
    row = reader.get(topic.key(SUBSCRIPTIONS, identity))
    return decode(row, SubscriptionRecord) if row is not None else None


# ---- names


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


@lru_cache(maxsize=4096)
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
