"""Queue attributes: their limits, defaults and the rules between them (API reference, CreateQueue and SetQueueAttributes)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from haneul.core.actions import names_an_action
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.services.sqs import errors
from haneul.services.sqs.actions import ACTIONS, BATCHES
from haneul.services.sqs.queues import Place, place_of_arn

# Least and greatest value, default; seconds, but for MaximumMessageSize, which is in bytes.
_NUMBERS = {
    "DelaySeconds": (0, 900, "0"),
    "MaximumMessageSize": (1_024, 1_048_576, "1048576"),
    "MessageRetentionPeriod": (60, 1_209_600, "345600"),
    "ReceiveMessageWaitTimeSeconds": (0, 20, "0"),
    "VisibilityTimeout": (0, 43_200, "30"),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400, ""),
}
_CHOICES = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_FIFO_DEFAULTS = {"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}
_FIFO_ONLY = frozenset(_FIFO_DEFAULTS)
# Attributes that an empty text takes away.
_OWN_KEY = re.compile(r"(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?alias/aws/sqs")
_REMOVABLE = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId"})
_SETTABLE = frozenset(_NUMBERS) | frozenset(_CHOICES) | _REMOVABLE
_ACTIONS = ACTIONS | BATCHES
RECEIVES_MAX = 1_000
_SOURCES_MAX = 10


def defaults(fifo: bool) -> dict[str, str]:
    """The attributes of a queue for which nothing was said."""
    found = {name: default for name, (_, _, default) in _NUMBERS.items() if default}
    found["SqsManagedSseEnabled"] = "true"
    if fifo:
        found.update(_FIFO_DEFAULTS)
    return found


def checked(given: Mapping[str, Any], fifo: bool, *, creating: bool) -> dict[str, str]:
    """Attributes of a request in the form in which they are kept; InvalidAttributeName or InvalidAttributeValue for what cannot be."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if value is None:
            raise errors.invalid_attribute(name)
        if name == "FifoQueue":
            _check_fifo(value, fifo, creating=creating)
        elif name not in _SETTABLE or (name in _FIFO_ONLY and not fifo):
            raise errors.unknown_attribute(name)
        elif name in _NUMBERS:
            found[name] = _number(name, value)
        elif name in _CHOICES:
            if value not in _CHOICES[name]:
                raise errors.invalid_attribute(name)
            found[name] = value
        elif value == "":
            found[name] = ""
        else:
            found[name] = _CHECKS.get(name, _plain)(name, value)
    if fifo and creating and given.get("FifoQueue") != "true":
        raise errors.invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
        )
    if given.get("KmsMasterKeyId") and given.get("SqsManagedSseEnabled") == "true":
        raise ServiceError(
            "InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
        )
    return found


def with_bound_principals(call: Call, attributes: dict[str, str]) -> dict[str, str]:
    """Checked attributes with the policy, if there is one, as it is kept: users and roles by their unique ids."""
    policy = attributes.get("Policy")
    if not policy:
        return attributes
    try:
        return {**attributes, "Policy": call.cloud.authority.bind_principals(policy)}
    except ServiceError:
        raise errors.invalid_attribute("Policy") from None


def _check_fifo(value: str, fifo: bool, *, creating: bool) -> None:
    if creating and not fifo:
        if value == "true":
            raise errors.invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
            )
        raise errors.unknown_attribute("FifoQueue")
    if not fifo:
        raise errors.unknown_attribute("FifoQueue")
    if value != "true":
        raise errors.invalid_attribute("FifoQueue", "Modifying queue type is not supported.")


def _number(name: str, value: str) -> str:
    least, greatest, _ = _NUMBERS[name]
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and least <= int(value) <= greatest):
        raise errors.invalid_attribute(name)
    return str(int(value))


def _plain(name: str, value: str) -> str:
    return value


def _json(name: str, value: str) -> dict[str, Any]:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise errors.invalid_value(value, name, "Redrive policy is not a valid JSON map.") if name.startswith("Redrive") else errors.invalid_attribute(name)
    return found


def _policy(name: str, value: str) -> str:
    """Enough for the evaluation to be sure of; a policy that means nothing allows nothing."""
    policy = _json(name, value)
    statements = policy.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements or policy.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise errors.invalid_attribute(name)
    for one in statements:
        sound = (
            isinstance(one, dict)
            and one.get("Effect") in ("Allow", "Deny")
            and ("Principal" in one or "NotPrincipal" in one)
            and ("Action" in one or "NotAction" in one)
        )
        if not sound or not all(names_an_action(action, "sqs", _ACTIONS) for action in _texts(one.get("Action", one.get("NotAction")))):
            raise errors.invalid_attribute(name)
    return value


