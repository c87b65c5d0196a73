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
# A token's row: when it ends, the digest of its transaction, and the sizes of the items.
_DIGEST_AT: Final = 8
_DIGEST_BYTES: Final = 16
_SIZES_AT: Final = _DIGEST_AT + _DIGEST_BYTES
_SIZE_BYTES: Final = 4


def digest(items: Any) -> bytes:
    """What tells one transaction from another."""
    return blake2b(orjson.dumps(items, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()


def already_done(service: DynamoDb, tx: Transaction, call: Call, token: str, what: bytes) -> list[int] | None:
    """The sizes of the items of the transaction, action by action, if it was made before; None if it was not.

    Raises IdempotentParameterMismatchException when the token was used for something else, TransactionInProgressException while its transaction is not yet durable.
    """
    bucket, name = _place(call, token)
    place = bucket + name
    known = tx.get(place) or tx.get(pack((TOKEN_SPACE, call.now // TOKEN_LIFE - 1)) + name)
    if known is None or int.from_bytes(known[:_DIGEST_AT], "big") <= call.now:
        return None
    if known[_DIGEST_AT:_SIZES_AT] != what:
        raise ServiceError(
            "IdempotentParameterMismatchException",
            "Request parameters do not match those of an earlier request with the same client token",
            400,
        )
    if service.cloud.store.under_way(place):
        raise ServiceError("TransactionInProgressException", "The transaction with the given request token is already in progress.", 400)
    return [int.from_bytes(known[at : at + _SIZE_BYTES], "big") for at in range(_SIZES_AT, len(known), _SIZE_BYTES)]


def note_done(service: DynamoDb, tx: Transaction, call: Call, token: str, what: bytes, sizes: list[int]) -> None:
    """Note that the transaction is made now, and how large its items are, action by action."""
    bucket, name = _place(call, token)
    tx.put(bucket + name, (call.now + TOKEN_LIFE).to_bytes(_DIGEST_AT, "big") + what + b"".join([size.to_bytes(_SIZE_BYTES, "big") for size in sizes]))
    if tx.get(bucket) is None:
        period = call.now // TOKEN_LIFE
        tx.put(bucket, b"")
        service.cloud.outbox.put(tx, FORGET, {"period": period}, due=(period + 2) * TOKEN_LIFE)


def _place(call: Call, token: str) -> tuple[bytes, bytes]:
    """The row of this period, under which its tokens lie, and the token's place there. Operations do not share tokens."""
    return pack((TOKEN_SPACE, call.now // TOKEN_LIFE)), pack((call.account, call.region, call.operation.name, token))


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
