"""Notifications to queues; those to functions are driven by the application's own test."""

from __future__ import annotations

import json
from json import dumps
from typing import Any

import pytest

from tests.s3.support import message, refusal, upload_parts
from tests.support.running import Running


@pytest.fixture
def queue(cloud: Running, bucket: str) -> tuple[str, str]:
    """A queue that lets S3 in for the bucket: URL and ARN."""
    return make_queue(cloud, bucket, f"q-{bucket}")


def make_queue(cloud: Running, bucket: str, name: str) -> tuple[str, str]:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}, "StringEquals": {"aws:SourceAccount": "000000000000"}},
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": dumps({"Version": "2012-10-17", "Statement": [statement]})})
    return url, arn


def take(cloud: Running, url: str) -> list[dict[str, Any]]:
    """All messages that wait in the queue."""
    cloud.settle()
    sqs, found = cloud.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for one in messages:
            found.append(json.loads(one["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return found


def notify(s3: Any, bucket: str, arn: str, *events: str, **filters: str) -> None:
    one: dict[str, Any] = {"Id": "it", "QueueArn": arn, "Events": list(events)}
    if filters:
        one["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in filters.items()]}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [one]})


def test_a_test_event_comes_first(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """Putting the configuration sends s3:TestEvent, so that a wrong destination is known at once."""
    notify(s3, bucket, queue[1], "s3:ObjectCreated:*")
    [test] = take(cloud, queue[0])
    assert (test["Event"], test["Bucket"], test["Service"]) == ("s3:TestEvent", bucket, "Amazon S3")
    configured = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert configured == [{"Id": "it", "QueueArn": queue[1], "Events": ["s3:ObjectCreated:*"]}]


def test_the_record(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """The event message structure, version 2.1; keys are form-encoded."""
    notify(s3, bucket, queue[1], "s3:ObjectCreated:*")
    take(cloud, queue[0])
    etag = s3.put_object(Bucket=bucket, Key="photos/a b+c.jpg", Body=b"12345")["ETag"]
    [event] = take(cloud, queue[0])
    [record] = event["Records"]
    assert record["eventVersion"] == "2.1" and record["eventSource"] == "aws:s3" and record["awsRegion"] == "us-east-1"
    assert record["eventName"] == "ObjectCreated:Put" and record["eventTime"].endswith("Z")
    assert record["userIdentity"] == {"principalId": "AWS:000000000000"} and record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    about = record["s3"]
    assert about["s3SchemaVersion"] == "1.0" and about["configurationId"] == "it"
    assert about["bucket"]["name"] == bucket and about["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    sequencer = about["object"].pop("sequencer")
    assert about["object"] == {"key": "photos/a+b%2Bc.jpg", "size": 5, "eTag": etag.strip('"')}
    assert int(sequencer, 16) > 0 and len(sequencer) == 18


def test_each_event_has_its_name(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """Every way an object comes, changes or goes."""
    notify(s3, bucket, queue[1], "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    take(cloud, queue[0])
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    parts = upload_parts(s3, bucket, "c", upload_id, [b"x"])
    s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload_id, MultipartUpload={"Parts": parts})
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": []})
    s3.delete_object(Bucket=bucket, Key="a")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=bucket, Key="b")
    names = sorted(event["Records"][0]["eventName"] for event in take(cloud, queue[0]))
    assert names == [
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Copy",
        "ObjectCreated:Put",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectTagging:Put",
    ]


def test_filters(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """Prefix and suffix must both fit."""
    notify(s3, bucket, queue[1], "s3:ObjectCreated:Put", prefix="in/", suffix=".jpg")
    take(cloud, queue[0])
    for key in ("in/a.jpg", "in/a.png", "out/a.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    s3.delete_object(Bucket=bucket, Key="in/a.jpg")
    assert [event["Records"][0]["s3"]["object"]["key"] for event in take(cloud, queue[0])] == ["in/a.jpg"]


def test_sequencers_grow(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """Events of one key can be put in order, even when the clock stands still."""
    notify(s3, bucket, queue[1], "s3:ObjectCreated:*")
    take(cloud, queue[0])
    etags = [s3.put_object(Bucket=bucket, Key="k", Body=bytes([number]))["ETag"].strip('"') for number in range(4)]
    found = sorted((event["Records"][0]["s3"]["object"]["sequencer"], event["Records"][0]["s3"]["object"]["eTag"]) for event in take(cloud, queue[0]))
    assert [etag for _, etag in found] == etags


def test_sequencers_grow_with_what_happens_to_a_version(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """The removal of a version comes behind its creation, so that whoever keeps the latest sequencer of a key does not pass over it."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    notify(s3, bucket, queue[1], "s3:ObjectCreated:*", "s3:ObjectTagging:*", "s3:ObjectRemoved:*")
    take(cloud, queue[0])
    version_id = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    cloud.advance("1s")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    cloud.advance("1s")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version_id)
    found = sorted((event["Records"][0]["s3"]["object"]["sequencer"], event["Records"][0]["eventName"]) for event in take(cloud, queue[0]))
    assert [name for _, name in found] == ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectRemoved:Delete"]


def test_destinations_are_tried(cloud: Running, s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """A queue that is not there, or does not let S3 in, is refused when it is configured."""
    missing = lambda: notify(s3, bucket, "arn:aws:sqs:us-east-1:000000000000:none", "s3:ObjectCreated:*")  # noqa: E731
    assert refusal(missing) == ("InvalidArgument", 400)
    assert message(missing) == "Unable to validate the following destination configurations"
    closed = cloud.client("sqs").create_queue(QueueName=f"closed-{bucket}")["QueueUrl"]
    assert refusal(lambda: notify(s3, bucket, f"arn:aws:sqs:us-east-1:000000000000:{closed.rpartition('/')[2]}", "s3:ObjectCreated:*")) == ("InvalidArgument", 400)
    assert refusal(lambda: notify(s3, bucket, queue[1], "s3:ObjectPainted:*")) == ("InvalidArgument", 400)
    elsewhere = queue[1].replace("us-east-1", "eu-west-1")
    assert refusal(lambda: notify(s3, bucket, elsewhere, "s3:ObjectCreated:*")) == ("InvalidArgument", 400)
    assert s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations") is None


def test_overlapping_configurations(s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    """One event of a key goes to one destination only."""
    one = {"QueueArn": queue[1], "Events": ["s3:ObjectCreated:*"]}
    narrow = {**one, "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}]}}}
    put = lambda *configurations: s3.put_bucket_notification_configuration(  # noqa: E731
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(configurations)}
    )
    assert refusal(lambda: put(one, narrow)) == ("InvalidArgument", 400)
    same = [{**one, "Id": "it"}, {**one, "Id": "it", "Events": ["s3:ObjectRemoved:*"]}]
    assert message(lambda: put(*same)) == "Same ID used for multiple configurations. IDs must be unique."
    other = {**one, "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "b"}]}}}
    put(narrow, other)


def test_what_has_no_destination_yet(s3: Any, bucket: str) -> None:
    """EventBridge is refused clearly until it exists, and topics by a cloud that has no SNS."""
    topic = {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Events": ["s3:ObjectCreated:*"]}]}
    assert refusal(lambda: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=topic)) == ("NotImplemented", 501)
    bridge: dict[str, Any] = {"EventBridgeConfiguration": {}}
    assert refusal(lambda: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=bridge)) == ("NotImplemented", 501)


def test_events_survive_a_restart(fresh_cloud: Running) -> None:
    """What was promised in the object's transaction is delivered by the next run, if need be."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    url, arn = make_queue(fresh_cloud, "kept", "kept")
    notify(s3, "kept", arn, "s3:ObjectCreated:*")
    take(fresh_cloud, url)
    s3.put_object(Bucket="kept", Key="k", Body=b"")
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.advance("1s")
    [event] = take(fresh_cloud, url.replace(url.split("/")[2], f"127.0.0.1:{fresh_cloud.port}"))
    assert event["Records"][0]["s3"]["object"]["key"] == "k"
