"""The forms in which a message reaches its subscriptions (Developer Guide, "Parsing Amazon SNS message formats" and "Amazon SNS raw message delivery")."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from haneul.clock import MILLISECOND, SECOND
from haneul.core.arn import parse_arn
from haneul.core.operation import Shape
from haneul.services.sns.messages import Attribute, Message
from haneul.services.sns.records import Topic
from haneul.services.sns.signing import Signer
from haneul.services.sns.subscriptions import Subscription

# Sequence numbers have 20 digits. Ours are times in nanoseconds, lifted above 10^19.
_SEQUENCE_BASE = 10**19
_FOR_FUNCTIONS = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}


def sequence_number(number: int) -> str:
    """A FIFO message's number as the wire shows it."""
    return str(_SEQUENCE_BASE + number)


def iso_time(now: int) -> str:
    """Milliseconds, as notifications have them."""
    return datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now // MILLISECOND % 1000:03}Z"


class Envelopes:
    """The notifications of one message, which differ between subscriptions in a link only: each text is signed once."""

    def __init__(self, signer: Signer, topic: Topic, message: Message) -> None:
        self._signer = signer
        self._topic = topic
        self._message = message
        self._signed: dict[str, dict[str, Any]] = {}

    async def notification(self, to: Subscription) -> dict[str, Any]:
        """A notification's fields, in the order of the real service."""
        message = self._message
        text = message.text_for(to.protocol)
        found = self._signed.get(text)
        if found is None:
            found = {"Type": "Notification", "MessageId": message.id}
            if message.number:
                found["SequenceNumber"] = sequence_number(message.number)
            found["TopicArn"] = self._topic.arn
            if message.subject is not None:
                found["Subject"] = message.subject
            found |= {"Message": text, "Timestamp": iso_time(message.at)}
            found |= await signature(self._signer, self._topic, found, message.origin)
            self._signed[text] = found
        found = {**found, "UnsubscribeURL": f"{message.origin}/?Action=Unsubscribe&SubscriptionArn={to.arn}"}
        if message.attributes and message.plain:
            found["MessageAttributes"] = {name: {"Type": one.type, "Value": _value(one)} for name, one in message.attributes.items()}
        return found

    async def queue_message(self, to: Subscription, queue_arn: str) -> Shape:
        """Parameters of SendMessage to the queue of a subscription, or its dead-letter queue."""
        target, message = parse_arn(queue_arn), self._message
        assert target is not None
        params: Shape = {"QueueUrl": f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}"}
        if to.raw:
            params["MessageBody"] = message.text_for(to.protocol)
            if message.attributes and message.plain:
                params["MessageAttributes"] = {name: _raw(one) for name, one in message.attributes.items()}
        else:
            params["MessageBody"] = pretty(await self.notification(to))
        if message.group is not None:
            params["MessageGroupId"] = message.group
        if message.deduplication is not None and target.resource.endswith(".fifo"):
            params["MessageDeduplicationId"] = message.deduplication
        if message.trace:
            params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
        return params

    async def function_event(self, to: Subscription) -> bytes:
        """The event that a function is invoked with: always one record. Types of attributes that functions do not know are String to them."""
        found = {_FOR_FUNCTIONS.get(name, name): value for name, value in (await self.notification(to)).items()}
        found.setdefault("Subject", None)
        attributes: dict[str, dict[str, str]] = found.get("MessageAttributes", {})
        known = ("String", "Binary")
        found["MessageAttributes"] = {name: {**one, "Type": one["Type"] if one["Type"] in known else "String"} for name, one in attributes.items()}
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": to.arn, "Sns": found}
        return orjson.dumps({"Records": [record]})


async def signature(signer: Signer, topic: Topic, fields: Mapping[str, Any], origin: str) -> dict[str, str]:
    """The fields of a notification by which it can be verified."""
    version = topic.attributes.get("SignatureVersion", "1")
    signed, certificate = await signer.sign(fields, version)
    return {"SignatureVersion": version, "Signature": signed, "SigningCertURL": f"{origin}/{certificate}"}


def _value(one: Attribute) -> str:
    return one.text if one.binary is None else base64.b64encode(one.binary).decode()


def _raw(one: Attribute) -> Shape:
    return {"DataType": one.type, **({"StringValue": one.text} if one.binary is None else {"BinaryValue": one.binary})}


def pretty(fields: Mapping[str, Any]) -> str:
    """JSON with a field on each line, as it is sent."""
    lines = []
    for name, value in fields.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            one_each = (f"    {json.dumps(key, ensure_ascii=False)} : {json.dumps(one, ensure_ascii=False, separators=(',', ':'))}" for key, one in value.items())
            text = "{\n" + ",\n".join(one_each) + "\n  }"
        lines.append(f"  {json.dumps(name)} : {text}")
    return "{\n" + ",\n".join(lines) + "\n}"
