"""Who may do what: identity policies, queue policies, other accounts, services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import UNSIGNED

from haneul.core.caller import service_caller
from haneul.core.errors import AccessDenied
from tests.sqs.support import arn, bodies, make, receive, refusal
from tests.support.running import ACCOUNT, REGION, Running

OTHER = "111122223333"


@pytest.fixture(scope="module")
def user(cloud: Running) -> Any:
    """A client of a user who may do what `allow` says."""
    iam = cloud.client("iam")
    iam.create_user(UserName="worker")
    key = iam.create_access_key(UserName="worker")["AccessKey"]
    return cloud.client("sqs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def allow(cloud: Running, *actions: str, resource: str = "*") -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]}
    cloud.client("iam").put_user_policy(UserName="worker", PolicyName="p", PolicyDocument=json.dumps(document))


def set_policy(sqs: Any, url: str, **statement: Any) -> None:
    whole = {"Effect": "Allow", "Action": "sqs:*", "Resource": arn(sqs, url), **statement}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [whole]})})


def test_a_user_needs_the_permission(cloud: Running, sqs: Any, user: Any) -> None:
    """Because nobody but root may do anything that no policy allows; the action stands in small letters as SQS writes it."""
    url = make(sqs)
    allow(cloud, "sqs:ReceiveMessage")
    code, message, status = refusal(user.send_message, QueueUrl=url, MessageBody="x")
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/worker is not authorized to perform: sqs:sendmessage on resource: {arn(sqs, url)} "
        "because no identity-based policy allows the sqs:sendmessage action"
    )
    allow(cloud, "sqs:SendMessage", "sqs:ReceiveMessage", resource=arn(sqs, url))
    user.send_message(QueueUrl=url, MessageBody="x")
    assert bodies(receive(user, url)) == ["x"]
    assert refusal(user.send_message, QueueUrl=make(sqs), MessageBody="x")[0] == "AccessDenied"


def test_batches_need_the_single_action(cloud: Running, sqs: Any, user: Any) -> None:
    """Because IAM knows no batch actions: sqs:DeleteMessage allows DeleteMessageBatch."""
    url = make(sqs)
    allow(cloud, "sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:ReceiveMessage")
    user.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])
    [message] = receive(user, url)
    entry = {"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}
    assert user.change_message_visibility_batch(QueueUrl=url, Entries=[{**entry, "VisibilityTimeout": 9}])["Successful"]
    assert user.delete_message_batch(QueueUrl=url, Entries=[entry])["Successful"]
    allow(cloud, "sqs:ReceiveMessage")
    assert refusal(user.send_message_batch, QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}])[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("create_queue", {"QueueName": "x"}),
        ("delete_queue", {}),
        ("purge_queue", {}),
        ("get_queue_attributes", {}),
        ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("list_queues", None),
        ("get_queue_url", {"QueueName": "x"}),
        ("tag_queue", {"Tags": {"a": "b"}}),
        ("untag_queue", {"TagKeys": ["a"]}),
        ("list_queue_tags", {}),
        ("add_permission", {"Label": "l", "AWSAccountIds": [OTHER], "Actions": ["SendMessage"]}),
        ("remove_permission", {"Label": "l"}),
        ("receive_message", {}),
        ("delete_message", {"ReceiptHandle": "x"}),
        ("change_message_visibility", {"ReceiptHandle": "x", "VisibilityTimeout": 1}),
        ("list_dead_letter_source_queues", {}),
        ("start_message_move_task", {"SourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:x"}),
        ("list_message_move_tasks", {"SourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:x"}),
    ],
)
def test_no_operation_goes_unchecked(cloud: Running, sqs: Any, user: Any, operation: str, params: dict[str, Any] | None) -> None:
    """Because a forgotten check is an open door."""
    allow(cloud, "sqs:None")
    arguments = {} if params is None else params if "QueueName" in params or "SourceArn" in params else {"QueueUrl": make(sqs), **params}
    assert refusal(getattr(user, operation), **arguments)[::2] == ("AccessDenied", 403)


def test_a_queue_policy_lets_others_in(cloud: Running, sqs: Any) -> None:
    """Because an owner may open a queue to another account; what only an owner may do stays closed."""
    url = make(sqs)
    other = cloud.client("sqs", key=OTHER)
    assert refusal(other.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    set_policy(sqs, url, Principal={"AWS": OTHER})
    other.send_message(QueueUrl=url, MessageBody="from next door")
    assert other.get_queue_url(QueueName=url.rpartition("/")[2], QueueOwnerAWSAccountId=ACCOUNT)["QueueUrl"] == url
    [message] = receive(sqs, url, AttributeNames=["SenderId"])
    assert (message["Body"], message["Attributes"]["SenderId"]) == ("from next door", OTHER)
    for operation, params in (("delete_queue", {}), ("tag_queue", {"Tags": {"a": "b"}}), ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}})):
        assert refusal(getattr(other, operation), QueueUrl=url, **params)[0] == "AccessDenied"


def test_a_denial_binds_the_owner_too(cloud: Running, sqs: Any) -> None:
    """Because an explicit deny wins, and conditions see the request."""
    url = make(sqs)
    set_policy(sqs, url, Effect="Deny", Principal="*", Action="sqs:SendMessage", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=url, MessageBody="x")


def test_anybody_where_the_policy_says_so(cloud: Running, sqs: Any) -> None:
    """Because a queue may be open to all, without credentials."""
    url = make(sqs)
    anybody = cloud.client("sqs", signature_version=UNSIGNED)
    assert refusal(anybody.send_message, QueueUrl=url, MessageBody="x")[::2] == ("AccessDenied", 403)
    set_policy(sqs, url, Principal="*", Action="sqs:SendMessage")
    anybody.send_message(QueueUrl=url, MessageBody="x")
    assert refusal(anybody.receive_message, QueueUrl=url)[0] == "AccessDenied"
    assert refusal(anybody.create_queue, QueueName="x")[0] == "AccessDenied"


def test_services_need_the_policy(cloud: Running, sqs: Any) -> None:
    """Because S3 and its like deliver only where the queue lets them, from the source that it names."""
    url = make(sqs)
    bucket = "arn:aws:s3:::photos"

    def send(source: str) -> None:
        core = cloud.app.cloud
        context = {"aws:SourceArn": source, "aws:SourceAccount": ACCOUNT}
        request = {"QueueUrl": url, "MessageBody": "x"}
        cloud.run(core.invoke("sqs:SendMessage", request, caller=service_caller("s3.amazonaws.com"), region=REGION, account=ACCOUNT, context=context))

    with pytest.raises(AccessDenied):
        send(bucket)
    set_policy(sqs, url, Principal={"Service": "s3.amazonaws.com"}, Action="sqs:SendMessage", Condition={"ArnLike": {"aws:SourceArn": bucket}})
    send(bucket)
    with pytest.raises(AccessDenied):
        send("arn:aws:s3:::other")
    assert bodies(receive(sqs, url)) == ["x"]


def test_permissions_by_label(cloud: Running, sqs: Any) -> None:
    """Because AddPermission writes the queue's policy, one statement a label."""
    url = make(sqs)
    other = cloud.client("sqs", key=OTHER)
    sqs.add_permission(QueueUrl=url, Label="first", AWSAccountIds=[OTHER], Actions=["SendMessage"])
    sqs.add_permission(QueueUrl=url, Label="second", AWSAccountIds=[OTHER, ACCOUNT], Actions=["ReceiveMessage", "DeleteMessage"])
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", f"{arn(sqs, url)}/SQSDefaultPolicy")
    assert policy["Statement"][0] == {
        "Sid": "first",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "SQS:SendMessage",
        "Resource": arn(sqs, url),
    }
    other.send_message(QueueUrl=url, MessageBody="x")
    assert refusal(sqs.add_permission, QueueUrl=url, Label="first", AWSAccountIds=[OTHER], Actions=["*"])[:2] == (
        "InvalidParameterValue",
        "Value first for parameter Label is invalid. Reason: Already exists.",
    )
    sqs.remove_permission(QueueUrl=url, Label="first")
    assert refusal(other.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    assert refusal(sqs.remove_permission, QueueUrl=url, Label="first")[1] == "Value first for parameter Label is invalid. Reason: can't find label."
    sqs.remove_permission(QueueUrl=url, Label="second")
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"] == {}


def test_redrive_needs_the_destination(cloud: Running, sqs: Any, user: Any) -> None:
    """Because moving messages sends them, on behalf of who asked for it."""
    grave = make(sqs)
    url = make(sqs, RedrivePolicy={"deadLetterTargetArn": arn(sqs, grave), "maxReceiveCount": 1})
    needed = ["sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    allow(cloud, *needed)
    code, message, _ = refusal(user.start_message_move_task, SourceArn=arn(sqs, grave))
    assert code == "AccessDenied"
    assert f"sqs:sendmessage on resource: {arn(sqs, url)}" in message
    allow(cloud, *needed, "sqs:SendMessage")
    assert user.start_message_move_task(SourceArn=arn(sqs, grave))["TaskHandle"]


def test_who_may_list_queues(cloud: Running, sqs: Any, user: Any) -> None:
    """The action is about the account's queues in the region, all together."""
    allow(cloud, "sqs:SendMessage")
    _, message, _ = refusal(user.list_queues)
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/worker is not authorized to perform: sqs:listqueues on resource: arn:aws:sqs:{REGION}:{ACCOUNT}: "
        "because no identity-based policy allows the sqs:listqueues action"
    )
    allow(cloud, "sqs:ListQueues", resource=f"arn:aws:sqs:{REGION}:{ACCOUNT}:*")
    user.list_queues()
    allow(cloud, "sqs:ListQueues", resource=f"arn:aws:sqs:{REGION}:{ACCOUNT}:one")
    assert refusal(user.list_queues)[0] == "AccessDenied"


@pytest.mark.parametrize("action", ["sqs:Foo", "sqs:Foo*", "s3:GetObject", "SendMessage", 7])
def test_actions_that_sqs_does_not_have(sqs: Any, action: Any) -> None:
    """A queue's policy names only SQS's own."""
    url = make(sqs)
    code, message, status = refusal(lambda: set_policy(sqs, url, Principal="*", Action=["sqs:SendMessage", action]))
    assert (code, message, status) == ("InvalidAttributeValue", "Invalid value for the parameter Policy.", 400)
    set_policy(sqs, url, Principal="*", Action=["SQS:Send*", "sqs:SendMessageBatch", "sqs:receivemessage"])
