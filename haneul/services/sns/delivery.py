"""Carrying messages to subscriptions, from the outbox."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from haneul.core.arn import parse_arn
from haneul.core.call import call_as
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape
from haneul.services.sns.envelopes import function_event, queue_message
from haneul.services.sns.messages import Message
from haneul.services.sns.records import Place
from haneul.services.sns.subscriptions import Subscription

if TYPE_CHECKING:
    from haneul.services.sns.service import Sns

DELIVER = "sns:deliver"
PRINCIPAL = "sns.amazonaws.com"
_log = logging.getLogger("haneul")


async def deliver(service: Sns, payload: Shape) -> None:
    """Bring one message to some of its topic's subscriptions."""
    place, message = Place(*payload["topic"]), msgspec.convert(payload["message"], Message)
    subscribed = service.subscribed(place)
    going = [subscribed[identity] for identity in payload["to"] if identity in subscribed]
    await asyncio.gather(*(_attempt(service, one, message) for one in going))


async def _attempt(service: Sns, to: Subscription, message: Message) -> None:
    try:
        await send(service, to, message)
    except (ServiceError, AccessDenied) as error:
        _log.warning("sns: a message for %s is given up: %s", to.arn, error)


async def send(service: Sns, to: Subscription, message: Message) -> None:
    """Hand a message to the endpoint of a subscription, whose policy must let SNS in for the topic."""
    target = parse_arn(to.endpoint)
    assert target is not None
    if to.protocol == "lambda":
        operation, params = "lambda:Invoke", {"FunctionName": to.endpoint, "InvocationType": "Event", "Payload": function_event(to, message)}
    else:
        operation, params = "sqs:SendMessage", queue_message(to, message)
    await call_as(
        service.cloud,
        operation,
        params,
        principal=PRINCIPAL,
        source_arn=to.place.arn,
        source_account=to.place.account,
        region=target.region,
        account=target.account,
        trace_header=message.trace,
    )
