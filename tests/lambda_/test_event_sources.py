"""Event source mappings, against "Using Lambda with Amazon SQS" and "Using AWS Lambda with Amazon DynamoDB"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.store.keys import pack, prefix_range, unpack
from tests.lambda_.build import function, role
from tests.lambda_.conftest import there
from tests.support.running import Running

# The function sends every event that it gets on to a queue, where the test reads it; an event that holds "fail" it fails on.
FORWARD = """
import json, boto3, os
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
    if "fail" in json.dumps(event):
        raise RuntimeError("as asked")
    if os.environ.get("REPORT"):
        if "dynamodb" in event["Records"][0]:
            return {"batchItemFailures": [{"itemIdentifier": one["dynamodb"]["SequenceNumber"]} for one in event["Records"] if one["dynamodb"]["Keys"]["id"]["S"] == "bad"]}
        return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in event["Records"] if one["body"] == "bad"]}
"""


def _queue(cloud: Running, name: str, **attributes: str) -> tuple[str, str]:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _seen(cloud: Running, url: str) -> list[Any]:
    """The events that the function got since the last time."""
    cloud.settle()
    sqs, found = cloud.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def _left(cloud: Running, url: str) -> dict[str, str]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]


def _forwarder(cloud: Running, name: str = "worker", **environment: str) -> str:
    """A function that shows what it gets; the URL of the queue that shows it."""
    seen, _ = _queue(cloud, f"seen-{name}")
    function(cloud, name, FORWARD, Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": seen, **environment}})
    return seen


def _table(cloud: Running, name: str = "items") -> str:
    made = cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 400, "WriteCapacityUnits": 400},  # One partition, and so one shard at a time.
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    cloud.settle()
    cloud.advance("10s")
    arn: str = made["TableDescription"]["LatestStreamArn"]
    return arn


def _put(cloud: Running, *ids: str, table: str = "items", **attributes: Any) -> None:
    for one in ids:
        cloud.client("dynamodb").put_item(TableName=table, Item={"id": {"S": one}, **attributes})


def test_messages_arrive_as_records_and_are_deleted(fresh_cloud: Running) -> None:
    """Because handlers, and libraries for them, are written against this shape."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work")
    made = cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn)
    assert made["State"] == "Creating" and made["BatchSize"] == 10
    sent = cloud.client("sqs").send_message(
        QueueUrl=url, MessageBody="hello", MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    )
    [event] = _seen(cloud, seen)
    [record] = event["Records"]
    assert record.pop("receiptHandle")
    attributes = record.pop("attributes")
    assert attributes["ApproximateReceiveCount"] == "1" and {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(attributes)
    assert record == {
        "messageId": sent["MessageId"],
        "body": "hello",
        "messageAttributes": {
            "kind": {"stringValue": "greeting", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }
    assert set(_left(cloud, url).values()) == {"0"}
    assert cloud.client("lambda").get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"


def test_a_failed_batch_comes_again_after_the_visibility_timeout(fresh_cloud: Running) -> None:
    """Because retries of a queue are the queue's own."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work", VisibilityTimeout="30")
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="fail")
    assert len(_seen(cloud, seen)) == 1
    cloud.advance("29s")
    assert _seen(cloud, seen) == []
    cloud.advance("1s")
    [again] = _seen(cloud, seen)
    assert again["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_only_reported_items_come_again(fresh_cloud: Running) -> None:
    """Because ReportBatchItemFailures spares the others a second run."""
    cloud = fresh_cloud
    seen = _forwarder(cloud, REPORT="yes")
    url, arn = _queue(cloud, "work")
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=5
    )
    for body in ("good", "bad", "fine"):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    cloud.advance("5s")
    [event] = _seen(cloud, seen)
    assert sorted(record["body"] for record in event["Records"]) == ["bad", "fine", "good"]
    assert _left(cloud, url)["ApproximateNumberOfMessagesNotVisible"] == "1"
    cloud.advance("40s")
    [again] = _seen(cloud, seen)
    assert [record["body"] for record in again["Records"]] == ["bad"]


def test_filters_choose_messages_and_the_others_are_deleted(fresh_cloud: Running) -> None:
    """Because a filtered message counts as processed."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work")
    pattern = json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}})
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for body in ('{"kind": "order", "total": 11}', '{"kind": "order", "total": 9}', "no json"):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    assert [event["Records"][0]["body"] for event in _seen(cloud, seen)] == ['{"kind": "order", "total": 11}']
    assert set(_left(cloud, url).values()) == {"0"}


