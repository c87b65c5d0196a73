"""Programs that Haneul is measured with: the machine's own, or unpacked from Debian's packages into .venv/share/haneul-peers, so that no service is installed or started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(sys.prefix) / "share" / "haneul-peers"


@dataclass(frozen=True)
class Program:
    """Where it lies, and the environment that it wants (libraries that came with it)."""

    path: str
    environment: Mapping[str, str]


@cache
def program(name: str, *packages: str) -> Program | None:
    """The program of this name, or None where it can neither be found nor fetched. `packages` hold it and what it needs besides what every Debian has."""
    if found := shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin"):
        return Program(found, os.environ)
    folder = FOLDER / name
    if not (folder / "complete").exists() and not _fetch(folder, packages):
        return None
    libraries = ":".join(sorted({str(library.parent) for library in folder.glob("usr/lib/**/*.so*")}))
    return Program(str(next(folder.glob(f"usr/*bin/{name}"))), {**os.environ, "LD_LIBRARY_PATH": libraries})


def _fetch(folder: Path, packages: tuple[str, ...]) -> bool:
    """Unpack packages into the folder; whether they could be had."""
    if shutil.which("apt-get") is None:
        return False
    print(f"  fetching {' '.join(packages)}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, stderr=subprocess.DEVNULL, check=False).returncode:
        return False
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    (folder / "complete").touch()
    return True
