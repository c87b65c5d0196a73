"""Kinesis Data Streams as destinations of changes, as far as the API goes: there is no Kinesis here, so enabling ends as ENABLE_FAILED and says so.

(API Reference: "EnableKinesisStreamingDestination" and its relatives.)
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import limit_exceeded, table_not_found, validation
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import DestinationRecord, TableRecord, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_PARTIAL = "control plane only: enabling ends as ENABLE_FAILED, nothing is delivered"
_WHY = "Haneul has no Kinesis Data Streams: nothing is delivered. Use DynamoDB Streams."
_DESTINATIONS_MAX = 2
_PRECISION = "MILLISECOND"


def _find(reader: Reader, call: Call, request: Shape) -> TableRecord:
    place = call.service(DynamoDb).place(call, request["TableName"])
    raw = reader.get(table_key(*place))
    if raw is None:
        raise table_not_found(place[2])
    return decode(raw, TableRecord)


def _status(known: DestinationRecord, now: int) -> str:
    return "ENABLING" if now < known.changed_at + lifecycle.TRANSITION else "ENABLE_FAILED"


@operation("dynamodb:EnableKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def enable_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Ask for changes to be sent to a Kinesis stream. The status ends as ENABLE_FAILED, with the reason."""
    given = request.get("EnableKinesisStreamingConfiguration") or {}
    precision = given.get("ApproximateCreationDateTimePrecision", _PRECISION)
    stream = request["StreamArn"]

    def work(tx: Transaction) -> None:
        record = _find(tx, call, request)
        known = record.destinations.get(stream)
        if known is not None and _status(known, call.now) == "ENABLING":
            raise validation(
                "Table is not in a valid state to enable Kinesis Streaming Destination: EnableKinesisStreamingDestination must be DISABLED or "
                "ENABLE_FAILED to perform ENABLE operation."
            )
        if known is None and len(record.destinations) >= _DESTINATIONS_MAX:
            raise limit_exceeded(f"Only {_DESTINATIONS_MAX} Kinesis streaming destinations are allowed per table")
        record.destinations[stream] = DestinationRecord(precision, call.now)
        lifecycle.write_record(tx, record)

    await call.cloud.store.transact(work)
    return {
        "TableName": request["TableName"],
        "StreamArn": stream,
        "DestinationStatus": "ENABLING",
        "EnableKinesisStreamingConfiguration": {"ApproximateCreationDateTimePrecision": precision},
    }


@operation("dynamodb:DescribeKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def describe_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """The destinations that were asked for, and what has become of them."""
    record = _find(call.cloud.store, call, request)
    found: list[Shape] = []
    for stream, known in record.destinations.items():
        status = _status(known, call.now)
        one: Shape = {"StreamArn": stream, "DestinationStatus": status, "ApproximateCreationDateTimePrecision": known.precision}
        found.append({**one, "DestinationStatusDescription": _WHY} if status == "ENABLE_FAILED" else one)
    return {"TableName": record.name, "KinesisDataStreamDestinations": found}


@operation("dynamodb:DisableKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def disable_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Only what is ACTIVE can be disabled, and nothing ever is."""
    _find(call.cloud.store, call, request)
    raise validation(
        "Table is not in a valid state to disable Kinesis Streaming Destination: KinesisStreamingDestination must be ACTIVE to perform DISABLE operation."
    )


@operation("dynamodb:UpdateKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def update_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Only what is ACTIVE can be updated, and nothing ever is."""
    _find(call.cloud.store, call, request)
    raise validation(
        "Table is not in a valid state to update Kinesis Streaming Destination: KinesisStreamingDestination must be ACTIVE to perform UPDATE operation."
    )
