"""Drivers other than the default, the hand-over of the endpoint's socket, and the Init phase's time limit."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from haneul.runtime.cgroups import Cgroups, identity
from haneul.runtime.drivers.none import NoIsolationDriver
from haneul.runtime.inside import linux
from haneul.runtime.port import FunctionSpec, RuntimeUnavailable
from haneul.runtime.runtime import Runtime
from tests.runtime.conftest import CREDENTIALS, Functions

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_none(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without namespaces functions run as plain processes, and the start says loudly that nothing isolates them."""
    runtime = Runtime(str(place / "runtime"), driver=NoIsolationDriver(str(place / "runtime")))
    await runtime.start()
    assert "WITHOUT ISOLATION" in caplog.text and not runtime.stats.isolated
    functions = Functions(runtime, place)
    environment = await functions.create("import os\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    print('hello')\n    return os._exit(4) if e else n")
    assert [(await functions.invoke(environment)).payload for _ in range(2)] == [b"1", b"2"]
    outcome = await functions.invoke(environment, 1)
    assert (outcome.status, outcome.log) == ("exited", b"hello\n") and b"exit status 4" in outcome.payload
    assert (await functions.run("import time\ndef handler(e, c):\n    time.sleep(60)", timeout_ms=200)).status == "timeout"
    with pytest.raises(RuntimeUnavailable, match="Layers"):
        await functions.create("", layer_dirs=("/x",))
    await runtime.stop()


async def test_none_needs_nothing_of_linux(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other systems do not have (macOS has neither of these) is not used."""
    for module, name in ((os, "pidfd_open"), (os, "memfd_create"), (os, "O_TMPFILE"), (signal, "sigtimedwait"), (resource, "prlimit"), (linux, "unshare")):
        monkeypatch.delattr(module, name)
    runtime = Runtime(str(place / "runtime"), driver=NoIsolationDriver(str(place / "runtime")))
    await runtime.start()
    functions = Functions(runtime, place)
    assert await functions.result("def handler(e, c):\n    return e", [1]) == [1]
    await runtime.stop()


async def test_endpoint_is_handed_over(place: Path) -> None:
    """What the function connects to at AWS_ENDPOINT_URL arrives at the server, though the sandbox has no network; it ends with the sandbox."""
    adopted: list[tuple[socket.socket, FunctionSpec]] = []
    stopped: list[str] = []

    def adopt(listener: socket.socket, spec: FunctionSpec) -> Callable[[], None]:
        adopted.append((listener, spec))

        def stop() -> None:
            listener.close()
            stopped.append(spec.key)

        return stop

    runtime = Runtime(str(place / "runtime"), adopt_listener=adopt)
    await runtime.start()
    functions = Functions(runtime, place)
    source = """
import os, socket, urllib.parse
def handler(e, c):
    url = urllib.parse.urlsplit(os.environ['AWS_ENDPOINT_URL'])
    socket.create_connection((url.hostname, url.port)).sendall(b'hello from inside')
"""
    environment = await functions.create(source, endpoint_port=4999)
    assert (await functions.invoke(environment)).status == "success"
    ((listener, spec),) = adopted
    accepted, _ = listener.accept()
    assert accepted.recv(100) == b"hello from inside" and spec.endpoint_port == 4999
    accepted.close()
    await environment.destroy()
    assert stopped == ["key"]
    await runtime.stop()


async def test_init_time_limit(place: Path) -> None:
    """An Init phase that takes too long is broken off and repeated within the invocation, where the function's own time-out holds."""
    runtime = Runtime(str(place / "runtime"), init_timeout_ns=100_000_000)
    await runtime.start()
    functions = Functions(runtime, place)
    slow = await functions.run("import time\nprint('start')\ntime.sleep(0.3)\ndef handler(e, c):\n    return 'got there'", timeout_ms=5000)
    assert slow.payload == b'"got there"' and [line.text for line in functions.lines] == [b"start", b"start"]
    endless = await functions.run("import time\ntime.sleep(60)", timeout_ms=200)
    assert endless.status == "init_timeout"
    assert json.loads(endless.payload) == {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: id-1 Error: Task timed out after 0.20 seconds"}
    await runtime.stop()


async def test_unknown_runtime_is_refused(functions: Functions) -> None:
    """A runtime that is not there is refused with the list of what is."""
    with pytest.raises(RuntimeUnavailable, match=r"cobol1 is not installed on this machine; there are: .*python3\.11"):
        await functions.create(runtime="cobol1")


async def test_missing_code_is_an_error(functions: Functions) -> None:
    """A sandbox that cannot be set up says why."""
    spec = functions.spec("")
    os.rename(spec.code_dir, spec.code_dir + "-gone")
    with pytest.raises(RuntimeUnavailable, match="No such file or directory"):
        await functions.runtime.create(spec, CREDENTIALS, "s")


async def test_cgroups_version_2(place: Path) -> None:
    """With version 2 one directory has all the controllers' files; abandoned groups of dead servers go. (A plain directory stands in for the
    file system, as this machine may have version 1.)"""
    for directory in (place, place / "haneul", place / "haneul" / identity(os.getpid())):
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text("cpu memory pids")
        (directory / "cgroup.subtree_control").write_text("cpu memory pids")
    (place / "haneul" / "999999999-1").mkdir()
    cgroups = Cgroups(identity(os.getpid()), str(place))
    assert (cgroups.version, cgroups.controllers) == (2, ["cpu", "memory", "pids"])
    cgroups.remove_abandoned()
    assert not (place / "haneul" / "999999999-1").exists()
    group = cgroups.create("7", 128 << 20, 1024)
    cgroups.throttle(group, 1769)
    made = place / "haneul" / identity(os.getpid()) / "7"
    values = {path.name: path.read_text() for path in made.iterdir()}
    assert values == {"memory.max": str(128 << 20), "memory.swap.max": "0", "pids.max": "1024", "cpu.max": "100000 100000"}
    (made / "memory.events").write_text("low 0\noom_kill 3\n")
    assert cgroups.kills(group) == 3
