"""Tags of log groups, under the general names and under the older ones."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.logs.access import find_group, group_arn, group_of_identifier, place_of
from haneul.services.logs.groups import change_group, check_tag_keys
from haneul.services.logs.records import Group
from haneul.store.port import Transaction

_TAGS_MAX = 50


def _of_arn(call: Call, request: Shape) -> str:
    """Tagging is checked on the group's ARN itself."""
    return group_arn(call, group_of_identifier(call, request["resourceArn"]))


def _of_name(call: Call, request: Shape) -> str:
    return group_arn(call, request["logGroupName"])


async def _tag(call: Call, name: str, tags: dict[str, str]) -> None:
    check_tag_keys(tags)

    def change(tx: Transaction, group: Group) -> None:
        group.tags = {**group.tags, **tags}
        if len(group.tags) > _TAGS_MAX:
            raise ServiceError("TooManyTagsException", f"A resource can have no more than {_TAGS_MAX} tags.", 400)

    await change_group(call, name, change)


async def _untag(call: Call, name: str, keys: list[str]) -> None:
    def change(tx: Transaction, group: Group) -> None:
        group.tags = {key: value for key, value in group.tags.items() if key not in keys}

    await change_group(call, name, change)


@operation("logs:TagResource", resource=_of_arn)
async def tag_resource(call: Call, request: Shape) -> None:
    """Add tags to a group, or give them new values."""
    await _tag(call, group_of_identifier(call, request["resourceArn"]), request["tags"])


@operation("logs:UntagResource", resource=_of_arn)
async def untag_resource(call: Call, request: Shape) -> None:
    """Take tags from a group."""
    await _untag(call, group_of_identifier(call, request["resourceArn"]), request["tagKeys"])


@operation("logs:ListTagsForResource", resource=_of_arn)
async def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """The tags of a group."""
    return {"tags": find_group(call.cloud.store, place_of(call), group_of_identifier(call, request["resourceArn"])).tags}


@operation("logs:TagLogGroup", resource=_of_name)
async def tag_log_group(call: Call, request: Shape) -> None:
    """TagResource by the group's name."""
    await _tag(call, request["logGroupName"], request["tags"])


@operation("logs:UntagLogGroup", resource=_of_name)
async def untag_log_group(call: Call, request: Shape) -> None:
    """UntagResource by the group's name."""
    await _untag(call, request["logGroupName"], request["tags"])


@operation("logs:ListTagsLogGroup", resource=_of_name)
async def list_tags_log_group(call: Call, request: Shape) -> Shape:
    """ListTagsForResource by the group's name."""
    return {"tags": find_group(call.cloud.store, place_of(call), request["logGroupName"]).tags}
