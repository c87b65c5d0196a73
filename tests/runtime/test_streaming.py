"""Streamed answers (AWS Lambda Developer Guide, "Response streaming for Lambda functions"; "Building a custom runtime")."""

from __future__ import annotations

import json
import os

import pytest

from haneul.runtime.environment import Environment
from haneul.runtime.port import Invocation, Outcome
from haneul.runtime.streaming import BACKLOG_BYTES_MAX
from tests.runtime.conftest import Functions
from tests.runtime.test_runtime_api import provided

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="the custom runtimes below are scripts for /usr/bin/python3"),
]

NEXT = """
_, headers, event = call('GET', 'invocation/next')
connection.putrequest('POST', f"/2018-06-01/runtime/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response")
connection.putheader('Lambda-Runtime-Function-Response-Mode', 'streaming')
connection.putheader('Content-Type', 'text/plain')
connection.putheader('Transfer-Encoding', 'chunked')
connection.endheaders()
def chunk(data): connection.send(b'%x\\r\\n%s\\r\\n' % (len(data), data))
def end(trailers=b''):
    connection.send(b'0\\r\\n' + trailers + b'\\r\\n')
    return connection.getresponse().read()
"""


async def read(environment: Environment, request_id: str = "id-1") -> tuple[bool, list[bytes], Outcome]:
    answer = environment.stream(Invocation(request_id, b"{}", "arn:invoked"))
    begun = await answer.begins()
    chunks = [chunk async for chunk in answer]
    return begun, chunks, await answer.outcome()


async def test_chunks_arrive_while_the_function_runs(functions: Functions) -> None:
    """The first bytes can be read before the function has written the last: it waits for what happens in between."""
    source = NEXT + "chunk(b'first')\nimport time\ntime.sleep(0.2)\nchunk(b'second')\nend()\ncall('GET', 'invocation/next')"
    environment = await functions.create(files=provided(source), runtime="provided.al2023")
    answer = environment.stream(Invocation("id-1", b"{}", "arn:invoked"))
    assert await answer.begins() and answer.content_type == "text/plain"
    chunks = aiter(answer)
    assert await anext(chunks) == b"first" and environment.busy
    assert await anext(chunks) == b"second"
    outcome = await answer.outcome()
    assert (outcome.status, outcome.payload) == ("success", b"")


async def test_error_in_the_middle(functions: Functions) -> None:
    """Trailers tell of an error that came after a part of the answer."""
    source = NEXT + (
        "import base64\nchunk(b'part')\n"
        "end(b'Lambda-Runtime-Function-Error-Type: Mine.Broke\\r\\nLambda-Runtime-Function-Error-Body: ' + base64.b64encode(b'{\"errorMessage\":\"m\"}') + b'\\r\\n')\n"
        "call('GET', 'invocation/next')"
    )
    begun, chunks, outcome = await read(await functions.create(files=provided(source), runtime="provided.al2023"))
    assert (begun, chunks) == (True, [b"part"])
    assert (outcome.status, outcome.error_type, outcome.payload) == ("error", "Mine.Broke", b'{"errorMessage":"m"}')


async def test_runtime_that_dies_in_the_middle(functions: Functions) -> None:
    """An answer that is cut off ends, and the outcome says that it is not whole."""
    begun, chunks, outcome = await read(await functions.create(files=provided(NEXT + "chunk(b'part')\nos._exit(3)"), runtime="provided.al2023"))
    assert (begun, chunks, outcome.status) == (True, [b"part"], "error") and outcome.error_type == "Runtime.TruncatedResponse"


async def test_whole_answer_of_a_streaming_function(functions: Functions) -> None:
    """A caller who does not stream gets the whole answer of a function that does."""
    source = NEXT + "chunk(b'\"ab')\nchunk(b'cd\"')\nend()\ncall('GET', 'invocation/next')"
    outcome = await functions.run(files=provided(source), runtime="provided.al2023")
    assert (outcome.status, outcome.payload, outcome.content_type) == ("success", b'"abcd"', "text/plain")


async def test_function_that_does_not_stream(functions: Functions) -> None:
    """Its answer is one chunk; its failure an outcome without any."""
    environment = await functions.create("def handler(e, c):\n    return {'x': 1}")
    begun, chunks, outcome = await read(environment)
    assert (begun, chunks, outcome.status, outcome.payload) == (True, [b'{"x": 1}'], "success", b"")
    begun, chunks, outcome = await read(await functions.create("def handler(e, c):\n    raise ValueError('no')"))
    assert (begun, chunks, outcome.error_type) == (False, [], "ValueError")


async def test_slow_reader(functions: Functions) -> None:
    """Somebody who does not read holds the function back instead of filling the memory; who gives up lets it run to its end."""
    source = NEXT + "for n in range(40): chunk(b'x' * (1 << 20))\nend()\ncall('GET', 'invocation/next')"
    environment = await functions.create(files=provided(source), runtime="provided.al2023")
    answer = environment.stream(Invocation("id-1", b"{}", "arn:invoked"))
    assert await answer.begins()
    total = 0
    async for piece in answer:
        total += len(piece)
        if total > 4 * BACKLOG_BYTES_MAX:
            break
    assert environment.busy
    assert (await answer.outcome()).status == "success"


async def test_bad_mode(functions: Functions) -> None:
    """A response mode that does not exist is refused."""
    source = """
_, headers, _ = call('GET', 'invocation/next')
path = f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response"
answer = call('POST', path, '1', {'Lambda-Runtime-Function-Response-Mode': 'sideways'})
call('POST', path, json.dumps([answer[0], json.loads(answer[2])['errorType']]))
call('GET', 'invocation/next')
"""
    assert await functions.result(files=provided(source), runtime="provided.al2023") == [400, "InvalidFunctionResponseMode"]


NODE = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  stream.write('one');
  if (event.fail) throw new TypeError('late');
  stream.write('two');
  stream.end();
});
"""


def node(functions: Functions) -> str:
    found = [name for name in functions.runtime.available_runtimes() if name.startswith("nodejs")]
    if not found:
        pytest.skip("no Node.js here")
    return found[-1]


async def test_node(functions: Functions) -> None:
    """Node.js functions stream with awslambda.streamifyResponse; HttpResponseStream puts status and headers in front."""
    environment = await functions.create(NODE, runtime=node(functions))
    answer = environment.stream(Invocation("id-1", b"{}", "arn:invoked"))
    assert await answer.begins() and answer.content_type == "application/vnd.awslambda.http-integration-response"
    assert b"".join([chunk async for chunk in answer]) == b'{"statusCode":201}' + bytes(8) + b"onetwo"
    assert (await answer.outcome()).status == "success"
    answer = environment.stream(Invocation("id-2", b'{"fail": true}', "arn:invoked"))
    assert b"".join([chunk async for chunk in answer]) == b'{"statusCode":201}' + bytes(8) + b"one"
    outcome = await answer.outcome()
    assert (outcome.status, outcome.error_type) == ("error", "TypeError") and json.loads(outcome.payload)["errorMessage"] == "late"
