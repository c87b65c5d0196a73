"""kill -9 of the real process while many clients write, again and again: nothing acknowledged is lost, nothing is torn, and it starts without repair."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from haneul.clock import Ids
from tests.dynamodb.support import stream_records
from tests.process.haneul_process import Process, client, free_port

pytestmark = pytest.mark.process

_ROUNDS = 12
_WRITERS = 3  # Of each kind.
COUNTER = {"k": {"S": "counter"}, "side": {"S": "none"}}


class Load:
    """Clients that write until their server is killed, and remember what was acknowledged."""

    def __init__(self, endpoint: str) -> None:
        self.dynamodb = client("dynamodb", endpoint, max_pool_connections=20)
        self.streams = client("dynamodbstreams", endpoint)
        self.sqs = client("sqs", endpoint, max_pool_connections=20)
        self.s3 = client("s3", endpoint, max_pool_connections=20)
        self.queue = self.events = self.stream = ""
        self.items: dict[str, int] = {}
        self.tried: dict[str, int] = {}
        self.counted = 0
        self.counted_tried = 0
        self.messages: set[str] = set()
        self.objects: set[str] = set()
        self.large = 0  # Objects whose bytes lie in files.
        self.problems: list[Exception] = []
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._wanted = 0
        self._done = 0

    def set_up(self) -> None:
        key = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "side", "KeyType": "RANGE"}]
        by_n = {"AttributeName": "n", "KeyType": "RANGE"}
        made = self.dynamodb.create_table(
            TableName="table",
            KeySchema=key,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("k", "S"), ("side", "S"), ("n", "N"))],
            LocalSecondaryIndexes=[{"IndexName": "local", "KeySchema": [key[0], by_n], "Projection": {"ProjectionType": "ALL"}}],
            GlobalSecondaryIndexes=[{"IndexName": "global", "KeySchema": [{**key[1], "KeyType": "HASH"}, by_n], "Projection": {"ProjectionType": "KEYS_ONLY"}}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            SSESpecification={"Enabled": True},
        )
        self.stream = made["TableDescription"]["LatestStreamArn"]
        self.dynamodb.get_waiter("table_exists").wait(TableName="table", WaiterConfig={"Delay": 1})
        self.queue = self.sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.events = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        arn = "arn:aws:sqs:us-east-1:000000000000:events"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]}
        self.sqs.set_queue_attributes(QueueUrl=self.events, Attributes={"Policy": json.dumps(policy)})
        self.s3.create_bucket(Bucket="files")
        self.s3.put_bucket_notification_configuration(Bucket="files", NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})

    def run(self, process: Process, acknowledgements: int) -> None:
        """Write from many threads until so much was acknowledged; then kill."""
        self._enough.clear()
        self._wanted, self._done = acknowledgements, 0
        writers = [threading.Thread(target=self._write, args=(kind, lane)) for kind in (self.put_pair, self.count, self.send, self.upload) for lane in range(_WRITERS)]
        for one in writers:
            one.start()
        assert self._enough.wait(30), self.problems or process.log()
        process.kill()
        for one in writers:
            one.join()
        assert self.problems == []

    def _write(self, kind: Callable[[int, int], None], lane: int) -> None:
        number = max([value for name, value in self.tried.items() if name.startswith(f"{kind.__name__}-{lane}-")], default=0)
        while True:
            number += 1
            with self._lock:
                self.tried[f"{kind.__name__}-{lane}-"] = number
            try:
                kind(lane, number)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":  # Two writers met: nothing was done.
                    self.problems.append(error)
                    self._enough.set()
                    return
            except BotoCoreError:  # The server is gone.
                return
            with self._lock:
                self._done += 1
                if self._done >= self._wanted:
                    self._enough.set()

    # ---- what is written

    def put_pair(self, lane: int, number: int) -> None:
        """Two items in one transaction, each with the number."""
        puts = [
            {"Put": {"TableName": "table", "Item": {"k": {"S": str(lane)}, "side": {"S": side}, "n": {"N": str(number)}, "body": {"S": str(number) * 300}}}} for side in ("left", "right")
        ]
        self.dynamodb.transact_write_items(TransactItems=puts)
        self.items[str(lane)] = number

    def count(self, lane: int, number: int) -> None:
        """One more in a counter that all share."""
        with self._lock:
            self.counted_tried += 1
        self.dynamodb.update_item(TableName="table", Key=COUNTER, UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})
        with self._lock:
            self.counted += 1

    def send(self, lane: int, number: int) -> None:
        """A message."""
        body = f"{lane}-{number}"
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        with self._lock:
            self.messages.add(body)

    def upload(self, lane: int, number: int) -> None:
        """An object, small, middling or in a file of its own; its event is promised with it."""
        key = f"{lane}-{number}"
        self.s3.put_object(Bucket="files", Key=key, Body=key.encode() * (1, 2_000, 40_000)[number % 3])
        with self._lock:
            self.objects.add(key)

    # ---- what must be there

    def check(self) -> None:
        """Everything acknowledged, and nothing half done."""
        for lane, number in self.items.items():
            left, right = (self.dynamodb.get_item(TableName="table", Key={"k": {"S": lane}, "side": {"S": side}}, ConsistentRead=True)["Item"] for side in ("left", "right"))
            assert left["n"] == right["n"] and left["body"] == right["body"], "a transaction is torn"
            assert int(left["n"]["N"]) >= number, "an acknowledged transaction is gone"
            assert left["body"]["S"] == left["n"]["N"] * 300
        counter = self.dynamodb.get_item(TableName="table", Key=COUNTER, ConsistentRead=True).get("Item", {"n": {"N": "0"}})
        assert self.counted <= int(counter["n"]["N"]) <= self.counted_tried, "an increment is lost or was done twice"
        rows = self.dynamodb.scan(TableName="table")["Items"]
        for index, attributes in (("local", ("k", "side", "n", "body")), ("global", ("k", "side", "n"))):
            entries = self.dynamodb.scan(TableName="table", IndexName=index)["Items"]
            wanted = [{name: row[name] for name in attributes if name in row} for row in rows]
            assert len(entries) == len(wanted) and all(one in entries for one in wanted), "an index disagrees with its table"
        self.check_stream(rows)
        listed = {one["Key"]: one["Size"] for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket="files") for one in page.get("Contents", ())}
        assert self.objects <= listed.keys(), "an acknowledged object is gone"
        times_of = {key: (1, 2_000, 40_000)[int(key.partition("-")[2]) % 3] for key in listed}
        self.large = sum(times == 40_000 for times in times_of.values())
        for key in sorted(listed)[-9:]:
            times = times_of[key]
            assert self.s3.get_object(Bucket="files", Key=key)["Body"].read() == key.encode() * times, "an object is torn"

    def grow(self, units: int) -> None:
        """More partitions for the table, and so other shards for its stream, while everybody writes."""
        self.dynamodb.update_table(TableName="table", WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": units})

    def check_stream(self, rows: list[dict[str, Any]]) -> None:
        """The stream tells of every change once, each item's in their order, whatever shards they are in, and of nothing else."""
        told: dict[str, list[int]] = {}
        for record in stream_records(self.streams, self.stream):
            image = record["dynamodb"]["NewImage"]
            told.setdefault(f"{image['k']['S']}/{image['side']['S']}", []).append(int(image["n"]["N"]))
        assert {f"{row['k']['S']}/{row['side']['S']}": int(row["n"]["N"]) for row in rows} == {key: numbers[-1] for key, numbers in told.items()}, "a stream disagrees with its table"
        for key, numbers in told.items():
            assert numbers == sorted(set(numbers)), f"changes of {key} are told twice, or in another order"
        counted = told.get("counter/none", [])
        assert counted == list(range(1, len(counted) + 1)), "a change is not told of"

    def drain(self, queue: str, enough: Callable[[list[str]], bool]) -> list[str]:
        """Receive (waiting, never sleeping) and delete until there is enough."""
        found: list[str] = []
        while not enough(found):
            got: list[Any] = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10).get("Messages", [])
            assert got, "messages are missing"
            found += [one["Body"] for one in got]
            self.sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(got)])
        return found


