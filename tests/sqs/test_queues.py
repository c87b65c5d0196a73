"""Queues: their making, names, attributes, tags, purging and end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sqs.support import arn, bodies, counts, make, receive, refusal
from tests.support.running import ACCOUNT, REGION, Running


def test_url_names_account_and_queue_at_the_host_called(cloud: Running, sqs: Any) -> None:
    """Because clients take the URL that they are given to reach the queue again."""
    assert sqs.create_queue(QueueName="plain")["QueueUrl"] == f"{cloud.endpoint}/{ACCOUNT}/plain"
    assert sqs.get_queue_url(QueueName="plain")["QueueUrl"] == f"{cloud.endpoint}/{ACCOUNT}/plain"


@pytest.mark.parametrize(
    "form", ["https://sqs.us-east-1.amazonaws.com/{}/urls", "https://queue.amazonaws.com/{}/urls", "http://localhost:1/queue/us-east-1/{}/urls"]
)
def test_any_form_of_url_is_understood(sqs: Any, form: str) -> None:
    """Because only account and name say which queue is meant; URLs outlive the endpoint that they were made at."""
    sqs.create_queue(QueueName="urls")
    assert sqs.send_message(QueueUrl=form.format(ACCOUNT), MessageBody="x")["MessageId"]


def test_defaults(cloud: Running, sqs: Any) -> None:
    """Because the API reference gives every attribute's default."""
    found = sqs.get_queue_attributes(QueueUrl=make(sqs), AttributeNames=["All"])["Attributes"]
    now = str(cloud.clock.seconds())
    assert found.pop("QueueArn").startswith(f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue-")
    assert found == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": now,
        "DelaySeconds": "0",
        "LastModifiedTimestamp": now,
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }


def test_fifo_defaults(sqs: Any) -> None:
    """Because a FIFO queue shows what only it has."""
    found = sqs.get_queue_attributes(QueueUrl=make(sqs, ".fifo"), AttributeNames=["All"])["Attributes"]
    picked = {name: found[name] for name in ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")}
    assert picked == {"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}


@pytest.mark.parametrize("name", ["", "a" * 81, "with space", "dot.dot", "a" * 76 + ".fifo", "ünï", ".fifo", "x/y"])
def test_bad_names(sqs: Any, name: str) -> None:
    """Because a name has 1 to 80 letters, digits, hyphens and underscores."""
    code, message, status = refusal(sqs.create_queue, QueueName=name)
    assert (code, status) == ("InvalidParameterValue", 400)
    assert "alphanumeric" in message


@pytest.mark.parametrize(
    ("attribute", "bad", "good"),
    [
        ("DelaySeconds", ["-1", "901", "x", "", "1.5", "٣"], ["0", "900"]),
        ("MaximumMessageSize", ["1023", "1048577"], ["1024", "1048576"]),
        ("MessageRetentionPeriod", ["59", "1209601"], ["60", "1209600"]),
        ("ReceiveMessageWaitTimeSeconds", ["-1", "21"], ["0", "20"]),
        ("VisibilityTimeout", ["-1", "43201"], ["0", "43200"]),
        ("KmsDataKeyReusePeriodSeconds", ["59", "86401"], []),
        ("SqsManagedSseEnabled", ["yes"], ["true", "false"]),
        ("Policy", ["{", "[]", "{}", '{"Statement":[]}'], []),
        ("RedrivePolicy", ["x", "{}", '{"deadLetterTargetArn":"dummy","maxReceiveCount":3}'], []),
        ("RedriveAllowPolicy", ["{}", '{"redrivePermission":"byQueue"}'], ['{"redrivePermission":"denyAll"}']),
    ],
)
def test_limits_of_attributes(sqs: Any, attribute: str, bad: list[str], good: list[str]) -> None:
    """Because each attribute has the limits of the API reference."""
    url = make(sqs)
    for value in good:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={attribute: value})
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"] == {attribute: value}
    for value in bad:
        if value == "" and attribute in ("Policy", "RedrivePolicy"):
            continue
        code, _, status = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={attribute: value})
        assert (code, status) in (("InvalidAttributeValue", 400), ("InvalidParameterValue", 400)), value


