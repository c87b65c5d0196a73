"""The Python runtime as the Lambda Developer Guide describes it: handler, context, environment, log formats, errors."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.runtime.conftest import Functions
from tests.support.python import PYTHON

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_result_and_cold_start(functions: Functions) -> None:
    """The first invocation reports how long the Init phase took, later ones do not, and module state stays between them."""
    environment = await functions.create("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return {'event': event, 'n': n}")
    first = await functions.invoke(environment, {"a": "ü"})
    second = await functions.invoke(environment, [1])
    assert json.loads(first.payload) == {"event": {"a": "ü"}, "n": 1}
    assert json.loads(second.payload) == {"event": [1], "n": 2}
    assert first.init_duration_ns and first.init_duration_ns > 0
    assert second.init_duration_ns is None
    assert first.status == "success" and first.error_type is None and first.max_memory_bytes > 1 << 20


async def test_context(functions: Functions) -> None:
    """Every documented field of the context object."""
    source = """
def handler(event, context):
    c = context.client_context
    return [context.aws_request_id, context.function_name, context.function_version, context.invoked_function_arn, context.memory_limit_in_mb,
            context.log_group_name, context.log_stream_name, context.identity.cognito_identity_id, c.custom, c.client.app_title,
            9000 < context.get_remaining_time_in_millis() <= 10000]
