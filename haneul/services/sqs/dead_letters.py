"""Which queue is whose dead-letter queue: kept with the queues, and ListDeadLetterSourceQueues."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.sqs import errors
from haneul.services.sqs.attributes import allows_source
from haneul.services.sqs.queues import SOURCES, Place, QueueRecord, queue_arn, queue_url, read_redrive
from haneul.services.sqs.service import Sqs
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

LISTED_MAX = 1_000


def point_to_grave(tx: Transaction, place: Place, before: str, after: str) -> None:
    """Keep the list of sources right when a queue's redrive policy changes from `before` to `after` (texts, empty for none).

    The dead-letter queue must exist in the same account and region, be of the same kind and allow it (SQS Developer Guide, "Using
    dead-letter queues").
    """
    old, new = read_redrive(before), read_redrive(after)
    if old is not None and (new is None or new.target != old.target):
        tx.delete(_source_key(old.target, place))
    if new is None:
        return
    target = new.target
    row = tx.get(target.key) if (target.account, target.region) == (place.account, place.region) else None
    if row is None:
        raise errors.invalid_value(after, "RedrivePolicy", "Dead letter target does not exist.")
    if target == place or target.name.endswith(".fifo") != place.name.endswith(".fifo"):
        raise errors.invalid_value(after, "RedrivePolicy", "Dead-letter queue must be same type of queue as the source.")
    if not allows_source(decode(row, QueueRecord).attributes, place):
        raise errors.invalid_value(after, "RedrivePolicy", "Source queue does not have permission to use the dead-letter queue.")
    tx.put(_source_key(target, place), b"")


def _source_key(target: Place, source: Place) -> bytes:
    return pack((SOURCES, *target, source.name))


def has_sources(reader: Reader, place: Place) -> bool:
    """Whether any queue names this one as its dead-letter queue."""
    return bool(reader.range(*prefix_range(pack((SOURCES, *place))), 1))


def sources(reader: Reader, place: Place, limit: int, begin: str = "") -> list[Place]:
    """The queues that name this one as their dead-letter queue, by name, from `begin` on."""
    prefix = pack((SOURCES, *place))
    rows = reader.range(prefix + pack((begin,)), prefix_range(prefix)[1], limit)
    return [Place(place.account, place.region, str(unpack(key)[4])) for key, _ in rows]


def page_of(request: Shape) -> tuple[int, str]:
    """Page size and the name to begin with. Without MaxResults there is one page of up to 1,000 and no token."""
    size = request.get("MaxResults")
    if size is not None and not 1 <= size <= LISTED_MAX:
        raise errors.invalid_value(size, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
    token = request.get("NextToken")
    if not token:
        return size or LISTED_MAX, ""
    position = read_token(token)
    try:
        if position is None or size is None:
            raise ValueError(token)
        return size, position.decode()
    except ValueError:
        raise errors.invalid("Invalid or expired next token.") from None


def next_token(name: str) -> str:
    """The token of the page that begins with this name."""
    return make_token(name.encode())


@operation("sqs:ListDeadLetterSourceQueues", action="sqs:listdeadlettersourcequeues", resource=queue_arn)
async def list_dead_letter_source_queues(call: Call, request: Shape) -> Shape:
    """The URLs of the queues whose dead-letter queue this is."""
    queue = call.service(Sqs).queue_of(call, request)
    size, begin = page_of(request)
    found = sources(call.cloud.store, queue.place, size + 1, begin)
    result: Shape = {"queueUrls": [queue_url(call, place) for place in found[:size]]}
    if len(found) > size and "MaxResults" in request:
        result["NextToken"] = next_token(found[size].name)
    return result
