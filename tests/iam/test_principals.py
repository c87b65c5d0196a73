"""Principals of policies: they must exist, and a policy keeps who they are, not what they are called.

IAM User Guide, "AWS JSON policy elements: Principal": "IAM user principals" and "IAM role principals".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from haneul.services.dynamodb.service import DynamoDb
from haneul.services.ecr.service import Ecr
from haneul.services.iam.service import Iam
from haneul.services.s3.service import S3
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, REGION, Running

OTHER = "111111111111"
NOBODY = [
    f"arn:aws:iam::{ACCOUNT}:user/nobody",
    f"arn:aws:iam::{OTHER}:role/nobody",
    f"arn:aws:iam::{ACCOUNT}:group/people",
    f"arn:aws:iam::{ACCOUNT}:user/path/present",
    "AIDAAAAAAAAAAAAAAAAAA",
    "AROAAAAAAAAAAAAAAAAAA",
]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Iam, Sts, S3, Sqs, DynamoDb, Ecr]) as running:
        running.client("iam").create_group(GroupName="people")
        running.client("iam").create_user(UserName="present")
        yield running


def forget(user: User) -> None:
    """Delete a user with its key."""
    user.iam.delete_access_key(UserName=user.name, AccessKeyId=user.key)
    user.iam.delete_user(UserName=user.name)


class Holder:
    """Something that has a policy: how it is set, how it is shown, and the error for a policy that cannot be."""

    def __init__(self, cloud: Running, kind: str) -> None:
        self.kind = kind
        make: Callable[[Running], None] = getattr(self, f"_make_{kind}")
        make(cloud)

    def _make_queue(self, cloud: Running) -> None:
        sqs = cloud.client("sqs")
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:held"
        self.url = url = sqs.create_queue(QueueName="held")["QueueUrl"]
        self.error, self.message = "InvalidAttributeValue", "Invalid value for the parameter Policy."
        self.put = lambda text: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        self.shown = lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        self.service, self.action, self.use = "sqs", "sqs:SendMessage", lambda client: client.send_message(QueueUrl=url, MessageBody="x")

    def _make_bucket(self, cloud: Running) -> None:
        s3 = cloud.client("s3")
        self.arn = "arn:aws:s3:::held"
        s3.create_bucket(Bucket="held")
        self.error, self.message = "MalformedPolicy", "Invalid principal in policy"
        self.put = lambda text: s3.put_bucket_policy(Bucket="held", Policy=text)
        self.shown = lambda: s3.get_bucket_policy(Bucket="held")["Policy"]
        self.service, self.action, self.use = "s3", "s3:ListBucket", lambda client: client.list_objects_v2(Bucket="held")

    def _make_table(self, cloud: Running) -> None:
        dynamodb = cloud.client("dynamodb")
        key = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}]}
        self.arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/held"
        dynamodb.create_table(TableName="held", BillingMode="PAY_PER_REQUEST", **key)
        cloud.advance("1m")
        self.error, self.message = "ValidationException", "One or more parameter values were invalid: Invalid principal in policy document."
        self.put = lambda text: dynamodb.put_resource_policy(ResourceArn=self.arn, Policy=text)
        self.shown = lambda: dynamodb.get_resource_policy(ResourceArn=self.arn)["Policy"]
        self.service, self.action, self.use = "dynamodb", "dynamodb:DescribeTable", lambda client: client.describe_table(TableName="held")

    def _make_repository(self, cloud: Running) -> None:
        ecr = cloud.client("ecr")
        self.arn = ""
        ecr.create_repository(repositoryName="held")
        self.error, self.message = "InvalidParameterException", "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided"
        self.put = lambda text: ecr.set_repository_policy(repositoryName="held", policyText=text)
        self.shown = lambda: ecr.get_repository_policy(repositoryName="held")["policyText"]
        self.service, self.action, self.use = "ecr", "ecr:ListImages", lambda client: client.list_images(repositoryName="held")

    def policy(self, principal: str | list[str]) -> str:
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": self.action} | ({"Resource": self.arn} if self.arn else {})
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)

    @property
    def principal(self) -> Any:
        return json.loads(self.shown())["Statement"][0]["Principal"]["AWS"]


@pytest.fixture(scope="module", params=["queue", "bucket", "table", "repository"])
def holder(cloud: Running, request: pytest.FixtureRequest) -> Holder:
    return Holder(cloud, request.param)


@pytest.mark.parametrize("principal", NOBODY)
def test_principals_of_resources_policies_must_exist(holder: Holder, principal: str) -> None:
    """In whatever account of this cloud; groups are no principals."""
    message = refused(holder.error, lambda: holder.put(holder.policy([f"arn:aws:iam::{ACCOUNT}:user/present", principal])))
    assert message.startswith(holder.message)


@pytest.mark.parametrize("wrong", [{"Condition": {"FooEquals": {"aws:username": "x"}}}, {"Effect": "Maybe"}, {"Foo": 1}, {"Sid": 5}, {"Condition": []}])
def test_policies_that_cannot_be_judged_by_are_refused(cloud: Running, holder: Holder, wrong: dict[str, Any]) -> None:
    """Because such a policy, once kept, would deny everything to everybody, and to whoever would mend it."""
    policy = json.loads(holder.policy(f"arn:aws:iam::{OTHER}:root"))
    policy["Statement"][0] |= wrong
    refused(holder.error, lambda: holder.put(json.dumps(policy)))
    holder.use(cloud.client(holder.service))


def test_a_resources_policy_keeps_who_its_principals_are(cloud: Running, holder: Holder) -> None:
    """It shows the ARN while there is such a user, the id afterwards; the next user of the name is somebody else."""
    user = User(cloud, f"of-{holder.kind}")
    accounts = f"arn:aws:iam::{OTHER}:root"
    holder.put(holder.policy([user.arn, accounts]))
    assert holder.principal == [user.arn, accounts]
    holder.use(user.client(holder.service))
    unique_id = user.iam.get_user(UserName=user.name)["User"]["UserId"]
    user.iam.update_user(UserName=user.name, NewUserName=f"{user.name}-renamed")
    assert holder.principal[0] == f"{user.arn}-renamed"
    user.iam.update_user(UserName=f"{user.name}-renamed", NewUserName=user.name)
    forget(user)
    assert holder.principal == [unique_id, accounts]
    again = User(cloud, user.name)
    assert again.arn == user.arn
    with pytest.raises(Exception, match="AccessDenied"):
        holder.use(again.client(holder.service))
    # What is shown cannot be set again until it is put right, as on AWS.
    refused(holder.error, lambda: holder.put(holder.shown()))
    cloud.advance("15s")  # A table's policy is left alone so long.
    holder.put(holder.policy(again.arn))
    holder.use(again.client(holder.service))


@pytest.mark.parametrize("principal", NOBODY)
def test_principals_of_trust_policies_must_exist(cloud: Running, principal: str) -> None:
    """The message names the first that does not."""
    iam = cloud.client("iam")
    document = trust({"AWS": [ACCOUNT, principal]})
    assert refused("MalformedPolicyDocument", iam.create_role, RoleName="unborn", AssumeRolePolicyDocument=document) == f'Invalid principal in policy: "AWS":"{principal}"'
    iam.get_user(UserName="present")
    if not any(found["RoleName"] == "trusting" for found in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    refused("MalformedPolicyDocument", iam.update_assume_role_policy, RoleName="trusting", PolicyDocument=document)


def test_a_trust_policy_keeps_who_its_principals_are(cloud: Running) -> None:
    """Users and roles, of other accounts too, in every operation that shows the role."""
    iam, theirs = cloud.client("iam"), cloud.client("iam", key=OTHER)
    user = User(cloud, "trusted", allow("sts:AssumeRole"))
    theirs.create_role(RoleName="visitor", Path="/from/", AssumeRolePolicyDocument=trust({"AWS": OTHER}))
    visitor = theirs.get_role(RoleName="visitor")["Role"]
    document = trust({"AWS": [user.arn, visitor["Arn"]], "Service": "lambda.amazonaws.com"})
    arn = iam.create_role(RoleName="host", AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def principals() -> list[Any]:
        detailed = next(one for one in iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"] if one["RoleName"] == "host")
        listed = next(one for one in iam.list_roles()["Roles"] if one["RoleName"] == "host")
        shown = [one["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] for one in (iam.get_role(RoleName="host")["Role"], listed, detailed)]
        assert shown[0] == shown[1] == shown[2]
        assert shown[0]["Service"] == "lambda.amazonaws.com"
        return list(shown[0]["AWS"])

    assert principals() == [user.arn, visitor["Arn"]]
    user.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    unique_id = iam.get_user(UserName="trusted")["User"]["UserId"]
    iam.delete_user_policy(UserName="trusted", PolicyName="inline")
    forget(user)
    theirs.delete_role(RoleName="visitor")
    assert principals() == [unique_id, visitor["RoleId"]]
    again = User(cloud, "trusted", allow("sts:AssumeRole"))
    refused("AccessDenied", again.client("sts").assume_role, RoleArn=arn, RoleSessionName="s1")


def test_unique_ids_may_be_written_too(cloud: Running) -> None:
    """Of somebody who exists; they are shown as ARNs."""
    iam, user = cloud.client("iam"), User(cloud, "by-id")
    unique_id = iam.get_user(UserName="by-id")["User"]["UserId"]
    made = iam.create_role(RoleName="names-an-id", AssumeRolePolicyDocument=trust({"AWS": unique_id}))["Role"]
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"] == user.arn
    user.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="s1")


def test_the_federated_session_of_a_principal(cloud: Running) -> None:
    """A policy that names the user means its federated users, too, as far as their session's policies let them."""
    sqs, user = cloud.client("sqs"), User(cloud, "federating", allow("sts:GetFederationToken"))
    url = sqs.create_queue(QueueName="federated")["QueueUrl"]
    statement = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sqs:*", "Resource": f"arn:aws:sqs:{REGION}:{ACCOUNT}:federated"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(statement)})
    session = session_client(cloud, "sqs", user.client("sts").get_federation_token(Name="guest", Policy=policy(allow("sqs:SendMessage")))["Credentials"])
    session.send_message(QueueUrl=url, MessageBody="x")
    refused("AccessDenied", session.receive_message, QueueUrl=url)
