"""Topics: making, finding, changing and deleting them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.services.sns import counting
from tests.sns.support import OTHER, Queue, make_topic, policy, reason, refusal, subscribe
from tests.support.running import ACCOUNT, REGION, Running


def test_making_a_topic_again_is_no_error_unless_it_differs(sns: Any) -> None:
    """Because deployment tools make what may be there, and must learn when it is another."""
    made = {"Name": "orders", "Attributes": {"DisplayName": "Orders"}, "Tags": [{"Key": "team", "Value": "shop"}]}
    arn = sns.create_topic(**made)["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:{ACCOUNT}:orders"
    assert sns.create_topic(**made)["TopicArn"] == arn == sns.create_topic(Name="orders")["TopicArn"]
    assert reason(sns.create_topic, Name="orders", Attributes={"DisplayName": "x"}) == "Attributes Reason: Topic already exists with different attributes"
    assert reason(sns.create_topic, Name="orders", Tags=[{"Key": "team", "Value": "x"}]) == "Tags Reason: Topic already exists with different tags"
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == made["Tags"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Name": "a b"}, "Topic Name"),
        ({"Name": "x" * 257}, "Topic Name"),
        ({"Name": "x.fifo"}, "Topic Name"),
        ({"Name": "x", "Attributes": {"FifoTopic": "true"}}, "Fifo Topic names must end with .fifo"),
        ({"Name": "x", "Attributes": {"Colour": "red"}}, "Attributes Reason: AttributeName"),
        ({"Name": "x", "Attributes": {"ContentBasedDeduplication": "true"}}, "Attributes Reason: AttributeName"),
        ({"Name": "x", "Attributes": {"SignatureVersion": "3"}}, "Attributes Reason: SignatureVersion"),
        ({"Name": "x", "Attributes": {"DisplayName": "x" * 101}}, "Attributes Reason: DisplayName"),
        ({"Name": "x", "Attributes": {"MaximumMessageSize": "1048577"}}, "Attributes Reason: MaximumMessageSize"),
        ({"Name": "x", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "Tags Reason: Duplicate keys are not allowed."),
    ],
)
def test_what_no_topic_can_be_is_refused(sns: Any, params: dict[str, Any], message: str) -> None:
    """Because a setting that is taken is kept."""
    assert reason(sns.create_topic, **params).startswith(message)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("KmsMasterKeyId", "alias/aws/sns", "KMS"),
        ("TracingConfig", "Active", "X-Ray"),
        ("DeliveryPolicy", '{"http":{}}', "HTTP"),
        ("SQSSuccessFeedbackRoleArn", "arn:aws:iam::000000000000:role/r", "logs of the delivery status"),
        ("ArchivePolicy", '{"MessageRetentionPeriod":1}', "archives"),
    ],
)
def test_what_is_not_built_is_refused_by_name(sns: Any, name: str, value: str, what: str) -> None:
    """Because a key or a log that were swallowed would be a lie."""
    code, message, status = refusal(sns.create_topic, Name="x", Attributes={name: value})
    assert (code, status) == ("NotImplemented", 501) and what in message
    if name != "TracingConfig":  # Which has a value of its own for nothing.
        assert name not in sns.get_topic_attributes(TopicArn=make_topic(sns, **{name: ""}))["Attributes"]


def test_a_topic_shows_what_it_is(sns: Any) -> None:
    """Because tools compare it with what they want; the policy is the service's own until another is set, and again when that is taken away."""
    arn = make_topic(sns)
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (shown["Owner"], shown["DisplayName"], shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == (ACCOUNT, "", "0", "0")
    assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    default = json.loads(shown["Policy"])
    assert default["Id"] == "__default_policy_ID" and default["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}
    for name, value in (("DisplayName", "Name"), ("SignatureVersion", "2"), ("TracingConfig", "PassThrough"), ("MaximumMessageSize", "1024"), ("Policy", policy(arn, Principal="*"))):
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
        assert sns.get_topic_attributes(TopicArn=arn)["Attributes"][name] == value
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue="")
    assert json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]) == default
    assert reason(sns.set_topic_attributes, TopicArn=arn, AttributeName="FifoTopic", AttributeValue="true") == "AttributeName"
    gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:never"
    assert refusal(sns.get_topic_attributes, TopicArn=gone) == ("NotFound", "Topic does not exist", 404)
    assert refusal(sns.set_topic_attributes, TopicArn=gone, AttributeName="DisplayName", AttributeValue="x")[0] == "NotFound"
    assert reason(sns.get_topic_attributes, TopicArn="nonsense") == "TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert reason(sns.get_topic_attributes, TopicArn="arn:aws:sqs:us-east-1:000000000000:q") == "TopicArn"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": "SNS:*"}, "Policy statement action out of service scope!"),
        ({"Action": "SNS:ListTopics"}, "Policy statement action out of service scope!"),
        ({"Action": "sqs:SendMessage"}, "Policy statement action out of service scope!"),
        ({"Resource": "arn:aws:sns:us-east-1:000000000000:another"}, "Policy statement must apply to a single resource"),
        ({"Principal": {"AWS": "arn:aws:iam::000000000000:user/nobody"}}, "Policy Error: PrincipalNotFound"),
        ({"Effect": "Perhaps"}, "Policy Error: null"),
    ],
)
def test_a_policy_that_cannot_be_judged_by_is_refused(sns: Any, statement: dict[str, Any], message: str) -> None:
    """Because a topic under a policy that means something else than its owner thinks is open or closed to the wrong ones."""
    arn = make_topic(sns)
    text = policy(arn, **{"Principal": "*", **statement})
    assert reason(sns.set_topic_attributes, TopicArn=arn, AttributeName="Policy", AttributeValue=text) == message


