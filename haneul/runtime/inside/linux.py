"""The Linux system calls that Python has no name for: namespaces, mounts by descriptor, process control."""

from __future__ import annotations

import ctypes
import errno
import os
import platform

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

ATTR_RDONLY = 1
ATTR_NOSUID = 2
ATTR_NODEV = 4
ATTR_NOEXEC = 8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_SECCOMP = 22
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6

# These numbers are the same on x86_64 and aarch64: calls added after 2019 share one table.
_SYS_PIDFD_SEND_SIGNAL = 424
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_SYS_MOUNT_SETATTR = 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(platform.machine(), -1)
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}.get(platform.machine(), -1)

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _MountAttributes(ctypes.Structure):
    _fields_ = [("attr_set", ctypes.c_uint64), ("attr_clr", ctypes.c_uint64), ("propagation", ctypes.c_uint64), ("userns_fd", ctypes.c_uint64)]


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def plain_fork() -> int:
    """fork(2) without what Python does besides (reseeding, locks of its libraries): that writes to many shared pages, for nothing in a process
    of one thread that runs only our own code."""
    return _check(ctypes.pythonapi.fork(), "fork")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd` (with a pid namespace, only processes forked from now on do)."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def unmount(target: str) -> None:
    """Detach the mount at `target`; it goes for good when nothing uses it any more."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def prctl(option: int, value: int = 0, pointer: int = 0) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(pointer), ctypes.c_ulong(0), ctypes.c_ulong(0)), f"prctl {option}")


def set_name(name: str) -> None:
    """The name that `ps` shows for this thread (15 bytes)."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer))


def sethostname(name: str) -> None:
    _check(_libc.sethostname(name.encode(), len(name)), "sethostname")


def clone_mount(path: str, attributes: int = 0) -> int:
    """A detached copy of the mount at `path` with everything below it, as a descriptor that can be passed to another process and attached there."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    fd = _check(_syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), f"open_tree {path}")
    if attributes:
        try:
            set_mount_attributes(fd, attributes)
        except OSError:
            os.close(fd)
            raise
    return fd


def copy_mount(fd: int) -> int:
    """A second detached copy of a mount that is held by descriptor and attached nowhere (Linux 6.15 and later) or attached here."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE | _AT_EMPTY_PATH
    return _check(_syscall(_SYS_OPEN_TREE, fd, b"", flags), "open_tree")


def set_mount_attributes(fd: int, attributes: int) -> None:
    """For the mount behind `fd` and all mounts below it."""
    structure = _MountAttributes(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(structure))
    _check(_syscall(_SYS_MOUNT_SETATTR, fd, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, ctypes.byref(structure), size), "mount_setattr")


def set_mount_attributes_at(path: str, attributes: int) -> None:
    """For the one mount at `path`, not those below it."""
    structure = _MountAttributes(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(structure))
    _check(_syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), 0, ctypes.byref(structure), size), "mount_setattr")


def attach_mount(fd: int, target: str) -> None:
    _check(_syscall(_SYS_MOVE_MOUNT, fd, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH), f"move_mount {target}")


def bind(source: str, target: str, attributes: int) -> None:
    """Show `source` (a directory with all mounts below it, or a file) at `target` as well."""
    fd = clone_mount(source, attributes)
    try:
        attach_mount(fd, target)
    finally:
        os.close(fd)


def new_filesystem(kind: str, options: dict[str, str | None], attributes: int) -> int:
    """A fresh file system, detached: `kind` such as tmpfs or ext4; an option that is None is a flag."""
    context = _check(_syscall(_SYS_FSOPEN, kind.encode(), 1), f"fsopen {kind}")
    try:
        for name, value in options.items():
            if value is None:
                _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_SET_FLAG, name.encode(), None, 0), f"{kind} {name}")
            else:
                _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_SET_STRING, name.encode(), os.fsencode(value), 0), f"{kind} {name}")
        _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0), f"{kind} create")
        return _check(_syscall(_SYS_FSMOUNT, context, 1, attributes), f"fsmount {kind}")
    finally:
        os.close(context)


def overlay(lowers: list[str], attributes: int, mount_point: str) -> int:
    """A read-only overlay of folders, the topmost first, detached. Its marks of removal are those that an ordinary user may make (`userxattr`).

    `mount_point` is a folder to use for a moment on kernels before 6.5, which take all folders in one text of a page at most.
    """
    context = _check(_syscall(_SYS_FSOPEN, b"overlay", 1), "fsopen overlay")
    try:
        for lower in lowers:
            _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_SET_STRING, b"lowerdir+", os.fsencode(lower), 0), f"overlay {lower}")
        _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_SET_FLAG, b"userxattr", None, 0), "overlay userxattr")
        _check(_syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0), "overlay create")
        return _check(_syscall(_SYS_FSMOUNT, context, 1, attributes), "fsmount overlay")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(context)
    return _overlay_in_one_text(lowers, attributes, mount_point)


def _overlay_in_one_text(lowers: list[str], attributes: int, mount_point: str) -> int:
    quoted = ":".join(lower.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,") for lower in lowers)
    mount("overlay", mount_point, "overlay", MS_RDONLY, f"userxattr,lowerdir={quoted}")
    try:
        return clone_mount(mount_point, attributes)
    finally:
        unmount(mount_point)


def enter_root(path: str) -> None:
    """Make the mount at `path` this mount namespace's root and let go of the old one."""
    os.chdir(path)
    _check(_syscall(_SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def disconnect(fd: int) -> None:
    """Undo a TCP socket's connection, so that it can be connected once more."""
    _check(_libc.connect(fd, (ctypes.c_char * 16)(), 16), "connect")  # The address family is AF_UNSPEC.


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Signal the process behind `pidfd`; a process that is gone is no error."""
    if _syscall(_SYS_PIDFD_SEND_SIGNAL, pidfd, number, None, 0) < 0 and ctypes.get_errno() != 3:
        _check(-1, "pidfd_send_signal")


def bar_capabilities() -> None:
    """Nothing that this process starts, and nothing it becomes, shall gain a capability again; those it has it keeps until they are cleared."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break
    prctl(PR_SET_SECUREBITS, 0x2F)  # No special treatment of uid 0, and these bits cannot be changed again.


def clear_capabilities() -> None:
    """Give up every capability that this process has."""
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
    _check(_syscall(_SYS_CAPSET, ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")


def pid_of(pidfd: int) -> int:
    """The number of the process that a descriptor stands for. ValueError when it is gone."""
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        pid = next((int(line.split()[1]) for line in file if line.startswith("Pid:")), -1)
    if pid <= 0:
        raise ValueError(pidfd)
    return pid


def show_arguments(arguments: list[str]) -> None:
    """Let /proc/<pid>/cmdline, of this process and its forks, show these instead of those that it was started with; what does not fit is cut off."""
    with open("/proc/self/stat") as file:
        begin, end = map(int, file.read().rpartition(")")[2].split()[45:47])
    if end > begin > 0:  # The interpreter has made copies long since.
        shown = b"\0".join(argument.encode() for argument in arguments)[: end - begin - 1]
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, shown, len(shown))
