"""The forms in which a message reaches its subscriptions (Developer Guide, "Parsing Amazon SNS message formats" and "Amazon SNS raw message delivery")."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import orjson

from haneul.core.arn import parse_arn
from haneul.core.operation import Shape
from haneul.services.sns.messages import Attribute, Message
from haneul.services.sns.subscriptions import Subscription

# Sequence numbers have 20 digits. Ours are times in nanoseconds, lifted above 10^19.
_SEQUENCE_BASE = 10**19


def sequence_number(number: int) -> str:
    """A FIFO message's number as the wire shows it."""
    return str(_SEQUENCE_BASE + number)


def iso_time(now: int) -> str:
    """Milliseconds, as notifications have them."""
    return datetime.fromtimestamp(now // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now // 1_000_000 % 1000:03}Z"


def _attributes(message: Message) -> dict[str, Any]:
    return {name: {"Type": one.type, "Value": _value(one)} for name, one in message.attributes.items()}


def _value(one: Attribute) -> str:
    return one.text if one.binary is None else base64.b64encode(one.binary).decode()


def notification(to: Subscription, message: Message) -> dict[str, Any]:
    """A notification's fields, in the order of the real service."""
    found: dict[str, Any] = {"Type": "Notification", "MessageId": message.id}
    if message.number:
        found["SequenceNumber"] = sequence_number(message.number)
    found["TopicArn"] = to.place.arn
    if message.subject is not None:
        found["Subject"] = message.subject
    found |= {"Message": message.text_for(to.protocol), "Timestamp": iso_time(message.at)}
    found["UnsubscribeURL"] = f"{message.origin}/?Action=Unsubscribe&SubscriptionArn={to.arn}"
    if message.attributes:
        found["MessageAttributes"] = _attributes(message)
    return found


def pretty(fields: dict[str, Any]) -> str:
    """JSON with a field on each line, as it is sent."""
    lines = []
    for name, value in fields.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            inner = ",\n".join(f"    {json.dumps(key, ensure_ascii=False)} : {json.dumps(one, ensure_ascii=False, separators=(',', ':'))}" for key, one in value.items())
            text = "{\n" + inner + "\n  }"
        lines.append(f"  {json.dumps(name)} : {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def queue_message(to: Subscription, message: Message) -> Shape:
    """Parameters of SendMessage."""
    target = parse_arn(to.endpoint)
    assert target is not None
    params: Shape = {"QueueUrl": f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}"}
    if to.raw:
        params["MessageBody"] = message.text_for(to.protocol)
        if message.attributes:
            params["MessageAttributes"] = {
                name: {"DataType": one.type, **({"StringValue": one.text} if one.binary is None else {"BinaryValue": one.binary})}
                for name, one in message.attributes.items()
            }
    else:
        params["MessageBody"] = pretty(notification(to, message))
    if message.group is not None:
        params["MessageGroupId"] = message.group
    if message.deduplication is not None and target.resource.endswith(".fifo"):
        params["MessageDeduplicationId"] = message.deduplication
    if message.trace:
        params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
    return params


def function_event(to: Subscription, message: Message) -> bytes:
    """The event that a function is invoked with: always one record."""
    found = notification(to, message)
    found["UnsubscribeUrl"] = found.pop("UnsubscribeURL")
    found.setdefault("Subject", None)
    found["MessageAttributes"] = _attributes(message)
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": to.arn, "Sns": found}
    return orjson.dumps({"Records": [record]})
