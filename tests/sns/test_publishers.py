"""Who may publish: users, other accounts, everybody, and the services that do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import UNSIGNED

from haneul.core.call import call_as
from haneul.core.errors import AccessDenied
from tests.sns.support import OTHER, Queue, make_topic, policy, refusal, subscribe, text
from tests.support.running import ACCOUNT, REGION, Running


def test_a_user_needs_the_permission(cloud: Running, sns: Any) -> None:
    """Because nobody but root may do what no policy allows, and the topic's own default policy lets in no user; PublishBatch is Publish."""
    iam, topic = cloud.client("iam"), make_topic(sns, DisplayName="x")
    iam.create_user(UserName="publisher")
    key = iam.create_access_key(UserName="publisher")["AccessKey"]
    theirs = cloud.client("sns", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def allow(*actions: str, **more: Any) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
        iam.put_user_policy(UserName="publisher", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    code, message, status = refusal(theirs.publish, TopicArn=topic, Message="x")
    assert (code, status) == ("AuthorizationError", 403)
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/publisher is not authorized to perform: SNS:Publish on resource: {topic} "
        "because no identity-based policy allows the SNS:Publish action"
    )
    entries = [{"Id": "a", "Message": "x"}]
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q")["SubscriptionArn"]
    denied: list[tuple[Any, dict[str, Any]]] = [
        (theirs.publish_batch, {"TopicArn": topic, "PublishBatchRequestEntries": entries}),
        (theirs.create_topic, {"Name": "x"}),
        (theirs.delete_topic, {"TopicArn": topic}),
        (theirs.get_topic_attributes, {"TopicArn": topic}),
        (theirs.set_topic_attributes, {"TopicArn": topic, "AttributeName": "DisplayName", "AttributeValue": "y"}),
        (theirs.list_topics, {}),
        (theirs.list_subscriptions, {}),
        (theirs.list_subscriptions_by_topic, {"TopicArn": topic}),
        (theirs.subscribe, {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}),
        (theirs.confirm_subscription, {"TopicArn": topic, "Token": "x"}),
        (theirs.unsubscribe, {"SubscriptionArn": arn}),
        (theirs.get_subscription_attributes, {"SubscriptionArn": arn}),
        (theirs.set_subscription_attributes, {"SubscriptionArn": arn, "AttributeName": "RawMessageDelivery", "AttributeValue": "true"}),
        (theirs.add_permission, {"TopicArn": topic, "Label": "l", "AWSAccountId": [OTHER], "ActionName": ["Publish"]}),
        (theirs.remove_permission, {"TopicArn": topic, "Label": "l"}),
        (theirs.tag_resource, {"ResourceArn": topic, "Tags": [{"Key": "a", "Value": "b"}]}),
        (theirs.untag_resource, {"ResourceArn": topic, "TagKeys": ["a"]}),
        (theirs.list_tags_for_resource, {"ResourceArn": topic}),
    ]
    for call, params in denied:
        assert refusal(call, **params)[0] == "AuthorizationError", call
    allow("sns:Publish", "sns:CreateTopic")
    assert theirs.publish(TopicArn=topic, Message="x")["MessageId"]
    assert theirs.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]
    assert refusal(theirs.create_topic, Name="tagged", Tags=[{"Key": "a", "Value": "b"}])[0] == "AuthorizationError"
    allow("sns:Publish", Condition={"StringEquals": {"aws:ResourceTag/open": "yes"}})
    assert refusal(theirs.publish, TopicArn=topic, Message="x")[0] == "AuthorizationError"
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "open", "Value": "yes"}])
    assert theirs.publish(TopicArn=topic, Message="x")["MessageId"]


def test_a_topics_policy_lets_others_in(cloud: Running, sns: Any) -> None:
    """Because topics are for telling other accounts, too, and everybody, with or without keys, where the owner says so; a deny wins."""
    topic, theirs, anonymous = make_topic(sns), cloud.client("sns", key=OTHER), cloud.client("sns", signature_version=UNSIGNED)

    def set_policy(**statement: Any) -> None:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(topic, **statement))

    assert refusal(theirs.publish, TopicArn=topic, Message="x")[0] == refusal(anonymous.publish, TopicArn=topic, Message="x")[0] == "AuthorizationError"
    sns.add_permission(TopicArn=topic, Label="them", AWSAccountId=[OTHER], ActionName=["Publish"])
    assert theirs.publish(TopicArn=topic, Message="x")["MessageId"] and refusal(theirs.get_topic_attributes, TopicArn=topic)[0] == "AuthorizationError"
    set_policy(Principal="*")
    assert anonymous.publish(TopicArn=topic, Message="x")["MessageId"]
    set_policy(Effect="Deny", Principal="*")
    assert refusal(sns.publish, TopicArn=topic, Message="x")[0] == "AuthorizationError"


