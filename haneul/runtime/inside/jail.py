"""One execution environment: from a fork of the zygote to a process that may only run the function.

Three processes take part. The *builder* makes the namespaces and starts the *keeper*, process 1 of the new pid namespace, then ends. The keeper
starts the *function's process*, which gives up every privilege and waits. All that needs no knowledge of the function, so that environments
can be prepared in advance. Then the request comes: the keeper attaches the function's mounts, enters its control groups, listens on the
sandbox's loopback, hands those sockets to the server, gives up its own privileges and lets the function's process go. From then on it freezes
and thaws everything on a signal, watches memory where no cgroup does, and reports how the function's process ended. When the keeper dies,
the kernel kills whatever is left inside.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from haneul.runtime.inside import extensions, image, linux, network, seccomp

USER_NAME = "sbx_user1051"
USER_ID = 993
GROUP_ID = 990
RUNTIME_API_PORT = 9001

FREEZE = signal.SIGUSR1
THAW = signal.SIGUSR2
TERMINATE = signal.SIGTERM
"""Sent to the keeper: it passes on SIGTERM to the function's process."""

MESSAGE_BYTES_MAX = 65536
DESCRIPTORS_MAX = 32
_OPEN_FILES_MAX = 1024
_SAMPLE_SECONDS = 0.02
HIDDEN = ("cmdline", "kcore", "keys", "key-users", "kallsyms", "kmsg", "modules", "sched_debug", "sysrq-trigger", "timer_list", "config.gz", "vmallocinfo", "iomem")


@dataclass(frozen=True)
class Program:
    """What a function's process does: `warm_up` while it waits, then `start` with the channel to the server and the configuration. `start`
    does not return."""

    warm_up: Callable[[], None]
    start: Callable[[socket.socket, dict[str, Any]], None]


class Request:
    """The parameters of one environment, as the spawner sends them, with the descriptors that came along."""

    def __init__(self, message: bytes, fds: list[int]) -> None:
        values = json.loads(message)
        self.ports: list[int] = values["ports"]
        self.watch_bytes: int = values["watch_bytes"]
        self.reserved_bytes: int = values["reserved_bytes"]
        self.snapshot: bool = values["snapshot"]
        """Whether this is to become the origin of restored environments (see `haneul.runtime.inside.restoring`)."""
        self.channel, self.log, self.status = fds[:3]
        first = 5 if values["restore"] else 3
        self.namespaces = fds[3:first]
        mounts = len(values["mounts"])
        self.mounts = list(zip(values["mounts"], fds[first : first + mounts]))
        self.cgroups = fds[first + mounts :]


def build(requests: socket.socket, user: int, processes_max: int, lifeline: int, program: Program, uplink: int, snapshot: bool = False) -> None:
    """The builder: call it in a fresh fork of the zygote; it ends the process. The environment's one request will come through `requests`.
    `user` is the uid that it shall have outside, `lifeline` a pipe whose other end only the zygote holds, `uplink` the way out (-1 for none)."""
    status = 1
    try:
        door = network.enter(uplink) if uplink >= 0 else None
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
        if door is not None:
            network.connect(door)
            door.close()
            os.close(uplink)
        builder = os.pidfd_open(os.getpid())
        if linux.plain_fork() == 0:
            _keep(requests, user, processes_max, builder, lifeline, program, snapshot)
        status = 0
    finally:
        os._exit(status)


def listen(ports: list[int]) -> list[socket.socket]:
    out = []
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        out.append(listener)
    return out


