"""The Node.js runtime: module kinds, handler styles, context, log format, errors (AWS Lambda Developer Guide, "Building with Node.js")."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from haneul.runtime.interpreters import discover
from tests.runtime.conftest import Functions

_NODES = sorted(name for name in discover() if name.startswith("nodejs"))
_WITH_CALLBACKS = next((name for name in reversed(_NODES) if int(name.removeprefix("nodejs").removesuffix(".x")) < 24), "")
_WITHOUT = next((name for name in reversed(_NODES) if int(name.removeprefix("nodejs").removesuffix(".x")) >= 24), "")
needs_callbacks = pytest.mark.skipif(not _WITH_CALLBACKS, reason="no Node.js before 24 on this machine")
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.skipif(not _NODES, reason="no Node.js on this machine")]


async def run(functions: Functions, source: str, event: Any = None, *, file: str = "app_dot_js", runtime: str = "", **settings: Any) -> Any:
    outcome = await functions.run(files={file: source}, event=event, runtime=runtime or _NODES[-1], **settings)
    assert outcome.status == "success", (outcome.payload, outcome.log)
    return json.loads(outcome.payload)


@pytest.mark.parametrize("version", _NODES)
async def test_every_version(functions: Functions, version: str) -> None:
    """Each Node.js that is offered runs, and is the one that its name says."""
    outcome = await functions.run("exports.handler = async () => process.versions.node", runtime=version)
    assert json.loads(outcome.payload).split(".")[0] == version.removeprefix("nodejs").removesuffix(".x")


async def test_handler_styles(functions: Functions) -> None:
    """Async functions and promises."""
    assert await run(functions, "exports.handler = async (event) => ({ got: event })", {"a": 1}) == {"got": {"a": 1}}
    assert await run(functions, "exports.handler = (event) => new Promise((done) => setTimeout(() => done(2), 5))") == 2


@needs_callbacks
async def test_callbacks(functions: Functions) -> None:
    """A callback waits for the event loop to be empty unless told otherwise. It counts, too, when an async handler calls it and returns nothing."""
    older = {"runtime": _WITH_CALLBACKS}
    assert await run(functions, "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, 3), 5); }", **older) == 3
    waits = "exports.handler = (event, context, callback) => { setTimeout(() => console.log('later'), 30); context.callbackWaitsForEmptyEventLoop = WAIT; callback(null, 4); }"
    patient = await functions.run(waits.replace("WAIT", "true"), runtime=_WITH_CALLBACKS)
    hasty = await functions.run(waits.replace("WAIT", "false"), runtime=_WITH_CALLBACKS)
    assert (patient.payload, b"later" in patient.log) == (b"4", True)
    assert (hasty.payload, b"later" in hasty.log) == (b"4", False)
    assert await run(functions, "exports.handler = async (event, context, callback) => { callback(null, 5); }", **older) == 5
    failed = await functions.run("exports.handler = (e, c, callback) => callback(new RangeError('far'))", runtime=_WITH_CALLBACKS)
    assert (failed.status, failed.error_type, json.loads(failed.payload)["errorType"]) == ("error", "RangeError", "RangeError")
    assert await run(functions, "exports.handler = () => 6", **older) is None


@pytest.mark.skipif(not _WITHOUT, reason="no Node.js 24 or later on this machine")
async def test_no_callbacks_since_24(functions: Functions) -> None:
    """A third parameter is refused, unless the answer is streamed; the context lacks what belongs to callbacks; and what a plain function returns is the answer."""
    refused = await functions.run("exports.handler = (event, context, callback) => callback(null, 1)", runtime=_WITHOUT)
    assert (refused.status, refused.error_type) == ("init_error", "Runtime.CallbackHandlerDeprecated")
    assert json.loads(refused.payload)["errorMessage"].startswith("ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24.")
    kept = "exports.handler = (event, context) => ['callbackWaitsForEmptyEventLoop', 'succeed', 'fail', 'done'].filter((name) => name in context)"
    assert await run(functions, kept, runtime=_WITHOUT) == []
    streamed = await functions.run("exports.handler = awslambda.streamifyResponse(async (event, stream, context) => { stream.write('s'); stream.end(); })", runtime=_WITHOUT)
    assert (streamed.status, streamed.payload) == ("success", b"s")


@pytest.mark.parametrize("version", _NODES)
async def test_promises_that_are_never_settled(functions: Functions, version: str) -> None:
    """When nothing is left that could settle it, the invocation fails at once; the environment goes on ("Troubleshoot invocation issues in Lambda")."""
    source = "let n = 0; exports.handler = async () => { if (n++) return process.memoryUsage().rss > 0; await new Promise(() => {}); }"
    environment = await functions.create(source, runtime=version)
    first = await functions.invoke(environment)
    assert (first.status, first.error_type) == ("error", "Runtime.NodeJsExit")
    assert "a Promise that was never settled" in json.loads(first.payload)["errorMessage"]
    assert (await functions.invoke(environment)).payload == b"true"


async def test_module_kinds(functions: Functions) -> None:
    """ES modules by suffix or package.json, CommonJS otherwise; handlers in directories and in default exports."""
    assert await run(functions, "import fs from 'node:fs'; export const handler = async () => typeof fs.readFileSync", file="app_dot_mjs") == "function"
    files = {"app_dot_js": "export const handler = async () => import.meta.url", "package_dot_json": '{"type": "module"}'}
    outcome = await functions.run(files=files, runtime=_NODES[-1])
    assert outcome.payload == b'"file:///var/task/app.js"'
    assert await run(functions, "module.exports.run = async () => 'deep'", file="dir__mod_dot_cjs", handler="dir/mod.run") == "deep"


async def test_context(functions: Functions) -> None:
    """The context object's documented members."""
    source = """exports.handler = async (event, context) => [context.awsRequestId, context.functionName, context.functionVersion, context.invokedFunctionArn,
      context.memoryLimitInMB, context.logGroupName, context.getRemainingTimeInMillis() > 5000, process.env.AWS_EXECUTION_ENV.startsWith('AWS_Lambda_nodejs')]"""
    assert await run(functions, source) == ["id-1", "f", "$LATEST", "arn:invoked", "512", "/aws/lambda/f", True, True]


