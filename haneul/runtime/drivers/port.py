"""What makes sandboxes: the port that `namespaces`, `bubblewrap` and `none` implement."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from haneul.runtime.interpreters import Kind

PROCESSES_MAX = 1024
"""Processes and threads of one environment (Lambda quotas)."""


@dataclass(frozen=True)
class Plan:
    """One sandbox to be made. `configuration` is the first frame that its process reads: environment, and the program to run if any."""

    kind: Kind
    code_dir: str
    layer_dirs: tuple[str, ...]
    memory_mb: int
    ephemeral_storage_mb: int
    endpoint_port: int
    configuration: Mapping[str, Any]
    image_dirs: tuple[str, ...] = ()
    """The layers of a container image, the lowest first: then the root directory is theirs, and there is no `code_dir`."""
    snapshot: bool = False
    """Whether the sandbox is to become the origin of others."""
    origin: Sandbox | None = None
    """The sandbox whose process, which has initialised the function, is forked into the new one."""
    restored: bool = False
    """Whether it counts as restored from a snapshot: forked off `origin`, or initialised as that was, where it cannot be forked."""


@dataclass(frozen=True)
class Ending:
    """How a sandbox ended: the exit status or the signal of the function's process, both None when it was killed from outside, and the most memory that it
    had, 0 where that is not known."""

    exit_status: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    setup_error: str = ""
    peak_bytes: int = field(default=0, compare=False)


class Sandbox(ABC):
    """A sandbox whose process is running. The descriptors belong to it; `close` closes them."""

    channel: socket.socket
    """Stream to the bootstrap (frames, see inside/bootstrap.py)."""
    log: int
    """Read end of the pipe that is standard output and error inside."""
    status: int
    """Read end of a pipe that closes when the sandbox is gone."""
    api: socket.socket | None
    """Listens where the Runtime API is expected inside."""
    endpoint: socket.socket | None
    """Listens where the cloud is expected inside."""
    extension_log: int = -1
    """Read end of the pipe that extensions write to, where there are any; whoever takes it sets this to -1, and closes it."""
    outlet: socket.socket | None = None
    """Made inside and not connected, where there are extensions: by it the server reaches those who listen there."""
    made_ns: int = 0
    """When it was made and the function's process began, by the system's monotonic clock; 0 where nobody inside says."""

    @abstractmethod
    def kill(self) -> None:
        """End every process inside, at once and for certain."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop every process inside until `thaw`."""

    @abstractmethod
    def thaw(self) -> None: ...

    @abstractmethod
    def terminate(self) -> None:
        """Ask the function's process (not its extensions) to end."""

    @abstractmethod
    def throttle(self) -> None:
        """Limit the CPU to the share that belongs to the memory size; called when the Init phase is over."""

    @abstractmethod
    def peak_bytes(self) -> int:
        """The most memory used so far, 0 where it is not known."""

    def function_peak_bytes(self) -> int:
        """The most memory that the function's process had, which lives: a fork's own group does not count what it shares. 0 where it is not known."""
        return 0

    @abstractmethod
    async def ending(self, status: bytes) -> Ending:
        """Interpret what came through the status pipe, once it has closed. Clears up; to be called exactly once."""

    @abstractmethod
    def close(self) -> None: ...


class Driver(ABC):
    """A way to make sandboxes on this machine."""

    name: str
    """As `haneul start --sandbox` names it."""
    isolated: bool
    snapshots: bool = False
    """Whether a sandbox can be the origin of others (`Plan.snapshot`, `Plan.origin`)."""

    @abstractmethod
    async def start(self) -> None:
        """Get ready. Raises RuntimeUnavailable when this machine cannot do it."""

    @abstractmethod
    async def stop(self) -> None:
        """Kill all sandboxes and leave nothing behind."""

    @abstractmethod
    def prepare(self, kind: Kind) -> None:
        """Start what a first sandbox of this runtime needs, without waiting."""

    @abstractmethod
    async def launch(self, plan: Plan) -> Sandbox:
        """Make a sandbox and start its process. Raises RuntimeUnavailable."""


def read_ending(status: bytes) -> Ending:
    """From the keeper's words: `exit N KB` or `signal N KB` (with the peak), `out_of_memory`, `setup <reason>`; not counting `extension <name>`. Any other words are complaints of what
    should have become the keeper, of which the last line says most."""
    lines = status.decode("utf-8", "replace").splitlines()
    text = next((line for line in lines if not line.startswith("extension ")), "")
    word, _, rest = text.partition(" ")
    if word in ("exit", "signal"):
        number, peak_kb, *_ = *map(int, rest.split()), 0
        return Ending(number if word == "exit" else None, number if word == "signal" else None, peak_bytes=peak_kb * 1024)
    if word == "out_of_memory":
        return Ending(signal=9, out_of_memory=True)
    if word == "setup":
        return Ending(setup_error=rest)
    return Ending(setup_error=lines[-1] if text else "")


async def readable(fd: int, seconds: float | None = None) -> bool:
    """Wait until `fd` can be read, for so many (real) seconds at most; False when they have passed."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await asyncio.wait([future], timeout=seconds)
        return future.done()
    finally:
        loop.remove_reader(fd)