def test_a_filter_for_json_drops_plain_text_and_the_other_way_round(fresh_cloud: Running) -> None:
    """Because the formats of body and pattern must agree, whatever else the pattern says ("Properly filtering Amazon SQS messages")."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work")
    filters = [{"Pattern": '{"body": {"foo": [{"exists": false}]}}'}, {"Pattern": '{"body": ["plain", {"prefix": "["}]}'}]
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, BatchSize=1, FilterCriteria={"Filters": filters})
    for body in ("plain", "other", '"plain"', '{"foo": 1}', '{"bar": 1}', '[{"bar": 1}]', "[plain"):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    assert sorted(event["Records"][0]["body"] for event in _seen(cloud, seen)) == ["[plain", "plain", '{"bar": 1}']
    assert set(_left(cloud, url).values()) == {"0"}


def test_fifo_groups_stay_in_order(fresh_cloud: Running) -> None:
    """Because order within a group is what FIFO queues are for."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, BatchSize=2)
    for number in range(6):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
    bodies = [record["body"] for event in _seen(cloud, seen) for record in event["Records"]]
    assert sorted(bodies) == [str(number) for number in range(6)]
    assert set(_left(cloud, url).values()) == {"0"}


def test_a_disabled_mapping_sleeps_and_a_deleted_one_is_gone(fresh_cloud: Running) -> None:
    """Because that is how a consumer is paused and removed."""
    cloud, client = fresh_cloud, fresh_cloud.client("lambda")
    seen = _forwarder(cloud)
    url, arn = _queue(cloud, "work")
    uuid = client.create_event_source_mapping(FunctionName="worker", EventSourceArn=arn)["UUID"]
    assert client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="one")
    assert _seen(cloud, seen) == []
    client.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert len(_seen(cloud, seen)) == 1
    assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="two")
    assert _seen(cloud, seen) == []
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_event_source_mapping(UUID=uuid)


def test_stream_records_arrive_with_images_in_order(fresh_cloud: Running) -> None:
    """Because index builders and replicators live on this shape and order."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON")
    _put(cloud, "a", n={"N": "1"}, raw={"B": b"\x01"})
    _put(cloud, "a", n={"N": "2"})
    cloud.client("dynamodb").delete_item(TableName="items", Key={"id": {"S": "a"}})
    records = [record for event in _seen(cloud, seen) for record in event["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    first = records[0]
    assert first["eventSource"] == "aws:dynamodb" and first["eventVersion"] == "1.1" and first["awsRegion"] == "us-east-1" and first["eventSourceARN"] == arn
    change = first["dynamodb"]
    assert change["Keys"] == {"id": {"S": "a"}} and change["NewImage"] == {"id": {"S": "a"}, "n": {"N": "1"}, "raw": {"B": "AQ=="}}
    assert change["StreamViewType"] == "NEW_AND_OLD_IMAGES" and change["SizeBytes"] > 0 and change["SequenceNumber"].isdigit()
    assert abs(change["ApproximateCreationDateTime"] - cloud.clock.seconds()) < 60


def test_latest_begins_with_what_is_written_from_now_on(fresh_cloud: Running) -> None:
    """Because a consumer that is not interested in the past says so, and does not read it either, nor shards that were closed before."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    _put(cloud, "old", "older")
    cloud.advance("5h")
    _put(cloud, "of this shard")
    cloud.advance("2s")
    made = cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="LATEST", MetricsConfig={"Metrics": ["EventCount"]}
    )
    _put(cloud, "new")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen) for record in event["Records"]] == ["new"]
    cloud.advance("5h")
    _put(cloud, "in a child")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen) for record in event["Records"]] == ["in a child"]
    now = cloud.clock.seconds()
    counted = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="PolledEventCount",
        Dimensions=[{"Name": "EventSourceMappingUUID", "Value": made["UUID"]}],
        StartTime=now - 43_200,
        EndTime=now + 60,
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(one["Sum"] for one in counted) == 2


