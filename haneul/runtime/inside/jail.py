"""One execution environment: from a fork of the zygote to a process that may only run the function.

Three processes take part. The *builder* makes the namespaces, attaches the mounts, listens on the sandbox's loopback and hands those sockets
to the server; it ends as soon as the *keeper* runs. The keeper is process 1 of the new pid namespace: it gives up every privilege, starts the
*function's process*, freezes and thaws everything on a signal, watches memory where no cgroup does, and reports how the function's process
ended. When the keeper dies, the kernel kills whatever is left inside.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

from haneul.runtime.inside import linux, seccomp

USER_NAME = "sbx_user1051"
USER_ID = 993
GROUP_ID = 990
RUNTIME_API_PORT = 9001

FREEZE = signal.SIGUSR1
THAW = signal.SIGUSR2

_OPEN_FILES_MAX = 1024
_SAMPLE_SECONDS = 0.02
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_HIDDEN = ("kcore", "keys", "key-users", "kallsyms", "kmsg", "modules", "sched_debug", "sysrq-trigger", "timer_list", "config.gz", "vmallocinfo", "iomem")

Start = Callable[[socket.socket, dict[str, Any]], None]
"""Runs the function in the process it is called in: takes the channel to the server and the configuration, and does not return."""


class Jail:
    """The parameters of one environment, as the spawner sends them, with the descriptors that came along."""

    def __init__(self, request: dict[str, Any], fds: list[int]) -> None:
        self.ports: list[int] = request["ports"]
        self.user: int = request["user"]
        self.processes_max: int = request["processes_max"]
        self.watch_bytes: int = request["watch_bytes"]
        self.channel, self.log, self.status = fds[:3]
        mounts = len(request["mounts"])
        self.mounts = list(zip(request["mounts"], fds[3 : 3 + mounts]))
        self.cgroups = fds[3 + mounts :]


def build(jail: Jail, lifeline: int, start: Start) -> None:
    """The builder: call it in a fresh fork of the zygote; it ends the process. `lifeline` is a pipe whose other end only the zygote holds."""
    status = 1
    try:
        for fd in jail.cgroups:
            os.write(fd, b"0")
            os.close(fd)
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
        for target, fd in jail.mounts:
            linux.attach_mount(fd, target)
            os.close(fd)
        linux.sethostname("lambda")
        listeners = _listen(jail.ports)
        alive, gone = os.pipe()
        keeper = os.fork()
        if keeper == 0:
            os.close(gone)
            for listener in listeners:
                listener.close()
            _keep(jail, alive, lifeline, start)
        _hand_over(jail.channel, listeners, os.pidfd_open(keeper))
        status = 0
    except OSError as error:
        _report(jail.status, f"setup {error}")
    finally:
        os._exit(status)


def _listen(ports: list[int]) -> list[socket.socket]:
    out = []
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if not out:
            fcntl.ioctl(listener, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        out.append(listener)
    return out


def _hand_over(channel: int, listeners: list[socket.socket], keeper: int) -> None:
    fds = array.array("i", [keeper, *(listener.fileno() for listener in listeners)])
    with socket.socket(fileno=os.dup(channel)) as connection:
        connection.sendmsg([b"H"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


def _report(status: int, text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(status, text.encode("utf-8", "replace")[:4000] + b"\n")


# ---- the keeper


def _keep(jail: Jail, builder_alive: int, lifeline: int, start: Start) -> None:
    try:
        os.setsid()
        _mount_proc()
        _give_up_privileges(jail)
        linux.set_name("keeper")
        os.read(builder_alive, 1)  # End of file: the builder is gone, and the zygote is our parent.
        os.close(builder_alive)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(1)  # The zygote died before it became our parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, FREEZE, THAW))
        function = os.fork()
        if function == 0:
            _become_function(jail, start)
        os.close(jail.channel)
        os.close(jail.log)
        _report(jail.status, _watch(jail, function))
        os._exit(0)
    except OSError as error:
        _report(jail.status, f"setup {error}")
    finally:
        os._exit(1)


def _mount_proc() -> None:
    proc = linux.new_filesystem("proc", {}, linux.ATTR_NOSUID | linux.ATTR_NODEV | linux.ATTR_NOEXEC)
    linux.unmount("/proc")
    linux.attach_mount(proc, "/proc")
    os.close(proc)
    for name in _HIDDEN:
        if os.path.exists(f"/proc/{name}"):
            linux.mount("/dev/null", f"/proc/{name}", "", linux.MS_BIND)


def _give_up_privileges(jail: Jail) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES_MAX)
    _limit(resource.RLIMIT_NPROC, jail.processes_max)
    if jail.watch_bytes:  # The second line, should memory be taken faster than it is watched.
        _limit(resource.RLIMIT_DATA, jail.watch_bytes + jail.watch_bytes // 4 + (64 << 20))
    if jail.user != os.getuid():
        os.setgroups([])
        os.setresgid(jail.user, jail.user, jail.user)
        os.setresuid(jail.user, jail.user, jail.user)
    outside_user, outside_group = os.geteuid(), os.getegid()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # Otherwise the files in /proc/self belong to root.
    linux.unshare(linux.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{USER_ID} {outside_user} 1")
    _write("/proc/self/gid_map", f"{GROUP_ID} {outside_group} 1")
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # The function has the same uid; it must not read the keeper's memory or environment.
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if seccomp.supported():
        seccomp.install(seccomp.program(os.uname().machine))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _watch(jail: Jail, function: int) -> str:
    """Serve the signals until the function's process is gone, and say how it ended."""
    frozen = False
    wanted = (signal.SIGCHLD, FREEZE, THAW)
    while True:
        if jail.watch_bytes and not frozen:
            received = signal.sigtimedwait(wanted, _SAMPLE_SECONDS)
            if received is None:
                if _anonymous_bytes() > jail.watch_bytes:
                    return "out_of_memory"
                continue
        else:
            received = signal.sigwaitinfo(wanted)
        if received.si_signo != signal.SIGCHLD:
            frozen = received.si_signo == FREEZE
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGSTOP if frozen else signal.SIGCONT)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                break
            if pid == function:
                return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def _anonymous_bytes() -> int:
    pages = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/statm") as file:
                fields = file.read().split()
                pages += int(fields[1]) - int(fields[2])
    return pages * resource.getpagesize()


