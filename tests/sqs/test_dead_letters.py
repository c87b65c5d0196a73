"""Dead-letter queues: policies, moving, and moving back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sqs.support import arn, bodies, counts, make, receive, refusal
from tests.support.running import ACCOUNT, REGION, Running


def with_grave(sqs: Any, suffix: str = "", receives: int = 2, **more: Any) -> tuple[str, str]:
    """A queue and its dead-letter queue."""
    grave = make(sqs, suffix)
    policy = {"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": receives}
    return make(sqs, suffix, RedrivePolicy=policy, VisibilityTimeout=0 if not suffix else 1, **more), grave


def bury(sqs: Any, url: str, *texts: str) -> None:
    """Have messages end in the dead-letter queue of a queue that allows one receive."""
    for text in texts:
        sqs.send_message(QueueUrl=url, MessageBody=text)
    while receive(sqs, url):
        pass


def test_dead_after_so_many_receives(fresh_cloud: Running) -> None:
    """Because a message that nobody can handle must not come back for ever; it keeps id, attributes and age, and tells where it is from."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="x" * 5000, MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    sent_at = str(fresh_cloud.clock.now() // 1_000_000)
    fresh_cloud.advance("10s")
    assert len(receive(sqs, url)) == len(receive(sqs, url)) == 1
    assert receive(sqs, url) == []
    assert (counts(sqs, url), counts(sqs, grave)) == ((0, 0, 0), (1, 0, 0))
    [dead] = receive(sqs, grave, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "x" * 5000)
    assert dead["MessageAttributes"]["a"]["StringValue"] == "b"
    assert dead["Attributes"]["SentTimestamp"] == sent_at
    assert dead["Attributes"]["ApproximateReceiveCount"] == "3"
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, url)


def test_age_goes_on_in_the_dead_letter_queue(fresh_cloud: Running) -> None:
    """Because the retention of a standard dead-letter queue counts from the day the message was first sent."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, receives=1)
    sqs.set_queue_attributes(QueueUrl=grave, Attributes={"MessageRetentionPeriod": "7200"})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    fresh_cloud.advance("1h")
    assert len(receive(sqs, url)) == 1
    assert receive(sqs, url) == []
    fresh_cloud.advance("3599s")
    assert counts(sqs, grave) == (1, 0, 0)
    fresh_cloud.advance("2s")
    assert counts(sqs, grave) == (0, 0, 0)


def test_fifo_dead_letters_unlock_their_group(fresh_cloud: Running) -> None:
    """Because the group goes on behind a message that was given up."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, ".fifo", receives=1)
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    assert bodies(receive(sqs, url, 1)) == ["a"]
    fresh_cloud.advance("1s")
    assert bodies(receive(sqs, url, 2)) == ["b"]
    [dead] = receive(sqs, grave, AttributeNames=["All"])
    assert (dead["Body"], dead["Attributes"]["MessageGroupId"], dead["Attributes"]["MessageDeduplicationId"]) == ("a", "g", "a")


def test_without_its_grave_a_message_stays(sqs: Any) -> None:
    """Because a deleted dead-letter queue is no place for a message."""
    url, grave = with_grave(sqs, receives=1)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=grave)
    assert [len(receive(sqs, url)) for _ in range(3)] == [1, 1, 1]


def test_rules_of_the_redrive_policy(cloud: Running, sqs: Any) -> None:
    """Because a dead-letter queue exists, is of the same kind, account and region, and may refuse."""
    url, grave, fifo = make(sqs), make(sqs), make(sqs, ".fifo")
    elsewhere = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:x"
    for target, words in (
        (f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", "Dead letter target does not exist."),
        (elsewhere, "Dead letter target does not exist."),
        (arn(sqs, fifo), "same type"),
    ):
        policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 1})
        code, message, status = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": policy})
        assert (code, status) == ("InvalidParameterValue", 400)
        assert words in message
    for count in (0, 1001, "x", None):
        policy = json.dumps({"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": count})
        assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": policy})[0] == "InvalidParameterValue"
    sound = json.dumps({"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": "3"})
    for allow in ({"redrivePermission": "denyAll"}, {"redrivePermission": "byQueue", "sourceQueueArns": [arn(sqs, fifo)]}):
        sqs.set_queue_attributes(QueueUrl=grave, Attributes={"RedriveAllowPolicy": json.dumps(allow)})
        assert "permission" in refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": sound})[1]
    sqs.set_queue_attributes(
        QueueUrl=grave, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn(sqs, url)]})}
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": sound})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert json.loads(found) == {"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": 3}


