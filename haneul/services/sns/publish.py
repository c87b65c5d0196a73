"""Publish and PublishBatch."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors, fifo
from haneul.services.sns.delivery import DELIVER, packed
from haneul.services.sns.envelopes import sequence_number
from haneul.services.sns.messages import Message, checked_message
from haneul.services.sns.records import Place, Topic, topic_arn, topic_at, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.services.sns.subscriptions import Subscription
from haneul.services.sns.topic_attributes import message_bytes_max
from haneul.store.port import Transaction

ENTRIES_MAX = 10
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
# So many subscriptions share one entry of the outbox, and with it one copy of the message.
_TOGETHER = 100
# Services that say for whom they publish by aws:SourceOwner, too, which topics' default policy asks for (Developer Guide, "aws:SourceAccount versus aws:SourceOwner").
_NAMING_OWNERS = frozenset(("cloudwatch.amazonaws.com",))


class Draft(NamedTuple):
    """A message that has passed every check, who wants it, and for which reasons how many do not."""

    message: Message
    size: int
    wanted_by: list[Subscription]
    refusals: Counter[str]


def _place(call: Call, request: Shape) -> Place:
    """The topic that a message is for. Callers from outside reach topics of their own region only."""
    arn = request.get("TopicArn") or request.get("TargetArn")
    if request.get("PhoneNumber"):
        raise NotBuilt("text messages (the parameter PhoneNumber of sns:Publish)")
    if not arn:
        raise errors.invalid("TopicArn or TargetArn Reason: no value for required parameter")
    parameter = "TopicArn" if request.get("TopicArn") else "TargetArn"
    if ":endpoint/" in arn:
        raise NotBuilt("notifications to mobile devices (endpoints as the parameter TargetArn of sns:Publish)")
    place = topic_of_arn(arn, parameter)
    if call.http is not None and call.caller.kind != "anonymous" and place.region != call.region:
        raise errors.invalid(parameter)
    return place


def _conditions(call: Call, request: Shape) -> dict[str, Any]:
    source = call.context.get("aws:SourceAccount")
    return {"aws:SourceOwner": source} if source and call.caller.service in _NAMING_OWNERS else {}


@operation(
    "sns:Publish",
    action="SNS:Publish",
    resource=lambda call, request: _place(call, request).arn,
    conditions=_conditions,
    partial="topics only: no phone numbers and mobile devices",
)
async def publish(call: Call, request: Shape) -> Shape:
    """Send a message to the subscriptions of a topic that want it. It is on the disk, and on its way, when this answers.

    Errors: InvalidParameter, InvalidParameterValue, NotFound. API Reference: Publish.
    """
    service = call.service(Sns)
    topic = service.topic(_place(call, request))
    draft = _draft(call, service, topic, request)
    if draft.size > message_bytes_max(topic.attributes):
        raise errors.invalid("Message too long")
    [answer] = await _send(service, topic, [draft])
    return answer


@operation("sns:PublishBatch", action="SNS:Publish", resource=topic_arn, conditions=_conditions)
async def publish_batch(call: Call, request: Shape) -> Shape:
    """Send up to ten messages, together no larger than one may be. Each is taken or refused for itself; those that are taken are one transaction.

    Errors: besides those of Publish, those of batches. API Reference: PublishBatch.
    """
    service = call.service(Sns)
    topic = service.topic(_place(call, request))
    entries = _checked_entries(request["PublishBatchRequestEntries"])
    if topic.fifo and any(entry.get("MessageGroupId") is None for entry in entries):
        raise errors.invalid("The MessageGroupId parameter is required for FIFO topics")
    drafts: list[tuple[str, Draft]] = []
    failed: list[Shape] = []
    size = 0
    for entry in entries:
        try:
            draft = _draft(call, service, topic, entry)
        except ServiceError as error:
            size += len((entry.get("Message") or "").encode("utf-8", "surrogatepass"))
            failed.append({"Id": entry["Id"], "Code": _CODES.get(error.code, error.code), "Message": error.message, "SenderFault": True})
        else:
            size += draft.size
            drafts.append((entry["Id"], draft))
    if size > message_bytes_max(topic.attributes):
        raise ServiceError("BatchRequestTooLongException", "The length of all the batch messages put together is more than the limit.", 400)
    answers = await _send(service, topic, [draft for _, draft in drafts]) if drafts else []
    return {"Successful": [{"Id": identity, **answer} for (identity, _), answer in zip(drafts, answers, strict=True)], "Failed": failed}


# How the wire writes codes.
_CODES = {"InvalidParameterValueException": "ParameterValueInvalid"}


def _checked_entries(entries: list[Shape]) -> list[Shape]:
    """The entries of a batch: 1 to 10, with distinct ids."""
    if not entries:
        raise ServiceError("EmptyBatchRequestException", "The batch request doesn't contain any entries.", 400)
    if len(entries) > ENTRIES_MAX:
        raise ServiceError("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible.", 400)
    seen: set[str] = set()
    for entry in entries:
        identity = entry["Id"]
        if _ENTRY_ID.match(identity) is None:
            raise ServiceError("InvalidBatchEntryIdException", "The Id of a batch entry in a batch request doesn't abide by the specification.", 400)
        if identity in seen:
            raise ServiceError("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.", 400)
        seen.add(identity)
    return entries


def _draft(call: Call, service: Sns, topic: Topic, entry: Shape) -> Draft:
    message, size = checked_message(call, topic, entry)
    wanted_by: list[Subscription] = []
    refusals: Counter[str] = Counter()
    for one in service.subscribed(topic).values():
        refusal = one.filter.refusal(message, one.protocol) if one.filter is not None else None
        if refusal is None:
            wanted_by.append(one)
        else:
            refusals[refusal] += 1
    return Draft(message, size, wanted_by, refusals)


async def _send(service: Sns, topic: Topic, drafts: list[Draft]) -> list[Shape]:
    """Promise messages to the subscriptions that want them, in one transaction; the answers."""

    def work(tx: Transaction) -> list[Shape]:
        if topic_at(tx, topic.place).id != topic.id:
            raise errors.topic_missing()
        return [_promise(service, tx, topic, draft) for draft in drafts]

    answers = await service.cloud.store.transact(work)
    for draft in drafts:
        service.meters.published(topic.place, draft.size, draft.refusals)
    return answers


def _promise(service: Sns, tx: Transaction, topic: Topic, draft: Draft) -> Shape:
    if topic.fifo:
        identity, number = fifo.take(service, tx, topic, draft.message, draft.wanted_by)
        return {"MessageId": identity, "SequenceNumber": sequence_number(number)}
    going = [one.id for one in draft.wanted_by]
    for at in range(0, len(going), _TOGETHER):
        service.cloud.outbox.put(tx, DELIVER, packed(topic, draft.message, to=going[at : at + _TOGETHER], tries=0))
    return {"MessageId": draft.message.id}
