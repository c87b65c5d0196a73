"""Extensions, internal and external, and the Telemetry and Logs APIs (AWS Lambda Developer Guide, "Augment Lambda functions using Lambda extensions")."""

from __future__ import annotations

import asyncio
import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from haneul.runtime.companions import Companions
from haneul.runtime.environment import Environment
from tests.runtime.conftest import CREDENTIALS, Functions
from tests.runtime.test_runtime_api import provided

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="the extensions below are scripts for /usr/bin/python3"),
]

EXTENSION = """#!/usr/bin/python3 -S
import http.client, json, os, sys, time
NAME = os.path.basename(sys.argv[0])
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}, version='2020-01-01/extension'):
    connection.request(method, f'/{version}/{path}', body if body is None or isinstance(body, str) else json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()
def register(*events, **headers):
    status, answered, body = call('POST', 'register', {'events': events}, {'Lambda-Extension-Name': NAME, **headers})
    return {'Lambda-Extension-Identifier': answered['Lambda-Extension-Identifier']}, json.loads(body)
def next(me): return json.loads(call('GET', 'event/next', headers=me)[2])
def say(*what): print(*what, flush=True)
"""
ECHO = "def handler(e, c):\n    print('in the function')\n    return e"


async def with_extensions(functions: Functions, source: str = ECHO, extensions: dict[str, str] | None = None, **settings: Any) -> Environment:
    layer = functions.code(**{f"extensions__{name}": EXTENSION + text for name, text in (extensions or {}).items()})
    return await functions.create(source, layer_dirs=(layer,), **settings)


def lines(functions: Functions) -> list[str]:
    return [line.text.decode() for line in functions.lines]


async def test_life_of_an_extension(functions: Functions) -> None:
    """It is started before the runtime, told of each invocation and of the end; the function's name and handler it learns when it registers."""
    source = """
time.sleep(0.05)
open('/tmp/about-to-register', 'w').close()
me, function = register('INVOKE', 'SHUTDOWN', **{'Lambda-Extension-Accept-Feature': 'accountId'})
say('registered', json.dumps(function), '_HANDLER' in os.environ, os.environ['AWS_LAMBDA_FUNCTION_NAME'])
while True:
    event = next(me)
    say('event', event['eventType'], event.get('requestId'), event.get('tracing'), event.get('shutdownReason'), event['deadlineMs'] > 10**12)
    if event['eventType'] == 'SHUTDOWN': break
"""
    environment = await with_extensions(functions, "import os\nprint('init after it', os.path.exists('/tmp/about-to-register'))\n" + ECHO, {"watcher": source})
    assert (await functions.invoke(environment, 1, "one", trace_id="Root=1")).payload == b"1"
    assert (await functions.invoke(environment, 2, "two")).payload == b"2"
    await environment.destroy()
    trace = {"type": "X-Amzn-Trace-Id", "value": "Root=1"}
    told = [line for line in lines(functions) if line.startswith(("registered", "event"))]
    function = {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler", "accountId": "000000000000"}
    assert told == [
        f"registered {json.dumps(function)} False f",
        f"event INVOKE one {trace} None True",
        "event INVOKE two None None True",
        "event SHUTDOWN None None spindown True",
    ]
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in lines(functions)
    assert "init after it True" in lines(functions)


async def test_extension_that_fails_to_start(functions: Functions) -> None:
    """An extension that ends or reports an error in its Init phase fails the function's."""
    for source, kind in (
        ("sys.exit(3)", "Extension.Crash"),
        ("me, _ = register('INVOKE')\ncall('POST', 'init/error', {}, {**me, 'Lambda-Extension-Function-Error-Type': 'Mine.Init'})\ntime.sleep(60)", "Mine.Init"),
    ):
        outcome = await functions.invoke(await with_extensions(functions, ECHO, {"bad": source}))
        assert (outcome.status, outcome.error_type) == ("init_error", kind), outcome


async def test_an_end_that_is_told_before_the_start(functions: Functions) -> None:
    """Start and end come by two ways, and an extension that ends at once may be heard of in the wrong order: it has failed all the same."""
    failures: list[tuple[str, str]] = []
    environment = SimpleNamespace(companion_failed=lambda kind, name: failures.append((kind, name)), runtime_ended=lambda: failures.append(("ended", "")), start_runtime=None, on_event=None)
    companions = Companions(functions.spec(""), environment, lambda: 0, lambda: "id")
    companions.on_status("extension hasty\n")
    companions.on_status("signal 9\n")
    assert failures == []
    companions.started(b'["hasty"]')
    assert [kind for kind, _ in failures] == ["Extension.Crash"]


async def test_extension_that_crashes_later(functions: Functions) -> None:
    """An extension that ends during an invocation ends the environment, too; the next invocation has a new one."""
    environment = await with_extensions(functions, "import time\ndef handler(e, c):\n    time.sleep(e)\n    return 1", {"brittle": "me, _ = register('INVOKE')\nnext(me)\nsys.exit(1)"})
    outcome = await functions.invoke(environment, 5)
    assert (outcome.status, outcome.error_type) == ("exited", "Extension.Crash") and not environment.alive


async def test_shutdown_has_an_end(functions: Functions) -> None:
    """An extension that does not end in time is killed, and so is a runtime that ignores SIGTERM."""
    source = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('asked to end', flush=True))\n" + ECHO
    environment = await with_extensions(functions, source, {"stubborn": "me, _ = register('SHUTDOWN')\nnext(me)\nsay('told')\ntime.sleep(600)"})
    assert (await functions.invoke(environment, 1)).payload == b"1"
    async with asyncio.timeout(30):
        await environment.destroy()
    assert {"told", "asked to end"} <= set(lines(functions))


