"""Endless loops, against "Use Lambda recursive loop detection to prevent infinite loops"."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.services.lambda_.traces import joined, lineage_of, loops, passed_on
from tests.lambda_.build import function
from tests.support.running import Running

ARN = "arn:aws:lambda:us-east-1:000000000000:function:loop"
# Sends every message back to the queue that it came from, and counts in another queue.
LOOP = """
import boto3, os
sqs = boto3.client("sqs")
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody="once more")
        sqs.send_message(QueueUrl=os.environ["WORK"], MessageBody=record["body"])
"""


def _loop(cloud: Running) -> tuple[str, str, str]:
    sqs = cloud.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 2})
    work = sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "30"})["QueueUrl"]
    seen = sqs.create_queue(QueueName="seen")["QueueUrl"]
    function(cloud, "loop", LOOP, Timeout=20, MemorySize=512, Environment={"Variables": {"WORK": work, "SEEN": seen}})
    cloud.client("lambda").create_event_source_mapping(FunctionName="loop", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work")
    sqs.send_message(QueueUrl=work, MessageBody="round")
    cloud.settle()
    return work, seen, dead


def _count(cloud: Running, url: str) -> int:
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_a_loop_through_a_queue_is_ended_after_sixteen_rounds(fresh_cloud: Running) -> None:
    """Because a function that feeds its own queue would run, and cost, for ever; its message ends as a dead letter."""
    _, seen, dead = _loop(fresh_cloud)
    assert _count(fresh_cloud, seen) == 16
    for _ in range(4):
        fresh_cloud.advance("31s")
    assert (_count(fresh_cloud, seen), _count(fresh_cloud, dead)) == (16, 1)


def test_a_synchronous_loop_is_told_so(cloud: Running) -> None:
    """Because the function itself sees who stopped it: RecursiveInvocationException."""
    code = """
import boto3, json
def handler(event, context):
    try:
        answer = boto3.client("lambda").invoke(FunctionName=context.function_name, Payload=json.dumps({"depth": event["depth"] + 1}))
    except Exception as error:
        return {"depth": event["depth"], "error": type(error).__name__}
    return json.loads(answer["Payload"].read())
"""
    function(cloud, "deep", code, Timeout=60, MemorySize=128)
    header = passed_on("Root=1-0-0", "arn:aws:lambda:us-east-1:000000000000:function:deep")
    for _ in range(13):
        header = passed_on(header, "arn:aws:lambda:us-east-1:000000000000:function:deep")
    client = cloud.client("lambda")
    client.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    answer = client.invoke(FunctionName="deep", Payload=json.dumps({"depth": 0}))
    assert json.loads(answer["Payload"].read()) == {"depth": 1, "error": "RecursiveInvocationException"}


def test_a_loop_that_is_meant_goes_on(fresh_cloud: Running) -> None:
    """Because PutFunctionRecursionConfig with Allow leaves the watching to the owner."""
    cloud = fresh_cloud
    client = cloud.client("lambda")
    function(cloud, "again")
    header = "Root=1-0-0"
    for _ in range(20):
        header = passed_on(header, "arn:aws:lambda:us-east-1:000000000000:function:again")
    client.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    with pytest.raises(client.exceptions.RecursiveInvocationException):
        client.invoke(FunctionName="again")
    client.put_function_recursion_config(FunctionName="again", RecursiveLoop="Allow")
    assert client.invoke(FunctionName="again")["StatusCode"] == 200


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from("abcd"), max_size=60))
def test_counts_of_every_function_are_kept(path: list[str]) -> None:
    """Because a loop may lead through several functions (the model is a plain count)."""
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    for name in path:
        header = passed_on(header, ARN + name)
    assert all(loops(header, ARN + name) == path.count(name) for name in "abcd")
    assert header.startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    assert lineage_of(joined([header, passed_on("Root=2", ARN + "a")])).keys() >= lineage_of(header).keys()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_header_can_be_read(header: str) -> None:
    """Because clients send what they like."""
    assert loops(passed_on(header, ARN), ARN) >= 1
