"""Idempotency tokens of transactions: a transaction with a token that was used in the last ten minutes is not made again.

Tokens are removed by minute: each minute in which tokens end has one durable timer. (API Reference: "TransactWriteItems", ClientRequestToken.)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from haneul.clock import MINUTE
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.tables import TOKEN_SPACE
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

FORGET = "dynamodb-forget-tokens"
TOKEN_LIFE = 10 * MINUTE
_ENDS_SPACE = f"{TOKEN_SPACE}-ends"
_CHUNK = 500


def digest(items: Any) -> bytes:
    """What tells one transaction from another."""
    return blake2b(orjson.dumps(items, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def already_done(service: DynamoDb, tx: Transaction, call: Call, token: str, what: bytes) -> bool:
    """Whether the transaction was made before; if not, note that it is made now.

    Raises IdempotentParameterMismatchException when the token was used for something else.
    """
    now = call.now
    place = pack((TOKEN_SPACE, call.account, call.region, token))
    known = tx.get(place)
    if known is not None and int.from_bytes(known[:8], "big") > now:
        if known[8:] != what:
            raise ServiceError(
                "IdempotentParameterMismatchException",
                "Request parameters do not match those of an earlier request with the same client token",
                400,
            )
        return True
    end = now + TOKEN_LIFE
    minute = end // MINUTE
    tx.put(place, end.to_bytes(8, "big") + what)
    bucket = pack((_ENDS_SPACE, minute))
    tx.put(bucket + place, b"")
    if tx.get(bucket) is None:
        tx.put(bucket, b"")
        service.cloud.outbox.put(tx, FORGET, {"minute": minute}, due=(minute + 1) * MINUTE)
    return False


async def forget(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Remove the tokens that ended in one minute."""
    bucket = pack((_ENDS_SPACE, payload["minute"]))
    start, end = prefix_range(bucket)

    def work(tx: Transaction) -> bool:
        now = service.cloud.clock.now()
        rows = tx.range(start, end, _CHUNK)
        for key, _ in rows:
            place = key[len(bucket) :]
            known = tx.get(place) if place else None
            if known is not None and int.from_bytes(known[:8], "big") <= now:
                tx.delete(place)
            tx.delete(key)
        return len(rows) == _CHUNK

    while await service.cloud.store.transact(work):
        pass
