"""The default driver: Linux namespaces, made by the spawner process (see `haneul.runtime.spawner`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from typing import Any

from haneul.runtime.drivers.port import PROCESSES_MAX, Driver, Ending, Plan, Sandbox, read_ending, readable
from haneul.runtime.inside import linux
from haneul.runtime.inside.jail import FREEZE, TERMINATE, THAW
from haneul.runtime.interpreters import Kind
from haneul.runtime.port import RuntimeUnavailable

_MESSAGE_BYTES_MAX = 65536
_SET_UP_SECONDS_MAX = 60.0
"""A spawner or a sandbox that is not there by then (real time, on the most overloaded machine) never will be."""
_END_SECONDS_MAX = 20.0
_STARTS_AGAIN_MAX = 3
"""As long is waited for killed processes to be gone before going on without them."""
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_START = "import sys; sys.path.insert(0, sys.argv.pop()); from haneul.runtime.spawner import main; main()"
_log = logging.getLogger(__name__)


class _ZygoteLost(RuntimeUnavailable):
    """The zygote ended before it had handed over an environment, and nothing says why."""


class NamespaceSandbox(Sandbox):
    """An environment that the spawner made. The keeper is process 1 inside; whoever kills it kills everything there."""

    def __init__(self, driver: NamespaceDriver, identifier: int, channel: socket.socket, log: int, status: int) -> None:
        self.driver = driver
        self.identifier = identifier
        self.channel = channel
        self.log = log
        self.status = status
        self.api = None
        self.endpoint = None
        self.keeper = -1
        self.peak = -1
        self.failure = ""
        self.passage: list[int] = []
        """Of an origin: what leads into its namespaces. Of a restored sandbox, until it is forked into: what leads into its own."""
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def kill(self) -> None:
        if self.keeper >= 0:
            linux.pidfd_send_signal(self.keeper, signal.SIGKILL)
            if "cpu" in self.driver.controllers:
                self.driver.send({"do": "hurry", "id": self.identifier})

    def freeze(self) -> None:
        linux.pidfd_send_signal(self.keeper, FREEZE)

    def thaw(self) -> None:
        linux.pidfd_send_signal(self.keeper, THAW)

    def terminate(self) -> None:
        linux.pidfd_send_signal(self.keeper, TERMINATE)

    def throttle(self) -> None:
        if "cpu" in self.driver.controllers:
            self.driver.send({"do": "throttle", "id": self.identifier})

    def peak_bytes(self) -> int:
        if self.peak < 0:
            return 0
        try:
            return int(os.pread(self.peak, 32, 0))
        except OSError:  # The group is gone.
            return 0

    def function_peak_bytes(self) -> int:
        peaks = [0]
        with contextlib.suppress(OSError, ValueError):  # It may end at any moment.
            keeper = linux.pid_of(self.keeper)
            for child in _read(f"/proc/{keeper}/task/{keeper}/children").split():
                peaks += [int(line.split()[1]) * 1024 for line in _read(f"/proc/{child}/status").splitlines() if line.startswith("VmHWM:")]
        return max(peaks)

    async def ending(self, status: bytes) -> Ending:
        ending = read_ending(status)
        # The kernel reports the end of a pid namespace's first process when all others in it are gone.
        if self.keeper >= 0 and not await readable(self.keeper, self.driver.end_seconds_max):
            _log.error("the processes of sandbox %s have not ended after %s seconds", self.identifier, self.driver.end_seconds_max)
            linux.pidfd_send_signal(self.keeper, signal.SIGKILL)
        self.driver.forget(self)
        kills = await self.driver.wait_gone(self)
        self.driver.sandboxes.pop(self.identifier, None)
        # The kernel may choose the keeper: then nobody is left to say how the function ended.
        if kills and (ending.signal == signal.SIGKILL or ending == Ending()):
            return Ending(signal=signal.SIGKILL, out_of_memory=True, peak_bytes=ending.peak_bytes)
        return ending

    def close(self) -> None:
        self.channel.close()
        for fd in (self.status, self.keeper, self.peak):
            if fd >= 0:
                os.close(fd)
        self.status = self.keeper = self.peak = -1
        while self.passage:
            os.close(self.passage.pop())
        if self.extension_log >= 0:
            os.close(self.extension_log)
            self.extension_log = -1
        for listener in (self.api, self.endpoint, self.outlet):
            if listener is not None:
                listener.close()


class NamespaceDriver(Driver):
    """Talks to the spawner and starts it again should it die."""

    name = "namespaces"
    isolated = True
    snapshots = True

    def __init__(self, directory: str, *, outbound: bool = False, set_up_seconds_max: float = _SET_UP_SECONDS_MAX, end_seconds_max: float = _END_SECONDS_MAX) -> None:
        self._directory = directory
        self._outbound = outbound
        self._bubblewrap = ""
        """The path of the program that makes the sandboxes in the spawner's stead; empty for none."""
        self.set_up_seconds_max = set_up_seconds_max
        self.end_seconds_max = end_seconds_max
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._next = 0
        self._stopping = False
        self._ready = asyncio.Event()
        self._prepared: dict[str, Kind] = {}
        self.sandboxes: dict[int, NamespaceSandbox] = {}
        self.controllers: list[str] = []
        self.properties: dict[str, Any] = {}
        """What the spawner found: `cgroups` (version, 0 for none), `controllers`, `disk` (ext4 or tmpfs), `root`, `outbound` (whether there is a way out, and `no_outbound`, why not)."""

    async def start(self) -> None:
        os.makedirs(self._directory, exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = self._start_process(theirs)
        theirs.close()
        ours.setblocking(False)
        try:
            answer = await self._first_words(ours)
        except BaseException:
            ours.close()
            self._process.kill()
            self._process.wait()
            raise
        if self._stopping:  # Meanwhile; it ends as its socket closes.
            ours.close()
            return
        self._socket = ours
        self.properties = answer
        self.controllers = answer["controllers"]
        if answer["no_outbound"]:
            _log.warning("functions reach the cloud, but nothing outside it: %s", answer["no_outbound"])
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear)
        self._ready.set()
        for kind in self._prepared.values():
            self.prepare(kind)

    async def _first_words(self, connection: socket.socket) -> dict[str, Any]:
        answer: dict[str, Any] = {"unavailable": "the spawner did not start"}
        if await readable(connection.fileno(), self.set_up_seconds_max):
            with contextlib.suppress(ConnectionResetError):
                answer = json.loads(connection.recv(_MESSAGE_BYTES_MAX) or b"{}")
        if not answer.get("ready"):
            reason = answer.get("unavailable", "the spawner did not start")
            raise RuntimeUnavailable(f"The sandbox {self.name} cannot be set up on this machine: {reason}. `haneul start --sandbox` chooses another.")
        return answer

    def _start_process(self, connection: socket.socket) -> subprocess.Popen[bytes]:
        options = {"directory": self._directory, "processes_max": PROCESSES_MAX, "bubblewrap": self._bubblewrap, "outbound": self._outbound}
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, json.dumps(options), _PACKAGE_ROOT],
            stdin=connection.fileno(),
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            start_new_session=True,
        )

    async def stop(self) -> None:
        self._stopping = True
        self._let_go()
        self._lose_all()
        process = self._process
        if process is None or process.returncode is not None:
            return
        pidfd = os.pidfd_open(process.pid)
        try:
            if not await readable(pidfd, self.end_seconds_max):
                _log.error("the sandbox's spawner has not ended after %s seconds and is killed", self.end_seconds_max)
                process.kill()  # Its zygotes and their environments die with it.
                await readable(pidfd)
        finally:
            os.close(pidfd)
        process.wait()

    def _let_go(self) -> None:
        """Close the connection; what has not been sent yet never will be."""
        self._ready.clear()
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        while self._unsent:
            for fd in self._unsent.popleft()[1]:
                os.close(fd)

    def prepare(self, kind: Kind) -> None:
        self._prepared[kind.name] = kind
        self.send({"do": "prepare", "runtime": kind.name, "zygote": kind.zygote})

    @property
    def spawner_pid(self) -> int | None:
        """The spawner's process id, None before the start."""
        return self._process.pid if self._process is not None else None

    # ---- one sandbox

    async def launch(self, plan: Plan) -> Sandbox:
        await self._spawner_ready()
        try:
            return await self._launch(plan)
        except _ZygoteLost:  # It, or the spawner, died just before it was asked, and another is started.
            await self._spawner_ready()
            return await self._launch(plan)

    async def _spawner_ready(self) -> None:
        if not self._ready.is_set() and self._process is not None and not self._stopping:
            waiting = asyncio.ensure_future(self._ready.wait())  # Not asyncio.timeout: who waits here need not be a task.
            try:
                await asyncio.wait([waiting], timeout=self.set_up_seconds_max)
            finally:
                waiting.cancel()
        if self._socket is None:
            raise RuntimeUnavailable("The sandbox's spawner is not running.")

    async def _launch(self, plan: Plan) -> Sandbox:
        self._next += 1
        channel, channel_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        log, log_inside = os.pipe()
        status, status_inside = os.pipe()
        os.set_blocking(log, False)
        os.set_blocking(status, False)
        channel.setblocking(False)
        sandbox = NamespaceSandbox(self, self._next, channel, log, status)
        self.sandboxes[self._next] = sandbox
        message = {
            "do": "create",
            "id": self._next,
            "runtime": plan.kind.name,
            "zygote": plan.kind.zygote,
            "code_dir": plan.code_dir,
            "layer_dirs": plan.layer_dirs,
            "image_dirs": plan.image_dirs,
            "memory_mb": plan.memory_mb,
            "ephemeral_storage_mb": plan.ephemeral_storage_mb,
            "endpoint_port": plan.endpoint_port,
            "snapshot": plan.snapshot,
            "restore": plan.origin is not None,
        }
        ends = [channel_inside.detach(), log_inside]
        held: list[int] = []
        passage: list[int] = []
        if plan.origin is not None:
            assert isinstance(plan.origin, NamespaceSandbox)
            held = [os.dup(fd) for fd in ends]
            passage = [os.dup(fd) for fd in plan.origin.passage]
        self.send(message, [*ends, status_inside, *passage])
        frame = json.dumps(plan.configuration).encode()
        with contextlib.suppress(BrokenPipeError):  # It has failed already; the hand-over says why.
            channel.send(b"S" + struct.pack(">I", len(frame)) + frame)
        try:
            await self._receive_hand_over(sandbox, plan)
            if plan.origin is not None:
                _fork_into(plan.origin, sandbox, held)
        except BaseException:
            sandbox.kill()
            os.close(sandbox.log)
            sandbox.close()
            self.forget(sandbox)
            self.sandboxes.pop(sandbox.identifier, None)
            raise
        finally:
            for fd in held:
                os.close(fd)
        return sandbox

    async def _receive_hand_over(self, sandbox: NamespaceSandbox, plan: Plan) -> None:
        if not await readable(sandbox.channel.fileno(), self.set_up_seconds_max):
            raise RuntimeUnavailable(f"The sandbox could not be set up within {self.set_up_seconds_max:.0f} seconds.")
        try:
            data, fds, _, _ = socket.recv_fds(sandbox.channel, 9, 32)
        except ConnectionResetError:
            data, fds = b"", []
        if data[:1] != b"H" or len(fds) < 3:
            for fd in fds:
                os.close(fd)
            self.forget(sandbox)
            await self.wait_gone(sandbox)
            reason = ""
            with contextlib.suppress(BlockingIOError):
                reason = read_ending(os.read(sandbox.status, 4096)).setup_error
            if reason or sandbox.failure:
                raise RuntimeUnavailable(f"The sandbox could not be set up: {reason or sandbox.failure}")
            raise _ZygoteLost("The sandbox could not be set up: its process ended")
        sandbox.made_ns = int.from_bytes(data[1:], "big")
        sandbox.keeper = fds[0]
        sandbox.api = socket.socket(fileno=fds[1])
        sandbox.endpoint = socket.socket(fileno=fds[2])
        sandbox.api.setblocking(False)
        sandbox.endpoint.setblocking(False)
        if plan.snapshot or plan.origin is not None:
            sandbox.passage = fds[3:]
        elif len(fds) == 5:
            sandbox.extension_log = fds[3]
            sandbox.outlet = socket.socket(fileno=fds[4])
            os.set_blocking(sandbox.extension_log, False)

    def forget(self, sandbox: NamespaceSandbox) -> None:
        """Let the spawner clear up after a sandbox whose processes are gone."""
        if self._socket is None:
            if not sandbox.gone.done():
                sandbox.gone.set_result(0)
            return
        self.send({"do": "forget", "id": sandbox.identifier})

    async def wait_gone(self, sandbox: NamespaceSandbox) -> int:
        """Wait until the spawner has cleared up; how many of the sandbox's processes the kernel killed for want of memory."""
        await asyncio.wait([sandbox.gone], timeout=self.end_seconds_max)
        return sandbox.gone.result() if sandbox.gone.done() else 0

    # ---- the spawner

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Queue a message. The descriptors are closed once sent."""
        data = json.dumps(message).encode()
        self._unsent.append((data, fds or []))
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            data, fds = self._unsent[0]
            if self._socket is not None:
                try:
                    if fds:
                        socket.send_fds(self._socket, [data], fds)
                    else:
                        self._socket.send(data)
                except BlockingIOError:
                    asyncio.get_running_loop().add_writer(self._socket.fileno(), self._flush)
                    return
                except (BrokenPipeError, ConnectionResetError):
                    pass  # The reader notices, too, and starts another spawner.
                except OSError as error:  # Whoever waits for an answer sees the descriptors close, or gives up in time.
                    _log.error("the spawner could not be told %s: %s", data[:80], error)
            self._unsent.popleft()
            for fd in fds:
                os.close(fd)
        if self._socket is not None:
            asyncio.get_running_loop().remove_writer(self._socket.fileno())

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, _MESSAGE_BYTES_MAX, 4)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, fds = b"", []
        if not data:
            self._restart()
            return
        message = json.loads(data)
        if "peak" in message and (sandbox := self.sandboxes.get(message["peak"])) is not None and fds:
            sandbox.peak = fds.pop()
        elif "gone" in message and (sandbox := self.sandboxes.get(message["gone"])) is not None:
            if not sandbox.gone.done():
                sandbox.gone.set_result(message["kills"])
        elif "failed" in message:
            if (failed := self.sandboxes.get(message["failed"])) is not None:
                failed.failure = message["message"]
            else:
                _log.error("the spawner could not do what it was asked: %s", message["message"])
        for fd in fds:
            os.close(fd)

    def _lose_all(self) -> None:
        for sandbox in self.sandboxes.values():
            if not sandbox.gone.done():
                sandbox.gone.set_result(0)

    def _restart(self) -> None:
        """The spawner is gone, and with it its zygotes and all environments."""
        assert self._process is not None
        self._let_go()
        self._process.kill()  # It has closed its connection, and so has ended or is about to.
        self._process.wait()
        self._lose_all()
        if not self._stopping:
            _log.error("the sandbox's spawner died (status %s) and is started again", self._process.returncode)
            self._starting = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        for _ in range(_STARTS_AGAIN_MAX):  # What has killed it may kill the next one before it says a word.
            try:
                return await self.start()
            except (RuntimeUnavailable, OSError) as error:  # Whoever asks for a sandbox learns it in time.
                _log.error("the sandbox's spawner could not be started again: %s", error)
            if self._stopping:
                return


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _fork_into(origin: Sandbox, sandbox: NamespaceSandbox, ends: list[int]) -> None:
    """Ask the origin to fork into a sandbox, whose ends of channel and log are `ends`."""
    try:
        socket.send_fds(origin.channel, [b"F" + bytes(4)], [*ends, *sandbox.passage])
    except OSError as error:
        raise RuntimeUnavailable(f"The snapshot is gone: {error}") from None
    while sandbox.passage:
        os.close(sandbox.passage.pop())
