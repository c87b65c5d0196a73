"""Environments restored from a snapshot: a process that has initialised a function (the origin) is forked into a sandbox made for the fork.

The origin has no privileges, so that it cannot make namespaces. A new user namespace below the origin's own, owned by the origin's user, is made
here, with the others below it; that user may enter it, and nothing else. The fork enters, and gives up what it gained by that. A new pid
namespace can only be entered from the one above it: so the new one is made below the origin's, and ends with it at the latest.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import socket

from haneul.runtime.inside import jail, linux, network

NAMESPACES = ("user", "mnt", "net", "ipc", "uts", "pid")
"""In the order in which they are to be entered."""

_FUNCTION = 3
"""The pid of a restored function's process: the keeper is 1, and 2 the process that forked it and ended."""

_GET_OWNER = 0xB704
_ALL = (
    linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
)  # fmt: skip


def build(request: jail.Request, lifeline: int, uplink: int) -> None:
    """The builder, as `jail.build`: call it in a fresh fork of the zygote; it ends the process."""
    status = 1
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        user_namespace, pid_namespace = request.namespaces
        owner = array.array("I", [0])
        fcntl.ioctl(user_namespace, _GET_OWNER, owner)
        linux.setns(pid_namespace, linux.CLONE_NEWPID)
        if linux.plain_fork() == 0:
            ours.close()
            _enter_and_build(request, owner[0], user_namespace, lifeline, theirs if uplink >= 0 else None)
        theirs.close()
        if uplink >= 0:
            _connect(ours, uplink)
        status = 0
    except OSError as error:
        jail.report(request.status, f"setup restore: {error}")
    finally:
        os._exit(status)


def _connect(sandbox: socket.socket, uplink: int) -> None:
    """Lay the way out, for which who is inside has no right. Its network comes through `sandbox`, which is told when it is done."""
    _, networks, _, _ = socket.recv_fds(sandbox, 1, 1)
    if networks:  # Otherwise it has failed already, and said why.
        network.connect(network.enter(uplink), networks[0])
        sandbox.send(b"C")


def _enter_and_build(request: jail.Request, user: int, user_namespace: int, lifeline: int, outside: socket.socket | None) -> None:
    status = 1
    try:
        jail.become_user(user)
        linux.setns(user_namespace, linux.CLONE_NEWUSER)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # Otherwise the files in /proc/self belong to root.
        linux.unshare(_ALL)
        jail.write("/proc/self/setgroups", "deny")
        jail.write("/proc/self/uid_map", f"{jail.USER_ID} {jail.USER_ID} 1")
        jail.write("/proc/self/gid_map", f"{jail.GROUP_ID} {jail.GROUP_ID} 1")
        builder = os.pidfd_open(os.getpid())
        if linux.plain_fork() == 0:
            _keep(request, builder, lifeline, outside)
        status = 0
    except OSError as error:
        jail.report(request.status, f"setup restore: {error}")
    finally:
        os._exit(status)


def _keep(request: jail.Request, builder: int, lifeline: int, outside: socket.socket | None) -> None:
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
        jail.enter_cgroups(request.cgroups)
        for target, fd in request.mounts:
            linux.attach_mount(fd, target)
            os.close(fd)
        if outside is not None and not outside.recv(1):
            raise OSError("there is no way out into the network")
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
        jail.report(request.status, f"setup restore: {type(error).__name__} {error}")
    finally:
        os._exit(1)
