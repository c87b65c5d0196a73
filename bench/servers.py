"""Servers under test, each a process of its own on core 0; the load comes from core 1."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.programs import program

ROOT = Path(__file__).parent.parent
SERVER_CORE = 0
LOAD_CORE = 1 if (os.cpu_count() or 1) > 1 else 0
PINNED: Collection[int] = (SERVER_CORE,)
ALL_CORES: Collection[int] = range(os.cpu_count() or 1)


@dataclass
class Target:
    """A server that answers at `port`; `pid` is its process."""

    name: str
    port: int
    pid: int
    folder: Path | None = None


def pin_load() -> None:
    """Keep this process off the servers' core."""
    os.sched_setaffinity(0, {LOAD_CORE})


@contextlib.contextmanager
def process(name: str, command: list[str], *, port: int | None = None, folder: Path | None = None, cwd: Path | None = None, cores: Collection[int] = PINNED) -> Iterator[Target]:
    """Run a server until the block ends. Its port is given, or the first line that it prints (a number, or JSON with an endpoint)."""
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE if port is None else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd or ROOT,
        preexec_fn=partial(os.sched_setaffinity, 0, cores),
    )
    try:
        if port is None:
            assert running.stdout is not None
            line = running.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"{name} did not start: {' '.join(command)}")
            port = int(json.loads(line)["endpoint"].rsplit(":", 1)[1]) if line.startswith("{") else int(line)
        else:
            wait_for_port(port)
        yield Target(name, port, running.pid, folder)
    finally:
        running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(60)
        running.kill()


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def echo() -> contextlib.AbstractContextManager[Target]:
    """The hand-written echo."""
    return process("echo", [sys.executable, "-m", "bench.echo"])


def front() -> contextlib.AbstractContextManager[Target]:
    """Haneul's front with a trivial handler."""
    return process("front", [sys.executable, "-m", "bench.front"])


@contextlib.contextmanager
def haneul(*, cores: Collection[int] = PINNED, kept: Path | None = None, workers: int = 1) -> Iterator[Target]:
    """A whole Haneul on a fresh data directory, or on one that is `kept`."""
    folder = kept or Path(tempfile.mkdtemp(prefix="haneul-bench-"))
    try:
        # Without capacity limits: a table that throttles would measure patience.
        command = [str(Path(sys.executable).parent / "haneul"), "start", "--port", "0", "--data-dir", str(folder), "--capacity", "unlimited", "--workers", str(workers)]
        with process("haneul", command, folder=folder, cores=cores) as target:
            yield target
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[Target | None]:
    """nginx serving the files below `root`, or None where it cannot be had."""
    found = program("nginx", "nginx")
    if found is None:
        yield None
        return
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="haneul-bench-nginx-"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 1000000; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n"
        f"uwsgi_temp_path {folder}; scgi_temp_path {folder}; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    try:
        with process("nginx", [found.path, "-c", str(folder / "nginx.conf"), "-p", str(folder)], port=port) as target:
            yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)