def test_services_publish_for_the_resources_that_a_policy_names(cloud: Running, sns: Any) -> None:
    """Because a service that everybody uses must not be made to publish for somebody else: the policy asks for aws:SourceArn and aws:SourceAccount."""
    topic, queue = make_topic(sns), Queue(cloud)
    subscribe(sns, topic, queue)

    def publish(source: str, account: str = ACCOUNT) -> Any:
        params = {"TopicArn": topic, "Message": source}
        who = {"principal": "iam.amazonaws.com", "source_arn": source, "source_account": account}
        return cloud.run(call_as(cloud.app.cloud, "sns:Publish", params, region=REGION, account=ACCOUNT, **who))  # type: ignore[arg-type]

    for source in ("a", "b"):
        with pytest.raises(AccessDenied):
            publish(source)
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": "arn:aws:iam::000000000000:a"}}
    statement = policy(topic, Principal={"Service": "iam.amazonaws.com"}, Condition=condition)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=statement)
    assert publish("arn:aws:iam::000000000000:a")["MessageId"]
    for source, account in (("arn:aws:iam::000000000000:b", ACCOUNT), ("arn:aws:iam::000000000000:a", OTHER)):
        with pytest.raises(AccessDenied):
            publish(source, account)
    assert queue.notified() == ["arn:aws:iam::000000000000:a"]


def test_alarms_notify_topics(fresh_cloud: Running) -> None:
    """Because that is what alarms are mostly for: a topic's default policy lets those of its account in, and the metrics of topics can be alarmed on."""
    sns, watch = fresh_cloud.client("sns"), fresh_cloud.client("cloudwatch")
    topic, queue, picky, closed = make_topic(sns), Queue(fresh_cloud), Queue(fresh_cloud), Queue(fresh_cloud, topic="arn:aws:sns:x")
    subscribe(sns, topic, queue)
    subscribe(sns, topic, picky, FilterPolicy='{"kind": ["x"]}')
    subscribe(sns, topic, closed, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue.arn}))
    name = topic.rpartition(":")[2]
    dimensions = [{"Name": "TopicName", "Value": name}]
    alarm = {"AlarmName": "busy", "Namespace": "AWS/SNS", "MetricName": "NumberOfMessagesPublished", "Dimensions": dimensions, "Statistic": "Sum"}
    watch.put_metric_alarm(**alarm, Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmActions=[topic])
    for _ in range(2):
        sns.publish(TopicArn=topic, Message="12345", MessageAttributes={"k": text("v")})
    assert queue.notified() == ["12345"] * 4
    fresh_cloud.advance("1m")
    told = queue.told()
    assert [one["Subject"] for one in told] == ['ALARM: "busy" in US East (N. Virginia)'] * 2 and json.loads(told[0]["Message"])["NewStateValue"] == "ALARM"

    def total(metric: str, statistic: str = "Sum") -> float:
        now = datetime.fromtimestamp(fresh_cloud.clock.now() // 10**9, UTC)
        span = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1), "Period": 3600}
        found = watch.get_metric_statistics(Namespace="AWS/SNS", MetricName=metric, Dimensions=dimensions, Statistics=[statistic], **span)["Datapoints"]
        return sum(one[statistic] for one in found)

    assert [total(f"NumberOf{what}") for what in ("MessagesPublished", "NotificationsDelivered", "NotificationsFailed", "NotificationsRedrivenToDlq")] == [3, 3, 3, 3]
    filtered = "NumberOfNotificationsFilteredOut"
    assert (total(filtered), total(f"{filtered}-MessageAttributes"), total(f"{filtered}-NoMessageAttributes")) == (3, 2, 1)
    assert total("PublishSize", "Minimum") == 5 + len("k" "String" "v")


def test_buckets_notify_topics(cloud: Running, sns: Any) -> None:
    """Because S3 tells topics as it tells queues: the topic's policy is tried when the bucket is configured."""
    s3, topic, queue = cloud.client("s3"), make_topic(sns), Queue(cloud)
    s3.create_bucket(Bucket="told")
    subscribe(sns, topic, queue)
    wanted = {"TopicConfigurations": [{"Id": "it", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    assert refusal(s3.put_bucket_notification_configuration, Bucket="told", NotificationConfiguration=wanted)[::2] == ("InvalidArgument", 400)
    condition = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::told"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    statement = policy(topic, Principal={"Service": "s3.amazonaws.com"}, Condition=condition)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=statement)
    s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration=wanted)
    assert s3.get_bucket_notification_configuration(Bucket="told")["TopicConfigurations"] == wanted["TopicConfigurations"]
    s3.put_object(Bucket="told", Key="k", Body=b"x")
    told = queue.told()
    messages = [json.loads(one["Message"]) for one in told]
    assert messages[0]["Event"] == "s3:TestEvent" and messages[1]["Records"][0]["s3"]["object"]["key"] == "k"
    assert {one["Subject"] for one in told} == {"Amazon S3 Notification"}
