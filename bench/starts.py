"""Functions, continued: cold starts of container images and of snapshots, the way of a stream's record, and ten thousand functions."""

from __future__ import annotations

import base64
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from bench import requests, servers
from bench.data_plane import client, measure
from bench.functions import ECHO, TRUST, add_cold, create, invoke_request, timed_invoke, timed_python, wait_active, zipped
from bench.load import load
from bench.process import start_once, tree_pss
from bench.speed import Speed, in_turns, speed
from bench.table import Table
from tests.ecr.build import Registry, image
from tests.runtime.images import ECHO as EVALUATE
from tests.runtime.images import python_layer, tar
from tests.support.python import PYTHON

_COLD_STARTS = 9
_STARTS = 5
_BOTO3 = "import boto3\nsqs = boto3.client('sqs')\ndef handler(event, context):\n    return event\n"
_LISTENER = """
import boto3, os, time
sqs = boto3.client("sqs")
def handler(event, context):
    now = time.time_ns()
    for record in event["Records"]:
        sent = int(record["dynamodb"]["NewImage"]["sent"]["N"])
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=str(now - sent))
"""
_RECORDS = 60
_PAUSE_SECONDS = 0.04
_MANY = 10_000


class _Cloud:
    """What the tests' client of the registry wants to know."""

    def __init__(self, target: servers.Target) -> None:
        self.target = target
        self.endpoint = f"http://127.0.0.1:{target.port}"
        self.role: str = self.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        self.client("iam").put_role_policy(RoleName="bench", PolicyName="all", PolicyDocument=json.dumps(allowed))

    def client(self, service: str) -> Any:
        return client(service, self.target.port)

    def end_idle_environments(self) -> None:
        """Let the time pass after which an idle environment ends."""
        command = [str(Path(sys.executable).parent / "haneul"), "clock", "advance", "30m", "--data-dir", str(self.target.folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(table: Table, seconds: float) -> None:
    """Measure all of it, on servers that are not pinned: environments need a core too."""
    print("functions, continued")
    with servers.haneul(cores=servers.ALL_CORES) as target:
        cloud = _Cloud(target)
        _image(table, cloud)
        _snapshot(table, cloud)
    with servers.haneul(cores=servers.ALL_CORES) as target:
        _stream(table, _Cloud(target))
    with tempfile.TemporaryDirectory(prefix="haneul-bench-many-", ignore_cleanup_errors=True) as folder:
        fresh = min(start_once(Path(folder, "few")) for _ in range(_STARTS))
        with servers.haneul(cores=servers.ALL_CORES, kept=Path(folder, "many")) as many, servers.haneul(cores=servers.ALL_CORES) as few:
            _many(table, _Cloud(many), _Cloud(few), seconds)
        start = min(start_once(Path(folder, "many")) for _ in range(_STARTS))
        table.add(f"start to first answer with {_MANY:,} functions", f"{start * 1000:.0f} ms (best of {_STARTS})", ratio=start / fresh, against=f"with none ({fresh * 1000:.0f} ms)", at_most=1.25)


def _cold_starts(table: Table, name: str, cloud: _Cloud, request: bytes, limit: float) -> None:
    ours, plain = [], []
    for _ in range(_COLD_STARTS):
        cloud.end_idle_environments()
        plain.append(timed_python())
        ours.append(timed_invoke(cloud.target.port, request))
    add_cold(table, name, ours, plain, limit)


def _image(table: Table, cloud: _Cloud) -> None:
    settings = {"Entrypoint": ["python3"], "Cmd": ["/app/app.py"], "Env": ["PATH=/usr/bin", "PYTHONHOME=/usr"]}
    cloud.client("ecr").create_repository(repositoryName="app")
    Registry(cloud).push("app", image([python_layer(), tar({"app/app.py": EVALUATE.encode()})], **settings))  # type: ignore[arg-type]
    functions = cloud.client("lambda")
    code = {"ImageUri": f"127.0.0.1:{cloud.target.port}/app:latest"}
    functions.create_function(FunctionName="image", PackageType="Image", Role=cloud.role, Code=code, MemorySize=1769, Timeout=30)
    wait_active(functions, "image")
    _cold_starts(table, "cold start, container image with Python", cloud, invoke_request(cloud.target.port, "image", payload=b'"1"'), 2.5)


def _snapshot(table: Table, cloud: _Cloud) -> None:
    functions = cloud.client("lambda")
    create(functions, "snapped", PYTHON, _BOTO3, cloud.role, SnapStart={"ApplyOn": "PublishedVersions"})
    functions.publish_version(FunctionName="snapped")
    wait_active(functions, "snapped", Qualifier="1")
    _cold_starts(table, "cold start, SnapStart with boto3", cloud, invoke_request(cloud.target.port, "snapped", "1"), 1.2)


def _stream(table: Table, cloud: _Cloud) -> None:
    """From before a PutItem is signed and sent until the function has its record, when nothing else goes on."""
    queue = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    keys: dict[str, Any] = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    streams = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    dynamodb, functions = cloud.client("dynamodb"), cloud.client("lambda")
    made = dynamodb.create_table(TableName="items", BillingMode="PAY_PER_REQUEST", StreamSpecification=streams, **keys)["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    create(functions, "listener", PYTHON, _LISTENER, cloud.role, Environment={"Variables": {"QUEUE": queue}})
    mapping = functions.create_event_source_mapping(FunctionName="listener", EventSourceArn=made["LatestStreamArn"], StartingPosition="TRIM_HORIZON", BatchSize=1)
    while functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] != "Enabled":
        time.sleep(0.05)
    _put(cloud, 1)
    _received(cloud, queue, 1)  # The first one waits for a cold start.
    _put(cloud, _RECORDS)
    delays = sorted(_received(cloud, queue, _RECORDS))
    p50, p99 = statistics.median(delays) / 1e6, delays[len(delays) * 99 // 100] / 1e6
    table.add_limit("stream record to function, idle", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p50 <= 5 ms", p50 <= 5)


def _put(cloud: _Cloud, count: int) -> None:
    with socket.create_connection(("127.0.0.1", cloud.target.port)) as connection:
        for number in range(count):
            item = {"pk": {"S": str(number)}, "sent": {"N": str(time.time_ns())}}
            connection.sendall(requests.target("dynamodb", cloud.target.port, "DynamoDB_20120810.PutItem", "1.0", {"TableName": "items", "Item": item}))
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("PutItem failed")
            time.sleep(_PAUSE_SECONDS)


def _received(cloud: _Cloud, queue: str, count: int) -> list[int]:
    found: list[int] = []
    sqs, deadline = cloud.client("sqs"), time.monotonic() + 30
    while len(found) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(found)} of {count} records have arrived")
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            found.append(int(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def _many(table: Table, cloud: _Cloud, few: _Cloud, seconds: float) -> None:
    """The same invocation where there are ten thousand functions, and where there is one."""
    functions, port = cloud.client("lambda"), cloud.target.port
    for one in (cloud, few):
        create(one.client("lambda"), "echo", PYTHON, ECHO, one.role)
        measure(one.target.port, [invoke_request(one.target.port, "echo")], 0.5, connections=1)
    memory = tree_pss(cloud.target.pid, "Pss_Anon")
    code = {"ZipFile": base64.b64encode(zipped("app.py", ECHO)).decode()}
    wishes: list[dict[str, Any]] = [{"FunctionName": f"one-of-many-{i}", "Runtime": PYTHON, "Handler": "app.handler", "Role": cloud.role, "Code": code} for i in range(_MANY)]
    creates = [requests.signed("lambda", "POST", port, "/2015-03-31/functions", json.dumps(wish).encode(), {"Content-Type": "application/json"}) for wish in wishes]
    result = uvloop.run(load(port, creates, connections=16, once=True))
    if result.failures:
        raise RuntimeError(f"{result.failures} functions could not be created")
    table.add(f"creating {_MANY:,} functions", f"{result.rate:,.0f}/s")
    wait_active(functions, f"one-of-many-{_MANY - 1}")
    grown = tree_pss(cloud.target.pid, "Pss_Anon") - memory
    table.add(f"memory of its own for {_MANY:,} functions", f"{grown / 1024:.0f} MB")
    mine, base = in_turns(lambda part: _warm(cloud, part), lambda part: _warm(few, part), seconds)
    table.add(f"warm invoke with {_MANY:,} functions", f"{mine.rate:,.0f}/s", ratio=mine.rate / base.rate, against=f"with one ({base.rate:,.0f}/s)", at_least=0.8)
    ours, plain = [], []
    for number in range(_COLD_STARTS):
        plain.append(timed_python())
        ours.append(timed_invoke(port, invoke_request(port, f"one-of-many-{_MANY - 1 - number}")))
    add_cold(table, f"cold start of one of {_MANY:,} functions", ours, plain, 1.0)


def _warm(cloud: _Cloud, seconds: float) -> Speed:
    return speed(cloud.target, [invoke_request(cloud.target.port, "echo")], 1, seconds)
