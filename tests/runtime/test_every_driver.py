"""The port's suite: what holds under every driver, isolated or not."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest

from haneul.runtime.drivers.choice import driver_name, make_driver
from haneul.runtime.drivers.port import Ending, read_ending
from haneul.runtime.port import Invocation, RuntimeUnavailable
from haneul.runtime.runtime import Runtime
from tests.runtime.conftest import CREDENTIALS, DRIVERS, ISOLATING_DRIVERS, Functions
from tests.runtime.test_limits import real_time

every = pytest.mark.parametrize("driver", DRIVERS)
isolating = pytest.mark.parametrize("driver", ISOLATING_DRIVERS)
pytestmark = pytest.mark.asyncio(loop_scope="session")


@every
async def test_invocations(functions: Functions) -> None:
    """An environment serves one event after the other, and its process remembers."""
    environment = await functions.create("n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    print('hello')\n    return [e, n]")
    outcomes = [await functions.invoke(environment, {"a": "ü"}) for _ in range(2)]
    assert [json.loads(outcome.payload) for outcome in outcomes] == [[{"a": "ü"}, 1], [{"a": "ü"}, 2]]
    assert outcomes[0].log == b"hello\n" and outcomes[0].init_duration_ns is not None and outcomes[1].init_duration_ns is None


@every
async def test_variables(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function has its own variables and the documented ones, and none of the server's."""
    monkeypatch.setenv("HANEUL_SECRET", "of the server")
    source = "import os\ndef handler(e, c):\n    return dict(os.environ)"
    values = await functions.result(source, environment={"MINE": "1", "AWS_REGION": "nowhere"})
    assert values["MINE"] == "1" and values["AWS_REGION"] == "us-east-1" and values["AWS_SESSION_TOKEN"] == CREDENTIALS.session_token
    assert os.path.isdir(values["LAMBDA_TASK_ROOT"]) or values["LAMBDA_TASK_ROOT"] == "/var/task"
    assert "HANEUL_SECRET" not in values


@every
async def test_the_sdk_is_there(functions: Functions) -> None:
    """boto3 is part of the Python runtime, and finds the cloud by the endpoint's variable."""
    source = "import boto3, os\ndef handler(e, c):\n    return [boto3.client('sqs').meta.endpoint_url, os.environ['AWS_ENDPOINT_URL']]"
    used, named = await functions.result(source, endpoint_port=4999, timeout_ms=30_000)
    assert used == named and (named == "http://127.0.0.1:4999" or not functions.runtime.driver.isolated)
    assert (await functions.result(source, environment={"AWS_ENDPOINT_URL": "http://mine"}, timeout_ms=30_000))[0] == "http://mine"


@every
async def test_errors(functions: Functions) -> None:
    """An exception is the outcome's error document; an exit ends the environment, and the next invocation has another."""
    environment = await functions.create("import os\ndef handler(e, c):\n    if e: os._exit(4)\n    raise ValueError('no')")
    failed = await functions.invoke(environment)
    assert (failed.status, failed.error_type) == ("error", "ValueError")
    exited = await functions.invoke(environment, 1)
    assert exited.status == "exited" and b"exit status 4" in exited.payload
    assert (await functions.invoke(environment)).error_type == "ValueError"


@every
async def test_time_out(functions: Functions) -> None:
    """At the time-out every process is ended, those that were started, too."""
    marker = f"86398.{os.getpid()}"
    source = f"import subprocess\ndef handler(e, c):\n    subprocess.Popen(['sleep', '{marker}'])\n    while True: pass"
    outcome = await functions.run(source, timeout_ms=400)
    assert (outcome.status, outcome.error_type) == ("timeout", "Sandbox.Timedout")
    assert await processes(marker, 0)


@isolating
async def test_memory(functions: Functions) -> None:
    """A function that takes more than its memory is ended for it."""
    outcome = await functions.run("def handler(e, c):\n    kept = []\n    while True: kept.append(bytearray(1 << 20))", memory_mb=128)
    assert (outcome.status, outcome.error_type) == ("out_of_memory", "Runtime.OutOfMemory")


