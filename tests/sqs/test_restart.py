"""What a restart leaves as it was."""

from __future__ import annotations

import asyncio
from typing import Any

from haneul.core.caller import Caller
from haneul.services.sqs.service import Sqs
from haneul.store.keys import unpack
from tests.sqs.support import arn, bodies, counts, make, receive, refusal, until
from tests.support.running import ACCOUNT, REGION, Running

ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)


def restart(cloud: Running) -> Any:
    cloud.stop()
    cloud.start()
    return cloud.client("sqs")


def again(cloud: Running, url: str) -> str:
    """A queue's URL at the new port."""
    return f"{cloud.endpoint}/{ACCOUNT}/{url.rpartition('/')[2]}"


def test_messages_states_and_handles_survive(fresh_cloud: Running) -> None:
    """Because an acknowledged message is on the disk, with its time-out, its count and its order."""
    sqs = fresh_cloud.client("sqs")
    url, fifo = make(sqs), make(sqs, ".fifo")
    for body in ("taken", "kept", "large" * 2000):
        sqs.send_message(QueueUrl=url, MessageBody=body)
        sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body[:9])
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=60)
    [taken], [first] = receive(sqs, url, 1), receive(sqs, fifo, 1)
    sqs = restart(fresh_cloud)
    url, fifo = again(fresh_cloud, url), again(fresh_cloud, fifo)
    assert (counts(sqs, url), counts(sqs, fifo)) == ((2, 1, 1), (2, 1, 0))
    assert bodies(receive(sqs, url)) == ["kept", "large" * 2000]
    assert receive(sqs, fifo) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    sqs.send_message(QueueUrl=fifo, MessageBody="kept", MessageGroupId="g", MessageDeduplicationId="kept")
    assert bodies(receive(sqs, fifo)) == ["kept", "large" * 2000]
    fresh_cloud.advance("61s")
    assert counts(sqs, url) == (3, 0, 0)


def test_timers_survive(fresh_cloud: Running) -> None:
    """Because retention, the blocked name and the minute between purges are times, not timers in a process."""
    sqs = fresh_cloud.client("sqs")
    url, gone = make(sqs, MessageRetentionPeriod=60), make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=gone)
    sqs = restart(fresh_cloud)
    name = gone.rpartition("/")[2]
    assert refusal(sqs.create_queue, QueueName=name)[0] == "AWS.SimpleQueueService.QueueDeletedRecently"
    fresh_cloud.advance("61s")
    sqs.create_queue(QueueName=name)
    store = fresh_cloud.app.cloud.store

    async def messages() -> int:
        return sum(1 for key, _ in store.range(b"\x02", b"\x03") if unpack(key)[0] == "sqs-data" and "v" in unpack(key))

    assert fresh_cloud.run(messages()) == 0


def test_who_waits_after_a_restart_is_woken(fresh_cloud: Running) -> None:
    """Because the first receive sets the alarm for messages that become visible later."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=5)
    restart(fresh_cloud)
    waiters = fresh_cloud.app.cloud.service(Sqs).waiters

    async def poll() -> Any:
        request = {"QueueUrl": url, "WaitTimeSeconds": 20}
        return await fresh_cloud.app.cloud.invoke("sqs:ReceiveMessage", request, caller=ROOT, region=REGION)

    answer = asyncio.run_coroutine_threadsafe(poll(), fresh_cloud._loop)

    fresh_cloud.run(until(lambda: waiters._lines))
    fresh_cloud.advance("5s")
    assert bodies(answer.result(10)["Messages"]) == ["x"]


def test_reset_forgets_everything(fresh_cloud: Running) -> None:
    """Because after a reset the cloud is as new, and works."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    fresh_cloud.run(fresh_cloud.app.reset())
    assert "QueueUrls" not in sqs.list_queues()
    assert refusal(sqs.receive_message, QueueUrl=url)[0] == "AWS.SimpleQueueService.NonExistentQueue"
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="y")
    assert (bodies(receive(sqs, url)), arn(sqs, url)[:11]) == (["y"], "arn:aws:sqs")
