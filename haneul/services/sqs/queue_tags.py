"""TagQueue, UntagQueue, ListQueueTags."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.queues import Place, QueueRecord, own_queue_arn, place_of
from haneul.services.sqs.service import Sqs
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

TAGS_MAX = 50
_KEY_MAX, _VALUE_MAX = 128, 256


def checked_tags(given: Mapping[str, str | None], existing: Mapping[str, str]) -> dict[str, str]:
    """Existing tags with new ones laid over them; at most 50, keys up to 128 characters, values up to 256 (or none)."""
    for key, value in given.items():
        if not 1 <= len(key) <= _KEY_MAX:
            raise errors.invalid("Tag keys must be between 1 and 128 characters in length.")
        if key.lower().startswith("aws:"):
            raise errors.invalid("Tag keys cannot start with the reserved prefix aws:.")
        if len(value or "") > _VALUE_MAX:
            raise errors.invalid("Tag values must be between 0 and 256 characters in length.")
    found = {**existing, **{key: value or "" for key, value in given.items()}}
    if len(found) > TAGS_MAX:
        raise errors.invalid(f"Too many tags added for queue. The limit is {TAGS_MAX}.")
    return found


async def change_record(call: Call, place: Place, change: Callable[[Transaction, QueueRecord], None]) -> None:
    """Change a queue's record in one transaction."""

    def work(tx: Transaction) -> None:
        row = tx.get(place.key)
        if row is None:
            raise errors.queue_missing(call)
        record = decode(row, QueueRecord)
        change(tx, record)
        tx.put(place.key, encode(record))

    await call.cloud.store.transact(work)


@operation("sqs:TagQueue", action="sqs:tagqueue", resource=own_queue_arn)
async def tag_queue(call: Call, request: Shape) -> None:
    """Add tags, replacing values of keys that are there."""
    given = request.get("Tags")
    if not given:
        raise errors.missing("Tags")

    def change(tx: Transaction, record: QueueRecord) -> None:
        record.tags = checked_tags(given, record.tags)

    await change_record(call, place_of(call, request), change)


@operation("sqs:UntagQueue", action="sqs:untagqueue", resource=own_queue_arn)
async def untag_queue(call: Call, request: Shape) -> None:
    """Remove tags by key."""
    keys = request.get("TagKeys")
    if not keys:
        raise errors.invalid("Tag keys must be provided.")

    def change(tx: Transaction, record: QueueRecord) -> None:
        for key in keys:
            record.tags.pop(key, None)

    await change_record(call, place_of(call, request), change)


@operation("sqs:ListQueueTags", action="sqs:listqueuetags", resource=own_queue_arn)
async def list_queue_tags(call: Call, request: Shape) -> Shape:
    """All tags of a queue."""
    return {"Tags": call.service(Sqs).queue_of(call, request).record.tags}
