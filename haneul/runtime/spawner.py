"""The process that makes sandboxes for the server: `python -m haneul.runtime.spawner`, with its end of a socket pair as standard input.

It is single-threaded and small, so that it and its zygotes can fork quickly. It holds what takes privileges (control groups, mounts), starts
one zygote for each runtime, and clears up after environments that are gone. When the server's end of the socket closes, it kills every
environment, removes its control groups and ends. Messages are JSON, one a packet.

From the server: `prepare` a runtime, `create` an environment (with its three descriptors), `throttle` it once it is initialised, let it
`hurry` once it is killed (to end takes CPU time, too), `forget` it once its status pipe has closed. To the server: `ready`, `peak` (with a
descriptor to read the memory peak from), `gone`, `failed`.

With the option `bubblewrap` (the program's path) each environment is a process of that program's instead of a zygote's fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from haneul.runtime import bubblewrap
from haneul.runtime.cgroups import Cgroups, Group, identity
from haneul.runtime.disks import Disks
from haneul.runtime.inside import jail, linux, root
from haneul.runtime.uplink import Uplink

_MESSAGE_BYTES_MAX = 65536
_DESCRIPTORS_MAX = 16
# What a program may reserve beyond what it uses: Node.js takes half a gigabyte of addresses for its code, and touches little of it.
_RESERVED_BYTES_MAX = 1 << 30
_ZYGOTE_SECONDS_MAX = 10
_READ_ONLY = linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV
_FIRST_USER = 1_900_000_000
_USERS = 100_000_000
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START_ZYGOTE = "import sys; sys.path.insert(0, sys.argv.pop()); from haneul.runtime.inside.zygote import main; main()"


@dataclass
class Zygote:
    """A running zygote."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


@dataclass
class Environment:
    """What the spawner keeps of an environment."""

    group: Group
    memory_mb: int
    process: int = -1
    """Of bubblewrap, where that makes the sandboxes."""