def hand_over(channel: int, listeners: list[socket.socket], extras: list[int]) -> None:
    """Give the server the time, a descriptor to signal this process by, the listening sockets, and what it needs for extensions."""
    fds = array.array("i", [os.pidfd_open(os.getpid()), *(listener.fileno() for listener in listeners), *extras])
    with socket.socket(fileno=os.dup(channel)) as connection:
        connection.sendmsg([b"H" + time.monotonic_ns().to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    os.close(fds[0])
    for listener in listeners:
        listener.close()
    for fd in extras:
        os.close(fd)


def report(status: int, text: str) -> None:
    """Tell the server how it ended: through the status pipe; while there is none yet, to where the server's own messages go."""
    with contextlib.suppress(OSError):
        os.write(status if status >= 0 else 2, text.encode("utf-8", "replace")[:4000] + b"\n")


# ---- the keeper


def _keep(requests: socket.socket, user: int, processes_max: int, builder: int, lifeline: int, program: Program, snapshot: bool) -> None:
    status = -1
    try:
        os.setsid()
        linux.set_name("keeper")
        mount_proc()
        network.raise_interface("lo")
        linux.sethostname("lambda")
        select.select([builder], [], [])  # The builder has ended, and the zygote has become our parent.
        os.close(builder)
        die_with_parent(lifeline)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, FREEZE, THAW, TERMINATE))
        go, waiting = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        function = os.fork()
        if function == 0:
            go.close()
            requests.close()
            become_function(waiting, lambda: _lower_function(user, processes_max, snapshot), program)
        waiting.close()
        message, fds, _, _ = socket.recv_fds(requests, MESSAGE_BYTES_MAX, DESCRIPTORS_MAX)
        if not message:
            os._exit(0)
        requests.close()
        request = Request(message, fds)
        status = request.status
        await_function(go)
        extras: list[int] = []
        if snapshot:
            extras = [os.open(f"/proc/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in (f"{function}/ns/user", "self/ns/pid")]
        extension_log = prepare_function(request, function, extras)
        _lower_keeper(user)
        die_with_parent(lifeline)
        oversee(request, function, go, extension_log)
        os._exit(0)
    except Exception as error:
        report(status, f"setup {type(error).__name__} {error}")
    finally:
        os._exit(1)


def oversee(request: Request, function: int, go: socket.socket, extension_log: int) -> None:
    """Let the function's process go, by `go`, and watch over it until it is gone. `extension_log` is what `prepare_function` returned."""
    socket.send_fds(go, [b"G" if extension_log < 0 else b"X"], [request.channel, request.log, *request.cgroups])
    children: dict[int, str] = {}
    if extension_log >= 0:
        socket.send_fds(go, [b"L"], [extension_log])
        children = extensions.decode(go.recv(MESSAGE_BYTES_MAX))
        os.close(extension_log)
    for fd in (request.channel, request.log, go.detach(), *request.cgroups):
        os.close(fd)
    watch(0 if request.snapshot else request.watch_bytes, function, children, request.status, alone=request.snapshot)


def die_with_parent(lifeline: int) -> None:
    """Changing the uid undoes it, so that it is to be said again after that."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(1)  # It died already.


def await_function(go: socket.socket) -> None:
    """Wait until the function's process is in its own user namespace: the kernel lets nobody make one while its root directory is being replaced."""
    if not go.recv(1):
        raise OSError("the function's process could not give up its privileges")


def enter_cgroups(entrances: list[int]) -> None:
    """A process that moves itself, thread by thread, does so at once; to move another, the kernel waits for a quiet moment of all CPUs."""
    for fd in entrances:
        os.write(fd, b"0")


def prepare_function(request: Request, function: int, extras: list[int], listeners: list[socket.socket] | None = None) -> int:
    """Make the sandbox complete and hand it over to the server. `listeners` are the request's ports', where they are open already. Returns the
    descriptor that extensions write their log to, -1 if there are none."""
    enter_cgroups(request.cgroups)
    for target, fd in request.mounts:
        if target == "/":
            image.enter(fd)
        else:
            linux.attach_mount(fd, target)
        os.close(fd)
    if request.watch_bytes:  # The second line, should memory be taken faster than it is watched.
        limit = request.watch_bytes + request.watch_bytes // 4 + (64 << 20) + request.reserved_bytes
        resource.prlimit(function, resource.RLIMIT_DATA, (limit, limit))
    listeners = listeners or listen(request.ports)
    if extras or not extensions.found():
        hand_over(request.channel, listeners, extras)
        return -1
    log, log_inside = os.pipe()
    outlet = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # The server connects it to those who subscribe to telemetry.
    hand_over(request.channel, listeners, [log, outlet.detach()])
    return log_inside


def mount_proc() -> None:
    proc = linux.new_filesystem("proc", {}, linux.ATTR_NOSUID | linux.ATTR_NODEV | linux.ATTR_NOEXEC)
    with contextlib.suppress(OSError):  # In a user namespace below it cannot be taken away, only covered.
        linux.unmount("/proc")
    linux.attach_mount(proc, "/proc")
    os.close(proc)
    for name in HIDDEN:
        if os.path.exists(f"/proc/{name}"):
            linux.mount("/dev/null", f"/proc/{name}", "", linux.MS_BIND)


def _lower_keeper(user: int) -> None:
    """The keeper stays in the user namespace above the function's, whose owner it is: so it may look at the function's memory, never the other
    way round."""
    linux.bar_capabilities()
    become_user(user)
    linux.clear_capabilities()
    lock()


def limit_function(processes_max: int) -> None:
    """What no control group limits."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES_MAX)
    _limit(resource.RLIMIT_NPROC, processes_max)


def _lower_function(user: int, processes_max: int, snapshot: bool) -> None:
    limit_function(processes_max)
    become_user(user)
    outside_user, outside_group = os.geteuid(), os.getegid()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # Otherwise the files in /proc/self belong to root.
    linux.unshare(linux.CLONE_NEWUSER)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{USER_ID} {outside_user} 1")
    write("/proc/self/gid_map", f"{GROUP_ID} {outside_group} 1")
    linux.bar_capabilities()
    linux.clear_capabilities()
    lock(snapshot)


def become_user(user: int) -> None:
    if user != os.getuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def lock(snapshot: bool = False) -> None:
    """Nothing gained from here on; an origin of snapshots may still enter namespaces that its user owns (it is given none but its forks')."""
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # Whoever has the same uid shall not read this process's memory or environment.
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if seccomp.supported():
        seccomp.install(seccomp.program(os.uname().machine, ("setns",) if snapshot else ()))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def watch(watch_bytes: int, function: int, children: dict[int, str], status: int, alone: bool = False) -> None:
    """Serve the signals until the function's process is gone, and its extensions (`children`), too: the server tells them and gives them a
    moment. Reports how each ended. `alone`: the function's process is frozen by itself, as others' environments lie below this one."""
    freezable = function if alone else -1
    frozen = False
    wanted = (signal.SIGCHLD, FREEZE, THAW, TERMINATE)
    while True:
        if watch_bytes and not frozen:
            received = signal.sigtimedwait(wanted, _SAMPLE_SECONDS)
            if received is None:
                if _anonymous_bytes(shared=True) > watch_bytes and _anonymous_bytes(shared=False) > watch_bytes:
                    return report(status, "out_of_memory")
                continue
        else:
            received = signal.sigwaitinfo(wanted)
        if received.si_signo != signal.SIGCHLD:
            if received.si_pid != 0 or received.si_code != 0:  # Sent from inside; who is outside has no number here.
                continue
            if received.si_signo == TERMINATE:
                if function > 0:  # Once it is gone, -1 would mean everyone: the extensions.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(function, signal.SIGTERM)
                continue
            frozen = received.si_signo == FREEZE
            with contextlib.suppress(ProcessLookupError):
                os.kill(freezable, signal.SIGSTOP if frozen else signal.SIGCONT)
            continue
        while True:
            try:
                pid, code, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                break
            if pid == function:
                how = f"signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else f"exit {os.WEXITSTATUS(code)}"
                report(status, f"{how} {used.ru_maxrss}")
                function = -1
            elif pid in children:
                report(status, f"extension {children.pop(pid)}")
            if function < 0 and not children:
                return None


def _anonymous_bytes(shared: bool) -> int:
    """The memory of all processes inside: quickly, counting what they share after a fork as often as they are (`shared`), or exactly."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            with contextlib.suppress(OSError, ValueError):  # It may end at any moment.
                if shared:
                    total += _resident_bytes(name)
                    continue
                try:
                    with open(f"/proc/{name}/smaps_rollup") as file:
                        total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss_Anon:"))
                except PermissionError:  # It does not let itself be looked into; what it shares is then its own.
                    total += _resident_bytes(name)
    return total


def _resident_bytes(name: str) -> int:
    with open(f"/proc/{name}/statm") as file:
        fields = file.read().split()
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()


# ---- the function's process


def become_function(waiting: socket.socket, lower: Callable[[], None], program: Program) -> None:
    """The function's process: `lower` takes its privileges, which it tells the keeper (`await_function`); then it waits for the keeper to let it go. Does not return."""
    try:
        os.setsid()  # Otherwise a signal to the process group would reach out of the sandbox.
        linux.set_name("bootstrap")
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):  # The spawner ignores some, and a fork inherits that.
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        lower()
        os.umask(0o022)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        waiting.send(b"L")
        program.warm_up()
        try:
            signaled, fds, _, _ = socket.recv_fds(waiting, 1, DESCRIPTORS_MAX)
        except ConnectionResetError:  # The keeper was killed before it had read all: nobody is to hear of that.
            os._exit(1)
        if not signaled:
            os._exit(1)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        channel, log, *entrances = fds
        enter_cgroups(entrances)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(channel, 3, inheritable=False)
        if signaled == b"X":
            os.dup2(waiting.detach(), 4, inheritable=False)
        os.closerange(5 if signaled == b"X" else 4, _OPEN_FILES_MAX)
        connection = socket.socket(fileno=3)
        configuration = read_configuration(connection)
        if signaled == b"X":
            _start_extensions(connection, socket.socket(fileno=4), configuration)
        if "directory" not in configuration:
            os.chdir("/var/task")
        program.start(connection, configuration)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(1)


def _start_extensions(channel: socket.socket, keeper: socket.socket, configuration: dict[str, Any]) -> None:
    """Start the external extensions, and wait until the server says that they have all registered."""
    _, (log,), _, _ = socket.recv_fds(keeper, 1, 1)
    started = extensions.start(extensions.found(), configuration["environment"], log)
    keeper.send(extensions.encode(started))
    keeper.close()
    os.close(log)
    names = json.dumps(list(started.values())).encode()
    channel.sendall(b"T" + len(names).to_bytes(4, "big") + names)
    _read_exactly(channel, 5)


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
