"""What several tests of CloudWatch Logs need."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from tests.support.running import Running


def now_ms(cloud: Running) -> int:
    return cloud.clock.now() // 1_000_000


def make_stream(client: Any, group: str, stream: str = "s") -> None:
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName=stream)


def put(client: Any, group: str, stream: str, *events: tuple[int, str]) -> dict[str, Any]:
    return client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at, "message": text} for at, text in events])


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def error_of(call: Any, **params: Any) -> tuple[str, str]:
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError("the call succeeded")
