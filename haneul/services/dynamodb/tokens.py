"""Idempotency tokens of transactions: a transaction with a token that was used in the last ten minutes is not made again.

Tokens lie by period of ten minutes, so that a token costs one row: it is looked for in this period and in the one before, and each period has one durable timer that
removes its tokens. (API Reference: "TransactWriteItems", ClientRequestToken.)
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import orjson

from haneul.clock import MINUTE
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.tables import TOKEN_SPACE
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

FORGET: Final = "dynamodb-forget-tokens"
TOKEN_LIFE: Final = 10 * MINUTE
_CHUNK = 500


def digest(items: Any) -> bytes:
    """What tells one transaction from another."""
    return blake2b(orjson.dumps(items, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def already_done(service: DynamoDb, tx: Transaction, call: Call, token: str, what: bytes) -> bool:
    """Whether the transaction was made before; if not, note that it is made now.

    Raises IdempotentParameterMismatchException when the token was used for something else, TransactionInProgressException while its transaction is not yet durable.
    """
    now = call.now
    period = now // TOKEN_LIFE
    bucket = pack((TOKEN_SPACE, period))
    name = pack((call.account, call.region, token))
    place = bucket + name
    known = tx.get(place) or tx.get(pack((TOKEN_SPACE, period - 1)) + name)
    if known is not None and int.from_bytes(known[:8], "big") > now:
        if known[8:] != what:
            raise ServiceError(
                "IdempotentParameterMismatchException",
                "Request parameters do not match those of an earlier request with the same client token",
                400,
            )
        if service.cloud.store.under_way(place):
            raise ServiceError("TransactionInProgressException", "The transaction with the given request token is already in progress.", 400)
        return True
    tx.put(place, (now + TOKEN_LIFE).to_bytes(8, "big") + what)
    if tx.get(bucket) is None:
        tx.put(bucket, b"")
        service.cloud.outbox.put(tx, FORGET, {"period": period}, due=(period + 2) * TOKEN_LIFE)
    return False


async def forget(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Remove the tokens of one period, all of which have ended."""
    start, end = prefix_range(pack((TOKEN_SPACE, payload["period"])))

    def work(tx: Transaction) -> bool:
        rows = tx.range(start, end, _CHUNK)
        for key, _ in rows:
            tx.delete(key)
        return len(rows) == _CHUNK

    while await service.cloud.store.transact(work):
        pass
