"""Limits of an environment: time, memory, disk, processes, files, log, payload sizes (AWS Lambda quotas)."""

from __future__ import annotations

import asyncio
import json

import pytest

from haneul.runtime.port import LOG_TAIL_BYTES_MAX, RESPONSE_BYTES_MAX
from tests.runtime.conftest import Functions

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_time_out(functions: Functions) -> None:
    """At the time-out the whole process tree is killed and the answer is Sandbox.Timedout with the configured seconds."""
    environment = await functions.create("def handler(e, c):\n    while True: pass", timeout_ms=300)
    outcome = await functions.invoke(environment)
    assert (outcome.status, outcome.error_type) == ("timeout", "Sandbox.Timedout")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: id-1 Error: Task timed out after 0.30 seconds"
    assert 300e6 <= outcome.duration_ns < 600e6
    assert not environment.alive


async def test_time_out_keeps_log(functions: Functions) -> None:
    """What was written before the time-out is in the log."""
    outcome = await functions.run("import time\ndef handler(e, c):\n    print('so far')\n    time.sleep(9)", timeout_ms=200)
    assert outcome.log == b"so far\n"


async def test_exit_during_init(functions: Functions) -> None:
    """A process that ends in its Init phase is Runtime.ExitError."""
    outcome = await functions.run("raise SystemExit(3)")
    assert outcome.status == "init_error"
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: id-1 Error: Runtime exited with error: exit status 3"


async def test_memory(functions: Functions) -> None:
    """A function that takes more than its memory is killed; the error says so as AWS does."""
    outcome = await functions.run("def handler(e, c):\n    kept = []\n    while True: kept.append(bytearray(1 << 20))", memory_mb=128)
    assert (outcome.status, outcome.error_type) == ("out_of_memory", "Runtime.OutOfMemory")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: id-1 Error: Runtime exited with error: signal: killed"


async def test_memory_of_a_child(functions: Functions) -> None:
    """Memory is limited for all processes together; whether the child or everything dies, the limit holds and the machine does not notice."""
    source = """
import subprocess, sys
def handler(e, c):
    return subprocess.run([sys.executable, '-c', 'k=[]\\nwhile True: k.append(bytearray(1 << 20))'], stderr=-3).returncode
"""
    outcome = await functions.run(source, memory_mb=128)
    assert outcome.status == "out_of_memory" or json.loads(outcome.payload) != 0


async def test_disk(functions: Functions) -> None:
    """/tmp holds ephemeral_storage_mb and then is full, without counting as the function's memory."""
    source = """
def handler(e, c):
    written = 0
    try:
        with open('/tmp/big', 'wb', 0) as file:
            while True: written += file.write(bytes(1 << 20))
    except OSError as error:
        return [written >> 20, error.errno]
"""
    written_mb, errno = await functions.result(source, memory_mb=256, ephemeral_storage_mb=512, timeout_ms=30_000)
    assert 512 <= written_mb <= 540 and errno == 28


async def test_only_tmp_is_writable(functions: Functions) -> None:
    """Everything but /tmp is read-only."""
    source = """
import os
def handler(e, c):
    out = []
    for place in ('/', '/var/task', '/opt', '/usr/lib', '/etc', '/dev', '/var/runtime', '/var/tmp', '/home/sbx_user1051', '/tmp'):
        try:
            open(place + '/x', 'w').close()
            out.append(place)
        except OSError: pass
    return out
"""
    assert await functions.result(source) == ["/tmp"]


async def test_processes(functions: Functions) -> None:
    """A fork bomb gets no further than the limit, and ends with its environment."""
    source = """
import os, time
def handler(e, c):
    count = 0
    try:
        while count < 3000:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            count += 1
    except OSError as error:
        return [count, error.errno]
"""
    count, errno = await functions.result(source, memory_mb=3008, timeout_ms=30_000)
    assert count <= 1024 and errno == 11


async def test_open_files(functions: Functions) -> None:
    """1,024 file descriptors."""
    source = """
import os
def handler(e, c):
    fds = []
    try:
        while len(fds) < 5000: fds.append(os.open('/dev/null', 0))
    except OSError as error:
        number = len(fds)
        for fd in fds: os.close(fd)
        return [number, error.errno]
"""
    number, errno = await functions.result(source)
    assert 1000 <= number <= 1024 and errno == 24


async def test_log_flood(functions: Functions) -> None:
    """10 MB of log neither block the function nor pile up: all lines are delivered, the outcome keeps the end."""
    source = "def handler(e, c):\n    for n in range(10_000): print(f'{n:05}' + 'x' * 1018)\n    return 'done'"
    outcome = await functions.run(source, timeout_ms=30_000)
    assert outcome.status == "success"
    assert len(functions.lines) == 10_000 and functions.lines[-1].text.startswith(b"09999")
    assert len(outcome.log) <= LOG_TAIL_BYTES_MAX and outcome.log.endswith(functions.lines[-1].text + b"\n")


async def test_endless_line(functions: Functions) -> None:
    """A line without an end is delivered in pieces."""
    outcome = await functions.run("import os\ndef handler(e, c):\n    for n in range(64): os.write(1, b'y' * 16384)\n    os.write(1, b'\\n')")
    assert outcome.status == "success"
    assert [len(line.text) for line in functions.lines] == [262_144] * 4 or sum(len(line.text) for line in functions.lines) == 1 << 20


@pytest.mark.parametrize(("size", "status"), [(RESPONSE_BYTES_MAX - 2, "success"), (RESPONSE_BYTES_MAX - 1, "response_too_large")])
async def test_response_size(functions: Functions, size: int, status: str) -> None:
    """6,291,556 bytes of response and no more; the environment lives on."""
    environment = await functions.create("def handler(e, c):\n    return 'z' * e")
    outcome = await functions.invoke(environment, size)
    assert outcome.status == status
    if status == "response_too_large":
        assert json.loads(outcome.payload) == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        }
    assert (await functions.invoke(environment, 1)).payload == b'"z"'


async def test_large_event(functions: Functions) -> None:
    """An event of 6 MB arrives whole."""
    assert await functions.result("def handler(e, c):\n    return len(e)", "w" * (6 << 20)) == 6 << 20


async def test_frozen_between_invocations(functions: Functions) -> None:
    """A thread left running makes no progress while no invocation is under way."""
    source = """
import threading, time
pause = 0
def work():
    global pause
    last = time.monotonic()
    while True:
        time.sleep(0.0005)
        now = time.monotonic()
        pause, last = max(pause, now - last), now
threading.Thread(target=work, daemon=True).start()
def handler(e, c):
    time.sleep(e)
    return pause
"""
    environment = await functions.create(source)
    await functions.invoke(environment, 0.05)
    while not environment.frozen and environment.alive:  # Some milliseconds after it fell idle.
        await real_time(0.001)
    await real_time(0.3)
    assert json.loads((await functions.invoke(environment, 0.05)).payload) > 0.25


async def real_time(seconds: float) -> None:
    """Let real time pass: what runs in the sandbox knows no other clock."""
    await asyncio.sleep(seconds)


async def test_cpu_share(functions: Functions) -> None:
    """A function has memory_mb/1769 of a CPU, once it is initialised, where control groups can be written."""
    if "cpu" not in getattr(functions.runtime.driver, "controllers", []):
        pytest.skip("no CPU control group can be written here")
    source = "import time\ndef handler(e, c):\n    start, used = time.monotonic(), time.process_time()\n    while time.monotonic() < start + 1: pass\n    return time.process_time() - used"
    assert 0.05 < await functions.result(source, memory_mb=354) < 0.35
