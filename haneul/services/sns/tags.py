"""TagResource, UntagResource, ListTagsForResource: tags of topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.records import TopicRecord, find_topic, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.store.port import Transaction
from haneul.store.records import encode

TAGS_MAX = 50


def checked_tags(given: Sequence[Mapping[str, Any]], existing: Mapping[str, str]) -> dict[str, str]:
    """Existing tags with new ones laid over them: at most 50, each key once."""
    keys = [one["Key"] for one in given]
    if len(set(keys)) != len(keys):
        raise errors.invalid("Tags Reason: Duplicate keys are not allowed.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise errors.invalid("Tags Reason: Tag keys cannot start with the reserved prefix aws:.")
    found = {**existing, **{one["Key"]: one["Value"] for one in given}}
    if len(found) > TAGS_MAX:
        raise ServiceError("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded", 400)
    return found


def _resource(call: Call, request: Shape) -> str:
    return topic_of_arn(request.get("ResourceArn") or "", "ResourceArn").arn


async def _change(call: Call, request: Shape, change: Callable[[TopicRecord], None]) -> None:
    place = topic_of_arn(request["ResourceArn"], "ResourceArn")

    def work(tx: Transaction) -> None:
        topic = find_topic(tx, place)
        if topic is None:
            raise errors.resource_missing()
        change(topic.record)
        tx.put(place.key, encode(topic.record))

    await call.cloud.store.transact(work)


@operation("sns:TagResource", action="SNS:TagResource", resource=_resource)
async def tag_resource(call: Call, request: Shape) -> None:
    """Add tags to a topic, replacing values of keys that are there."""
    await _change(call, request, lambda record: setattr(record, "tags", checked_tags(request["Tags"], record.tags)))


@operation("sns:UntagResource", action="SNS:UntagResource", resource=_resource)
async def untag_resource(call: Call, request: Shape) -> None:
    """Remove tags of a topic by key."""
    keys = frozenset(request["TagKeys"])
    await _change(call, request, lambda record: setattr(record, "tags", {key: value for key, value in record.tags.items() if key not in keys}))


@operation("sns:ListTagsForResource", action="SNS:ListTagsForResource", resource=_resource)
async def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """All tags of a topic."""
    topic = call.service(Sns).find(topic_of_arn(request["ResourceArn"], "ResourceArn"))
    if topic is None:
        raise errors.resource_missing()
    return {"Tags": [{"Key": key, "Value": value} for key, value in topic.record.tags.items()]}
