"""Long polling: receivers that wait, who is woken, and who is not."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from haneul.core.caller import Caller
from haneul.services.sqs.service import Sqs
from tests.sqs.support import bodies, counts, make, receive, until
from tests.support.running import ACCOUNT, REGION, Running
from tests.support.stores import Overlaid

ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)


def service(cloud: Running) -> Sqs:
    return cloud.app.cloud.service(Sqs)


def waiting(cloud: Running, count: int) -> None:
    """Wait until so many receivers stand in line."""
    line = service(cloud).waiters._lines
    cloud.run(until(lambda: sum(map(len, line.values())) == count))


class Poller:
    """Receivers that wait, in the cloud's own loop."""

    def __init__(self, cloud: Running, url: str) -> None:
        self._cloud, self._url = cloud, url

    def begin(self, count: int = 1, **more: Any) -> list[Future[Any]]:
        async def poll() -> list[str]:
            request = {"QueueUrl": self._url, "WaitTimeSeconds": 20, **more}
            found = await self._cloud.app.cloud.invoke("sqs:ReceiveMessage", request, caller=ROOT, region=REGION)
            return bodies(found.get("Messages", []))

        return [asyncio.run_coroutine_threadsafe(poll(), self._cloud._loop) for _ in range(count)]


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_woken_the_moment_a_message_comes(fresh_cloud: Running, suffix: str) -> None:
    """Because long polling is there to be as fast as being called; the clock does not move in this test."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, suffix)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(fresh_cloud.client("sqs", max_pool_connections=11).receive_message, QueueUrl=url, WaitTimeSeconds=20)
        waiting(fresh_cloud, 1)
        sqs.send_message(QueueUrl=url, MessageBody="x", **({"MessageGroupId": "g", "MessageDeduplicationId": "1"} if suffix else {}))
        assert bodies(answer.result(10)["Messages"]) == ["x"]


def test_time_out(fresh_cloud: Running) -> None:
    """Because after the wait time the answer is an empty one; the queue's own wait time holds where the request has none."""
    sqs = fresh_cloud.client("sqs")
    poller = Poller(fresh_cloud, make(sqs, ReceiveMessageWaitTimeSeconds=5))
    [default], [own] = poller.begin(WaitTimeSeconds=None), poller.begin(WaitTimeSeconds=7)
    waiting(fresh_cloud, 2)
    fresh_cloud.advance("5s")
    assert default.result(10) == []
    assert not own.done()
    fresh_cloud.advance("2s")
    assert own.result(10) == []
    waiting(fresh_cloud, 0)


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_woken_when_a_message_becomes_visible(fresh_cloud: Running, suffix: str) -> None:
    """Because delays and visibility time-outs end by time alone, without a request."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, suffix, DelaySeconds=5, VisibilityTimeout=10)
    sqs.send_message(QueueUrl=url, MessageBody="x", **({"MessageGroupId": "g", "MessageDeduplicationId": "1"} if suffix else {}))
    for pause in ("5s", "10s"):
        [answer] = Poller(fresh_cloud, url).begin()
        waiting(fresh_cloud, 1)
        fresh_cloud.advance(pause)
        assert answer.result(10) == ["x"]


def test_woken_by_a_message_given_back_or_dead(fresh_cloud: Running) -> None:
    """Because a message becomes visible in its dead-letter queue, or again in its own, in the transaction that puts it there."""
    sqs = fresh_cloud.client("sqs")
    grave = make(sqs)
    grave_arn = sqs.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = make(sqs, RedrivePolicy={"deadLetterTargetArn": grave_arn, "maxReceiveCount": 2})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    [again] = Poller(fresh_cloud, url).begin(VisibilityTimeout=0)
    [dead] = Poller(fresh_cloud, grave).begin()
    waiting(fresh_cloud, 2)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert again.result(10) == ["x"]
    assert receive(sqs, url) == []
    assert dead.result(10) == ["x"]


def test_a_deleted_message_unlocks_its_group_for_who_waits(fresh_cloud: Running) -> None:
    """Because the next message of a group is deliverable the moment the one before it is gone."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    [first] = receive(sqs, url, 1)
    [answer] = Poller(fresh_cloud, url).begin()
    waiting(fresh_cloud, 1)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert answer.result(10) == ["b"]


