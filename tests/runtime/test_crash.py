"""Whatever is killed, nothing is left behind: no process, mount, control group, loop device or file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.drivers.namespaces import NamespaceDriver, NamespaceSandbox
from haneul.runtime.drivers.port import readable
from haneul.runtime.environment import Environment
from haneul.runtime.port import FunctionSpec
from haneul.runtime.runtime import Runtime
from tests.runtime.conftest import CREDENTIALS, ISOLATING_DRIVERS, Functions, Runtimes
from tests.runtime.test_snapshots import restore, take

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.process]
both = pytest.mark.parametrize("driver", [driver if driver != "bubblewrap" or shutil.which("bwrap") else pytest.param(driver, marks=pytest.mark.skip) for driver in ISOLATING_DRIVERS])


class Servers:
    """Starts servers (see server.py) and ends those that a failed test has left."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, place: Path, driver: str) -> tuple[subprocess.Popen[bytes], int]:
        """A server that has three environments, and its spawner's pid."""
        server = subprocess.Popen([sys.executable, "-m", "tests.runtime.server", driver, str(place)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.started.append(server)
        assert server.stdout is not None
        assert select.select([server.stdout], [], [], 60)[0], "the server has not started"
        return server, int(server.stdout.readline())


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    for server in made.started:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def descendants(pid: int) -> list[int]:
    """The pids of everything below a process."""
    found: list[int] = []
    pending = [pid]
    while pending:
        parent = pending.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # A process that has just ended.
            for task in Path(f"/proc/{parent}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text().split()]
                found += children
                pending += children
    return found


async def with_environments(server: int, driver: str) -> list[int]:
    """The pids below a server whose three environments have all started their child."""
    # The spawner, and for each environment keeper, function and its child; besides, a zygote for all or a bubblewrap for each.
    expected = 1 + 3 * 3 + (1 if driver == "namespaces" else 3)
    for _ in range(500):
        if len(below := descendants(server)) >= expected:
            return below
        await asyncio.sleep(0.02)
    raise AssertionError(below)


def children(pid: int) -> list[int]:
    """The pids of a process's own children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def keepers_below(pid: int) -> list[int]:
    """The pids of the keepers among a process's own children, which may be joined by passing ones: a fork on its way into another sandbox."""
    found = []
    for child in children(pid):
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{child}/comm").read_text() == "keeper\n":
                found.append(child)
    return found


def asleep(pid: int) -> bool:
    """Whether a process waits for something, with nothing half done."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("S")


def keeper_of(environment: Environment) -> int:
    """The pid of an environment's keeper, from outside."""
    sandbox = environment._sandbox
    assert isinstance(sandbox, NamespaceSandbox)
    return int(Path(f"/proc/self/fdinfo/{sandbox.keeper}").read_text().partition("Pid:")[2].split()[0])


async def settled(holds: Callable[[], bool]) -> None:
    """Wait until something holds that processes bring about in their own time."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it has not come to hold")


async def gone(pids: list[int]) -> None:
    """Wait until the processes have ended."""
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        async with asyncio.timeout(10):
            await readable(pidfd)
        os.close(pidfd)


def groups(spawner: int) -> list[Path]:
    """The control groups of a spawner."""
    top = Path("/sys/fs/cgroup")
    return [*top.glob(f"*/haneul/{spawner}-*"), *top.glob(f"haneul/{spawner}-*")]


def traces(place: Path, spawner: int) -> list[str]:
    """What a dead spawner has left: groups named after it, mounts and loop devices on its directory."""
    out = [str(path) for path in groups(spawner)]
    out += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(place) in line]
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            out += [str(backing)] if str(place) in backing.read_text() else []
        except OSError:  # It has just gone.
            continue
    return out


async def no_traces(place: Path, spawner: int) -> None:
    """The kernel lets go of mounts and groups a moment after the last process."""
    for _ in range(500):
        if not (left := traces(place, spawner)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(left)


@both
async def test_killed_server(servers: Servers, place: Path, driver: str) -> None:
    """kill -9 of the server: the spawner notices, ends everything and clears up."""
    server, spawner = servers.start(place, driver)
    below = await with_environments(server.pid, driver)
    server.kill()
    server.wait()
    await gone(below)
    await no_traces(place, spawner)
    assert [path.name for path in (place / "runtime").iterdir()] in ([], ["root"])


@both
async def test_killed_server_and_spawner(servers: Servers, place: Path, driver: str) -> None:
    """kill -9 of both at once: every process ends by itself; groups that are left go at the next start."""
    server, spawner = servers.start(place, driver)
    below = await with_environments(server.pid, driver)
    os.kill(spawner, signal.SIGKILL)
    server.kill()
    server.wait()
    await gone(below)
    await no_traces(place, 0)
    successor, next_spawner = servers.start(place, driver)
    assert groups(spawner) == [] and (groups(next_spawner) or os.geteuid() != 0)
    below = descendants(successor.pid)
    successor.kill()
    successor.wait()
    await gone(below)
    await no_traces(place, next_spawner)


@both
async def test_killed_spawner(place: Path, driver: str) -> None:
    """When the spawner dies its environments die, whoever waits for one is told, and a new spawner serves on."""
    runtime = Runtime(str(place / "runtime"), driver=make_driver(driver, str(place / "runtime")))
    await runtime.start()
    functions = Functions(runtime, place)
    spawning = runtime.driver
    assert isinstance(spawning, NamespaceDriver) and spawning.spawner_pid is not None
    environment = await functions.create("import time\ndef handler(e, c):\n    time.sleep(e)\n    return 'back'")
    await functions.invoke(environment, 0)
    waiting = asyncio.ensure_future(functions.invoke(environment, 60))
    await asyncio.sleep(0)
    os.kill(spawning.spawner_pid, signal.SIGKILL)
    outcome = await waiting
    assert (outcome.status, environment.alive) == ("exited", False)
    assert (await functions.run("def handler(e, c):\n    return 'served'")).payload == b'"served"'
    assert (await functions.invoke(environment, 0)).payload == b'"back"'
    await runtime.stop()
    assert traces(place, 0) == []


async def test_killed_zygote(place: Path) -> None:
    """When a zygote dies its environments die with it; the next request starts another."""
    runtime = Runtime(str(place / "runtime"))
    await runtime.start()
    functions = Functions(runtime, place)
    environment = await functions.create("def handler(e, c):\n    return 1")
    await functions.invoke(environment)
    driver = runtime.driver
    assert isinstance(driver, NamespaceDriver) and driver.spawner_pid is not None
    (zygote,) = children(driver.spawner_pid)
    os.kill(zygote, signal.SIGKILL)
    await environment.ended()
    assert (await functions.run("def handler(e, c):\n    return 2")).payload == b"2"
    await runtime.stop()


async def test_sandboxes_made_in_advance(place: Path) -> None:
    """After a restore the zygote makes the next sandbox in advance, which the next restore takes; it ends with the snapshot, and leaves no descriptor."""
    runtime = Runtime(str(place / "runtime"))
    await runtime.start()
    functions = Functions(runtime, place)
    assert isinstance(runtime.driver, NamespaceDriver) and runtime.driver.spawner_pid is not None
    origin = await take(functions, "def handler(e, c):\n    return 1")
    assert await origin.prepared()
    (zygote,) = children(runtime.driver.spawner_pid)
    below = keeper_of(origin)
    await settled(lambda: len(keepers_below(zygote)) == 3 and asleep(zygote))  # Two others that are made in advance.
    descriptors = len(os.listdir(f"/proc/{zygote}/fd"))
    first = await restore(functions, origin)
    assert (await functions.invoke(first)).payload == b"1"
    await settled(lambda: len(keepers_below(below)) == 2)  # That of what was restored, and one in advance.
    (prepared,) = set(keepers_below(below)) - {keeper_of(first)}
    second = await restore(functions, origin)
    assert keeper_of(second) == prepared and (await functions.invoke(second)).payload == b"1"
    await settled(lambda: len(keepers_below(below)) == 3)
    ended = descendants(below)
    await origin.destroy()
    await gone(ended)
    await settled(lambda: len(os.listdir(f"/proc/{zygote}/fd")) == descriptors)
    await runtime.stop()


async def test_killed_bubblewrap(runtimes: Runtimes, place: Path) -> None:
    """When bubblewrap dies so does all that it holds; the next invocation has another."""
    runtime = await runtimes.of("bubblewrap")
    functions = Functions(runtime, place)
    environment = await functions.create("def handler(e, c):\n    return 1")
    await functions.invoke(environment)
    assert isinstance(runtime.driver, NamespaceDriver) and runtime.driver.spawner_pid is not None
    below = descendants(runtime.driver.spawner_pid)
    os.kill(below[0], signal.SIGKILL)
    await environment.ended()
    await gone(below)
    assert (await functions.invoke(environment)).payload == b"1"
    await environment.destroy()


@both
async def test_nothing_accumulates(functions: Functions) -> None:
    """A hundred lives of environments (of bubblewrap's, which are slower, twenty) leave no descriptor in the server."""
    spec: FunctionSpec = functions.spec("def handler(e, c):\n    return 1")

    async def live() -> None:
        environment = await functions.runtime.create(spec, CREDENTIALS, "s")
        await functions.invoke(environment)
        await environment.destroy()

    await live()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10 if functions.runtime.driver.name == "namespaces" else 2):
        await asyncio.gather(*(live() for _ in range(10)))
    assert len(os.listdir("/proc/self/fd")) <= before  # Descriptors of an earlier test may have been let go meanwhile.
    assert functions.runtime.stats.environments == 0


@both
async def test_failures_in_a_row(functions: Functions) -> None:
    """Descriptors are used again at once by the next environment, which must not be taken for its predecessor."""
    for _ in range(15 if functions.runtime.driver.name == "namespaces" else 4):
        assert (await functions.run("import nope")).status == "init_error"
