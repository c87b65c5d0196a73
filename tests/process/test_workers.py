"""`haneul start --workers 2`: two processes answer requests, and nobody can tell but by the speed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.process.haneul_process import Process, client, command
from tests.support.linearizability import Event, linearizable

pytestmark = pytest.mark.process

# Each has a connection of its own, and the kernel deals connections out by chance: with so many, both processes get some.
CLIENTS = 12


def make_table(process: Process, name: str, **more: Any) -> None:
    dynamodb = process.client("dynamodb")
    given = {"BillingMode": "PAY_PER_REQUEST"} | more
    dynamodb.create_table(TableName=name, KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}], **given)
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def clients(process: Process, service: str = "dynamodb", **config: Any) -> list[Any]:
    return [process.client(service, **config) for _ in range(CLIENTS)]


def readers(process: Process) -> list[int]:
    """Ids of the processes that only read."""
    found = subprocess.run(["pgrep", "-P", str(process.popen.pid), "-f", "haneul reader"], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def until(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives, as soon as it gives anything."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"in vain: {what}")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("workers") / "data", "--workers", "2", "--capacity", "unlimited") as process:
        assert len(readers(process)) == 1
        yield process
        assert process.stop() == 0
        assert process.log() == ""


def test_the_second_process_answers_by_itself(cloud: Process) -> None:
    """While the first one stands still, some clients get their items, and some wait."""
    make_table(cloud, "alone")
    everybody = clients(cloud, read_timeout=2)
    everybody[0].put_item(TableName="alone", Item={"k": {"S": "a"}, "v": {"N": "1"}})
    for one in everybody:
        one.get_item(TableName="alone", Key={"k": {"S": "a"}})
    answers: list[bool] = []

    def ask(one: Any) -> None:
        try:
            answers.append(one.get_item(TableName="alone", Key={"k": {"S": "a"}})["Item"]["v"]["N"] == "1")
        except ReadTimeoutError:
            answers.append(False)

    cloud.popen.send_signal(signal.SIGSTOP)
    try:
        asking = [threading.Thread(target=ask, args=(one,)) for one in everybody]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        cloud.popen.send_signal(signal.SIGCONT)
    assert set(answers) == {True, False}


def test_every_read_shows_the_last_write(cloud: Process) -> None:
    """Whoever wrote it, over whichever connection: items, pages and batches."""
    make_table(cloud, "latest", SSESpecification={"Enabled": True})  # Both processes open what is sealed.
    everybody = clients(cloud)
    for number in range(36):
        item = {"k": {"S": "a"}, "v": {"N": str(number)}}
        everybody[number % CLIENTS].put_item(TableName="latest", Item=item)
        for at, one in enumerate(everybody):
            found = (
                one.get_item(TableName="latest", Key={"k": {"S": "a"}})["Item"],
                one.query(TableName="latest", KeyConditionExpression="k = :k", ExpressionAttributeValues={":k": {"S": "a"}})["Items"][0],
                one.scan(TableName="latest")["Items"][0],
                one.batch_get_item(RequestItems={"latest": {"Keys": [{"k": {"S": "a"}}]}})["Responses"]["latest"][0],
            )[(number + at) % 4]
            assert found == item


def test_histories_over_both_processes(cloud: Process) -> None:
    """Reads and writes of many clients at once, on two items: some order explains every answer."""
    make_table(cloud, "history")
    events: dict[str, list[Event]] = {"k0": [], "k1": []}
    moments = itertools.count()

    def act(one: Any, choose: random.Random) -> None:
        for _ in range(40):
            key, value = f"k{choose.randrange(2)}", choose.randrange(1, 4)
            place = {"TableName": "history", "Key": {"k": {"S": key}}}
            operation = choose.choice(["read", "read", "read", "put", "add"])
            began = next(moments)
            if operation == "read":
                found = one.get_item(**place, ConsistentRead=True).get("Item")
                event = ("read", None, int(found["v"]["N"]) if found else None)
            elif operation == "put":
                old = one.put_item(TableName="history", Item={**place["Key"], "v": {"N": str(value)}}, ReturnValues="ALL_OLD").get("Attributes")
                event = ("put", value, int(old["v"]["N"]) if old else None)
            else:
                new = one.update_item(**place, UpdateExpression="ADD v :v", ExpressionAttributeValues={":v": {"N": str(value)}}, ReturnValues="ALL_NEW")
                event = ("add", value, int(new["Attributes"]["v"]["N"]))
            events[key].append(Event(began, next(moments), *event))

    acting = [threading.Thread(target=act, args=(one, random.Random(at))) for at, one in enumerate(clients(cloud)[:8])]
    for thread in acting:
        thread.start()
    for thread in acting:
        thread.join()
    assert sum(len(found) for found in events.values()) == 320
    for found in events.values():
        assert linearizable(found)


def test_tables_that_come_and_go(cloud: Process) -> None:
    """A table that is deleted is gone everywhere, and one that takes its name does not have its items."""
    everybody = clients(cloud)
    for turn in range(2):
        make_table(cloud, "again")
        for one in everybody:
            assert "Item" not in one.get_item(TableName="again", Key={"k": {"S": "a"}})
        everybody[turn].put_item(TableName="again", Item={"k": {"S": "a"}})
        for one in everybody:
            assert "Item" in one.get_item(TableName="again", Key={"k": {"S": "a"}})
        everybody[2].delete_table(TableName="again")
        everybody[2].get_waiter("table_not_exists").wait(TableName="again", WaiterConfig={"Delay": 1})
        for one in everybody:
            with pytest.raises(ClientError, match="ResourceNotFoundException"):
                one.get_item(TableName="again", Key={"k": {"S": "a"}})


def test_permissions_change_for_all_at_once(cloud: Process) -> None:
    """A user's policy counts in both processes as soon as it was answered; so does its end, and that of the key. The key's last use is known."""
    make_table(cloud, "guarded")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = [client("dynamodb", cloud.endpoint, keys=(key["AccessKeyId"], key["SecretAccessKey"])) for _ in range(CLIENTS)]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}
    for _ in range(3):
        for one in theirs:
            with pytest.raises(ClientError, match="AccessDenied"):
                one.get_item(TableName="guarded", Key={"k": {"S": "a"}})
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(policy))
        for one in theirs:
            one.get_item(TableName="guarded", Key={"k": {"S": "a"}})
        iam.delete_user_policy(UserName="u", PolicyName="p")
    until(lambda: iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"].get("ServiceName") == "dynamodb", "the key's last use")
    iam.update_access_key(UserName="u", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    for one in theirs:
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            one.get_item(TableName="guarded", Key={"k": {"S": "a"}})


def test_time_passes_for_all(cloud: Process) -> None:
    """When the clock is moved, sessions end in both processes."""
    make_table(cloud, "timed")
    session = cloud.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    keys = (session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    theirs = [client("dynamodb", cloud.endpoint, keys=keys) for _ in range(CLIENTS)]
    for one in theirs:
        one.get_item(TableName="timed", Key={"k": {"S": "a"}})
    assert command("clock", "advance", "16m", "--endpoint", cloud.endpoint, data_dir=cloud.data_dir).returncode == 0
    for one in theirs:
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            one.get_item(TableName="timed", Key={"k": {"S": "a"}})


def test_everything_is_counted_once(cloud: Process) -> None:
    """Consumed capacity and latencies in CloudWatch are those of both processes together, each request with its own cost."""
    make_table(cloud, "counted")
    everybody = clients(cloud)
    everybody[0].put_item(TableName="counted", Item={"k": {"S": "a"}, "v": {"S": "x" * 5_000}})
    for one in everybody:
        one.get_item(TableName="counted", Key={"k": {"S": "a"}}, ConsistentRead=True)
        one.get_item(TableName="counted", Key={"k": {"S": "none"}})
    cloudwatch = cloud.client("cloudwatch")

    def total(metric: str, dimensions: dict[str, str], statistic: str) -> float:
        now = float(json.loads(command("clock", "--endpoint", cloud.endpoint, data_dir=cloud.data_dir).stdout)["now"])
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/DynamoDB",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=60,
            Statistics=[statistic],
        )
        return float(sum(point[statistic] for point in found["Datapoints"]))

    of_table = {"TableName": "counted"}
    until(lambda: total("ConsumedReadCapacityUnits", of_table, "SampleCount") == 2 * CLIENTS, "all reads in CloudWatch")
    assert total("ConsumedReadCapacityUnits", of_table, "Sum") == CLIENTS * 2.5
    assert total("SuccessfulRequestLatency", of_table | {"Operation": "GetItem"}, "SampleCount") == 2 * CLIENTS


def test_everything_else_is_passed_on(cloud: Process) -> None:
    """Other services over whichever connection: large bodies both ways, heads without bodies, errors, long polls, one connection for all of it."""
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    s3.create_bucket(Bucket="files")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    large = os.urandom(7 << 20)
    for at, one in enumerate(clients(cloud, "s3")):
        one.put_object(Bucket="files", Key=f"k{at}", Body=large[: 1 + (at << 19)])
        assert one.head_object(Bucket="files", Key=f"k{at}")["ContentLength"] == 1 + (at << 19)
        assert one.get_object(Bucket="files", Key=f"k{at}")["Body"].read() == large[: 1 + (at << 19)]
        assert one.get_object(Bucket="files", Key=f"k{at}", Range="bytes=0-0")["Body"].read() == large[:1]
        with pytest.raises(ClientError, match="NoSuchKey"):
            one.get_object(Bucket="files", Key="none")
        with pytest.raises(ClientError, match="404"):
            one.head_object(Bucket="files", Key="none")
        one.delete_object(Bucket="files", Key=f"k{at}")
    waiting = clients(cloud, "sqs")[:4]
    got: list[str] = []
    polls = [threading.Thread(target=lambda one=one: got.extend(m["Body"] for m in one.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", []))) for one in waiting]
    for poll in polls:
        poll.start()
    for at in range(len(polls)):
        sqs.send_message(QueueUrl=queue, MessageBody=f"m{at}")
    for poll in polls:
        poll.join()
    assert sorted(got) == ["m0", "m1", "m2", "m3"]


def test_a_client_that_goes_away_takes_its_poll_with_it(cloud: Process) -> None:
    """A message is not handed to somebody who no longer listens, over whichever process he had asked."""
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="gone")["QueueUrl"]
    leaving = clients(cloud, "sqs", read_timeout=1)

    def leave(one: Any) -> None:
        with pytest.raises(ReadTimeoutError):
            one.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        one.close()

    threads = [threading.Thread(target=leave, args=(one,)) for one in leaving]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.Event().wait(1)
    sqs.send_message(QueueUrl=queue, MessageBody="for those who are there")
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]] == ["for those who are there"]


def raw(process: Process, data: bytes, *, half_closed: bool = False) -> bytes:
    """What a fresh connection is answered."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as connection:
        connection.sendall(data)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(65_536)


