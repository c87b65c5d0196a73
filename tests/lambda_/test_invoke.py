"""Invoke, against the pages "Invoke" of the API reference and "Lambda quotas"."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.lambda_.build import REGISTERED, function, invoke, package
from tests.lambda_.conftest import there
from tests.support.running import Running


def test_a_function_answers_with_what_its_handler_returns(cloud: Running) -> None:
    """Because that is what a function is."""
    function(cloud, "echo")
    answer = cloud.client("lambda").invoke(FunctionName="echo", Payload=b'{"a": [1, 2]}')
    assert json.loads(answer["Payload"].read()) == {"a": [1, 2]}
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer


def test_errors_of_the_function_are_answers_not_errors_of_the_service(cloud: Running) -> None:
    """Because the invocation itself succeeded; the header tells the two apart."""
    function(cloud, "fails", "def handler(event, context):\n    raise ValueError('no')\n")
    answer = cloud.client("lambda").invoke(FunctionName="fails")
    document = json.loads(answer["Payload"].read())
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled"
    assert document["errorType"] == "ValueError" and document["errorMessage"] == "no"


def test_a_client_context_goes_with_synchronous_invocations(cloud: Running) -> None:
    """Because the API page of Invoke says so: with events it is not handed on, and it may have 3,583 bytes of base64."""
    function(cloud, "told", "def handler(event, context):\n    print('context', context.client_context)\n    return context.client_context and context.client_context.custom\n")
    client = cloud.client("lambda")

    def encoded(length: int) -> str:
        return base64.b64encode(json.dumps({"custom": {"k": "v" * length}}).encode()).decode()

    assert json.loads(client.invoke(FunctionName="told", ClientContext=encoded(3))["Payload"].read()) == {"k": "vvv"}
    with pytest.raises(ClientError, match="no more than 3583 bytes") as refused:
        client.invoke(FunctionName="told", ClientContext=encoded(2700))
    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"
    client.invoke(FunctionName="told", InvocationType="Event", ClientContext=encoded(3))
    cloud.settle()
    told = [event["message"].strip() for event in cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/told", filterPattern="context")["events"]]
    assert len(told) == 2 and told[1] == "context None"


def test_the_log_tail_has_the_lines_around_and_of_the_invocation(cloud: Running) -> None:
    """Because `LogType=Tail` is how the console and `aws lambda invoke` show what happened."""
    function(cloud, "talks", "def handler(event, context):\n    print('hello', event['n'])\n", MemorySize=256)
    answer = cloud.client("lambda").invoke(FunctionName="talks", Payload=b'{"n": 7}', LogType="Tail")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1] == "hello 7"
    assert lines[2] == f"END RequestId: {request_id}"
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\tDuration: ") and "Memory Size: 256 MB\t" in lines[3] and "Init Duration: " in lines[3]


def test_a_function_that_takes_too_long_is_ended(cloud: Running) -> None:
    """Because the time-out bounds what an invocation may cost."""
    function(cloud, "sleeps", "import time\ndef handler(event, context):\n    time.sleep(30)\n", Timeout=1)
    answer = cloud.client("lambda").invoke(FunctionName="sleeps", LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "Task timed out after 1.00 seconds" in json.loads(answer["Payload"].read())["errorMessage"]
    assert "Task timed out after 1.00 seconds" in log and "Status: timeout" in log


@pytest.mark.parametrize(
    ("call", "code", "status", "message"),
    [
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"),
        ({"FunctionName": "echo2", "Qualifier": "7"}, "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:echo2:7"),
        ({"FunctionName": "echo2", "Payload": b"{no"}, "InvalidRequestContentException", 400, "Could not parse request body into json: Could not parse payload into json"),
        ({"FunctionName": "echo2:a", "Qualifier": "b"}, "InvalidParameterValueException", 400, "The derived qualifier from the function name does not match"),
        ({"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:echo2"}, "ResourceNotFoundException", 404, "Functions from 'eu-west-1' are not reachable"),
        ({"FunctionName": "echo2", "Payload": b'"' + b"x" * 6_291_455 + b'"'}, "RequestTooLargeException", 413, "Request must be smaller than 6291456 bytes"),
        ({"FunctionName": "echo2", "InvocationType": "Event", "Payload": b'"' + b"x" * 1_048_575 + b'"'}, "RequestTooLargeException", 413, "Request must be smaller than 1048576 bytes"),
    ],
)
def test_what_cannot_be_invoked(cloud: Running, call: dict, code: str, status: int, message: str) -> None:
    """Because clients act on these codes."""
    client = cloud.client("lambda")
    try:
        client.get_function(FunctionName="echo2")
    except ClientError:
        function(cloud, "echo2")
    with pytest.raises(ClientError) as caught:
        client.invoke(**call)
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert error["Error"]["Message"].startswith(message)


def test_dry_run_runs_nothing(cloud: Running) -> None:
    """Because it only asks whether the call would be allowed."""
    function(cloud, "dry")
    assert cloud.client("lambda").invoke(FunctionName="dry", InvocationType="DryRun")["StatusCode"] == 204


def test_a_function_calls_the_cloud_with_its_roles_credentials(cloud: Running) -> None:
    """Because an unmodified boto3 inside a function must reach this cloud as the function's role."""
    function(cloud, "who", "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Arn']\n", Timeout=30, MemorySize=512)
    assert invoke(cloud, "who") == "arn:aws:sts::000000000000:assumed-role/functions/who"


