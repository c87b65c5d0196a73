"""Requests per second of the data plane, against a bare echo and nginx in the same run."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import boto3
import uvloop
from botocore.credentials import Credentials

from bench import requests, servers
from bench.load import Client, HttpClient, Result, load, take_turns
from bench.table import Table

_INDEXES = 5
_ITEMS = 1000
_CONNECTIONS = 64
_TABLE = "bench"
_BUCKET = "bench"
_DYNAMODB = "DynamoDB_20120810."


def measure(port: int, prepared: list[bytes], seconds: float, connections: int = _CONNECTIONS, kind: type[Client] = HttpClient) -> Result:
    """One load; a failing request makes the figure worthless, so it is an error."""
    result = uvloop.run(load(port, prepared, connections=connections, seconds=seconds, kind=kind))
    if result.failures:
        raise RuntimeError(f"{result.failures} requests failed")
    return result


def client(service: str, port: int, keys: Credentials = requests.KEYS) -> Any:
    return boto3.client(
        service, endpoint_url=f"http://127.0.0.1:{port}", region_name=requests.REGION, aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key
    )


def run(table: Table, seconds: float) -> None:
    """Measure front, DynamoDB, S3 and SQS."""
    print("data plane")
    sample = requests.target("dynamodb", 4566, _DYNAMODB + "GetItem", "1.0", {"TableName": _TABLE, "Key": {"pk": {"S": "item-000001"}}})
    with servers.echo() as target:
        echo = Echo(table, target.port, sample, seconds)
        with servers.front() as target:
            echo.row("front with a trivial handler", target.port, [sample], 0.85)
        with servers.haneul() as target:
            _dynamodb(table, target.port, seconds, echo)
            _sqs(target.port, echo)
            _s3(table, target.port, seconds, echo)
        echo.last()


class Echo:
    """The bare echo, measured in turns with each of the others: a machine that others use too does not stay as fast as it was a minute ago."""

    def __init__(self, table: Table, port: int, sample: bytes, seconds: float) -> None:
        self._table = table
        self._port = port
        self._sample = sample
        self._seconds = seconds
        self._rates: list[float] = []

    def row(self, name: str, port: int, prepared: list[bytes], at_least: float | None = None) -> None:
        turns = take_turns(lambda turn: measure(port, prepared, turn), lambda turn: measure(self._port, [self._sample], turn), self._seconds)
        self._rates += [echo.rate for _, echo in turns]
        rate = statistics.median(ours.rate for ours, _ in turns)
        p99_us = statistics.median(ours.p99_us for ours, _ in turns)
        self._table.add(name, f"{rate:,.0f}/s, p99 {p99_us / 1000:.1f} ms", ratio=median_ratio(turns, "rate"), against="echo", at_least=at_least)

    def last(self) -> None:
        low, high = min(self._rates), max(self._rates)
        self._table.add("bare echo, over the run", f"{statistics.median(self._rates):,.0f}/s ({low:,.0f} to {high:,.0f})")


def median_ratio(turns: list[tuple[Result, Result]], figure: str) -> float:
    """The median of the turns' ratios: what slows the machine down for a moment spoils a turn, and not the result."""
    return statistics.median(getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in turns)


