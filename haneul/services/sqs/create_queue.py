"""CreateQueue."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.attributes import checked, defaults, merged, with_bound_principals
from haneul.services.sqs.counters import Counters
from haneul.services.sqs.dead_letters import point_to_grave
from haneul.services.sqs.queue_tags import checked_tags
from haneul.services.sqs.queues import Place, Queue, QueueRecord, is_queue_name, queue_url
from haneul.services.sqs.upkeep import NAME_BLOCKED, is_name_blocked
from haneul.store.port import Transaction
from haneul.store.records import decode, encode


def _new_place(call: Call, request: Shape) -> Place:
    name = request.get("QueueName")
    if name is None:
        raise errors.missing("QueueName")
    return Place(call.account, call.region, name)


def _new_arn(call: Call, request: Shape) -> str:
    return _new_place(call, request).arn


@operation("sqs:CreateQueue", action="sqs:createqueue", resource=_new_arn, tagging="sqs:tagqueue", partial="keys of KMS but alias/aws/sqs")
async def create_queue(call: Call, request: Shape) -> Shape:
    """Make a queue. An existing one of the same name is returned, unless an attribute that is given differs from its own (QueueNameExists)."""
    place = _new_place(call, request)
    if not is_queue_name(place.name):
        raise errors.invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    fifo = place.name.endswith(".fifo")
    given = with_bound_principals(call, checked(request.get("Attributes") or {}, fifo, creating=True))
    tags = checked_tags(request.get("tags") or {}, {})
    identity = call.cloud.ids.hex(16)
    now = call.now

    def work(tx: Transaction) -> None:
        row = tx.get(place.key)
        if row is not None:
            _compare(decode(row, QueueRecord).attributes, given)
            return
        if is_name_blocked(tx, place, now):
            seconds = NAME_BLOCKED // SECOND
            raise ServiceError(
                "QueueDeletedRecently", f"You must wait {seconds} seconds after deleting a queue before you can create another with the same name."
            )
        attributes = merged(defaults(fifo), given, fifo)
        point_to_grave(tx, place, "", attributes.get("RedrivePolicy", ""))
        record = QueueRecord(id=identity, created_at=now, modified_at=now, attributes=attributes, tags=tags)
        tx.put(place.key, encode(record))
        tx.put(Queue(place, record).counters_key, Counters().encode())

    await call.cloud.store.transact(work)
    return {"QueueUrl": queue_url(call, place)}


def _compare(existing: dict[str, str], given: dict[str, str]) -> None:
    for name, value in given.items():
        if existing.get(name, "") != value:
            raise ServiceError("QueueNameExists", f"A queue already exists with the same name and a different value for attribute {name}", 400)
