"""Haneul against other servers, in the same run: the same requests, one after the other on the same core. What cannot be measured is said, not guessed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bench import requests, servers
from bench.data_plane import client, list_queries, make_lists, measure
from bench.functions import create, invoke_request, make_role
from bench.load import HttpClient, RedisClient
from bench.peers import FAILURES, Peer, installed, peers
from bench.speed import Speed, in_turns, speed
from bench.table import Table
from tests.support.python import PYTHON

_ITEMS = 1000
_TEXT = "x" * 260
_QUIET = "def handler(event, context):\n    return event\n"
_LOGGING = "def handler(event, context):\n    print('a line in the log of the function')\n    return event\n"


class Contestant:
    """A running server, given what an operation needs when it is first measured with it."""

    def __init__(self, target: servers.Target, keys: Any) -> None:
        self.target = target
        self.port = target.port
        self.keys = keys

    def client(self, service: str) -> Any:
        return client(service, self.port, self.keys)

    def _call(self, name: str, params: dict[str, Any]) -> bytes:
        return requests.target("dynamodb", self.port, f"DynamoDB_20120810.{name}", "1.0", {"TableName": "things", **params})

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """Items of 300 bytes, in a table."""
        found = [{"pk": {"S": f"item-{i:06}"}, "n": {"N": str(i)}, "text": {"S": _TEXT}} for i in range(_ITEMS)]
        dynamodb = self.client("dynamodb")
        keys = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
        dynamodb.create_table(TableName="things", BillingMode="PAY_PER_REQUEST", **keys)
        dynamodb.get_waiter("table_exists").wait(TableName="things", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        for i in range(0, _ITEMS, 25):
            dynamodb.batch_write_item(RequestItems={"things": [{"PutRequest": {"Item": item}} for item in found[i : i + 25]]})
        return found

    def get_item(self) -> list[bytes]:
        return [self._call("GetItem", {"Key": {"pk": item["pk"]}}) for item in self.items]

    def put_item(self) -> list[bytes]:
        # Each item twice, with another number: a row that is written again as it was is no work for the disk.
        return [self._call("PutItem", {"Item": {**item, "n": {"N": str(_ITEMS + turn)}}}) for turn in range(2) for item in self.items]

    def query(self) -> list[bytes]:
        make_lists(self.client("dynamodb"))
        return list_queries(self.port)

    def get_object(self) -> list[bytes]:
        s3 = self.client("s3")
        s3.create_bucket(Bucket="bench")
        s3.put_object(Bucket="bench", Key="small", Body=b"x" * 1024)
        return [requests.signed("s3", "GET", self.port, "/bench/small", keys=self.keys)]

    @cached_property
    def role(self) -> str:
        return make_role(self.client("iam"))

    def invoke(self, name: str, code: str) -> list[bytes]:
        create(self.client("lambda"), name, PYTHON, code, self.role)
        request = invoke_request(self.port, name)
        measure(self.port, [request], 0.5, connections=1)  # From here on it is warm.
        return [request]

    def quiet(self) -> list[bytes]:
        return self.invoke("quiet", _QUIET)

    def logging(self) -> list[bytes]:
        return self.invoke("logging", _LOGGING)


# Each operation by its name in the table: the requests, and over how many connections they are sent.
_OPERATIONS: dict[str, tuple[Callable[[Contestant], list[bytes]], int]] = {
    "GetItem": (Contestant.get_item, 64),
    "PutItem": (Contestant.put_item, 64),
    "Query of 20 items": (Contestant.query, 64),
    "S3 GET of 1 KB": (Contestant.get_object, 64),
    "warm invoke, quiet": (Contestant.quiet, 1),
    "warm invoke, one line logged": (Contestant.logging, 1),
}
_SET = "SET of 300 bytes with fsync always"
_WARM_UP_SECONDS = 0.3


class Haneul:
    """Haneul's side. Environments of functions need a core of their own, so the server that runs them is not pinned to one."""

    def __init__(self, pinned: Contestant, unpinned: Contestant) -> None:
        self._pinned = pinned
        self._unpinned = unpinned
        self._requests: dict[str, list[bytes]] = {}

    def speed(self, operation: str, seconds: float) -> Speed:
        """How fast an operation is answered."""
        make, connections = _OPERATIONS[operation]
        contestant = self._unpinned if "invoke" in operation else self._pinned
        if operation not in self._requests:
            self._requests[operation] = make(contestant)
        return speed(contestant.target, self._requests[operation], connections, seconds)


def run(table: Table, seconds: float) -> None:
    """Measure all peers."""
    print("peers")
    with servers.haneul() as pinned, servers.haneul(cores=servers.ALL_CORES) as unpinned:
        ours = Haneul(Contestant(pinned, requests.KEYS), Contestant(unpinned, requests.KEYS))
        for peer in peers():
            try:
                folder = installed(peer)
                name = f"{peer.name} {peer.version(folder)}"
            except FAILURES as error:
                table.add(f"against {peer.name}", f"not measured: it cannot be installed here ({type(error).__name__})")
                continue
            for operation, at_least in peer.targets.items():
                try:
                    mine, theirs = _compare(peer, folder, operation, ours, seconds)
                except (*FAILURES, BotoCoreError, ClientError) as error:
                    table.add(f"{operation}, against {name}", f"not measured: {str(error).splitlines()[0][:90]}")
                    continue
                against = f"{name}{f', {operation}' if operation == _SET else ''} ({theirs.rate:,.0f}/s; for the same processor time {mine.per_cpu_second / theirs.per_cpu_second:.2f} x)"
                table.add(_ours(operation), f"{mine.rate:,.0f}/s", ratio=mine.rate / theirs.rate, against=against, at_least=at_least)


def _ours(operation: str) -> str:
    """The operation of Haneul that a peer's is compared with."""
    return "PutItem" if operation == _SET else operation


def _compare(peer: Peer, folder: Path, operation: str, ours: Haneul, seconds: float) -> tuple[Speed, Speed]:
    """Our speed and a peer's, whose process is started for this operation alone."""
    ours.speed(_ours(operation), _WARM_UP_SECONDS)
    with tempfile.TemporaryDirectory(prefix=f"haneul-peer-{peer.name}-", ignore_cleanup_errors=True) as data:
        port = servers.free_port()
        with servers.process(peer.name, peer.command(folder, Path(data), port), port=port, cores=servers.ALL_CORES if "invoke" in operation else servers.PINNED) as target:
            contestant = Contestant(target, peer.keys)
            make, connections = _OPERATIONS[_ours(operation)]
            prepared, kind = (_redis_sets(), RedisClient) if operation == _SET else (make(contestant), HttpClient)
            return in_turns(lambda part: ours.speed(_ours(operation), part), lambda part: speed(target, prepared, connections, part, kind), seconds)


def _redis_sets() -> list[bytes]:
    return [b"*3\r\n$3\r\nSET\r\n$11\r\nitem-%06d\r\n$300\r\n%b\r\n" % (i, b"x" * 300) for i in range(_ITEMS)]
