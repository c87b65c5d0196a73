"""Reads answered by two processes on one data directory (`haneul start --workers 2`), against those of one.

Whether reads scale is whether a second process with a core of its own answers as many as the first. The load must not decide it, so it comes from wrk, which
costs little, and either has cores to itself (on a machine of four or more), or takes its share from each process alike: one process and its load on one core
against two processes and their load on two. How many more two processes answer on the machine's two cores than one whose load has the other core to itself is told, too.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import requests, servers
from bench.data_plane import client
from bench.load import take_turns
from bench.programs import Program, program
from bench.table import Table

_LISTS, _LENGTH, _LONG = 50, 20, 100
_DYNAMODB = "DynamoDB_20120810."
_FIRST, _SECOND = {0}, {1}
# How long a side of a comparison is measured, in eight turns: in turns of a second, connecting shows.
_SECONDS_MIN = 16.0


def run(table: Table, seconds: float) -> None:
    """Measure GetItem, and Queries of short and of long lists."""
    print("workers")
    wrk = program("wrk", "wrk", "libluajit-5.1-2")
    cores = os.cpu_count() or 1
    if wrk is None or cores < 2:
        table.add("reads by two processes", "not measured (no wrk, or a single core)")
        return
    with tempfile.TemporaryDirectory(prefix="haneul-bench-wrk-") as folder, servers.haneul(cores=_FIRST) as one, servers.haneul(cores=_FIRST | _SECOND, workers=2) as two:
        for target in (one, two):
            _fill(target.port)
        reads = (("GetItem", _gets), (f"Query of {_LENGTH} items", partial(_queries, kind="list")), (f"Query of {_LONG} items", partial(_queries, kind="long")))
        for name, make in reads:
            scripts = {target.port: _script(Path(folder) / f"{len(table.rows)}-{target.port}.lua", make(target.port)) for target in (one, two)}

            def read(target: servers.Target, load: set[int], turn: float, scripts: dict[int, Path] = scripts) -> float:
                return _rate(wrk, target.port, scripts[target.port], turn, load)

            if cores >= 4:
                spare = set(range(2, cores))
                _compare(table, f"DynamoDB {name}, two processes", partial(read, two, spare), partial(read, one, spare), "one process, the load on other cores", seconds, 1.6)
            else:
                both = partial(read, two, _FIRST | _SECOND)
                _compare(table, f"DynamoDB {name}, two processes and their load on two cores", both, partial(read, one, _FIRST), "one and its load on one core", seconds, 1.6)
                _compare(table, f"DynamoDB {name}, two processes and their load on two cores", both, partial(read, one, _SECOND), "one on one core, its load on the other", seconds)


def _compare(table: Table, name: str, two: Callable[[float], float], one: Callable[[float], float], against: str, seconds: float, at_least: float | None = None) -> None:
    turns = take_turns(two, one, max(seconds, _SECONDS_MIN))
    ratio = statistics.median(ours / theirs for ours, theirs in turns)
    ours, theirs = (statistics.median(side) for side in zip(*turns, strict=True))
    table.add(name, f"{ours:,.0f}/s", ratio=ratio, against=f"{against} ({theirs:,.0f}/s)", at_least=at_least)


def _rate(wrk: Program, port: int, script: Path, seconds: float, cores: set[int]) -> float:
    """Requests a second; wrk has a thread for each of the cores that it may use."""
    command = [wrk.path, f"-t{len(cores)}", "-c64", f"-d{max(1, round(seconds))}", "-s", str(script), f"http://127.0.0.1:{port}"]
    found = subprocess.run(command, env=wrk.environment, capture_output=True, text=True, check=True, preexec_fn=partial(os.sched_setaffinity, 0, cores)).stdout
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