def test_permissions_are_statements_by_label(sns: Any) -> None:
    """Because AddPermission and RemovePermission are another way to write the policy."""
    arn = make_topic(sns)
    sns.add_permission(TopicArn=arn, Label="give", AWSAccountId=[OTHER], ActionName=["Publish", "Subscribe"])
    assert json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"][1] == {
        "Sid": "give",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": ["SNS:Publish", "SNS:Subscribe"],
        "Resource": arn,
    }
    assert reason(sns.add_permission, TopicArn=arn, Label="give", AWSAccountId=[OTHER], ActionName=["Publish"]) == "Statement already exists"
    assert reason(sns.add_permission, TopicArn=arn, Label="b", AWSAccountId=[OTHER], ActionName=["ListTopics"]) == "Policy statement action out of service scope!"
    assert reason(sns.add_permission, TopicArn=arn, Label="b", AWSAccountId=["1"], ActionName=["Publish"]) == "AWSAccountId"
    sns.remove_permission(TopicArn=arn, Label="give")
    assert len(json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]) == 1
    sns.remove_permission(TopicArn=arn, Label="__default_statement_ID")
    assert json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"] == [] and sns.publish(TopicArn=arn, Message="x")["MessageId"]


def test_tags_come_and_go(sns: Any) -> None:
    """Because costs and permissions go by them; a topic has at most fifty."""
    arn = make_topic(sns)
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": str(number), "Value": "x"} for number in range(50)])
    assert refusal(sns.tag_resource, ResourceArn=arn, Tags=[{"Key": "more", "Value": ""}])[0] == "TagLimitExceeded"
    sns.untag_resource(ResourceArn=arn, TagKeys=[str(number) for number in range(49)])
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "49", "Value": "y"}])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "49", "Value": "y"}]
    missing = f"{arn}-not"
    assert refusal(sns.list_tags_for_resource, ResourceArn=missing) == ("ResourceNotFound", "Resource does not exist", 404)
    assert refusal(sns.tag_resource, ResourceArn=missing, Tags=[{"Key": "a", "Value": ""}])[0] == "ResourceNotFound"


