"""The Runtime API on port 9001: custom runtimes, order of calls, wrong ids, sizes (AWS Lambda Developer Guide, "Using the Lambda runtime API")."""

from __future__ import annotations

import json
import os

import pytest

from haneul.runtime.port import RESPONSE_BYTES_MAX
from tests.runtime.conftest import Functions

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="the custom runtimes below are scripts for /usr/bin/python3"),
]

CLIENT = """#!/usr/bin/python3 -S
import http.client, json, os
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}, chunked=False):
    connection.request(method, '/2018-06-01/runtime/' + path, body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    return response.status, response.headers, response.read()
"""


def provided(source: str) -> dict[str, str]:
    return {"bootstrap": CLIENT + source}


async def test_custom_runtime(functions: Functions) -> None:
    """A bootstrap that polls for invocations gets all the headers, and its responses are the results."""
    source = """
while True:
    _, headers, body = call('GET', 'invocation/next')
    id = headers['Lambda-Runtime-Aws-Request-Id']
    call('POST', f'invocation/{id}/response', json.dumps([id, headers['Lambda-Runtime-Invoked-Function-Arn'], headers['Lambda-Runtime-Trace-Id'],
         len(headers['Lambda-Runtime-Deadline-Ms']), headers['Lambda-Runtime-Client-Context'], json.loads(body), os.environ['_HANDLER'], os.getcwd()]))
"""
    environment = await functions.create(files=provided(source), runtime="provided.al2023", handler="any.thing")
    for request_id in ("a", "b"):
        outcome = await functions.invoke(environment, {"x": 1}, request_id, trace_id="Root=1", client_context='{"custom":{}}')
        assert outcome.status == "success", outcome
        assert json.loads(outcome.payload) == [request_id, "arn:invoked", "Root=1", 13, '{"custom":{}}', {"x": 1}, "any.thing", "/var/task"]


async def test_errors_from_a_custom_runtime(functions: Functions) -> None:
    """What is posted as an error is the outcome's payload, its type the header's."""
    source = """
while True:
    _, headers, _ = call('GET', 'invocation/next')
    call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/error", '{"errorMessage": "m", "errorType": "T"}', {'Lambda-Runtime-Function-Error-Type': 'Mine.T'})
"""
    outcome = await functions.run(files=provided(source), runtime="provided.al2023")
    assert (outcome.status, outcome.error_type, json.loads(outcome.payload)) == ("error", "Mine.T", {"errorMessage": "m", "errorType": "T"})


async def test_init_error(functions: Functions) -> None:
    """A bootstrap may report that it cannot start."""
    source = "status, _, body = call('POST', 'init/error', '{\"errorMessage\": \"no\", \"errorType\": \"Mine.Init\"}')"
    outcome = await functions.run(files=provided(source), runtime="provided.al2023")
    assert (outcome.status, outcome.error_type) == ("init_error", "Mine.Init")


async def test_no_bootstrap(functions: Functions) -> None:
    """Without a bootstrap the error names where one was looked for."""
    outcome = await functions.run(files={"app": ""}, runtime="provided.al2023")
    assert outcome.status == "init_error"
    assert json.loads(outcome.payload) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: id-1 Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    }


async def test_calls_out_of_order(functions: Functions) -> None:
    """A response before any invocation, with a wrong id, a second time, or an init/error after the start: each has its documented status."""
    source = """
out = []
def note(answer):
    out.append([answer[0], json.loads(answer[2]).get('errorType')])
note(call('POST', 'invocation/none/response', '1'))
_, headers, _ = call('GET', 'invocation/next')
id = headers['Lambda-Runtime-Aws-Request-Id']
note(call('GET', 'invocation/next'))
note(call('POST', 'invocation/other/response', '1'))
note(call('POST', 'init/error', '{}'))
out.append([call('GET', 'nowhere')[0], call('POST', 'invocation/next')[0], call('GET', 'invocation/x/response')[0]])
note(call('POST', f'invocation/{id}/response', '"first"'))
note(call('POST', f'invocation/{id}/response', '"second"'))
note(call('POST', f'invocation/{id}/error', '{}'))
_, headers, _ = call('GET', 'invocation/next')
call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", json.dumps(out))
call('GET', 'invocation/next')
"""
    environment = await functions.create(files=provided(source), runtime="provided.al2023")
    assert (await functions.invoke(environment, request_id="one")).payload == b'"first"'
    assert json.loads((await functions.invoke(environment, request_id="two")).payload) == [
        [403, "InvalidStateTransition"],
        [403, "InvalidStateTransition"],
        [400, "InvalidRequestID"],
        [403, "InvalidStateTransition"],
        [404, 405, 405],
        [202, None],
        [403, "InvalidStateTransition"],
        [403, "InvalidStateTransition"],
    ]


