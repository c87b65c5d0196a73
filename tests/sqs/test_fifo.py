"""FIFO queues: groups, locks, deduplication, receive attempts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sqs.support import bodies, counts, make, receive, refusal
from tests.support.running import Running


def send(sqs: Any, url: str, body: str, group: str = "g", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **{"MessageDeduplicationId": f"{group}-{body}", **more})
    return found


def test_a_group_in_flight_is_locked(sqs: Any) -> None:
    """Because the second message of a group may be handled only after the first."""
    url = make(sqs, ".fifo")
    for body in "abc":
        send(sqs, url, body)
    send(sqs, url, "other", "h")
    [first] = receive(sqs, url, 1)
    assert first["Body"] == "a"
    assert bodies(receive(sqs, url)) == ["other"]
    assert receive(sqs, url) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["b", "c"]


def test_a_group_waits_for_all_of_its_messages(fresh_cloud: Running) -> None:
    """Because order is kept only if the group stays locked until each message in flight was deleted or is back."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    for body in "abc":
        send(sqs, url, body)
    first, second = receive(sqs, url, 2)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert receive(sqs, url) == []
    assert counts(sqs, url) == (2, 1, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["a", "c"]
    fresh_cloud.advance("30s")
    assert bodies(receive(sqs, url, 1)) == ["a"]


def test_sequence_numbers_and_attributes(sqs: Any) -> None:
    """Because a FIFO message tells its place, group and deduplication id."""
    url = make(sqs, ".fifo")
    sent = [send(sqs, url, body, group) for body, group in (("a", "g"), ("b", "h"), ("c", "g"))]
    numbers = [one["SequenceNumber"] for one in sent]
    assert numbers == sorted(numbers)
    assert all(len(number) == 20 for number in numbers)
    found = receive(sqs, url, AttributeNames=["SequenceNumber", "MessageGroupId", "MessageDeduplicationId"])
    assert {one["Body"]: one["Attributes"] for one in found}["c"] == {
        "SequenceNumber": numbers[2],
        "MessageGroupId": "g",
        "MessageDeduplicationId": "g-c",
    }


def test_deduplication_lasts_five_minutes(fresh_cloud: Running) -> None:
    """Because a message sent twice within five minutes is delivered once, even after it was deleted."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    first = send(sqs, url, "a", MessageDeduplicationId="1")
    again = send(sqs, url, "b", "elsewhere", MessageDeduplicationId="1")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    [message] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    fresh_cloud.advance("299s")
    send(sqs, url, "c", MessageDeduplicationId="1")
    assert counts(sqs, url) == (0, 0, 0)
    fresh_cloud.advance("1s")
    send(sqs, url, "d", MessageDeduplicationId="1")
    assert bodies(receive(sqs, url)) == ["d"]


def test_deduplication_by_content(sqs: Any) -> None:
    """Because with ContentBasedDeduplication the body stands for the id, the attributes do not count, and an id given goes before."""
    url = make(sqs, ".fifo", ContentBasedDeduplication="true")
    one = {"DataType": "String", "StringValue": "x"}
    for attributes in ({}, {"a": one}):
        sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="g", MessageAttributes=attributes)
    sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="g", MessageDeduplicationId="own")
    assert counts(sqs, url) == (2, 0, 0)


def test_deduplication_scope(sqs: Any) -> None:
    """Because high throughput FIFO queues compare within a message group only."""
    url = make(sqs, ".fifo", DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in ("g", "h", "g"):
        send(sqs, url, group, group, MessageDeduplicationId="1")
    assert sorted(bodies(receive(sqs, url))) == ["g", "h"]
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DeduplicationScope": "queue"})[0] == "InvalidAttributeValue"


def test_what_a_message_must_have(sqs: Any) -> None:
    """Because without group and deduplication id a FIFO queue can promise nothing; delays belong to the queue."""
    url = make(sqs, ".fifo")
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="1")[:2] == (
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    )
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g")[:2] == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
    assert refusal(send, sqs=sqs, url=url, body="x", DelaySeconds=2)[:2] == (
        "InvalidParameterValue",
        "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
    )
    for bad in ("", "a b", "ü", "x" * 129):
        assert refusal(send, sqs=sqs, url=url, body="x", group=bad)[0] == "InvalidParameterValue"


def test_handles_expire(fresh_cloud: Running) -> None:
    """Because after the visibility time-out another receiver may hold the message, a FIFO queue refuses the old handle."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    send(sqs, url, "a")
    [message] = receive(sqs, url)
    fresh_cloud.advance("30s")
    handle = message["ReceiptHandle"]
    code, text, status = refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle=handle)
    assert (code, status) == ("InvalidParameterValue", 400)
    assert text == f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    assert refusal(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)[0] == "InvalidParameterValue"
    [message] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, url) == (0, 0, 0)


