"""Tokens by which the owners of endpoints agree to a subscription. The store has their hashes only, and the token sealed while it is on its way."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from haneul.core.call import Call
from haneul.services.sns.delivery import TELL
from haneul.services.sns.messages import origin_of
from haneul.services.sns.records import TOKENS, SubscriptionRecord, TokenRecord, Topic
from haneul.services.sns.upkeep import EXPIRE
from haneul.store.port import Transaction
from haneul.store.records import encode

_TOKEN_DIGITS = 232


def digest(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Confirmation(NamedTuple):
    """What an endpoint's owner is told: `kind` is SubscriptionConfirmation or UnsubscribeConfirmation; the token is valid until `until`."""

    kind: str
    text: str
    token: str
    message_id: str
    until: int

    @classmethod
    def make(cls, call: Call, kind: str, text: str, until: int) -> Confirmation:
        ids = call.cloud.ids
        return cls(kind, text, ids.hex(_TOKEN_DIGITS), ids.uuid(), until)


def offer(call: Call, tx: Transaction, topic: Topic, endpoint: str, confirmation: Confirmation, identity: str, ended: SubscriptionRecord | None = None) -> None:
    """Send a token for the subscription `identity` to its endpoint."""
    hashed, cloud = digest(confirmation.token), call.cloud
    about = {"topic": list(topic.place), "id": topic.id}
    tx.put(topic.key(TOKENS, hashed), encode(TokenRecord(identity, confirmation.until, ended)))
    cloud.outbox.put(tx, EXPIRE, {**about, "token": hashed}, due=confirmation.until)
    told = {
        "type": confirmation.kind,
        "text": confirmation.text,
        "token": cloud.vault.seal(confirmation.token.encode(), TELL),
        "message_id": confirmation.message_id,
        "endpoint": endpoint,
        "origin": origin_of(call),
        "at": call.now,
    }
    cloud.outbox.put(tx, TELL, {**about, **told})
