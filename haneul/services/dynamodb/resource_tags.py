"""TagResource, UntagResource and ListTagsOfResource."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import resource_arn
from haneul.services.dynamodb.definitions import check_tag_key, check_tags
from haneul.services.dynamodb.errors import in_use, validation
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_PAGE = 10


def tagged_record(reader: Reader, call: Call, arn: str) -> TableRecord:
    """The table that an ARN names."""
    found = parse_arn(arn)
    kind, _, name = found.resource.partition("/") if found is not None else ("", "", "")
    if found is None or found.service != "dynamodb" or kind != "table" or len(name) < 3 or "/" in name:
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    raw = reader.get(table_key(found.account, found.region, name)) if found.region == call.region else None
    if raw is None:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found", 400)
    return decode(raw, TableRecord)


async def change_record(call: Call, arn: str, change: Callable[[TableRecord], None]) -> None:
    """Change the record of the table that an ARN names."""

    def work(tx: Transaction) -> None:
        record = tagged_record(tx, call, arn)
        change(record)
        lifecycle.write_record(tx, record)

    await call.cloud.store.transact(work)


@operation("dynamodb:TagResource", resource=resource_arn)
async def tag_resource(call: Call, request: Shape) -> Shape:
    """Add tags to a table, at most 50 in all. (API Reference: "TagResource".)"""
    if not request["Tags"]:
        raise validation("Atleast one Tag needs to be provided as Input.")

    def change(record: TableRecord) -> None:
        if record.status in ("CREATING", "DELETING"):
            doing = "created" if record.status == "CREATING" else "deleted"
            raise in_use(f"Attempt to change a resource which is still in use: Table is being {doing}: {record.name}")
        record.tags = check_tags(request["Tags"], record.tags)

    await change_record(call, request["ResourceArn"], change)
    return {}


@operation("dynamodb:UntagResource", resource=resource_arn)
async def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove tags of a table. (API Reference: "UntagResource".)"""
    if not request["TagKeys"]:
        raise validation("Atleast one Tag Key needs to be provided as Input.")
    for key in request["TagKeys"]:
        check_tag_key(key)
    gone = set(request["TagKeys"])

    def change(record: TableRecord) -> None:
        record.tags = {key: value for key, value in record.tags.items() if key not in gone}

    await change_record(call, request["ResourceArn"], change)
    return {}


@operation("dynamodb:ListTagsOfResource", resource=resource_arn)
async def list_tags_of_resource(call: Call, request: Shape) -> Shape:
    """A table's tags, ten at once. (API Reference: "ListTagsOfResource".)"""
    record = tagged_record(call.cloud.store, call, request["ResourceArn"])
    tags = sorted(record.tags.items())
    token = request.get("NextToken")
    if token is not None:
        position = read_token(token)
        if position is None:
            raise validation("Invalid NextToken")
        tags = [tag for tag in tags if tag[0] > position.decode(errors="replace")]
    answer: Shape = {"Tags": [{"Key": key, "Value": value} for key, value in tags[:_PAGE]]}
    if len(tags) > _PAGE:
        answer["NextToken"] = make_token(tags[_PAGE - 1][0].encode())
    return answer
