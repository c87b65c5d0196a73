"""Functions from container images: their root directory, and their first program.

The root is an overlay of the image's layers with one of Haneul's own on top (`root.make_image_top`). Nothing of the image is trusted: once it is the root, the keeper loads no more code from any file.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from typing import Any

from haneul.runtime.inside import linux

_MOUNT_POINT = "/run"


def enter(root: int) -> None:
    """Make the mount behind `root` the root of this mount namespace, and so of every process in it."""
    linux.attach_mount(root, _MOUNT_POINT)
    for name in ("proc", "dev"):
        shown = linux.clone_mount(f"/{name}")
        linux.attach_mount(shown, f"{_MOUNT_POINT}/{name}")
        os.close(shown)
    # From here on there are other people's files wherever this process would look for a module of its own.
    sys.path.clear()
    sys.meta_path.clear()
    linux.enter_root(_MOUNT_POINT)


def run(channel: socket.socket, configuration: dict[str, Any]) -> None:
    """Replace this process by the image's program; if that cannot be, tell the server why in the words of the service."""
    os.set_inheritable(3, False)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them for itself only.
        signal.signal(number, signal.SIG_DFL)
    directory, argv = configuration["directory"], configuration["argv"]
    try:
        os.chdir(directory)
    except (OSError, ValueError) as error:
        _fail(channel, "Runtime.InvalidWorkingDir", f"chdir {directory}: {_reason(error)}")
    found: tuple[str, Exception] | None = None
    for candidate in configuration["candidates"]:
        try:
            os.execve(candidate, argv, configuration["environment"])
        except (OSError, ValueError) as error:
            if getattr(error, "errno", 0) not in (errno.ENOENT, errno.ENOTDIR) or "/" in argv[0]:
                found = found or (candidate, error)
    if found is None:
        _fail(channel, "Runtime.InvalidEntrypoint", f'exec: "{argv[0]}": executable file not found in $PATH')
    else:
        _fail(channel, "Runtime.InvalidEntrypoint", f"fork/exec {found[0]}: {_reason(found[1])}")


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else "invalid argument"


def _fail(channel: socket.socket, kind: str, message: str) -> None:
    document = json.dumps({"errorType": kind, "errorMessage": f"Error: {message}"}, separators=(",", ":")).encode()
    channel.sendall(b"X" + len(document).to_bytes(4, "big") + document)
    os._exit(1)
