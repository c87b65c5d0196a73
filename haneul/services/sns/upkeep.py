"""What is left to do when a topic is deleted or nobody has confirmed a subscription, carried out from the outbox."""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.core.operation import Shape
from haneul.services.sns.counting import count_change
from haneul.services.sns.fifo import NUMBERS, SENT, SENT_UNTIL, WAITING
from haneul.services.sns.records import (
    ENDPOINTS,
    OWNERS,
    SUBSCRIPTIONS,
    TOKENS,
    Place,
    SubscriptionRecord,
    TokenRecord,
    Topic,
    find_subscription,
    find_topic,
)
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

SWEEP, EXPIRE = "sns:sweep", "sns:expire"
_REMOVED_PER_TRANSACTION = 200


async def sweep(cloud: Cloud, payload: Shape) -> None:
    """Remove what belonged to a topic that is gone: nobody can reach it any more."""
    owner: list[str] = [*payload["topic"], payload["id"]]
    account, region, name, identity = owner
    for space in (SUBSCRIPTIONS, ENDPOINTS, TOKENS, NUMBERS, SENT, SENT_UNTIL, WAITING):
        start, end = prefix_range(pack((space, *owner)))
        while rows := cloud.store.range(start, end, _REMOVED_PER_TRANSACTION):
            keys = [key for key, _ in rows]
            if space == SUBSCRIPTIONS:
                records = [decode(row, SubscriptionRecord) for _, row in rows]
                keys += [pack((OWNERS, one.owner, region, account, name, identity, one.id)) for one in records]
            await cloud.store.transact(lambda tx, keys=keys: [tx.delete(key) for key in keys])  # type: ignore[misc]


async def expire(cloud: Cloud, payload: Shape) -> None:
    """The time of a token is over: it confirms nothing any more, and a subscription that it did not confirm is none."""
    place = Place(*payload["topic"])

    def work(tx: Transaction) -> None:
        topic = find_topic(tx, place)
        if topic is None or topic.id != payload["id"]:
            return
        token_key = topic.key(TOKENS, payload["token"])
        row = tx.get(token_key)
        if row is None:
            return
        tx.delete(token_key)
        record = find_subscription(tx, topic, decode(row, TokenRecord).id)
        if record is not None and not record.confirmed and record.pending_until <= cloud.clock.now():
            remove(tx, topic, record)

    await cloud.store.transact(work)


def remove(tx: Transaction, topic: Topic, record: SubscriptionRecord) -> None:
    """End a subscription."""
    count_change(tx, topic, record, None)
    tx.delete(topic.key(SUBSCRIPTIONS, record.id))
    tx.delete(topic.key(ENDPOINTS, record.protocol, record.endpoint))
    tx.delete(topic.owner_key(record.owner, record.id))