# ---- the function's process


def _become_function(jail: Jail, start: Start) -> None:
    code = 1
    try:
        os.setsid()  # Otherwise a signal to the process group would reach out of the sandbox.
        linux.set_name("bootstrap")
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):  # The spawner ignores some, and a fork inherits that.
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(jail.log, 1)
        os.dup2(jail.log, 2)
        os.dup2(jail.channel, 3, inheritable=False)
        os.closerange(4, _OPEN_FILES_MAX)
        os.chdir("/var/task")
        os.umask(0o022)
        channel = socket.socket(fileno=3)
        start(channel, read_configuration(channel))
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(code)


def read_configuration(channel: socket.socket) -> dict[str, Any]:
    """The first frame on the channel: a JSON object with the environment's variables and what to run."""
    header = _read_exactly(channel, 5)
    configuration: dict[str, Any] = json.loads(_read_exactly(channel, int.from_bytes(header[1:5], "big")))
    return configuration


def _read_exactly(channel: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = channel.recv(count - len(data))
        if not more:
            os._exit(1)
        data += more
    return data


def run_program(channel: socket.socket, configuration: dict[str, Any]) -> None:
    """Replace this process by the program that the configuration names; descriptor 3 stays the channel if it asks for it."""
    os.set_inheritable(3, bool(configuration["channel"]))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them for itself only.
        signal.signal(number, signal.SIG_DFL)
    argv = configuration["argv"]
    for candidate in configuration["candidates"] or [argv[0]]:
        try:
            os.execve(candidate, [candidate, *argv[1:]], configuration["environment"])
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            continue
    header = b"X" + (0).to_bytes(4, "big")
    channel.send(header)
    os._exit(127)
