"""What is published: a message that has passed every check (API Reference, Publish; Developer Guide, "Amazon SNS message attributes")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
import orjson

from haneul.core.call import TRACE_HEADER, Call
from haneul.core.operation import Shape
from haneul.services.sns import errors
from haneul.services.sns.records import Topic

_SUBJECT_MAX = 100
_NAME_MAX = 256
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_TYPE = re.compile(r"(?:String|Number|Binary)(?:\.[A-Za-z0-9_.-]*)?\Z")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*\Z")
_TOKEN = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}\Z""")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Attribute(msgspec.Struct):
    """A message attribute: `text`, or `binary` where it is of the type Binary."""

    type: str
    text: str = ""
    binary: bytes | None = None


class Message(msgspec.Struct):
    """A message on its way. `texts` are what single protocols get instead of `text`, where it is not `plain`; `number` orders the messages of a FIFO topic.

    `origin` is where the caller reached this cloud (`http://localhost:4566`): links in notifications begin so.
    """

    id: str
    at: int
    text: str
    attributes: dict[str, Attribute]
    subject: str | None = None
    texts: dict[str, str] = {}
    plain: bool = True
    group: str | None = None
    deduplication: str | None = None
    number: int = 0
    trace: str = ""
    origin: str = ""

    def text_for(self, protocol: str) -> str:
        return self.texts.get(protocol, self.text)


def checked_message(call: Call, topic: Topic, entry: Shape) -> tuple[Message, int]:
    """The message of a request or an entry of a batch, and how many bytes it counts."""
    text: str = entry.get("Message") or ""
    if not text:
        raise errors.invalid("Empty message")
    subject = entry.get("Subject")
    if subject is not None and (not 1 <= len(subject) <= _SUBJECT_MAX or _CONTROL.search(subject) is not None):
        raise errors.invalid("Subject")
    attributes, size = checked_attributes(entry.get("MessageAttributes") or {})
    size += len(text.encode("utf-8", "surrogatepass"))
    texts = _texts(entry.get("MessageStructure"), text)
    group, deduplication = _tokens(topic, entry, text)
    message = Message(
        id=call.cloud.ids.uuid(),
        at=call.now,
        text=texts.pop("default", text),
        attributes=attributes,
        subject=subject,
        texts=texts,
        plain=entry.get("MessageStructure") is None,
        group=group,
        deduplication=deduplication,
        trace=call.http.headers.get("x-amzn-trace-id", "") if call.http is not None else str(call.context.get(TRACE_HEADER, "")),
        origin=origin_of(call),
    )
    return message, size


def origin_of(call: Call) -> str:
    """Where the caller reached this cloud."""
    settings = call.cloud.settings
    if call.http is not None and call.http.host:
        return f"{'https' if call.http.secure else 'http'}://{call.http.host}"
    return f"http://{settings.host}:{settings.port}"


def _texts(structure: str | None, text: str) -> dict[str, str]:
    """What each protocol gets, where the message is a JSON object that says so."""
    if structure is None:
        return {}
    if structure != "json":
        raise errors.invalid("MessageStructure")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise errors.invalid("Message Structure - JSON message body failed to parse")
    found = {name: value for name, value in document.items() if isinstance(value, str)}
    if "default" not in found:
        raise errors.invalid("Message Structure - No default entry in JSON message body")
    return found


def _tokens(topic: Topic, entry: Shape, text: str) -> tuple[str | None, str | None]:
    """The message group and deduplication ids. A standard topic hands a group on to standard queues, and knows no deduplication."""
    group, deduplication = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
    if topic.fifo and group is None:
        raise errors.invalid("The MessageGroupId parameter is required for FIFO topics")
    if not topic.fifo and deduplication is not None:
        raise errors.invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value is not None and _TOKEN.match(value) is None:
            raise errors.invalid(f"{name} Reason: {name} can only include alphanumeric and punctuation characters. 1 to 128 in length.")
    if topic.fifo and deduplication is None:
        if topic.attributes["ContentBasedDeduplication"] != "true":
            raise errors.invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
        deduplication = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return group, deduplication


# ---- attributes


def checked_attributes(given: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Attribute], int]:
    """Message attributes as they are kept, and how many bytes they count. There may be any number; queues take ten raw ones."""
    found: dict[str, Attribute] = {}
    size = 0
    for name, value in given.items():
        _check_name(name)
        one = found[name] = _checked(name, value or {})
        content = one.binary if one.binary is not None else one.text.encode("utf-8", "surrogatepass")
        size += len(name) + len(one.type) + len(content)
    return found, size


def _check_name(name: str) -> None:
    if not name or len(name) > _NAME_MAX:
        raise errors.invalid_value("Length of message attribute name must be between 1 and 256 bytes.")
    if _NAME.match(name) is None:
        raise errors.invalid_value(
            f"Invalid non-alphanumeric character '#x{ord(next(one for one in name if _NAME.match(one) is None)):X}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise errors.invalid_value("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
    if name[0] == "." or name[-1] == "." or ".." in name:
        raise errors.invalid_value("Message attribute name can not start or end with '.' or contain successive dots.")


def _checked(name: str, value: Mapping[str, Any]) -> Attribute:
    kind = value.get("DataType") or ""
    if not kind:
        raise errors.invalid_value(f"The message attribute '{name}' must contain non-empty message attribute type.")
    if len(kind) > _NAME_MAX or _TYPE.match(kind) is None:
        raise errors.invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )
    text, binary = value.get("StringValue"), value.get("BinaryValue")
    if text is not None and binary is not None:
        raise errors.invalid_value(f"The message attribute '{name}' has multiple values.")
    if kind.startswith("Binary"):
        if not binary:
            raise errors.invalid_value(f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'.")
        return Attribute(kind, binary=bytes(binary))
    if not text:
        raise errors.invalid_value(f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'.")
    if kind.startswith("Number") and _NUMBER.match(text) is None:
        raise errors.invalid_value(f"Could not cast message attribute '{name}' value to number.")
    return Attribute(kind, text)