@every
async def test_temporary_files(functions: Functions) -> None:
    """What `tempfile` makes is seen by no other environment, and goes with its own."""
    source = "import os, tempfile\ndef handler(e, c):\n    place = tempfile.gettempdir()\n    before = os.listdir(place)\n    open(place + '/mine', 'w').close()\n    return [before, place]"
    first = await functions.create(source)
    before, place = json.loads((await functions.invoke(first)).payload)
    assert before == [] and (await functions.result(source))[0] == []
    await first.destroy()
    assert not os.path.exists(f"{place}/mine")


@isolating
async def test_command_lines_tell_nothing_of_the_machine(functions: Functions) -> None:
    """Neither those of the sandbox's processes nor the kernel's own: no path of Haneul's, of its data or of its interpreter."""
    source = """
import os, sys
def handler(e, c):
    seen = [' '.join(sys.orig_argv + sys.argv)]
    for pid in ('self', '1', *(name for name in os.listdir('/proc') if name.isdigit())):
        with open(f'/proc/{pid}/cmdline') as file: seen.append(file.read().replace(chr(0), ' ').strip())
    try:
        with open('/proc/cmdline') as file: kernel = file.read()
    except PermissionError: kernel = ''
    return [seen, kernel]
"""
    seen, kernel = await functions.result(source)
    assert kernel == "" and all(line for line in seen)
    assert not any(word in line for line in seen for word in ("haneul", "venv", "{")), seen


@isolating
async def test_size_of_tmp(functions: Functions) -> None:
    """/tmp is full at ephemeral_storage_mb."""
    source = """
def handler(e, c):
    written = 0
    try:
        with open('/tmp/big', 'wb', 0) as file:
            while True: written += file.write(bytes(1 << 20))
    except OSError as error:
        return [written >> 20, error.errno]
"""
    written_mb, errno = await functions.result(source, memory_mb=3008, ephemeral_storage_mb=512, timeout_ms=30_000)
    assert 512 <= written_mb <= 540 and errno == 28


@every
async def test_streaming(functions: Functions) -> None:
    """A custom runtime's answer is read in pieces over the Runtime API."""
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("the custom runtime below is a script for /usr/bin/python3")
    source = """#!/usr/bin/python3
import http.client, os
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
while True:
    connection.request('GET', '/2018-06-01/runtime/invocation/next')
    answer = connection.getresponse()
    event, request_id = answer.read(), answer.headers['Lambda-Runtime-Aws-Request-Id']
    headers = {'Lambda-Runtime-Function-Response-Mode': 'streaming', 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked'}
    connection.request('POST', f'/2018-06-01/runtime/invocation/{request_id}/response', iter([b'one', event, b'two']), headers, encode_chunked=True)
    connection.getresponse().read()
"""
    environment = await functions.create(files={"bootstrap": source}, runtime="provided.al2023")
    answer = environment.stream(Invocation("id-1", b"{}", "arn:invoked"))
    assert await answer.begins() and answer.content_type == "text/plain"
    assert b"".join([chunk async for chunk in answer]) == b"one{}two"
    assert (await answer.outcome()).status == "success"


@every
async def test_frozen_between_invocations(functions: Functions) -> None:
    """Nothing goes on inside while no invocation is under way: processes that the function has started stand still, too."""
    source = """
import subprocess, sys
work = "import time\\nlast = time.monotonic()\\npause = 0\\nwhile True:\\n time.sleep(0.001)\\n now = time.monotonic()\\n pause, last = max(pause, now - last), now\\n print(pause, flush=True)"
child = subprocess.Popen([sys.executable, '-S', '-c', work], stdout=subprocess.PIPE, text=True)
def handler(e, c):
    seen = [float(child.stdout.readline())]
    while seen[-1] < e: seen.append(float(child.stdout.readline()))
    return seen[-1]
"""
    environment = await functions.create(source, timeout_ms=5000)
    assert (await functions.invoke(environment, 0)).status == "success"
    while not environment.frozen and environment.alive:
        await real_time(0.001)
    await real_time(0.3)
    assert json.loads((await functions.invoke(environment, 0.25)).payload) > 0.25


