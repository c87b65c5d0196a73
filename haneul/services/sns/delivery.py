"""Carrying messages to subscriptions, from the outbox.

Developer Guide, "Amazon SNS message delivery retries" and "Amazon SNS dead-letter queues": what an endpoint refuses for good is given up at once, what fails on
its side is tried again, up to 100,015 times in 23 days; what is given up goes to the subscription's dead-letter queue.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.call import call_as
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape
from haneul.services.sns.envelopes import Envelopes, iso_time, pretty, signature
from haneul.services.sns.messages import Message
from haneul.services.sns.records import Topic
from haneul.services.sns.subscriptions import Subscription
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.sns.service import Sns

DELIVER, BURY, TELL = "sns:deliver", "sns:bury", "sns:tell"
PRINCIPAL = "sns.amazonaws.com"
# Retries at once, a second apart, with growing pauses from one second to twenty, and twenty seconds apart.
_AT_ONCE, _SHORT, _GROWING, _LONG = 3, 2, 10, 100_000
_PAUSE_MAX = 20 * SECOND
_PASSING = frozenset(("TooManyRequestsException", "ThrottlingException", "RequestThrottled", "ResourceConflictException"))
_NOT_HERE = 501
_log = logging.getLogger("haneul")


def pause_before(retry: int) -> int | None:
    """How long to wait before a retry, the first being 1; None when there are no more."""
    if retry <= _AT_ONCE:
        return 0
    if retry <= _AT_ONCE + _SHORT:
        return SECOND
    step = retry - _AT_ONCE - _SHORT
    if step <= _GROWING:
        return int(SECOND * 20.0 ** ((step - 1) / (_GROWING - 1)))
    return _PAUSE_MAX if step <= _GROWING + _LONG else None


def is_passing(error: ServiceError | AccessDenied) -> bool:
    """Whether the endpoint may take the message another time: it has failed, or has too much to do."""
    if isinstance(error, AccessDenied):
        return False
    return error.code in _PASSING or ((error.status or 400) >= 500 and error.status != _NOT_HERE)


def packed(topic: Topic, message: Message, **more: Any) -> Shape:
    """A message as it lies in the outbox."""
    return {"topic": list(topic.place), "id": topic.id, "message": msgspec.to_builtins(message, builtin_types=(bytes,)), **more}


async def deliver(service: Sns, payload: Shape) -> None:
    """Bring one message to some of its topic's subscriptions, those that there still are."""
    topic, message = service.same_topic(payload), msgspec.convert(payload["message"], Message)
    if topic is None:
        return
    subscribed, envelopes = service.subscribed(topic), Envelopes(service.signer, topic, message)
    going = [subscribed[identity] for identity in payload["to"] if identity in subscribed]
    await asyncio.gather(*(_attempt(service, topic, to, message, envelopes, payload["tries"]) for to in going))


async def _attempt(service: Sns, topic: Topic, to: Subscription, message: Message, envelopes: Envelopes, tries: int) -> None:
    pause = await attempt(service, to, message, envelopes, tries)
    if pause is None:
        return
    again = packed(topic, message, to=[to.id], tries=tries + 1)
    due = service.cloud.clock.now() + pause
    await service.cloud.store.transact(lambda tx: service.cloud.outbox.put(tx, DELIVER, again, due=due))


async def attempt(service: Sns, to: Subscription, message: Message, envelopes: Envelopes, tries: int) -> int | None:
    """Try to deliver; the pause before the next try, or None when the message is delivered or given up."""
    place = to.topic.place
    try:
        await _send(service, to, message, envelopes)
    except (ServiceError, AccessDenied) as error:
        pause = pause_before(tries + 1) if is_passing(error) else None
        if pause is not None:
            return pause
        service.meters.failed(place)
        _log.warning("sns: a message for %s is given up: %s", to.arn, error)
        if to.dead_letters:
            dead = packed(to.topic, message, to=to.id)
            await service.cloud.store.transact(lambda tx: _put(service, tx, BURY, dead))
    else:
        service.meters.delivered(place)
    return None


