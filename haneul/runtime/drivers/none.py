"""The driver for machines without namespaces (macOS), and for who says that there is to be none: plain processes, NO ISOLATION.

A function runs as the user who runs Haneul, sees all files and the whole network, and no limit but the time-out holds. `Runtime.start` says so
loudly. What it is promised and cannot be given is refused: layers, extensions, container images. Its own directory for temporary files is named by
TMPDIR; memory, CPU and disk are not limited.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable

from haneul.runtime.configuration import fresh_python
from haneul.runtime.drivers.port import Driver, Ending, Plan, Sandbox
from haneul.runtime.inside import linux
from haneul.runtime.interpreters import Kind
from haneul.runtime.port import RuntimeUnavailable

_INSIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "inside")

_PATHS = frozenset(("GEM_PATH", "JAVA_HOME", "NODE_PATH", "RUBYLIB"))
"""Variables that name places inside a sandbox."""


class PlainSandbox(Sandbox):
    """A process group."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, log: int, status: int, listeners: list[socket.socket], directory: str) -> None:
        self.process = process
        self.channel = channel
        self.log = log
        self.status = status
        self.api, self.endpoint = listeners
        self._directory = directory

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def throttle(self) -> None:
        """There is nothing here to limit the CPU with."""

    def peak_bytes(self) -> int:
        return 0

    async def ending(self, status: bytes) -> Ending:
        self.kill()
        code = self.process.wait()
        return Ending(signal=-code) if code < 0 else Ending(exit_status=code)

    def close(self) -> None:
        self.channel.close()
        if self.status >= 0:
            os.close(self.status)
            self.status = -1
        for listener in (self.api, self.endpoint):
            if listener is not None:
                listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class NoIsolationDriver(Driver):
    """Starts plain processes."""

    name = "none"
    isolated = False

    def __init__(self, directory: str, *, outbound: bool = True) -> None:
        """Functions have the machine's whole network whatever `outbound` says."""
        self._directory = directory

    async def start(self) -> None:
        os.makedirs(self._directory, exist_ok=True)

    async def stop(self) -> None:
        """The runtime destroys the environments one by one; there is nothing else."""

    def prepare(self, kind: Kind) -> None:
        """Nothing is started in advance."""

    async def launch(self, plan: Plan) -> Sandbox:
        if plan.image_dirs:
            raise RuntimeUnavailable("A container image cannot be the root directory without namespaces.")
        if plan.layer_dirs:
            raise RuntimeUnavailable("Layers cannot be shown at /opt without namespaces.")
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        for listener in listeners:
            listener.setblocking(False)
        channel, inside = socket.socketpair()
        channel.setblocking(False)
        log, log_inside = os.pipe()
        status, status_inside = os.pipe()
        os.set_blocking(log, False)
        os.set_blocking(status, False)
        temporary = tempfile.mkdtemp(prefix="tmp-", dir=self._directory)
        environment = _environment(plan, [listener.getsockname()[1] for listener in listeners], temporary)
        try:
            process = await asyncio.to_thread(_start, _command(plan), environment, plan.code_dir, inside.fileno(), log_inside, status_inside)
        except OSError as error:
            for fd in (log, status):
                os.close(fd)
            channel.close()
            for listener in listeners:
                listener.close()
            shutil.rmtree(temporary)
            raise RuntimeUnavailable(f"The function's process could not be started: {error}") from None
        finally:
            inside.close()
            os.close(log_inside)
            os.close(status_inside)
        return PlainSandbox(process, channel, log, status, listeners, temporary)


def _environment(plan: Plan, ports: list[int], temporary: str) -> dict[str, str]:
    """The function's variables, where they name places corrected to those that there are."""
    api_port, endpoint_port = ports
    environment: dict[str, str] = dict(plan.configuration["environment"])
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]  # There, the SDK is in none of the runtime's directories.
    own = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != "/var/runtime"]
    environment.update(AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{api_port}", LAMBDA_TASK_ROOT=plan.code_dir, LAMBDA_RUNTIME_DIR=_INSIDE, TMPDIR=temporary)
    if environment.get("AWS_ENDPOINT_URL") == f"http://127.0.0.1:{plan.endpoint_port}":
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{endpoint_port}"
    for name in _PATHS.intersection(environment):
        environment[name] = os.pathsep.join(_outside(place, _shown(plan)) for place in environment[name].split(os.pathsep))
    environment["PYTHONPATH"] = os.pathsep.join([*own, *packages])
    environment["PATH"] = os.pathsep.join([environment["PATH"], os.environ.get("PATH", "")])
    environment.pop("LD_LIBRARY_PATH", None)
    return environment


def _start(command: list[str], environment: dict[str, str], directory: str, channel: int, log: int, status: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        cwd=directory,
        pass_fds=[3, status],
        preexec_fn=_descriptor_mover(channel),
        start_new_session=True,
    )


def _command(plan: Plan) -> list[str]:
    """The program, with the places where a sandbox would show things changed back into those where they are."""
    argv: list[str] = list(plan.configuration["argv"])
    if plan.kind.family == "provided":
        return [os.path.join(plan.code_dir, "bootstrap")]
    links = dict(plan.kind.zygote["links"])
    return [_outside(links.get(word, word), _shown(plan)) for word in argv or fresh_python(plan.kind)]


def _shown(plan: Plan) -> list[tuple[str, str]]:
    """(path outside, path inside) of what a sandbox would show."""
    return [*plan.kind.zygote["shared"], (plan.code_dir, "/var/task")]


def _outside(word: str, shown: list[tuple[str, str]]) -> str:
    for outside, inside in sorted(shown, key=lambda pair: -len(pair[1])):
        if word == inside or word.startswith(f"{inside}/"):
            return outside + word[len(inside) :]
    return word


def _descriptor_mover(channel: int) -> Callable[[], None]:
    """The child finds its channel at descriptor 3, and no more core files are written than in a sandbox."""

    def move() -> None:
        os.dup2(channel, 3)
        if sys.platform == "linux":  # Elsewhere a function that is stopped when the server is killed stays so.
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return move
