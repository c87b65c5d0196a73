"""Sandboxes that bubblewrap makes: the second way of the spawner's (`haneul.runtime.spawner`), for the driver of that name.

For each environment the spawner forks a builder. It enters the control groups, makes the network (a loopback, on which the Runtime API's and
the cloud's sockets listen, and the way out), puts what is to be shown where an ordinary user can reach it, becomes that user, and then becomes `bwrap`. That makes
the other namespaces and the root directory, drops capabilities, loads the filter of system calls and starts `haneul.runtime.inside.keeper`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sysconfig
from typing import Any

from haneul.runtime.inside import jail, keeper, linux, network, root, seccomp

_STAGE = "/tmp"
"""What is to be shown is gathered here, in a mount namespace of the builder's own: every user can get this far."""
_RUNTIME = "/run/haneul"
"""Where the keeper's program lies inside."""
_IMAGE_RUNTIME = "/sys/haneul"
"""In a container image it lies here, and with it the machine's own interpreter and shared objects."""
_STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]
_START = "import sys; sys.path.insert(0, sys.argv.pop()); from haneul.runtime.inside.keeper import main; main()"
_INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")
_SECCOMP = 40
_HIGH = 64
_TRY_SECONDS_MAX = 20
_READ_ONLY = linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV
_ISOLATION = (
    "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--uid", str(jail.USER_ID), "--gid", str(jail.GROUP_ID),
    "--hostname", "lambda", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--clearenv",
)  # fmt: skip


def check(program: str, user: int | None) -> None:
    """Try it, as the user that environments will have. Raises OSError with bubblewrap's own words when it does not work here."""
    command = [program, *_ISOLATION, "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--size", "4096", "--tmpfs", "/tmp", "--", "/bin/true"]
    identity: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    try:
        tried = subprocess.run(command, capture_output=True, timeout=_TRY_SECONDS_MAX, check=False, stdin=subprocess.DEVNULL, cwd="/", **identity)
    except subprocess.TimeoutExpired:
        raise OSError(f"{program} does not come to an end") from None
    if tried.returncode != 0:
        raise OSError(f"bubblewrap does not work here: {tried.stderr.decode('utf-8', 'replace').strip()[-500:]}")


def become(program: str, user: int | None, request: dict[str, Any], zygote: dict[str, Any], fds: list[int], mounts: list[tuple[str, int]], entrances: list[int], uplink: int) -> None:
    """The builder: call it in a fresh fork of the spawner; it does not return. `fds` are channel, log and status; `mounts` places and detached mounts; `uplink` is the way
    out (-1 for none)."""
    status = fds[2]
    try:
        jail.enter_cgroups(entrances)
        door = network.enter(uplink) if uplink >= 0 else None
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET)
        network.raise_interface("lo")
        if door is not None:
            network.connect(door)
        listeners = [listener.detach() for listener in jail.listen(request["ports"])]
        arguments = _arguments(zygote, mounts, name_server=door is not None)
        started = _keeper_command(zygote, {**request, "mounts": [], "image": bool(zygote.get("image"))})
        if seccomp.supported():
            arguments += ["--seccomp", str(_SECCOMP)]
        status = _arrange([*fds, *listeners])
        if user is not None:
            jail.become_user(user)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # What is ignored would be so inside, too.
        os.chdir("/")
        os.execve(program, [program, *_ISOLATION, *arguments, "--chdir", "/", "--", *started], {})
    except Exception as error:
        jail.report(status, f"setup {type(error).__name__} {error}")
    finally:
        os._exit(1)


def _arrange(fds: list[int]) -> int:
    """Number the descriptors as the keeper expects them, with the filter's program after them and nothing else; where bubblewrap complains to is
    the status pipe, whose number is returned."""
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, _HIGH) for fd in fds]
    null = os.open(os.devnull, os.O_RDWR)
    filter_ = os.memfd_create("filter")
    os.write(filter_, seccomp.program(os.uname().machine) if seccomp.supported() else b"")
    os.lseek(filter_, 0, os.SEEK_SET)
    for number, fd in ((_HIGH - 1, null), (_HIGH - 2, filter_)):
        os.dup2(fd, number)
    wanted = [_HIGH - 1, _HIGH - 1, moved[2], *moved]
    for number, fd in enumerate(wanted):
        os.dup2(fd, number)
    os.dup2(_HIGH - 2, _SECCOMP)
    os.closerange(len(wanted), _SECCOMP)
    os.closerange(_SECCOMP + 1, 1 << 16)
    return keeper.STATUS


