"""How many topics and subscriptions there are, and how many there may be (AWS General Reference, "Amazon SNS endpoints and quotas")."""

from __future__ import annotations

from haneul.core.errors import ServiceError
from haneul.services.sns.records import ACCOUNTS, Counts, Place, SubscriptionRecord, Topic, Totals
from haneul.services.sns.topic_attributes import MESSAGE_BYTES_DEFAULT, message_bytes_max
from haneul.store.keys import pack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

TOPICS_MAX, FIFO_TOPICS_MAX = 100_000, 1_000
SUBSCRIPTIONS_MAX, FIFO_SUBSCRIPTIONS_MAX = 12_500_000, 100
PENDING_MAX = 5_000
FILTERS_MAX, FILTERS_OF_ACCOUNT_MAX = 200, 10_000
# Of topics whose messages may be larger than usual.
LARGE_MESSAGE_SUBSCRIPTIONS_MAX = 100


def counts_of(reader: Reader, topic: Topic) -> Counts:
    row = reader.get(topic.counts_key)
    return decode(row, Counts) if row is not None else Counts()


def _totals(tx: Transaction, place: Place) -> tuple[bytes, Totals]:
    key = pack((ACCOUNTS, place.account, place.region))
    row = tx.get(key)
    return key, decode(row, Totals) if row is not None else Totals()


def count_new_topic(tx: Transaction, topic: Topic) -> None:
    """TopicLimitExceeded when the account has all that it may have."""
    key, totals = _totals(tx, topic.place)
    name, limit = ("fifo", FIFO_TOPICS_MAX) if topic.fifo else ("standard", TOPICS_MAX)
    number = getattr(totals, name)
    if number >= limit:
        raise ServiceError("TopicLimitExceeded", "The number of topics in this account exceeds the limit.", 403)
    setattr(totals, name, number + 1)
    tx.put(key, encode(totals))
    tx.put(topic.counts_key, encode(Counts()))


def count_deleted_topic(tx: Transaction, topic: Topic) -> None:
    """With everything that it had."""
    counts = counts_of(tx, topic)
    key, totals = _totals(tx, topic.place)
    if topic.fifo:
        totals.fifo -= 1
    else:
        totals.standard -= 1
    totals.filtered -= counts.filtered
    totals.pending -= counts.pending
    tx.put(key, encode(totals))
    tx.delete(topic.counts_key)


def count_change(tx: Transaction, topic: Topic, before: SubscriptionRecord | None, after: SubscriptionRecord | None) -> None:
    """A subscription comes, changes or goes. SubscriptionLimitExceeded and FilterPolicyLimitExceeded when there are too many."""
    counts = counts_of(tx, topic)
    key, totals = _totals(tx, topic.place)
    for record, change in ((before, -1), (after, 1)):
        if record is None:
            continue
        if record.confirmed:
            counts.confirmed += change
        else:
            counts.pending += change
            totals.pending += change
        counts.filtered += change * record.filtered
        totals.filtered += change * record.filtered
    if after is None:
        counts.deleted += 1
    elif before is None:
        _check_subscriptions(topic, after, counts, totals)
    if after is not None and after.filtered and (before is None or not before.filtered) and (counts.filtered > FILTERS_MAX or totals.filtered > FILTERS_OF_ACCOUNT_MAX):
        raise ServiceError("FilterPolicyLimitExceeded", "The number of filter policies exceeds the limit.", 403)
    tx.put(topic.counts_key, encode(counts))
    tx.put(key, encode(totals))


def _check_subscriptions(topic: Topic, fresh: SubscriptionRecord, counts: Counts, totals: Totals) -> None:
    limit = FIFO_SUBSCRIPTIONS_MAX if topic.fifo else SUBSCRIPTIONS_MAX
    if message_bytes_max(topic.attributes) > MESSAGE_BYTES_DEFAULT:
        limit = min(limit, LARGE_MESSAGE_SUBSCRIPTIONS_MAX)
    if counts.confirmed + counts.pending > limit or (not fresh.confirmed and totals.pending > PENDING_MAX):
        raise ServiceError("SubscriptionLimitExceeded", "The number of subscriptions exceeds the limit.", 403)