async def test_extensions_outlive_a_runtime_that_has_ended(functions: Functions) -> None:
    """The Shutdown phase is theirs: no signal that is meant for the runtime reaches them, and its closed channel does not end them, however long it has been closed."""
    source = "me, _ = register('INVOKE', 'SHUTDOWN')\nsay(next(me)['eventType'])\nsay(next(me)['shutdownReason'])\ntime.sleep(1)\nsay('done')\n"
    environment = await with_extensions(functions, "import os\ndef handler(e, c): os._exit(1)", {"slow": source})
    assert (await functions.invoke(environment)).error_type == "Runtime.ExitError"
    await environment.ended()
    assert lines(functions)[-3:] == ["INVOKE", "failure", "done"]


async def test_requests_that_are_refused(functions: Functions) -> None:
    """Names, identifiers, events and the order of calls are checked, each with its error type."""
    source = """
out = []
def note(answer): out.append([answer[0], json.loads(answer[2])['errorType']])
me = {'Lambda-Extension-Name': NAME}
note(call('POST', 'register', {'events': []}))
note(call('POST', 'register', '[', me))
note(call('POST', 'register', {'events': ['NOTHING']}, me))
note(call('GET', 'event/next'))
note(call('GET', 'event/next', headers={'Lambda-Extension-Identifier': 'x'}))
note(call('GET', 'event/next', headers={'Lambda-Extension-Identifier': '00000000-0000-4000-8000-000000000000'}))
me, _ = register('INVOKE')
note(call('POST', 'register', {'events': []}, {'Lambda-Extension-Name': NAME}))
note(call('POST', 'init/error', {}, me))
out.append([call('GET', 'register')[0], call('GET', 'nowhere')[0]])
say(json.dumps(out))
while True: next(me)
"""
    environment = await with_extensions(functions, ECHO, {"wrong": source})
    await functions.invoke(environment)
    found = json.loads(next(line for line in lines(functions) if line.startswith("[[")))
    assert found == [
        [403, "Extension.InvalidExtensionName"],
        [403, "InvalidRequestFormat"],
        [403, "Extension.InvalidEventType"],
        [403, "Extension.MissingExtensionIdentifier"],
        [403, "Extension.InvalidExtensionIdentifier"],
        [403, "Extension.UnknownExtensionIdentifier"],
        [403, "Extension.InvalidExtensionState"],
        [403, "Extension.MissingHeader"],
        [405, 404],
    ]


