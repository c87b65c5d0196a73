"""Short ways to say what these tests say often."""

from __future__ import annotations

import itertools
import json
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Operation, Shape
from haneul.core.service import Service
from tests.support.running import ACCOUNT, REGION, Running

OTHER = "111122223333"
_numbers = itertools.count()


class Functions(Service):
    """Stands in for Lambda: notes what functions are invoked with. `f` lets SNS in, and `answer` is what happens to an invocation."""

    name: ClassVar[str] = "lambda"
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    closed_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:closed"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.events: list[Any] = []
        self.problem: Exception | None = None
        self.tried_at: list[int] = []

    def resource_policy(self, call: Call, arn: str) -> str | None:
        condition = {"ArnLike": {"AWS:SourceArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:*"}}
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": arn, "Condition": condition}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}) if arn == self.arn else None

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        async def invoke(call: Call, request: Shape) -> Shape:
            self = call.service(cls)
            self.tried_at.append(call.now)
            if self.problem is not None:
                raise self.problem
            assert request["InvocationType"] == "Event"
            self.events.append(json.loads(request["Payload"]))
            return {"StatusCode": 202}

        return {"Invoke": Operation("lambda", "Invoke", invoke, "lambda:InvokeFunction", lambda call, request: str(request["FunctionName"]), None)}


def make_topic(sns: Any, suffix: str = "", **attributes: str) -> str:
    """A new topic's ARN."""
    if suffix == ".fifo":
        attributes = {"FifoTopic": "true", **attributes}
    arn: str = sns.create_topic(Name=f"topic-{next(_numbers)}{suffix}", Attributes=attributes)["TopicArn"]
    return arn


class Queue:
    """A queue that lets SNS in for the topics of this account, or for one topic."""

    def __init__(self, cloud: Running, suffix: str = "", topic: str = f"arn:aws:sns:*:{ACCOUNT}:*", key: str = "test", region: str = REGION, **attributes: str) -> None:
        self.cloud = cloud
        self.sqs = cloud.client("sqs", key=key, region=region)
        if suffix == ".fifo":
            attributes = {"FifoQueue": "true", **attributes}
        self.url = self.sqs.create_queue(QueueName=f"queue-{next(_numbers)}{suffix}", Attributes=attributes)["QueueUrl"]
        self.arn: str = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.allow(topic)

    def allow(self, topic: str) -> None:
        condition = {"ArnLike": {"aws:SourceArn": topic}}
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": self.arn, "Condition": condition}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})

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

    def told(self) -> list[dict[str, Any]]:
        """The notifications that are there."""
        return [json.loads(one) for one in self.bodies()]

    def notified(self) -> list[str]:
        """The messages of the notifications that are there."""
        return [one["Message"] for one in self.told()]


def subscribe(sns: Any, topic: str, queue: Queue, **attributes: str) -> str:
    """The ARN of a queue's subscription."""
    arn: str = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]
    return arn


def policy(topic: str, **statement: Any) -> str:
    """A topic's policy of one statement."""
    whole = {"Effect": "Allow", "Action": "SNS:Publish", "Resource": topic, **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [whole]})


def refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    """Code, message and status of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def reason(call: Any, **params: Any) -> str:
    """What an InvalidParameter complains of."""
    code, message, status = refusal(call, **params)
    assert (code, status) == ("InvalidParameter", 400)
    return message.removeprefix("Invalid parameter: ")


def text(value: str, kind: str = "String") -> dict[str, Any]:
    """A message attribute."""
    return {"DataType": kind, "StringValue": value}
