"""Messages on their way to queues."""

from __future__ import annotations

import json
from typing import Any

from tests.sns.support import Queue, make_topic, subscribe
from tests.support.running import Running


def test_a_message_reaches_every_queue_whose_policy_lets_the_topic_in(cloud: Running, sns: Any) -> None:
    """Because a topic is for telling many, and a queue's owner says who may fill it."""
    topic, other = make_topic(sns), make_topic(sns)
    one, two, closed = Queue(cloud), Queue(cloud), Queue(cloud, topic=other)
    for queue in (one, two, closed):
        subscribe(sns, topic, queue)
    sns.publish(TopicArn=topic, Message="hello", Subject="Greeting")
    assert one.notified() == two.notified() == ["hello"]
    assert closed.take() == []


def test_raw_delivery_hands_on_body_and_attributes(cloud: Running, sns: Any) -> None:
    """Because receivers that expect their own format should not have to unwrap another."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=topic, Message=json.dumps({"a": 1}), MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}})
    [found] = queue.take()
    assert found["Body"] == '{"a": 1}' and found["MessageAttributes"]["kind"]["StringValue"] == "x"
