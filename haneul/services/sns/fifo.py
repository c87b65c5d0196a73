"""FIFO topics: numbers, deduplication, and deliveries in order (Developer Guide, "Amazon SNS FIFO topics").

Keys below a topic (see `records.py`):

- `("sns-fifo", …)` → the last number given
- `("sns-sent", …, scope, deduplication id)` → `Sent`, and `("sns-sent-until", …, until, scope, deduplication id)` → nothing, in the order in which they are forgotten;
  the scope is a message group, or empty for the whole topic
- `("sns-waiting", …, subscription's id, group, number)` → `Waiting`: messages that a subscription has not got yet. While there are any of a group, an entry of
  the outbox brings them over one after another; a message that has to wait keeps those behind it waiting.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from haneul.clock import MINUTE
from haneul.core.operation import Shape
from haneul.services.sns.delivery import attempt
from haneul.services.sns.envelopes import Envelopes
from haneul.services.sns.messages import Message
from haneul.services.sns.records import Topic
from haneul.services.sns.subscriptions import Subscription
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.sns.service import Sns

DRAIN, FORGET = "sns:drain", "sns:forget"
NUMBERS, SENT, SENT_UNTIL, WAITING = "sns-fifo", "sns-sent", "sns-sent-until", "sns-waiting"
DEDUPLICATION = 5 * MINUTE
_FORGOTTEN_AT_ONCE = 500


class Sent(msgspec.Struct):
    """What was published under a deduplication id."""

    id: str
    number: int
    until: int


class Waiting(msgspec.Struct):
    """A message that a subscription has not got yet, how often it was tried, and when it may be tried again."""

    message: Message
    tries: int = 0
    due: int = 0


def take(service: Sns, tx: Transaction, topic: Topic, message: Message, wanted_by: list[Subscription]) -> tuple[str, int]:
    """Number a message and have it wait for its subscriptions, unless it was published before; id and number of what is published."""
    cloud, now = service.cloud, service.cloud.clock.now()
    assert message.group is not None and message.deduplication is not None
    scope = message.group if topic.attributes["FifoThroughputScope"] == "MessageGroup" else ""
    sent_key = topic.key(SENT, scope, message.deduplication)
    row = tx.get(sent_key)
    known = decode(row, Sent) if row is not None else None
    if known is not None:
        if known.until > now:
            return known.id, known.number
        tx.delete(topic.key(SENT_UNTIL, known.until, scope, message.deduplication))
    last = tx.get(topic.key(NUMBERS))
    number = max(now, int(last) + 1 if last is not None else 0)
    tx.put(topic.key(NUMBERS), str(number).encode())
    if not tx.range(*prefix_range(topic.key(SENT_UNTIL)), limit=1):
        cloud.outbox.put(tx, FORGET, _about(topic), due=now + DEDUPLICATION, key=topic.id)
    tx.put(sent_key, encode(Sent(message.id, number, now + DEDUPLICATION)))
    tx.put(topic.key(SENT_UNTIL, now + DEDUPLICATION, scope, message.deduplication), b"")
    row = encode(Waiting(msgspec.structs.replace(message, number=number)))
    for to in wanted_by:
        if not tx.range(*prefix_range(topic.key(WAITING, to.id, message.group)), limit=1):
            _drain_at(service, tx, topic, to.id, message.group, now)
        tx.put(topic.key(WAITING, to.id, message.group, number), row)
    return message.id, number


def _about(topic: Topic) -> Shape:
    return {"topic": list(topic.place), "id": topic.id}


def _drain_at(service: Sns, tx: Transaction, topic: Topic, subscription: str, group: str, due: int) -> None:
    payload = {**_about(topic), "to": subscription, "group": group}
    service.cloud.outbox.put(tx, DRAIN, payload, due=due, lane=f"sns/{topic.id}/{subscription}/{group}")


async def drain(service: Sns, payload: Shape) -> None:
    """Bring a subscription the messages of a group that wait for it, in order."""
    topic = service.same_topic(payload)
    if topic is None:
        return
    store, clock = service.cloud.store, service.cloud.clock
    subscription, group = payload["to"], payload["group"]
    place = prefix_range(topic.key(WAITING, subscription, group))
    while rows := store.range(*place, limit=1):
        [(key, row)] = rows
        waiting, to = decode(row, Waiting), service.subscribed(topic).get(subscription)
        pause: int | None = None
        if to is not None and waiting.due > clock.now():
            pause = waiting.due - clock.now()
        elif to is not None:
            pause = await attempt(service, to, waiting.message, Envelopes(service.signer, topic, waiting.message), waiting.tries)
            if pause is not None:
                waiting = Waiting(waiting.message, waiting.tries + 1, clock.now() + pause)
        await store.transact(partial(_settle, service, topic, key, waiting if pause is not None else None, payload))
        if pause:
            return


def _settle(service: Sns, topic: Topic, key: bytes, left: Waiting | None, payload: Shape, tx: Transaction) -> None:
    """Write down what became of the first message that waits: it is gone, or `left` to be tried again, for which an entry is put when that is later."""
    if left is None:
        tx.delete(key)
    elif tx.get(key) is not None:
        tx.put(key, encode(left))
        if left.due > service.cloud.clock.now():
            _drain_at(service, tx, topic, payload["to"], payload["group"], left.due)


async def forget(service: Sns, payload: Shape) -> None:
    """Forget deduplication ids whose five minutes are over, and come back for the next ones."""
    topic = service.same_topic(payload)
    if topic is None:
        return
    cloud = service.cloud
    first, end = prefix_range(topic.key(SENT_UNTIL))

    def work(tx: Transaction) -> None:
        rows = tx.range(first, end, _FORGOTTEN_AT_ONCE + 1)
        for at, (key, _) in enumerate(rows):
            *_rest, until, scope, deduplication = unpack(key)
            assert isinstance(until, int)
            if until > cloud.clock.now() or at == _FORGOTTEN_AT_ONCE:
                cloud.outbox.put(tx, FORGET, _about(topic), due=until, key=topic.id)
                return
            tx.delete(key)
            tx.delete(topic.key(SENT, str(scope), str(deduplication)))

    await cloud.store.transact(work)