def test_what_only_processes_may_say(cloud: Process) -> None:
    """Nobody else reports what was read, or says who the client is, over whichever process he asks."""
    make_table(cloud, "forged")
    charge = ("000000000000", "us-east-1", "forged", "x", "", b"x", [(10**9, 1)])
    body = msgspec.msgpack.encode({"usage": [], "metrics": [], "services": {"dynamodb": {"charges": [charge], "wanted": [charge[:3]]}}})
    for _ in range(CLIENTS):
        for more in (b"", b"x-haneul-secret: \r\n", b"x-haneul-client: 127.0.0.1 1\r\n"):
            head = b"POST /_workers/report HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n" % (more, len(body))
            assert raw(cloud, head + body).startswith((b"HTTP/1.1 405", b"HTTP/1.1 403"))


def test_bursts_half_closed_clients_and_refused_bodies(cloud: Process) -> None:
    """Each of very many connections gets its answer; so does who sends no more; and who waits for leave to send a body is told no before."""
    cloud.client("s3").create_bucket(Bucket="bursts")
    health = b"GET /_haneul/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    many = [socket.create_connection(("127.0.0.1", cloud.port), timeout=20) for _ in range(400)]
    for one in many:
        one.sendall(health)
    assert all(one.recv(100).startswith(b"HTTP/1.1 200") for one in many)
    for one in many:
        one.close()
    put = b"PUT /none/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n"
    for _ in range(CLIENTS):
        assert raw(cloud, health, half_closed=True).startswith(b"HTTP/1.1 200")
        refused = raw(cloud, put)
        assert refused.startswith((b"HTTP/1.1 403", b"HTTP/1.1 404")) and b"Connection: close" in refused


