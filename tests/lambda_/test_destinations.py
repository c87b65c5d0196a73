"""Where outcomes of asynchronous invocations go, against "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter queue"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.core.errors import ServiceError
from haneul.services.lambda_.traces import passed_on
from tests.lambda_.build import function, role
from tests.lambda_.test_asynchronous import FAILS, _messages, _queue
from tests.lambda_.test_metrics import _sums
from tests.support.running import ACCOUNT, REGION, Running

# Counts its runs in a queue, and fails when it is told to.
COUNTS = """
import boto3, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["RUNS"], MessageBody="run")
    if event.get("fail"):
        raise RuntimeError("as asked")
    return "done"
"""

SEND = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}


def _event(cloud: Running, name: str, payload: Any = None) -> str:
    """Send an event; its request id."""
    answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload if payload is not None else {}))
    cloud.settle()
    return str(answer["ResponseMetadata"]["RequestId"])


def _config(cloud: Running, name: str, **settings: Any) -> None:
    cloud.client("lambda").put_function_event_invoke_config(FunctionName=name, **settings)


def test_one_retry_when_one_is_wanted(fresh_cloud: Running) -> None:
    """Because MaximumRetryAttempts counts the runs after the first."""
    url, arn = _queue(fresh_cloud, "failed")
    function(fresh_cloud, "fails", FAILS)
    _config(fresh_cloud, "fails", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    _event(fresh_cloud, "fails")
    fresh_cloud.advance("59s")
    assert _messages(fresh_cloud, url) == []
    fresh_cloud.advance("1s")
    [message] = _messages(fresh_cloud, url)
    context = json.loads(message["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)


def test_an_event_that_is_too_old_is_given_up(fresh_cloud: Running) -> None:
    """Because a retry would come after the event's maximum age (60 seconds at least, 6 hours at most)."""
    url, arn = _queue(fresh_cloud, "failed")
    function(fresh_cloud, "fails", FAILS)
    _config(fresh_cloud, "fails", MaximumEventAgeInSeconds=90, DestinationConfig={"OnFailure": {"Destination": arn}})
    _event(fresh_cloud, "fails")
    fresh_cloud.advance("60s")
    [message] = _messages(fresh_cloud, url)
    record = json.loads(message["Body"])
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == ("EventAgeExceeded", 2)
    assert record["responsePayload"]["errorMessage"] == "never"
    client = fresh_cloud.client("lambda", parameter_validation=False)
    for age in (59, 21_601):
        with pytest.raises(client.exceptions.ClientError, match="maximumEventAgeInSeconds"):
            client.put_function_event_invoke_config(FunctionName="fails", MaximumEventAgeInSeconds=age)
    for retries in (-1, 3):
        with pytest.raises(client.exceptions.ClientError, match="maximumRetryAttempts"):
            client.put_function_event_invoke_config(FunctionName="fails", MaximumRetryAttempts=retries)


def test_throttled_events_wait_with_growing_pauses_until_they_are_too_old(fresh_cloud: Running) -> None:
    """Because throttling costs no attempt: from one second up to five minutes between them, for six hours by default."""
    cloud = fresh_cloud
    url, arn = _queue(cloud, "failed")
    function(cloud, "full")
    _config(cloud, "full", DestinationConfig={"OnFailure": {"Destination": arn}})
    cloud.client("lambda").put_function_concurrency(FunctionName="full", ReservedConcurrentExecutions=1)
    cloud.app.cloud.services["lambda"].invoker._running[ACCOUNT, REGION, "full"] = 1
    _event(cloud, "full")
    cloud.advance("6h")
    [message] = _messages(cloud, url)
    record = json.loads(message["Body"])
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == ("EventAgeExceeded", 0)
    assert "responsePayload" not in record
    cloud.advance("1m")
    throttles = _sums(cloud, "AsyncEventsDropped", FunctionName="full")
    assert throttles == 1


def test_a_stopped_function_has_its_events_reported_at_once(fresh_cloud: Running) -> None:
    """Because a reserved concurrency of zero means that nothing shall run; the event is not kept for hours."""
    url, arn = _queue(fresh_cloud, "dead")
    function(fresh_cloud, "stopped", DeadLetterConfig={"TargetArn": arn})
    fresh_cloud.client("lambda").put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)
    request_id = _event(fresh_cloud, "stopped", {"a": 1})
    [message] = _messages(fresh_cloud, url)
    assert json.loads(message["Body"]) == {"a": 1} and message["MessageAttributes"]["RequestID"]["StringValue"] == request_id


