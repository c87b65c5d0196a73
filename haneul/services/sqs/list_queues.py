"""ListQueues and GetQueueUrl."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sqs import errors
from haneul.services.sqs.dead_letters import next_token, page_of
from haneul.services.sqs.queues import QUEUES, Place, queue_url
from haneul.services.sqs.service import Sqs
from haneul.store.keys import pack, prefix_range, unpack


@operation("sqs:ListQueues", action="sqs:listqueues", resource=lambda call, request: call.arn(""))
async def list_queues(call: Call, request: Shape) -> Shape:
    """The account's queues in this region by name, at most 1,000 at a time; a NextToken is given only to who sets MaxResults."""
    size, begin = page_of(request)
    prefix = request.get("QueueNamePrefix") or ""
    # A text ends with a zero byte in a key, so a prefix of the name is a prefix of the key without that byte.
    first, end = prefix_range(pack((QUEUES, call.account, call.region, prefix))[:-1])
    if begin:
        first = max(first, pack((QUEUES, call.account, call.region, begin)))
    rows = call.cloud.store.range(first, end, size + 1)
    places = [Place(call.account, call.region, str(unpack(key)[3])) for key, _ in rows]
    result: Shape = {}
    if places:
        result["QueueUrls"] = [queue_url(call, place) for place in places[:size]]
    if len(places) > size and "MaxResults" in request:
        result["NextToken"] = next_token(places[size].name)
    return result


def _named_place(call: Call, request: Shape) -> Place:
    name = request.get("QueueName")
    if not name:
        raise errors.missing("QueueName")
    return Place(request.get("QueueOwnerAWSAccountId") or call.account, call.region, name)


def _named_arn(call: Call, request: Shape) -> str:
    return _named_place(call, request).arn


@operation("sqs:GetQueueUrl", action="sqs:getqueueurl", resource=_named_arn)
async def get_queue_url(call: Call, request: Shape) -> Shape:
    """The URL of a queue by its name, of another account where its policy allows."""
    place = _named_place(call, request)
    if call.service(Sqs).find(place) is None:
        raise errors.queue_missing(call)
    return {"QueueUrl": queue_url(call, place)}
