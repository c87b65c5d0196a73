"""What may be published, alone and in batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sns.support import Queue, make_topic, reason, refusal, subscribe, text
from tests.support.running import ACCOUNT, Running


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "x" * 262_145}, "Message too long"),
        ({"Message": "x" * 262_140, "MessageAttributes": {"a": text("bcdef")}}, "Message too long"),
        ({"Message": "x", "Subject": ""}, "Subject"),
        ({"Message": "x", "Subject": "x" * 101}, "Subject"),
        ({"Message": "x", "Subject": "a\nb"}, "Subject"),
        ({"Message": "x", "MessageStructure": "xml"}, "MessageStructure"),
        ({"Message": "x", "MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
        ({"Message": '{"sqs": "x"}', "MessageStructure": "json"}, "Message Structure - No default entry in JSON message body"),
        ({"Message": "x", "MessageDeduplicationId": "a"}, "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"),
        ({"Message": "x", "MessageGroupId": "a b"}, "MessageGroupId Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."),
    ],
)
def test_a_message_that_cannot_be_is_refused(sns: Any, params: dict[str, Any], message: str) -> None:
    """Because what is taken must reach every kind of endpoint."""
    assert reason(sns.publish, TopicArn=make_topic(sns), **params) == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a b", text("x"), "Invalid non-alphanumeric character '#x20' was found in the message attribute name."),
        ("AWS.a", text("x"), "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'."),
        (".a", text("x"), "Message attribute name can not start or end with '.'"),
        ("a..b", text("x"), "Message attribute name can not start or end with '.'"),
        ("x" * 257, text("x"), "Length of message attribute name must be between 1 and 256 bytes."),
        ("a", text("x", "Text"), "The message attribute 'a' has an invalid message attribute type"),
        ("a", text("", "String"), "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."),
        ("a", text("one", "Number"), "Could not cast message attribute 'a' value to number."),
        ("a", {"DataType": "Binary"}, "The message attribute 'a' must contain non-empty message attribute value"),
        ("a", {"DataType": "String", "StringValue": "x", "BinaryValue": b"x"}, "The message attribute 'a' has multiple values."),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(sns: Any, name: str, value: dict[str, Any], message: str) -> None:
    """Because filters and receivers go by name, type and value."""
    code, said, status = refusal(sns.publish, TopicArn=make_topic(sns), Message="x", MessageAttributes={name: value})
    assert (code, status) == ("ParameterValueInvalid", 400) and said.startswith(message)


def test_messages_go_to_a_topic_that_there_is(sns: Any, cloud: Running) -> None:
    """Because a message to nobody in particular is lost; a topic can also be named as target, and has to be of the caller's region."""
    topic = make_topic(sns)
    assert sns.publish(TargetArn=topic, Message="x")["MessageId"]
    assert reason(sns.publish, Message="x") == "TopicArn or TargetArn Reason: no value for required parameter"
    assert reason(sns.publish, TopicArn="x", Message="x") == "TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert refusal(sns.publish, TopicArn=topic + "x", Message="x") == ("NotFound", "Topic does not exist", 404)
    assert reason(cloud.client("sns", region="eu-west-1").publish, TopicArn=topic, Message="x") == "TopicArn"
    assert refusal(sns.publish, TargetArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:endpoint/GCM/app/1", Message="x")[2] == 501


def test_a_topic_says_how_large_messages_may_be(cloud: Running, sns: Any) -> None:
    """Because MaximumMessageSize may lie anywhere between 1 KiB and 1 MiB; bytes count, not characters, and batches as a whole."""
    small, large = make_topic(sns, MaximumMessageSize="1024"), make_topic(sns, MaximumMessageSize="1048576")
    assert reason(sns.publish, TopicArn=small, Message="é" * 513) == "Message too long"
    assert sns.publish(TopicArn=small, Message="é" * 512)["MessageId"]
    queue = Queue(cloud)
    subscribe(sns, large, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=large, Message="x" * 1_048_576)
    [body] = queue.bodies()
    assert len(body) == 1_048_576
    halves = [{"Id": str(number), "Message": "x" * 600} for number in range(2)]
    assert refusal(sns.publish_batch, TopicArn=small, PublishBatchRequestEntries=halves)[0] == "BatchRequestTooLong"


def test_each_protocol_can_have_a_message_of_its_own(cloud: Running, sns: Any) -> None:
    """Because MessageStructure json says what each kind of endpoint gets; attributes go with plain messages only."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue)
    sns.publish(TopicArn=topic, Message=json.dumps({"default": "any", "sqs": "for queues", "email": 5}), MessageStructure="json", MessageAttributes={"a": text("b")})
    sns.publish(TopicArn=topic, Message=json.dumps({"default": "any"}), MessageStructure="json", MessageAttributes={"a": text("b")})
    told = queue.told()
    assert sorted(one["Message"] for one in told) == ["any", "for queues"] and all("MessageAttributes" not in one for one in told)


def test_a_batch_is_taken_entry_by_entry(cloud: Running, sns: Any) -> None:
    """Because one bad message must not keep nine good ones; all that is taken is on its way."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    entries = [{"Id": "a", "Message": "first"}, {"Id": "b", "Message": ""}, {"Id": "c", "Message": "third", "Subject": "x", "MessageAttributes": {"n": text("1", "Number")}}]
    entries.append({"Id": "d", "Message": "x", "MessageAttributes": {"n": text("one", "Number")}})
    found = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [one["Id"] for one in found["Successful"]] == ["a", "c"] and all(len(one["MessageId"]) == 36 for one in found["Successful"])
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in found["Failed"]] == [("b", "InvalidParameter", True), ("d", "ParameterValueInvalid", True)]
    assert found["Failed"][0]["Message"] == "Invalid parameter: Empty message"
    assert sorted(queue.bodies()) == ["first", "third"]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        (list("abcdefghijk"), "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
        (["x" * 81], "InvalidBatchEntryId"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_as_a_whole(sns: Any, ids: list[str], code: str) -> None:
    """Because its answer could not say which entry is which."""
    entries = [{"Id": one, "Message": "x"} for one in ids]
    assert refusal(sns.publish_batch, TopicArn=make_topic(sns), PublishBatchRequestEntries=entries)[::2] == (code, 400)