class Spawner:
    """State and main loop."""

    def __init__(self, server: socket.socket, options: dict[str, Any]) -> None:
        self.server = server
        self.directory: str = options["directory"]
        self.root = os.geteuid() == 0
        if not self.root:
            _become_root_of_own_namespace()
        linux.unshare(linux.CLONE_NEWNS)
        # Mounts that appear later outside still appear here, so that code on them can be shown; ours stay ours.
        linux.mount("", "/", "", linux.MS_REC | linux.MS_SLAVE)
        self.cgroups = Cgroups(identity(os.getpid()))
        self.cgroups.remove_abandoned()
        self.disks = Disks(self.directory, loop=self.root)
        self.mount_point = f"{self.directory}/root"
        os.makedirs(self.mount_point, exist_ok=True)
        self.uplink = Uplink()
        if options["outbound"]:
            self.uplink.open()
        self.zygotes: dict[str, Zygote] = {}
        self.environments: dict[int, Environment] = {}
        self.leaving: list[Environment] = []
        self.processes_max: int = options["processes_max"]
        self.poll = select.poll()

    def serve(self) -> None:
        """Until the server is gone."""
        self.poll.register(self.server, select.POLLIN)
        self.send({"ready": True, "cgroups": self.cgroups.version, "controllers": self.cgroups.controllers, "disk": self.disks.kind, "root": self.root, "outbound": self.uplink.namespace >= 0, "no_outbound": self.uplink.problem})
        while True:
            for fd, _ in self.poll.poll(50 if self.leaving else None):
                if fd == self.server.fileno():
                    if not self.receive():
                        return
                else:
                    self.hear_zygote(fd)
            self.leaving = [environment for environment in self.leaving if not self.remove(environment)]

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # The next `receive` notices.
            socket.send_fds(self.server, [json.dumps(message).encode()], fds or [])

    def receive(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self.server, _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX)
        except ConnectionResetError:
            return False
        if not data:
            return False
        message = json.loads(data)
        identifier: int = message.get("id", 0)
        try:
            if message["do"] == "create":
                self.create(identifier, message, fds)
            elif message["do"] in ("throttle", "hurry"):
                if (environment := self.environments.get(identifier)) is not None:
                    self.cgroups.throttle(environment.group, environment.memory_mb if message["do"] == "throttle" else None)
            elif message["do"] == "forget":
                self.forget(identifier)
            elif message["do"] == "prepare":
                self.zygote(message["runtime"], message["zygote"])
        except (OSError, subprocess.SubprocessError) as error:
            self.send({"failed": identifier, "message": str(error)})
        finally:
            for fd in fds:
                os.close(fd)
        return True

    # ---- environments

    def create(self, identifier: int, message: dict[str, Any], fds: list[int]) -> None:
        memory_bytes = message["memory_mb"] << 20
        group = self.cgroups.create(str(identifier), memory_bytes, self.processes_max)
        self.environments[identifier] = Environment(group, message["memory_mb"])
        opened: list[int] = []
        try:
            mounts = self.mounts(message, opened)
            entrances = self.cgroups.entrances(group)
            opened += entrances
            request = {
                "ports": [jail.RUNTIME_API_PORT, message["endpoint_port"]],
                "watch_bytes": 0 if "memory" in group.directories else memory_bytes,
                "reserved_bytes": 0 if message["zygote"]["python"] else _RESERVED_BYTES_MAX,
                "mounts": [target for target, _ in mounts],
                "snapshot": message["snapshot"],
                "restore": message["restore"],
            }
            self.begin(self.environments[identifier], message, request, fds, mounts, entrances)
        finally:
            for fd in opened:
                os.close(fd)
        if (peak := self.cgroups.open_peak(group)) is not None:
            self.send({"peak": identifier}, [peak])
            os.close(peak)

    def begin(
        self, environment: Environment, message: dict[str, Any], request: dict[str, Any], fds: list[int], mounts: list[tuple[str, int]], entrances: list[int]
    ) -> None:
        """Have the sandbox made."""
        zygote = self.zygote(message["runtime"], message["zygote"])
        try:
            socket.send_fds(zygote.connection, [json.dumps(request).encode()], [*fds, *(fd for _, fd in mounts), *entrances])
        except (BrokenPipeError, ConnectionResetError):  # The server notices, as its end of the channel closes, and asks again.
            self.lose_zygote(message["runtime"])

    def mounts(self, message: dict[str, Any], opened: list[int]) -> list[tuple[str, int]]:
        if images := message["image_dirs"]:
            top = f"{self.directory}/image-top"
            root.make_image_top(top, self.uplink.namespace >= 0)
            out = [("/", linux.overlay([top, *reversed(images)], _READ_ONLY, self.mount_point))]
        else:
            out = [("/var/task", linux.clone_mount(message["code_dir"], _READ_ONLY))]
        opened.append(out[0][1])
        layers: list[str] = message["layer_dirs"]
        if len(layers) == 1:
            out.append(("/opt", linux.clone_mount(layers[0], _READ_ONLY)))
            opened.append(out[-1][1])
        elif layers:  # Of an overlay's lower directories the first wins; of a function's layers the last.
            out.append(("/opt", linux.overlay(list(reversed(layers)), _READ_ONLY, self.mount_point)))
            opened.append(out[-1][1])
        out.append(("/tmp", self.disks.make(message["ephemeral_storage_mb"])))
        opened.append(out[-1][1])
        return out

    def forget(self, identifier: int) -> None:
        environment = self.environments.pop(identifier, None)
        if environment is None:
            self.send({"gone": identifier, "kills": 0})
            return
        self.send({"gone": identifier, "kills": self.cgroups.kills(environment.group)})
        if not self.remove(environment):
            self.leaving.append(environment)

    def remove(self, environment: Environment) -> bool:
        """Remove what is left of an environment; False while its processes are still ending."""
        return self.cgroups.remove(environment.group)

    # ---- zygotes

    def zygote(self, runtime: str, options: dict[str, Any]) -> Zygote:
        if (zygote := self.zygotes.get(runtime)) is not None:
            return zygote
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "mount_point": self.mount_point,
            "processes_max": self.processes_max,
            "users": [_FIRST_USER, _USERS] if self.root else None,
            "uplink": self.uplink.namespace,
            "user_first": int.from_bytes(os.urandom(4), "big") % _USERS,
        }
        argument = json.dumps({**options, **settings})
        process = subprocess.Popen(
            [options["interpreter"], "-I", "-S", "-X", "utf8", "-c", _START_ZYGOTE, argument, _PACKAGE_ROOT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LANG": "en_US.UTF-8", **options["environment"]},
            pass_fds=[3, *([self.uplink.namespace] if self.uplink.namespace >= 0 else [])],
            preexec_fn=_descriptor_mover(theirs.fileno()),
            cwd="/",
        )
        theirs.close()
        # A zygote that does not listen must not hold up the spawner for ever.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _ZYGOTE_SECONDS_MAX, 0))
        zygote = Zygote(process, ours)
        self.zygotes[runtime] = zygote
        self.poll.register(ours, select.POLLIN)
        return zygote

    def hear_zygote(self, fd: int) -> None:
        runtime = next((name for name, zygote in self.zygotes.items() if zygote.connection.fileno() == fd), None)
        if runtime is None:
            return  # Lost already.
        with contextlib.suppress(ConnectionResetError):
            if self.zygotes[runtime].connection.recv(_MESSAGE_BYTES_MAX):
                return  # It says that it is ready; requests sent before have waited for it in the socket.
        self.lose_zygote(runtime)

    def lose_zygote(self, runtime: str) -> None:
        """It ended, and the kernel ends its environments. The next request starts another."""
        zygote = self.zygotes.pop(runtime)
        self.poll.unregister(zygote.connection)
        zygote.connection.close()
        zygote.process.kill()
        zygote.process.wait()

    def stop(self) -> None:
        """Kill all zygotes, and with them the environments; then remove what they leave."""
        for zygote in self.zygotes.values():
            zygote.process.kill()
        for zygote in self.zygotes.values():
            zygote.process.wait()
        self.uplink.close()
        for _ in range(1000):  # The keepers are this process's children now, and die with their zygotes; killed they are all the same.
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            if not _reap():
                break
            select.select([], [], [], 0.01)
        self.cgroups.remove_abandoned()  # Processes of a spawner that was killed may still have been leaving them when this one began.
        for _ in range(100):
            if self.cgroups.remove_all():
                break
            select.select([], [], [], 0.02)


class BubblewrapSpawner(Spawner):
    """Leaves the making of sandboxes to bubblewrap: there are no zygotes."""

    def __init__(self, server: socket.socket, options: dict[str, Any]) -> None:
        super().__init__(server, options)
        self.program: str = options["bubblewrap"]
        self.user_next = int.from_bytes(os.urandom(4), "big") % _USERS
        bubblewrap.check(self.program, self.next_user())

    def next_user(self) -> int | None:
        """The user outside that an environment is to have: none other has the same, where we may choose."""
        if not self.root:
            return None
        self.user_next = (self.user_next + 1) % _USERS
        return _FIRST_USER + self.user_next

    def begin(
        self, environment: Environment, message: dict[str, Any], request: dict[str, Any], fds: list[int], mounts: list[tuple[str, int]], entrances: list[int]
    ) -> None:
        user = self.next_user()
        environment.process = os.fork()
        if environment.process == 0:
            bubblewrap.become(self.program, user, {**request, "processes_max": self.processes_max}, message["zygote"], fds, mounts, entrances, self.uplink.namespace)

    def remove(self, environment: Environment) -> bool:
        if environment.process >= 0:  # Nothing in its sandbox lives any more, or is to.
            os.kill(environment.process, signal.SIGKILL)
            if not os.waitpid(environment.process, os.WNOHANG)[0]:
                return False
            environment.process = -1
        return super().remove(environment)


def _children() -> list[int]:
    """The processes whose parent this one is."""
    found = []
    own = str(os.getpid())
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # It may end at any moment.
                if file.read().rpartition(b")")[2].split()[1].decode() == own:
                    found.append(int(name))
    return found


def _reap() -> bool:
    """Take note of the children that have ended; False when there are none left at all."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descriptor_mover(fd: int) -> Any:
    def move() -> None:
        os.dup2(fd, 3)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)

    return move


def _become_root_of_own_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    for path, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{path}", "w") as file:
            file.write(text)


def main() -> None:
    server = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    options = json.loads(sys.argv[1])
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # An interrupt at the terminal is the server's to answer.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        spawner = BubblewrapSpawner(server, options) if options["bubblewrap"] else Spawner(server, options)
    except OSError as error:
        server.send(json.dumps({"unavailable": str(error)}).encode())
        return
    try:
        spawner.serve()
    finally:
        spawner.stop()


if __name__ == "__main__":
    main()