def test_a_function_and_a_bucket_take_records(fresh_cloud: Running) -> None:
    """Because both are destinations: the function gets the record as its event, the bucket as an object below a prefix for each day."""
    cloud = fresh_cloud
    seen, _ = _queue(cloud, "seen")
    cloud.client("s3").create_bucket(Bucket="records")
    function(cloud, "fails", FAILS)
    function(cloud, "works", "def handler(event, context):\n    return 'fine'\n")
    told = function(cloud, "told", "import boto3, json, os\ndef handler(event, context):\n    boto3.client('sqs').send_message(QueueUrl=os.environ['SEEN'], MessageBody=json.dumps(event))\n", Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": seen}})
    _config(cloud, "works", DestinationConfig={"OnSuccess": {"Destination": told["FunctionArn"]}})
    _config(cloud, "fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::records"}})
    request_id = _event(cloud, "works", {"n": 1})
    [message] = _messages(cloud, seen)
    record = json.loads(message["Body"])
    assert record["requestContext"]["requestId"] == request_id and record["responsePayload"] == "fine"
    _event(cloud, "fails", {"n": 2})
    [listed] = cloud.client("s3").list_objects_v2(Bucket="records")["Contents"]
    day, moment = record["timestamp"][:10].replace("-", "/"), record["timestamp"][:19].replace(":", ".")
    assert listed["Key"].startswith(f"aws/lambda/async/fails/{day}/{moment}-")
    kept = json.loads(cloud.client("s3").get_object(Bucket="records", Key=listed["Key"])["Body"].read())
    assert set(kept) == {"version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"}
    assert kept["requestPayload"] == {"n": 2} and kept["version"] == "1.0" and kept["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}


def test_a_destination_that_may_not_be_used_is_counted(fresh_cloud: Running) -> None:
    """Because nobody waits for the record: metrics are all that tells that the role lacks a permission, or the queue is gone."""
    cloud = fresh_cloud
    _, arn = _queue(cloud, "closed")
    function(cloud, "fails", FAILS, Role=role(cloud, "weak", [SEND]), DeadLetterConfig={"TargetArn": arn})
    _config(cloud, "fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": f"{arn}-gone"}})
    cloud.client("iam").delete_role_policy(RoleName="weak", PolicyName="inline")
    _event(cloud, "fails")
    cloud.advance("1m")
    assert _sums(cloud, "DestinationDeliveryFailures", FunctionName="fails") == 1
    assert _sums(cloud, "DeadLetterErrors", FunctionName="fails") == 1
    cloud.advance("1h")
    assert _sums(cloud, "DestinationDeliveryFailures", FunctionName="fails") in (None, 1), "what is refused for good is not tried again"


def test_a_role_that_may_not_send_is_refused_at_once(cloud: Running) -> None:
    """Because nobody would miss the records before they are needed: AWS asks the role's policies when a destination or dead-letter queue is set."""
    client = cloud.client("lambda")
    wrong = client.exceptions.InvalidParameterValueException
    _, arn = _queue(cloud, "reports")
    cloud.client("s3").create_bucket(Bucket="reports")
    mute, weak = role(cloud, "mute", []), role(cloud, "speaks", [SEND])
    other = function(cloud, "other")["FunctionArn"]
    function(cloud, "tells", Role=mute)
    queue_message = "The provided execution role does not have permissions to call SendMessage on SQS"
    with pytest.raises(wrong, match=queue_message):
        function(cloud, "never", Role=mute, DeadLetterConfig={"TargetArn": arn})
    with pytest.raises(wrong, match=queue_message):
        client.update_function_configuration(FunctionName="tells", DeadLetterConfig={"TargetArn": arn})
    for action, destination in (("SendMessage", arn), ("InvokeFunction", other), ("PutObject", "arn:aws:s3:::reports")):
        for change in (client.put_function_event_invoke_config, client.update_function_event_invoke_config):
            with pytest.raises(wrong, match=f"The function's execution role does not have permissions to call {action} on {destination}$"):
                change(FunctionName="tells", DestinationConfig={"OnFailure": {"Destination": destination}})
    client.update_function_configuration(FunctionName="tells", Role=weak, DeadLetterConfig={"TargetArn": arn})
    _config(cloud, "tells", DestinationConfig={"OnFailure": {"Destination": arn}})
    with pytest.raises(wrong, match=queue_message):
        client.update_function_configuration(FunctionName="tells", Role=mute)


