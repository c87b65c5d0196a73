"""Time to live: items that expire.

Each item with a time to live has an entry in an index by that time, and each minute in which something expires has one durable timer. So nothing is
ever scanned, and what has not expired costs nothing. (Developer Guide: "Using time to live (TTL) in DynamoDB".)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from haneul.clock import MINUTE, SECOND
from haneul.services.dynamodb.replication.hook import expires_here
from haneul.services.dynamodb.rows import row_item
from haneul.services.dynamodb.streams import EXPIRED_BY_SERVICE
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

EXPIRE = "dynamodb-expire"
# Items whose time lies further back than this do not expire.
_PAST_SECONDS_MAX = 5 * 365 * 86_400
# Beyond this, times no longer fit into 64 bits of nanoseconds (it is the year 2255).
_SECONDS_MAX = 9_000_000_000
_CHUNK = 100


def expiry_second(item: Item | None, attribute: str) -> int | None:
    """When an item expires, in seconds since the epoch; None when it does not."""
    value = item.get(attribute) if item is not None else None
    if value is None or "N" not in value:
        return None
    text: str = value["N"]
    whole = text.partition(".")[0]
    if whole.startswith("-") or len(whole) > 10:
        return None
    second = int(whole)
    return second if second <= _SECONDS_MAX else None


def _entry(table: Table, second: int, suffix: bytes) -> bytes:
    return table.expiry_prefix + pack((second // 60, second)) + suffix


def plan(service: DynamoDb, tx: Transaction, table: Table, row: bytes, old: Item | None, new: Item | None, now: int) -> None:
    """Keep the index of expiry in step with an item's change."""
    attribute = table.expiry_attribute
    before, after = expiry_second(old, attribute), expiry_second(new, attribute)
    if after is not None and after < now // SECOND - _PAST_SECONDS_MAX:
        after = None
    # What has expired may have no entry any more: it went when it was another region's to delete the item, and whoever writes the item last is that.
    if before == after and (before is None or before * SECOND > now):
        return
    suffix = row[len(table.prefix) :]
    if before is not None:
        tx.delete(_entry(table, before, suffix))
    if after is None:
        return
    tx.put(_entry(table, after, suffix), b"")
    marker = table.expiry_prefix + pack((after // 60,))
    if tx.get(marker) is None:
        tx.put(marker, b"")
        record = table.record
        payload = {"account": record.account, "region": record.region, "name": record.name, "id": record.id, "minute": after // 60}
        # A time that has passed already is dealt with a minute from now, not under the writer's hands.
        due = max((after // 60 + 1) * MINUTE, now + MINUTE)
        service.cloud.outbox.put(tx, EXPIRE, payload, due=due)


async def expire(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Delete what expired in one minute, a chunk at a time; the table may be changed between them, and get an index, a stream or a replica."""
    more = True
    while more:
        table = service.stored_table(payload["account"], payload["region"], payload["name"])
        if table is None or table.record.id != payload["id"]:
            return
        more, expired = await service.write(partial(_expire_some, service, table, payload["minute"]), table)
        if expired:
            service.capacity.count(table, "TimeToLiveDeletedItemCount", expired)


def _expire_some(service: DynamoDb, table: Table, minute: int, tx: Transaction) -> tuple[bool, int]:
    """Delete some of what expired in a minute (counted in minutes since the epoch); whether there is more, and how many items are gone."""
    marker = table.expiry_prefix + pack((minute,))
    rows = tx.range(*prefix_range(marker), _CHUNK + 1)
    expired = sum(_expire_one(service, tx, table, key) for key, _ in rows if key != marker)
    if len(rows) <= _CHUNK:
        tx.delete(marker)
        return False, expired
    return True, expired


def _expire_one(service: DynamoDb, tx: Transaction, table: Table, key: bytes) -> bool:
    """Delete one item by its entry, unless the item no longer says so. Whether it was deleted."""
    tx.delete(key)
    place = key[len(table.expiry_prefix) :]
    # Behind the minute and the second (two packed integers) stands what the item's own key has behind its prefix.
    at = 0
    for _ in range(2):
        at += 1 + place[at] - 0x14
    row = table.prefix + place[at:]
    old = tx.get(row)
    if old is None or not table.expiry_attribute or not expires_here(service, tx, table, row):
        return False
    item = row_item(old)
    second = expiry_second(item, table.expiry_attribute)
    if second is None or second * SECOND > service.cloud.clock.now():
        return False
    service.put_row(tx, table, row, old, item, None, None, by=EXPIRED_BY_SERVICE, cost=0)
    return True
