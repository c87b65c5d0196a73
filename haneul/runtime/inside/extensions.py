"""External extensions, inside a sandbox: the programs in /opt/extensions are started before the runtime."""

from __future__ import annotations

import json
import os
import struct

_FOLDER = "/opt/extensions"
_NOT_FOR_EXTENSIONS = (
    "_HANDLER", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_PORT", "_LAMBDA_TELEMETRY_LOG_FD", "PYTHONPATH", "NODE_PATH",
)  # fmt: skip


def found() -> list[str]:
    """The names of the external extensions that there are."""
    try:
        return sorted(name for name in os.listdir(_FOLDER) if os.path.isfile(f"{_FOLDER}/{name}"))
    except OSError:
        return []


def start(names: list[str], environment: dict[str, str], log: int) -> dict[int, str]:
    """Start them as children of process 1, which will hear of their ends; their output goes to `log`. Returns their names by pid."""
    own = {name: value for name, value in environment.items() if name not in _NOT_FOR_EXTENSIONS}
    started = {}
    for name in names:
        read, write = os.pipe()
        between = os.fork()
        if between == 0:
            try:
                pid = os.fork()
                if pid == 0:
                    _become(name, own, log)
                os.write(write, struct.pack("i", pid))
            finally:
                os._exit(0)
        os.close(write)
        told = os.read(read, 4)
        os.close(read)
        os.waitpid(between, 0)
        if told:
            started[struct.unpack("i", told)[0]] = name
    return started


def _become(name: str, environment: dict[str, str], log: int) -> None:
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 64)
        os.chdir("/")
        os.execve(f"{_FOLDER}/{name}", [f"{_FOLDER}/{name}"], environment)
    except OSError as error:
        os.write(2, f"{name}: {error}\n".encode())
    finally:
        os._exit(127)


def encode(pids: dict[int, str]) -> bytes:
    """For the way from the function's process to the keeper."""
    return json.dumps({str(pid): name for pid, name in pids.items()}).encode()


def decode(data: bytes) -> dict[int, str]:
    """The opposite of `encode`; nothing if the function's process has ended instead."""
    return {int(pid): name for pid, name in json.loads(data or b"{}").items()}
