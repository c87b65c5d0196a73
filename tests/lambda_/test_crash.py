"""`kill -9` of the real process: what was answered 202 runs, and nothing of the sandboxes is left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.lambda_.build import function
from tests.process.haneul_process import Process

pytestmark = pytest.mark.process


def test_no_accepted_event_is_lost(tmp_path: Path) -> None:
    """Because 202 means that the event is on the disk: the next start carries on with it."""
    accepted = set()
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
    sandbox = str(tmp_path)
    assert [pid for pid in os.listdir("/proc") if pid.isdigit() and sandbox in _command_line(pid)] == []


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
