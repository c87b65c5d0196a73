"""Trace headers and sampling, against "Visualize Lambda function invocations using AWS X-Ray" and the X-Ray Developer Guide, "Tracing header"."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from haneul.services.lambda_.traces import fields_of
from tests.lambda_.build import function
from tests.support.running import Running

SHOW = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"
ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
XRAY = re.compile(r"\nXRAY TraceId: (1-[0-9a-f]{8}-[0-9a-f]{24})\tSegmentId: ([0-9a-f]{16})\tSampled: true\t\n$")


def _invoke(cloud: Running, name: str, header: str = "") -> tuple[dict[str, str], str, dict[str, str]]:
    """The trace header inside of the function, the log, and the trace header of the answer."""
    client = cloud.client("lambda")

    def trace(params: Any, **_: Any) -> None:
        params["headers"].update({"X-Amzn-Trace-Id": header} if header else {})

    client.meta.events.register("before-call.lambda.Invoke", trace)
    answer = client.invoke(FunctionName=name, LogType="Tail")
    client.meta.events.unregister("before-call.lambda.Invoke", trace)
    inside = fields_of(json.loads(answer["Payload"].read()))
    return inside, base64.b64decode(answer["LogResult"]).decode(), fields_of(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"])


def _active(cloud: Running, name: str, **settings: Any) -> None:
    function(cloud, name, SHOW, TracingConfig={"Mode": "Active"}, **settings)


def test_active_tracing_samples_the_first_request_of_a_second_and_few_others(fresh_cloud: Running) -> None:
    """Because that is X-Ray's default rule, and the decision is the first thing that SDKs in the function look at."""
    _active(fresh_cloud, "traced")
    inside, log, told = _invoke(fresh_cloud, "traced")
    assert inside["Sampled"] == "1" and told["Root"] == inside["Root"] and told["Sampled"] == "1"
    found = XRAY.search(log)
    assert found is not None and (found[1], found[2]) == (inside["Root"], inside["Parent"])
    others = [_invoke(fresh_cloud, "traced") for _ in range(40)]
    sampled = [one for one, log, _ in others if one["Sampled"] == "1"]
    assert len(sampled) < 20 and all((XRAY.search(log) is not None) is (one["Sampled"] == "1") for one, log, _ in others)
    fresh_cloud.advance("1s")
    assert _invoke(fresh_cloud, "traced")[0]["Sampled"] == "1"


@pytest.mark.parametrize("mode", ["Active", "PassThrough"])
@pytest.mark.parametrize("sampled", ["0", "1"])
def test_a_decision_that_was_made_is_kept(cloud: Running, mode: str, sampled: str) -> None:
    """Because a trace is whole or not there: only a sampled one under active tracing gets a segment here, whose children later calls are."""
    name = f"kept-{mode}-{sampled}"
    function(cloud, name, SHOW, TracingConfig={"Mode": mode})
    for _ in range(2):
        inside, log, told = _invoke(cloud, name, f"Root={ROOT};Parent={PARENT};Sampled={sampled}")
        assert (inside["Root"], inside["Sampled"], told["Root"], told["Sampled"]) == (ROOT, sampled, ROOT, sampled)
        traced = mode == "Active" and sampled == "1"
        assert (XRAY.search(log) is not None) is traced and (inside["Parent"] != PARENT) is traced


def test_an_open_decision_is_made_by_active_tracing_only(fresh_cloud: Running) -> None:
    """Because a header may name a trace without saying whether it is recorded; PassThrough hands it on as it is."""
    _active(fresh_cloud, "decides")
    function(fresh_cloud, "passes", SHOW)
    inside, log, _ = _invoke(fresh_cloud, "decides", f"Root={ROOT}")
    assert (inside["Root"], inside["Sampled"]) == (ROOT, "1") and XRAY.search(log) is not None
    inside, log, _ = _invoke(fresh_cloud, "passes", f"Root={ROOT}")
    assert inside["Root"] == ROOT and "Sampled" not in inside and "XRAY" not in log
    inside, log, _ = _invoke(fresh_cloud, "passes")
    assert inside["Sampled"] == "0" and "XRAY" not in log


def test_json_reports_name_the_segment(cloud: Running) -> None:
    """Because structured logs have no second line."""
    _active(cloud, "structured", LoggingConfig={"LogFormat": "JSON"})
    inside, log, _ = _invoke(cloud, "structured")
    [report] = [line["record"] for line in map(json.loads, log.splitlines()) if line["type"] == "platform.report"]
    value = f"Root={inside['Root']};Parent={inside['Parent']};Sampled=1"
    assert report["tracing"] == {"spanId": inside["Parent"], "type": "X-Amzn-Trace-Id", "value": value}


def test_an_asynchronous_event_is_decided_when_it_is_taken(fresh_cloud: Running) -> None:
    """Because its retries belong to one trace."""
    cloud = fresh_cloud
    url = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    code = "import boto3, os\ndef handler(event, context):\n    boto3.client('sqs').send_message(QueueUrl=os.environ['SEEN'], MessageBody=os.environ['_X_AMZN_TRACE_ID'])\n    raise ValueError\n"
    function(cloud, "later", code, TracingConfig={"Mode": "Active"}, Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": url}})
    answer = cloud.client("lambda").invoke(FunctionName="later", InvocationType="Event")
    told = fields_of(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"])
    cloud.settle()
    cloud.advance("60s")
    messages = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    seen = [fields_of(message["Body"]) for message in messages]
    assert [(one["Root"], one["Sampled"]) for one in seen] == [(told["Root"], "1")] * 2 and seen[0]["Parent"] != seen[1]["Parent"]
