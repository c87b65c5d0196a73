"""The end of stream records: 24 hours after the change they tell of.

A stream has one durable timer. It comes once an hour while there is something to remove soon, and removes what is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.clock import HOUR
from haneul.services.dynamodb.streams import RETENTION, StreamRecord, change_time, changes_prefix, stream_key
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

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
    raw = service.cloud.store.get(place)
    if raw is None:
        return
    stream = decode(raw, StreamRecord)
    start, end = prefix_range(changes_prefix(stream.id))

    def work(tx: Transaction) -> bool:
        now = service.cloud.clock.now()
        rows = tx.range(start, end, _CHUNK)
        for key, value in rows:
            made = change_time(value)
            if made > now - RETENTION:
                plan_trim(service, tx, stream, max(made + RETENTION, now + HOUR))
                return False
            tx.delete(key)
        if len(rows) == _CHUNK:
            return True
        state = tx.get(place)
        current = decode(state, StreamRecord) if state is not None else None
        if current is not None and current.disabled_at and current.disabled_at <= now - RETENTION:
            tx.delete(place)
        elif current is not None:
            plan_trim(service, tx, current, (current.disabled_at or now) + RETENTION)
        return False

    while await service.cloud.store.transact(work):
        pass
