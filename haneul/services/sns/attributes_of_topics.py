"""GetTopicAttributes and SetTopicAttributes."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.counting import LARGE_MESSAGE_SUBSCRIPTIONS_MAX, counts_of
from haneul.services.sns.records import Place, TopicRecord, topic_arn, topic_at, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.services.sns.topic_attributes import MESSAGE_BYTES_DEFAULT, checked, message_bytes_max, shown, with_changes
from haneul.store.port import Transaction
from haneul.store.records import encode

# What holds for deliveries over HTTP where neither the topic nor the subscription says otherwise (Developer Guide, "Creating an HTTP/S delivery policy").
_DELIVERY_POLICY = (
    '{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,'
    '"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}'
)


async def change_topic(call: Call, place: Place, change: Callable[[TopicRecord], None]) -> None:
    """Change a topic's record in one transaction."""

    def work(tx: Transaction) -> None:
        topic = topic_at(tx, place)
        change(topic.record)
        counts = counts_of(tx, topic)
        if message_bytes_max(topic.record.attributes) > MESSAGE_BYTES_DEFAULT and counts.confirmed + counts.pending > LARGE_MESSAGE_SUBSCRIPTIONS_MAX:
            raise errors.invalid(f"MaximumMessageSize Reason: a topic with messages above 256 KiB has at most {LARGE_MESSAGE_SUBSCRIPTIONS_MAX} subscriptions")
        tx.put(place.key, encode(topic.record))

    await call.cloud.store.transact(work)


@operation("sns:GetTopicAttributes", action="SNS:GetTopicAttributes", resource=topic_arn)
async def get_topic_attributes(call: Call, request: Shape) -> Shape:
    """What a topic is, and how many subscriptions it has."""
    place = topic_of_arn(request["TopicArn"])
    topic = call.service(Sns).topic(place)
    counts = counts_of(call.cloud.store, topic)
    facts = {
        "TopicArn": place.arn,
        "Owner": place.account,
        "EffectiveDeliveryPolicy": _DELIVERY_POLICY,
        "SubscriptionsConfirmed": str(counts.confirmed),
        "SubscriptionsPending": str(counts.pending),
        "SubscriptionsDeleted": str(counts.deleted),
    }
    return {"Attributes": {**shown(call, topic.attributes), **facts}}


@operation(
    "sns:SetTopicAttributes", action="SNS:SetTopicAttributes", resource=topic_arn, partial="no keys of KMS, archives, or logs of the delivery status"
)
async def set_topic_attributes(call: Call, request: Shape) -> None:
    """Change one attribute; without a value, back to what it is by default."""
    place, name = topic_of_arn(request["TopicArn"]), request["AttributeName"]
    if name == "FifoTopic":
        raise errors.invalid("AttributeName")
    value = checked(call, place, name, request.get("AttributeValue") or "")
    call.service(Sns).topic(place)
    await change_topic(call, place, lambda record: setattr(record, "attributes", with_changes(record.attributes, {name: value})))