def test_a_destination_of_another_region_is_refused(cloud: Running) -> None:
    """Because what is sent would land in the queue of the same name here."""
    client = cloud.client("lambda")
    function(cloud, "abroad")
    far = "arn:aws:sqs:eu-west-1:000000000000:far"
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=f"The destination ARN {far} is invalid"):
        _config(cloud, "abroad", DestinationConfig={"OnSuccess": {"Destination": far}})
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=f"The destination ARN {far} is invalid"):
        client.update_function_configuration(FunctionName="abroad", DeadLetterConfig={"TargetArn": far})


def test_a_configuration_of_nothing_is_refused(cloud: Running) -> None:
    """Because it would be there and say nothing."""
    client = cloud.client("lambda")
    function(cloud, "speechless")
    for change in (client.put_function_event_invoke_config, client.update_function_event_invoke_config):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="You must specify at least one of error handling or destination setting"):
            change(FunctionName="speechless")


def test_a_destination_in_trouble_does_not_run_the_function_again(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because with MaximumRetryAttempts 0 an event runs once; its record is sent when the destination is well again."""
    cloud = fresh_cloud
    url, arn = _queue(cloud, "failed")
    runs, _ = _queue(cloud, "runs")
    function(cloud, "counts", COUNTS, Timeout=20, MemorySize=512, Environment={"Variables": {"RUNS": runs}})
    _config(cloud, "counts", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    operation = cloud.app.cloud.operations["sqs:SendMessage"]
    real = operation.handler

    async def troubled(call: Any, request: Any) -> Any:
        if request["QueueUrl"].endswith("/failed"):
            raise ServiceError("InternalFailure", "", 500)
        return await real(call, request)

    with monkeypatch.context() as patched:
        patched.setattr(operation, "handler", troubled)
        _event(cloud, "counts", {"fail": True})
        cloud.advance("5m")
        assert len(_messages(cloud, runs)) == 1 and _messages(cloud, url) == []
    cloud.advance("5m")
    [message] = _messages(cloud, url)
    assert json.loads(message["Body"])["requestContext"]["approximateInvokeCount"] == 1


def test_topics_invoke_functions_and_are_told_what_came_of_it(fresh_cloud: Running) -> None:
    """Because a topic's messages are events like others, once the function lets the topic in; destinations and dead letters can be topics, and loops end there, too."""
    cloud = fresh_cloud
    sns, client = cloud.client("sns"), cloud.client("lambda")
    url, queue = _queue(cloud, "told")
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    begin, end = sns.create_topic(Name="begin")["TopicArn"], sns.create_topic(Name="end")["TopicArn"]
    sns.subscribe(TopicArn=end, Protocol="sqs", Endpoint=queue)
    made = function(cloud, "fails", FAILS, DeadLetterConfig={"TargetArn": end})
    _config(cloud, "fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": end}})
    sns.subscribe(TopicArn=begin, Protocol="lambda", Endpoint=made["FunctionArn"])
    sns.publish(TopicArn=begin, Message="not let in")
    cloud.settle()
    client.add_permission(FunctionName="fails", StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=begin)
    sns.publish(TopicArn=begin, Message="hello")
    cloud.settle()
    told = [json.loads(one["Body"]) for one in _messages(cloud, url)]
    [record] = [json.loads(one["Message"]) for one in told if "MessageAttributes" not in one]
    [dead] = [one for one in told if "MessageAttributes" in one]
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "hello" and record["responsePayload"]["errorMessage"] == "never"
    assert json.loads(dead["Message"])["Records"][0]["EventSource"] == "aws:sns" and dead["MessageAttributes"]["ErrorMessage"] == {"Type": "String", "Value": "never"}
    header = "Root=1-5759e988-bd862e3fe1be46a994272793"
    for _ in range(16):
        header = passed_on(header, made["FunctionArn"])
    sns.meta.events.register("before-sign.sns.Publish", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    sns.publish(TopicArn=begin, Message="round and round")
    cloud.settle()
    cloud.advance("1m")
    assert _sums(cloud, "RecursiveInvocationsDropped", FunctionName="fails") == 1
