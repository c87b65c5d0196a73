"""Short ways to say what these tests say often."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import ACCOUNT, Running

_numbers = itertools.count()


def make_topic(sns: Any, suffix: str = "", **attributes: str) -> str:
    """A new topic's ARN."""
    if suffix == ".fifo":
        attributes = {"FifoTopic": "true", **attributes}
    arn: str = sns.create_topic(Name=f"topic-{next(_numbers)}{suffix}", Attributes=attributes)["TopicArn"]
    return arn


class Queue:
    """A queue that lets SNS in for the topics of its account, or of one topic."""

    def __init__(self, cloud: Running, suffix: str = "", topic: str = f"arn:aws:sns:*:{ACCOUNT}:*", **attributes: str) -> None:
        self.cloud = cloud
        self.sqs = cloud.client("sqs")
        if suffix == ".fifo":
            attributes = {"FifoQueue": "true", **attributes}
        self.url = self.sqs.create_queue(QueueName=f"queue-{next(_numbers)}{suffix}", Attributes=attributes)["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.allow(topic)

    def allow(self, topic: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": self.arn}
        condition = {"ArnLike": {"aws:SourceArn": topic}}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]})})

    def take(self) -> list[dict[str, Any]]:
        """All messages that are there, once everything under way has arrived."""
        self.cloud.settle()
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages"):
            found += messages
            for one in messages:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return found

    def bodies(self) -> list[str]:
        return [one["Body"] for one in self.take()]

    def notified(self) -> list[str]:
        """The messages of the notifications that are there."""
        return [json.loads(one)["Message"] for one in self.bodies()]


def subscribe(sns: Any, topic: str, queue: Queue, **attributes: str) -> str:
    """The ARN of a queue's subscription."""
    arn: str = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]
    return arn


def refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    """Code, message and status of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]
