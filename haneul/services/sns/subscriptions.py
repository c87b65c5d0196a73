"""A subscription ready for use: which messages it takes and in which form."""

from __future__ import annotations

import orjson

from haneul.services.sns.records import Place, SubscriptionRecord


class Subscription:
    """A confirmed subscription, its texts parsed. Never changes."""

    __slots__ = ("arn", "dead_letters", "endpoint", "id", "place", "protocol", "raw", "record")

    def __init__(self, place: Place, record: SubscriptionRecord) -> None:
        self.place = place
        self.record = record
        self.id = record.id
        self.arn = place.subscription_arn(record.id)
        self.protocol = record.protocol
        self.endpoint = record.endpoint
        self.raw = record.attributes.get("RawMessageDelivery") == "true"
        redrive = record.attributes.get("RedrivePolicy")
        self.dead_letters: str = orjson.loads(redrive)["deadLetterTargetArn"] if redrive else ""
