"""Finding groups and streams, and the ARNs that permissions are checked on.

CloudWatch Logs checks actions on a group against `log-group:NAME:log-stream:`, on a stream against `log-group:NAME:log-stream:STREAM`, and
tagging against `log-group:NAME` ("Actions, resources, and condition keys for Amazon CloudWatch Logs").
"""

from __future__ import annotations

import re

from haneul.core.arn import make_arn, parse_arn
from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.logs.errors import group_not_found, invalid_parameter, not_of_this_class, stream_not_found
from haneul.services.logs.records import Group, Place, Stream, group_key, stream_key
from haneul.store.port import Reader
from haneul.store.records import decode

_NAME = re.compile(r"[\.\-_/#A-Za-z0-9]{1,512}")


def place_of(call: Call) -> Place:
    return Place(call.account, call.region)


def group_arn(call: Call, name: str) -> str:
    """A group's own ARN (without the `:*` that policies put behind it)."""
    return make_arn("logs", call.region, call.account, f"log-group:{name}")


def stream_arn(call: Call, group: str, stream: str = "") -> str:
    return make_arn("logs", call.region, call.account, f"log-group:{group}:log-stream:{stream}")


def on_group(call: Call, request: Shape) -> str:
    """The resource of an action on a group."""
    return stream_arn(call, named_group(call, request))


def on_all_groups(call: Call, request: Shape) -> str:
    """The resource of an action that lists groups."""
    return stream_arn(call, "")


def on_stream(call: Call, request: Shape) -> str:
    """The resource of an action on a stream."""
    return stream_arn(call, named_group(call, request), request["logStreamName"])


def check_unmask(call: Call, request: Shape, arn: str) -> None:
    """`unmask` takes a permission of its own, though nothing is masked: there are no data protection policies."""
    if request.get("unmask"):
        call.authorize("logs:Unmask", arn)


def named_group(call: Call, request: Shape) -> str:
    """The name of the group that a request means by `logGroupName` or `logGroupIdentifier` (a name or an ARN)."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name is not None and identifier is not None:
        raise invalid_parameter("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
    if name is not None:
        return str(name)
    if identifier is None:
        raise invalid_parameter("Must provide either logGroupName or logGroupIdentifier")
    return group_of_identifier(call, identifier)


def group_of_identifier(call: Call, identifier: str) -> str:
    """The name in a group's ARN (with or without `:*`), or the name itself."""
    arn = parse_arn(identifier)
    if arn is None:
        if not _NAME.fullmatch(identifier):
            raise invalid_parameter("The specified logGroupIdentifier is invalid.")
        return identifier
    name = arn.resource.removeprefix("log-group:").removesuffix(":*")
    if arn.service != "logs" or not arn.resource.startswith("log-group:") or not _NAME.fullmatch(name):
        raise invalid_parameter("The specified logGroupIdentifier is invalid.")
    if (arn.account, arn.region) != (call.account, call.region):
        raise group_not_found()
    return name


def find_group(reader: Reader, place: Place, name: str) -> Group:
    value = reader.get(group_key(place, name))
    if value is None:
        raise group_not_found()
    return decode(value, Group)


def check_standard(group: Group) -> None:
    """InvalidOperationException unless the group's class has every feature."""
    if group.group_class != "STANDARD":
        raise not_of_this_class()


def find_stream(reader: Reader, place: Place, group: Group, name: str) -> Stream:
    value = reader.get(stream_key(place, group.id, name))
    if value is None:
        raise stream_not_found()
    return decode(value, Stream)