def test_a_failing_batch_holds_its_shard_up_until_it_is_given_up(fresh_cloud: Running) -> None:
    """Because order matters more than progress, up to the limits that the mapping sets; the destination learns where the records are."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    lost, lost_arn = _queue(cloud, "lost")
    arn = _table(cloud)
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", BatchSize=1, MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": lost_arn}}
    )
    _put(cloud, "fail")
    _put(cloud, "next")
    assert [event["Records"][0]["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen)] == ["fail"]
    cloud.advance("1m")
    assert [event["Records"][0]["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen)] == ["fail", "fail", "next"]
    [record] = _seen(cloud, lost)
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted" and record["requestContext"]["approximateInvokeCount"] == 3
    batch = record["DDBStreamBatchInfo"]
    assert batch["batchSize"] == 1 and batch["streamArn"] == arn and batch["startSequenceNumber"] == batch["endSequenceNumber"]


def test_records_that_are_too_old_are_given_up_and_younger_ones_are_not(fresh_cloud: Running) -> None:
    """ "Discard records older than the specified age": a batch that fails for long loses what is too old by then, and the rest of it is tried on."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    lost, lost_arn = _queue(cloud, "lost")
    arn = _table(cloud)
    _put(cloud, "fail", "fail too")
    cloud.advance("50s")
    _put(cloud, "young")
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": lost_arn}}
    )
    cloud.advance("30s")
    batches = [[record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]] for event in _seen(cloud, seen)]
    assert batches[0] == ["fail", "fail too", "young"] and batches[-1] == ["young"] and batches.count(["young"]) == 1
    [record] = _seen(cloud, lost)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded" and record["DDBStreamBatchInfo"]["batchSize"] == 2


def test_records_expire_while_their_function_is_throttled(fresh_cloud: Running) -> None:
    """ "If Lambda is unable to invoke the function due to throttling, it retries until the records expire": after a day the destination learns of them, and the function gets younger ones."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    lost, lost_arn = _queue(cloud, "lost")
    client, arn = cloud.client("lambda"), _table(cloud)
    _put(cloud, "old")
    cloud.advance("23h58m")
    _put(cloud, "young")
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    client.create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", DestinationConfig={"OnFailure": {"Destination": lost_arn}})
    cloud.advance("4m")
    client.delete_function_concurrency(FunctionName="worker")
    cloud.advance("1m")
    assert [[record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]] for event in _seen(cloud, seen)] == [["young"]]
    [record] = _seen(cloud, lost)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded" and record["requestContext"]["approximateInvokeCount"] == 0


def test_bisecting_isolates_the_bad_record(fresh_cloud: Running) -> None:
    """Because one bad record must not take its whole batch down."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    _put(cloud, "a", "b", "fail", "c")
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", BisectBatchOnFunctionError=True, MaximumRetryAttempts=0
    )
    batches = [[record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]] for event in _seen(cloud, seen)]
    assert sorted(map(tuple, batches)) == sorted([("a", "b", "fail", "c"), ("a", "b"), ("fail", "c"), ("fail",), ("c",)])


def test_a_reported_failure_is_where_a_batch_is_split(fresh_cloud: Running) -> None:
    """ "Configuring partial batch response with DynamoDB": with bisecting the batch is split at the record that the function names, and only the rest is tried again."""
    cloud = fresh_cloud
    seen = _forwarder(cloud, REPORT="yes")
    arn = _table(cloud)
    _put(cloud, "a", "bad", "b", "c")
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    batches = [[record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]] for event in _seen(cloud, seen)]
    assert ["bad", "b", "c"] in batches and sorted(map(len, batches), reverse=True)[:2] == [4, 3]