async def test_console(functions: Functions) -> None:
    """console writes time, request id, level and message between tabs, a message with newlines as one."""
    outcome = await functions.run("exports.handler = async () => { console.log('a', {b: 1}); console.error('two\\nlines'); }", runtime=_NODES[-1])
    assert re.fullmatch(rb"\S+Z\tid-1\tINFO\ta { b: 1 }\n\S+Z\tid-1\tERROR\ttwo\nlines\n", outcome.log)
    assert len(functions.lines) == 2


async def test_json_console(functions: Functions) -> None:
    """With the JSON log format a line is an object."""
    outcome = await functions.run("exports.handler = async () => { console.warn('careful'); }", runtime=_NODES[-1], log_format="JSON")
    entry = json.loads(outcome.log)
    assert (entry["level"], entry["message"], entry["requestId"]) == ("WARN", "careful", "id-1")


async def test_errors_in_json(functions: Functions) -> None:
    """An error alone is the message, as an object; beside others it is told next to their text; and one deep in an object is one there."""
    source = """console.log('at init');
exports.handler = async () => { const q = new RangeError('q'); q.code = 7; console.error(q); console.error('so', q); console.error({ deep: [q] }); }"""
    environment = await functions.create(source, runtime=_NODES[-1], log_format="JSON")
    await functions.invoke(environment)
    first, alone, beside, deep = (json.loads(line.text) for line in functions.lines)
    assert "requestId" not in first
    shown = alone["message"]
    assert (shown["errorType"], shown["errorMessage"], shown["code"], shown["stackTrace"][0]) == ("RangeError", "q", 7, "RangeError: q") and "errorType" not in alone
    assert (beside["errorType"], beside["errorMessage"]) == ("RangeError", "q") and beside["message"].startswith("so RangeError: q")
    assert deep["message"]["deep"] == [shown]


@pytest.mark.parametrize(
    ("source", "status", "kind"),
    [
        ("exports.handler = async () => { throw new TypeError('bad') }", "error", "TypeError"),
        ("exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 2000)) }", "error", "Runtime.UnhandledPromiseRejection"),
        ("exports.handler = async () => { setTimeout(() => { throw new EvalError('x') }, 1); await new Promise((r) => setTimeout(r, 2000)) }", "error", "EvalError"),
        ("exports.handler = async () => process.exit(3)", "exited", "Runtime.ExitError"),
        ("exports.handler = async (", "init_error", "Runtime.UserCodeSyntaxError"),
        ("exports.other = async () => 1", "init_error", "Runtime.HandlerNotFound"),
        ("require('nope')", "init_error", "Runtime.ImportModuleError"),
        ("throw new URIError('at init')", "init_error", "URIError"),
        ("const a = {}; a.a = a; exports.handler = async () => a", "error", "Runtime.MarshalError"),
    ],
)
async def test_errors(functions: Functions, source: str, status: str, kind: str) -> None:
    """Error types as the Node.js runtime names them."""
    outcome = await functions.run(source, runtime=_NODES[-1])
    assert (outcome.status, outcome.error_type) == (status, kind)
    assert json.loads(outcome.payload)["errorType"] == kind


async def test_large_payloads(functions: Functions) -> None:
    """6 MB in and out; more than that out is refused."""
    environment = await functions.create("exports.handler = async (event) => typeof event === 'number' ? 'x'.repeat(event) : event.length", runtime=_NODES[-1])
    assert json.loads((await functions.invoke(environment, "y" * 6_000_000)).payload) == 6_000_000
    assert len((await functions.invoke(environment, 6_000_000)).payload) == 6_000_002
    assert (await functions.invoke(environment, 7_000_000)).status == "response_too_large"


async def test_memory(functions: Functions) -> None:
    """Node.js, too, ends when it wants more memory than it has."""
    outcome = await functions.run("exports.handler = async () => { const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1)); }", runtime=_NODES[-1], memory_mb=256)
    assert outcome.status == "out_of_memory"
