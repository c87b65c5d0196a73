"""Subscriptions: who gets a topic's messages."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore import UNSIGNED

from tests.sns.support import OTHER, Functions, Queue, make_topic, policy, reason, refusal, subscribe
from tests.support.running import ACCOUNT, REGION, Running


def test_subscribing_again_finds_the_same(cloud: Running, sns: Any) -> None:
    """Because deployment tools subscribe what may be subscribed; with other attributes it would be another subscription."""
    topic, queue = make_topic(sns), Queue(cloud)
    arn = subscribe(sns, topic, queue, RawMessageDelivery="true")
    assert arn.startswith(topic + ":") and subscribe(sns, topic, queue, RawMessageDelivery="true") == subscribe(sns, topic, queue) == arn
    differs = "Attributes Reason: Subscription already exists with different attributes"
    assert reason(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "false"}) == differs
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert shown == {
        "SubscriptionArn": arn,
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": queue.arn,
        "Owner": ACCOUNT,
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root",
        "ConfirmationWasAuthenticated": "true",
        "PendingConfirmation": "false",
        "RawMessageDelivery": "true",
    }
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
    for _ in range(2):
        sns.unsubscribe(SubscriptionArn=arn)
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=arn) == ("NotFound", "Subscription does not exist", 404)
    counted = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (counted["SubscriptionsConfirmed"], counted["SubscriptionsDeleted"]) == ("0", "1")


@pytest.mark.parametrize(
    ("protocol", "endpoint", "message"),
    [
        ("carrier-pigeon", "x", "Amazon SNS does not support this protocol string: carrier-pigeon"),
        ("sqs", "x", "SQS endpoint ARN"),
        ("sqs", "arn:aws:lambda:us-east-1:000000000000:function:f", "SQS endpoint ARN"),
        ("lambda", "arn:aws:lambda:us-east-1:000000000000:layer:f", "Lambda endpoint ARN"),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:q.fifo", "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"),
    ],
)
def test_an_endpoint_is_what_its_protocol_says(sns: Any, protocol: str, endpoint: str, message: str) -> None:
    """Because a message cannot be sent to anything else."""
    assert reason(sns.subscribe, TopicArn=make_topic(sns), Protocol=protocol, Endpoint=endpoint) == message


def test_what_cannot_be_delivered_to_is_refused(cloud: Running, sns: Any) -> None:
    """Because a subscription that never gets anything would be a lie; the answer names what is missing."""
    topic, fifo, queue = make_topic(sns), make_topic(sns, ".fifo"), Queue(cloud)
    for protocol in ("http", "https", "email", "email-json", "sms", "application", "firehose"):
        code, message, status = refusal(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint="x")
        assert (code, status) == ("NotImplemented", 501) and f"the protocol {protocol} of sns:Subscribe" in message
    for name in ("DeliveryPolicy", "ReplayPolicy", "SubscriptionRoleArn"):
        assert refusal(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={name: "{}"})[2] == 501
    assert refusal(sns.create_platform_application, Name="x", Platform="GCM", Attributes={})[2] == 501
    assert refusal(sns.publish, PhoneNumber="+15550100", Message="x")[2] == 501
    assert reason(sns.subscribe, TopicArn=fifo, Protocol="lambda", Endpoint=Functions.arn) == "Invalid protocol type: lambda"
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Colour", "red", "AttributeName"),
        ("RawMessageDelivery", "perhaps", "RawMessageDelivery: Invalid value [perhaps]. Must be true or false."),
        ("FilterPolicy", "{nonsense", "FilterPolicy: failed to parse JSON."),
        ("FilterPolicyScope", "Everything", "FilterPolicyScope: Invalid value [Everything]. Please use either MessageBody or MessageAttributes"),
        ("RedrivePolicy", "{nonsense", "RedrivePolicy: failed to parse JSON."),
        ("RedrivePolicy", '{"deadLetterTargetArn": "x"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ("RedrivePolicy", '{"deadLetterTargetArn": "x", "maxReceiveCount": 3}', "RedrivePolicy: invalid JSON. Attribute maxReceiveCount is unknown."),
        ("RedrivePolicy", '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:q.fifo"}', "RedrivePolicy: must use a standard queue as DLQ for a standard topic"),
    ],
)
def test_attributes_are_checked(cloud: Running, sns: Any, name: str, value: str, message: str) -> None:
    """Because a filter or a dead-letter queue that means nothing loses messages; Subscribe and SetSubscriptionAttributes say it in their own ways."""
    topic, queue = make_topic(sns), Queue(cloud)
    assert reason(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={name: value}) == f"Attributes Reason: {message}"
    arn = subscribe(sns, topic, queue)
    assert reason(sns.set_subscription_attributes, SubscriptionArn=arn, AttributeName=name, AttributeValue=value) == message


def test_attributes_are_set_and_taken_away(cloud: Running, sns: Any) -> None:
    """Because what is set holds for the next message; a filter of nothing is no filter."""
    topic, queue = make_topic(sns), Queue(cloud)
    arn = subscribe(sns, topic, queue)

    def set_to(name: str, value: str) -> dict[str, str]:
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
        found: dict[str, str] = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return found

    assert set_to("FilterPolicy", '{"kind": ["wanted"]}')["FilterPolicyScope"] == "MessageAttributes"
    sns.publish(TopicArn=topic, Message="unwanted")
    assert set_to("FilterPolicyScope", "MessageBody")["FilterPolicyScope"] == "MessageBody"
    sns.publish(TopicArn=topic, Message='{"kind": "wanted"}')
    assert queue.notified() == ['{"kind": "wanted"}']
    for nothing in ("{}", ""):
        assert "FilterPolicy" not in set_to("FilterPolicy", nothing)
    target = json.dumps({"deadLetterTargetArn": queue.arn})
    assert set_to("RedrivePolicy", target)["RedrivePolicy"] == target
    assert "RedrivePolicy" not in set_to("RedrivePolicy", "")
    function = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=Functions.arn)["SubscriptionArn"]
    raw = "Delivery protocol [lambda] does not support raw message delivery."
    assert reason(sns.set_subscription_attributes, SubscriptionArn=function, AttributeName="RawMessageDelivery", AttributeValue="true") == raw


def test_a_queue_of_another_account_has_to_agree(cloud: Running, sns: Any) -> None:
    """Because nobody is to be sent what they did not ask for: the queue gets a token, which lasts for two days and is kept as a hash."""
    topic = make_topic(sns)
    queue = Queue(cloud, key=OTHER)
    asked = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue.arn}
    assert sns.subscribe(**asked)["SubscriptionArn"] == "pending confirmation"
    arn = sns.subscribe(**asked, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    [line] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert line["SubscriptionArn"] == "PendingConfirmation" and sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    sns.publish(TopicArn=topic, Message="too early")
    first, second = queue.told()
    assert first["Type"] == second["Type"] == "SubscriptionConfirmation" and first["Token"] != second["Token"] and first["TopicArn"] == topic
    assert first["SubscribeURL"] == f"{cloud.endpoint}/?Action=ConfirmSubscription&TopicArn={topic}&Token={first['Token']}"
    assert first["Message"].startswith(f"You have chosen to subscribe to the topic {topic}.\nTo confirm")
    rows = cloud.app.cloud.store.range(b"\x02", b"\x03")
    assert not [key for key, value in rows if key.startswith(b"\x02sns-") and (first["Token"].encode() in value or first["Token"].encode() in key)]
    stranger = cloud.client("sns", key="999988887777")
    assert reason(stranger.confirm_subscription, TopicArn=topic, Token="nonsense") == "Token"
    anonymous = cloud.client("sns", signature_version=UNSIGNED)
    assert refusal(anonymous.confirm_subscription, TopicArn=topic, Token=first["Token"], AuthenticateOnUnsubscribe="true")[0] == "AuthorizationError"
    with urllib.request.urlopen(first["SubscribeURL"]) as answer:
        assert f"<SubscriptionArn>{arn}</SubscriptionArn>" in answer.read().decode()
    assert sns.confirm_subscription(TopicArn=topic, Token=second["Token"])["SubscriptionArn"] == arn
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ConfirmationWasAuthenticated"] == "false"
    sns.publish(TopicArn=topic, Message="now")
    [told] = queue.told()
    assert told["Message"] == "now"
    # Who follows the link ends the subscription, and can take it up again.
    with urllib.request.urlopen(told["UnsubscribeURL"]) as answer:
        assert answer.status == 200
    [ended] = queue.told()
    assert ended["Type"] == "UnsubscribeConfirmation" and sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert sns.confirm_subscription(TopicArn=topic, Token=ended["Token"], AuthenticateOnUnsubscribe="true")["SubscriptionArn"] == arn
    sns.publish(TopicArn=topic, Message="again")
    [told] = queue.told()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(told["UnsubscribeURL"])
    assert caught.value.code == 403 and told["Message"] == "again"
    caught.value.close()
    assert refusal(stranger.unsubscribe, SubscriptionArn=arn)[0] == refusal(stranger.get_subscription_attributes, SubscriptionArn=arn)[0] == "AuthorizationError"
    sns.unsubscribe(SubscriptionArn=arn)
    assert queue.take() == []


def test_nobody_confirms_after_two_days(fresh_cloud: Running) -> None:
    """Because a token is valid for two days, and a subscription that nobody wants goes with the last one."""
    sns = fresh_cloud.client("sns")
    topic, queue = make_topic(sns), Queue(fresh_cloud, key=OTHER)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    fresh_cloud.advance("1d")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    first, second = queue.told()
    fresh_cloud.advance("25h")
    assert reason(sns.confirm_subscription, TopicArn=topic, Token=first["Token"]) == "Token"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    fresh_cloud.advance("1d")
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == [] and reason(sns.confirm_subscription, TopicArn=topic, Token=second["Token"]) == "Token"


def test_the_owner_of_a_queue_subscribes_it_to_a_foreign_topic(cloud: Running, sns: Any) -> None:
    """Because then there is nothing to confirm: the topic's policy lets the other account in, and the subscription is the other account's."""
    topic = make_topic(sns)
    theirs, queue = cloud.client("sns", key=OTHER), Queue(cloud, key=OTHER)
    asked = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue.arn}
    assert refusal(theirs.subscribe, **asked)[0] == "AuthorizationError"
    statement = policy(topic, Principal={"AWS": OTHER}, Action="SNS:Subscribe", Condition={"StringEquals": {"sns:Protocol": "sqs"}, "StringLike": {"sns:Endpoint": "arn:aws:sqs:*"}})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=statement)
    arn = theirs.subscribe(**asked)["SubscriptionArn"]
    assert refusal(theirs.subscribe, **{**asked, "Protocol": "lambda", "Endpoint": f"arn:aws:lambda:{REGION}:{OTHER}:function:f"})[0] == "AuthorizationError"
    sns.publish(TopicArn=topic, Message="hello")
    assert queue.notified() == ["hello"]
    assert arn in [one["SubscriptionArn"] for one in theirs.list_subscriptions()["Subscriptions"]] and theirs.list_topics()["Topics"] == []
    assert arn not in [one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["Owner"] == OTHER
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{cloud.endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}")
    theirs.unsubscribe(SubscriptionArn=arn)
    assert theirs.list_subscriptions()["Subscriptions"] == []