def test_reset(cloud: Process) -> None:
    """After a reset there is nothing in either process."""
    make_table(cloud, "wiped")
    everybody = clients(cloud)
    for one in everybody:
        one.get_item(TableName="wiped", Key={"k": {"S": "a"}})
    assert command("reset", "--yes", "--endpoint", cloud.endpoint, data_dir=cloud.data_dir).returncode == 0
    for one in everybody:
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            one.get_item(TableName="wiped", Key={"k": {"S": "a"}})


def test_limits_are_the_same(tmp_path: Path) -> None:
    """A table of five units serves its burst and no more, whichever process is asked; one on demand is served by both."""
    with Process(tmp_path / "data", "--workers", "2") as process:
        make_table(process, "small", BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
        everybody = clients(process)
        everybody[0].put_item(TableName="small", Item={"k": {"S": "a"}, "v": {"S": "x" * 380_000}})  # 93 units a read.
        began = time.monotonic()
        served, refused = 0, 0
        for _ in range(4):
            for one in everybody:
                try:
                    one.get_item(TableName="small", Key={"k": {"S": "a"}}, ConsistentRead=True)
                    served += 1
                except ClientError as error:
                    assert error.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
                    refused += 1
        afforded = (300 * 5 + 5 * (time.monotonic() - began)) / 93
        assert served <= afforded + 1
        assert refused >= 4 * CLIENTS - afforded - 1
        make_table(process, "plenty")
        both = {"plenty": {"Keys": [{"k": {"S": "a"}}]}, "small": {"Keys": [{"k": {"S": "b"}}]}}
        asked = 0
        for one in everybody * 4:
            one.get_item(TableName="plenty", Key={"k": {"S": "a"}})
            with contextlib.suppress(ClientError):  # What cannot be had of the small table does not count for the other.
                one.batch_get_item(RequestItems=both)
            asked += 2
        cloudwatch, now = process.client("cloudwatch"), time.time()
        place = {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedReadCapacityUnits", "Dimensions": [{"Name": "TableName", "Value": "plenty"}]}

        def samples() -> float:
            found = cloudwatch.get_metric_statistics(**place, StartTime=now - 600, EndTime=now + 600, Period=60, Statistics=["SampleCount"])
            return float(sum(point["SampleCount"] for point in found["Datapoints"]))

        until(lambda: samples() >= asked, "all that was read")
        assert samples() == asked


def test_who_dies(tmp_path: Path) -> None:
    """A process that only reads is replaced, with nothing lost; when the one that writes is killed the others end, and the next start finds everything."""
    with Process(tmp_path / "data", "--workers", "3", "--capacity", "unlimited") as process:
        make_table(process, "kept")
        process.client("dynamodb").put_item(TableName="kept", Item={"k": {"S": "a"}})
        first = readers(process)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(found := set(readers(process)) - {first[0]}) == 2 and found, "another process in the place of the dead one")
        for one in clients(process):
            assert until(lambda one=one: _item_or_none(one), "an item") == {"k": {"S": "a"}}
        left = readers(process)
        process.kill()
        until(lambda: not any(_is_running(one) for one in left), "the end of those who read")
    with Process(tmp_path / "data", "--workers", "2", "--capacity", "unlimited") as process:
        assert _item_or_none(process.client("dynamodb")) == {"k": {"S": "a"}}
        assert process.stop() == 0
    assert not (tmp_path / "data" / "workers.sock").exists()


def _item_or_none(one: Any) -> Any:
    try:
        return one.get_item(TableName="kept", Key={"k": {"S": "a"}}).get("Item")
    except Exception:  # Connections to the process that was killed.
        return None


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_bad_numbers(tmp_path: Path) -> None:
    """How many there can be is said before anything starts."""
    for number in ("0", "65", "-1"):
        found = command("start", "--workers", number, data_dir=tmp_path / "data")
        assert found.returncode != 0
        assert "--workers takes a number from 1 to 64" in found.stderr
    assert not (tmp_path / "data").exists()
