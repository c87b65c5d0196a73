"""Speaks JSON, has constraints in its model."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.core.quirks import Quirks
from tests.core.fakes.base import Fake


class Kinesis(Fake):
    name = "kinesis"
    quirks = Quirks(error_namespace="com.amazonaws.kinesis.v20131202", body_bytes_max=2 << 20)


@operation("kinesis:PutRecord", resource=lambda call, request: call.arn(f"stream/{request['StreamName']}"), conditions=lambda call, request: {"kinesis:Key": request["PartitionKey"]})
async def put_record(call: Call, request: Shape) -> Shape:
    await call.service(Kinesis).behave(call, request)
    return {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}


@operation("kinesis:ListStreams")
async def list_streams(call: Call, request: Shape) -> Shape:
    return await call.service(Kinesis).behave(call, request) or {"StreamNames": [], "HasMoreStreams": False}
