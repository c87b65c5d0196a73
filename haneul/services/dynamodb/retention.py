"""The end of stream records: 24 hours after the change they tell of nobody is shown them any more, and once no iterator can lead to them they are removed.

A stream has one durable timer. It comes once an hour while there is something to remove soon, and removes what is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import HOUR
from haneul.services.dynamodb.shards import is_over
from haneul.services.dynamodb.streams import LYING, RETENTION, StreamRecord, change_time, lane_prefix, stream_key
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

TRIM = "dynamodb-trim"
_CHUNK = 500


def plan_trim(service: DynamoDb, tx: Transaction, stream: StreamRecord, due: int) -> None:
    """Set the stream's timer."""
    payload = {"account": stream.account, "region": stream.region, "table": stream.table_name, "label": stream.label}
    service.cloud.outbox.put(tx, TRIM, payload, due=due, key=stream.id)


async def trim(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Remove records that are too old, and a closed stream once none is left."""
    place = stream_key(payload["account"], payload["region"], payload["table"], payload["label"])
    now = service.cloud.clock.now()
    # In which lane the next portion begins, and the oldest record that is kept in those before it.
    reached = (0, 0)

    def work(tx: Transaction) -> tuple[int, int] | None:
        state = tx.get(place)
        if state is None:
            return None
        stream = decode(state, StreamRecord)
        left, first, oldest = _CHUNK, *reached
        over = 0 < stream.disabled_at <= now - RETENTION
        horizon = now - (RETENTION if over else LYING)
        for number, lane in enumerate(stream.lanes[first:], first):
            for key, value in tx.iterate(*prefix_range(lane_prefix(stream.id, lane.id))):
                made = change_time(value)
                if made > horizon:
                    oldest = min(oldest or made, made)
                    break
                if not left:
                    return number, oldest
                left -= 1
                tx.delete(key)
        kept = [lane for lane in stream.lanes if not is_over(lane, now)]
        if not oldest and over:
            tx.delete(place)
            service.changes.forget(stream.id)
            return None
        if len(kept) < len(stream.lanes):
            stream.lanes = kept
            tx.put(place, encode(stream))
        due = max(oldest + LYING, now + HOUR) if oldest else now + RETENTION
        if stream.disabled_at and not over:
            due = min(due, stream.disabled_at + RETENTION)
        plan_trim(service, tx, stream, due)
        return None

    while (further := await service.cloud.store.transact(work)) is not None:
        reached = further