def _texts(given: Any) -> list[str]:
    values = given if isinstance(given, list) else [given]
    return [value if isinstance(value, str) else "" for value in values]


def _redrive(name: str, value: str) -> str:
    policy = _json(name, value)
    if "deadLetterTargetArn" not in policy:
        raise errors.invalid_value(value, name, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
    if "maxReceiveCount" not in policy:
        raise errors.invalid_value(value, name, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
    if len(policy) > 2:
        raise errors.invalid_value(value, name, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
    target, count = policy["deadLetterTargetArn"], policy["maxReceiveCount"]
    if not isinstance(target, str) or place_of_arn(target) is None:
        raise errors.invalid_value(value, name, "Invalid value for deadLetterTargetArn.")
    if isinstance(count, str) and count.isascii() and count.isdigit() and len(count) <= 10:
        count = int(count)
    if type(count) is not int or not 1 <= count <= RECEIVES_MAX:
        raise errors.invalid_value(
            value, name, f"Invalid value for maxReceiveCount: {policy['maxReceiveCount']}, valid values are from 1 to {RECEIVES_MAX} both inclusive."
        )
    return orjson.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count}).decode()


def _redrive_allow(name: str, value: str) -> str:
    policy = _json(name, value)
    permission = policy.get("redrivePermission")
    sources = policy.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue"):
        raise errors.invalid_value(value, name, "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.")
    if permission == "byQueue":
        if not isinstance(sources, list) or not 1 <= len(sources) <= _SOURCES_MAX:
            raise errors.invalid_value(value, name, "Amazon SQS can't create the redrive allow policy. The sourceQueueArns must have 1 to 10 ARNs.")
        if any(not isinstance(arn, str) or place_of_arn(arn) is None for arn in sources):
            raise errors.invalid_value(value, name, "Amazon SQS can't create the redrive allow policy. One or more ARNs are invalid.")
    elif sources is not None:
        raise errors.invalid_value(value, name, "Amazon SQS can't create the redrive allow policy. The sourceQueueArns can be given with byQueue only.")
    return value


def _kms_key(name: str, value: str) -> str:
    """Only the key that AWS itself keeps for SQS can exist where there is no KMS: queues under it are encrypted under Haneul's own."""
    if _OWN_KEY.fullmatch(value) is None:
        raise NotBuilt(f"KMS, so that there is no key {value} for a queue's {name}; alias/aws/sqs and SqsManagedSseEnabled encrypt it")
    return value


_CHECKS = {"KmsMasterKeyId": _kms_key, "Policy": _policy, "RedrivePolicy": _redrive, "RedriveAllowPolicy": _redrive_allow}


def merged(current: Mapping[str, str], change: Mapping[str, str], fifo: bool) -> dict[str, str]:
    """A queue's attributes after a change, with what one attribute means for another."""
    found = {**current, **change}
    for name in _REMOVABLE:
        if found.get(name) == "":
            del found[name]
    if change.get("KmsMasterKeyId"):
        found["SqsManagedSseEnabled"] = "false"
    elif change.get("SqsManagedSseEnabled") == "true":
        found.pop("KmsMasterKeyId", None)
    if "KmsMasterKeyId" in found:
        found.setdefault("KmsDataKeyReusePeriodSeconds", "300")
    else:
        found.pop("KmsDataKeyReusePeriodSeconds", None)
    if fifo and found["FifoThroughputLimit"] == "perMessageGroupId" and found["DeduplicationScope"] != "messageGroup":
        raise errors.invalid_attribute(
            "FifoThroughputLimit", "The FifoThroughputLimit can be perMessageGroupId only when the DeduplicationScope is messageGroup."
        )
    return found


def allows_source(dead_letter_attributes: Mapping[str, str], source: Place) -> bool:
    """Whether a dead-letter queue lets a queue name it."""
    text = dead_letter_attributes.get("RedriveAllowPolicy")
    if not text:
        return True
    policy = orjson.loads(text)
    permission = policy["redrivePermission"]
    return permission == "allowAll" or (permission == "byQueue" and source.arn in policy["sourceQueueArns"])
