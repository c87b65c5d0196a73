"""Reads answered by two processes on one data directory (`haneul start --workers 2`), against those of one.

All of them, and the load, share the machine's cores here, so the load must cost little: it comes from wrk. Where there are two cores for all three, two
processes cannot be twice as fast: what the processor time of a request says of machines with more cores stands beside the rate, and there is a read
that costs the server so much that the load hardly counts.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench import requests, servers
from bench.data_plane import client
from bench.load import take_turns
from bench.process import tree_cpu_seconds
from bench.programs import Program, program
from bench.table import Table

_LISTS, _LENGTH, _LONG = 50, 20, 100
_DYNAMODB = "DynamoDB_20120810."


def run(table: Table, seconds: float) -> None:
    """Measure GetItem, and Queries of short and of long lists."""
    print("workers")
    wrk = program("wrk", "wrk", "libluajit-5.1-2")
    if wrk is None:
        table.add("reads by two processes", "not measured (no wrk here)")
        return
    with tempfile.TemporaryDirectory(prefix="haneul-bench-wrk-") as folder, servers.haneul(pinned=False) as one, servers.haneul(pinned=False, workers=2) as two:
        for target in (one, two):
            _fill(target.port)
        reads = (("GetItem", _gets), (f"Query of {_LENGTH} items", lambda port: _queries(port, "list")), (f"Query of {_LONG} items", lambda port: _queries(port, "long")))
        for number, (name, what) in enumerate(reads):
            scripts = {target.port: _script(Path(folder) / f"{number}-{target.port}.lua", what(target.port)) for target in (one, two)}

            def read(target: servers.Target, turn: float, scripts: dict[int, Path] = scripts) -> _Read:
                before = tree_cpu_seconds(target.pid)
                rate = _rate(wrk, target.port, scripts[target.port], turn)
                return _Read(rate, (tree_cpu_seconds(target.pid) - before) / (rate * _whole(turn)))

            turns = take_turns(lambda turn: read(two, turn), lambda turn: read(one, turn), max(seconds, 8.0))
            ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in turns)
            apart = statistics.median(2 * theirs.cost / ours.cost for ours, theirs in turns)
            against = f"one process (with a core for each, by the processor time of a request: {apart:.2f})"
            table.add(f"DynamoDB {name}, two processes", f"{statistics.median(ours.rate for ours, _ in turns):,.0f}/s", ratio=ratio, against=against, at_least=1.6)


class _Read(NamedTuple):
    """Requests a second, and seconds of the servers' processor time for each."""

    rate: float
    cost: float


def _whole(seconds: float) -> int:
    return max(1, round(seconds))


def _rate(wrk: Program, port: int, script: Path, seconds: float) -> float:
    command = [wrk.path, "-t1", "-c64", f"-d{_whole(seconds)}", "-s", str(script), f"http://127.0.0.1:{port}"]
    found = subprocess.run(command, env=wrk.environment, capture_output=True, text=True, check=True, preexec_fn=servers.unpin).stdout
    if "Non-2xx" in found or "Socket errors" in found:
        raise RuntimeError(f"requests failed: {found}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", found)
    assert rate is not None
    return float(rate[1])


def _script(path: Path, prepared: list[bytes]) -> Path:
    """A wrk script that sends these requests in turn."""
    lines = ["local all = {", *[f"{_lua(one)}," for one in prepared], "}", "local at = 0", "request = function() at = at % #all + 1; return all[at] end"]
    path.write_text("\n".join(lines))
    return path


def _lua(data: bytes) -> str:
    return '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}" for byte in data) + '"'


def _fill(port: int) -> None:
    dynamodb = client("dynamodb", port)
    keys = (("pk", "S", "HASH"), ("sk", "N", "RANGE"))
    dynamodb.create_table(
        TableName="lists",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": role} for name, _, role in keys],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="lists", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    for kind, length in (("list", _LENGTH), ("long", _LONG)):
        for at in range(_LISTS):
            items = [{"pk": {"S": f"{kind}-{at}"}, "sk": {"N": str(number)}, "text": {"S": "x" * 100}} for number in range(length)]
            for start in range(0, length, 20):
                dynamodb.batch_write_item(RequestItems={"lists": [{"PutRequest": {"Item": item}} for item in items[start : start + 20]]})


def _gets(port: int) -> list[bytes]:
    keys = [{"pk": {"S": f"list-{at}"}, "sk": {"N": str(number)}} for at in range(_LISTS) for number in range(_LENGTH)]
    return [requests.target("dynamodb", port, _DYNAMODB + "GetItem", "1.0", {"TableName": "lists", "Key": key}) for key in keys]


def _queries(port: int, kind: str) -> list[bytes]:
    asked = [{"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": f"{kind}-{at}"}}} for at in range(_LISTS)]
    return [requests.target("dynamodb", port, _DYNAMODB + "Query", "1.0", {"TableName": "lists", **one}) for one in asked]