def test_sources_of_a_dead_letter_queue(sqs: Any) -> None:
    """Because the list follows the policies of the sources, and ends with them."""
    grave = make(sqs)
    policy = {"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": 1}
    urls = [make(sqs, RedrivePolicy=policy) for _ in range(3)]
    pages = sqs.get_paginator("list_dead_letter_source_queues").paginate(QueueUrl=grave, PaginationConfig={"PageSize": 2})
    assert sorted(url for page in pages for url in page["queueUrls"]) == sorted(urls)
    sqs.set_queue_attributes(QueueUrl=urls[0], Attributes={"RedrivePolicy": ""})
    sqs.delete_queue(QueueUrl=urls[1])
    assert sqs.list_dead_letter_source_queues(QueueUrl=grave)["queueUrls"] == [urls[2]]


def test_redrive_to_the_sources(fresh_cloud: Running) -> None:
    """Because after the fault is mended the messages go back to where they came from, as new ones."""
    sqs = fresh_cloud.client("sqs")
    grave = make(sqs)
    policy = {"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": 1}
    urls = [make(sqs, RedrivePolicy=policy, VisibilityTimeout=0) for _ in range(2)]
    for number, url in enumerate(urls):
        bury(sqs, url, f"{number}-a", f"{number}-b")
    assert counts(sqs, grave) == (4, 0, 0)
    fresh_cloud.advance("1h")
    handle = sqs.start_message_move_task(SourceArn=arn(sqs, grave))["TaskHandle"]
    fresh_cloud.settle()
    [task] = sqs.list_message_move_tasks(SourceArn=arn(sqs, grave))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == ("COMPLETED", 4, 4)
    assert "DestinationArn" not in task
    assert "TaskHandle" not in task
    for number, url in enumerate(urls):
        found = receive(sqs, url, AttributeNames=["All"])
        assert bodies(found) == [f"{number}-a", f"{number}-b"]
        assert {one["Attributes"]["ApproximateReceiveCount"] for one in found} == {"1"}
        assert {one["Attributes"]["SentTimestamp"] for one in found} == {str(fresh_cloud.clock.now() // 1_000_000)}
    assert refusal(sqs.cancel_message_move_task, TaskHandle=handle)[0] == "AWS.SimpleQueueService.UnsupportedOperation"


def test_redrive_at_a_rate(fresh_cloud: Running) -> None:
    """Because a rate protects who receives, and a running task can be stopped but not begun twice."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, receives=1)
    target = make(sqs)
    bury(sqs, url, *map(str, range(10)))
    handle = sqs.start_message_move_task(SourceArn=arn(sqs, grave), DestinationArn=arn(sqs, target), MaxNumberOfMessagesPerSecond=2)["TaskHandle"]
    fresh_cloud.settle()
    assert counts(sqs, target) == (2, 0, 0)
    fresh_cloud.advance("2s")
    assert counts(sqs, target) == (6, 0, 0)
    code, message, status = refusal(sqs.start_message_move_task, SourceArn=arn(sqs, grave))
    assert (code, status) == ("InvalidParameterValue", 400)
    assert message == "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
    [task] = sqs.list_message_move_tasks(SourceArn=arn(sqs, grave))["Results"]
    assert (task["Status"], task["TaskHandle"], task["DestinationArn"], task["MaxNumberOfMessagesPerSecond"]) == ("RUNNING", handle, arn(sqs, target), 2)
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 6
    fresh_cloud.advance("1m")
    assert (counts(sqs, target), counts(sqs, grave)) == ((6, 0, 0), (4, 0, 0))
    assert sqs.list_message_move_tasks(SourceArn=arn(sqs, grave))["Results"][0]["Status"] == "CANCELLED"


def test_redrive_goes_on_after_a_restart(fresh_cloud: Running) -> None:
    """Because a task is a promise in the store: nothing is moved twice and nothing forgotten."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, receives=1)
    bury(sqs, url, *map(str, range(10)))
    sqs.start_message_move_task(SourceArn=arn(sqs, grave), MaxNumberOfMessagesPerSecond=3)
    fresh_cloud.settle()
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.advance("10s")
    sqs = fresh_cloud.client("sqs")
    assert (counts(sqs, url), counts(sqs, grave)) == ((10, 0, 0), (0, 0, 0))


def test_redrive_of_fifo_queues(fresh_cloud: Running) -> None:
    """Because a group's order survives the way back."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, ".fifo", receives=1)
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    receive(sqs, url)
    fresh_cloud.advance("1s")
    assert receive(sqs, url) == []
    sqs.start_message_move_task(SourceArn=arn(sqs, grave))
    fresh_cloud.settle()
    assert bodies(receive(sqs, url)) == list("abc")


def test_redrive_that_fails(fresh_cloud: Running) -> None:
    """Because a task whose messages have no place to go stops, says why, and leaves them where they are."""
    sqs = fresh_cloud.client("sqs")
    url, grave = with_grave(sqs, receives=1)
    target = make(sqs)
    bury(sqs, url, "a", "b", "c")
    sqs.start_message_move_task(SourceArn=arn(sqs, grave), DestinationArn=arn(sqs, target), MaxNumberOfMessagesPerSecond=1)
    fresh_cloud.settle()
    sqs.delete_queue(QueueUrl=target)
    fresh_cloud.advance("1s")
    [task] = sqs.list_message_move_tasks(SourceArn=arn(sqs, grave))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert counts(sqs, grave) == (2, 0, 0)
    sqs.purge_queue(QueueUrl=grave)
    sqs.send_message(QueueUrl=grave, MessageBody="sent here directly")
    fresh_cloud.advance("1s")
    sqs.start_message_move_task(SourceArn=arn(sqs, grave))
    fresh_cloud.settle()
    assert [one["Status"] for one in sqs.list_message_move_tasks(SourceArn=arn(sqs, grave), MaxResults=10)["Results"]] == ["FAILED", "FAILED"]
    assert sqs.list_message_move_tasks(SourceArn=arn(sqs, grave))["Results"][0]["FailureReason"] == "CouldNotDetermineMessageSource"


@pytest.mark.parametrize(
    ("handle", "code"),
    [("x", "InvalidParameterValue"), ("e30=", "InvalidParameterValue"), ("bnVsbA==", "InvalidParameterValue"), ("WyJhIl0=", "InvalidParameterValue")],
)
def test_bad_task_handles(sqs: Any, handle: str, code: str) -> None:
    """Because a handle is one that StartMessageMoveTask gave out."""
    found, message, status = refusal(sqs.cancel_message_move_task, TaskHandle=handle)
    assert (found, message, status) == (code, "Value for parameter TaskHandle is invalid.", 400)


def test_rules_of_move_tasks(sqs: Any) -> None:
    """Because only a dead-letter queue can be a source, and both ends exist."""
    url, grave = with_grave(sqs)
    assert refusal(sqs.start_message_move_task, SourceArn=arn(sqs, url))[:2] == (
        "InvalidParameterValue",
        "Source queue must be configured as a Dead Letter Queue.",
    )
    none = f"arn:aws:sqs:{REGION}:{ACCOUNT}:none"
    assert refusal(sqs.start_message_move_task, SourceArn=none)[::2] == ("ResourceNotFoundException", 404)
    assert refusal(sqs.start_message_move_task, SourceArn=arn(sqs, grave), DestinationArn=none)[::2] == ("ResourceNotFoundException", 404)
    assert refusal(sqs.start_message_move_task, SourceArn=arn(sqs, grave), MaxNumberOfMessagesPerSecond=501)[0] == "InvalidParameterValue"
    assert refusal(sqs.list_message_move_tasks, SourceArn=none)[0] == "ResourceNotFoundException"