def test_unknown_attributes(sqs: Any) -> None:
    """Because an attribute is honoured or refused, never swallowed."""
    url = make(sqs)
    assert refusal(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Colour"])[:2] == ("InvalidAttributeName", "Unknown Attribute Colour.")
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"QueueArn": "x"})[:2] == ("InvalidAttributeName", "Unknown Attribute QueueArn.")
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"ContentBasedDeduplication": "true"})[0] == "InvalidAttributeName"


def test_a_queue_stays_of_its_kind(sqs: Any) -> None:
    """Because standard and FIFO queues cannot be turned into each other."""
    assert refusal(sqs.set_queue_attributes, QueueUrl=make(sqs), Attributes={"FifoQueue": "true"})[:2] == (
        "InvalidAttributeName",
        "Unknown Attribute FifoQueue.",
    )
    code, message, _ = refusal(sqs.set_queue_attributes, QueueUrl=make(sqs, ".fifo"), Attributes={"FifoQueue": "false"})
    assert (code, message) == ("InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
    assert refusal(sqs.create_queue, QueueName="fifo-or-not", Attributes={"FifoQueue": "true"})[0] == "InvalidParameterValue"
    assert refusal(sqs.create_queue, QueueName="not-or-fifo.fifo")[0] == "InvalidParameterValue"


def test_encryption_is_one_or_the_other(sqs: Any) -> None:
    """Because a queue is encrypted under SQS's own key or under one of KMS."""
    url = make(sqs, KmsMasterKeyId="alias/aws/sqs")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["KmsMasterKeyId"], found["KmsDataKeyReusePeriodSeconds"], found["SqsManagedSseEnabled"]) == ("alias/aws/sqs", "300", "false")
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/aws/sqs", "SqsManagedSseEnabled": "true"})[0] == "InvalidAttributeName"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])["Attributes"] == {}


@pytest.mark.parametrize("key", ["alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/aws/s3"])
def test_keys_of_kms_are_refused(sqs: Any, key: str) -> None:
    """Because there is no KMS that could have them; the key that AWS keeps for SQS is there without, by its name or ARN."""
    url = make(sqs)
    for call, more in ((sqs.create_queue, {"QueueName": "under-kms"}), (sqs.set_queue_attributes, {"QueueUrl": url})):
        code, message, status = refusal(call, Attributes={"KmsMasterKeyId": key}, **more)
        assert (code, status) == ("NotImplemented", 501) and "KMS" in message and key in message
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "arn:aws:kms:us-east-1:000000000000:alias/aws/sqs"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": ""})
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])["Attributes"] == {}


