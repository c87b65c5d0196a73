"""A large table against a small one, in the same run: what is promised of 10,000 items holds for millions.

The items are made from their number, 20 to a collection, about 200 bytes each, and loaded through BatchWriteItem.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, overload

import uvloop

from bench import requests, servers
from bench.data_plane import client
from bench.load import load
from bench.process import start_once, tree_pss
from bench.speed import in_turns, speed
from bench.table import Table

_SMALL = 10_000
_COLLECTION = 20
_BATCH = 25
_SAMPLE = 4_000
_WRITTEN = 60_000  # Of these each is written about once: what is written again soon costs less.
_STARTS = 5
_CONNECTIONS = 64
_MEMORY_MB_MAX = 128  # Caches fill up to their limits, and no further.
_WITHIN = 0.75  # Within 25 %.


def run(table: Table, seconds: float, items: int) -> None:
    """Load both tables, measure in turns, then how long a start takes with the data."""
    print(f"size: {items:,} items against {_SMALL:,}")
    root = Path(tempfile.mkdtemp(prefix="haneul-bench-size-"))
    try:
        with ExitStack() as stack:
            small, large = (stack.enter_context(servers.haneul(kept=root / name)) for name in ("small", "large"))
            _load(table, small, _SMALL)
            _load(table, large, items)
            for operation in ("GetItem", "Query", "PutItem"):
                _compare(table, operation, (large, items), (small, _SMALL), seconds)
            memory = tree_pss(large.pid, "Pss_Anon") / 1024
            table.add_limit(f"memory of its own with {items:,} items", f"{memory:.0f} MB", f"<= {_MEMORY_MB_MAX} MB", memory <= _MEMORY_MB_MAX)
        size = sum(file.stat().st_size for file in (root / "large").rglob("*") if file.is_file())
        table.add("data directory", f"{size / 1e6:,.0f} MB, {size / items:.0f} bytes an item")
        begun, ended = (min(start_once(root / name) for _ in range(_STARTS)) for name in ("small", "large"))
        table.add(f"start to first answer with {items:,} items", f"{ended * 1000:.0f} ms (best of {_STARTS})", ratio=ended / begun, against=f"with {_SMALL:,} items ({begun * 1000:.0f} ms)", at_most=1.25)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _item(number: int) -> dict[str, Any]:
    collection, place = divmod(number, _COLLECTION)
    return {**_key(collection, place), "text": {"S": "x" * 100}, "tags": {"SS": ["a", "b"]}, "at": {"M": {"y": {"N": "2026"}}}}


def _key(collection: int, place: int) -> dict[str, Any]:
    return {"pk": {"S": f"collection-{collection * 2_654_435_761 % 4_294_967_296:08x}"}, "sk": {"N": str(place)}}  # In no order, as keys of people are.


class _Batches(Sequence[bytes]):
    """The requests that load a table, each made when it is sent; says how far it is."""

    def __init__(self, port: int, items: int) -> None:
        self._port = port
        self._items = items
        self._began = time.perf_counter()
        self._every = max(1, len(self) // 10)

    def __len__(self) -> int:
        return -(-self._items // _BATCH)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        assert isinstance(index, int)
        if index and index % self._every == 0 and self._items > _SMALL:
            print(f"    {index * _BATCH:,} items, {index * _BATCH / (time.perf_counter() - self._began):,.0f}/s", flush=True)
        puts = [{"PutRequest": {"Item": _item(number)}} for number in range(index * _BATCH, min(self._items, (index + 1) * _BATCH))]
        return requests.target("dynamodb", self._port, "DynamoDB_20120810.BatchWriteItem", "1.0", {"RequestItems": {"items": puts}})


def _load(table: Table, target: servers.Target, items: int) -> None:
    dynamodb = client("dynamodb", target.port)
    dynamodb.create_table(
        TableName="items",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    result = uvloop.run(load(target.port, _Batches(target.port, items), connections=16, once=True))
    if result.failures:
        raise RuntimeError(f"{result.failures} batches failed")
    table.add(f"loading {items:,} items through BatchWriteItem", f"{result.rate * _BATCH:,.0f} items/s")


def _compare(table: Table, operation: str, large: tuple[servers.Target, int], small: tuple[servers.Target, int], seconds: float) -> None:
    (one, items), (other, few) = large, small
    ours, theirs = _requests(operation, one.port, items), _requests(operation, other.port, few)
    speed(one, ours, _CONNECTIONS, 0.3)
    mine, base = in_turns(lambda part: speed(one, ours, _CONNECTIONS, part), lambda part: speed(other, theirs, _CONNECTIONS, part), seconds)
    per_cpu = mine.per_cpu_second / base.per_cpu_second
    table.add(
        f"{operation} with {items:,} items",
        f"{mine.rate:,.0f}/s",
        ratio=mine.rate / base.rate,
        against=f"with {few:,} items ({base.rate:,.0f}/s; for the same processor time {per_cpu:.2f} x)",
        at_least=_WITHIN,
    )


def _requests(operation: str, port: int, items: int) -> list[bytes]:
    """Requests for items anywhere in the table."""
    chance = random.Random(items)
    found: list[bytes] = []
    for number in (chance.randrange(items) for _ in range(_WRITTEN if operation == "PutItem" else _SAMPLE)):
        if operation == "PutItem":
            params: dict[str, Any] = {"Item": {**_item(number), "text": {"S": f"{len(found):06}" * 17}}}
        elif operation == "GetItem":
            params = {"Key": _key(*divmod(number, _COLLECTION))}
        else:
            params = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": _key(number // _COLLECTION, 0)["pk"]}}
        found.append(requests.target("dynamodb", port, f"DynamoDB_20120810.{operation}", "1.0", {"TableName": "items", **params}))
    return found
