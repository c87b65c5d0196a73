"""ReceiveMessage, with long polling."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from haneul.clock import MILLISECOND, SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.box import IN_FLIGHT_MAX, Box
from haneul.services.sqs.message_attributes import chosen, md5_of, rendered
from haneul.services.sqs.messages import Delivered
from haneul.services.sqs.queues import Queue, queue_arn
from haneul.services.sqs.send_message import sequence_number
from haneul.services.sqs.service import Sqs

MESSAGES_MAX: Final = 10
WAIT_SECONDS_MAX: Final = 20
VISIBILITY_SECONDS_MAX: Final = 43_200
_SYSTEM_ATTRIBUTES: Final = frozenset(
    [
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    ]
)
_ATTEMPT: Final = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}\Z""")


@operation("sqs:ReceiveMessage", action="sqs:receivemessage", resource=queue_arn)
async def receive_message(call: Call, request: Shape) -> Shape:
    """Receive up to ten messages and hide them for the visibility time-out; with a wait time, the moment there is one."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    one = _Receive(call, service, queue, request)
    messages = await one.attempt()
    if not messages and one.wait:
        messages = await one.wait_for_messages()
    service.meters.received(queue, len(messages))
    if not messages:
        return {}
    return {"Messages": [_render(message, one.system_names, one.attribute_names) for message in messages]}


class _Receive:
    """One ReceiveMessage under way."""

    def __init__(self, call: Call, service: Sqs, queue: Queue, request: Shape) -> None:
        self._call = call
        self._service = service
        self._queue = queue
        count: int | None = request.get("MaxNumberOfMessages")
        if count is not None and not 1 <= count <= MESSAGES_MAX:
            raise errors.invalid_value(count, "MaxNumberOfMessages", f"Must be between 1 and {MESSAGES_MAX}, if provided.")
        self._count = 1 if count is None else count
        timeout: int | None = request.get("VisibilityTimeout")
        if timeout is not None and not 0 <= timeout <= VISIBILITY_SECONDS_MAX:
            raise errors.invalid_value(timeout, "VisibilityTimeout", f"Must be between 0 and {VISIBILITY_SECONDS_MAX}, if provided.")
        self._timeout = queue.visibility_timeout if timeout is None else timeout * SECOND
        wait: int | None = request.get("WaitTimeSeconds")
        if wait is not None and not 0 <= wait <= WAIT_SECONDS_MAX:
            raise errors.invalid_value(wait, "WaitTimeSeconds", f"Must be >= 0 and <= {WAIT_SECONDS_MAX}, if provided.")
        self.wait = queue.wait_time if wait is None else wait * SECOND
        self._attempt: str = request.get("ReceiveRequestAttemptId") or ""
        if self._attempt:
            if not queue.fifo:
                raise errors.invalid_value(self._attempt, "ReceiveRequestAttemptId", "The request include parameter that is not valid for this queue type.")
            if _ATTEMPT.match(self._attempt) is None:
                reason = "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length."
                raise errors.invalid_value(self._attempt, "ReceiveRequestAttemptId", reason)
        self.system_names = _system_names(request)
        self.attribute_names: list[str] = request.get("MessageAttributeNames") or []

    async def attempt(self) -> list[Delivered]:
        """Receive what there is now."""
        left_over = False

        def work(box: Box) -> list[Delivered]:
            nonlocal left_over
            messages = box.receive(self._count, self._timeout, self._attempt)
            left_over = box.counters.visible > 0
            if not (messages or self.wait or self._queue.fifo) and box.counters.in_flight >= IN_FLIGHT_MAX:
                raise ServiceError("OverLimit", f"The queue has reached its limit of {IN_FLIGHT_MAX} messages in flight.")
            return messages

        messages = await self._service.change(self._queue, work, self._call)
        if messages and left_over:
            self._service.waiters.wake(self._queue.id)
        return messages

    async def wait_for_messages(self) -> list[Delivered]:
        """Wait for messages until the wait time is over, the client has gone, or the service stops."""
        call, queue, waiters = self._call, self._queue, self._service.waiters
        clock = call.cloud.clock
        deadline = clock.now() + self.wait
        while True:
            ticket = waiters.enter(queue.id)
            used = False
            try:
                # A message may have come before there was a ticket.
                messages = await self.attempt()
                remaining = deadline - clock.now()
                if messages or remaining <= 0 or self._is_pointless():
                    return messages
                if not await clock.wait_for(ticket, remaining) or self._is_pointless():
                    return []
                used = True
            finally:
                waiters.leave(queue.id, ticket, used=used)

    def _is_pointless(self) -> bool:
        return self._service.stopping or (self._call.http is not None and self._call.http.disconnected)


def _system_names(request: Shape) -> frozenset[str]:
    names = frozenset(request.get("AttributeNames") or ()).union(request.get("MessageSystemAttributeNames") or ())
    for name in names:
        if name not in _SYSTEM_ATTRIBUTES:
            raise errors.unknown_attribute(name)
    return names


def _render(message: Delivered, system_names: Collection[str], attribute_names: Collection[str]) -> Shape:
    content = message.content
    result: Shape = {"MessageId": content.id, "ReceiptHandle": message.handle, "MD5OfBody": content.md5, "Body": content.body}
    if system_names:
        everything = "All" in system_names
        attributes = {name: value for name, value in _system_attributes(message).items() if value is not None and (everything or name in system_names)}
        if attributes:
            result["Attributes"] = attributes
    if content.attributes and attribute_names and (picked := chosen(content.attributes, attribute_names)):
        result["MD5OfMessageAttributes"] = md5_of(picked)
        result["MessageAttributes"] = rendered(picked)
    return result


def _system_attributes(message: Delivered) -> dict[str, str | None]:
    content, state = message.content, message.state
    return {
        "SenderId": content.sender,
        "SentTimestamp": str(state.sent_at // MILLISECOND),
        "ApproximateReceiveCount": str(state.receives_before + state.receives),
        "ApproximateFirstReceiveTimestamp": str(state.first_received_at // MILLISECOND),
        "SequenceNumber": sequence_number(content.number) if content.number else None,
        "MessageDeduplicationId": content.deduplication,
        "MessageGroupId": content.group,
        "AWSTraceHeader": content.trace,
        "DeadLetterQueueSourceArn": content.source,
    }