def test_creating_again(sqs: Any) -> None:
    """Because creation is idempotent as long as nothing that is asked for differs."""
    first = sqs.create_queue(QueueName="again", Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    assert sqs.create_queue(QueueName="again")["QueueUrl"] == first
    assert sqs.create_queue(QueueName="again", Attributes={"VisibilityTimeout": "7", "DelaySeconds": "0"})["QueueUrl"] == first
    code, message, status = refusal(sqs.create_queue, QueueName="again", Attributes={"VisibilityTimeout": "8"})
    assert (code, status) == ("QueueAlreadyExists", 400)
    assert message == "A queue already exists with the same name and a different value for attribute VisibilityTimeout"


def test_a_deleted_name_stays_taken_for_a_minute(fresh_cloud: Running) -> None:
    """Because a new queue of the name could otherwise get messages that were on their way to the old one."""
    sqs = fresh_cloud.client("sqs")
    url = sqs.create_queue(QueueName="phoenix")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.delete_queue(QueueUrl=url)
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x")[0] == "AWS.SimpleQueueService.NonExistentQueue"
    code, message, status = refusal(sqs.create_queue, QueueName="phoenix")
    assert (code, status) == ("AWS.SimpleQueueService.QueueDeletedRecently", 400)
    assert message == "You must wait 60 seconds after deleting a queue before you can create another with the same name."
    fresh_cloud.advance("60s")
    sqs.create_queue(QueueName="phoenix")
    assert receive(sqs, url) == []


def test_nothing_is_left_of_a_deleted_queue(fresh_cloud: Running) -> None:
    """Because rows that nobody can reach would fill the disk for ever."""
    sqs = fresh_cloud.client("sqs")

    async def rows() -> int:
        return sum(1 for key, _ in fresh_cloud.app.cloud.store.range(b"\x02", b"\x03") if key.startswith(b"\x02sqs"))

    before = fresh_cloud.run(rows())
    for suffix in ("", ".fifo"):
        url = make(sqs, suffix)
        more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if suffix else {}
        sqs.send_message(QueueUrl=url, MessageBody="small", **more)
        sqs.send_message(QueueUrl=url, MessageBody="large" * 2000, **({**more, "MessageDeduplicationId": "e"} if suffix else {}))
        receive(sqs, url, 1)
        sqs.delete_queue(QueueUrl=url)
    fresh_cloud.advance("61s")
    assert fresh_cloud.run(rows()) == before


def test_listing_in_pages(fresh_cloud: Running) -> None:
    """Because ListQueues gives up to 1,000 names, and a token only to who asks for pages."""
    sqs = fresh_cloud.client("sqs")
    for name in ("a-1", "a-2", "a-3", "b-1", "a"):
        sqs.create_queue(QueueName=name)
    names = [url.rpartition("/")[2] for page in sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 2}) for url in page["QueueUrls"]]
    assert names == ["a", "a-1", "a-2", "a-3", "b-1"]
    found = sqs.list_queues(QueueNamePrefix="a-")
    assert [url.rpartition("/")[2] for url in found["QueueUrls"]] == ["a-1", "a-2", "a-3"]
    assert "NextToken" not in found
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="z")
    assert refusal(sqs.list_queues, MaxResults=1001)[0] == "InvalidParameterValue"
    assert refusal(sqs.list_queues, MaxResults=1, NextToken="%%%")[0] == "InvalidParameterValue"


def test_accounts_and_regions_are_apart(cloud: Running, sqs: Any) -> None:
    """Because no account and no region sees another's queues."""
    sqs.create_queue(QueueName="mine")
    for other in (cloud.client("sqs", key="111122223333"), cloud.client("sqs", region="eu-west-1")):
        assert refusal(other.get_queue_url, QueueName="mine")[0] == "AWS.SimpleQueueService.NonExistentQueue"
        assert "QueueUrls" not in other.list_queues(QueueNamePrefix="mine")


def test_tags(sqs: Any) -> None:
    """Because tags are laid over each other by key, and a queue has at most 50."""
    url = sqs.create_queue(QueueName="tagged", tags={"a": "1"})["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"a": "2", "b": ""})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "2", "b": ""}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a", "none"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": ""}
    assert refusal(sqs.tag_queue, QueueUrl=url, Tags={str(number): "" for number in range(50)})[0] == "InvalidParameterValue"
    assert refusal(sqs.tag_queue, QueueUrl=url, Tags={"aws:x": ""})[0] == "InvalidParameterValue"


def test_purge(fresh_cloud: Running) -> None:
    """Because a purge takes everything, in flight or delayed, and what is sent afterwards stays."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    for delay in (0, 0, 60):
        sqs.send_message(QueueUrl=url, MessageBody="old", DelaySeconds=delay)
    [taken] = receive(sqs, url, 1)
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="new")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
    assert counts(sqs, url) == (1, 0, 0)
    fresh_cloud.advance("59s")
    code, message, status = refusal(sqs.purge_queue, QueueUrl=url)
    assert (code, status) == ("AWS.SimpleQueueService.PurgeQueueInProgress", 403)
    assert message == f"Only one PurgeQueue operation on {url.rpartition('/')[2]} is allowed every 60 seconds."
    assert bodies(receive(sqs, url)) == ["new"]
    fresh_cloud.advance("1s")
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url) == (0, 0, 0)


def test_modification_time(fresh_cloud: Running) -> None:
    """Because LastModifiedTimestamp follows the attributes, not the messages."""
    sqs = fresh_cloud.client("sqs")
    url = make(sqs)
    created = fresh_cloud.clock.seconds()
    fresh_cloud.advance("5s")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["CreatedTimestamp"], found["LastModifiedTimestamp"]) == (str(created), str(created + 5))
    assert arn(sqs, url).endswith(url.rpartition("/")[2])
