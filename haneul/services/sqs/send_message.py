"""SendMessage and SendMessageBatch."""

from __future__ import annotations

import re
from hashlib import md5, sha256
from typing import Final, NamedTuple

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.batches import batch_result, checked_entries, failed
from haneul.services.sqs.box import Box
from haneul.services.sqs.contents import Attribute, Content
from haneul.services.sqs.message_attributes import check_text, checked_attributes, md5_of, trace_header
from haneul.services.sqs.queues import Queue, queue_arn
from haneul.services.sqs.service import Sqs

BATCH_BYTES_MAX: Final = 1_048_576
DELAY_SECONDS_MAX: Final = 900
# Sequence numbers have 20 digits. Ours are times in nanoseconds, lifted above 10^19.
_SEQUENCE_BASE: Final = 10**19
_TOKEN: Final = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}\Z""")
_WRONG_TYPE: Final = "The request include parameter that is not valid for this queue type."


class Draft(NamedTuple):
    """A message that has passed every check, and the parts of the answer that do not depend on the queue's state."""

    content: Content
    delay: int
    bytes: int
    answer: Shape


def sequence_number(number: int) -> str:
    """A FIFO message's number as the wire shows it."""
    return str(_SEQUENCE_BASE + number)


def draft(call: Call, queue: Queue, entry: Shape) -> Draft:
    """Check one message of a request for a queue."""
    body = entry.get("MessageBody")
    if not body:
        raise errors.missing("MessageBody")
    raw = body.encode("utf-8", "surrogatepass")
    answer: Shape = {"MD5OfMessageBody": md5(raw, usedforsecurity=False).hexdigest()}
    attributes: dict[str, Attribute] | None = None
    size = len(raw)
    if entry.get("MessageAttributes"):
        attributes, more = checked_attributes(entry["MessageAttributes"])
        size += more
        answer["MD5OfMessageAttributes"] = md5_of(attributes)
    # An X-Ray header of the request goes with the message, unless the request names one for it ("Amazon SQS and AWS X-Ray").
    trace = call.http.headers.get("x-amzn-trace-id") if call.http is not None else None
    if entry.get("MessageSystemAttributes"):
        trace, answer["MD5OfMessageSystemAttributes"] = trace_header(entry["MessageSystemAttributes"])
    if size > queue.message_bytes_max:
        raise errors.invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {queue.message_bytes_max} bytes.")
    check_text(body, "message body")
    delay = _delay(queue, entry.get("DelaySeconds"))
    group, deduplication = _tokens(queue, entry, raw)
    content = Content(
        id=call.cloud.ids.uuid(),
        body=body,
        md5=answer["MD5OfMessageBody"],
        sender=call.caller.principal_id or call.caller.service or call.account,
        attributes=attributes,
        trace=trace,
        group=group,
        deduplication=deduplication,
    )
    return Draft(content, delay, size, answer)


def _delay(queue: Queue, seconds: int | None) -> int:
    if seconds is None:
        return queue.delay
    if not 0 <= seconds <= DELAY_SECONDS_MAX:
        raise errors.invalid_value(seconds, "DelaySeconds", f"DelaySeconds must be >= 0 and <= {DELAY_SECONDS_MAX}.")
    if queue.fifo and seconds:
        raise errors.invalid_value(seconds, "DelaySeconds", _WRONG_TYPE)
    return seconds * SECOND


def _tokens(queue: Queue, entry: Shape, raw: bytes) -> tuple[str | None, str | None]:
    """The message group and deduplication ids. A standard queue takes a group, for fair queues, and no deduplication."""
    group, deduplication = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value is not None and _TOKEN.match(value) is None:
            raise errors.invalid_value(value, name, f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.")
    if not queue.fifo:
        if deduplication is not None:
            raise errors.invalid_value(deduplication, "MessageDeduplicationId", _WRONG_TYPE)
        return group, None
    if group is None:
        raise errors.missing("MessageGroupId")
    if deduplication is None:
        if not queue.content_deduplication:
            raise errors.invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
        deduplication = sha256(raw).hexdigest()
    return group, deduplication


def _send(box: Box, one: Draft) -> Shape:
    identity, number = box.send(one.content, one.delay)
    answer = {"MessageId": identity, **one.answer}
    if number:
        answer["SequenceNumber"] = sequence_number(number)
    return answer


@operation("sqs:SendMessage", action="sqs:sendmessage", resource=queue_arn)
async def send_message(call: Call, request: Shape) -> Shape:
    """Put one message into a queue; it is on the disk when this answers."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    one = draft(call, queue, request)
    answer = await service.change(queue, lambda box: _send(box, one), call)
    service.meters.sent(queue, one.bytes)
    return answer


@operation("sqs:SendMessageBatch", action="sqs:sendmessage", resource=queue_arn)
async def send_message_batch(call: Call, request: Shape) -> Shape:
    """Put up to ten messages, of together 1 MiB, into a queue. Each is taken or refused for itself; those that are taken are one transaction."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    drafts: list[tuple[Shape, Draft]] = []
    failures: list[Shape] = []
    size = 0
    for entry in checked_entries(request, "SendMessageBatchRequestEntry"):
        if queue.fifo:
            _check_fifo_entry(queue, entry)
        size += len((entry.get("MessageBody") or "").encode("utf-8", "surrogatepass"))
        try:
            one = draft(call, queue, entry)
        except ServiceError as error:
            failures.append(failed(entry, error))
        else:
            size += one.bytes - len(one.content.body.encode())
            drafts.append((entry, one))
    if size > BATCH_BYTES_MAX:
        raise ServiceError("BatchRequestTooLong", f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {size} bytes.")
    successful = await service.change(queue, lambda box: [{"Id": entry["Id"], **_send(box, one)} for entry, one in drafts], call)
    for _, one in drafts:
        service.meters.sent(queue, one.bytes)
    return batch_result(successful, failures)


def _check_fifo_entry(queue: Queue, entry: Shape) -> None:
    """What a FIFO queue cannot do without is missed for the whole batch, not for one entry."""
    if entry.get("MessageGroupId") is None:
        raise errors.invalid("The request must contain the parameter MessageGroupId.")
    if entry.get("MessageDeduplicationId") is None and not queue.content_deduplication:
        raise errors.invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