async def test_internal_extension(functions: Functions) -> None:
    """A thread of the runtime may register for INVOKE, not for SHUTDOWN, during the Init phase, not later; ten extensions at most."""
    source = """
def extension(method, path, body=None, headers={}):
    own = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    own.request(method, '/2020-01-01/extension/' + path, body, headers)
    answer = own.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())
import threading
seen = []
refused = extension('POST', 'register', '{"events": ["SHUTDOWN"]}', {'Lambda-Extension-Name': 'inner'})[2]['errorType']
def work(name):
    me = {'Lambda-Extension-Identifier': extension('POST', 'register', '{"events": ["INVOKE"]}', {'Lambda-Extension-Name': name})[1]['Lambda-Extension-Identifier']}
    started.release()
    while True: seen.append(extension('GET', 'event/next', None, me)[2]['requestId'])
started = threading.Semaphore(0)
for n in range(10): threading.Thread(target=work, args=(f'inner{n}',), daemon=True).start()
for n in range(10): started.acquire()
many = extension('POST', 'register', '{"events": ["INVOKE"]}', {'Lambda-Extension-Name': 'eleventh'})[2]['errorType']
while True:
    _, headers, body = call('GET', 'invocation/next')
    id = headers['Lambda-Runtime-Aws-Request-Id']
    late = extension('POST', 'register', '{"events": []}', {'Lambda-Extension-Name': 'late'})[2]['errorType']
    call('POST', f'invocation/{id}/response', json.dumps([refused, many, late, sorted(set(seen))]))
"""
    environment = await functions.create(files=provided(source), runtime="provided.al2023")
    await functions.invoke(environment, request_id="one")
    outcome = await functions.invoke(environment, request_id="two")
    refused, many, late, seen = json.loads(outcome.payload)
    assert (refused, many, late) == ("Extension.InvalidEventType", "Extension.TooManyExtensions", "Extension.RegistrationClosed")
    assert "one" in seen


PYTHON_EXTENSION = """
import http.client, json, os, threading
seen, ready = [], threading.Event()
def extension(method, path, body=None, headers={}):
    own = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    own.request(method, '/2020-01-01/extension/' + path, body, headers)
    answer = own.getresponse()
    return answer.headers, answer.read()
me = {'Lambda-Extension-Identifier': extension('POST', 'register', '{"events": EVENTS}', {'Lambda-Extension-Name': 'int'})[0]['Lambda-Extension-Identifier']}
def work():
    while True:
        seen.append(json.loads(extension('GET', 'event/next', None, me)[1])['requestId'])
        ready.set()
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    if WAIT: ready.wait(), ready.clear()
    return seen
"""
NODE_EXTENSION = """
import http from 'node:http';
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const seen = [];
let tell;
const call = (method, path, headers, body) => new Promise((resolve, reject) => {
  const request = http.request({ host, port, method, path: '/2020-01-01/extension/' + path, headers }, (response) => {
    let text = '';
    response.on('data', (data) => { text += data; }).on('end', () => resolve([response.headers, text]));
  });
  request.on('error', reject).end(body);
});
const [headers] = await call('POST', 'register', { 'Lambda-Extension-Name': 'int' }, '{"events": ["INVOKE"]}');
const me = { 'Lambda-Extension-Identifier': headers['lambda-extension-identifier'] };
(async () => {
  for (;;) { seen.push(JSON.parse((await call('GET', 'event/next', me))[1]).requestId); tell?.(); }
})();
export const handler = async (event, context) => {
  if (!seen.includes(context.awsRequestId)) await new Promise((resolve) => { tell = resolve; });
  return seen;
};
"""


@pytest.mark.parametrize("events", ['["INVOKE"]', "[]"])
async def test_internal_extension_of_a_python_function(functions: Functions, events: str) -> None:
    """A function registers one at import and serves it from a thread; with no events it is told of nothing, and holds up nothing."""
    source = PYTHON_EXTENSION.replace("EVENTS", events).replace("WAIT", str(events != "[]"))
    environment = await functions.create(source)
    outcomes = [await functions.invoke(environment, request_id=name) for name in ("one", "two")]
    assert [json.loads(outcome.payload) for outcome in outcomes] == ([["one"], ["one", "two"]] if events != "[]" else [[], []]), outcomes
    assert f"EXTENSION\tName: int\tState: Ready\tEvents: [{events.strip('[]').replace(chr(34), '')}]" in lines(functions)


async def test_internal_extension_of_a_node_function(functions: Functions) -> None:
    """The same in Node.js, whose single thread serves function and extension."""
    environment = await functions.create(files={"app_dot_mjs": NODE_EXTENSION}, runtime=next(name for name in functions.runtime.available_runtimes() if name.startswith("nodejs")))
    for count, name in enumerate(("one", "two"), 1):
        outcome = await functions.invoke(environment, request_id=name)
        assert outcome.status == "success" and len(json.loads(outcome.payload)) == count, outcome