"""
    environment = await functions.create(source)
    client = json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}})
    outcome = await functions.invoke(environment, {}, client_context=client, cognito_identity='{"cognitoIdentityId": "i"}')
    assert json.loads(outcome.payload) == [
        "id-1", "f", "$LATEST", "arn:invoked", "512", "/aws/lambda/f", "2026/01/01/[$LATEST]0123", "i", {"k": "v"}, "t", True,
    ]  # fmt: skip


async def test_environment_variables(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented variables are there, the user's too, reserved ones cannot be overridden, and nothing of the server's leaks."""
    monkeypatch.setenv("HANEUL_SECRET", "of the server")
    source = "import os, time\ndef handler(event, context):\n    return [dict(os.environ), os.getcwd(), time.tzname[0]]"
    variables = {"MINE": "1", "AWS_REGION": "nowhere", "PATH": "/mine"}
    environment = await functions.create(source, environment=variables)
    outcome = await functions.invoke(environment, None, trace_id="Root=1-2-3")
    values, directory, zone = json.loads(outcome.payload)
    assert values["AWS_REGION"] == values["AWS_DEFAULT_REGION"] == "us-east-1"
    assert values["MINE"] == "1" and values["PATH"] == "/mine"
    assert values["AWS_LAMBDA_FUNCTION_NAME"] == "f" and values["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert values["AWS_SECRET_ACCESS_KEY"] == "the-secret-key" and values["AWS_SESSION_TOKEN"] == "the-session-token"
    assert values["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566" and values["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert values["_HANDLER"] == "app.handler" and values["LAMBDA_TASK_ROOT"] == directory == "/var/task"
    assert values["_X_AMZN_TRACE_ID"] == "Root=1-2-3" and values["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{PYTHON}"
    assert zone == "UTC" and "HANEUL_SECRET" not in values


async def test_log_formats(functions: Functions) -> None:
    """print is passed as it is; logging has level, time, request id and message between tabs, one message even if it has newlines."""
    source = """
import logging, sys, os
print("at init")
def handler(event, context):
    print("printed")
    logging.getLogger().setLevel("INFO")
    logging.info("two\\nlines")
    sys.stderr.write("to stderr\\n")
    os.write(1, b"raw\\nno newline")
"""
    outcome = await functions.run(source)
    assert re.fullmatch(
        rb"printed\n\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tid-1\ttwo\nlines\nto stderr\nraw\nno newline", outcome.log.removeprefix(b"at init\n")
    )
    texts = [line.text for line in functions.lines]
    assert texts[0] == b"at init" and any(text.endswith(b"two\nlines") for text in texts)


async def test_json_log(functions: Functions) -> None:
    """With the JSON log format each record is one object with the documented members."""
    source = "import logging\ndef handler(event, context):\n    logging.getLogger('x').warning('hello %s', 'you', extra={'order': 7})"
    outcome = await functions.run(source, log_format="JSON")
    entry = json.loads(outcome.log)
    assert entry["level"] == "WARNING" and entry["message"] == "hello you" and entry["logger"] == "x"
    assert entry["requestId"] == "id-1" and entry["order"] == 7 and entry["timestamp"].endswith("Z")


async def test_json_log_of_the_init_phase(functions: Functions) -> None:
    """There is no request then, and so no member for it: neither in a record nor in the error that ends it."""
    outcome = await functions.run("import logging\nlogging.getLogger().warning('early')\nraise ValueError('no')", log_format="JSON")
    assert outcome.status == "init_error"
    entries = [json.loads(line.text) for line in functions.lines]
    assert [entry.get("message", entry.get("errorMessage")) for entry in entries] == ["early", "no"] * 2
    assert not any("requestId" in entry for entry in entries)


async def test_exception(functions: Functions) -> None:
    """An exception becomes the documented error object, without the runtime's own frames, and is logged."""
    source = "def handler(event, context):\n    raise KeyError('gone')"
    outcome = await functions.run(source)
    document = json.loads(outcome.payload)
    assert (outcome.status, outcome.error_type) == ("error", "KeyError")
    assert document == {
        "errorMessage": "'gone'",
        "errorType": "KeyError",
        "requestId": "id-1",
        "stackTrace": ["  File \"/var/task/app.py\", line 2, in handler\n    raise KeyError('gone')\n"],
    }
    assert outcome.log.startswith(b"[ERROR] KeyError: 'gone'\nTraceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        ({"app_dot_py": ""}, "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ({"app_dot_py": ""}, "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
        ({"app_dot_py": "import nope"}, "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nope'"),
        ({"app_dot_py": "def ("}, "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ({"app_dot_py": ""}, "app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
        ({"app_dot_py": "1/0"}, "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
async def test_failed_init(functions: Functions, files: dict[str, str], handler: str, kind: str, message: str) -> None:
    """What goes wrong in the Init phase has Lambda's error types and messages."""
    outcome = await functions.run(files=files, handler=handler)
    document = json.loads(outcome.payload)
    assert outcome.status == "init_error"
    assert (document["errorType"], document["errorMessage"]) == (kind, message)


async def test_init_is_repeated(functions: Functions) -> None:
    """A failed Init phase is run once more within the invocation (Lambda execution environment lifecycle, failures during the Init phase)."""
    outcome = await functions.run("print('try')\nraise ValueError")
    assert outcome.status == "init_error"
    assert [line.text for line in functions.lines].count(b"try") == 2


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("sys.exit(1)", "Runtime exited with error: exit status 1"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), 15)", "Runtime exited with error: signal: terminated"),
        ("os.abort()", "Runtime exited with error: signal: aborted"),
        ("ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
async def test_exit(functions: Functions, statement: str, message: str) -> None:
    """A process that ends during an invocation is Runtime.ExitError with the way it ended; the environment is gone."""
    environment = await functions.create(f"import sys, os, ctypes\ndef handler(event, context):\n    {statement}")
    outcome = await functions.invoke(environment)
    assert (outcome.status, outcome.error_type) == ("exited", "Runtime.ExitError")
    assert json.loads(outcome.payload)["errorMessage"] == f"RequestId: id-1 Error: {message}"
    assert not environment.alive


async def test_invoke_after_exit(functions: Functions) -> None:
    """After an exit the next invocation starts the function anew, as AWS resets the environment."""
    environment = await functions.create("import os\ndef handler(event, context):\n    return os._exit(1) if event else 'fine'")
    assert (await functions.invoke(environment, 1)).status == "exited"
    outcome = await functions.invoke(environment, 0)
    assert outcome.payload == b'"fine"' and outcome.init_duration_ns


async def test_marshal_error(functions: Functions) -> None:
    """A result that is no JSON is Runtime.MarshalError."""
    outcome = await functions.run("def handler(event, context):\n    return {1, 2}")
    document = json.loads(outcome.payload)
    assert document["errorType"] == "Runtime.MarshalError"
    assert document["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"


async def test_handler_in_directory(functions: Functions) -> None:
    """`pkg/mod.func` names a module in a directory."""
    assert await functions.result(files={"pkg__mod_dot_py": "def func(event, context):\n    return 'deep'"}, handler="pkg/mod.func") == "deep"


async def test_sdk_is_there(functions: Functions) -> None:
    """boto3 can be imported as on AWS; the rest of the server's packages cannot."""
    source = """
import importlib.util, boto3
def handler(event, context):
    return [boto3.client('s3').meta.endpoint_url, [n for n in ('haneul', 'msgspec', 'orjson', 'pytest') if importlib.util.find_spec(n)]]
"""
    assert await functions.result(source) == ["http://127.0.0.1:4566", []]


async def test_own_module_shadows_sdk_and_bootstrap(functions: Functions) -> None:
    """What the function brings along comes before what the runtime has, whatever its name."""
    files = {"app_dot_py": "import six, bootstrap\ndef handler(e, c):\n    return [six.mine, bootstrap.mine]", "six_dot_py": "mine = 1", "bootstrap_dot_py": "mine = 2"}
    assert await functions.result(files=files) == [1, 2]


async def test_layers(functions: Functions) -> None:
    """Layers are merged at /opt, a later one over an earlier one, and /opt/python is importable."""
    first = functions.code(python__a_dot_py="v = 'a1'", python__b_dot_py="v = 'b1'")
    second = functions.code(python__b_dot_py="v = 'b2'", bin__tool="#!/bin/sh\necho tool")
    source = "import a, b, subprocess\ndef handler(e, c):\n    return [a.v, b.v, subprocess.check_output('tool').decode()]"
    assert await functions.result(source, layer_dirs=(first, second)) == ["a1", "b2", "tool\n"]


async def test_randomness_differs(functions: Functions) -> None:
    """Environments are forks of one process; their random numbers must not be."""
    source = "import random, uuid, os, ssl\ndef handler(e, c):\n    return [random.random(), str(uuid.uuid4()), os.urandom(8).hex(), ssl.RAND_bytes(8).hex()]"
    first, second = await functions.result(source), await functions.result(source)
    assert all(a != b for a, b in zip(first, second))


async def test_variables_that_need_a_fresh_interpreter(functions: Functions) -> None:
    """PYTHONHASHSEED counts only when an interpreter starts, so that such a function gets one of its own."""
    source = "def handler(e, c):\n    return [hash('x'), c.function_name]"
    first = await functions.result(source, environment={"PYTHONHASHSEED": "7"})
    assert first == await functions.result(source, environment={"PYTHONHASHSEED": "7"})


async def test_wrapper_script(functions: Functions) -> None:
    """AWS_LAMBDA_EXEC_WRAPPER is run with the runtime's command line (Modifying the runtime environment)."""
    files = {"app_dot_py": "import os\ndef handler(e, c):\n    return os.environ['WRAPPED']", "wrap": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'}
    assert await functions.result(files=files, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}) == "yes"


async def test_concurrent_output_of_children(functions: Functions) -> None:
    """What a child process writes is part of the log."""
    outcome = await functions.run("import subprocess\ndef handler(e, c):\n    subprocess.run(['echo', 'from a child'])")
    assert outcome.log == b"from a child\n"


async def test_user_is_unprivileged(functions: Functions) -> None:
    """The function runs as sbx_user1051 (993) with no capability and no way to get one."""
    source = "import os, pwd\ndef handler(e, c):\n    return [os.getuid(), pwd.getpwuid(os.getuid()).pw_name, [l for l in open('/proc/self/status') if l[:3] in ('Cap', 'NoN')]]"
    uid, name, lines = await functions.result(source)
    assert (uid, name) == (993, "sbx_user1051")
    assert all(line.split()[1] in ("0000000000000000", "1") for line in lines), lines
    assert os.getuid() != 993
