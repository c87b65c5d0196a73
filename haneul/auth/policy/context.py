"""The condition keys of one request: those that it brought, and those that follow from the caller, worked out only when a policy asks.

The keys and when they are present: IAM User Guide, "AWS global condition context keys" and the principal table in "Variables and tags".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from haneul.clock import SECOND
from haneul.core.caller import Caller

ContextValue = str | bool | int | bytes | Iterable[str | bool | int | bytes]


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What is asked for: `action` on every one of `resources` (ARNs, or `*` for an action without resources; empty means `*` and keeps it out of the message).

    `context` holds the request's condition keys, in any case: texts, numbers, booleans, bytes, or lists of them (keys with many values).
    `now_ns` is the request's time, from which `aws:CurrentTime` and `aws:EpochTime` follow.
    """

    action: str
    resources: tuple[str, ...]
    context: Mapping[str, ContextValue] = field(default_factory=dict)
    now_ns: int | None = None


def _text(value: str | bool | int | bytes) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _texts(value: ContextValue) -> tuple[str, ...]:
    if isinstance(value, str | bool | int | bytes):
        return (_text(value),)
    return tuple(_text(item) for item in value)


class Context:
    """The condition keys of one request, by lower-case name. `missing` collects the keys that policies asked for in vain."""

    __slots__ = ("caller", "missing", "request", "requested", "resource_account")

    def __init__(self, request: AccessRequest, caller: Caller, resource_account: str) -> None:
        self.request = request
        self.caller = caller
        self.resource_account = resource_account
        self.requested: dict[str, ContextValue] | None = None
        self.missing: set[str] = set()

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of a key (given in lower case), or None when the request has no such key."""
        requested = self.requested
        if requested is None:
            requested = self.requested = {name.lower(): value for name, value in self.request.context.items()}
        found = requested.get(key)
        if found is None and "tag" in key:
            found = self.request.context.get(key)  # Keys of tags are not among those that a request lists: they cost a read.
        if found is None:
            found = _derived(key, self)
        if found is None:
            self.missing.add(key)
            return None
        return _texts(found)

    def single(self, key: str) -> str | None:
        """The value of a key for use as a variable; None when it is absent or has not exactly one value."""
        values = self.values(key)
        return values[0] if values is not None and len(values) == 1 else None


def _derived(key: str, context: Context) -> ContextValue | None:
    if key.startswith("aws:principaltag/"):
        return _tag(context.caller.tags, key.partition("/")[2])
    rule = _DERIVED.get(key)
    if rule is None:
        return context.caller.session_keys.get(key)
    return rule(context)


def _tag(tags: Mapping[str, str], name: str) -> str | None:
    for tag, value in tags.items():
        if tag.lower() == name:
            return value
    return None


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    return datetime.fromtimestamp(time_ns // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _principal_arn(context: Context) -> str | None:
    caller = context.caller
    return (caller.role_arn if caller.kind == "role" else caller.arn) or None


def _principal_type(context: Context) -> str | None:
    names = {"root": "Account", "user": "User", "role": "AssumedRole", "federated": "FederatedUser", "anonymous": "Anonymous"}
    return names.get(context.caller.kind)


def _user_name(context: Context) -> str | None:
    # Present for IAM users only; the path is no part of the friendly name.
    return context.caller.arn.rpartition("/")[2] if context.caller.kind == "user" else None


def _multi_factor(context: Context) -> bool | None:
    # Long-term keys carry no such key at all, which is why policies say BoolIfExists.
    return None if context.caller.token_issued_at_ns is None else context.caller.mfa


def _multi_factor_age(context: Context) -> int | None:
    """Seconds since the code was given; absent without one."""
    given_at = context.caller.mfa_at_ns
    now = context.single("aws:epochtime") if given_at is not None else None
    return int(now) - given_at // SECOND if given_at is not None and now is not None else None


def _is_service(context: Context) -> bool | None:
    return None if context.caller.kind == "anonymous" else context.caller.kind == "service"


def _via_service(context: Context) -> bool | None:
    return None if context.caller.kind == "anonymous" else False


_DERIVED: Mapping[str, Callable[[Context], ContextValue | None]] = {
    "aws:principalarn": _principal_arn,
    "aws:principalaccount": lambda context: context.caller.account or None,
    "aws:principaltype": _principal_type,
    "aws:userid": lambda context: context.caller.principal_id or None,
    "aws:username": _user_name,
    "aws:sourceidentity": lambda context: context.caller.source_identity or None,
    "aws:multifactorauthage": _multi_factor_age,
    "aws:multifactorauthpresent": _multi_factor,
    "aws:tokenissuetime": lambda context: _iso(context.caller.token_issued_at_ns),
    "aws:principalisawsservice": _is_service,
    "aws:principalservicename": lambda context: context.caller.service or None,
    "aws:principalservicenameslist": lambda context: [context.caller.service] if context.caller.service else None,
    "aws:federatedprovider": lambda context: context.caller.federated_provider or None,
    "aws:viaawsservice": _via_service,
    "aws:currenttime": lambda context: _iso(context.request.now_ns),
    "aws:epochtime": lambda context: None if context.request.now_ns is None else context.request.now_ns // SECOND,
    "aws:resourceaccount": lambda context: context.resource_account or None,
}