def test_a_parallelization_factor_keeps_the_order_of_each_item(fresh_cloud: Running) -> None:
    """Because batches of one shard may run beside each other, but never two of one item."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    for version in range(3):
        _put(cloud, "a", "b", "c", "d", v={"N": str(version)})
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", ParallelizationFactor=4, BatchSize=10
    )
    records = [record["dynamodb"] for event in _seen(cloud, seen) for record in event["Records"]]
    assert len(records) == 12
    for one in "abcd":
        assert [record["NewImage"]["v"]["N"] for record in records if record["Keys"]["id"]["S"] == one] == ["0", "1", "2"]


def test_a_stream_goes_on_at_its_checkpoint_after_a_restart(tmp_path: Path) -> None:
    """Because nothing may be lost, and what was processed is not processed again; also when the stream has gone on in further shards, whose checkpoints go when they go."""
    cloud = Running(data_dir=tmp_path, services=there()).start()
    seen = _forwarder(cloud)
    arn = _table(cloud)
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON")
    _put(cloud, "before")
    assert len(_seen(cloud, seen)) == 1
    cloud.stop()
    cloud.start()
    assert _seen(cloud, seen) == []
    _put(cloud, "after")
    assert [event["Records"][0]["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen)] == ["after"]
    for hours in (5, 27):
        _put(cloud, f"before {hours}")
        cloud.advance(f"{hours}h")
        _put(cloud, f"in {hours}")
        assert [record["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen) for record in event["Records"]] == [f"before {hours}", f"in {hours}"]
    prefix = pack(("lambda", "000000000000", "us-east-1", "checkpoint"))
    assert [str(unpack(key)[-1])[:8] for key, _ in cloud.app.cloud.store.range(*prefix_range(prefix))] == ["shardId-"]
    cloud.stop()


def test_a_missing_permission_stops_a_stream_until_it_is_given(fresh_cloud: Running) -> None:
    """Because pollers act as the function's role: the record waits, and is processed once the role may read again."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "dynamodb:GetRecords", "Resource": "*"}]}
    cloud.client("iam").put_role_policy(RoleName="functions", PolicyName="deny", PolicyDocument=json.dumps(deny))
    _put(cloud, "waits")
    assert _seen(cloud, seen) == []
    cloud.client("iam").delete_role_policy(RoleName="functions", PolicyName="deny")
    cloud.advance("1m")
    assert len(_seen(cloud, seen)) == 1


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"FunctionName": "nobody", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:work"}, "ResourceNotFoundException", "Function not found"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:none"}, "InvalidParameterValueException", "Error occurred while ReceiveMessage"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:work", "BatchSize": 11}, "InvalidParameterValueException", "Maximum batch window in seconds must be"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:short"}, "InvalidParameterValueException", "Queue visibility timeout: 1 seconds is less than Function timeout: 3"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:work", "FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "InvalidParameterValueException", "Invalid filter"),
        ({"EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:work"}, "InvalidParameterValueException", "Event source region must match Lambda region us-east-1."),
        (
            {"EventSourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/items/stream/2026-01-01T00:00:00.000", "StartingPosition": "LATEST"},
            "InvalidParameterValueException",
            "Event source region must match Lambda region us-east-1.",
        ),
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/x"}, "NotImplemented", "Haneul does not implement event sources of the service kinesis"),
        ({"FunctionName": "weak", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:work"}, "InvalidParameterValueException", "The provided execution role does not have permissions to call ReceiveMessage on SQS"),
    ],
)
def test_what_cannot_be_a_mapping(cloud: Running, request_: dict[str, Any], code: str, message: str) -> None:
    """Because a mapping that cannot work is refused when it is made."""
    client = cloud.client("lambda")
    if "plain" not in [one["FunctionName"] for one in client.list_functions()["Functions"]]:
        function(cloud, "plain")
        function(cloud, "weak", Role=role(cloud, "weak", []))
        _queue(cloud, "work")
        _queue(cloud, "short", VisibilityTimeout="1")
    with pytest.raises(ClientError) as caught:
        client.create_event_source_mapping(**{"FunctionName": "plain", **request_})
    assert caught.value.response["Error"]["Code"] == code and caught.value.response["Error"]["Message"].startswith(message)


def test_a_function_follows_a_queue_once(cloud: Running) -> None:
    """Because two mappings of one pair would share its messages at random."""
    function(cloud, "twice")
    _, arn = _queue(cloud, "twice")
    client = cloud.client("lambda")
    uuid = client.create_event_source_mapping(FunctionName="twice", EventSourceArn=arn)["UUID"]
    with pytest.raises(client.exceptions.ResourceConflictException, match=f"existing mapping with UUID {uuid}"):
        client.create_event_source_mapping(FunctionName="twice", EventSourceArn=arn)
    assert [one["UUID"] for one in client.list_event_source_mappings(FunctionName="twice")["EventSourceMappings"]] == [uuid]
    assert [one["UUID"] for one in client.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]] == [uuid]
