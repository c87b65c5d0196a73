"""GetQueueAttributes and SetQueueAttributes."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.attributes import checked, merged, with_bound_principals
from haneul.services.sqs.box import Box
from haneul.services.sqs.dead_letters import point_to_grave
from haneul.services.sqs.queue_tags import change_record
from haneul.services.sqs.queues import Queue, QueueRecord, own_queue_arn, place_of, queue_arn
from haneul.services.sqs.service import Sqs
from haneul.services.sqs.upkeep import REMOVED_PER_TRANSACTION
from haneul.store.port import Transaction

_COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
_FACTS = ("QueueArn", "CreatedTimestamp", "LastModifiedTimestamp")
_KEPT = frozenset(
    [
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ]
)
_KNOWN = _KEPT.union(_COUNTED, _FACTS, ("All",))


@operation("sqs:GetQueueAttributes", action="sqs:getqueueattributes", resource=queue_arn)
async def get_queue_attributes(call: Call, request: Shape) -> Shape:
    """The attributes that are asked for; those that the queue does not have are left out. The numbers of messages are exact."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    names = set(request.get("AttributeNames") or ())
    for name in names:
        if name not in _KNOWN:
            raise errors.unknown_attribute(name)
    everything = "All" in names
    found = {name: value for name, value in queue.record.attributes.items() if everything or name in names}
    if "Policy" in found:
        found["Policy"] = call.cloud.authority.show_principals(found["Policy"])
    if everything or not names.isdisjoint(_COUNTED):
        found.update(await _numbers(service, queue, call))
    record = queue.record
    found.update(QueueArn=queue.arn, CreatedTimestamp=str(record.created_at // SECOND), LastModifiedTimestamp=str(record.modified_at // SECOND))
    return {"Attributes": found if everything else {name: value for name, value in found.items() if name in names}}


async def _numbers(service: Sqs, queue: Queue, call: Call) -> dict[str, str]:
    def look(box: Box) -> tuple[bool, int, int, int]:
        counters = box.counters
        done = box.settle()
        if counters.expiry_due and counters.expiry_due <= box.now:
            done = box.expire(REMOVED_PER_TRANSACTION) and done
        delayed = box.delayed()
        return done, counters.total - counters.in_flight - delayed, counters.in_flight, delayed

    while True:
        done, *numbers = await service.change(queue, look, call)
        if done:
            return {name: str(number) for name, number in zip(_COUNTED, numbers)}


@operation("sqs:SetQueueAttributes", action="sqs:setqueueattributes", resource=own_queue_arn, partial="keys of KMS but alias/aws/sqs")
async def set_queue_attributes(call: Call, request: Shape) -> None:
    """Change attributes. All of them take effect at once; a shorter retention removes messages that are older."""
    place = place_of(call, request)
    given = request.get("Attributes")
    if not given:
        raise errors.missing("Attributes")
    fifo = place.name.endswith(".fifo")
    wanted = with_bound_principals(call, checked(given, fifo, creating=False))
    service = call.service(Sqs)
    service.queue_of(call, request)

    def change(tx: Transaction, record: QueueRecord) -> None:
        before = record.attributes.get("RedrivePolicy", "")
        record.attributes = merged(record.attributes, wanted, fifo)
        record.modified_at = call.now
        after = record.attributes.get("RedrivePolicy", "")
        if after != before:
            point_to_grave(tx, place, before, after)

    await change_record(call, place, change)
    if not wanted.keys().isdisjoint(("MessageRetentionPeriod", "DelaySeconds")):
        await service.change(service.queue_of(call, request), _retime, call)


def _retime(box: Box) -> None:
    """Set the timers anew: the retention period, or in a FIFO queue the delay, is another for the messages that are there."""
    box.counters.expiry_due = 0
    oldest = box.oldest_sent_at()
    if oldest is not None:
        box.arm_expiry(oldest)
    if box.queue.fifo:
        box.counters.waiting_from = min(box.counters.waiting_from, (box.now, 0))
        box.settle()
