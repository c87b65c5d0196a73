"""What the service itself writes into a function's log, against "Understanding the Lambda execution environment lifecycle", "Log-level filtering" and
"Monitoring for Lambda SnapStart"."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from tests.lambda_.build import REGISTERED, function, invoke
from tests.support.running import Running

TALKS = "print('at init')\ndef handler(event, context):\n    print('in handler')\n    return context.log_stream_name\n"
VERSION = r"Runtime Version: python:3\.11\.v\d+\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}"


def _log(cloud: Running, name: str) -> list[str]:
    """The whole log, of all streams, in the order of the streams' making."""
    cloud.settle()
    logs = cloud.client("logs")
    group = f"/aws/lambda/{name}"
    streams = sorted(logs.describe_log_streams(logGroupName=group)["logStreams"], key=lambda stream: stream["creationTime"])
    found = [logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"] for stream in streams]
    return [event["message"].rstrip("\n") for events in found for event in events]


def _events(cloud: Running, name: str) -> list[Any]:
    return [json.loads(line) for line in _log(cloud, name) if line.startswith("{")]


def test_the_init_phase_comes_before_the_first_invocation(cloud: Running) -> None:
    """Because what is printed at import is not the invocation's; and once for each environment."""
    function(cloud, "talks", TALKS)
    invoke(cloud, "talks")
    invoke(cloud, "talks")
    lines = _log(cloud, "talks")
    assert re.fullmatch("INIT_START " + VERSION, lines[0]), lines[0]
    assert [line.split(" ")[0] for line in lines] == ["INIT_START", "at", "START", "in", "END", "REPORT", "START", "in", "END", "REPORT"]


def test_the_tail_of_a_cold_invocation_keeps_that_order(cloud: Running) -> None:
    """Because it is a part of the log; INIT_START was written before the invocation came."""
    function(cloud, "tailed", TALKS)
    answer = cloud.client("lambda").invoke(FunctionName="tailed", LogType="Tail")
    from_tail = b64decode(answer["LogResult"]).decode().splitlines()
    assert [line.split(" ")[0] for line in from_tail] == ["at", "START", "in", "END", "REPORT"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("import nothing_of_the_kind", "Runtime.ImportModuleError"), ("import os\nos._exit(3)", "Runtime.ExitError")],
)
def test_an_init_phase_that_fails_is_reported_each_time(fresh_cloud: Running, code: str, kind: str) -> None:
    """Because it is tried again within the invocation, whose START comes after that."""
    function(fresh_cloud, "fails", code)
    assert fresh_cloud.client("lambda").invoke(FunctionName="fails")["FunctionError"] == "Unhandled"
    lines = [line for line in _log(fresh_cloud, "fails") if re.match("INIT_|START|END|REPORT", line)]
    assert re.fullmatch(rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: {kind}", lines[1]), lines
    assert re.fullmatch(rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: error\tError Type: {kind}", lines[2]), lines
    assert [line.split(" ")[0] for line in lines] == ["INIT_START", "INIT_REPORT", "INIT_REPORT", "START", "END", "REPORT"]
    assert "Init Duration" not in lines[-1] and f"Status: error\tError Type: {kind}" in lines[-1]


def limit_init(cloud: Running, nanoseconds: int) -> None:
    """Let Init phases take no longer, instead of ten seconds."""
    function(cloud, "warm")
    invoke(cloud, "warm")
    runtime = cloud.app.cloud.services["lambda"].environments._runtime
    runtime._surroundings = replace(runtime._surroundings, init_timeout_ns=nanoseconds)


def test_an_init_phase_that_takes_too_long(fresh_cloud: Running) -> None:
    """Because its own limit is not the function's: it is begun anew within the invocation, which has the function's time and no more."""
    cloud = fresh_cloud
    limit_init(cloud, 300_000_000)
    function(cloud, "endless", "import time\ntime.sleep(60)\n", Timeout=1)
    answer = cloud.client("lambda").invoke(FunctionName="endless")
    assert "Task timed out after 1.00 seconds" in json.loads(answer["Payload"].read())["errorMessage"]
    lines = _log(cloud, "endless")
    assert re.fullmatch(r"INIT_REPORT Init Duration: 3\d\d\.\d\d ms\tPhase: init\tStatus: timeout", lines[1]), lines
    assert re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: invoke\tStatus: timeout", lines[2]), lines
    assert "\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t" in lines[-1] and lines[-1].endswith("\tStatus: timeout") and "Init Duration" not in lines[-1]


def test_an_init_phase_that_succeeds_the_second_time(fresh_cloud: Running) -> None:
    """Because it is then a part of the invocation: of its duration, and of its time-out."""
    cloud = fresh_cloud
    limit_init(cloud, 100_000_000)
    function(cloud, "slow", "import time\ntime.sleep(0.4)\ndef handler(event, context):\n    return context.get_remaining_time_in_millis()\n", Timeout=5)
    assert invoke(cloud, "slow") < 4700
    lines = _log(cloud, "slow")
    assert [line.split(" ")[0] for line in lines] == ["INIT_START", "INIT_REPORT", "START", "END", "REPORT"]
    duration = re.search(r"\tDuration: ([0-9.]+) ms", lines[-1])
    assert duration is not None and 400 <= float(duration[1]) < 5000 and "Init Duration" not in lines[-1]


def test_json_events_by_level(cloud: Running) -> None:
    """Because each event has a level, and what is below the function's system log level is not written."""
    expected = {
        "DEBUG": ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"],
        "INFO": ["initStart", "start", "report"],
        "WARN": [],
    }
    for level, kinds in expected.items():
        function(cloud, f"level-{level}", LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": level})
        invoke(cloud, f"level-{level}")
        if level == "WARN":
            cloud.settle()
            assert not [group for group in cloud.client("logs").describe_log_groups()["logGroups"] if group["logGroupName"].endswith("WARN")]
            continue
        events = _events(cloud, f"level-{level}")
        assert [event["type"] for event in events] == [f"platform.{kind}" for kind in kinds]
        start = events[0]["record"]
        assert start["initializationType"] == "on-demand" and start["phase"] == "init" and start["runtimeVersion"].startswith("python:3.11.v")
        assert start["functionName"] == f"level-{level}" and start["functionVersion"] == "$LATEST" and start["instanceMaxMemory"] == 128 << 20
    done = next(event["record"] for event in _events(cloud, "level-DEBUG") if event["type"] == "platform.runtimeDone")
    assert done["status"] == "success" and done["metrics"]["producedBytes"] == len("{}")


def test_failures_are_warnings(cloud: Running) -> None:
    """Because who asks for warnings only is to see these."""
    function(cloud, "raises", "def handler(event, context):\n    raise ValueError('no')\n", LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN", "ApplicationLogLevel": "FATAL"})
    cloud.client("lambda").invoke(FunctionName="raises")
    events = [event for event in _events(cloud, "raises") if "type" in event]
    assert [(event["type"], event["record"]["status"], event["record"]["errorType"]) for event in events] == [
        ("platform.runtimeDone", "error", "ValueError"),
        ("platform.report", "error", "ValueError"),
    ]


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_extensions_are_told_of(cloud: Running, log_format: str) -> None:
    """Because they, too, take part in the Init phase: once they are ready, each has its line, or its event."""
    code = REGISTERED + """
def work():
    while True: call('GET', 'event/next', None, me)
threading.Thread(target=work, daemon=True).start()
def handler(event, context): return 1
"""
    function(cloud, f"extended-{log_format}", code, LoggingConfig={"LogFormat": log_format})
    assert [invoke(cloud, f"extended-{log_format}") for _ in range(3)] == [1, 1, 1]
    lines = _log(cloud, f"extended-{log_format}")
    if log_format == "Text":
        # The last report comes when the extension, too, is done with the invocation, and may not be there yet.
        assert lines[1] == "EXTENSION\tName: int\tState: Ready\tEvents: [INVOKE]" and sum(line.startswith("REPORT") for line in lines) in (2, 3), lines
        return
    assert json.loads(lines[1])["record"] == {"name": "int", "state": "Ready", "events": ["INVOKE"]}
    assert [json.loads(line)["type"] for line in lines[:5]] == [f"platform.{kind}" for kind in ("initStart", "extension", "start", "report", "start")]


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_snapshots_and_restores(fresh_cloud: Running, log_format: str) -> None:
    """Because the snapshot's Init phase is always reported, and each restore, in the log stream of its environment: also when nothing is logged behind the report, and
    what was logged before it is long written."""
    cloud = fresh_cloud
    code = TALKS.replace("print('at init')", "import time\nprint('at init', flush=True)\ntime.sleep(0.3)")
    function(cloud, "snapped", code, SnapStart={"ApplyOn": "PublishedVersions"}, LoggingConfig={"LogFormat": log_format, **({"SystemLogLevel": "DEBUG"} if log_format == "JSON" else {})})
    cloud.client("lambda").publish_version(FunctionName="snapped")
    cloud.settle()
    invoke(cloud, "snapped", Qualifier="1")
    if log_format == "JSON":
        kinds = [event["type"].removeprefix("platform.") for event in _events(cloud, "snapped") if "type" in event]
        restored = ["restoreStart", "restoreRuntimeDone", "restoreReport", "start", "runtimeDone", "report"]
        assert kinds in (["initStart", "initRuntimeDone", "initReport", *restored], [*restored, "initStart", "initRuntimeDone", "initReport"])
        return
    lines = _log(cloud, "snapped")
    assert any(re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms", line) for line in lines), lines
    at = next(at for at, line in enumerate(lines) if line.startswith("RESTORE_START"))
    assert re.fullmatch("RESTORE_START " + VERSION, lines[at]) and re.fullmatch(r"RESTORE_REPORT Restore Duration: \d+\.\d\d ms", lines[at + 1])
    assert [line.split(" ")[0] for line in lines[at + 2 : at + 6]] == ["START", "in", "END", "REPORT"]


@pytest.mark.parametrize(
    "body",
    ["import time; time.sleep(30)", "import os; os._exit(1)", "import os; os.kill(os.getpid(), 9)", "return 1"],
    ids=["time-out", "exit", "signal", "success"],
)
@pytest.mark.parametrize("phase", ["handler", "init"])
def test_the_memory_used_is_known_however_it_ends(cloud: Running, body: str, phase: str) -> None:
    """Because the report of what failed is the one that people read: an interpreter alone has more than ten megabytes."""
    name = f"ends-{phase}-{len(body)}"
    code = f"def handler(event, context):\n    {body}\n" if phase == "handler" else f"def begin():\n    {body}\nbegin()\ndef handler(event, context): pass\n"
    function(cloud, name, code, Timeout=1)
    if phase == "init" and "sleep" in body:
        runtime = cloud.app.cloud.services["lambda"].environments._runtime
        usual = runtime._surroundings
        runtime._surroundings = replace(usual, init_timeout_ns=300_000_000)
        invoke_anyway(cloud, name)
        runtime._surroundings = usual
    else:
        invoke_anyway(cloud, name)
    used = re.search(r"Max Memory Used: (\d+) MB", _log(cloud, name)[-1])
    assert used is not None and 10 < int(used[1]) < 100


def invoke_anyway(cloud: Running, name: str) -> None:
    """An invocation that may fail."""
    cloud.client("lambda").invoke(FunctionName=name)