def _dynamodb(table: Table, port: int, seconds: float, echo: Echo) -> None:
    dynamodb = client("dynamodb", port)
    dynamodb.create_table(
        TableName=_TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=_TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def call(name: str, params: dict[str, Any]) -> bytes:
        return requests.target("dynamodb", port, _DYNAMODB + name, "1.0", {"TableName": _TABLE, **params})

    def item(i: int) -> dict[str, Any]:
        # Each item comes twice, with another number: a row that is written again as it was is no work for the disk.
        return {"pk": {"S": f"item-{i % _ITEMS:06}"}, "n": {"N": str(100_000 + i)}, "text": {"S": "x" * 100}, "tags": {"SS": ["a", "b"]}, "at": {"M": {"y": {"N": "2026"}}}}

    puts = [call("PutItem", {"Item": item(i)}) for i in range(2 * _ITEMS)]
    echo.row("DynamoDB PutItem (durable)", port, puts, 0.12)
    gets = [call("GetItem", {"Key": {"pk": {"S": f"item-{i:06}"}}}) for i in range(_ITEMS)]
    echo.row("DynamoDB GetItem", port, gets, 0.20)
    updates = [
        call("UpdateItem", {"Key": {"pk": {"S": f"item-{i:06}"}}, "UpdateExpression": "SET n = n + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}) for i in range(_ITEMS)
    ]
    echo.row("DynamoDB UpdateItem (durable)", port, updates, 0.14)
    transactions = [
        requests.target("dynamodb", port, _DYNAMODB + "TransactWriteItems", "1.0", {"TransactItems": [{"Put": {"TableName": _TABLE, "Item": item(turn * _ITEMS + 4 * i + j)}} for j in range(4)]})
        for turn in range(2)
        for i in range(3 * _CONNECTIONS)  # A multiple, whose items are all different, so that no two connections ever write the same one at once.
    ]
    echo.row("DynamoDB TransactWriteItems of 4 (durable)", port, transactions, 0.08)
    batches = [
        requests.target("dynamodb", port, _DYNAMODB + "BatchWriteItem", "1.0", {"RequestItems": {_TABLE: [{"PutRequest": {"Item": item(25 * i + j)}} for j in range(25)]}})
        for i in range(2 * _ITEMS // 25)
    ]
    result = measure(port, batches, seconds)
    table.add("DynamoDB BatchWriteItem of 25 (durable)", f"{result.rate * 25:,.0f} items/s", ratio=result.rate * 25 / 20_000, against="20,000 items/s", at_least=1)
    _query(dynamodb, port, echo)
    _indexed(table, dynamodb, port, seconds, puts)


def _indexed(table: Table, dynamodb: Any, port: int, seconds: float, plain: list[bytes]) -> None:
    """Writes that change every index and are in a stream, in turns with the writes to a table that has neither."""
    names = [f"by-{number}" for number in range(_INDEXES)]
    dynamodb.create_table(
        TableName="indexed",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", *names)],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{"IndexName": name, "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}} for name in names],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    dynamodb.get_waiter("table_exists").wait(TableName="indexed", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    changing = [
        requests.target(
            "dynamodb", port, _DYNAMODB + "PutItem", "1.0", {"TableName": "indexed", "Item": {"pk": {"S": f"item-{i % _ITEMS:06}"}, "text": {"S": "x" * 100}, **{name: {"S": f"{name}-{i}"} for name in names}}}
        )
        for i in range(2 * _ITEMS)
    ]
    turns = take_turns(lambda turn: measure(port, changing, turn), lambda turn: measure(port, plain, turn), seconds)
    rate = statistics.median(ours.rate for ours, _ in turns)
    name = f"DynamoDB PutItem that changes {_INDEXES} indexes and a stream"
    table.add(name, f"{rate:,.0f}/s", ratio=median_ratio(turns, "rate"), against="PutItem of a plain table", at_least=0.333)


def _query(dynamodb: Any, port: int, echo: Echo) -> None:
    make_lists(dynamodb)
    echo.row("DynamoDB Query of 20 items", port, list_queries(port), 0.10)


def make_lists(dynamodb: Any) -> None:
    """A table of 50 collections of 20 items."""
    dynamodb.create_table(
        TableName="lists",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="lists", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    for i in range(50):
        rows = [{"PutRequest": {"Item": {"pk": {"S": f"list-{i}"}, "sk": {"N": str(j)}, "text": {"S": "x" * 100}}}} for j in range(20)]
        dynamodb.batch_write_item(RequestItems={"lists": rows})


def list_queries(port: int) -> list[bytes]:
    """A query for each collection of that table."""
    values = [{":pk": {"S": f"list-{i}"}} for i in range(50)]
    return [
        requests.target("dynamodb", port, _DYNAMODB + "Query", "1.0", {"TableName": "lists", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": value}) for value in values
    ]


def _sqs(port: int, echo: Echo) -> None:
    url = client("sqs", port).create_queue(QueueName="bench")["QueueUrl"]
    sends = [requests.target("sqs", port, "AmazonSQS.SendMessage", "1.0", {"QueueUrl": url, "MessageBody": f"message {i} " + "x" * 80}) for i in range(_ITEMS)]
    echo.row("SQS SendMessage (durable)", port, sends, 0.10)
    receives = [requests.target("sqs", port, "AmazonSQS.ReceiveMessage", "1.0", {"QueueUrl": url, "MaxNumberOfMessages": 1})]
    echo.row("SQS ReceiveMessage (durable)", port, receives)


def _s3(table: Table, port: int, seconds: float, echo: Echo) -> None:
    s3 = client("s3", port)
    s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key="small", Body=b"x" * 1024)
    s3.put_object(Bucket=_BUCKET, Key="large", Body=b"x" * (1 << 20))
    echo.row("S3 GetObject of 1 KB", port, [requests.signed("s3", "GET", port, f"/{_BUCKET}/small")], 0.18)
    large = [requests.signed("s3", "GET", port, f"/{_BUCKET}/large")]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "large").write_bytes(b"x" * (1 << 20))
        Path(folder).chmod(0o755)
        with servers.nginx(Path(folder)) as target:
            if target is None:
                table.add("S3 GetObject of 1 MB", f"{measure(port, large, seconds).bytes_per_second / 1e6:,.0f} MB/s (no nginx here)")
                return
            file = [requests.raw("GET", target.port, "/large", b"", {})]
            turns = take_turns(lambda turn: measure(port, large, turn), lambda turn: measure(target.port, file, turn), seconds)
    speed = statistics.median(ours.bytes_per_second for ours, _ in turns)
    table.add("S3 GetObject of 1 MB", f"{speed / 1e6:,.0f} MB/s", ratio=median_ratio(turns, "bytes_per_second"), against="nginx", at_least=0.7)
