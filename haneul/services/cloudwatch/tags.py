"""TagResource, UntagResource, ListTagsForResource: tags of alarms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.alarms import Alarm, AlarmName, alarm_of_arn, find_alarm, save_alarm
from haneul.services.cloudwatch.errors import invalid_value, not_found
from haneul.store.port import Transaction

_TAGS_MAX = 50


def tags_of(request: Shape) -> dict[str, str]:
    """The tags that a request gives."""
    tags = {one["Key"]: one["Value"] for one in request.get("Tags", [])}
    if len(tags) > _TAGS_MAX:
        raise invalid_value(f"A resource can have no more than {_TAGS_MAX} tags.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid_value("System tags cannot be added/updated by requester")
    return tags


def _alarm_named(call: Call, request: Shape) -> AlarmName:
    arn = request["ResourceARN"]
    name = alarm_of_arn(arn)
    if name is None:
        if ":insight-rule/" in arn or ":dashboard/" in arn or ":metric-stream/" in arn:
            raise NotBuilt(f"tags of {arn.rsplit(':', 1)[-1].partition('/')[0]}s in CloudWatch")
        raise invalid_value("Invalid resource ARN")
    if name[:2] != (call.account, call.region):
        raise not_found(f"{arn} does not exist.")
    return name


def _save(name: AlarmName, change: Callable[[Alarm], None], tx: Transaction) -> None:
    alarm = find_alarm(tx, name)
    if alarm is None:
        raise not_found(f"{name.arn} does not exist.")
    change(alarm)
    save_alarm(tx, name, alarm)


@operation("cloudwatch:TagResource", resource=lambda call, request: request["ResourceARN"])
async def tag_resource(call: Call, request: Shape) -> None:
    """Add tags to an alarm, or give them new values."""
    tags = tags_of(request)

    def change(alarm: Alarm) -> None:
        alarm.tags = {**alarm.tags, **tags}
        if len(alarm.tags) > _TAGS_MAX:
            raise invalid_value(f"A resource can have no more than {_TAGS_MAX} tags.")

    await call.cloud.store.transact(partial(_save, _alarm_named(call, request), change))


@operation("cloudwatch:UntagResource", resource=lambda call, request: request["ResourceARN"])
async def untag_resource(call: Call, request: Shape) -> None:
    """Take tags from an alarm."""

    def change(alarm: Alarm) -> None:
        alarm.tags = {key: value for key, value in alarm.tags.items() if key not in request["TagKeys"]}

    await call.cloud.store.transact(partial(_save, _alarm_named(call, request), change))


@operation("cloudwatch:ListTagsForResource", resource=lambda call, request: request["ResourceARN"])
async def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """The tags of an alarm."""
    name = _alarm_named(call, request)
    alarm = find_alarm(call.cloud.store, name)
    if alarm is None:
        raise not_found(f"{name.arn} does not exist.")
    return {"Tags": [{"Key": key, "Value": value} for key, value in alarm.tags.items()]}
