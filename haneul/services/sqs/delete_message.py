"""DeleteMessage and DeleteMessageBatch."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.batches import batch_result, checked_entries, failed
from haneul.services.sqs.messages import Handle, read_handle
from haneul.services.sqs.queues import queue_arn
from haneul.services.sqs.service import Sqs


@operation("sqs:DeleteMessage", action="sqs:deletemessage", resource=queue_arn)
async def delete_message(call: Call, request: Shape) -> None:
    """Delete a received message.

    In a standard queue an old receipt handle succeeds without effect when the message has been received again since, and still works when
    only its visibility time-out is over; in a FIFO queue a handle expires with the time-out.
    """
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    text = request.get("ReceiptHandle")
    if not text:
        raise errors.missing("ReceiptHandle")
    handle = read_handle(queue, text)
    if not await service.change(queue, lambda box: box.delete(handle), call):
        raise errors.receipt_handle_expired(text)
    service.meters.deleted(queue, 1)


@operation("sqs:DeleteMessageBatch", action="sqs:deletemessage", resource=queue_arn)
async def delete_message_batch(call: Call, request: Shape) -> Shape:
    """Delete up to ten messages in one transaction; each succeeds or fails for itself."""
    service = call.service(Sqs)
    queue = service.queue_of(call, request)
    handles: list[tuple[Shape, Handle]] = []
    failures: list[Shape] = []
    for entry in checked_entries(request, "DeleteMessageBatchRequestEntry"):
        try:
            handles.append((entry, read_handle(queue, entry.get("ReceiptHandle") or "")))
        except ServiceError as error:
            failures.append(failed(entry, error))
    outcomes = await service.change(queue, lambda box: [box.delete(handle) for _, handle in handles], call)
    service.meters.deleted(queue, sum(outcomes))
    expired = ServiceError("ReceiptHandleIsInvalid", "The receipt handle has expired")
    failures += [failed(entry, expired) for (entry, _), done in zip(handles, outcomes) if not done]
    return batch_result([{"Id": entry["Id"]} for (entry, _), done in zip(handles, outcomes) if done], failures)
