"""TagResource, UntagResource and ListTagsOfResource, for tables and for streams, which have tags of their own.

A change of tags is under way for a moment, in which the next one has to wait, and a table does not go. What changes nothing is always taken.
"""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import resource_arn, table_or_stream
from haneul.services.dynamodb.definitions import check_tag_count, check_tag_key, check_tags
from haneul.services.dynamodb.errors import limit_exceeded, still_in_use, validation
from haneul.services.dynamodb.streams import StreamRecord, stream_key
from haneul.services.dynamodb.tables import TableRecord, Tagging, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode


def _find(reader: Reader, call: Call, arn: str) -> tuple[bytes, TableRecord | StreamRecord]:
    """The table or stream that an ARN names, and where its record lies. A table that is being made is not known here yet."""
    found, parts = table_or_stream(arn)
    if found.partition != "aws" or found.region != call.region:
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    key = stream_key(found.account, found.region, parts[1], parts[3]) if len(parts) == 4 else table_key(found.account, found.region, parts[1])
    raw = reader.get(key)
    record: TableRecord | StreamRecord | None = None
    if raw is not None:
        record = decode(raw, StreamRecord) if len(parts) == 4 else decode(raw, TableRecord)
    if record is None or (isinstance(record, TableRecord) and record.status == "CREATING"):
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: ResourceArn: {arn} not found", 400)
    return key, record


def being_tagged(record: TableRecord | StreamRecord, now: int) -> bool:
    """Whether a change of tags is under way."""
    return record.tagging.changed_at > 0 and now < record.tagging.changed_at + lifecycle.TRANSITION


async def _change(call: Call, arn: str, change: Callable[[dict[str, str]], dict[str, str]], put: dict[str, str]) -> None:
    """Change the tags of what an ARN names. `put` are those that the request sets: while some are being set, a request that sets them, too, need not wait."""

    def work(tx: Transaction) -> None:
        key, record = _find(tx, call, arn)
        name = record.name if isinstance(record, TableRecord) else record.label
        under_way = record.tagging.put
        if being_tagged(record, call.now) and not (under_way and under_way.items() <= put.items()):
            raise limit_exceeded(f"Subscriber limit exceeded: Table tags are being updated: {name}")
        changed = change(record.tags)
        if changed == record.tags:
            return
        if isinstance(record, TableRecord) and record.status == "DELETING":
            raise still_in_use(f"Table is being deleted: {name}")
        record.tags, record.tagging = changed, Tagging(call.now, put)
        tx.put(key, encode(record))

    await call.cloud.store.transact(work)


@operation("dynamodb:TagResource", resource=resource_arn)
async def tag_resource(call: Call, request: Shape) -> Shape:
    """Add tags to a table or stream, at most 50 in all. (API Reference: "TagResource".)

    Raises LimitExceededException while other tags are being changed.
    """
    tags = request["Tags"]
    if not tags:
        raise validation("Atleast one Tag needs to be provided as Input.")
    await _change(call, request["ResourceArn"], lambda known: check_tags(tags, known), check_tags(tags))
    return {}


@operation("dynamodb:UntagResource", resource=resource_arn)
async def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove tags of a table or stream; it is no error when they are not there. (API Reference: "UntagResource".)

    Raises LimitExceededException while tags are being changed.
    """
    if not request["TagKeys"]:
        raise validation("Atleast one Tag Key needs to be provided as Input.")
    gone = {check_tag_key(key) for key in request["TagKeys"]}
    check_tag_count(len(request["TagKeys"]))
    await _change(call, request["ResourceArn"], lambda known: {key: value for key, value in known.items() if key not in gone}, {})
    return {}


@operation("dynamodb:ListTagsOfResource", resource=resource_arn)
async def list_tags_of_resource(call: Call, request: Shape) -> Shape:
    """All tags of a table or stream: there are never so many that they came in pages, and a token, whatever it is, changes nothing.

    (API Reference: "ListTagsOfResource".)
    """
    _, record = _find(call.cloud.store, call, request["ResourceArn"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(record.tags.items())]}
