"""CreateTopic."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError, refuse_given
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.counting import count_new_topic
from haneul.services.sns.records import Place, Topic, TopicRecord, find_topic, is_topic_name
from haneul.services.sns.tags import checked_tags
from haneul.services.sns.topic_attributes import checked, defaults, with_changes
from haneul.store.port import Transaction
from haneul.store.records import encode

_FIFO_NAME = (
    "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, "
    "and must be between 1 and 256 characters long."
)


def _new_place(call: Call, request: Shape) -> Place:
    return Place(call.account, call.region, request.get("Name") or "")


@operation(
    "sns:CreateTopic",
    action="SNS:CreateTopic",
    resource=lambda call, request: _new_place(call, request).arn,
    tagging="SNS:TagResource",
    partial="no keys of KMS, archives, data protection, or logs of the delivery status",
)
async def create_topic(call: Call, request: Shape) -> Shape:
    """Make a topic. One of the same name is returned, unless what is given differs from what it has.

    Errors: InvalidParameter. API Reference: CreateTopic.
    """
    refuse_given("sns:CreateTopic", request, "DataProtectionPolicy")
    place, given = _new_place(call, request), dict(request.get("Attributes") or {})
    fifo = given.pop("FifoTopic", None)
    if fifo not in (None, "true", "false"):
        raise errors.invalid("Attributes Reason: FifoTopic")
    if fifo == "true" and not (place.fifo and is_topic_name(place.name)):
        raise errors.invalid(_FIFO_NAME)
    if not is_topic_name(place.name) or (place.fifo and fifo != "true"):
        raise errors.invalid("Topic Name")
    try:
        wanted = {name: checked(call, place, name, value or "") for name, value in given.items()}
    except ServiceError as error:
        if error.code != "InvalidParameter":
            raise
        raise errors.invalid(f"Attributes Reason: {error.message.removeprefix('Invalid parameter: ')}") from None
    tags = checked_tags(request.get("Tags") or [], {})
    record = TopicRecord(id=call.cloud.ids.hex(16), created_at=call.now, attributes=with_changes(defaults(place), wanted), tags=tags)

    def work(tx: Transaction) -> None:
        topic = find_topic(tx, place)
        if topic is None:
            tx.put(place.key, encode(record))
            count_new_topic(tx, Topic(place, record))
            return
        known = topic.record
        if any(known.attributes.get(name, "") != value for name, value in wanted.items()):
            raise errors.invalid("Attributes Reason: Topic already exists with different attributes")
        if tags and tags != known.tags:
            raise errors.invalid("Tags Reason: Topic already exists with different tags")

    await call.cloud.store.transact(work)
    return {"TopicArn": place.arn}
