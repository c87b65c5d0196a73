"""Functions in languages that the machine may have, and in sandboxes other than the usual, through the public API."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from haneul.runtime.interpreters import discover
from tests.lambda_.build import function, invoke, package
from tests.lambda_.conftest import there
from tests.runtime.test_java import compile_java, make_jar
from tests.support.running import Running

JAVA = "public class Greeter implements RequestHandler<Map<String, String>, String> { public String handleRequest(Map<String, String> event, Context context) { return event.get(\"greeting\") + \" from \" + context.getFunctionName(); } }"
QUEUES = "import boto3\ndef handler(event, context):\n    return boto3.client('sqs').create_queue(QueueName=event['name'])['QueueUrl'].rpartition('/')[2]"


def _first(family: str) -> str:
    found = sorted(name for name in discover() if name.startswith(family))
    if not found:
        pytest.skip(f"no {family} on this machine")
    return found[0]


@pytest.mark.skipif(shutil.which("javac") is None, reason="no compiler for the function")
def test_java_from_a_jar(cloud: Running, tmp_path: Path) -> None:
    """Because build tools make a jar, and people upload that as it is; SnapStart for it is refused when it is asked for, not when it is needed."""
    runtime = _first("java")
    make_jar(tmp_path / "f.jar", compile_java(tmp_path, {"Greeter": JAVA}))
    settings = {"Runtime": runtime, "Handler": "example.Greeter::handleRequest", "Code": {"ZipFile": (tmp_path / "f.jar").read_bytes()}, "MemorySize": 512, "Timeout": 20}
    function(cloud, "greeter", **settings)
    assert invoke(cloud, "greeter", {"greeting": "hello"}) == "hello from greeter"
    with pytest.raises(cloud.client("lambda").exceptions.InvalidParameterValueException, match=f"{runtime} is not supported for SnapStart"):
        function(cloud, "snapped", **settings, SnapStart={"ApplyOn": "PublishedVersions"})


@pytest.mark.skipif(shutil.which("javac") is None, reason="no compiler for the function")
def test_java_with_its_dependencies(cloud: Running, tmp_path: Path) -> None:
    """Because the other way to deploy is a zip with classes and jars in lib."""
    runtime, out = _first("java"), io.BytesIO()
    make_jar(tmp_path / "f.jar", compile_java(tmp_path, {"Greeter": JAVA}))
    with zipfile.ZipFile(out, "w") as archive:
        archive.write(tmp_path / "f.jar", "lib/f.jar")
    function(cloud, "packed", Runtime=runtime, Handler="example.Greeter", Code={"ZipFile": out.getvalue()}, MemorySize=512, Timeout=20)
    assert invoke(cloud, "packed", {"greeting": "hello"}) == "hello from packed"


def test_ruby(cloud: Running) -> None:
    """Because a Ruby function is a file and a method."""
    source = "def handler(event:, context:)\n  \"#{event['greeting']} from #{context.function_name}\"\nend"
    function(cloud, "ruby", Runtime=_first("ruby"), Handler="app.handler", Code={"ZipFile": package({"app.rb": source})}, Timeout=20)
    assert invoke(cloud, "ruby", {"greeting": "hello"}) == "hello from ruby"


@pytest.fixture(params=["bubblewrap", "none"])
def other(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    with Running(services=there(), sandbox=request.param) as running:
        yield running


def test_other_sandboxes(other: Running) -> None:
    """Because a function reaches the cloud with its role from every sandbox; what a sandbox cannot do is refused when it is asked for."""
    function(other, "queues", QUEUES, Timeout=30, MemorySize=512)
    assert invoke(other, "queues", {"name": "made-inside"}) == "made-inside"
    assert other.client("sqs").get_queue_url(QueueName="made-inside")["QueueUrl"].endswith("/made-inside")
    with pytest.raises(other.client("lambda").exceptions.InvalidParameterValueException, match="--sandbox namespaces"):
        function(other, "snapped", QUEUES, SnapStart={"ApplyOn": "PublishedVersions"})


def test_a_cloud_that_cannot_isolate_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because nothing may run without isolation unless somebody said so: the invocation fails and names the choice."""
    monkeypatch.setattr("haneul.runtime.drivers.namespaces._START", "raise SystemExit(1)")
    with Running(services=there()) as cloud:
        function(cloud, "nowhere")
        with pytest.raises(cloud.client("lambda").exceptions.ServiceException, match="--sandbox"):
            json.loads(cloud.client("lambda").invoke(FunctionName="nowhere")["Payload"].read())
