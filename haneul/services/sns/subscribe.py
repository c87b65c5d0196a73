"""Subscribe."""

from __future__ import annotations

from typing import Any

from haneul.clock import DAY
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.counting import count_change
from haneul.services.sns.records import ENDPOINTS, SUBSCRIPTIONS, SubscriptionRecord, Topic, find_subscription, topic_arn, topic_at, topic_of_arn
from haneul.services.sns.subscription_attributes import with_changes
from haneul.services.sns.tokens import Confirmation, offer
from haneul.store.port import Transaction
from haneul.store.records import encode

_SERVICES = {"sqs": "SQS", "lambda": "Lambda"}
_NOT_BUILT = {
    "http": "deliveries over HTTP",
    "https": "deliveries over HTTP",
    "email": "deliveries by email",
    "email-json": "deliveries by email",
    "sms": "text messages",
    "application": "notifications to mobile devices",
    "firehose": "Firehose, so that no topic delivers to it",
}
TOKEN_LASTS = 2 * DAY
_REQUESTED = (
    "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
)


def _conditions(call: Call, request: Shape) -> dict[str, Any]:
    return {"sns:Protocol": request.get("Protocol") or "", "sns:Endpoint": request.get("Endpoint") or ""}


@operation("sns:Subscribe", action="SNS:Subscribe", resource=topic_arn, conditions=_conditions, partial="queues and functions; no HTTP, email, SMS, mobile push or Firehose")
async def subscribe(call: Call, request: Shape) -> Shape:
    """Have a topic's messages sent to a queue or function. Where there is such a subscription already, it is the answer.

    A subscription to an endpoint of the caller's own account is confirmed by that; a queue of another account is sent a token by which it can be confirmed.
    Errors: InvalidParameter, NotFound, SubscriptionLimitExceeded, FilterPolicyLimitExceeded. API Reference: Subscribe.
    """
    place, protocol, endpoint = topic_of_arn(request["TopicArn"]), request["Protocol"], request.get("Endpoint") or ""
    own = _check_endpoint(call, place.fifo, protocol, endpoint)
    given: dict[str, str] = request.get("Attributes") or {}
    fresh = SubscriptionRecord(call.cloud.ids.uuid(), protocol, endpoint, call.account, call.caller.arn, call.now, {}, own, own, own)
    confirmation = Confirmation.make(call, "SubscriptionConfirmation", _REQUESTED.format(place.arn), call.now + TOKEN_LASTS)

    def work(tx: Transaction) -> SubscriptionRecord:
        topic = topic_at(tx, place)
        there = tx.get(topic.key(ENDPOINTS, protocol, endpoint))
        if there is not None:
            return _known(call, tx, topic, there.decode(), given, confirmation)
        fresh.attributes = _attributes(topic, fresh, given)
        count_change(tx, topic, None, fresh)
        if not own:
            fresh.pending_until = confirmation.until
            offer(call, tx, topic, endpoint, confirmation, fresh.id)
        tx.put(topic.key(SUBSCRIPTIONS, fresh.id), encode(fresh))
        tx.put(topic.key(ENDPOINTS, protocol, endpoint), fresh.id.encode())
        tx.put(topic.owner_key(fresh.owner, fresh.id), b"\x01")
        return fresh

    found = await call.cloud.store.transact(work)
    shown = found.confirmed or request.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": f"{place.arn}:{found.id}" if shown else "pending confirmation"}


def _attributes(topic: Topic, record: SubscriptionRecord, given: dict[str, str]) -> dict[str, str]:
    try:
        return with_changes(topic, record, given)
    except ServiceError as error:
        if error.code != "InvalidParameter" or "Delivery protocol" in error.message:
            raise
        raise errors.invalid(f"Attributes Reason: {error.message.removeprefix('Invalid parameter: ')}") from None


def _known(call: Call, tx: Transaction, topic: Topic, identity: str, given: dict[str, str], confirmation: Confirmation) -> SubscriptionRecord:
    """The subscription that is there; who waits for its confirmation is sent a new token."""
    known = find_subscription(tx, topic, identity)
    assert known is not None
    if _attributes(topic, known, given) != known.attributes:
        raise errors.invalid("Attributes Reason: Subscription already exists with different attributes")
    if not known.confirmed:
        known.pending_until = confirmation.until
        tx.put(topic.key(SUBSCRIPTIONS, identity), encode(known))
        offer(call, tx, topic, known.endpoint, confirmation, known.id)
    return known


def _check_endpoint(call: Call, fifo: bool, protocol: str, endpoint: str) -> bool:
    """Whether the endpoint is one that there can be; True when it belongs to the caller's account."""
    if protocol in _NOT_BUILT:
        raise NotBuilt(f"{_NOT_BUILT[protocol]} (the protocol {protocol} of sns:Subscribe)")
    if protocol not in _SERVICES:
        raise errors.invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if fifo and protocol != "sqs":
        raise errors.invalid(f"Invalid protocol type: {protocol}")
    arn = parse_arn(endpoint)
    if arn is None or arn.service != protocol or not arn.region or not arn.account or not arn.resource or (protocol == "lambda") != arn.resource.startswith("function:"):
        raise errors.invalid(f"{_SERVICES[protocol]} endpoint ARN")
    if protocol == "sqs" and arn.resource.endswith(".fifo") and not fifo:
        raise errors.invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
    own = arn.account == call.account
    if protocol == "lambda" and not own:
        raise NotBuilt("confirmations by functions of other accounts: have a function's own account subscribe it (the protocol lambda of sns:Subscribe)")
    return own
