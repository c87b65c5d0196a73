"""Topic attributes: which there are, what they may be, and what stands for those that nobody set (API Reference, CreateTopic and SetTopicAttributes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from haneul.core.actions import names_an_action
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.services.sns import errors
from haneul.services.sns.actions import OTHER_ACTIONS, POLICY_ACTIONS
from haneul.services.sns.records import Place

MESSAGE_BYTES_DEFAULT = 262_144
MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX = 1_024, 1_048_576
_DISPLAY_NAME_MAX = 100
_POLICY_BYTES_MAX = 30_720
STATEMENTS_MAX, _PRINCIPALS_MAX = 100, 200
_DEFAULT_ACTIONS = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish")
_FEEDBACK = frozenset(
    f"{protocol}{what}"
    for protocol in ("HTTP", "Firehose", "Lambda", "Application", "SQS")
    for what in ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")
)
_NOT_BUILT = {
    "ArchivePolicy": "archives of FIFO topics",
    "DeliveryPolicy": "deliveries over HTTP, which are what a topic's DeliveryPolicy is about",
    "KmsMasterKeyId": "KMS, so that there is no key for a topic's KmsMasterKeyId",
    **dict.fromkeys(_FEEDBACK, "logs of the delivery status of a topic's messages"),
}
_FIFO_ONLY = {"ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic"}


def default_policy(place: Place) -> str:
    """What a topic's policy is until its owner sets one: everything for the owner's account, and for services that say they act for it."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in _DEFAULT_ACTIONS],
        "Resource": place.arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": place.account}},
    }
    return orjson.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}).decode()


def defaults(place: Place) -> dict[str, str]:
    """The attributes of a topic for which nothing was said."""
    found = {"Policy": default_policy(place), "DisplayName": ""}
    return {**found, "FifoTopic": "true", **_FIFO_ONLY} if place.fifo else found


def checked(call: Call, place: Place, name: str, value: str) -> str:
    """One attribute in the form in which it is kept; an empty text takes back what was set. InvalidParameter for what cannot be."""
    if name in _NOT_BUILT:
        if value:
            raise NotBuilt(_NOT_BUILT[name])
        return ""
    check = _CHECKS.get(name)
    if check is None or (name in _FIFO_ONLY and not place.fifo):
        raise errors.invalid("AttributeName")
    return check(call, place, value)


def _policy(call: Call, place: Place, value: str) -> str:
    """With the unique ids of users and roles in place of their ARNs."""
    if not value:
        return default_policy(place)
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise errors.invalid("Policy Error: null")
    statements = _list(document.get("Statement", []))
    if not statements or len(statements) > STATEMENTS_MAX:
        raise errors.invalid("Policy Error: null")
    for one in statements:
        _check_statement(place, one)
    try:
        return call.cloud.authority.bind_principals(check_policy_size(value))
    except ServiceError as problem:
        if problem.code == "InvalidParameter":
            raise
        principal = "Invalid principal" in problem.message
        raise errors.invalid(f"Policy Error: {'PrincipalNotFound' if principal else 'null'}") from None


def check_policy_size(text: str) -> str:
    """The text of a policy, if a topic may have one of that size."""
    if len(text.encode()) > _POLICY_BYTES_MAX:
        raise errors.invalid("Policy Error: the policy is longer than 30 KB")
    return text


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _check_statement(place: Place, statement: Any) -> None:
    """A statement is about this topic, and about what can be done to topics."""
    if not isinstance(statement, dict) or "Resource" not in statement or not ("Principal" in statement or "NotPrincipal" in statement):
        raise errors.invalid("Policy Error: null")
    for action in _list(statement.get("Action", statement.get("NotAction"))):
        within = isinstance(action, str) and names_an_action(action, "sns", POLICY_ACTIONS)
        if not within or names_an_action(action, "sns", OTHER_ACTIONS):
            raise errors.invalid("Policy statement action out of service scope!")
    for resource in _list(statement["Resource"]):
        if resource != "*" and resource != place.arn:
            raise errors.invalid("Policy statement must apply to a single resource")
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if isinstance(principal, dict) and not 1 <= sum(len(_list(one)) for one in principal.values()) <= _PRINCIPALS_MAX:
        raise errors.invalid("Policy Error: null")


def _display_name(call: Call, place: Place, value: str) -> str:
    if len(value) > _DISPLAY_NAME_MAX or any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 for one in value):
        raise errors.invalid("DisplayName")
    return value


def _tracing(call: Call, place: Place, value: str) -> str:
    if value not in ("PassThrough", "Active"):
        raise errors.invalid("TracingConfig")
    if value == "Active":
        raise NotBuilt("X-Ray, so that there is no TracingConfig of a topic but PassThrough")
    return value


def _message_size(call: Call, place: Place, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and MESSAGE_BYTES_MIN <= int(value) <= MESSAGE_BYTES_MAX):
        raise errors.invalid("MaximumMessageSize")
    return str(int(value))


def _one_of(name: str, *values: str) -> Callable[[Call, Place, str], str]:
    def check(call: Call, place: Place, value: str) -> str:
        if value not in values:
            raise errors.invalid(name)
        return value

    return check


_CHECKS: Mapping[str, Callable[[Call, Place, str], str]] = {
    "ContentBasedDeduplication": _one_of("ContentBasedDeduplication", "true", "false"),
    "DisplayName": _display_name,
    "FifoThroughputScope": _one_of("FifoThroughputScope", "Topic", "MessageGroup"),
    "MaximumMessageSize": _message_size,
    "Policy": _policy,
    "SignatureVersion": _one_of("SignatureVersion", "1", "2"),
    "TracingConfig": _tracing,
}


def with_changes(attributes: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Attributes after a change, in the form in which they are kept: an empty text takes one away, but for a display name, which is always shown."""
    found = {**attributes, **changes}
    return {name: value for name, value in found.items() if value or name == "DisplayName"}


def shown(call: Call, attributes: Mapping[str, str]) -> dict[str, Any]:
    """Kept attributes as they are shown: with the ARNs of users and roles."""
    return {**attributes, "Policy": call.cloud.authority.show_principals(attributes["Policy"])}


def message_bytes_max(attributes: Mapping[str, str]) -> int:
    """How many bytes a message published to a topic may have."""
    return int(attributes.get("MaximumMessageSize", MESSAGE_BYTES_DEFAULT))
