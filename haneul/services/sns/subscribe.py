"""Subscribe."""

from __future__ import annotations

from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.records import Counts, Place, SubscriptionRecord, topic_arn, topic_of_arn
from haneul.services.sns.service import Sns
from haneul.services.sns.subscription_attributes import checked
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_BUILT = ("sqs", "lambda")
_NOT_BUILT = {
    "http": "deliveries over HTTP",
    "https": "deliveries over HTTP",
    "email": "deliveries by email",
    "email-json": "deliveries by email",
    "sms": "text messages",
    "application": "notifications to mobile devices",
    "firehose": "Firehose, so that no topic delivers to it",
}


def _conditions(call: Call, request: Shape) -> dict[str, Any]:
    return {"sns:Protocol": request.get("Protocol") or "", "sns:Endpoint": request.get("Endpoint") or ""}


@operation("sns:Subscribe", action="SNS:Subscribe", resource=topic_arn, conditions=_conditions, partial="queues and functions; no HTTP, email, SMS, mobile push or Firehose")
async def subscribe(call: Call, request: Shape) -> Shape:
    """Have a topic's messages sent to a queue or function. Where there is such a subscription already, it is the answer.

    A subscription to an endpoint of the caller's own account is confirmed by that; another waits for its endpoint's owner to confirm it.
    Errors: InvalidParameter, NotFound, SubscriptionLimitExceeded, FilterPolicyLimitExceeded. API Reference: Subscribe.
    """
    place, protocol, endpoint = topic_of_arn(request["TopicArn"]), request["Protocol"], request.get("Endpoint") or ""
    _check_protocol(protocol)
    _check_endpoint(place, protocol, endpoint)
    if endpoint.split(":")[4] != call.account:
        raise NotBuilt("subscriptions of other accounts' endpoints")
    call.service(Sns).topic(place)
    given: dict[str, str] = request.get("Attributes") or {}
    attributes = {name: checked(name, value or "") for name, value in given.items()}
    record = SubscriptionRecord(
        id=call.cloud.ids.uuid(), protocol=protocol, endpoint=endpoint, owner=call.account, created_at=call.now, attributes=attributes
    )

    def work(tx: Transaction) -> SubscriptionRecord:
        if tx.get(place.key) is None:
            raise errors.topic_missing()
        there = tx.get(place.endpoint_key(protocol, endpoint))
        if there is not None:
            row = tx.get(place.subscription_key(there.decode()))
            assert row is not None
            known = decode(row, SubscriptionRecord)
            if any(known.attributes.get(name, "") != value for name, value in attributes.items()):
                raise errors.invalid("Attributes Reason: Subscription already exists with different attributes")
            return known
        count(tx, place, "confirmed", 1)
        tx.put(place.subscription_key(record.id), encode(record))
        tx.put(place.endpoint_key(protocol, endpoint), record.id.encode())
        tx.put(place.owner_key(record.owner, record.id), b"\x01")
        return record

    found = await call.cloud.store.transact(work)
    shown = found.confirmed or request.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": place.subscription_arn(found.id) if shown else "pending confirmation"}


def count(tx: Transaction, place: Place, name: str, change: int) -> None:
    """Count a topic's subscriptions up or down."""
    row = tx.get(place.counts_key)
    counts = decode(row, Counts) if row is not None else Counts()
    setattr(counts, name, getattr(counts, name) + change)
    tx.put(place.counts_key, encode(counts))


def _check_protocol(protocol: str) -> None:
    if protocol in _NOT_BUILT:
        raise NotBuilt(f"{_NOT_BUILT[protocol]} (the protocol {protocol} of sns:Subscribe)")
    if protocol not in _BUILT:
        raise errors.invalid(f"Amazon SNS does not support this protocol string: {protocol}")


def _check_endpoint(place: Place, protocol: str, endpoint: str) -> None:
    arn = parse_arn(endpoint)
    sound = arn is not None and arn.service == protocol and arn.region and arn.account and arn.resource
    if not sound or (protocol == "lambda" and not str(endpoint).split(":")[5] == "function"):
        raise errors.invalid("SQS endpoint ARN" if protocol == "sqs" else "Lambda endpoint ARN")
    fifo_queue = protocol == "sqs" and endpoint.endswith(".fifo")
    if fifo_queue and not place.fifo:
        raise errors.invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
    if place.fifo and protocol != "sqs":
        raise errors.invalid("Endpoint Reason: Please use an SQS queue")


