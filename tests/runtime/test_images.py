"""Functions from container images: their layers stacked, and run."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haneul.runtime.port import FunctionSpec, ImageSpec, Outcome
from tests.runtime.conftest import CREDENTIALS, ISOLATING_DRIVERS, Functions
from tests.runtime.images import ECHO, Entry, python_layer, tar, unpack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("driver", ISOLATING_DRIVERS)]


@pytest.fixture(scope="session")
def python_root(plain_directory: Path) -> Path:
    """An unpacked layer with a Python and a function that evaluates its events."""
    folder = plain_directory / "image"
    folder.mkdir()
    return unpack(folder, python_layer(), 1 << 30, "python")


def image_spec(functions: Functions, python_root: Path, *layers: dict[str, Entry], argv: tuple[str, ...] = ("python3", "/app/echo.py"), directory: str = "/", **settings: Any) -> FunctionSpec:
    base: dict[str, Entry] = {"app/echo.py": ECHO.encode(), "tmp": "/etc", "proc/fake": b"", "etc/resolv.conf": "/tmp/elsewhere", "secret/old": b"old", "bin": "usr/bin"}
    folders = [python_root] + [unpack(functions.directory, tar(entries), name=f"layer{number}-{len(functions.environments)}") for number, entries in enumerate((base, *layers))]
    environment = {"PATH": "/usr/bin", "PYTHONHOME": "/usr", "FROM_IMAGE": "yes", "AWS_REGION": "overridden"}
    made = ImageSpec(tuple(str(folder) for folder in folders), argv, directory, environment)
    defaults: dict[str, Any] = {"memory_mb": 512, "timeout_ms": 10_000}
    return FunctionSpec("image", "f", "$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:f", "", "", "", image=made, **{**defaults, **settings})


async def run(functions: Functions, spec: FunctionSpec, event: Any = None) -> Outcome:
    environment = await functions.runtime.create(spec, CREDENTIALS, "stream", functions.lines.extend)
    functions.environments.append(environment)
    return await functions.invoke(environment, event)


async def result(functions: Functions, spec: FunctionSpec, event: str) -> Any:
    outcome = await run(functions, spec, event)
    assert outcome.status == "success", (outcome.payload, outcome.log)
    return json.loads(outcome.payload)


async def test_the_image_is_the_root(functions: Functions, python_root: Path) -> None:
    """The function sees its image with the upper layers' changes, its own /proc, /dev and /tmp, and nothing of the host."""
    spec = image_spec(functions, python_root, {"secret/.wh.old": b"", "secret/new": b"new"}, environment={"MINE": "1"})
    seen = await result(
        functions,
        spec,
        "[sorted(os.listdir('/')), os.listdir('/secret'), sorted(os.listdir('/dev')), os.path.islink('/tmp'), open('/etc/resolv.conf').read(),"
        " os.getpid(), os.getuid(), os.getcwd(), {k: os.environ.get(k) for k in ('FROM_IMAGE', 'MINE', 'AWS_REGION', 'PATH', 'LD_LIBRARY_PATH')}]",
    )
    names, secret, devices, link, resolv, pid, uid, directory, environment = seen
    assert {"app", "proc", "dev", "tmp", "etc", "usr", "secret"} <= set(names) and "work" not in names and "home" not in names
    assert secret == ["new"] and not link and resolv == "" and uid == 993 and directory == "/" and pid > 1
    assert devices == ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]
    assert environment == {"FROM_IMAGE": "yes", "MINE": "1", "AWS_REGION": "us-east-1", "PATH": "/usr/bin", "LD_LIBRARY_PATH": None}


async def test_only_tmp_can_be_written(functions: Functions, python_root: Path) -> None:
    """As in functions from zip files; and what one environment writes, no other sees."""
    spec = image_spec(functions, python_root)
    write = "[os.listdir('/tmp'), open('/tmp/x', 'w').write('1'), [name for name in ('/app/x', '/x', '/etc/hosts', '/dev/x', '/proc/sys/kernel/x') if os.access(os.path.dirname(name) or '/', os.W_OK)]]"
    assert await result(functions, spec, write) == [[], 1, []]
    assert await result(functions, spec, write) == [[], 1, []]


