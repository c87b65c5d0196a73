"""Events as functions get them from queues and streams, and what their answers say of single items.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Using AWS Lambda with Amazon DynamoDB".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson

from haneul.clock import SECOND

_ATTRIBUTE_NAMES = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}
_IDENTITY_NAMES = {"Type": "type", "PrincipalId": "principalId"}


def sqs_record(message: dict[str, Any], queue_arn: str, region: str) -> dict[str, Any]:
    """One message, as ReceiveMessage gave it, as a record."""
    attributes: dict[str, Any] = {}
    for name, value in message.get("MessageAttributes", {}).items():
        shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
        for member, key in _ATTRIBUTE_NAMES.items():
            if member in value:
                shown[key] = b64encode(value[member]).decode() if isinstance(value[member], bytes) else value[member]
        attributes[name] = shown
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def stream_record(record: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    """One record, as GetRecords gave it (boto3-style), as functions see it: the time in seconds, `userIdentity` with keys in lower case
    (which GetRecords writes as PrincipalId and Type)."""
    change = dict(record["dynamodb"])
    made = change.get("ApproximateCreationDateTime")
    if isinstance(made, int):
        change["ApproximateCreationDateTime"] = made // SECOND
    shown = {**record, "dynamodb": change, "eventSourceARN": stream_arn}
    identity = record.get("userIdentity")
    if identity:
        shown["userIdentity"] = {_IDENTITY_NAMES.get(name, name): value for name, value in identity.items()}
    return shown


def arrival_time(record: dict[str, Any]) -> int:
    """When a stream record was written, in nanoseconds."""
    made = record["dynamodb"].get("ApproximateCreationDateTime", 0)
    return made if isinstance(made, int) else 0


def encode_event(records: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
    """The event of a batch; `more` are members beside the records."""
    return orjson.dumps({"Records": records, **(more or {})}, default=_base64)


def _base64(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in an event")


def failed_items(payload: bytes, known: list[str]) -> set[str] | None:
    """The items that a function reports as failed (ReportBatchItemFailures); None when the answer makes the whole batch a failure."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if answer is None or answer == {}:
        return set()
    if not isinstance(answer, dict):
        return None
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return set()
    if not isinstance(failures, list):
        return None
    found: set[str] = set()
    for one in failures:
        name = one.get("itemIdentifier") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name or name not in known:
            return None
        found.add(name)
    return found
