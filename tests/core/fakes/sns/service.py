"""Speaks the query protocol; its topics have resource policies."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.core.quirks import Quirks
from tests.core.fakes.base import Fake


class Sns(Fake):
    name = "sns"
    quirks = Quirks(access_denied="AuthorizationError", access_denied_status=403)


@operation("sns:Publish", resource=lambda call, request: str(request["TopicArn"]))
async def publish(call: Call, request: Shape) -> Shape:
    await call.service(Sns).behave(call, request)
    return {"MessageId": call.request_id}


@operation("sns:ListTopics")
async def list_topics(call: Call, request: Shape) -> Shape:
    return await call.service(Sns).behave(call, request) or {"Topics": []}
