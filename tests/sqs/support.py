"""Short ways to say what these tests say often."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

_numbers = itertools.count()


def make(sqs: Any, suffix: str = "", **attributes: Any) -> str:
    """A new queue's URL; attributes that are dicts become JSON."""
    if suffix == ".fifo":
        attributes = {"FifoQueue": "true", **attributes}
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in attributes.items()}
    url: str = sqs.create_queue(QueueName=f"queue-{next(_numbers)}{suffix}", Attributes=texts)["QueueUrl"]
    return url


def arn(sqs: Any, url: str) -> str:
    found: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return found


def receive(sqs: Any, url: str, count: int = 10, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count, **more).get("Messages", [])
    return found


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    """Visible, in flight, delayed."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    ends = ("", "NotVisible", "Delayed")
    return tuple(int(found[f"ApproximateNumberOfMessages{end}"]) for end in ends)  # type: ignore[return-value]


def refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    """Code, message and status of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


async def until(condition: Any) -> None:
    """Let the loop run until something holds."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")
