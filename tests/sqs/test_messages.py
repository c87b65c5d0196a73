"""Standard queues: sending, receiving, deleting, visibility, delay, retention, attributes."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.sqs.support import bodies, counts, make, receive, refusal
from tests.support.running import ACCOUNT, Running


def test_round_trip(cloud: Running, sqs: Any) -> None:
    """Because that is what a queue is for; boto3 checks the MD5 sums itself."""
    url = make(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="héllo")
    [message] = receive(sqs, url, AttributeNames=["All"])
    now = str(cloud.clock.now() // 1_000_000)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "héllo")
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == hashlib.md5("héllo".encode()).hexdigest()
    assert message["Attributes"] == {"SenderId": ACCOUNT, "SentTimestamp": now, "ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": now}
    assert receive(sqs, url) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, url) == (0, 0, 0)


def test_oldest_first(sqs: Any) -> None:
    """Because order is best effort in a standard queue, and ours can do it."""
    url = make(sqs)
    for number in range(25):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    found = [receive(sqs, url) for _ in range(4)]
    assert [len(page) for page in found] == [10, 10, 5, 0]
    assert [int(body) for page in found for body in bodies(page)] == list(range(25))


def test_large_and_small(sqs: Any) -> None:
    """Because a message may have 1 MiB, and the largest must survive what the smallest does."""
    url = make(sqs, VisibilityTimeout=0)
    for size in (1, 4_000, 5_000, 1_048_576):
        sqs.send_message(QueueUrl=url, MessageBody="x" * size)
        [message] = receive(sqs, url, 1)
        [message] = receive(sqs, url, 1)
        assert len(message["Body"]) == size
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    code, message, _ = refusal(sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_577)
    assert (code, message) == ("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")


def test_attributes_count_as_size(sqs: Any) -> None:
    """Because names, types and values of attributes are part of the message."""
    url = make(sqs, MaximumMessageSize=1024)
    fits = {"a": {"DataType": "String", "StringValue": "y" * (1024 - 100 - 1 - 6)}}
    sqs.send_message(QueueUrl=url, MessageBody="x" * 100, MessageAttributes=fits)
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x" * 101, MessageAttributes=fits)[0] == "InvalidParameterValue"


def test_visibility_timeout(fresh_cloud: Running) -> None:
    """Because a message that is not deleted in time is there again, with a new handle and a higher count."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = receive(sqs, url)
    fresh_cloud.advance("29s")
    assert receive(sqs, url) == []
    assert counts(sqs, url) == (0, 1, 0)
    fresh_cloud.advance("1s")
    assert counts(sqs, url) == (1, 0, 0)
    [again] = receive(sqs, url, AttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=100)
    assert again["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    fresh_cloud.advance("99s")
    assert receive(sqs, url) == []
    fresh_cloud.advance("1s")
    assert len(receive(sqs, url)) == 1


def test_old_handles(fresh_cloud: Running) -> None:
    """Because an old handle's deletion succeeds and does nothing, while one whose time is merely over still works."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = receive(sqs, url)
    fresh_cloud.advance("31s")
    [second] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert counts(sqs, url) == (0, 1, 0)
    code, message, status = refusal(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=1)
    assert (code, status) == ("InvalidParameterValue", 400)
    assert message.endswith("Reason: Message does not exist or is not available for visibility timeout change.")
    fresh_cloud.advance("31s")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert counts(sqs, url) == (0, 0, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])


def test_changing_visibility(fresh_cloud: Running) -> None:
    """Because a worker may ask for more time, or give a message back at once; its handle stays good."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=300)
    fresh_cloud.advance("299s")
    assert counts(sqs, url) == (0, 1, 0)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert counts(sqs, url) == (1, 0, 0)
    [message] = receive(sqs, url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, url) == (0, 0, 0)


def test_changing_visibility_too_late(fresh_cloud: Running) -> None:
    """Because a message whose time is over is everybody's: a worker that asks for more time is not refused, but hides it from nobody."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    fresh_cloud.advance("31s")
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=300)
    assert counts(sqs, url) == (1, 0, 0)


def test_giving_back_in_the_instant_of_sending(sqs: Any) -> None:
    """Because a message may return to the very time it was sent at, and must be found there, once."""
    url = make(sqs)
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    [first] = receive(sqs, url, 1)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert sorted(bodies(receive(sqs, url))) == ["a", "b"]
    assert counts(sqs, url) == (0, 2, 0)


def test_twelve_hours_in_all(fresh_cloud: Running) -> None:
    """Because time-outs can be extended only to 12 hours after the message was received."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    fresh_cloud.advance("10s")
    arguments = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    code, text, _ = refusal(sqs.change_message_visibility, **arguments, VisibilityTimeout=43_200)
    assert code == "InvalidParameterValue"
    assert "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]" in text
    sqs.change_message_visibility(**arguments, VisibilityTimeout=43_190)
    assert refusal(sqs.change_message_visibility, **arguments, VisibilityTimeout=43_201)[0] == "InvalidParameterValue"
    assert refusal(sqs.change_message_visibility, **arguments, VisibilityTimeout=-1)[0] == "InvalidParameterValue"


def test_delays(fresh_cloud: Running) -> None:
    """Because a delay of the message goes before that of the queue, and changing the queue's changes nothing for what was sent."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, DelaySeconds=10)
    sqs.send_message(QueueUrl=url, MessageBody="queue's")
    sqs.send_message(QueueUrl=url, MessageBody="own", DelaySeconds=5)
    sqs.send_message(QueueUrl=url, MessageBody="none", DelaySeconds=0)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "100"})
    assert counts(sqs, url) == (1, 0, 2)
    assert bodies(receive(sqs, url)) == ["none"]
    fresh_cloud.advance("5s")
    assert bodies(receive(sqs, url)) == ["own"]
    fresh_cloud.advance("5s")
    assert bodies(receive(sqs, url)) == ["queue's"]
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=901)[:2] == (
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    )


def test_retention(fresh_cloud: Running) -> None:
    """Because a message goes when its time is over, whether it was never seen, was received, is in flight or still delayed."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs, MessageRetentionPeriod=60, VisibilityTimeout=1)
    for body in ("received", "in flight", "unseen"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.send_message(QueueUrl=url, MessageBody="delayed" * 1000, DelaySeconds=600)
    receive(sqs, url, 1)
    receive(sqs, url, 1, VisibilityTimeout=600)
    fresh_cloud.advance("30s")
    sqs.send_message(QueueUrl=url, MessageBody="younger")
    assert counts(sqs, url) == (3, 1, 1)
    fresh_cloud.advance("30s")
    assert bodies(receive(sqs, url)) == ["younger"]
    fresh_cloud.advance("1s")
    assert counts(sqs, url) == (1, 0, 0)
    fresh_cloud.advance("30s")
    assert counts(sqs, url) == (0, 0, 0)


def test_shorter_retention_holds_for_what_is_there(fresh_cloud: Running) -> None:
    """Because a shorter retention period removes messages that are older than it."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="old")
    fresh_cloud.advance("1h")
    sqs.send_message(QueueUrl=url, MessageBody="new")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "600"})
    fresh_cloud.advance("1s")
    assert counts(sqs, url) == (1, 0, 0)
    assert bodies(receive(sqs, url)) == ["new"]


def test_attributes_travel(sqs: Any) -> None:
    """Because attributes of every type arrive as they were sent; boto3 compares their MD5."""
    url = make(sqs, VisibilityTimeout=0)
    attributes = {
        "text": {"DataType": "String", "StringValue": "grüß"},
        "number.one": {"DataType": "Number.int", "StringValue": "-1.5e3"},
        "raw": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff\x00"},
        "number.two": {"DataType": "Number", "StringValue": "7"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    [everything] = receive(sqs, url, MessageAttributeNames=["All"])
    assert everything["MessageAttributes"] == attributes
    assert everything["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    for names, expected in (
        (["text", "none"], {"text"}),
        (["number.*"], {"number.one", "number.two"}),
        ([".*"], set(attributes)),
        ([], set()),
        (["none"], set()),
    ):
        [message] = receive(sqs, url, MessageAttributeNames=names)
        assert set(message.get("MessageAttributes", {})) == expected
        assert ("MD5OfMessageAttributes" in message) == bool(expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("a", {"DataType": "String", "StringValue": ""}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ("a", {"DataType": "Binary", "BinaryValue": b""}, "must contain a non-empty value of type 'Binary'"),
        ("a", {"DataType": "Number", "StringValue": "seven"}, "Can't cast the value of message (user) attribute 'a' to a number."),
        ("a", {"DataType": "Thing", "StringValue": "x"}, "invalid message attribute type"),
        ("a", {"DataType": "", "StringValue": "x"}, "must contain non-empty message attribute type"),
        ("a b", {"DataType": "String", "StringValue": "x"}, "Invalid non-alphanumeric character"),
        ("AWS.a", {"DataType": "String", "StringValue": "x"}, "reserved"),
        (".a", {"DataType": "String", "StringValue": "x"}, "period"),
        ("a" * 257, {"DataType": "String", "StringValue": "x"}, "256"),
    ],
)
def test_bad_attributes(sqs: Any, name: str, value: dict[str, Any], words: str) -> None:
    """Because attributes have rules for names, types and values."""
    code, message, status = refusal(sqs.send_message, QueueUrl=make(sqs), MessageBody="x", MessageAttributes={name: value})
    assert (code, status) == ("InvalidParameterValue", 400)
    assert words in message


def test_at_most_ten_attributes(sqs: Any) -> None:
    """Because a message has ten attributes at most."""
    one = {"DataType": "String", "StringValue": "x"}
    code, message, _ = refusal(sqs.send_message, QueueUrl=make(sqs), MessageBody="x", MessageAttributes={f"a{number}": one for number in range(11)})
    assert (code, message) == ("InvalidParameterValue", "Number of message attributes [11] exceeds the allowed maximum [10].")


def test_trace_header(sqs: Any) -> None:
    """Because AWSTraceHeader is the one system attribute that can be sent."""
    url = make(sqs)
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageSystemAttributes=trace)
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    [message] = receive(sqs, url, MessageSystemAttributeNames=["AWSTraceHeader"])
    assert message["Attributes"] == {"AWSTraceHeader": "Root=1-5759e988"}


def test_fair_queue_groups(sqs: Any) -> None:
    """Because a standard queue takes a group id, for fairness, and promises no order by it; deduplication it does not know."""
    url = make(sqs)
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="tenant")
    first, second = receive(sqs, url, 1, AttributeNames=["All"]), receive(sqs, url, 1)
    assert first[0]["Attributes"]["MessageGroupId"] == "tenant"
    assert bodies(first + second) == ["a", "b"]
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")[0] == "InvalidParameterValue"


@pytest.mark.parametrize("body", ["\x00", "a\x0bb", "\x1f", "\uffff"])
def test_characters_that_xml_cannot_carry(sqs: Any, body: str) -> None:
    """Because bodies have to fit into XML, whatever protocol brings them."""
    code, message, status = refusal(sqs.send_message, QueueUrl=make(sqs), MessageBody=body)
    assert (code, status) == ("InvalidMessageContents", 400)
    assert message.startswith("Invalid binary character '#x")


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("MaxNumberOfMessages", 11, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."),
        ("MaxNumberOfMessages", 0, "Must be between 1 and 10"),
        ("WaitTimeSeconds", 21, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."),
        ("VisibilityTimeout", 43_201, "VisibilityTimeout"),
        ("ReceiveRequestAttemptId", "x", "not valid for this queue type"),
    ],
)
def test_limits_of_receiving(sqs: Any, parameter: str, value: Any, words: str) -> None:
    """Because each parameter has its range."""
    code, message, _ = refusal(sqs.receive_message, QueueUrl=make(sqs), **{parameter: value})
    assert code == "InvalidParameterValue"
    assert words in message


def test_forged_handles(sqs: Any) -> None:
    """Because a handle is one that this queue gave out."""
    url, other = make(sqs), make(sqs)
    sqs.send_message(QueueUrl=other, MessageBody="x")
    [message] = receive(sqs, other)
    for handle in ("x", "AQEB", "Zm9v", message["ReceiptHandle"][:-4] + "AAA="):
        code, text, status = refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle=handle)
        assert (code, status) == ("ReceiptHandleIsInvalid", 404)
        assert "is not a valid receipt handle" in text
    assert "is not valid for this queue" in refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])[1]


def test_in_flight_limit(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because at the limit a short poll is refused, and a long poll finds nothing."""
    monkeypatch.setattr("haneul.services.sqs.standard.IN_FLIGHT_MAX", 2)
    monkeypatch.setattr("haneul.services.sqs.receive_message.IN_FLIGHT_MAX", 2)
    url = make(sqs)
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    taken = receive(sqs, url)
    assert bodies(taken) == ["a", "b"]
    assert refusal(sqs.receive_message, QueueUrl=url)[::2] == ("OverLimit", 403)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken[0]["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["c"]


def test_bodies_are_not_readable_on_the_disk(fresh_cloud: Running) -> None:
    """Because SqsManagedSseEnabled promises encryption at rest."""
    sqs = fresh_cloud.client("sqs")
    sealed, plain = make(sqs), make(sqs, SqsManagedSseEnabled="false")
    sqs.send_message(QueueUrl=sealed, MessageBody="a-secret-of-the-queue")
    sqs.send_message(QueueUrl=plain, MessageBody="nothing-to-hide-here")
    fresh_cloud.stop()
    raw = b"".join(path.read_bytes() for path in (fresh_cloud.data_dir / "store").iterdir())
    fresh_cloud.start()
    assert b"nothing-to-hide-here" in raw
    assert b"a-secret-of-the-queue" not in raw
