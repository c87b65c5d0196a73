"""The real command, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

HANEUL = Path(sys.executable).parent / "haneul"
START_SECONDS = 60.0
END_SECONDS = 20.0


def environment(**more: str) -> dict[str, str]:
    """The environment of a user who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HANEUL_"))}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONFAULTHANDLER": "1", **more}


def command(*arguments: str, data_dir: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `haneul …` to its end."""
    place = ["--data-dir", str(data_dir)] if data_dir is not None else []
    return subprocess.run([str(HANEUL), *arguments, *place], env=environment(**more), capture_output=True, text=True, timeout=60, check=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A started cloud. What it writes to standard error is in `log()`."""

    def __init__(self, data_dir: Path, *options: str, port: int = 0, **more: str) -> None:
        self.data_dir = data_dir
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.popen = subprocess.Popen(
            [str(HANEUL), "start", "--port", str(port), "--data-dir", str(data_dir), *options], env=environment(**more), stdout=subprocess.PIPE, stderr=self._log
        )
        self.facts = self._first_line()
        self.endpoint: str = self.facts["endpoint"]
        self.port = int(self.endpoint.rpartition(":")[2])

    def _first_line(self) -> dict[str, Any]:
        assert self.popen.stdout is not None
        ready, _, _ = select.select([self.popen.stdout], [], [], START_SECONDS)
        line = self.popen.stdout.readline() if ready else b""
        if not line:
            ended = self.popen.poll()
            self.popen.send_signal(signal.SIGABRT)  # Its log then shows where each of its threads was.
            self.popen.wait()
            raise AssertionError(f"haneul did not start (in time: {bool(ready)}, exit status: {ended}): {self.log()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def kill(self) -> None:
        """kill -9."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(END_SECONDS)
        self._close()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self.popen.wait(END_SECONDS)
        self._close()
        return code

    def _close(self) -> None:
        assert self.popen.stdout is not None
        self.popen.stdout.close()

    def client(self, service: str, **config: Any) -> Any:
        return client(service, self.endpoint, **config)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        self._log.close()


def client(service: str, endpoint: str, *, keys: tuple[str, ...] = ("test", "test"), **config: Any) -> Any:
    """A boto3 client, with the development keys unless others are given (id, secret and perhaps a token), that tries once."""
    verify = config.pop("verify", None)
    options = Config(**{"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30, **config})
    return _session(keys).client(service, endpoint_url=endpoint, config=options, verify=verify)


@cache
def _session(keys: tuple[str, ...]) -> boto3.session.Session:
    """One for all clients with the same keys: a session reads models again."""
    return boto3.session.Session(*keys, region_name="us-east-1")
