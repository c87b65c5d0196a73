"""More of streams as event sources: tumbling windows, large batches, discarded records in buckets, checks of parameters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lambda_.build import function
from tests.support.running import Running

# Counts the records of a window in its state, and shows every event in a queue.
COUNT = """
import boto3, json, os
sqs = boto3.client("sqs")
def handler(event, context):
    shown = {name: value for name, value in event.items() if name != "Records"}
    shown["state"] = {name: value for name, value in event["state"].items() if name != "ballast"}
    shown["ids"] = [one["dynamodb"]["Keys"]["id"]["S"] for one in event["Records"]]
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(shown))
    if event["isFinalInvokeForWindow"] and "FAILS" in os.environ:
        raise ValueError("not yet")
    count = event["state"].get("count", 0) + len(event["Records"])
    state = {"count": count}
    if "large" in shown["ids"]:
        state["ballast"] = "x" * 1_100_000
    return {} if "silent" in shown["ids"] else {"state": state}
"""
FAIL = """
def handler(event, context):
    raise ValueError("always")
"""


def _table(cloud: Running, view: str = "KEYS_ONLY") -> str:
    made = cloud.client("dynamodb").create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 400, "WriteCapacityUnits": 400},  # One partition, and so one shard at a time.
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    cloud.advance("10s")
    arn: str = made["TableDescription"]["LatestStreamArn"]
    return arn


def _put(cloud: Running, *ids: str, **attributes: Any) -> None:
    for one in ids:
        cloud.client("dynamodb").put_item(TableName="items", Item={"id": {"S": one}, **attributes})
    cloud.settle()


def _seen(cloud: Running, url: str) -> list[Any]:
    cloud.settle()
    sqs, found = cloud.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def _start_of_window(cloud: Running, seconds: int) -> None:
    """Move the clock to where a window begins."""
    now = cloud.clock.now() // 1_000_000_000
    cloud.advance(f"{seconds - now % seconds}s")


def _counter(cloud: Running, **settings: Any) -> str:
    seen: str = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    function(cloud, "count", COUNT, Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": seen}})
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="count", EventSourceArn=_table(cloud), StartingPosition="TRIM_HORIZON", TumblingWindowInSeconds=60, **settings
    )
    _start_of_window(cloud, 60)
    return seen


def test_a_tumbling_window_carries_its_state_and_ends_with_it(fresh_cloud: Running) -> None:
    """Because sums over a minute need no table of their own: state goes from batch to batch, and a last invocation concludes it."""
    cloud = fresh_cloud
    seen = _counter(cloud)
    _put(cloud, "a", "b")
    first = _seen(cloud, seen)
    assert [one for event in first for one in event["ids"]] == ["a", "b"] and first[0]["state"] == {}
    assert not first[0]["isFinalInvokeForWindow"] and not first[0]["isWindowTerminatedEarly"]
    window = first[0]["window"]
    _put(cloud, "c")
    [second] = _seen(cloud, seen)
    assert second["state"] == {"count": 2} and second["window"] == window and second["shardId"].startswith("shardId-")
    cloud.advance("61s")
    [last] = _seen(cloud, seen)
    assert (last["isFinalInvokeForWindow"], last["ids"], last["state"], last["window"]) == (True, [], {"count": 3}, window)
    _put(cloud, "d")
    [other] = _seen(cloud, seen)
    assert other["state"] == {} and other["window"]["start"] == window["end"]


def test_a_window_outlives_a_restart(fresh_cloud: Running) -> None:
    """Because the state is part of the checkpoint, not of a process."""
    cloud = fresh_cloud
    seen = _counter(cloud)
    _put(cloud, "a")
    assert len(_seen(cloud, seen)) == 1
    cloud.stop()
    cloud.start()
    cloud.advance("61s")
    [last] = _seen(cloud, seen)
    assert last["isFinalInvokeForWindow"] and last["state"] == {"count": 1}


def test_a_window_that_cannot_be_concluded_holds_its_shard_up(fresh_cloud: Running) -> None:
    """Because what was counted is not to be lost: no limit of retries holds for the last invocation, "until a successful invocation" nothing else is processed."""
    cloud = fresh_cloud
    seen = _counter(cloud, MaximumRetryAttempts=0)
    environment = {"SEEN": seen}
    change = cloud.client("lambda").update_function_configuration
    change(FunctionName="count", Environment={"Variables": {**environment, "FAILS": "yes"}})
    _put(cloud, "a")
    cloud.advance("61s")
    _put(cloud, "b")
    cloud.advance("5s")
    begun, *ends = _seen(cloud, seen)
    assert begun["ids"] == ["a"] and len(ends) > 1 and all(one["isFinalInvokeForWindow"] and one["state"] == {"count": 1} for one in ends)
    change(FunctionName="count", Environment={"Variables": environment})
    cloud.advance("10s")
    *_, last, other = _seen(cloud, seen)
    assert last["isFinalInvokeForWindow"] and last["state"] == {"count": 1} and other["ids"] == ["b"] and other["state"] == {}


def test_a_state_that_grows_too_large_ends_its_window(fresh_cloud: Running) -> None:
    """Because a state may have one megabyte; the function is told that the window was cut short."""
    cloud = fresh_cloud
    seen = _counter(cloud)
    _put(cloud, "large")
    _, last = sorted(_seen(cloud, seen), key=lambda event: bool(event["isFinalInvokeForWindow"]))
    assert last["isFinalInvokeForWindow"] and last["isWindowTerminatedEarly"]
    _put(cloud, "next")
    [event] = _seen(cloud, seen)
    assert event["state"] == {}


def test_an_answer_without_state_is_a_failure(fresh_cloud: Running) -> None:
    """Because Lambda would otherwise forget what was counted ("the response must contain a state property")."""
    cloud = fresh_cloud
    seen = _counter(cloud, MaximumRetryAttempts=1)
    _put(cloud, "silent")
    cloud.advance("5s")
    assert [event["ids"] for event in _seen(cloud, seen)] == [["silent"], ["silent"]]


def test_discarded_records_go_to_a_bucket_with_their_event(fresh_cloud: Running) -> None:
    """Because a bucket holds the event itself too, for longer than the stream does ("Retaining discarded records")."""
    cloud = fresh_cloud
    cloud.client("s3").create_bucket(Bucket="discarded")
    function(cloud, "fails", FAIL)
    made = cloud.client("lambda").create_event_source_mapping(
        FunctionName="fails",
        EventSourceArn=_table(cloud, "NEW_IMAGE"),
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::discarded"}},
        MetricsConfig={"Metrics": ["EventCount"]},
    )
    assert made["MetricsConfig"] == {"Metrics": ["EventCount"]}
    _put(cloud, "a")
    cloud.advance("1m")
    [entry] = cloud.client("s3").list_objects_v2(Bucket="discarded")["Contents"]
    assert entry["Key"].startswith(f"aws/lambda/{made['UUID']}/shardId-")
    document = json.loads(cloud.client("s3").get_object(Bucket="discarded", Key=entry["Key"])["Body"].read())
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    [record] = json.loads(document["payload"])["Records"]
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}}


def test_batches_are_no_larger_than_an_event_can_be(fresh_cloud: Running) -> None:
    """Because an event holds six megabytes, and sixteen records of nearly 400 KB do not fit; with so many there is no waiting for the end of the batching window either."""
    cloud = fresh_cloud
    code = "import boto3, os\ndef handler(event, context):\n    boto3.client('sqs').send_message(QueueUrl=os.environ['SEEN'], MessageBody=str(len(event['Records'])))\n"
    seen = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    function(cloud, "large", code, Timeout=30, MemorySize=512, Environment={"Variables": {"SEEN": seen}})
    arn = _table(cloud, "NEW_IMAGE")
    for number in range(16):
        _put(cloud, str(number), text={"S": "x" * 398_000})
        if number % 2:
            cloud.advance("2s")  # A partition takes a thousand units in a second.
    cloud.client("lambda").create_event_source_mapping(FunctionName="large", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", MaximumBatchingWindowInSeconds=300)
    assert sorted(_seen(cloud, seen)) == [8, 8]


@pytest.mark.parametrize(
    "wrong",
    [
        {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1},
        {"StartingPosition": "LATEST", "StartingPositionTimestamp": 1},
        {},
        {"StartingPosition": "LATEST", "TumblingWindowInSeconds": 10, "ParallelizationFactor": 2},
        {"StartingPosition": "LATEST", "MetricsConfig": {"Metrics": ["KafkaMetrics"]}},
        {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 30},
        {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:lambda:us-east-1:000000000000:function:x"}}},
    ],
)
def test_what_a_stream_cannot_have_is_refused(cloud: Running, wrong: dict[str, Any]) -> None:
    """Because a setting that would not be kept must not be accepted."""
    client = cloud.client("lambda")
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    if not tables:
        function(cloud, "plain")
        _table(cloud)
    arn = cloud.client("dynamodb").describe_table(TableName="items")["Table"]["LatestStreamArn"]
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.create_event_source_mapping(FunctionName="plain", EventSourceArn=arn, **wrong)
