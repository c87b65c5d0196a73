"""Amazon SNS: topics and who is subscribed to them. A topic keeps no messages: those on their way lie in the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.sns import delivery, errors, fifo, upkeep
from haneul.services.sns.absent import ABSENT
from haneul.services.sns.meters import Meters
from haneul.services.sns.quirks import SNS
from haneul.services.sns.records import SUBSCRIPTIONS, TOPICS, Place, SubscriptionRecord, Topic, find_topic, topic_of_arn
from haneul.services.sns.signing import Signer
from haneul.services.sns.subscriptions import Subscription
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.records import decode

_CACHED_MAX = 10_000


class Sns(Service):
    """The service. In memory it keeps topics, and the confirmed subscriptions of those that are published to."""

    name: ClassVar[str] = "sns"
    quirks: ClassVar[Quirks] = SNS
    absent: ClassVar[Mapping[str, str]] = ABSENT

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.meters = Meters(cloud)
        self.signer = Signer(cloud)
        self._topics: dict[Place, Topic] = {}
        self._subscriptions: dict[str, dict[str, Subscription]] = {}
        cloud.store.watch(pack((TOPICS,)), self._forget_topics)
        cloud.store.watch(pack((SUBSCRIPTIONS,)), self._follow_subscriptions)
        cloud.outbox.handle(delivery.DELIVER, lambda payload: delivery.deliver(self, payload))
        cloud.outbox.handle(delivery.BURY, lambda payload: delivery.bury(self, payload))
        cloud.outbox.handle(delivery.TELL, lambda payload: delivery.tell(self, payload))
        cloud.outbox.handle(fifo.DRAIN, lambda payload: fifo.drain(self, payload))
        cloud.outbox.handle(fifo.FORGET, lambda payload: fifo.forget(self, payload))
        cloud.outbox.handle(upkeep.SWEEP, lambda payload: upkeep.sweep(cloud, payload))
        cloud.outbox.handle(upkeep.EXPIRE, lambda payload: upkeep.expire(cloud, payload))

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """The certificate by which notifications are verified, under the name that they give."""
        certificate = self.signer.certificate(label)
        if certificate is None:
            return HttpResponse(404)
        return HttpResponse(200, {"Content-Type": "application/x-pem-file"}, certificate)

    def resource_policy(self, call: Call, arn: str) -> str | None:
        topic = self._find_arn(arn)
        return topic.policy if topic is not None else None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        topic = self._find_arn(arn)
        return topic.record.tags if topic is not None else None

    def _find_arn(self, arn: str) -> Topic | None:
        try:
            return self.find(topic_of_arn(arn))
        except ServiceError:
            return None

    # ---- what there is

    def find(self, place: Place) -> Topic | None:
        """The topic at a place, as last committed."""
        topic = self._topics.get(place)
        if topic is None:
            topic = find_topic(self.cloud.store, place)
            if topic is None:
                return None
            if len(self._topics) >= _CACHED_MAX:
                self._topics.clear()
                self._subscriptions.clear()
            self._topics[place] = topic
        return topic

    def topic(self, place: Place) -> Topic:
        """The same; NotFound when there is none."""
        found = self.find(place)
        if found is None:
            raise errors.topic_missing()
        return found

    def same_topic(self, payload: Mapping[str, object]) -> Topic | None:
        """The topic that an entry of the outbox is about, unless it is gone, or another has its name."""
        place, identity = payload["topic"], payload["id"]
        assert isinstance(place, list)
        topic = self.find(Place(*place))
        return topic if topic is not None and topic.id == identity else None

    def subscribed(self, topic: Topic) -> Mapping[str, Subscription]:
        """The confirmed subscriptions of a topic, by id."""
        found = self._subscriptions.get(topic.id)
        if found is None:
            rows = self.cloud.store.values(*prefix_range(topic.key(SUBSCRIPTIONS)))
            records = [decode(row, SubscriptionRecord) for row in rows]
            found = self._subscriptions[topic.id] = {one.id: Subscription(topic, one) for one in records if one.confirmed}
        return found

    def _forget_topics(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            _, account, region, name = unpack(key)
            topic = self._topics.pop(Place(str(account), str(region), str(name)), None)
            if topic is not None and self.cloud.store.get(key) is None:
                self._subscriptions.pop(topic.id, None)

    def _follow_subscriptions(self, keys: Sequence[bytes]) -> None:
        """Only what changed is read again: a topic may have millions."""
        for key in keys:
            _, account, region, name, topic_id, identity = unpack(key)
            known = self._subscriptions.get(str(topic_id))
            if known is None:
                continue
            row = self.cloud.store.get(key)
            record = decode(row, SubscriptionRecord) if row is not None else None
            topic = self.find(Place(str(account), str(region), str(name)))
            if record is not None and record.confirmed and topic is not None and topic.id == topic_id:
                known[record.id] = Subscription(topic, record)
            else:
                known.pop(str(identity), None)
