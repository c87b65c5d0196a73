"""ChangeMessageVisibility and ChangeMessageVisibilityBatch."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.batches import batch_result, checked_entries, failed
from haneul.services.sqs.box import Box
from haneul.services.sqs.messages import Handle, read_handle
from haneul.services.sqs.queues import Queue, queue_arn
from haneul.services.sqs.receive_message import VISIBILITY_SECONDS_MAX
from haneul.services.sqs.service import Sqs


def _checked(queue: Queue, entry: Shape) -> tuple[Handle, int]:
    text, seconds = entry.get("ReceiptHandle"), entry.get("VisibilityTimeout")
    if not text:
        raise errors.missing("ReceiptHandle")
    if seconds is None:
        raise errors.missing("VisibilityTimeout")
    if not 0 <= seconds <= VISIBILITY_SECONDS_MAX:
        raise errors.invalid_value(seconds, "VisibilityTimeout", f"VisibilityTimeout must be an integer between 0 and {VISIBILITY_SECONDS_MAX}")
    return read_handle(queue, text), seconds


def _change(box: Box, handle: Handle, seconds: int, text: str) -> None:
    received_at = box.received_at(handle)
    if received_at is None:
        raise errors.not_in_flight(text)
    if seconds and box.now + seconds * SECOND > received_at + VISIBILITY_SECONDS_MAX * SECOND:
        reason = f"Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECONDS_MAX} seconds]"
        raise errors.invalid_value(seconds, "VisibilityTimeout", reason)
    if not box.change_visibility(handle, seconds * SECOND):
        raise errors.not_in_flight(text)


@operation("sqs:ChangeMessageVisibility", action="sqs:changemessagevisibility", resource=queue_arn)
async def change_message_visibility(call: Call, request: Shape) -> None:
    """Let a received message become visible so many seconds from now (0: at once), at most 12 hours after it was received."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    handle, seconds = _checked(queue, request)
    await service.change(queue, lambda box: _change(box, handle, seconds, request["ReceiptHandle"]), call)


@operation("sqs:ChangeMessageVisibilityBatch", action="sqs:changemessagevisibility", resource=queue_arn)
async def change_message_visibility_batch(call: Call, request: Shape) -> Shape:
    """The same for up to ten messages in one transaction; each succeeds or fails for itself."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    entries = checked_entries(request, "ChangeMessageVisibilityBatchRequestEntry")

    def work(box: Box) -> Shape:
        successful: list[Shape] = []
        failures: list[Shape] = []
        for entry in entries:
            # An entry without a time-out gets the least, as the model's default says.
            whole = {"VisibilityTimeout": 0, **{name: value for name, value in entry.items() if value is not None}}
            try:
                handle, seconds = _checked(queue, whole)
                _change(box, handle, seconds, whole["ReceiptHandle"])
            except ServiceError as error:
                failures.append(failed(entry, error))
            else:
                successful.append({"Id": entry["Id"]})
        return batch_result(successful, failures)

    return await service.change(queue, work, call)
