"""Amazon SNS: topics and who is subscribed to them. A topic keeps no messages: those on their way lie in the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.sns import delivery, errors
from haneul.services.sns.quirks import SNS
from haneul.services.sns.records import SUBSCRIPTIONS, TOPICS, Place, SubscriptionRecord, TopicRecord, topic_of_arn
from haneul.services.sns.subscriptions import Subscription
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.records import decode

_CACHED_MAX = 10_000


class Sns(Service):
    """The service. In memory it keeps topics, and the confirmed subscriptions of those that are published to."""

    name: ClassVar[str] = "sns"
    quirks: ClassVar[Quirks] = SNS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._topics: dict[Place, TopicRecord] = {}
        self._subscriptions: dict[Place, dict[str, Subscription]] = {}
        cloud.store.watch(pack((TOPICS,)), self._forget_topics)
        cloud.store.watch(pack((SUBSCRIPTIONS,)), self._follow_subscriptions)
        cloud.outbox.handle(delivery.DELIVER, lambda payload: delivery.deliver(self, payload))

    def resource_policy(self, call: Call, arn: str) -> str | None:
        topic = self._find_arn(arn)
        return topic.attributes["Policy"] if topic is not None else None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        topic = self._find_arn(arn)
        return topic.tags if topic is not None else None

    def _find_arn(self, arn: str) -> TopicRecord | None:
        try:
            return self.find(topic_of_arn(arn))
        except ServiceError:
            return None

    # ---- what there is

    def find(self, place: Place) -> TopicRecord | None:
        """The topic at a place, as last committed."""
        topic = self._topics.get(place)
        if topic is None:
            row = self.cloud.store.get(place.key)
            if row is None:
                return None
            if len(self._topics) >= _CACHED_MAX:
                self._topics.clear()
                self._subscriptions.clear()
            topic = self._topics[place] = decode(row, TopicRecord)
        return topic

    def topic(self, place: Place) -> TopicRecord:
        """The same; NotFound when there is none."""
        found = self.find(place)
        if found is None:
            raise errors.topic_missing()
        return found

    def subscribed(self, place: Place) -> Mapping[str, Subscription]:
        """The confirmed subscriptions of a topic, by id."""
        found = self._subscriptions.get(place)
        if found is None:
            rows = self.cloud.store.values(*prefix_range(pack((SUBSCRIPTIONS, *place))))
            records = [decode(row, SubscriptionRecord) for row in rows]
            found = self._subscriptions[place] = {one.id: Subscription(place, one) for one in records if one.confirmed}
        return found

    def _forget_topics(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._topics.pop(_place(key), None)

    def _follow_subscriptions(self, keys: Sequence[bytes]) -> None:
        """Only what changed is read again: a topic may have millions."""
        for key in keys:
            known = self._subscriptions.get(place := _place(key))
            if known is None:
                continue
            row = self.cloud.store.get(key)
            record = decode(row, SubscriptionRecord) if row is not None else None
            if record is not None and record.confirmed:
                known[record.id] = Subscription(place, record)
            else:
                known.pop(str(unpack(key)[4]), None)


def _place(key: bytes) -> Place:
    _, account, region, name, *_rest = unpack(key)
    return Place(str(account), str(region), str(name))
