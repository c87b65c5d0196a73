"""Asynchronous invocation, against "How Lambda handles errors and retries with asynchronous invocation"."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lambda_.build import function, role
from tests.lambda_.conftest import there
from tests.support.running import Running

FAILS = "def handler(event, context):\n    raise RuntimeError('never')\n"


def _queue(cloud: Running, name: str) -> tuple[str, str]:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _messages(cloud: Running, url: str) -> list[dict]:
    return cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])


def test_success_is_reported_to_its_destination(fresh_cloud: Running) -> None:
    """Because the record is all that a caller of an asynchronous function gets."""
    url, arn = _queue(fresh_cloud, "done")
    function(fresh_cloud, "works", "def handler(event, context):\n    return {'twice': event['n'] * 2}\n")
    client = fresh_cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName="works", DestinationConfig={"OnSuccess": {"Destination": arn}})
    answer = client.invoke(FunctionName="works", InvocationType="Event", Payload=b'{"n": 21}')
    assert answer["StatusCode"] == 202
    fresh_cloud.settle()
    [message] = _messages(fresh_cloud, url)
    record = json.loads(message["Body"])
    assert record["responsePayload"] == {"twice": 42} and record["requestPayload"] == {"n": 21}
    assert record["requestContext"]["condition"] == "Success" and record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestContext"]["functionArn"].endswith(":function:works:$LATEST")
    assert record["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_failures_are_retried_after_one_and_two_minutes_and_then_reported(fresh_cloud: Running) -> None:
    """Because those are the documented pauses, and both the destination and the dead-letter queue want the event then."""
    url, arn = _queue(fresh_cloud, "failed")
    dead_url, dead_arn = _queue(fresh_cloud, "dead")
    function(fresh_cloud, "fails", FAILS, DeadLetterConfig={"TargetArn": dead_arn})
    client = fresh_cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName="fails", DestinationConfig={"OnFailure": {"Destination": arn}})
    client.invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    fresh_cloud.settle()
    fresh_cloud.advance("60s")
    fresh_cloud.advance("119s")
    assert _messages(fresh_cloud, url) == []
    fresh_cloud.advance("1s")
    [message] = _messages(fresh_cloud, url)
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted" and record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled" and record["responsePayload"]["errorMessage"] == "never"
    [dead] = _messages(fresh_cloud, dead_url)
    assert dead["Body"] == '{"n": 1}'
    assert {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()} == {
        "RequestID": record["requestContext"]["requestId"],
        "ErrorCode": "200",
        "ErrorMessage": "never",
    }
    assert {name: value["DataType"] for name, value in dead["MessageAttributes"].items()} == {"RequestID": "String", "ErrorCode": "Number", "ErrorMessage": "String"}


def test_no_retries_when_none_are_wanted(fresh_cloud: Running) -> None:
    """Because MaximumRetryAttempts 0 is how a function is made at-most-once."""
    url, arn = _queue(fresh_cloud, "failed")
    function(fresh_cloud, "fails", FAILS)
    fresh_cloud.client("lambda").put_function_event_invoke_config(FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    fresh_cloud.client("lambda").invoke(FunctionName="fails", InvocationType="Event")
    fresh_cloud.settle()
    [message] = _messages(fresh_cloud, url)
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 1


def test_a_retry_survives_a_restart(tmp_path: Path) -> None:
    """Because an event that was answered 202 is promised."""
    cloud = Running(data_dir=tmp_path, services=there()).start()
    url, arn = _queue(cloud, "failed")
    function(cloud, "fails", FAILS, Role=role(cloud))
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="fails", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    cloud.client("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'"again"')
    cloud.settle()
    cloud.stop()
    cloud.start()
    cloud.advance("60s")
    [message] = _messages(cloud, url)
    assert json.loads(message["Body"])["requestPayload"] == "again"
    cloud.stop()


def test_throttled_events_wait_and_are_not_counted_as_failures(fresh_cloud: Running) -> None:
    """Because throttling is the service's doing: the event is tried again for up to six hours."""
    url, arn = _queue(fresh_cloud, "done")
    function(fresh_cloud, "one", "def handler(event, context):\n    return 1\n")
    client = fresh_cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName="one", DestinationConfig={"OnSuccess": {"Destination": arn}})
    running = fresh_cloud.app.cloud.services["lambda"].invoker
    client.put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=1)
    running._running[("000000000000", "us-east-1", "one")] = 1
    client.invoke(FunctionName="one", InvocationType="Event")
    fresh_cloud.settle()
    assert _messages(fresh_cloud, url) == []
    running._running.clear()
    fresh_cloud.advance("1s")
    [message] = _messages(fresh_cloud, url)
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 1
