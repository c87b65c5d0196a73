"""DescribeStream."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.service import DynamoDbStreams, find_stream, stream_arn


@operation("dynamodbstreams:DescribeStream", action="dynamodb:DescribeStream", resource=stream_arn)
async def describe_stream(call: Call, request: Shape) -> Shape:
    """A stream's state and its shard. (DynamoDB Streams API Reference: "DescribeStream".)"""
    _, stream = find_stream(call, request["StreamArn"])
    text = call.service(DynamoDbStreams).source.text
    span = {"StartingSequenceNumber": text(stream["first_sequence"])}
    if not stream["enabled"]:
        span["EndingSequenceNumber"] = text(stream["last_sequence"])
    shards = [{"ShardId": stream["shard_id"], "SequenceNumberRange": span}]
    # A stream is one shard: behind it, and below it, there is none.
    start = request.get("ExclusiveStartShardId")
    if "ShardFilter" in request or (start is not None and start >= stream["shard_id"]):
        shards = []
    names = stream["key"]
    return {
        "StreamDescription": {
            "StreamArn": stream["arn"],
            "StreamLabel": stream["label"],
            "StreamStatus": "ENABLED" if stream["enabled"] else "DISABLED",
            "StreamViewType": stream["view_type"],
            "CreationRequestDateTime": stream["created_at"],
            "TableName": stream["table"],
            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))],
            "Shards": shards,
        }
    }
