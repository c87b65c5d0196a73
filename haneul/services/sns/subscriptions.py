"""A subscription ready for use: which messages it takes and in which form."""

from __future__ import annotations

import orjson

from haneul.services.sns.filter_policies import FilterPolicy
from haneul.services.sns.records import SubscriptionRecord, Topic


class Subscription:
    """A subscription, its texts parsed. Never changes."""

    __slots__ = ("arn", "dead_letters", "endpoint", "filter", "id", "protocol", "raw", "topic")

    def __init__(self, topic: Topic, record: SubscriptionRecord) -> None:
        attributes = record.attributes
        self.topic = topic
        self.id = record.id
        self.arn = topic.subscription_arn(record.id)
        self.protocol = record.protocol
        self.endpoint = record.endpoint
        self.raw = attributes.get("RawMessageDelivery") == "true"
        self.filter = FilterPolicy(attributes["FilterPolicy"], attributes.get("FilterPolicyScope", "")) if record.filtered else None
        redrive = attributes.get("RedrivePolicy")
        self.dead_letters: str = orjson.loads(redrive)["deadLetterTargetArn"] if redrive else ""
