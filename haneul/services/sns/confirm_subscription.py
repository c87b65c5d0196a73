"""ConfirmSubscription and Unsubscribe, which the owner of an endpoint can also do by following a link, without credentials."""

from __future__ import annotations

import msgspec

from haneul.core.call import Call, RequestContext
from haneul.core.errors import AccessDenied
from haneul.core.operation import Shape, operation
from haneul.services.sns import errors
from haneul.services.sns.counting import count_change
from haneul.services.sns.records import (
    ENDPOINTS,
    SUBSCRIPTIONS,
    TOKENS,
    SubscriptionRecord,
    TokenRecord,
    Topic,
    find_subscription,
    find_topic,
    subscription_of_arn,
    topic_at,
    topic_of_arn,
)
from haneul.services.sns.subscribe import TOKEN_LASTS
from haneul.services.sns.tokens import Confirmation, digest, offer
from haneul.services.sns.upkeep import remove
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_ENDED = (
    "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
)


def authorize_own(call: Call, resource: str) -> None:
    """Ask the caller's own policies only: what is done needs a token, or a subscription of one's own, and no topic's policy can allow it."""
    context = RequestContext(call, None, resource)
    call.cloud.authority.authorize(call.caller, call.operation.action, (resource,), context, resource_account=call.caller.account)


@operation("sns:ConfirmSubscription", action="SNS:ConfirmSubscription", authorized_inside=True)
async def confirm_subscription(call: Call, request: Shape) -> Shape:
    """Confirm a subscription by the token that its endpoint was sent. With AuthenticateOnUnsubscribe, which needs a signed request, only the owners of topic and
    subscription can end it.

    Errors: InvalidParameter, NotFound. API Reference: ConfirmSubscription.
    """
    place, hashed = topic_of_arn(request["TopicArn"]), digest(request["Token"])
    signed = call.caller.kind != "anonymous"
    if signed:
        authorize_own(call, place.arn)
    # The model has it as a text.
    asked = (request.get("AuthenticateOnUnsubscribe") or "false").lower()
    if asked not in ("true", "false"):
        raise errors.invalid("AuthenticateOnUnsubscribe")
    if asked == "true" and not signed:
        raise AccessDenied("AuthenticateOnUnsubscribe requires a signed request")
    now = call.now

    def work(tx: Transaction) -> str:
        topic = topic_at(tx, place)
        row = tx.get(topic.key(TOKENS, hashed))
        token = decode(row, TokenRecord) if row is not None else None
        if token is None or token.until <= now:
            raise errors.invalid("Token")
        known = find_subscription(tx, topic, token.id)
        if known is None:
            known = _taken_up(tx, topic, token)
        if not known.confirmed:
            sure = msgspec.structs.replace(known, confirmed=True, authenticated=signed, authenticate_on_unsubscribe=asked == "true")
            count_change(tx, topic, known, sure)
            tx.put(topic.key(SUBSCRIPTIONS, sure.id), encode(sure))
        return topic.subscription_arn(known.id)

    return {"SubscriptionArn": await call.cloud.store.transact(work)}


def _taken_up(tx: Transaction, topic: Topic, token: TokenRecord) -> SubscriptionRecord:
    """A subscription that was ended, as one to be confirmed."""
    if token.ended is None or tx.get(topic.key(ENDPOINTS, token.ended.protocol, token.ended.endpoint)) is not None:
        raise errors.invalid("Token")
    record = msgspec.structs.replace(token.ended, confirmed=False)
    count_change(tx, topic, None, record)
    tx.put(topic.key(ENDPOINTS, record.protocol, record.endpoint), record.id.encode())
    tx.put(topic.owner_key(record.owner, record.id), b"\x01")
    return record


@operation("sns:Unsubscribe", action="SNS:Unsubscribe", authorized_inside=True)
async def unsubscribe(call: Call, request: Shape) -> None:
    """End a subscription. Whoever does so without owning it leaves its endpoint a token, by which it can be taken up again.

    Errors: InvalidParameter. A subscription that is not there is no error. API Reference: Unsubscribe.
    """
    place, identity = subscription_of_arn(request["SubscriptionArn"])
    caller = call.caller
    if caller.kind != "anonymous":
        authorize_own(call, request["SubscriptionArn"])
    confirmation = Confirmation.make(call, "UnsubscribeConfirmation", _ENDED.format(request["SubscriptionArn"]), call.now + TOKEN_LASTS)

    def work(tx: Transaction) -> None:
        topic = find_topic(tx, place)
        record = find_subscription(tx, topic, identity) if topic is not None else None
        if topic is None or record is None:
            return
        owns = caller.account in (record.owner, place.account)
        if record.authenticate_on_unsubscribe and not owns:
            who = caller.arn or "anonymous"
            raise AccessDenied(f"User: {who} is not authorized to perform: SNS:Unsubscribe on resource: {request['SubscriptionArn']}")
        if not record.confirmed and not owns:
            raise errors.invalid("SubscriptionArn Reason: a subscription that waits for its confirmation can be ended by its owner only")
        remove(tx, topic, record)
        if record.confirmed and not owns and record.protocol == "sqs":
            offer(call, tx, topic, record.endpoint, confirmation, record.id, record)

    await call.cloud.store.transact(work)
