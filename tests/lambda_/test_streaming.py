"""Streamed answers, against "Response streaming for Lambda functions"."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from tests.lambda_.build import ECHO, function, open_url, package
from tests.support.running import Running

# Waits between its chunks until the reader has shown, by a message, that it has the one before.
STREAM = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.head) {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-own": "yes", "content-type": "text/plain" }, cookies: ["a=1", "b=2"] });
  } else {
    stream.setContentType("text/plain");
  }
  stream.write("one ");
  stream.write("two ");
  if (event.fail) throw new Error("in the middle");
  stream.write("three");
  stream.end();
});
exports.web = awslambda.streamifyResponse(async (event, stream, context) => {
  const query = event.queryStringParameters ?? {};
  if (query.plain === undefined)
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-own": "yes", "content-type": "text/plain" }, cookies: ["a=1", "b=2"] });
  const count = Number(query.megabytes ?? 0);
  for (let number = 0; number < count; number++)
    if (!stream.write("x".repeat(1 << 20))) await new Promise((resolve) => stream.once("drain", resolve));
  stream.write("end");
  stream.end();
});
"""


def _node(cloud: Running, name: str, handler: str = "index.handler") -> None:
    runtimes = [one for one in cloud.run(cloud.app.cloud.services["lambda"].environments.runtimes()) if one.startswith("nodejs")]
    if not runtimes:
        pytest.skip("no Node.js on this machine")
    function(cloud, name, Runtime=runtimes[-1], Handler=handler, Code={"ZipFile": package({"index.js": STREAM})}, Timeout=30, MemorySize=512)


def _stream(cloud: Running, name: str, event: Any, **options: Any) -> tuple[bytes, dict[str, Any], int]:
    """The joined chunks, the last event, and how many chunks came."""
    answer = cloud.client("lambda").invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **options)
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    events = list(answer["EventStream"])
    chunks = [one["PayloadChunk"]["Payload"] for one in events[:-1]]
    return b"".join(chunks), events[-1]["InvokeComplete"], len(chunks)


def test_chunks_come_as_events(cloud: Running) -> None:
    """Because SDKs read an event stream: chunks, and what came of it at the end."""
    _node(cloud, "streams")
    text, complete, _ = _stream(cloud, "streams", {}, LogType="Tail")
    assert text == b"one two three" and "ErrorCode" not in complete and complete["LogResult"]


def test_a_failure_in_the_middle_is_told_at_the_end(cloud: Running) -> None:
    """Because the head was sent long ago when the function failed."""
    _node(cloud, "breaks")
    text, complete, _ = _stream(cloud, "breaks", {"fail": True})
    assert text.startswith(b"one ") and complete["ErrorCode"] and "in the middle" in complete["ErrorDetails"]


def test_a_function_that_does_not_stream_answers_in_one_chunk(cloud: Running) -> None:
    """Because every function can be invoked so, in any runtime."""
    function(cloud, "plain", ECHO)
    assert _stream(cloud, "plain", {"a": 1}) == (b'{"a": 1}', {}, 1) or _stream(cloud, "plain", {"a": 1})[0] in (b'{"a":1}', b'{"a": 1}')
    function(cloud, "fails", "def handler(event, context):\n    raise KeyError('no')\n")
    text, complete, _ = _stream(cloud, "fails", {})
    assert text == b"" and json.loads(complete["ErrorDetails"])["errorType"] == "KeyError"


def test_a_dry_run_runs_nothing(cloud: Running) -> None:
    """Because it asks for the permission only."""
    function(cloud, "dry", ECHO)
    assert cloud.client("lambda").invoke_with_response_stream(FunctionName="dry", InvocationType="DryRun")["StatusCode"] == 204


def _get(cloud: Running, host: str, path: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse()


def _site(cloud: Running, name: str, mode: str = "RESPONSE_STREAM") -> str:
    client = cloud.client("lambda")
    open_url(client, name)
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)
    assert made["InvokeMode"] == mode
    host: str = made["FunctionUrl"].split("/")[2]
    return host


def test_a_streamed_url_has_the_head_that_the_function_wrote(cloud: Running) -> None:
    """Because status, headers and cookies come before the body, in a prelude of their own."""
    _node(cloud, "site", "index.web")
    host = _site(cloud, "site")
    answer = _get(cloud, host)
    assert (answer.status, answer.headers["x-own"], answer.headers["Content-Type"]) == (201, "yes", "text/plain")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"] and answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.read() == b"end"
    plain = _get(cloud, host, "/?plain")
    assert (plain.status, plain.read()) == (200, b"end")


def test_a_streamed_answer_may_be_larger_than_a_buffered_one(cloud: Running) -> None:
    """Because six megabytes is the limit of buffered answers only; 200 MB are streamed."""
    _node(cloud, "large", "index.web")
    answer = _get(cloud, _site(cloud, "large"), "/?megabytes=20")
    assert len(answer.read()) == 20 * (1 << 20) + 3


def test_a_client_that_goes_away_leaves_the_function_free(cloud: Running) -> None:
    """Because an environment that nobody reads from must serve the next request."""
    _node(cloud, "left", "index.web")
    cloud.client("lambda").put_function_concurrency(FunctionName="left", ReservedConcurrentExecutions=1)
    host = _site(cloud, "left")
    answer = _get(cloud, host, "/?megabytes=100")
    answer.read(1000)
    answer.close()
    # The function runs to its end, as on AWS; requests until then are throttled.
    status, deadline = 429, time.monotonic() + 60  # However many requests a fast server refuses meanwhile.
    while status == 429 and time.monotonic() < deadline:
        status = _get(cloud, host).status
    assert status == 201


def test_a_buffered_url_collects_what_is_streamed(cloud: Running) -> None:
    """Because BUFFERED is the URL's choice, whatever the function does."""
    _node(cloud, "collected", "index.handler")
    host = _site(cloud, "collected", "BUFFERED")
    assert _get(cloud, host).status == 502  # What it writes is not JSON.
    client = cloud.client("lambda")
    assert client.update_function_url_config(FunctionName="collected", InvokeMode="RESPONSE_STREAM")["InvokeMode"] == "RESPONSE_STREAM"
    assert _get(cloud, host).read() == b"one two three"
