"""FIFO topics: order, numbers and deduplication."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.sns import delivery
from haneul.services.sns.records import Topic
from haneul.services.sns.service import Sns
from tests.sns.support import Queue, make_topic, reason, refusal, subscribe
from tests.support.running import Running


def put(sns: Any, topic: str, message: str, group: str = "g", **more: str) -> dict[str, Any]:
    found: dict[str, Any] = sns.publish(TopicArn=topic, Message=message, MessageGroupId=group, **more)
    return found


def test_messages_arrive_in_their_order(cloud: Running, sns: Any) -> None:
    """Because that is what FIFO topics are for: numbers grow, a FIFO queue gets group and deduplication id, and a standard queue the messages."""
    topic = make_topic(sns, ".fifo", ContentBasedDeduplication="true")
    queue, standard = Queue(cloud, ".fifo"), Queue(cloud)
    subscribe(sns, topic, queue)
    subscribe(sns, topic, standard, RawMessageDelivery="true")
    numbers = [int(put(sns, topic, str(number), f"g{number % 2}")["SequenceNumber"]) for number in range(6)]
    batch = [{"Id": str(number), "Message": str(number), "MessageGroupId": "g0"} for number in range(6, 9)]
    numbers += [int(one["SequenceNumber"]) for one in sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=batch)["Successful"]]
    found = queue.take()
    told = [json.loads(one["Body"]) for one in found]
    assert [one["Message"] for one in told if int(one["Message"]) > 5 or int(one["Message"]) % 2 == 0] == ["0", "2", "4", "6", "7", "8"]
    assert [one["Message"] for one in told if one["Message"] in "135"] == ["1", "3", "5"]
    assert numbers == sorted(set(numbers)) and {int(one["SequenceNumber"]) for one in told} == set(numbers) and len(str(numbers[0])) == 20
    groups = {int(message["Message"]): one["Attributes"]["MessageGroupId"] for message, one in zip(told, found, strict=True)}
    assert groups == {number: f"g{number % 2 if number < 6 else 0}" for number in range(9)}
    assert {len(one["Attributes"]["MessageDeduplicationId"]) for one in found} == {64}
    assert sorted(standard.bodies()) == [str(number) for number in range(9)]


def test_what_was_published_is_not_published_again_for_five_minutes(fresh_cloud: Running) -> None:
    """Because a publisher that has got no answer repeats itself; the scope is the topic or the group, and what is over is forgotten."""
    sns = fresh_cloud.client("sns")
    topic, queue = make_topic(sns, ".fifo"), Queue(fresh_cloud, ".fifo")
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    first = put(sns, topic, "one", MessageDeduplicationId="d")
    again = put(sns, topic, "two", "h", MessageDeduplicationId="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"]) and queue.bodies() == ["one"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="FifoThroughputScope", AttributeValue="MessageGroup")
    put(sns, topic, "three", "h", MessageDeduplicationId="e")
    put(sns, topic, "four", "i", MessageDeduplicationId="f")
    put(sns, topic, "five", "h", MessageDeduplicationId="e")
    assert sorted(queue.bodies()) == ["four", "three"]
    store = fresh_cloud.app.cloud.store
    assert len(store.range(b"\x02sns-sent\x00", b"\x02sns-sent\x01")) == 3
    fresh_cloud.advance("5m")
    assert len(store.range(b"\x02sns-sent", b"\x02sns-seny")) == 0
    put(sns, topic, "six", "h", MessageDeduplicationId="e")
    assert queue.bodies() == ["six"]
    assert len(store.range(b"\x02sns-waiting", b"\x02sns-waitinh")) == 0


def test_a_message_that_has_to_wait_keeps_those_behind_it(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because order holds when the queue fails, too: other groups and other subscriptions go on, and a restart loses and repeats nothing."""
    sns = fresh_cloud.client("sns")
    topic = make_topic(sns, ".fifo", ContentBasedDeduplication="true")
    failing, fine = Queue(fresh_cloud, ".fifo"), Queue(fresh_cloud, ".fifo")
    for queue in (failing, fine):
        subscribe(sns, topic, queue, RawMessageDelivery="true")
    call = delivery.call_endpoint

    async def fail(service: Sns, topic: Topic, endpoint: str, operation: str, params: Shape, trace: str) -> None:
        if endpoint == failing.arn and params["MessageGroupId"] == "g":
            raise ServiceError("InternalFailure", "down", 500)
        await call(service, topic, endpoint, operation, params, trace)

    monkeypatch.setattr(delivery, "call_endpoint", fail)
    for message in ("1", "2"):
        put(sns, topic, message)
    put(sns, topic, "other", "h")
    fresh_cloud.advance("30s")
    put(sns, topic, "3")
    assert sorted(fine.bodies()) == ["1", "2", "3", "other"] and failing.bodies() == ["other"]
    fresh_cloud.stop()
    monkeypatch.undo()
    fresh_cloud.start()
    fresh_cloud.advance("1m")
    failing.sqs = fresh_cloud.client("sqs")
    failing.url = failing.sqs.get_queue_url(QueueName=failing.arn.rpartition(":")[2])["QueueUrl"]
    assert failing.bodies() == ["1", "2", "3"]


def test_what_a_fifo_topic_needs(cloud: Running, sns: Any) -> None:
    """Because without a group there is no order, and without an id no deduplication; dead letters of FIFO topics go to FIFO queues."""
    topic = make_topic(sns, ".fifo")
    assert sns.create_topic(Name=topic.rpartition(":")[2], Attributes={"FifoTopic": "true"})["TopicArn"] == topic
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"], shown["FifoThroughputScope"]) == ("true", "false", "Topic")
    needs_group = "The MessageGroupId parameter is required for FIFO topics"
    needs_id = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    assert reason(sns.publish, TopicArn=topic, Message="x") == needs_group
    assert reason(sns.publish, TopicArn=topic, Message="x", MessageGroupId="g") == needs_id
    assert reason(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[{"Id": "a", "Message": "x"}]) == needs_group
    [failed] = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "a", "Message": "x", "MessageGroupId": "g"}])["Failed"]
    assert failed["Message"] == f"Invalid parameter: {needs_id}"
    closed, dead = Queue(cloud, ".fifo", topic="arn:aws:sns:x"), Queue(cloud, ".fifo")
    redrive = json.dumps({"deadLetterTargetArn": Queue(cloud).arn})
    message = "Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic"
    assert reason(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=closed.arn, Attributes={"RedrivePolicy": redrive}) == message
    subscribe(sns, topic, closed, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    put(sns, topic, "lost", MessageDeduplicationId="1")
    assert dead.notified() == ["lost"] and refusal(sns.set_topic_attributes, TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue="{}")[2] == 501