def _arguments(zygote: dict[str, Any], mounts: list[tuple[str, int]], *, name_server: bool) -> list[str]:
    """What bubblewrap is to show, having gathered it at the stage."""
    image = bool(zygote.get("image"))
    shown = [(inside, linux.clone_mount(outside, _READ_ONLY)) for outside, inside in zygote["shared"] if not image and _needs_showing(inside)]
    own = linux.clone_mount(_INSIDE, _READ_ONLY)
    support = _support(zygote["interpreter"]) if image else []
    linux.attach_mount(linux.new_filesystem("tmpfs", {"size": "1m", "mode": "0755"}, linux.ATTR_NOSUID), _STAGE)
    staged = _Stage()
    out: list[str] = []
    if image:
        out += ["--ro-bind", staged.add(dict(mounts)["/"]), "/"]
    else:
        out += _system()
        os.mkdir(f"{_STAGE}/etc")
        root.fill_etc(f"{_STAGE}/etc", name_server)
        for inside, fd in shown:
            if inside.startswith("/etc/"):  # Once it is shown, nothing can be mounted into it any more.
                os.mkdir(_STAGE + inside)
                linux.attach_mount(fd, _STAGE + inside)
        shown = [(inside, fd) for inside, fd in shown if not inside.startswith("/etc/")]
        out += ["--ro-bind", f"{_STAGE}/etc", "/etc"]
        out += [word for name in root.EMPTY if name not in ("etc", "dev", "proc", "tmp") for word in ("--dir", f"/{name}")]
    out += ["--size", "65536", "--tmpfs", "/dev"]
    out += [word for name in root.DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")]
    out += [word for name, target in root.DEVICE_LINKS.items() for word in ("--symlink", target, f"/dev/{name}")]
    out += ["--remount-ro", "/dev", "--proc", "/proc"]
    out += [word for name in jail.HIDDEN if os.path.exists(f"/proc/{name}") for word in ("--ro-bind", "/dev/null", f"/proc/{name}")]
    for inside, fd in shown:
        out += ["--ro-bind", staged.add(fd), inside]
    for target, fd in mounts:
        if target != "/":
            out += ["--bind" if target == "/tmp" else "--ro-bind", staged.add(fd), target]
    if image:
        out += ["--tmpfs", "/sys"]
        out += [word for inside, fd in support for word in ("--ro-bind", staged.add(fd), _IMAGE_RUNTIME + inside)]
    for inside, target in zygote["links"]:
        out += ["--symlink", target, inside]
    out += ["--ro-bind", staged.add(own), f"{_IMAGE_RUNTIME if image else _RUNTIME}/haneul/runtime/inside"]
    return [*out, "--remount-ro", "/sys" if image else "/"]


class _Stage:
    """Attaches mounts where bubblewrap finds them."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, fd: int) -> str:
        self._count += 1
        place = f"{_STAGE}/{self._count}"
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        linux.attach_mount(fd, place)
        return place


def _needs_showing(inside: str) -> bool:
    return not inside.startswith("/usr/") or inside.startswith("/usr/local/")


def _system() -> list[str]:
    """The machine's programs and libraries, without what administrators have put into /usr/local."""
    out = ["--ro-bind", "/usr", "/usr"]
    if os.path.isdir("/usr/local"):
        out += ["--size", "4096", "--tmpfs", "/usr/local", "--remount-ro", "/usr/local"]
    for name in root.SYSTEM:
        if os.path.islink(f"/{name}"):
            out += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        elif os.path.isdir(f"/{name}"):
            out += ["--ro-bind", f"/{name}", f"/{name}"]
    return out


# ---- the keeper's interpreter


def _keeper_command(zygote: dict[str, Any], options: dict[str, Any]) -> list[str]:
    arguments = ["-I", "-S", "-X", "utf8", "-c", _START, json.dumps(options)]
    if not zygote.get("image"):
        return [zygote["interpreter"], *arguments, _RUNTIME]
    # The image has another C library, or none: the machine's own loader is started by name, and told where the machine's libraries are.
    loader = next(path for path in _mapped() if os.path.basename(path).startswith("ld"))
    folders = [f"{_IMAGE_RUNTIME}{inside}" for _, inside in _library_folders()]
    interpreter = f"{_IMAGE_RUNTIME}{os.path.realpath(zygote['interpreter'])}"
    start = f"{_IMAGE_RUNTIME}{dict(_library_folders())[os.path.dirname(loader)]}/{os.path.basename(loader)}"
    return [start, "--library-path", ":".join(folders), interpreter, *arguments, _IMAGE_RUNTIME]


def _support(interpreter: str) -> list[tuple[str, int]]:
    """What the machine's interpreter needs to run in an image: itself, its standard library and the folders of shared objects."""
    own = [(path, path) for path in (os.path.realpath(interpreter), _STANDARD_LIBRARY)]
    return [(inside, linux.clone_mount(outside, _READ_ONLY)) for outside, inside in [*own, *_library_folders()]]


def _library_folders() -> list[tuple[str, str]]:
    """Where the shared objects lie that this process has mapped, which runs under the same interpreter; and where they are shown below `_IMAGE_RUNTIME`."""
    folders = sorted({os.path.dirname(path) for path in _mapped() if not path.startswith(f"{_STANDARD_LIBRARY}/")})
    return [(folder, f"/libraries{number}") for number, folder in enumerate(folders)]


def _mapped() -> list[str]:
    with open("/proc/self/maps") as file:
        paths = {line.split(maxsplit=5)[5].strip() for line in file if ".so" in line}
    return sorted(path for path in paths if os.path.isfile(path))