async def test_nothing_of_the_host_can_be_reached(functions: Functions, python_root: Path) -> None:
    """The old root is gone for good: no process, link or mount leads back to it."""
    spec = image_spec(functions, python_root)
    seen = await result(
        functions,
        spec,
        "[os.path.exists('/work'), os.path.exists('/proc/1/root/work'), sorted(n for n in os.listdir('/proc') if n.isdigit())[:1],"
        " sorted({line.split()[4] for line in open('/proc/self/mountinfo')} - {'/', '/tmp', '/proc'}), os.path.exists('/run/usr'), open('/proc/self/status').read().count('CapEff:\\t0000000000000000')]",
    )
    host, keeper, processes, mounts, run_usr, capless = seen
    assert not host and not keeper and processes == ["1"] and not run_usr and capless == 1
    own = ("/dev", "/proc", "/sys") if functions.runtime.driver.name == "bubblewrap" else ("/dev", "/proc")  # There the keeper's interpreter is in /sys.
    assert {mount for mount in mounts if not mount.startswith(own)} == set()


@pytest.mark.parametrize(
    ("argv", "directory", "kind", "message"),
    [
        (("/none",), "/", "Runtime.InvalidEntrypoint", "RequestId: id-1 Error: fork/exec /none: no such file or directory"),
        (("none",), "/", "Runtime.InvalidEntrypoint", 'RequestId: id-1 Error: exec: "none": executable file not found in $PATH'),
        (("/app/text",), "/", "Runtime.InvalidEntrypoint", "RequestId: id-1 Error: fork/exec /app/text: exec format error"),
        (("/app",), "/", "Runtime.InvalidEntrypoint", "RequestId: id-1 Error: fork/exec /app: permission denied"),
        (("python3",), "/none", "Runtime.InvalidWorkingDir", "RequestId: id-1 Error: chdir /none: no such file or directory"),
        (("python3", "-c", "import sys; sys.exit(3)"), "/", "Runtime.ExitError", "RequestId: id-1 Error: Runtime exited with error: exit status 3"),
        (("python3", "-c", "pass"), "/", "Runtime.ExitError", "RequestId: id-1 Error: Runtime exited without providing a reason"),
    ],
)
async def test_images_that_do_not_run(functions: Functions, python_root: Path, argv: tuple[str, ...], directory: str, kind: str, message: str) -> None:
    """An image without a program that speaks the Runtime API fails at once, and says why."""
    outcome = await run(functions, image_spec(functions, python_root, {"app/text": b"\x01\x02"}, argv=argv, directory=directory))
    assert outcome.status == "init_error" and json.loads(outcome.payload) == {"errorType": kind, "errorMessage": message}


async def test_a_burst(functions: Functions, python_root: Path) -> None:
    """More environments at once than are prepared: each enters its root only when its function's process has given up its privileges, which it could not do meanwhile."""
    spec = image_spec(functions, python_root, argv=("/none",))
    outcomes = await asyncio.gather(*(run(functions, spec) for _ in range(80)))
    assert {json.loads(outcome.payload)["errorType"] for outcome in outcomes} == {"Runtime.InvalidEntrypoint"}


async def test_a_program_that_never_asks(functions: Functions, python_root: Path) -> None:
    """It runs into the time-outs of the Init phase and of the function."""
    usual = functions.runtime._surroundings
    functions.runtime._surroundings = replace(usual, init_timeout_ns=50_000_000)
    spec = image_spec(functions, python_root, argv=("python3", "-c", "import select; select.select([], [], [])"), timeout_ms=100)
    outcome = await run(functions, spec)
    functions.runtime._surroundings = usual
    assert outcome.status == "init_timeout" and json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"


async def test_the_working_directory(functions: Functions, python_root: Path) -> None:
    """WORKDIR is where the program starts."""
    assert await result(functions, image_spec(functions, python_root, directory="/app"), "os.getcwd()") == "/app"