def test_the_log_reaches_cloudwatch_logs(cloud: Running) -> None:
    """Because that is where people look for it."""
    function(cloud, "logged", "def handler(event, context):\n    print('line one')\n    return context.log_stream_name\n")
    stream = invoke(cloud, "logged")
    cloud.settle()
    events = cloud.client("logs").get_log_events(logGroupName="/aws/lambda/logged", logStreamName=stream, startFromHead=True)["events"]
    messages = [event["message"].rstrip() for event in events]
    assert messages[0].startswith("INIT_START") and messages[1].startswith("START") and messages[2] == "line one"
    assert messages[3].startswith("END") and messages[4].startswith("REPORT")


def test_reserved_concurrency_of_nothing_stops_a_function(cloud: Running) -> None:
    """Because that is the documented way to switch a function off."""
    function(cloud, "off")
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName="off", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="off")
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    client.delete_function_concurrency(FunctionName="off")
    assert invoke(cloud, "off", 1) == 1


def test_node_functions_run_as_python_ones_do(cloud: Running) -> None:
    """Because both runtimes are offered."""
    runtimes = [one for one in cloud.run(cloud.app.cloud.services["lambda"].environments.runtimes()) if one.startswith("nodejs")]
    if not runtimes:
        pytest.skip("this machine has no Node.js")
    code = package({"index.mjs": "export const handler = async (event) => ({ twice: event.n * 2 });\n"})
    function(cloud, "node", Runtime=runtimes[0], Code={"ZipFile": code})
    assert invoke(cloud, "node", {"n": 21}) == {"twice": 42}


def test_json_logging_writes_platform_events(cloud: Running) -> None:
    """Because log pipelines parse `platform.start` and `platform.report`."""
    function(cloud, "structured", LoggingConfig={"LogFormat": "JSON", "LogGroup": "/own/group"})
    answer = cloud.client("lambda").invoke(FunctionName="structured", LogType="Tail")
    first, *_, last = [json.loads(line) for line in base64.b64decode(answer["LogResult"]).decode().splitlines()]
    assert first["type"] == "platform.start" and first["record"]["version"] == "$LATEST"
    assert last["type"] == "platform.report" and last["record"]["status"] == "success" and last["record"]["metrics"]["memorySizeMB"] == 128
    cloud.settle()
    assert cloud.client("logs").describe_log_streams(logGroupName="/own/group")["logStreams"]


def test_many_run_at_once_each_in_its_own_environment(cloud: Running) -> None:
    """Because an environment serves one invocation at a time, and requests do not wait for each other."""
    code = "import os, uuid, time\nME = uuid.uuid4().hex\ndef handler(event, context):\n    end = time.monotonic() + 0.3\n    while time.monotonic() < end:\n        time.sleep(0.05)\n    return ME\n"
    function(cloud, "parallel", code)
    with ThreadPoolExecutor(5) as pool:
        seen = set(pool.map(lambda _: invoke(cloud, "parallel"), range(5)))
    assert len(seen) == 5


def test_nothing_of_a_log_is_lost_when_the_cloud_stops(tmp_path: Path) -> None:
    """Because a running clock spreads the writes of a busy function, and a stop must not cut off what still waits."""
    cloud = Running(data_dir=tmp_path, services=there(), frozen=False).start()
    function(cloud, "busy", "def handler(event, context):\n    print('line', event)\n")
    for number in range(10):
        invoke(cloud, "busy", number)
    cloud.stop()
    cloud.start()
    lines = [event["message"] for event in cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/busy", filterPattern="line")["events"]]
    cloud.stop()
    assert [line.strip() for line in lines] == [f"line {number}" for number in range(10)]


def test_a_killed_spawner_is_no_error_of_the_service(fresh_cloud: Running) -> None:
    """Because another one is started at once, even if that is killed too, and a request that comes in between waits for it; only what runs in this
    very moment dies with its environment, as it does when a function's process ends."""
    function(fresh_cloud, "steady")
    invoke(fresh_cloud, "steady")
    runtime = fresh_cloud.app.cloud.services["lambda"].environments._runtime
    killed: set[int] = set()
    for number in range(1000):
        if len(killed) == 3 and number % 3 == 0:
            break
        if number % 3 == 0 and runtime.driver.spawner_pid not in killed:  # Otherwise what was below the last one has not ended yet, and goes on answering.
            killed.add(runtime.driver.spawner_pid)
            os.kill(runtime.driver.spawner_pid, signal.SIGKILL)
        answer = invoke(fresh_cloud, "steady", number)
        assert answer == number or answer["errorType"] == "Runtime.ExitError"
    assert len(killed) == 3


EXTENDED = REGISTERED + """
def work():
    while True:
        call('GET', 'event/next', None, me)
        time.sleep(1)
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    return context.log_stream_name
"""


def test_extensions_that_take_their_time(cloud: Running) -> None:
    """Because the client has its answer when the function has given it; the environment is busy, and billed, until the extension is done, and the tail waits."""
    function(cloud, "extended", EXTENDED)
    begun = time.monotonic()
    first, second = invoke(cloud, "extended"), invoke(cloud, "extended")
    assert time.monotonic() - begun < 0.9 and first != second
    answer = cloud.client("lambda").invoke(FunctionName="extended", LogType="Tail")
    report = base64.b64decode(answer["LogResult"]).decode().splitlines()[-1]
    assert report.startswith("REPORT ") and 1000 <= float(report.split("\tDuration: ")[1].split(" ")[0]) < 2500
    cloud.settle()
    events = cloud.client("logs").get_log_events(logGroupName="/aws/lambda/extended", logStreamName=first, startFromHead=True)["events"]
    assert [event["message"].split()[0] for event in events if event["message"].startswith(("START", "END", "REPORT"))][:3] == ["START", "END", "REPORT"]
