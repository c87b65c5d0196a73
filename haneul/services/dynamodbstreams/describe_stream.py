"""DescribeStream."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.service import DynamoDbStreams, StreamSource, find_stream, stream_arn

PAGE_MAX = 100
# Of a stream, in a second.
_RATE = 10


@operation("dynamodbstreams:DescribeStream", action="dynamodb:DescribeStream", resource=stream_arn)
async def describe_stream(call: Call, request: Shape) -> Shape:
    """A stream's state and its shards, parents before their children, at most 100 at once; asked more than ten times a second, ThrottlingException.

    (DynamoDB Streams API Reference: "DescribeStream".)
    """
    stream = find_stream(call, request["StreamArn"])
    service = call.service(DynamoDbStreams)
    service.rates.check(call, _RATE, stream["arn"])
    source = service.source
    limit = min(request.get("Limit", PAGE_MAX), PAGE_MAX)
    shards = source.shards(stream, request.get("ExclusiveStartShardId", ""), request.get("ShardFilter", {}).get("ShardId"), limit + 1)
    more = {"LastEvaluatedShardId": shards[limit - 1]["id"]} if len(shards) > limit else {}
    names = stream["key"]
    return {
        "StreamDescription": {
            "StreamArn": stream["arn"],
            "StreamLabel": stream["label"],
            "StreamStatus": stream["status"],
            "StreamViewType": stream["view_type"],
            "CreationRequestDateTime": stream["created_at"],
            "TableName": stream["table"],
            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))],
            "Shards": [_described(source, one) for one in shards[:limit]],
            **more,
        }
    }


def _described(source: StreamSource, shard: Shape) -> Shape:
    span = {"StartingSequenceNumber": source.text(shard["first"])}
    if shard["last"] is not None:
        span["EndingSequenceNumber"] = source.text(shard["last"])
    parent = {"ParentShardId": shard["parent"]} if shard["parent"] is not None else {}
    return {"ShardId": shard["id"], "SequenceNumberRange": span, **parent}
