"""GetShardIterator."""

from __future__ import annotations

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.iterators import make_iterator
from haneul.services.dynamodbstreams.service import DynamoDbStreams, find_stream, stream_arn

_BY_NUMBER = ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER")


@operation("dynamodbstreams:GetShardIterator", action="dynamodb:GetShardIterator", resource=stream_arn)
async def get_shard_iterator(call: Call, request: Shape) -> Shape:
    """A place in a shard to read from: its beginning, its end, a record, or the first record of a time. (DynamoDB Streams API Reference: "GetShardIterator".)

    Raises TrimmedDataAccessException when the record is no longer kept.
    """
    place, stream = find_stream(call, request["StreamArn"])
    if request["ShardId"] != stream["shard_id"]:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Requested resource not found: Shard: {request['ShardId']} in Stream: {request['StreamArn']} not found",
            400,
        )
    kind, number = request["ShardIteratorType"], request.get("SequenceNumber")
    source = call.service(DynamoDbStreams).source
    if kind != "AT_TIMESTAMP" and "Timestamp" in request:
        raise _invalid(f"Timestamp cannot be specified with ShardIteratorType {kind}")
    if kind in _BY_NUMBER:
        sequence = _number(source.number(number) if number is not None else None, number)
        first, newest, oldest = stream["first_sequence"], source.newest(*place, stream["id"]), source.oldest(*place, stream["id"])
        # Once the shard is empty, its numbers are only known to lie in the past.
        if not first <= sequence <= max(newest if oldest else call.now, first):
            raise _invalid(f"Invalid SequenceNumber provided: {number}")
        if sequence != first and (oldest == 0 or sequence < oldest):
            raise ServiceError("TrimmedDataAccessException", "The requested sequence number is older than the trim horizon of the shard", 400)
        start = sequence + (kind == "AFTER_SEQUENCE_NUMBER")
    elif number is not None:
        raise _invalid(f"SequenceNumber cannot be specified with ShardIteratorType {kind}")
    elif kind == "AT_TIMESTAMP":
        start = source.since(*place, stream["id"], _time(request, call.now))
    elif kind == "LATEST":
        start = source.newest(*place, stream["id"]) + 1
    else:
        start = 0
    return {"ShardIterator": make_iterator(stream["arn"], start, call.now)}


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