def test_one_message_wakes_one(fresh_cloud: Running) -> None:
    """Because a thousand receivers must not all run for one message; several messages wake several."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    answers = Poller(fresh_cloud, url).begin(1000)
    waiting(fresh_cloud, 1000)
    sqs.send_message(QueueUrl=url, MessageBody="one")
    waiting(fresh_cloud, 999)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(10)])
    waiting(fresh_cloud, 989)
    fresh_cloud.run(until(lambda: sum(answer.done() for answer in answers) == 11))
    fresh_cloud.advance("20s")
    assert sorted(body for answer in answers for body in answer.result(10)) == sorted(["one", *map(str, range(10))])


def test_waiting_costs_nothing(fresh_cloud: Running) -> None:
    """Because idle receivers of many queues stand in line and do nothing: the store is not asked."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    Poller(fresh_cloud, url).begin(50)
    waiting(fresh_cloud, 50)
    store = fresh_cloud.app.cloud.store
    asked: list[int] = []

    async def counted(work: Any) -> Any:
        asked.append(1)
        return await store.transact(work)

    fresh_cloud.app.cloud.store = Overlaid(store, transact=counted)  # type: ignore[assignment]
    fresh_cloud.advance("15s")
    fresh_cloud.app.cloud.store = store
    assert len(asked) <= 1  # The usage record.
    fresh_cloud.advance("5s")


def test_a_client_that_left_gets_nothing(fresh_cloud: Running) -> None:
    """Because a message handed to a connection that is closed would be hidden from all for nothing."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    raw = _signed_receive(sqs, url)
    [known] = fresh_cloud.app.server.connections
    with socket.create_connection(("127.0.0.1", fresh_cloud.port)) as connection:
        connection.sendall(raw)
        waiting(fresh_cloud, 1)
        [polling] = fresh_cloud.app.server.connections - {known}
        request = polling._current
    fresh_cloud.run(until(lambda: request.disconnected))
    sqs.send_message(QueueUrl=url, MessageBody="x")
    waiting(fresh_cloud, 0)
    assert counts(sqs, url) == (1, 0, 0)


def _signed_receive(sqs: Any, url: str) -> bytes:
    """The bytes of a signed ReceiveMessage that waits, without a client to wait for the answer."""
    captured: list[Any] = []

    def keep(request: Any, **_: Any) -> Any:
        captured.append(request)
        raise InterruptedError

    sqs.meta.events.register("before-send.sqs.ReceiveMessage", keep)
    with pytest.raises(InterruptedError):
        sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    sqs.meta.events.unregister("before-send.sqs.ReceiveMessage", keep)
    request = captured[0]
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    host = request.url.split("/")[2]
    values = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    values.setdefault("Host", host)
    values["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def test_stopping_does_not_wait_for_receivers(fresh_cloud: Running) -> None:
    """Because a cloud that stops answers those who wait, empty-handed, at once."""
    url = make(fresh_cloud.client("sqs"))
    [answer] = Poller(fresh_cloud, url).begin()
    waiting(fresh_cloud, 1)
    fresh_cloud.run(service(fresh_cloud).stop())
    assert answer.result(10) == []


def test_the_topic_tells_of_visible_messages(fresh_cloud: Running) -> None:
    """Because event source mappings follow a queue by the topic `queue:<arn>`."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    cloud = fresh_cloud.app.cloud

    def follow() -> Future[bool]:
        following: Future[bool] = asyncio.run_coroutine_threadsafe(cloud.signals.wait(f"queue:{arn}", cloud.clock, 10**12), fresh_cloud._loop)
        fresh_cloud.run(until(lambda: f"queue:{arn}" in cloud.signals._waiting))  # type: ignore[attr-defined]
        return following

    heard = follow()
    sqs.send_message(QueueUrl=url, MessageBody="now")
    assert heard.result(10)
    receive(sqs, url, VisibilityTimeout=30)
    heard = follow()
    fresh_cloud.advance("30s")
    assert heard.result(10)
