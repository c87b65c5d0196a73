"""Messages on their way: to queues and functions, again and again, or to the dead letters."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from haneul.clock import SECOND
from haneul.core.errors import ServiceError
from haneul.services.sns.delivery import pause_before
from tests.sns.support import Functions, Queue, make_topic, subscribe, text
from tests.support.running import ACCOUNT, REGION, Running

SIGNED = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")


def verify(told: dict[str, Any]) -> None:
    """Check a notification as its receivers do: by the certificate that it names."""
    with urllib.request.urlopen(told["SigningCertURL"]) as answer:
        key = x509.load_pem_x509_certificate(answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    said = "".join(f"{name}\n{told[name]}\n" for name in SIGNED if name in told)
    digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[told["SignatureVersion"]]
    key.verify(base64.b64decode(told["Signature"]), said.encode(), padding.PKCS1v15(), digest)


def test_a_message_reaches_every_queue_whose_policy_lets_the_topic_in(cloud: Running, sns: Any) -> None:
    """Because a topic is for telling many, and a queue's owner says who may fill it."""
    topic, other = make_topic(sns), make_topic(sns)
    one, two, closed = Queue(cloud), Queue(cloud), Queue(cloud, topic=other)
    for queue in (one, two, closed):
        subscribe(sns, topic, queue)
    sns.publish(TopicArn=topic, Message="hello", MessageGroupId="fair")
    found = one.take()
    assert json.loads(found[0]["Body"])["Message"] == "hello" and found[0]["Attributes"]["MessageGroupId"] == "fair"
    assert two.notified() == ["hello"] and closed.take() == []


def test_a_notification_can_be_verified(cloud: Running, sns: Any) -> None:
    """Because receivers trust what is signed by the certificate under the URL that it names; version 2 signs with SHA-256."""
    topic, queue = make_topic(sns), Queue(cloud)
    arn = subscribe(sns, topic, queue)
    attributes = {"a": text("b"), "n": text("1.5", "Number"), "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    published = sns.publish(TopicArn=topic, Message='say "é"\n', Subject="Hello", MessageAttributes=attributes)["MessageId"]
    [body] = queue.bodies()
    told = json.loads(body)
    assert list(told) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert (told["Type"], told["MessageId"], told["TopicArn"], told["Message"]) == ("Notification", published, topic, 'say "é"\n')
    assert told["UnsubscribeURL"] == f"{cloud.endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}"
    assert told["MessageAttributes"] == {"a": {"Type": "String", "Value": "b"}, "n": {"Type": "Number", "Value": "1.5"}, "raw": {"Type": "Binary", "Value": "AP8="}}
    assert body.startswith('{\n  "Type" : "Notification",\n  "MessageId" : "') and '\n    "a" : {"Type":"String","Value":"b"},\n' in body
    assert told["SignatureVersion"] == "1"
    verify(told)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    sns.publish(TopicArn=topic, Message="x")
    [told] = queue.told()
    assert told["SignatureVersion"] == "2" and "Subject" not in told and "MessageAttributes" not in told
    verify(told)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{cloud.endpoint}/SimpleNotificationService-{'0' * 32}.pem")
    caught.value.close()


def test_raw_delivery_hands_on_body_and_attributes(cloud: Running, sns: Any) -> None:
    """Because receivers that expect their own format should not have to unwrap another; a queue takes ten attributes, and a message with more of them is lost."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue, RawMessageDelivery="true")
    attributes = {"kind": text("x"), "list": text('["a"]', "String.Array"), "raw": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    sns.publish(TopicArn=topic, Message=json.dumps({"a": 1}), MessageAttributes=attributes)
    sns.publish(TopicArn=topic, Message="too many", MessageAttributes={str(number): text("x") for number in range(11)})
    [found] = queue.take()
    assert found["Body"] == '{"a": 1}' and found["MessageAttributes"] == attributes


def test_functions_are_invoked_with_a_record(fresh_cloud: Running) -> None:
    """Because functions are written for that event; the types that they do not know are String, and their policy has to let the topic in."""
    sns, functions = fresh_cloud.client("sns"), fresh_cloud.app.cloud.service(Functions)
    topic = make_topic(sns)
    arn = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.arn)["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.closed_arn)
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes={"n": text("1", "Number"), "b": {"DataType": "Binary", "BinaryValue": b"x"}})
    fresh_cloud.settle()
    [event] = functions.events
    [record] = event["Records"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", arn)
    found = record["Sns"]
    assert (found["Type"], found["Message"], found["Subject"], found["TopicArn"]) == ("Notification", "hello", None, topic)
    assert found["MessageAttributes"] == {"n": {"Type": "String", "Value": "1"}, "b": {"Type": "Binary", "Value": "eA=="}}
    assert {"SigningCertUrl", "UnsubscribeUrl", "SignatureVersion", "Signature", "Timestamp", "MessageId"} <= found.keys() and "SigningCertURL" not in found


def test_what_an_endpoint_refuses_goes_to_the_dead_letters(fresh_cloud: Running) -> None:
    """Because a message that nobody takes should be found again, as it would have been delivered; the dead-letter queue's policy has to let SNS in, too."""
    sns = fresh_cloud.client("sns")
    topic, closed, dead, shut = make_topic(sns), Queue(fresh_cloud, topic="arn:aws:sns:x"), Queue(fresh_cloud), Queue(fresh_cloud, topic="arn:aws:sns:x")
    subscribe(sns, topic, closed, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.closed_arn, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead.arn})})
    gone = f"arn:aws:sqs:{REGION}:{ACCOUNT}:never-made"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": shut.arn})})
    sns.publish(TopicArn=topic, Message="nobody takes it")
    assert dead.notified() == ["nobody takes it"] * 2 and closed.take() == shut.take() == []