def test_a_delay_holds_for_what_is_there(fresh_cloud: Running) -> None:
    """Because a FIFO queue's delay, changed, holds for messages sent before, too."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo", DelaySeconds=10)
    for body, group in (("a", "g"), ("b", "g"), ("c", "h")):
        send(sqs, url, body, group)
    assert counts(sqs, url) == (0, 0, 3)
    assert receive(sqs, url) == []
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "5"})
    fresh_cloud.advance("5s")
    assert counts(sqs, url) == (3, 0, 0)
    assert sorted(bodies(receive(sqs, url))) == ["a", "b", "c"]


def test_retention(fresh_cloud: Running) -> None:
    """Because the oldest goes first, in flight or not, and its group goes on."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo", MessageRetentionPeriod=60)
    send(sqs, url, "a")
    send(sqs, url, "large" * 2000, "h", MessageDeduplicationId="large")
    receive(sqs, url, 1, VisibilityTimeout=1000)
    fresh_cloud.advance("30s")
    send(sqs, url, "b")
    fresh_cloud.advance("31s")
    assert counts(sqs, url) == (1, 0, 0)
    assert bodies(receive(sqs, url)) == ["b"]


def test_receive_attempts_can_be_repeated(fresh_cloud: Running) -> None:
    """Because whose answer was lost on the way may ask again for the same messages and handles, which hides them anew."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    for body in "ab":
        send(sqs, url, body)
    first = receive(sqs, url, ReceiveRequestAttemptId="try")
    fresh_cloud.advance("20s")
    assert receive(sqs, url) == []
    again = receive(sqs, url, ReceiveRequestAttemptId="try")
    assert [(one["Body"], one["ReceiptHandle"]) for one in again] == [(one["Body"], one["ReceiptHandle"]) for one in first]
    fresh_cloud.advance("20s")
    assert counts(sqs, url) == (0, 2, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again[0]["ReceiptHandle"])
    assert receive(sqs, url, ReceiveRequestAttemptId="try") == []


def test_a_changed_attempt_cannot_be_repeated(sqs: Any) -> None:
    """Because a message whose visibility was changed is no longer as it was given."""
    url = make(sqs, ".fifo")
    send(sqs, url, "a")
    [message] = receive(sqs, url, ReceiveRequestAttemptId="try")
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=100)
    assert receive(sqs, url, ReceiveRequestAttemptId="try") == []


def test_timeout_zero_does_not_lock(sqs: Any) -> None:
    """Because a message that is not hidden locks nothing, and its handle has expired when it arrives."""
    url = make(sqs, ".fifo")
    send(sqs, url, "a")
    [message] = receive(sqs, url, VisibilityTimeout=0)
    assert refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])[0] == "InvalidParameterValue"
    assert bodies(receive(sqs, url)) == ["a"]


def test_in_flight_limit(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because a FIFO queue at its limit gives out nothing, without an error."""
    monkeypatch.setattr("haneul.services.sqs.fifo.IN_FLIGHT_MAX", 1)
    url = make(sqs, ".fifo")
    for group in "gh":
        send(sqs, url, group, group)
    assert len(receive(sqs, url)) == 1
    assert receive(sqs, url) == []


def test_many_groups(sqs: Any) -> None:
    """Because groups without number share a queue, and each keeps its order."""
    url = make(sqs, ".fifo")
    for number in range(30):
        batch = [{"Id": str(i), "MessageBody": str(i), "MessageGroupId": f"g{number}-{i % 5}", "MessageDeduplicationId": f"{number}-{i}"} for i in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=batch)
    seen: dict[str, list[int]] = {}
    while found := receive(sqs, url, AttributeNames=["MessageGroupId"]):
        for message in found:
            seen.setdefault(message["Attributes"]["MessageGroupId"], []).append(int(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert len(seen) == 150
    assert all(numbers == [number, number + 5] for name, numbers in seen.items() for number in [int(name.rpartition("-")[2])])
