"""IAM's word counts in every service: here, queues of two accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.identities import User, allow, policy, session_client, trust
from tests.support.running import ACCOUNT, Running

OTHER = "111111111111"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Iam, Sts, Sqs]) as running:
        yield running


def denied(operation: Any, **params: Any) -> bool:
    """Whether the permission is missing, in whichever code the service says so."""
    try:
        operation(**params)
    except operation.__self__.exceptions.ClientError as error:
        assert error.response["Error"]["Code"].startswith(("AccessDenied", "AWS.SimpleQueueService.NonExistentQueue")), error
        return True
    return False


def test_a_users_permission_comes_and_goes(cloud: Running) -> None:
    """A change of policy counts from the next request on."""
    url = cloud.client("sqs").create_queue(QueueName="mine")["QueueUrl"]
    user = User(cloud, "sender")
    sqs = user.client("sqs")
    assert denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    user.may(allow("sqs:SendMessage", on=f"arn:aws:sqs:us-east-1:{ACCOUNT}:mine"))
    assert not denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert denied(sqs.receive_message, QueueUrl=url)
    user.may(allow("sqs:*"), allow("sqs:SendMessage", effect="Deny"))
    assert denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert not denied(sqs.receive_message, QueueUrl=url)


def test_another_accounts_queue_needs_both_sides(cloud: Running) -> None:
    """The queue's policy and the user's; neither alone is enough."""
    theirs = cloud.client("sqs", key=OTHER)
    url = theirs.create_queue(QueueName="theirs")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{OTHER}:theirs"
    user = User(cloud, "neighbour", allow("sqs:SendMessage", on=arn))
    sqs = user.client("sqs")
    assert denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    granted = policy({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sqs:SendMessage", "Resource": arn})
    theirs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": granted})
    assert not denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    user.may(allow("s3:*"))
    assert denied(sqs.send_message, QueueUrl=url, MessageBody="x")


def test_a_role_with_a_session_policy(cloud: Running) -> None:
    """The role may send and receive, this session only send; the queue's policy that names the role does not lift the limit."""
    iam = cloud.client("iam")
    url = cloud.client("sqs").create_queue(QueueName="shared")["QueueUrl"]
    user = User(cloud, "player")
    iam.create_role(RoleName="playing", AssumeRolePolicyDocument=trust({"AWS": user.arn}))
    iam.put_role_policy(RoleName="playing", PolicyName="p", PolicyDocument=policy(allow("sqs:*")))
    role = f"arn:aws:iam::{ACCOUNT}:role/playing"
    queue_policy = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sqs:*", "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:shared"}
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [queue_policy]})})
    answer = user.client("sts").assume_role(RoleArn=role, RoleSessionName="s1", Policy=policy(allow("sqs:SendMessage")))
    sqs = session_client(cloud, "sqs", answer["Credentials"])
    assert not denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert denied(sqs.receive_message, QueueUrl=url)
