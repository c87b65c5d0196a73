"""GetSubscriptionAttributes and SetSubscriptionAttributes."""

from __future__ import annotations

import msgspec

from haneul.core.call import Call
from haneul.core.errors import AccessDenied
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.confirm_subscription import authorize_own
from haneul.services.sns.counting import count_change
from haneul.services.sns.records import SUBSCRIPTIONS, SubscriptionRecord, Topic, find_subscription, find_topic, subscription_of_arn
from haneul.services.sns.subscription_attributes import shown, with_changes
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode


def _find(call: Call, reader: Reader, arn: str) -> tuple[Topic, SubscriptionRecord]:
    """A subscription, for the accounts that own it or its topic."""
    place, identity = subscription_of_arn(arn)
    topic = find_topic(reader, place)
    record = find_subscription(reader, topic, identity) if topic is not None else None
    if topic is None or record is None:
        raise errors.subscription_missing()
    if call.caller.account not in (record.owner, place.account):
        raise AccessDenied(f"User: {call.caller.arn or 'anonymous'} is not authorized to perform: {call.operation.action} on resource: {arn}")
    return topic, record


@operation("sns:GetSubscriptionAttributes", action="SNS:GetSubscriptionAttributes", authorized_inside=True)
async def get_subscription_attributes(call: Call, request: Shape) -> Shape:
    """All attributes of a subscription."""
    authorize_own(call, request["SubscriptionArn"])
    return {"Attributes": shown(*_find(call, call.cloud.store, request["SubscriptionArn"]))}


@operation("sns:SetSubscriptionAttributes", action="SNS:SetSubscriptionAttributes", authorized_inside=True, partial="no delivery policies, Firehose roles or replays")
async def set_subscription_attributes(call: Call, request: Shape) -> None:
    """Change one attribute; without a value, it is taken away."""
    authorize_own(call, request["SubscriptionArn"])
    given = {request["AttributeName"]: request.get("AttributeValue")}

    def work(tx: Transaction) -> None:
        topic, record = _find(call, tx, request["SubscriptionArn"])
        changed = msgspec.structs.replace(record, attributes=with_changes(topic, record, given))
        count_change(tx, topic, record, changed)
        tx.put(topic.key(SUBSCRIPTIONS, record.id), encode(changed))

    await call.cloud.store.transact(work)