def test_kill_nine_under_load(tmp_path: Path) -> None:
    """Because what was answered was promised."""
    port = free_port()
    chance = Ids(11)
    load = Load(f"http://127.0.0.1:{port}")
    for turn in range(_ROUNDS):
        with Process(tmp_path, port=port) as process:
            if turn == 0:
                load.set_up()
            else:
                load.check()
            if turn in (3, 6, 9):
                load.grow(4_000 + 1_000 * turn)
            load.run(process, 20 + chance.below(150))
            assert "Traceback" not in process.log() and "WARNING" not in process.log()
    with Process(tmp_path, port=port) as process:
        load.check()
        shards = load.streams.describe_stream(StreamArn=load.stream)["StreamDescription"]["Shards"]
        assert len([one for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]) >= 13, "the shards have not split"
        load.drain(load.queue, lambda found: load.messages <= set(found))
        load.drain(load.events, lambda found: load.objects <= uploaded(found))
        assert process.stop() == 0
        assert "Traceback" not in process.log()
    assert len([one for one in (tmp_path / "blobs").rglob("*") if one.is_file()]) == load.large, "a file that no object refers to was left"


def uploaded(messages: list[str]) -> set[str]:
    """The keys that event messages name."""
    return {record["s3"]["object"]["key"] for one in messages for record in json.loads(one).get("Records", ())}
