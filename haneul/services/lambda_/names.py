"""The many ways to name a function: name, partial ARN, ARN, each with or without a qualifier."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.limits import FUNCTION_NAME_LENGTH_MAX

LATEST = "$LATEST"

_NAME = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_LAYER = re.compile(r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)(?::(?P<version>\d+))?")


class Target(NamedTuple):
    """What a request means. `qualifier` is a version number, `$LATEST`, an alias, or None for none given."""

    account: str
    region: str
    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """The ARN with the qualifier that was given, if one was."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn

    @property
    def space(self) -> tuple[str, str, str]:
        """How the keys of everything in this account and region begin."""
        return ("lambda", self.account, self.region)


@lru_cache(maxsize=8192)
def parse_target(text: str, qualifier: str | None, account: str, region: str) -> Target:
    """What `text` and the separate qualifier name for a caller in `account` and `region`."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern",
            400,
        )
    if len(found["name"]) > FUNCTION_NAME_LENGTH_MAX:
        raise invalid(f"The function name '{found['name']}' is longer than {FUNCTION_NAME_LENGTH_MAX} characters.")
    if found["region"] and found["region"] != region:
        message = f"Functions from '{found['region']}' are not reachable in this region ('{region}')"
        raise ServiceError("ResourceNotFoundException", message, 404, fields={"Type": "User"})
    if qualifier and found["qualifier"] and qualifier != found["qualifier"]:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return Target(found["account"] or account, region, found["name"], qualifier or found["qualifier"])


def target_of(call: Call, request: dict[str, Any]) -> Target:
    """The function (and qualifier) that an operation's request is about. The call's account becomes that of the function."""
    target = parse_target(request["FunctionName"], request.get("Qualifier"), call.caller.account or call.account, call.region)
    if target.account != call.account:
        call.account = target.account
    return target


def latest_of(call: Call, request: dict[str, Any]) -> Target:
    """The function of an operation that changes $LATEST or publishes it: nothing else can be named."""
    target = target_of(call, request)
    if target.qualifier not in (None, LATEST):
        raise invalid("Current operation does not support versions other than $LATEST.")
    return target._replace(qualifier=None)


def qualified_resource(call: Call, request: dict[str, Any]) -> str:
    """The resource of operations that permissions can be given to by qualifier."""
    return target_of(call, request).qualified_arn


def function_resource(call: Call, request: dict[str, Any]) -> str:
    """The resource of operations on a whole function."""
    return target_of(call, request).arn


class LayerTarget(NamedTuple):
    """A layer, or one version of it (0: none given)."""

    account: str
    region: str
    name: str
    version: int

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def version_arn(self) -> str:
        return f"{self.arn}:{self.version}"

    @property
    def space(self) -> tuple[str, str, str]:
        return ("lambda", self.account, self.region)


def parse_layer_arn(text: str) -> LayerTarget | None:
    """The layer that an ARN names; None for a text that is no layer's ARN."""
    found = _LAYER.fullmatch(text)
    return LayerTarget(found["account"], found["region"], found["name"], int(found["version"] or 0)) if found else None


def layer_target_of(call: Call, request: dict[str, Any]) -> LayerTarget:
    """The layer of an operation's request, by name or ARN, with its version number where there is one."""
    version = int(request.get("VersionNumber", 0))
    found = parse_layer_arn(request["LayerName"])
    if found is None:
        return LayerTarget(call.caller.account or call.account, call.region, request["LayerName"], version)
    call.account = found.account
    return found._replace(version=version)


def layer_resource(call: Call, request: dict[str, Any]) -> str:
    return layer_target_of(call, request).arn


def layer_version_resource(call: Call, request: dict[str, Any]) -> str:
    return layer_target_of(call, request).version_arn