async def test_response_too_large(functions: Functions) -> None:
    """A response over the limit is answered 413, and the invocation fails with Function.ResponseSizeTooLarge."""
    source = f"""
_, headers, _ = call('GET', 'invocation/next')
status, _, body = call('POST', f"invocation/{{headers['Lambda-Runtime-Aws-Request-Id']}}/response", 'x' * {RESPONSE_BYTES_MAX + 1})
print(status, json.loads(body), flush=True)
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
_, headers, _ = call('GET', 'invocation/next')
call('POST', f"invocation/{{headers['Lambda-Runtime-Aws-Request-Id']}}/response", 'y' * {RESPONSE_BYTES_MAX})
call('GET', 'invocation/next')
"""
    environment = await functions.create(files=provided(source), runtime="provided.al2023")
    assert (await functions.invoke(environment, request_id="one")).error_type == "Function.ResponseSizeTooLarge"
    second = await functions.invoke(environment, request_id="two")
    assert len(second.payload) == RESPONSE_BYTES_MAX
    message = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
    assert any(f"413 {{'errorMessage': '{message}', 'errorType': 'RequestEntityTooLarge'}}".encode() in line.text for line in functions.lines)


async def test_chunked_response(functions: Functions) -> None:
    """A body may come in chunks."""
    source = """
_, headers, _ = call('GET', 'invocation/next')
call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", iter([b'"ab', b'cd"']), {'Transfer-Encoding': 'chunked'}, chunked=True)
call('GET', 'invocation/next')
"""
    assert (await functions.run(files=provided(source), runtime="provided.al2023")).payload == b'"abcd"'


async def test_garbage_requests(functions: Functions) -> None:
    """What is no HTTP is hung up on; the environment is unharmed."""
    source = """
import socket
for garbage in (b'\\0' * 50000, b'GET\\r\\n\\r\\n', b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nContent-Length: -5\\r\\n\\r\\n',
                b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n', b'GET / HTTP/1.1\\r\\nContent-Length: x\\r\\n\\r\\n'):
    s = socket.create_connection(('127.0.0.1', 9001))
    try:
        s.sendall(garbage)
        s.settimeout(5)
        assert s.recv(100) == b''
    except OSError as error: assert not isinstance(error, TimeoutError), garbage
_, headers, _ = call('GET', 'invocation/next')
call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", '"unharmed"')
call('GET', 'invocation/next')
"""
    assert (await functions.run(files=provided(source), runtime="provided.al2023")).payload == b'"unharmed"'


async def test_next_inside_a_managed_runtime(functions: Functions) -> None:
    """A function that asks for an invocation from within one is refused, and cannot answer for another."""
    source = """
import http.client, os
def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request(method, '/2018-06-01/runtime/invocation/' + path, body)
    return connection.getresponse().status
def handler(e, c):
    return [call('GET', 'next'), call('POST', 'other/response', '1')]
"""
    assert await functions.result(source) == [403, 400]


async def test_exit_of_a_custom_runtime(functions: Functions) -> None:
    """A bootstrap that ends during an invocation is Runtime.ExitError."""
    outcome = await functions.run(files=provided("call('GET', 'invocation/next')\nraise SystemExit(9)"), runtime="provided.al2023")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: id-1 Error: Runtime exited with error: exit status 9"