def test_a_deleted_topic_takes_its_subscriptions_along(cloud: Running, sns: Any) -> None:
    """Because the next topic of that name is another, and DeleteTopic can be repeated."""
    arn, queue = make_topic(sns), Queue(cloud)
    subscription = subscribe(sns, arn, queue)
    sns.publish(TopicArn=arn, Message="before")
    assert queue.notified() == ["before"]
    for _ in range(2):
        sns.delete_topic(TopicArn=arn)
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=subscription)[0] == refusal(sns.publish, TopicArn=arn, Message="x")[0] == "NotFound"
    assert sns.create_topic(Name=arn.rpartition(":")[2])["TopicArn"] == arn
    sns.publish(TopicArn=arn, Message="after")
    assert queue.take() == [] and sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    assert not [one for one in sns.list_subscriptions()["Subscriptions"] if one["TopicArn"] == arn]
    rows = cloud.app.cloud.store.range(b"\x02sns-", b"\x02sns-\xff")
    assert not [key for key, _ in rows if queue.arn.encode() in key or subscription.rpartition(":")[2].encode() in key]


def test_lists_come_a_hundred_at_a_time(fresh_cloud: Running) -> None:
    """Because an account may have more than fits an answer; and each account and region sees its own only."""
    sns = fresh_cloud.client("sns")
    made = [sns.create_topic(Name=f"t{number:03}")["TopicArn"] for number in range(101)]
    first = sns.list_topics()
    rest = sns.list_topics(NextToken=first["NextToken"])
    assert [one["TopicArn"] for one in first["Topics"] + rest["Topics"]] == made and len(first["Topics"]) == 100 and "NextToken" not in rest
    assert reason(sns.list_topics, NextToken="nonsense") == "NextToken"
    for arn in made:
        sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint="arn:aws:lambda:us-east-1:000000000000:function:f")
    pages = list(sns.get_paginator("list_subscriptions").paginate())
    assert [len(page["Subscriptions"]) for page in pages] == [100, 1] and {one["TopicArn"] for page in pages for one in page["Subscriptions"]} == set(made)
    assert sns.list_subscriptions_by_topic(TopicArn=made[0])["Subscriptions"][0]["Protocol"] == "lambda"
    assert fresh_cloud.client("sns", region="eu-west-1").list_topics()["Topics"] == fresh_cloud.client("sns", key=OTHER).list_topics()["Topics"] == []


def test_there_are_limits(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because quotas are told by errors of their own, and what is deleted makes room."""
    for name in ("TOPICS_MAX", "FIFO_TOPICS_MAX", "FIFO_SUBSCRIPTIONS_MAX", "LARGE_MESSAGE_SUBSCRIPTIONS_MAX", "FILTERS_MAX"):
        monkeypatch.setattr(counting, name, 1)
    sns = fresh_cloud.client("sns")
    topic, fifo, queue, other = make_topic(sns, MaximumMessageSize="262145"), make_topic(sns, ".fifo"), Queue(fresh_cloud), Queue(fresh_cloud)
    assert refusal(sns.create_topic, Name="more")[0] == refusal(sns.create_topic, Name="more.fifo", Attributes={"FifoTopic": "true"})[0] == "TopicLimitExceeded"
    for arn in (topic, fifo):
        subscription = subscribe(sns, arn, queue)
        assert refusal(sns.subscribe, TopicArn=arn, Protocol="sqs", Endpoint=other.arn)[0] == "SubscriptionLimitExceeded"
        sns.unsubscribe(SubscriptionArn=subscription)
        assert subscribe(sns, arn, other)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="MaximumMessageSize", AttributeValue="1024")
    subscribe(sns, topic, queue, FilterPolicy='{"a":["b"]}')
    [_, second] = sorted(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"], key=lambda one: str(one["Endpoint"] == other.arn))
    change = {"SubscriptionArn": second["SubscriptionArn"], "AttributeName": "FilterPolicy", "AttributeValue": '{"a":["b"]}'}
    assert refusal(sns.set_subscription_attributes, **change)[0] == "FilterPolicyLimitExceeded"
    sns.delete_topic(TopicArn=topic)
    make_topic(sns)
