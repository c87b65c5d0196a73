"""Event sources of streams with several shards: each is followed by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.store.keys import pack, prefix_range
from tests.dynamodb.support import records_by_shard
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
    found = records_by_shard(cloud.client("dynamodbstreams"), arn)
    return {shard: {record["dynamodb"]["Keys"]["id"]["S"] for record in records} for shard, records in found.items()}


def _seen(cloud: Running) -> list[str]:
    """What was shown, in the order of the sequence numbers."""
    cloud.settle()
    found = cloud.client("dynamodb").scan(TableName="seen")["Items"]
    return [one["of"]["S"] for one in sorted(found, key=lambda one: int(one["id"]["S"]))]


def _last_result(cloud: Running) -> str:
    [mapping] = cloud.client("lambda").list_event_source_mappings(FunctionName="show")["EventSourceMappings"]
    return str(mapping["LastProcessingResult"])


def test_a_record_that_fails_holds_up_its_own_shard_only(fresh_cloud: Running) -> None:
    """What is tried again and again blocks what comes after it in its shard, and nothing else. The mapping shows what came last, of whatever shard."""
    cloud = fresh_cloud
    arn = _followed(cloud, BatchSize=1)
    _put(cloud, "bad")
    keys = [f"key {number}" for number in range(20)]
    _put(cloud, *keys)
    [blocked] = [held for held in _shards(cloud, arn).values() if "bad" in held]
    assert 0 < len(blocked - {"bad"}) < 20
    free = [key for key in keys if key not in blocked]
    assert _seen(cloud) == free and _last_result(cloud) == "OK"
    cloud.advance("5s")  # It is tried again.
    assert _last_result(cloud) == "PROBLEM: Function call failed"
    cloud.client("dynamodb").delete_item(TableName="items", Key={"id": {"S": free[0]}})
    assert _seen(cloud) == [*free, free[0]] and _last_result(cloud) == "OK"


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


# Switches its own event source off and on again while it has a record that asks for it, or takes it away.
SWITCH = """
import boto3, json, os
def handler(event, context):
    keys = [one["dynamodb"]["Keys"]["id"]["S"] for one in event["Records"]]
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(keys))
    client = boto3.client("lambda")
    for one in client.list_event_source_mappings(FunctionName=context.function_name)["EventSourceMappings"]:
        if "switch" in keys:
            for enabled in (False, True):
                client.update_event_source_mapping(UUID=one["UUID"], Enabled=enabled)
        if "delete" in keys:
            client.delete_event_source_mapping(UUID=one["UUID"])
"""


@pytest.mark.parametrize("lanes", [1, 3])
def test_an_event_source_that_changes_while_its_function_runs(fresh_cloud: Running, lanes: int) -> None:
    """The invocation under way counts, and is waited for: nothing comes twice, and no two are at one shard. One that was deleted leaves no checkpoint."""
    cloud = fresh_cloud
    url = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    made = cloud.client("dynamodb").create_table(
        TableName="items",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **{**KEY, "BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 400, "WriteCapacityUnits": 400}},
    )
    cloud.advance("10s")
    function(cloud, "switch", SWITCH, Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": url}})
    _put(cloud, "a", "switch", "b", "c")
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="switch", EventSourceArn=made["TableDescription"]["LatestStreamArn"], StartingPosition="TRIM_HORIZON", BatchSize=1, ParallelizationFactor=lanes
    )
    _put(cloud, "d", "delete")
    _put(cloud, "unseen")
    found: list[str] = []
    while messages := cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found += json.loads(message["Body"])
            cloud.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    expected = ["a", "switch", "b", "c", "d", "delete"]
    assert found == expected if lanes == 1 else sorted(found) == sorted(expected)
    assert not cloud.app.cloud.store.range(*prefix_range(pack(("lambda", "000000000000", "us-east-1", "checkpoint"))))


def test_a_table_that_rests_for_hours_and_days(fresh_cloud: Running) -> None:
    """The next shards are followed at once, also when those that were are gone by then and several came and went in between, and nobody was in trouble."""
    cloud = fresh_cloud
    _followed(cloud)
    keys: list[str] = []
    for rest in ("1s", "5h", "5h", "75h"):
        cloud.advance(rest)
        fresh = [f"{len(keys)} {number}" for number in range(6)]
        _put(cloud, *fresh)
        keys += fresh
        assert _seen(cloud) == keys
        assert _last_result(cloud) == "OK"