def test_retries_go_by_the_clock(fresh_cloud: Running) -> None:
    """Because an endpoint that fails is tried at once, then after seconds, then after growing pauses, and at last every twenty seconds."""
    pauses = [pause_before(retry) for retry in range(1, 17)]
    assert pauses[:6] == [0, 0, 0, SECOND, SECOND, SECOND] and pauses[14:] == [20 * SECOND, 20 * SECOND]
    assert pauses[6:14] == sorted(pauses[6:14]) and (pause_before(100_015), pause_before(100_016)) == (20 * SECOND, None)
    sns, functions = fresh_cloud.client("sns"), fresh_cloud.app.cloud.service(Functions)
    topic, queue = make_topic(sns), Queue(fresh_cloud)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.arn)
    subscribe(sns, topic, queue)
    functions.problem = ServiceError("ServiceException", "down", 500)
    begin = fresh_cloud.clock.now()
    sns.publish(TopicArn=topic, Message="x")
    fresh_cloud.advance("2m")
    assert [(at - begin) // SECOND for at in functions.tried_at][:7] == [0, 0, 0, 0, 1, 2, 3] and queue.notified() == ["x"]
    functions.problem = ServiceError("TooManyRequestsException", "", 429)
    fresh_cloud.advance("1m")
    functions.problem = None
    fresh_cloud.advance("20s")
    tried = len(functions.tried_at)
    assert [event["Records"][0]["Sns"]["Message"] for event in functions.events] == ["x"]
    fresh_cloud.advance("10m")
    assert len(functions.tried_at) == tried and queue.take() == []


def test_queues_of_other_regions_wait_while_their_region_is_cut_off(fresh_cloud: Running) -> None:
    """Because a topic delivers across regions, and a region that cannot be reached is an endpoint that fails."""
    sns, links = fresh_cloud.client("sns"), fresh_cloud.app.cloud.links
    topic, queue = make_topic(sns), Queue(fresh_cloud, region="eu-west-1")
    subscribe(sns, topic, queue)
    fresh_cloud.run(links.cut("eu-west-1"))
    sns.publish(TopicArn=topic, Message="x")
    fresh_cloud.advance("10s")
    assert queue.take() == []
    fresh_cloud.run(links.heal("eu-west-1"))
    fresh_cloud.advance("20s")
    assert queue.notified() == ["x"]


def test_what_was_published_survives_a_crash(fresh_cloud: Running) -> None:
    """Because an acknowledged message is in the outbox, and so are its retries; topics, subscriptions and the signing key are there again, too."""
    sns = fresh_cloud.client("sns")
    topic, queue = make_topic(sns), Queue(fresh_cloud)
    subscribe(sns, topic, queue)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.arn)
    fresh_cloud.app.cloud.service(Functions).problem = ServiceError("ServiceException", "down", 500)
    sns.publish(TopicArn=topic, Message="before")
    [before] = queue.told()
    outbox = fresh_cloud.app.cloud.outbox
    fresh_cloud.run(outbox.stop())  # type: ignore[attr-defined]
    sns.publish(TopicArn=topic, Message="not yet delivered")
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.advance("1m")
    sns, queue.sqs = fresh_cloud.client("sns"), fresh_cloud.client("sqs")
    queue.url = queue.sqs.get_queue_url(QueueName=queue.arn.rpartition(":")[2])["QueueUrl"]
    events = fresh_cloud.app.cloud.service(Functions).events
    assert sorted(event["Records"][0]["Sns"]["Message"] for event in events) == ["before", "not yet delivered"]
    assert queue.notified() == ["not yet delivered"]
    sns.publish(TopicArn=topic, Message="after")
    [after] = queue.told()
    assert after["SigningCertURL"].rpartition("/")[2] == before["SigningCertURL"].rpartition("/")[2]
    verify(after)


def test_a_trace_goes_along(cloud: Running, sns: Any) -> None:
    """Because PassThrough hands the publisher's trace header to every subscription."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue)
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    sns.meta.events.register_first("before-sign.sns.Publish", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header), unique_id="trace")
    sns.publish(TopicArn=topic, Message="x")
    sns.meta.events.unregister("before-sign.sns.Publish", unique_id="trace")
    queue.cloud.settle()
    [found] = queue.sqs.receive_message(QueueUrl=queue.url, AttributeNames=["AWSTraceHeader"])["Messages"]
    assert found["Attributes"]["AWSTraceHeader"] == header
