"""Functions: warm invokes, cold starts, many at once, memory of an idle environment, and the way through API Gateway."""

from __future__ import annotations

import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvloop

from bench import requests, servers
from bench.data_plane import client, measure
from bench.process import children, pss
from bench.table import Table
from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.port import Credentials, FunctionSpec, Invocation
from haneul.runtime.runtime import Runtime
from tests.support.python import PYTHON

ECHO = "def handler(event, context):\n    return event\n"
_SLEEPER = "import time\ndef handler(event, context):\n    time.sleep(0.1)\n    return {}\n"
_NODE = "export const handler = async (event) => event;\n"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
COLD_STARTS = 15
_GATEWAY_TURNS = 7
# How many at once, and in how many seconds at most.
_PARALLEL = ((50, 1.5), (100, 2.0))
_PAYLOAD = b'{"hello": "world", "numbers": [1, 2, 3]}'


def run(table: Table, seconds: float) -> None:
    """Measure functions on an unpinned server: environments need a core too."""
    print("functions")
    pair = _socketpair_rate(seconds)
    table.add("raw socketpair echo between two processes", f"{pair:,.0f}/s")
    _hop(table, seconds, pair)
    alone = uvloop.run(_sandbox_rate(seconds))
    table.add("warm invoke, Python, the sandbox alone (no HTTP)", f"{alone:,.0f}/s", ratio=alone / pair, against="socketpair echo", at_least=0.12)
    with servers.haneul(cores=servers.ALL_CORES) as target:
        role = make_role(client("iam", target.port))
        functions = client("lambda", target.port)
        create(functions, "echo", PYTHON, ECHO, role)
        _warm(table, target.port, seconds, pair)
        _gateway(table, target.port, seconds)
        _cold(table, functions, role, target.port)
        _parallel(table, functions, role, target)


def make_role(iam: Any) -> str:
    """The ARN of a role for functions, which may write their logs."""
    role: str = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="bench", PolicyName="logs", PolicyDocument=json.dumps(allowed))
    return role


