"""GetShardIterator."""

from __future__ import annotations

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.iterators import make_iterator
from haneul.services.dynamodbstreams.service import DynamoDbStreams, find_stream, stream_arn, trimmed

_BY_NUMBER = ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER")


@operation("dynamodbstreams:GetShardIterator", action="dynamodb:GetShardIterator", resource=stream_arn)
async def get_shard_iterator(call: Call, request: Shape) -> Shape:
    """A place in a shard to read from: its beginning, its end, a record, or the first record of a time. (DynamoDB Streams API Reference: "GetShardIterator".)

    Raises TrimmedDataAccessException when the record is no longer kept.
    """
    stream = find_stream(call, request["StreamArn"])
    source = call.service(DynamoDbStreams).source
    shard = source.named_shard(stream, request["ShardId"])
    if shard is None:
        raise ServiceError("ResourceNotFoundException", "Requested resource not found: Shard does not exist", 400)
    kind, number = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind != "AT_TIMESTAMP" and "Timestamp" in request:
        raise _invalid(f"Timestamp cannot be specified with ShardIteratorType {kind}")
    first, end, last = shard["first"], shard["end"], shard["last"]
    # Where the next record will be.
    behind = end if last is not None else max(source.newest(stream, shard) + 1, first)
    if kind in _BY_NUMBER:
        sequence = _number(source.number(number) if number is not None else None, number)
        # Once the shard is empty, its numbers are only known to lie in the past.
        newest = last if last is not None else max(source.newest(stream, shard) or call.now, first)
        if not first <= sequence <= newest:
            raise _invalid(f"Invalid SequenceNumber provided: {number}")
        if sequence != first and source.trimmed(sequence):
            raise trimmed()
        start = sequence + (kind == "AFTER_SEQUENCE_NUMBER")
    elif number is not None:
        raise _invalid(f"SequenceNumber cannot be specified with ShardIteratorType {kind}")
    elif kind == "AT_TIMESTAMP":
        found = source.since(stream, shard, _time(request, call.now))
        start = found if found is not None else behind
    elif kind == "LATEST":
        start = behind
    else:
        start = first
    return {"ShardIterator": make_iterator(stream["arn"], shard["lane"], shard["number"], start, call.now)}


def _time(request: Shape, now: int) -> int:
    if "Timestamp" not in request:
        raise _invalid("Timestamp is required for ShardIteratorType AT_TIMESTAMP")
    wanted = int(request["Timestamp"])
    if wanted - now > MILLISECOND:  # Times come as numbers with a point, which are not exact to the nanosecond.
        raise _invalid("The Timestamp cannot be in the future")
    return wanted


def _number(found: int | None, text: str | None) -> int:
    if text is None:
        raise _invalid("SequenceNumber is required for ShardIteratorType AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER")
    if found is None or found < 0:
        raise _invalid(f"Invalid SequenceNumber provided: {text}")
    return found


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)
