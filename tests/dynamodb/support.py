"""Tables and errors, briefly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import Running

ONE_PARTITION = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 400, "WriteCapacityUnits": 400}}
"""What makes a table of a single partition, whose stream has a single open shard."""
_numbers = itertools.count(1000)


def make_table(cloud: Running, hash_type: str = "S", range_type: str | None = None, *, more: dict[str, str] | None = None, **parameters: Any) -> str:
    """An ACTIVE table with key `pk` (and `sk`); `more` are further attribute definitions. Returns its name."""
    name = f"table-{next(_numbers)}"
    attributes = {"pk": hash_type, **({"sk": range_type} if range_type else {}), **(more or {})}
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}]
    if range_type:
        keys.append({"AttributeName": "sk", "KeyType": "RANGE"})
    parameters.setdefault("BillingMode", "PAY_PER_REQUEST")
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": kind} for attribute, kind in attributes.items()],
        **parameters,
    )
    cloud.advance("1s")
    return name


def index(name: str, hash_name: str, range_name: str | None = None, projection: str = "ALL", included: list[str] | None = None) -> dict[str, Any]:
    """A secondary index for CreateTable."""
    keys = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    if range_name:
        keys.append({"AttributeName": range_name, "KeyType": "RANGE"})
    shown: dict[str, Any] = {"ProjectionType": projection}
    if included:
        shown["NonKeyAttributes"] = included
    return {"IndexName": name, "KeySchema": keys, "Projection": shown}


def shards_of(streams: Any, arn: str) -> list[dict[str, Any]]:
    """All shards of a stream, parents before their children."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    while True:
        described = streams.describe_stream(StreamArn=arn, **page)["StreamDescription"]
        found += described["Shards"]
        if "LastEvaluatedShardId" not in described:
            return found
        page = {"ExclusiveStartShardId": described["LastEvaluatedShardId"]}


def records_by_shard(streams: Any, arn: str, kind: str = "TRIM_HORIZON") -> dict[str, list[dict[str, Any]]]:
    """What each shard holds, read as consumers do: parents before their children, a closed shard to its end, an open one as far as it is."""
    found: dict[str, list[dict[str, Any]]] = {}
    for shard in shards_of(streams, arn):
        records = found[shard["ShardId"]] = []
        following = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind)["ShardIterator"]
        while following:
            page = streams.get_records(ShardIterator=following)
            records += page["Records"]
            following = page.get("NextShardIterator") if page["Records"] else None
    return found


def stream_records(streams: Any, arn: str) -> list[dict[str, Any]]:
    """The records of all shards, in the order of their sequence numbers."""
    found = [one for records in records_by_shard(streams, arn).values() for one in records]
    return sorted(found, key=lambda one: int(one["dynamodb"]["SequenceNumber"]))


def failure(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def invalid(call: Callable[..., Any], **parameters: Any) -> str:
    """The message of the ValidationException that a call must end in."""
    code, message = failure(call, **parameters)
    assert code == "ValidationException", (code, message)
    return message


def s(text: str) -> dict[str, str]:
    return {"S": text}


def n(number: float | str) -> dict[str, str]:
    return {"N": str(number)}