@every
async def test_shut_down(functions: Functions) -> None:
    """What a function leaves behind ends with its environment."""
    marker = f"86397.{os.getpid()}"
    environment = await functions.create(f"import subprocess\ndef handler(e, c):\n    subprocess.Popen(['sleep', '{marker}'])")
    assert (await functions.invoke(environment)).status == "success" and await processes(marker, 1)
    await environment.destroy()
    assert await processes(marker, 0) and not environment.alive


@every
async def test_stop(driver: str, plain_directory: Path) -> None:
    """Stopping a driver ends its environments and removes its directory."""
    directory = plain_directory / f"stopped-{driver}"
    runtime = Runtime(str(directory), driver=make_driver(driver, str(directory)))
    await runtime.start()
    environment = await Functions(runtime, Path(tempfile.mkdtemp(dir=plain_directory))).create("def handler(e, c): pass")
    assert runtime.stats.driver == driver and runtime.stats.isolated == (driver != "none")
    await runtime.stop()
    assert not environment.alive and not directory.exists()


@isolating
async def test_extensions(functions: Functions, plain_directory: Path) -> None:
    """External extensions start before the runtime, and their end is the environment's."""
    layer = plain_directory / f"layer-{functions.runtime.driver.name}"
    (layer / "extensions").mkdir(parents=True)
    extension = layer / "extensions" / "watch"
    extension.write_text("#!/bin/sh\nexit 7\n")
    extension.chmod(0o755)
    outcome = await functions.run("def handler(e, c): pass", layer_dirs=(str(layer),))
    assert outcome.status == "init_error" and outcome.error_type == "Extension.Crash"


@every
async def test_snapshots_where_there_are_any(functions: Functions) -> None:
    """SnapStart is refused by drivers that have none, and says which has."""
    spec = functions.spec("def handler(e, c): pass", initialization_type="snap-start")
    if functions.runtime.driver.snapshots:
        functions.environments.append(await functions.runtime.snapshot(spec, CREDENTIALS, "s"))
    else:
        with pytest.raises(RuntimeUnavailable, match="namespaces"):
            await functions.runtime.snapshot(spec, CREDENTIALS, "s")


async def test_auto_is_never_without_isolation() -> None:
    """Whoever does not say `none` never gets it; a driver that does not exist is named."""
    assert driver_name("auto") == "namespaces"
    with pytest.raises(ValueError, match=r"docker.*namespaces, bubblewrap, none, auto"):
        driver_name("docker")


async def test_bubblewrap_that_is_not_there(monkeypatch: pytest.MonkeyPatch, plain_directory: Path) -> None:
    """Without the program the driver says what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RuntimeUnavailable, match="Debian's package is bubblewrap"):
        await make_driver("bubblewrap", str(plain_directory / "none")).start()


async def test_bubblewrap_that_does_not_work(monkeypatch: pytest.MonkeyPatch, plain_directory: Path) -> None:
    """Where it may not make namespaces, say, the driver does not start, and passes on its words."""
    broken = plain_directory / "broken" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    with pytest.raises(RuntimeUnavailable, match="No permissions to create a new namespace"):
        await make_driver("bubblewrap", str(plain_directory / "broken-runtime")).start()


async def test_words_of_no_keeper() -> None:
    """What comes through the status pipe and is none of the keeper's words is why there is no keeper."""
    assert read_ending(b"Traceback:\n  File x\nImportError: libffi.so.8\n") == Ending(setup_error="ImportError: libffi.so.8")
    assert read_ending(b"extension watch\nsignal 9\n") == Ending(signal=signal.SIGKILL) and read_ending(b"") == Ending()


async def processes(marker: str, number: int) -> bool:
    """Whether so many processes have the marker among their arguments, after a moment if need be: beginning and ending take the kernel some time."""
    for _ in range(200):
        if sum(marker.encode() in _command(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()) == number:
            return True
        await real_time(0.005)
    return False


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
