"""What a run of Haneul must not leave behind: processes, namespaces, mounts, loop devices, control groups, descriptors, files."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

from bench.process import children

_PR_SET_CHILD_SUBREAPER = 36
_GROUPS = Path("/sys/fs/cgroup")


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends, so that none can get lost; whether that is possible here."""
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


class Watch:
    """Remembers what a server makes while it lives, and says what is left of it when it has ended.

    `folder` is its data directory; `own_mount` whether that is a file system of the run's own.
    """

    def __init__(self, folder: Path, *, own_mount: bool) -> None:
        self._folder = folder
        self._own_mount = own_mount
        self._spawners: set[int] = set()
        self.adopts = adopt_orphans()

    def look(self, server: int) -> None:
        """Note the server's children: control groups are named after the spawners among them."""
        self._spawners.update(children(server))

    def left(self) -> list[str]:
        """Everything that should be gone, with every server ended."""
        return [*self._processes(), *self._mounts(), *self._loop_devices(), *self._groups(), *self._files()]

    def _processes(self) -> list[str]:
        """Descendants that live on. Their namespaces live with them; those that nobody is in, and nothing holds, end with their last process."""
        reap()
        found = [f"process {pid} is left: {command_line(pid)!r}" for pid in children(os.getpid())]
        place = str(self._folder)
        strangers = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
        found += [f"process {pid} is left: {command_line(pid)!r}" for pid in strangers if place in command_line(pid)]
        return found

    def _mounts(self) -> list[str]:
        """Mounts in this namespace below the data directory, and namespaces that are kept alive by being mounted somewhere."""
        found = []
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split()
            own = fields[4] == str(self._folder) and self._own_mount
            if (str(self._folder) in fields[4] and not own) or fields[3].startswith(("net:[", "mnt:[", "pid:[", "user:[")):
                found.append(f"mount {fields[4]} is left")
        return found

    def _loop_devices(self) -> list[str]:
        found = []
        for device in Path("/sys/block").glob("loop*"):
            backing = device / "loop" / "backing_file"
            if backing.is_file() and f"{self._folder}/" in backing.read_text():
                found.append(f"{device.name} is left on {backing.read_text().strip()}")
        return found

    def _groups(self) -> list[str]:
        """Groups lie in `haneul/<spawner's pid>-<its start>`, once for each controller."""
        ours = {str(pid) for pid in self._spawners}
        return [f"control group {path} is left" for path in (*_GROUPS.glob("haneul/*"), *_GROUPS.glob("*/haneul/*")) if path.name.partition("-")[0] in ours]

    def _files(self) -> list[str]:
        sandbox = self._folder / "functions" / "sandbox"
        found = [f"{path} is left" for path in (sandbox.iterdir() if sandbox.is_dir() else ())]
        return found + [f"{path} is left" for path in self._folder.rglob("*.new")]

    @staticmethod
    def unused(folder: Path) -> list[str]:
        """Files of packages and objects, which must be gone when everything that used them has been deleted."""
        code, blobs = folder / "functions" / "code", folder / "blobs"
        found = [f"{path} is left though no function uses it" for path in (code.iterdir() if code.is_dir() else ())]
        return found + [f"{path} is left though nothing refers to it" for path in (blobs.rglob("*") if blobs.is_dir() else ()) if path.is_file()]


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def leaves(pid: int) -> list[int]:
    """The processes below `pid` that have no children."""
    below = children(pid)
    return [leaf for child in below for leaf in leaves(child)] if below else [pid]


def reap() -> None:
    """Take the exit status of adopted processes that have ended."""
    for pid in children(os.getpid()):
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def kill(pid: int) -> bool:
    """kill -9; False when there was nobody any more."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
