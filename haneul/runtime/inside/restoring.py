"""Environments restored from a snapshot: a process that has initialised a function (the origin) is forked into a sandbox made for the fork.

The origin has no privileges, so that it cannot make namespaces. A new user namespace below the origin's own, owned by the origin's user, is made
here, with the others below it; that user may enter it, and nothing else. The fork enters, and gives up what it gained by that. A new pid
namespace can only be entered from the one above it: so the new one is made below the origin's, and ends with it at the latest.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable

from haneul.runtime.inside import jail, linux, network

NAMESPACES = ("user", "mnt", "net", "ipc", "uts", "pid")
"""In the order in which they are to be entered."""

_FUNCTION = 3
"""The pid of a restored function's process: the keeper is 1, and 2 the process that forked it and ended."""

_GET_OWNER = 0xB704
_ON_ITS_WAY_SECONDS = 0.2
_ALL = (
    linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
)  # fmt: skip


def build(requests: socket.socket, namespaces: list[int], lifeline: int, uplink: int) -> None:
    """The builder, as `jail.build`: call it in a fresh fork of the zygote; it ends the process. `namespaces` are the origin's user and pid namespaces."""
    status = 1
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        user_namespace, pid_namespace = namespaces
        owner = array.array("I", [0])
        fcntl.ioctl(user_namespace, _GET_OWNER, owner)
        linux.setns(pid_namespace, linux.CLONE_NEWPID)
        if linux.plain_fork() == 0:
            ours.close()
            os.close(pid_namespace)
            _enter_and_build(requests, owner[0], user_namespace, lifeline, theirs if uplink >= 0 else None)
        requests.close()
        theirs.close()
        if uplink >= 0:
            _connect(ours, uplink)
        status = 0
    except OSError as error:
        _report(requests, f"setup restore: {error}")
    finally:
        os._exit(status)


def _report(requests: socket.socket, text: str) -> None:
    """Tell whose request it is, if one is on its way: a sandbox that was made in advance is just not there when it is wanted."""
    with contextlib.suppress(OSError):
        requests.settimeout(_ON_ITS_WAY_SECONDS)
        message, fds, _, _ = socket.recv_fds(requests, jail.MESSAGE_BYTES_MAX, jail.DESCRIPTORS_MAX)
        if message:
            jail.report(jail.Request(message, fds).status, text)


def _connect(sandbox: socket.socket, uplink: int) -> None:
    """Lay the way out, for which who is inside has no right. Its network comes through `sandbox`, which is told when it is done."""
    _, networks, _, _ = socket.recv_fds(sandbox, 1, 1)
    if networks:  # Otherwise it has failed already, and said why.
        network.connect(network.enter(uplink), networks[0])
        sandbox.send(b"C")


def _enter_and_build(requests: socket.socket, user: int, user_namespace: int, lifeline: int, outside: socket.socket | None) -> None:
    status = 1
    try:
        jail.become_user(user)
        linux.setns(user_namespace, linux.CLONE_NEWUSER)
        os.close(user_namespace)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # Otherwise the files in /proc/self belong to root.
        linux.unshare(_ALL)
        jail.write("/proc/self/setgroups", "deny")
        jail.write("/proc/self/uid_map", f"{jail.USER_ID} {jail.USER_ID} 1")
        jail.write("/proc/self/gid_map", f"{jail.GROUP_ID} {jail.GROUP_ID} 1")
        builder = os.pidfd_open(os.getpid())
        if linux.plain_fork() == 0:
            _keep(requests, builder, lifeline, outside)
        status = 0
    except OSError as error:
        _report(requests, f"setup restore: {error}")
    finally:
        os._exit(status)


def _keep(requests: socket.socket, builder: int, lifeline: int, outside: socket.socket | None) -> None:
    status = -1
    try:
        if outside is not None:
            socket.send_fds(outside, [b"N"], [os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)])
        os.setsid()
        linux.set_name("keeper")
        jail.mount_proc()
        network.raise_interface("lo")
        linux.sethostname("lambda")
        select.select([builder], [], [])  # The builder has ended, and the origin's keeper has become our parent.
        os.close(builder)
        jail.die_with_parent(lifeline)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, jail.FREEZE, jail.THAW, jail.TERMINATE))
        if outside is not None and not outside.recv(1):
            raise OSError("there is no way out into the network")
        message, fds, _, _ = socket.recv_fds(requests, jail.MESSAGE_BYTES_MAX, jail.DESCRIPTORS_MAX)
        if not message:
            os._exit(0)
        requests.close()
        request = jail.Request(message, fds)
        status = request.status
        jail.enter_cgroups(request.cgroups)
        for target, fd in request.mounts:
            linux.attach_mount(fd, target)
            os.close(fd)
        doors = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES]
        jail.hand_over(request.channel, jail.listen(request.ports), [*doors, *request.cgroups])
        linux.bar_capabilities()
        linux.clear_capabilities()
        jail.lock()
        jail.die_with_parent(lifeline)
        for fd in (request.channel, request.log, *request.namespaces):
            os.close(fd)
        jail.watch(request.watch_bytes, _FUNCTION, {}, request.status)
        os._exit(0)
    except Exception as error:
        if status >= 0:
            jail.report(status, f"setup restore: {type(error).__name__} {error}")
        else:
            _report(requests, f"setup restore: {type(error).__name__} {error}")
    finally:
        os._exit(1)


class Origins:
    """Those that have been restored from, each with a sandbox that is made in advance for the next time. It is for one origin only, and lies below it, so that it
    ends with it; its closed socket, which `poll` sees, then tells that the origin is to be forgotten.
    """

    def __init__(self, build: Callable[[list[int]], socket.socket], poll: select.poll) -> None:
        self._build = build
        self._poll = poll
        self._namespaces: dict[int, list[int]] = {}  # Of those that no sandbox has been made for yet.
        self._spares: dict[int, socket.socket] = {}

    @property
    def lacking(self) -> bool:
        """Whether there is something to prepare."""
        return bool(self._namespaces)

    def take(self, namespaces: list[int]) -> socket.socket:
        """Where to send the request for a sandbox below the origin of these namespaces."""
        origin = os.fstat(namespaces[1]).st_ino
        if origin not in self._namespaces:
            self._namespaces[origin] = [os.dup(fd) for fd in namespaces]
        if origin not in self._spares:
            return self._build(namespaces)
        self._poll.unregister(self._spares[origin])
        return self._spares.pop(origin)

    def prepare(self) -> None:
        """Make a sandbox in advance. Raises OSError; it is then not tried again for that origin until it is restored from again."""
        origin, namespaces = self._namespaces.popitem()
        try:
            spare = self._spares[origin] = self._build(namespaces)
            self._poll.register(spare, select.POLLIN)
        finally:
            for fd in namespaces:
                os.close(fd)

    def lose(self, fd: int) -> None:
        """The sandbox behind the socket has ended, unless it was taken a moment ago."""
        for origin, spare in self._spares.items():
            if spare.fileno() == fd:
                self._poll.unregister(fd)
                del self._spares[origin]
                return spare.close()

    def let_go(self, kept: list[int]) -> None:
        """In a fork: close what is the zygote's, but not what is `kept`."""
        for spare in self._spares.values():
            spare.close()
        for namespaces in self._namespaces.values():
            for fd in namespaces:
                if fd not in kept:
                    os.close(fd)