async def test_internal_extension_under_snapstart(functions: Functions) -> None:
    """A thread does not outlive a fork: so what is restored is initialised anew, hooks included, and its extension is its own."""
    source = PYTHON_EXTENSION.replace("EVENTS", '["INVOKE"]').replace("WAIT", "True") + "import snapshot_restore_py as hooks\nhooks.register_before_snapshot(seen.append, 'before')\nhooks.register_after_restore(seen.append, 'after')\n"
    spec = functions.spec(source, initialization_type="snap-start")
    origin = await functions.runtime.snapshot(spec, CREDENTIALS, "of-the-snapshot")
    functions.environments.append(origin)
    assert await origin.prepared()
    for _ in range(2):
        environment = await functions.runtime.restore(origin, spec, CREDENTIALS, "restored")
        functions.environments.insert(0, environment)
        outcome = await functions.invoke(environment, request_id="one")
        assert json.loads(outcome.payload) == ["before", "after", "one"] and outcome.init_duration_ns is None and outcome.restore_duration_ns is not None


# Takes requests of the Telemetry API and keeps their events in `received`; what follows is the end of its loop.
SERVE = """
server = socket.create_server(('sandbox.localdomain', 4243))
def serve():
    while True:
        taken, _ = server.accept()
        data = b''
        while b'\\r\\n\\r\\n' not in data: data += taken.recv(65536)
        head, _, body = data.partition(b'\\r\\n\\r\\n')
        length = int(head.lower().partition(b'content-length: ')[2].split()[0])
        while len(body) < length: body += taken.recv(65536)
        received.extend(json.loads(body))
        taken.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')
        taken.close()
"""
LISTENER = (
    "import socket, threading\nreceived = []\n"
    + SERVE
    + """threading.Thread(target=serve, daemon=True).start()
me, _ = register('INVOKE', 'SHUTDOWN')
subscription = {'schemaVersion': '2022-12-13', 'types': ['platform', 'function'], 'buffering': {'timeoutMs': 25}, 'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox.localdomain:4243/x'}}
def subscribe(body, version='2022-07-01', what='telemetry'): return call('PUT', what, body, me, version)
bad = [subscribe({**subscription, **change})[0] for change in ({'types': ['all']}, {'buffering': {'timeoutMs': 1}}, {'destination': {'protocol': 'HTTP', 'URI': 'http://example.com/'}}, {'schemaVersion': '1'})]
"""
)


async def test_telemetry(functions: Functions) -> None:
    """A subscriber gets what happens in its environment, from the start of the Init phase on, and the function's lines, by HTTP in the sandbox."""
    source = LISTENER + (
        "ok = subscribe(subscription)\n"
        "event = next(me)\nevent = next(me)\nlate = subscribe(subscription)[0]\n"
        "while not any(e['type'] == 'platform.report' for e in received): time.sleep(0.005)\n"
        "say('GOT ' + json.dumps([bad, ok[0], ok[2].decode(), late, received]))\nnext(me)\n"
    )
    environment = await with_extensions(functions, ECHO, {"telemeter": source})
    await functions.invoke(environment, request_id="one")
    await functions.invoke(environment, request_id="two")
    assert await environment.free_within(30)
    got = next(line for line in lines(functions) if line.startswith("GOT "))
    bad, status, text, late, received = json.loads(got[4:])
    assert (bad, status, text, late) == ([400] * 4, 200, "OK", 403)
    kinds = [event["type"] for event in received]
    for kind in ("platform.initStart", "platform.telemetrySubscription", "platform.extension", "platform.initRuntimeDone", "platform.initReport", "platform.start", "platform.runtimeDone"):
        assert kind in kinds, kinds
    function = next(event for event in received if event["type"] == "function")
    assert function["record"] == "in the function\n" and function["time"].endswith("Z")
    report = next(event["record"] for event in received if event["type"] == "platform.report")
    assert report["requestId"] == "one" and report["status"] == "success" and report["metrics"]["memorySizeMB"] == 512
    assert "TELEMETRY\tName: telemeter\tState: Subscribed\tTypes: [Platform, Function]" in lines(functions)


