"""ListStreams."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodbstreams.service import DynamoDbStreams, place_of

PAGE_MAX = 100
# Of an account in a region, in a second.
_RATE = 5


def _streams_arn(call: Call, request: Shape) -> str:
    return f"arn:aws:dynamodb:{call.region}:{call.account}:table/{request.get('TableName', '*')}/stream/*"


@operation("dynamodbstreams:ListStreams", action="dynamodb:ListStreams", resource=_streams_arn)
async def list_streams(call: Call, request: Shape) -> Shape:
    """Streams of a table or of all, at most 100 at once; asked more than five times a second, ThrottlingException. (DynamoDB Streams API Reference: "ListStreams".)"""
    limit = min(request.get("Limit", PAGE_MAX), PAGE_MAX)
    first = request.get("ExclusiveStartStreamArn")
    after = place_of(call, first)[2:] if first is not None else None
    service = call.service(DynamoDbStreams)
    service.rates.check(call, _RATE)
    source = service.source
    found = source.page(call.account, call.region, request.get("TableName"), after, limit + 1)
    shown = found[:limit]
    answer: Shape = {"Streams": [{"StreamArn": one["arn"], "TableName": one["table"], "StreamLabel": one["label"]} for one in shown]}
    if len(found) > limit:
        answer["LastEvaluatedStreamArn"] = shown[-1]["arn"]
    return answer
