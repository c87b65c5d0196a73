"""DeleteQueue and PurgeQueue: one transaction each, whatever the queue holds; its messages are removed in the background."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.box import EXPIRE
from haneul.services.sqs.counters import Counters
from haneul.services.sqs.dead_letters import point_to_grave
from haneul.services.sqs.queue_tags import change_record
from haneul.services.sqs.queues import DATA, Queue, QueueRecord, own_queue_arn, place_of, queue_arn
from haneul.services.sqs.upkeep import block_name, sweep_later
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode

PURGE_PAUSE = 60 * SECOND


@operation("sqs:DeleteQueue", action="sqs:deletequeue", resource=own_queue_arn)
async def delete_queue(call: Call, request: Shape) -> None:
    """Delete a queue and all its messages. Its name stays taken for 60 seconds."""
    place = place_of(call, request)
    cloud, now = call.cloud, call.now

    def work(tx: Transaction) -> None:
        row = tx.get(place.key)
        if row is None:
            raise errors.queue_missing(call)
        record = decode(row, QueueRecord)
        queue = Queue(place, record)
        point_to_grave(tx, place, record.attributes.get("RedrivePolicy", ""), "")
        tx.delete(place.key)
        # Without its counters no transaction can touch the queue any more, so the sweep meets no new rows.
        tx.delete(queue.counters_key)
        cloud.outbox.cancel(tx, EXPIRE, queue.id)
        block_name(cloud, tx, place, now)
        sweep_later(cloud, tx, pack((DATA, place.account, place.region, queue.id)))

    await cloud.store.transact(work)


@operation("sqs:PurgeQueue", action="sqs:purgequeue", resource=queue_arn)
async def purge_queue(call: Call, request: Shape) -> None:
    """Remove all messages of a queue, those in flight included. At most once in 60 seconds."""
    place = place_of(call, request)
    cloud, now = call.cloud, call.now

    def change(tx: Transaction, record: QueueRecord) -> None:
        if record.purged_at and now < record.purged_at + PURGE_PAUSE:
            raise ServiceError("PurgeQueueInProgress", f"Only one PurgeQueue operation on {place.name} is allowed every 60 seconds.")
        old = Queue(place, record)
        row = tx.get(old.counters_key)
        assert row is not None
        fresh = Counters()
        fresh.last_number = Counters.decode(row).last_number
        record.generation += 1
        record.purged_at = now
        tx.delete(old.counters_key)
        tx.put(Queue(place, record).counters_key, fresh.encode())
        cloud.outbox.cancel(tx, EXPIRE, old.id)
        sweep_later(cloud, tx, old.data_prefix)

    await change_record(call, place, change)
