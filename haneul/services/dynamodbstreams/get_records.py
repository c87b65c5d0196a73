"""GetRecords."""

from __future__ import annotations

from haneul.clock import Clock
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.iterators import ITERATOR_LIFE, make_iterator, no_iterator, read_iterator
from haneul.services.dynamodbstreams.service import DynamoDbStreams, find_stream, place_of, trimmed

RECORDS_MAX = 1000
BYTES_MAX = 1024 * 1024
_READER_DIGITS = 15


def _iterated_arn(call: Call, request: Shape) -> str:
    return read_iterator(request["ShardIterator"]).arn


@operation("dynamodbstreams:GetRecords", action="dynamodb:GetRecords", resource=_iterated_arn)
async def get_records(call: Call, request: Shape) -> Shape:
    """Records from an iterator on, up to 1,000 or 1 MB, and the iterator behind them (none at the end of a closed shard).

    Raises ExpiredIteratorException 15 minutes after the iterator was made, TrimmedDataAccessException when a record was trimmed meanwhile that it would have come to,
    LimitExceededException for a third reader at the same time. (DynamoDB Streams API Reference: "GetRecords".)
    """
    started = Clock.machine_now()
    iterator = read_iterator(request["ShardIterator"])
    limit = request.get("Limit", RECORDS_MAX)
    if limit > RECORDS_MAX:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {RECORDS_MAX}",
            400,
        )
    stream = find_stream(call, iterator.arn)
    if call.now > iterator.made_at + ITERATOR_LIFE:
        raise ServiceError("ExpiredIteratorException", "Shard iterator has expired", 400)
    service = call.service(DynamoDbStreams)
    source = service.source
    shard = source.shard(stream, iterator.lane, iterator.shard)
    if shard is None and source.trimmed(iterator.sequence):
        raise trimmed()
    if shard is None or not shard["first"] <= iterator.sequence <= shard["end"]:
        raise no_iterator()
    if source.lost(stream, shard, iterator.sequence, iterator.made_at):
        raise trimmed()
    if iterator.reader:
        service.readers.let_in(shard["id"], iterator.reader, call.now, refusable=call.http is not None)
    found = source.records(stream, shard, iterator.sequence, limit, BYTES_MAX)
    following = found[-1][0] + 1 if found else iterator.sequence
    answer: Shape = {"Records": [source.parsed(body) for _, _, body in found]}
    closed = shard["last"] is not None
    if not closed or len(found) == limit or not await source.ended(stream, shard, following):
        reader = iterator.reader
        if not reader:
            reader = int(call.cloud.ids.hex(_READER_DIGITS), 16) + 1
            service.readers.begin(shard["id"], reader, call.now)
        answer["NextShardIterator"] = make_iterator(stream["arn"], iterator.lane, iterator.shard, following, call.now, reader)
    if call.http is not None:  # Reads for triggers of Lambda, which come from inside, are free.
        source.count_read(*place_of(call, iterator.arn)[:3])
    _report(call, iterator.arn, [len(body) for _, _, body in found], started)
    return answer


def _report(call: Call, arn: str, sizes: list[int], started: int) -> None:
    """Tell CloudWatch what was returned, and how long it took (DynamoDB Developer Guide: "DynamoDB metrics")."""
    account, region, table, label = place_of(call, arn)
    dimensions = (("Operation", "GetRecords"), ("StreamLabel", label), ("TableName", table))
    values: tuple[tuple[str, float, str], ...] = (("SuccessfulRequestLatency", (Clock.machine_now() - started) // 10_000 / 100, "Milliseconds"),)
    if sizes:
        values += (("ReturnedBytes", float(sum(sizes)), "Bytes"), ("ReturnedRecordsCount", float(len(sizes)), "Count"))
    for name, value, unit in values:
        call.cloud.metrics.add(account, region, "AWS/DynamoDB", name, dimensions, value, unit)