def _put(service: Sns, tx: Transaction, kind: str, payload: Shape) -> None:
    service.cloud.outbox.put(tx, kind, payload)


async def _send(service: Sns, to: Subscription, message: Message, envelopes: Envelopes) -> None:
    """Hand a message to the endpoint of a subscription, whose policy must let SNS in for the topic."""
    if to.protocol == "lambda":
        params: Shape = {"FunctionName": to.endpoint, "InvocationType": "Event", "Payload": await envelopes.function_event(to)}
        await call_endpoint(service, to.topic, to.endpoint, "lambda:Invoke", params, message.trace)
    else:
        await call_endpoint(service, to.topic, to.endpoint, "sqs:SendMessage", await envelopes.queue_message(to, to.endpoint), message.trace)


async def call_endpoint(service: Sns, topic: Topic, endpoint: str, operation: str, params: Shape, trace: str) -> None:
    """Call the service of an endpoint as SNS does for a topic. Endpoints may lie in other regions, while those can be reached."""
    target = parse_arn(endpoint)
    assert target is not None
    if not service.cloud.links.reach(topic.place.region, target.region):
        raise ServiceError("ServiceUnavailable", f"The region {target.region} cannot be reached from {topic.place.region}.", 503)
    await call_as(
        service.cloud,
        operation,
        params,
        principal=PRINCIPAL,
        source_arn=topic.arn,
        source_account=topic.place.account,
        region=target.region,
        account=target.account,
        trace_header=trace,
    )


async def bury(service: Sns, payload: Shape) -> None:
    """Put a message that is given up into its subscription's dead-letter queue."""
    topic, message = service.same_topic(payload), msgspec.convert(payload["message"], Message)
    to = service.subscribed(topic).get(payload["to"]) if topic is not None else None
    if topic is None or to is None or not to.dead_letters:
        return
    params = await Envelopes(service.signer, topic, message).queue_message(to, to.dead_letters)
    try:
        await call_endpoint(service, topic, to.dead_letters, "sqs:SendMessage", params, message.trace)
    except (ServiceError, AccessDenied) as error:
        if is_passing(error):
            raise
        service.meters.buried(topic.place, well=False)
        _log.warning("sns: a message for %s is lost, its dead-letter queue refuses it: %s", to.arn, error)
    else:
        service.meters.buried(topic.place, well=True)


async def tell(service: Sns, payload: Shape) -> None:
    """Tell an endpoint's owner of a subscription that they may confirm, or take up again. An endpoint that refuses is not told."""
    topic, endpoint = service.same_topic(payload), payload["endpoint"]
    token = service.cloud.vault.unseal(payload["token"], TELL)
    if topic is None or token is None:
        return
    origin: str = payload["origin"]
    link = f"{origin}/?Action=ConfirmSubscription&TopicArn={topic.arn}&Token={token.decode()}"
    fields = {"Type": payload["type"], "MessageId": payload["message_id"], "Token": token.decode(), "TopicArn": topic.arn, "Message": payload["text"]}
    fields |= {"SubscribeURL": link, "Timestamp": iso_time(payload["at"])}
    fields |= await signature(service.signer, topic, fields, origin)
    target = parse_arn(endpoint)
    assert target is not None
    params: Shape = {"QueueUrl": f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}", "MessageBody": pretty(fields)}
    if target.resource.endswith(".fifo"):
        params |= {"MessageGroupId": payload["message_id"], "MessageDeduplicationId": payload["message_id"]}
    try:
        await call_endpoint(service, topic, endpoint, "sqs:SendMessage", params, "")
    except (ServiceError, AccessDenied) as error:
        if is_passing(error):
            raise
        _log.warning("sns: %s is not told of its subscription to %s: %s", endpoint, topic.arn, error)
