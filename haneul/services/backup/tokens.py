"""Idempotency tokens, which are remembered for a week."""

from __future__ import annotations

from typing import Any

from haneul.clock import DAY
from haneul.core.cloud import Cloud
from haneul.store.port import Transaction

FORGET_TOKEN = "backup-forget-token"
TOKEN_LIFE = 7 * DAY


def forget_token_later(cloud: Cloud, tx: Transaction, place: bytes) -> None:
    cloud.outbox.put(tx, FORGET_TOKEN, {"place": place}, due=cloud.clock.now() + TOKEN_LIFE)


async def forget_token(cloud: Cloud, payload: dict[str, Any]) -> None:
    """A token's week is over."""
    await cloud.store.transact(lambda tx: tx.delete(payload["place"]))


HANDLERS = ((FORGET_TOKEN, forget_token),)
