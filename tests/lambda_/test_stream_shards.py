"""Event sources of streams with several shards: each is followed by itself."""

from __future__ import annotations

from typing import Any

from tests.lambda_.build import function
from tests.support.running import Running

# Fails for one item, and shows the others in a table.
SHOW = """
import boto3, os
table = boto3.resource("dynamodb").Table("seen")
def handler(event, context):
    keys = [one["dynamodb"]["Keys"]["id"]["S"] for one in event["Records"]]
    if "bad" in keys:
        raise ValueError("bad")
    for one in event["Records"]:
        table.put_item(Item={"id": one["dynamodb"]["SequenceNumber"], "of": one["dynamodb"]["Keys"]["id"]["S"]})
"""
KEY = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "BillingMode": "PAY_PER_REQUEST"}


def _followed(cloud: Running, **settings: Any) -> str:
    """A table on demand, whose stream a function follows; the stream's ARN."""
    db = cloud.client("dynamodb")
    db.create_table(TableName="seen", **KEY)
    made = db.create_table(TableName="items", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}, **KEY)
    cloud.advance("10s")
    function(cloud, "show", SHOW, Timeout=20, MemorySize=512)
    arn = str(made["TableDescription"]["LatestStreamArn"])
    cloud.client("lambda").create_event_source_mapping(FunctionName="show", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", **settings)
    return arn


def _put(cloud: Running, *ids: str) -> None:
    for one in ids:
        cloud.client("dynamodb").put_item(TableName="items", Item={"id": {"S": one}})
    cloud.settle()


def _shards(cloud: Running, arn: str) -> dict[str, set[str]]:
    """The items in each shard."""
    streams, found = cloud.client("dynamodbstreams"), {}
    for one in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=one["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found[one["ShardId"]] = {record["dynamodb"]["Keys"]["id"]["S"] for record in streams.get_records(ShardIterator=iterator)["Records"]}
    return found


def _seen(cloud: Running) -> list[str]:
    """What was shown, in the order of the sequence numbers."""
    cloud.settle()
    found = cloud.client("dynamodb").scan(TableName="seen")["Items"]
    return [one["of"]["S"] for one in sorted(found, key=lambda one: int(one["id"]["S"]))]


def test_a_record_that_fails_holds_up_its_own_shard_only(fresh_cloud: Running) -> None:
    """What is tried again and again blocks what comes after it in its shard, and nothing else."""
    cloud = fresh_cloud
    arn = _followed(cloud, BatchSize=1)
    _put(cloud, "bad")
    keys = [f"key {number}" for number in range(20)]
    _put(cloud, *keys)
    [blocked] = [held for held in _shards(cloud, arn).values() if "bad" in held]
    assert 0 < len(blocked - {"bad"}) < 20
    assert _seen(cloud) == [key for key in keys if key not in blocked]


def test_children_come_after_their_parents(fresh_cloud: Running) -> None:
    """When shards split while one is held up, its children wait until it is through; then each item's records have come in order."""
    cloud = fresh_cloud
    arn = _followed(cloud, BatchSize=1, MaximumRetryAttempts=6)
    keys = [f"key {number}" for number in range(20)]
    _put(cloud, "bad", *keys)
    [blocked] = [held for held in _shards(cloud, arn).values() if "bad" in held]
    cloud.client("dynamodb").update_table(TableName="items", WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 8_000})
    cloud.advance("1s")
    _put(cloud, "last")
    assert len(_shards(cloud, arn)) == 12
    for key in keys:
        cloud.client("dynamodb").delete_item(TableName="items", Key={"id": {"S": key}})
    cloud.settle()
    free = [key for key in keys if key not in blocked]
    assert [key for key in _seen(cloud) if key != "last"] == 2 * free
    cloud.advance("5m")  # Its retries end.
    assert [key for key in _seen(cloud) if key != "last"] == 2 * keys and "last" in _seen(cloud)


def test_a_restart_goes_on_in_every_shard(fresh_cloud: Running) -> None:
    """Because each shard has its checkpoint: nothing is left out, and nothing comes again."""
    cloud = fresh_cloud
    _followed(cloud)
    keys = [f"key {number}" for number in range(12)]
    _put(cloud, *keys)
    assert _seen(cloud) == keys
    for item in cloud.client("dynamodb").scan(TableName="seen")["Items"]:
        cloud.client("dynamodb").delete_item(TableName="seen", Key={"id": item["id"]})
    cloud.stop()
    cloud.start()
    _put(cloud, *[f"later {number}" for number in range(12)])
    assert _seen(cloud) == [f"later {number}" for number in range(12)]
