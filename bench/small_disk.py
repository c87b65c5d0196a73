"""A data directory on a file system of its own that can be filled without filling the machine's."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE_MB = 768
_BLOCK = bytes(64 << 10)


@contextlib.contextmanager
def small_disk(parent: Path) -> Iterator[tuple[Path, str]]:
    """A directory below `parent`, and what it is mounted from: "ext4" on a loop device, else "tmpfs", else "" where this user may not mount."""
    folder, image = parent / "data", parent / "disk"
    folder.mkdir()
    kind = ""
    if os.geteuid() == 0:
        with image.open("wb") as file:
            file.truncate(_SIZE_MB << 20)
        if _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image)) and _run("mount", "-o", "loop", str(image), str(folder)):
            kind = "ext4"
            (folder / "lost+found").rmdir()
        elif _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "haneul-soak", str(folder)):
            kind = "tmpfs"
    folder.chmod(0o755)
    try:
        yield folder, kind
    finally:
        if kind and not _run("umount", str(folder)):
            _run("umount", "--lazy", str(folder))


def fill(folder: Path) -> Path:
    """Take the last byte of the file system; whoever removes the file that is returned gives it back."""
    ballast = folder / "ballast"
    with ballast.open("wb", 0) as file:
        free = os.statvfs(folder)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
        file.seek(0, os.SEEK_END)
        try:
            while True:
                file.write(_BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return ballast


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False