def zipped(name: str, code: str) -> bytes:
    """A package of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, code)
    return buffer.getvalue()


def create(functions: Any, name: str, runtime: str, code: str, role: str, memory: int = 1769, **settings: Any) -> None:
    """A function out of one file, once it is active."""
    package = zipped("app.mjs" if runtime.startswith("node") else "app.py", code)
    functions.create_function(FunctionName=name, Runtime=runtime, Handler="app.handler", Role=role, Code={"ZipFile": package}, MemorySize=memory, Timeout=30, **settings)
    wait_active(functions, name)


def wait_active(functions: Any, name: str, **version: str) -> None:
    """Until a function, or a version of it, may be invoked."""
    while (state := functions.get_function_configuration(FunctionName=name, **version)["State"]) != "Active":
        if state == "Failed":
            raise RuntimeError(f"{name} has failed")
        time.sleep(0.02)


def invoke_request(port: int, name: str, qualifier: str = "", payload: bytes = _PAYLOAD) -> bytes:
    """A synchronous invocation."""
    path = f"/2015-03-31/functions/{name}/invocations" + (f"?Qualifier={qualifier}" if qualifier else "")
    return requests.signed("lambda", "POST", port, path, payload, {"Content-Type": "application/json"})


def _socketpair_rate(seconds: float) -> float:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        while data := theirs.recv(4096):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    count, deadline = 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < deadline:
        for _ in range(100):
            ours.sendall(_PAYLOAD)
            ours.recv(4096)
        count += 100
    elapsed = time.perf_counter() - began
    ours.close()
    os.waitpid(child, 0)
    return count / elapsed


def _hop(table: Table, seconds: float, pair: float) -> None:
    """What one HTTP connection allows at best, whatever the server does."""
    with servers.echo() as target:
        bare = measure(target.port, [requests.raw("POST", target.port, "/", _PAYLOAD, {})], seconds, connections=1)
    table.add("bare HTTP echo, 1 connection", f"{bare.rate:,.0f}/s, p50 {bare.p50_us:.0f} us", ratio=bare.rate / pair, against="socketpair echo")


async def _sandbox_rate(seconds: float) -> float:
    """Invocations a second of one environment, asked for in the process that holds it."""
    with tempfile.TemporaryDirectory(prefix="haneul-bench-") as folder:
        os.chmod(folder, 0o755)
        code = Path(folder, "code")
        code.mkdir()
        (code / "app.py").write_text(ECHO)
        runtime = Runtime(folder, driver=make_driver("auto", folder))
        await runtime.start()
        try:
            spec = FunctionSpec("bench", "bench", "$LATEST", "arn:bench", PYTHON, code_dir=str(code), memory_mb=1769, timeout_ms=30_000, handler="app.handler")
            environment = await runtime.create(spec, Credentials("ASIABENCH", "secret", "token"), "bench")
            invocation = Invocation("id", _PAYLOAD, "arn:bench")
            for _ in range(100):
                await environment.invoke(invocation)
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                assert (await environment.invoke(invocation)).status == "success"
                count += 1
            elapsed = time.perf_counter() - began
            await environment.destroy()
            return count / elapsed
        finally:
            await runtime.stop()


def _warm(table: Table, port: int, seconds: float, pair: float) -> None:
    request = invoke_request(port, "echo")
    measure(port, [request], 0.5, connections=1)
    one = measure(port, [request], seconds, connections=1)
    table.add("warm invoke through the front, Python, 1 connection", f"{one.rate:,.0f}/s, p50 {one.p50_us:.0f} us, p99 {one.p99_us:.0f} us", ratio=one.rate / pair, against="socketpair echo", at_least=0.2)
    many = measure(port, [request], seconds, connections=8)
    table.add("warm invoke through the front, Python, 8 connections", f"{many.rate:,.0f}/s, p99 {many.p99_us / 1000:.1f} ms", ratio=many.rate / pair, against="socketpair echo")


def _gateway(table: Table, port: int, seconds: float) -> None:
    gateway, functions = client("apigateway", port), client("lambda", port)
    create(
        functions,
        "web",
        PYTHON,
        'def handler(event, context):\n    return {"statusCode": 200, "body": "{}"}\n',
        client("iam", port).get_role(RoleName="bench")["Role"]["Arn"],
    )
    api = gateway.create_rest_api(name="bench")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="POST", authorizationType="NONE")
    arn = functions.get_function_configuration(FunctionName="web")["FunctionArn"]
    gateway.put_integration(
        restApiId=api,
        resourceId=root,
        httpMethod="POST",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{requests.REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
    )
    functions.add_permission(FunctionName="web", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    gateway.create_deployment(restApiId=api, stageName="prod")
    request = requests.raw("POST", port, f"/restapis/{api}/prod/_user_request_/", _PAYLOAD, {"Content-Type": "application/json"})
    direct = invoke_request(port, "echo")
    measure(port, [request], 0.5, connections=1)
    turns = [(measure(port, [request], seconds / 3, connections=1).rate, measure(port, [direct], seconds / 3, connections=1).rate) for _ in range(_GATEWAY_TURNS)]
    rate = statistics.median(through for through, _ in turns)
    table.add("REST API to a warm function, 1 connection", f"{rate:,.0f}/s", ratio=statistics.median(through / invoke for through, invoke in turns), against="direct invoke", at_least=0.8)


def timed_invoke(port: int, request: bytes) -> float:
    """Seconds that one invocation takes."""
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    path = head.split(b" ", 2)[1].decode()
    wish = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers, method="POST")
    began = time.perf_counter()
    with urllib.request.urlopen(wish, timeout=60) as answer:
        answer.read()
        if answer.headers.get("X-Amz-Function-Error"):
            raise RuntimeError("the function failed")
    return time.perf_counter() - began


def _cold(table: Table, functions: Any, role: str, port: int) -> None:
    for runtime, code, limit in ((PYTHON, ECHO, 1.0), ("nodejs24.x", _NODE, 4.0)):
        ours, plain = [], []
        for i in range(COLD_STARTS):
            name = f"cold-{runtime.partition('.')[0]}-{i}"
            create(functions, name, runtime, code, role)
            plain.append(timed_python())
            ours.append(timed_invoke(port, invoke_request(port, name)))
        add_cold(table, f"cold start, {runtime} zip", ours, plain, limit)


def timed_python() -> float:
    """Seconds that a plain Python takes, which cold starts are compared with."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def add_cold(table: Table, name: str, ours: list[float], plain: list[float], limit: float) -> None:
    """A row for cold starts, each measured beside a plain Python."""
    cold, base = statistics.median(ours), statistics.median(plain)
    table.add(name, f"{cold * 1000:.1f} ms (median of {len(ours)})", ratio=cold / base, against=f"python3 -c pass ({base * 1000:.1f} ms)", at_most=limit)


def _parallel(table: Table, functions: Any, role: str, target: servers.Target) -> None:
    for count, limit in _PARALLEL:
        create(functions, f"sleeper-{count}", PYTHON, _SLEEPER, role, memory=128)
        request = invoke_request(target.port, f"sleeper-{count}")
        with ThreadPoolExecutor(count) as pool:
            began = time.perf_counter()
            list(pool.map(lambda _, request=request: timed_invoke(target.port, request), range(count)))
            took = time.perf_counter() - began
        table.add_limit(f"{count} parallel cold starts of a 100 ms sleeper", f"{took:.2f} s", f"<= {limit:g} s", took <= limit)
    sizes = sorted(pss(pid) for pid in _leaves(target.pid) if _is_environment(pid))
    if sizes:
        median = statistics.median(sizes)
        table.add_limit("idle Python environment (PSS, median)", f"{median / 1024:.1f} MB of {len(sizes)}", "<= 6 MB", median <= 6 * 1024)


def _leaves(pid: int) -> list[int]:
    found = []
    for child in children(pid):
        deeper = _leaves(child)
        found += deeper or [child]
    return found


def _is_environment(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino != os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return False
