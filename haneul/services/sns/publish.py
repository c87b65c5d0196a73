"""Publish."""

from __future__ import annotations

from typing import Any

import msgspec

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.delivery import DELIVER
from haneul.services.sns.messages import Message, checked_message
from haneul.services.sns.records import Place, TopicRecord, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.services.sns.topic_attributes import message_bytes_max
from haneul.store.port import Transaction

# So many subscriptions share one entry of the outbox, and with it one copy of the message.
_TOGETHER = 100


def _place(call: Call, request: Shape) -> Place:
    arn = request.get("TopicArn") or request.get("TargetArn")
    if request.get("PhoneNumber"):
        raise NotBuilt("text messages (the parameter PhoneNumber of sns:Publish)")
    if not arn:
        raise errors.invalid("TopicArn or TargetArn Reason: no value for required parameter")
    parameter = "TopicArn" if request.get("TopicArn") else "TargetArn"
    if ":endpoint/" in arn:
        raise NotBuilt("notifications to mobile devices (endpoints as the parameter TargetArn of sns:Publish)")
    return topic_of_arn(arn, parameter)


def service_conditions(call: Call, request: Shape) -> dict[str, Any]:
    """For whom a service publishes: what the policy asks that a topic has by itself."""
    source = call.context.get("aws:SourceAccount")
    return {"aws:SourceOwner": source} if source and call.caller.kind == "service" else {}


@operation(
    "sns:Publish",
    action="SNS:Publish",
    resource=lambda call, request: _place(call, request).arn,
    conditions=service_conditions,
    partial="topics only: no phone numbers and mobile devices",
)
async def publish(call: Call, request: Shape) -> Shape:
    """Send a message to the subscriptions of a topic that want it. It is on the disk, and on its way, when this answers.

    Errors: InvalidParameter, InvalidParameterValue, NotFound. API Reference: Publish.
    """
    place, service = _place(call, request), call.service(Sns)
    topic = service.topic(place)
    message, size = checked_message(call, place, topic, request)
    if size > message_bytes_max(topic.attributes):
        raise errors.invalid("Message too long")
    if place.fifo:
        raise NotBuilt("FIFO topics")
    await call.cloud.store.transact(lambda tx: fan_out(service, tx, place, topic, message))
    return {"MessageId": message.id}


def fan_out(service: Sns, tx: Transaction, place: Place, topic: TopicRecord, message: Message) -> None:
    """Promise a message to each subscription that wants it."""
    if tx.get(place.key) is None:
        raise errors.topic_missing()
    going = list(service.subscribed(place))
    content = msgspec.to_builtins(message, builtin_types=(bytes,))
    for at in range(0, len(going), _TOGETHER):
        service.cloud.outbox.put(tx, DELIVER, {"topic": list(place), "message": content, "to": going[at : at + _TOGETHER]})
