"""`kill -9` of the real process: what was answered 202 runs, and nothing of the sandboxes is left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.leftovers import adopt_orphans
from bench.process import children
from tests.lambda_.build import function
from tests.process.haneul_process import Process

pytestmark = pytest.mark.process


def test_no_accepted_event_is_lost(tmp_path: Path) -> None:
    """Because 202 means that the event is on the disk: the next start carries on with it."""
    if not adopt_orphans():
        pytest.skip("what outlives its parents could not be found here")
    accepted, before = set(), children(os.getpid())
    with Process(tmp_path) as cloud:
        sqs = cloud.client("sqs")
        url = sqs.create_queue(QueueName="done")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        function(cloud, "works")  # type: ignore[arg-type]
        client = cloud.client("lambda")
        client.put_function_event_invoke_config(FunctionName="works", DestinationConfig={"OnSuccess": {"Destination": arn}})
        for number in range(20):
            accepted.add(client.invoke(FunctionName="works", InvocationType="Event", Payload=json.dumps(number))["ResponseMetadata"]["RequestId"])
        cloud.kill()
    with Process(tmp_path) as cloud:
        sqs, done = cloud.client("sqs"), set()
        url = sqs.get_queue_url(QueueName="done")["QueueUrl"]
        while done != accepted:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages", [])
            assert messages, f"{len(accepted - done)} of {len(accepted)} events are missing\n{cloud.log()}"
            done |= {json.loads(message["Body"])["requestContext"]["requestId"] for message in messages}
        assert cloud.stop() == 0
    assert {pid: state for pid in children(os.getpid()) if pid not in before and (state := _state(pid)) != "Z"} == {}


def _state(pid: int) -> str:
    """One letter, as in proc(5); Z, an ended process that nobody has asked for yet, also for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
