"""ListSubscriptions, ListSubscriptionsByTopic and ListTopics: a hundred at a time."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.sns import errors
from haneul.services.sns.records import OWNERS, SUBSCRIPTIONS, TOPICS, Place, SubscriptionRecord, Topic, find_subscription, topic_arn, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Row
from haneul.store.records import decode

_PAGE = 100


def _everything(call: Call, request: Shape) -> str:
    return call.arn("*")


def _page(call: Call, request: Shape, prefix: bytes) -> tuple[list[Row], Shape]:
    """The next hundred rows below a prefix, and the token of those behind them."""
    first, end = prefix_range(prefix)
    token = request.get("NextToken")
    if token:
        begin = read_token(token)
        if begin is None or not begin.startswith(prefix):
            raise errors.invalid("NextToken")
        first = begin
    rows = call.cloud.store.range(first, end, _PAGE + 1)
    return rows[:_PAGE], {"NextToken": make_token(rows[_PAGE][0])} if len(rows) > _PAGE else {}


@operation("sns:ListTopics", action="SNS:ListTopics", resource=_everything)
async def list_topics(call: Call, request: Shape) -> Shape:
    """The account's topics in this region, by name."""
    rows, more = _page(call, request, pack((TOPICS, call.account, call.region)))
    return {"Topics": [{"TopicArn": Place(call.account, call.region, str(unpack(key)[3])).arn} for key, _ in rows], **more}


def _line(topic: Topic, record: SubscriptionRecord) -> Shape:
    arn = topic.subscription_arn(record.id) if record.confirmed else "PendingConfirmation"
    return {"SubscriptionArn": arn, "Owner": record.owner, "Protocol": record.protocol, "Endpoint": record.endpoint, "TopicArn": topic.arn}


@operation("sns:ListSubscriptionsByTopic", action="SNS:ListSubscriptionsByTopic", resource=topic_arn)
async def list_subscriptions_by_topic(call: Call, request: Shape) -> Shape:
    """A topic's subscriptions."""
    topic = call.service(Sns).topic(topic_of_arn(request["TopicArn"]))
    rows, more = _page(call, request, topic.key(SUBSCRIPTIONS))
    return {"Subscriptions": [_line(topic, decode(row, SubscriptionRecord)) for _, row in rows], **more}


@operation("sns:ListSubscriptions", action="SNS:ListSubscriptions", resource=_everything)
async def list_subscriptions(call: Call, request: Shape) -> Shape:
    """The caller's subscriptions in this region, to topics of whatever account."""
    rows, more = _page(call, request, pack((OWNERS, call.account, call.region)))
    service, found = call.service(Sns), []
    for key, _ in rows:
        _, _, region, account, name, topic_id, identity = unpack(key)
        topic = service.find(Place(str(account), str(region), str(name)))
        record = find_subscription(call.cloud.store, topic, str(identity)) if topic is not None and topic.id == topic_id else None
        if topic is not None and record is not None:
            found.append(_line(topic, record))
    return {"Subscriptions": found, **more}
