"""The batch operations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sqs.support import bodies, counts, make, receive, refusal
from tests.support.running import Running


def entries(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [{"Id": str(number), "MessageBody": text, **more} for number, text in enumerate(texts)]


def test_send_receive_change_delete(sqs: Any) -> None:
    """Because ten messages in one request are cheaper than ten requests."""
    url = make(sqs)
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries(*map(str, range(10))))
    assert [one["Id"] for one in sent["Successful"]] == [str(number) for number in range(10)]
    assert "Failed" not in sent
    taken = receive(sqs, url)
    assert bodies(taken) == [str(number) for number in range(10)]
    handles = [{"Id": f"h{number}", "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(taken)]
    changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{**one, "VisibilityTimeout": 0} for one in handles[:5]])
    assert len(changed["Successful"]) == 5
    assert counts(sqs, url) == (5, 5, 0)
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=handles)["Successful"]) == 10
    assert counts(sqs, url) == (0, 0, 0)


def test_each_entry_succeeds_or_fails_for_itself(sqs: Any) -> None:
    """Because one bad message must not hold up nine good ones."""
    url = make(sqs)
    batch = [
        {"Id": "good", "MessageBody": "x"},
        {"Id": "late", "MessageBody": "x", "DelaySeconds": 901},
        {"Id": "bad", "MessageBody": "\x00"},
        {"Id": "typed", "MessageBody": "x", "MessageAttributes": {"a": {"DataType": "T", "StringValue": "x"}}},
    ]
    found = sqs.send_message_batch(QueueUrl=url, Entries=batch)
    assert [one["Id"] for one in found["Successful"]] == ["good"]
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in found["Failed"]] == [
        ("late", "InvalidParameterValue", True),
        ("bad", "InvalidMessageContents", True),
        ("typed", "InvalidParameterValue", True),
    ]
    [message] = receive(sqs, url)
    handles = [{"Id": "real", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "forged", "ReceiptHandle": "x"}]
    changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{**one, "VisibilityTimeout": 5} for one in handles])
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    for outcome in (changed, deleted):
        assert [one["Id"] for one in outcome["Successful"]] == ["real"]
        assert [(one["Id"], one["Code"]) for one in outcome["Failed"]] == [("forged", "ReceiptHandleIsInvalid")]


@pytest.mark.parametrize(
    ("batch", "code", "words"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."),
        (entries(*"x" * 11), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."),
        ([{"Id": "a b", "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "at most 80 letters long"),
        ([{"Id": "", "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "at most 80 letters long"),
        ([{"Id": "a" * 81, "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "at most 80 letters long"),
        (
            entries("x" * 1_048_575, "xx"),
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577",
        ),
    ],
)
def test_what_spoils_a_whole_batch(sqs: Any, batch: list[dict[str, Any]], code: str, words: str) -> None:
    """Because a batch has one to ten entries with distinct ids and together 1 MiB."""
    url = make(sqs)
    found, message, status = refusal(sqs.send_message_batch, QueueUrl=url, Entries=batch)
    assert (found, status) == (code, 400)
    assert words in message
    assert counts(sqs, url) == (0, 0, 0)


def test_fifo_batches_keep_their_order(sqs: Any) -> None:
    """Because entries are enqueued in the order in which they stand."""
    url = make(sqs, ".fifo", ContentBasedDeduplication="true")
    found = sqs.send_message_batch(QueueUrl=url, Entries=entries(*"abcde", MessageGroupId="g"))
    numbers = [one["SequenceNumber"] for one in found["Successful"]]
    assert numbers == sorted(numbers)
    assert bodies(receive(sqs, url)) == list("abcde")


def test_what_a_fifo_batch_must_have(sqs: Any) -> None:
    """Because a FIFO queue refuses the whole batch for a missing group or deduplication id."""
    url = make(sqs, ".fifo")
    good = {"Id": "a", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "1"}
    for absent, words in (
        ("MessageGroupId", "The request must contain the parameter MessageGroupId."),
        ("MessageDeduplicationId", "ContentBasedDeduplication"),
    ):
        bad = {name: value for name, value in good.items() if name != absent}
        code, message, _ = refusal(sqs.send_message_batch, QueueUrl=url, Entries=[{**good, "Id": "b"}, bad])
        assert code == "InvalidParameterValue"
        assert words in message
    assert counts(sqs, url) == (0, 0, 0)


def test_expired_handles_in_a_fifo_batch(fresh_cloud: Running) -> None:
    """Because a FIFO queue does not delete what somebody else may have got meanwhile."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, ".fifo")
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    [message] = receive(sqs, url)
    fresh_cloud.advance("30s")
    found = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}])
    assert found["Failed"] == [{"Id": "a", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "The receipt handle has expired"}]
