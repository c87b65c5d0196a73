"""Kinesis Data Streams as destinations of changes, as far as the API goes: there is no Kinesis here, so enabling ends as ENABLE_FAILED and says so.

Streams that failed stay listed, and only one may be on its way at a time. (API Reference: "EnableKinesisStreamingDestination" and its relatives.)
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import table_not_found, validation
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import DestinationRecord, TableRecord, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_PARTIAL = "control plane only: enabling ends as ENABLE_FAILED, nothing is delivered"
_WHY = "Haneul has no Kinesis Data Streams: nothing is delivered. Use DynamoDB Streams."
_PRECISION = "ApproximateCreationDateTimePrecision"


def _find(reader: Reader, call: Call, request: Shape, *, ready: bool = True) -> TableRecord:
    """The table of a request; one that is still being made is not there yet for who wants to change something (`ready`)."""
    place = call.service(DynamoDb).place(call, request["TableName"])
    raw = reader.get(table_key(*place))
    record = decode(raw, TableRecord) if raw is not None else None
    if record is None or (ready and record.status == "CREATING"):
        raise table_not_found(place[2])
    return record


def _status(known: DestinationRecord, now: int) -> str:
    return "ENABLING" if now < known.changed_at + lifecycle.TRANSITION else "ENABLE_FAILED"


def _wrong_state(why: str) -> ServiceError:
    return validation(f"Table is not in a valid state to enable Kinesis Streaming Destination: {why}")


@operation("dynamodb:EnableKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def enable_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Ask for changes to be sent to a Kinesis stream. The status ends as ENABLE_FAILED, with the reason."""
    given = request.get("EnableKinesisStreamingConfiguration") or {}
    stream = request["StreamArn"]

    def work(tx: Transaction) -> None:
        record = _find(tx, call, request)
        if any(_status(known, call.now) == "ENABLING" for known in record.destinations.values()):
            raise _wrong_state("EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.")
        record.destinations[stream] = DestinationRecord(given.get(_PRECISION, ""), call.now)
        lifecycle.write_record(tx, record)

    await call.cloud.store.transact(work)
    return {"TableName": request["TableName"], "StreamArn": stream, "DestinationStatus": "ENABLING", "EnableKinesisStreamingConfiguration": given}


@operation("dynamodb:DescribeKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def describe_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """The destinations that were asked for, the latest first, and what has become of them."""
    record = _find(call.cloud.store, call, request, ready=False)
    found: list[Shape] = []
    for stream, known in reversed(record.destinations.items()):
        status = _status(known, call.now)
        one: Shape = {"StreamArn": stream, "DestinationStatus": status}
        if known.precision:
            one[_PRECISION] = known.precision
        found.append({**one, "DestinationStatusDescription": _WHY} if status == "ENABLE_FAILED" else one)
    return {"TableName": record.name, "KinesisDataStreamDestinations": found}


@operation("dynamodb:DisableKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def disable_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Only what is ACTIVE can be disabled, and nothing ever is."""
    _find(call.cloud.store, call, request)
    if request.get("EnableKinesisStreamingConfiguration"):
        raise validation("Stream cannot be disabled using EnableKinesisStreamingConfiguration parameters")
    raise _wrong_state("KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.")


@operation("dynamodb:UpdateKinesisStreamingDestination", resource=table_arn, partial=_PARTIAL)
async def update_kinesis_streaming_destination(call: Call, request: Shape) -> Shape:
    """Only what is ACTIVE can be updated, and nothing ever is."""
    record = _find(call.cloud.store, call, request)
    stream = request["StreamArn"]
    if not request.get("UpdateKinesisStreamingConfiguration"):
        raise validation(
            "Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration cannot be null or contain only null values"
        )
    if stream not in record.destinations:
        raise _wrong_state(f"No streaming destination with streamArn: {stream}")
    raise _wrong_state(f"Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. TableName: {record.name}, kdsArn: {stream}")
