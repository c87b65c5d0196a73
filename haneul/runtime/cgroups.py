"""Limits for memory, CPU and processes through control groups, version 1 or 2, where this user may write them.

Groups lie under `haneul/<spawner's pid>-<its start time>/`, so that what a killed spawner left behind can be told from what is in use.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

CPU_PERIOD_US = 100_000
MEMORY_MB_PER_CPU = 1769
"""At 1,769 MB a function has the equivalent of one vCPU (Configure Lambda function memory)."""

_ROOT = "/sys/fs/cgroup"
_CONTROLLERS = ("memory", "cpu", "pids")


@dataclass
class Group:
    """One environment's groups, by controller (with version 2 all are the same directory)."""

    directories: dict[str, str] = field(default_factory=dict)


class Cgroups:
    """The groups of one spawner, which is called `name`, its `identity`."""

    def __init__(self, name: str, root: str = _ROOT) -> None:
        self._root = root
        self._name = name
        self.version = 0
        self._parents: dict[str, str] = {}
        if os.path.exists(f"{root}/cgroup.controllers"):
            self._find_version_2()
        else:
            self._find_version_1()

    @property
    def controllers(self) -> list[str]:
        """The controllers that can be used."""
        return sorted(self._parents)

    def _find_version_1(self) -> None:
        for controller in _CONTROLLERS:
            parent = f"{self._root}/{controller}/haneul/{self._name}"
            with contextlib.suppress(OSError):
                if os.path.exists(f"{self._root}/{controller}/tasks"):
                    os.makedirs(parent, exist_ok=True)
                    self._parents[controller] = parent
                    self.version = 1

    def _find_version_2(self) -> None:
        """Only the root of the hierarchy can hold processes and groups side by side, so that is where a group of ours must hang."""
        top = f"{self._root}/haneul"
        parent = f"{top}/{self._name}"
        try:
            os.makedirs(parent, exist_ok=True)
            for directory in (self._root, top, parent):
                available = _read(f"{directory}/cgroup.controllers").split()
                enabled = _read(f"{directory}/cgroup.subtree_control").split()
                for controller in _CONTROLLERS:
                    if controller in available and controller not in enabled:
                        _write(f"{directory}/cgroup.subtree_control", f"+{controller}")
            enabled = _read(f"{parent}/cgroup.subtree_control").split()
        except OSError:
            return
        self._parents = {controller: parent for controller in _CONTROLLERS if controller in enabled}
        self.version = 2 if self._parents else 0

    def create(self, name: str, memory_bytes: int, processes_max: int) -> Group:
        """Make an environment's groups. The CPU is not limited until `throttle`: the Init phase has all of it, as on AWS."""
        group = Group()
        for controller, parent in self._parents.items():
            directory = f"{parent}/{name}"
            os.makedirs(directory, exist_ok=True)
            group.directories[controller] = directory
        if (directory_memory := group.directories.get("memory")) is not None:
            if self.version == 1:
                _write(f"{directory_memory}/memory.limit_in_bytes", str(memory_bytes))
                with contextlib.suppress(OSError):  # Absent without swap accounting.
                    _write(f"{directory_memory}/memory.memsw.limit_in_bytes", str(memory_bytes))
            else:
                _write(f"{directory_memory}/memory.max", str(memory_bytes))
                with contextlib.suppress(OSError):
                    _write(f"{directory_memory}/memory.swap.max", "0")
        if (directory_pids := group.directories.get("pids")) is not None:
            _write(f"{directory_pids}/pids.max", str(processes_max))
        return group

    def throttle(self, group: Group, memory_mb: int | None) -> None:
        """From now on the environment has its share of the CPU and no more; None lifts the limit."""
        directory = group.directories.get("cpu")
        if directory is None:
            return
        quota = max(1000, memory_mb * CPU_PERIOD_US // MEMORY_MB_PER_CPU) if memory_mb is not None else None
        if self.version == 1:
            _write(f"{directory}/cpu.cfs_quota_us", str(quota if quota is not None else -1))
        else:
            _write(f"{directory}/cpu.max", f"{quota if quota is not None else 'max'} {CPU_PERIOD_US}")

    def entrances(self, group: Group) -> list[int]:
        """Descriptors that take the process which writes `0` into the group. Version 1's `tasks` moves one thread and is quicker than
        `cgroup.procs` under load."""
        name = "tasks" if self.version == 1 else "cgroup.procs"
        return [os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CLOEXEC) for directory in dict.fromkeys(group.directories.values())]

    def open_peak(self, group: Group) -> int | None:
        """A descriptor to read the group's memory peak from, in bytes."""
        directory = group.directories.get("memory")
        if directory is None:
            return None
        with contextlib.suppress(OSError):
            return os.open(f"{directory}/{'memory.max_usage_in_bytes' if self.version == 1 else 'memory.peak'}", os.O_RDONLY | os.O_CLOEXEC)
        return None

    def kills(self, group: Group) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        directory = group.directories.get("memory")
        if directory is None:
            return 0
        with contextlib.suppress(OSError):
            for line in _read(f"{directory}/{'memory.oom_control' if self.version == 1 else 'memory.events'}").splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0

    def remove(self, group: Group) -> bool:
        """Remove an environment's groups; False while processes are still leaving them."""
        done = True
        for directory in dict.fromkeys(group.directories.values()):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError:
                done = False
        return done

    def remove_all(self) -> bool:
        """Remove this spawner's groups altogether."""
        done = True
        for parent in dict.fromkeys(self._parents.values()):
            done = _remove_tree(parent) and done
            with contextlib.suppress(OSError):  # Another spawner's groups may be there.
                os.rmdir(os.path.dirname(parent))
        return done

    def remove_abandoned(self) -> None:
        """Remove the groups of spawners that no longer run."""
        for parent in dict.fromkeys(self._parents.values()):
            top = os.path.dirname(parent)
            for name in os.listdir(top):
                if os.path.isdir(f"{top}/{name}") and not _runs(name):
                    _remove_tree(f"{top}/{name}")


def identity(pid: int) -> str:
    """A name for a process that no later process can have: its pid and start time."""
    return f"{pid}-{_read(f'/proc/{pid}/stat').rpartition(')')[2].split()[19]}"


def _runs(name: str) -> bool:
    pid = name.partition("-")[0]
    try:
        state = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0]
        return state not in ("Z", "X") and identity(int(pid)) == name
    except (OSError, ValueError):
        return False


def _remove_tree(directory: str) -> bool:
    try:
        for name in os.listdir(directory):
            if os.path.isdir(f"{directory}/{name}"):
                _remove_tree(f"{directory}/{name}")
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