async def test_telemetry_of_the_beginning(functions: Functions) -> None:
    """What environment it is, for which version of which runtime; and how its Init phase ended, if that failed as well."""
    source = LISTENER + "subscribe(subscription)\nnext(me)\nwhile not any(e['type'] == 'platform.initReport' for e in received): time.sleep(0.005)\nsay('GOT ' + json.dumps(received))\n"
    environment = await with_extensions(functions, "raise ValueError('no')", {"telemeter": source}, runtime_version="python:3.11.v1", runtime_version_arn="arn:of-it")
    assert (await functions.invoke(environment)).status == "init_error"
    await environment.ended()
    received = [json.loads(line[4:]) for line in lines(functions) if line.startswith("GOT ")]
    by_kind = [{event["type"]: event["record"] for event in events} for events in received]
    for records, phase in zip(by_kind, ("init", "invoke"), strict=True):
        start = {"initializationType": "on-demand", "phase": phase, "functionName": "f", "functionVersion": "$LATEST", "instanceId": "0123", "instanceMaxMemory": 512 << 20}
        assert records["platform.initStart"] == {**start, "runtimeVersion": "python:3.11.v1", "runtimeVersionArn": "arn:of-it"}
        failed = {"initializationType": "on-demand", "phase": phase, "status": "error", "errorType": "ValueError"}
        assert records["platform.initRuntimeDone"] == failed
        assert records["platform.initReport"].pop("metrics")["durationMs"] > 0 and records["platform.initReport"] == failed


async def test_telemetry_of_an_internal_extension(functions: Functions) -> None:
    """A thread of the function's process may subscribe as well, and learns of what came before it."""
    source = (
        """
import http.client, json, os, socket, threading
received, done = [], threading.Event()
"""
        + SERVE
        + """        if any(event['type'] == 'platform.report' for event in received): done.set()
threading.Thread(target=serve, daemon=True).start()
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}):
    connection.request(method, path, body if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
me = {'Lambda-Extension-Identifier': call('POST', '/2020-01-01/extension/register', {'events': ['INVOKE']}, {'Lambda-Extension-Name': 'int'})[1]['Lambda-Extension-Identifier']}
status = call('PUT', '/2022-07-01/telemetry', {'schemaVersion': '2022-12-13', 'types': ['platform', 'function'], 'buffering': {'timeoutMs': 25}, 'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox.localdomain:4243/'}}, me)[0]
def work():
    while True: call('GET', '/2020-01-01/extension/event/next', None, me)
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    if event: done.wait()
    print('in the function')
    return [status, [event['type'] for event in received]]
"""
    )
    environment = await functions.create(source)
    assert (await functions.invoke(environment, False, request_id="one")).status == "success"
    status, kinds = json.loads((await functions.invoke(environment, True, request_id="two")).payload)
    assert status == 200 and kinds[0] == "platform.initStart"
    assert {"platform.telemetrySubscription", "platform.initReport", "platform.start", "function", "platform.runtimeDone", "platform.report"} <= set(kinds)


async def test_logs_api_over_tcp(functions: Functions) -> None:
    """The older API has fewer events; a TCP subscriber gets a JSON object a line. Its own output is an extension's, so that it cannot feed itself."""
    source = """
import socket, threading
received = []
server = socket.create_server(('0.0.0.0', 4244))
def serve():
    taken, _ = server.accept()
    for line in taken.makefile(): received.append(json.loads(line))
threading.Thread(target=serve, daemon=True).start()
me, _ = register('INVOKE')
body = {'schemaVersion': '2020-08-15', 'types': ['platform', 'function', 'extension'], 'buffering': {'timeoutMs': 25}, 'destination': {'protocol': 'TCP', 'port': 4244}}
say('mine', call('PUT', 'logs', body, me, '2020-08-15')[0])
next(me)
while not any(e['type'] == 'function' for e in received): time.sleep(0.005)
say('GOT ' + json.dumps(received))
next(me)
"""
    environment = await with_extensions(functions, ECHO, {"logger": source})
    await functions.invoke(environment, request_id="one")
    assert await environment.free_within(30)
    received = json.loads(next(line for line in lines(functions) if line.startswith("GOT "))[4:])
    kinds = {event["type"] for event in received}
    assert "platform.start" in kinds and "function" in kinds and not any(kind.startswith("platform.init") for kind in kinds)
    assert next(event["record"] for event in received if event["type"] == "platform.start") == {"requestId": "one", "version": "$LATEST"}
    assert [event["record"] for event in received if event["type"] == "extension"] == ["mine 200\n"]
