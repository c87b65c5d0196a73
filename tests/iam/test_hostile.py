"""Input that nobody sends by accident."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.iam.identities import policy, refused, trust
from tests.support.running import ACCOUNT, Running

DEEP = "[" * 50_000 + "]" * 50_000
STRANGE_ARNS = [
    "arn:aws:iam::" + ACCOUNT + ":policy/",
    "arn:aws:iam::" + ACCOUNT + ":policy//../x",
    "arn:aws:iam::111111111111:policy/theirs",
    "arn:aws:iam::aws:policy/NoSuchPolicyOfAws",
    "arn:aws:s3:::a-bucket-and-no-policy",
    "x" * 2048,
    "arn:aws:iam::" + ACCOUNT + ":policy/\x00\x7f",
    "ﾈarn:aws:iam::000000000000:policy/ﾈ",
]


@pytest.fixture(scope="module")
def hostess(cloud: Running) -> None:
    cloud.client("iam").create_user(UserName="hostess")


@pytest.mark.parametrize("document", ["", "[]", "null", "{}", DEEP, '{"Version": NaN}', '{"Statement": [{}]}', "\ud7ff" * 10, "{" + '"Statement":[],' * 2000 + "}"])
def test_documents(cloud: Running, hostess: None, document: str) -> None:
    """Every one is refused as malformed (or by its size or characters), none fails inside."""
    iam = cloud.client("iam", parameter_validation=False)
    for call, params in (
        (iam.create_policy, {"PolicyName": "h", "PolicyDocument": document}),
        (iam.put_user_policy, {"UserName": "hostess", "PolicyName": "h", "PolicyDocument": document}),
        (iam.create_role, {"RoleName": "h", "AssumeRolePolicyDocument": document}),
    ):
        with pytest.raises(ClientError) as caught:
            call(**params)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 409)


@pytest.mark.parametrize("arn", STRANGE_ARNS)
def test_arns(cloud: Running, arn: str) -> None:
    """A policy that is not there is not there, whatever its ARN looks like."""
    iam = cloud.client("iam")
    for call in (iam.get_policy, iam.delete_policy, iam.list_policy_versions, iam.list_entities_for_policy, iam.list_policy_tags):
        with pytest.raises(ClientError) as caught:
            call(PolicyArn=arn)
        assert caught.value.response["Error"]["Code"] in ("ValidationError", "NoSuchEntity", "InvalidInput", "AccessDenied")


def test_the_policies_of_other_accounts_cannot_be_used(cloud: Running, iam: Any) -> None:
    """Accounts are separate, also for who knows an ARN."""
    theirs = cloud.client("iam", key="111111111111").create_policy(
        PolicyName="theirs", PolicyDocument=policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    )["Policy"]["Arn"]
    iam.create_user(UserName="thief")
    refused("NoSuchEntity", iam.attach_user_policy, UserName="thief", PolicyArn=theirs)
    refused("NoSuchEntity", iam.put_user_permissions_boundary, UserName="thief", PermissionsBoundary=theirs)
    refused("NoSuchEntity", iam.get_policy_version, PolicyArn=theirs, VersionId="v1")


@pytest.mark.parametrize("marker", ["AA==", "dXNlcjo=", "YXdzOg==", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "/w==", "user:"])
def test_markers(cloud: Running, marker: str) -> None:
    """A marker from nowhere gives a page or Invalid Marker, never another account's rows."""
    iam = cloud.client("iam")
    for call, key in ((iam.list_users, "Users"), (iam.list_policies, "Policies"), (iam.list_account_aliases, "AccountAliases"), (iam.get_account_authorization_details, "UserDetailList")):
        try:
            assert isinstance(call(Marker=marker)[key], list)
        except ClientError as error:
            assert error.response["Error"] == {"Type": "Sender", "Code": "ValidationError", "Message": "Invalid Marker."}


def test_names_of_every_kind(iam: Any) -> None:
    """All the characters that a name may have keep their places in ARNs and keys."""
    name = "a+=,.@-_Z9"
    iam.create_user(UserName=name, Path="/~!x/%2F/")
    assert iam.get_user(UserName=name)["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/~!x/%2F/{name}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/~!x/%2F/{name}"}))
    iam.tag_role(RoleName=name, Tags=[{"Key": "schlüssel/키 :=", "Value": "wert 값"}])
    assert iam.list_role_tags(RoleName=name)["Tags"] == [{"Key": "schlüssel/키 :=", "Value": "wert 값"}]
