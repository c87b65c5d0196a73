"""Managed and inline policies, their versions and where they are attached."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.iam.identities import allow, policy, refused, trust
from tests.support.running import ACCOUNT, Running

READ = policy(allow("s3:GetObject"))
WRITE = policy(allow("s3:PutObject"))
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def test_versions(iam: Any) -> None:
    """Five versions; the default decides and cannot be deleted; numbers are never used again."""
    arn = iam.create_policy(PolicyName="versioned", PolicyDocument=READ, Description="d")["Policy"]["Arn"]
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=WRITE, SetAsDefault=True)["PolicyVersion"]["VersionId"] == "v2"
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ)
    message = refused("LimitExceeded", iam.create_policy_version, PolicyArn=arn, PolicyDocument=READ)
    assert message == "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [("v5", False), ("v4", False), ("v3", False), ("v2", True), ("v1", False)]
    assert refused("DeleteConflict", iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == "Cannot delete the default version of a policy."
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ)["PolicyVersion"]["VersionId"] == "v6"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(WRITE)
    refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
    for version in ("v2", "v3", "v4", "v6"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.delete_policy(PolicyArn=arn)
    assert refused("NoSuchEntity", iam.get_policy, PolicyArn=arn) == f"Policy {arn} was not found."


def test_errors_of_versions(iam: Any) -> None:
    """As recorded from the real service."""
    arn = iam.create_policy(PolicyName="plain", PolicyDocument=READ)["Policy"]["Arn"]
    absent = f"arn:aws:iam::{ACCOUNT}:policy/absent"
    words = "version {} does not exist or is not attachable."
    assert refused("NoSuchEntity", iam.get_policy_version, PolicyArn=absent, VersionId="v1") == f"Policy {absent} {words.format('v1')}"
    assert refused("NoSuchEntity", iam.set_default_policy_version, PolicyArn=arn, VersionId="v9") == f"Policy {arn} {words.format('v9')}"
    assert refused("NoSuchEntity", iam.delete_policy_version, PolicyArn=arn, VersionId="v9") == f"Policy {arn} {words.format('v9')}"
    assert "Member must satisfy regular expression pattern: v[1-9]" in refused("ValidationError", iam.get_policy_version, PolicyArn=arn, VersionId="1")
    assert refused("EntityAlreadyExists", iam.create_policy, PolicyName="plain", PolicyDocument=READ) == (
        "A policy called plain already exists. Duplicate names are not allowed."
    )


def test_malformed_documents(iam: Any) -> None:
    """Managed policies must be of the current version, inline ones may be old; neither may name a principal."""
    old = json.dumps({"Version": "2008-10-17", "Statement": [allow("s3:*")]})
    message = refused("MalformedPolicyDocument", iam.create_policy, PolicyName="old", PolicyDocument=old)
    assert message == "Policy document must be version 2012-10-17 or greater."
    iam.create_user(UserName="oldie")
    iam.put_user_policy(UserName="oldie", PolicyName="old", PolicyDocument=old)
    named = policy(allow("s3:*") | {"Principal": "*"})
    message = refused("MalformedPolicyDocument", iam.put_user_policy, UserName="oldie", PolicyName="x", PolicyDocument=named)
    assert message == "Policy document should not specify a principal."


def test_sizes(iam: Any) -> None:
    """6,144 characters a managed policy; 2,048 all inline policies of a user together; white space is free."""
    large = policy(allow(*[f"s3:Action{number:04}" for number in range(400)]))
    assert refused("LimitExceeded", iam.create_policy, PolicyName="large", PolicyDocument=large) == "Cannot exceed quota for PolicySize: 6144"
    iam.create_user(UserName="fat")
    half = policy(allow(*[f"s3:Action{number:04}" for number in range(60)]))
    iam.put_user_policy(UserName="fat", PolicyName="a", PolicyDocument=half)
    message = refused("LimitExceeded", iam.put_user_policy, UserName="fat", PolicyName="b", PolicyDocument=half)
    assert message == "Maximum policy size of 2048 bytes exceeded for user fat"
    iam.put_user_policy(UserName="fat", PolicyName="a", PolicyDocument=json.dumps(json.loads(half), indent=8))


def test_attachments(iam: Any) -> None:
    """What a policy is attached to is counted and listed; attaching twice is once."""
    arn = iam.create_policy(PolicyName="shared", PolicyDocument=READ)["Policy"]["Arn"]
    iam.create_user(UserName="att")
    iam.create_group(GroupName="att")
    iam.create_role(RoleName="att", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    for _ in range(2):
        iam.attach_user_policy(UserName="att", PolicyArn=arn)
    iam.attach_group_policy(GroupName="att", PolicyArn=arn)
    iam.attach_role_policy(RoleName="att", PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName="att", PermissionsBoundary=arn)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (3, 1)
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [len(entities[kind]) for kind in ("PolicyUsers", "PolicyGroups", "PolicyRoles")] == [1, 1, 1]
    only = iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="User")
    assert (len(only["PolicyUsers"]), only["PolicyRoles"]) == (1, [])
    bounded = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    assert ([role["RoleName"] for role in bounded["PolicyRoles"]], bounded["PolicyUsers"]) == (["att"], [])
    assert iam.list_attached_user_policies(UserName="att")["AttachedPolicies"] == [{"PolicyName": "shared", "PolicyArn": arn}]
    assert iam.list_attached_group_policies(GroupName="att")["AttachedPolicies"] == [{"PolicyName": "shared", "PolicyArn": arn}]
    iam.detach_group_policy(GroupName="att", PolicyArn=arn)
    iam.detach_role_policy(RoleName="att", PolicyArn=arn)
    assert iam.list_attached_group_policies(GroupName="att")["AttachedPolicies"] == iam.list_attached_role_policies(RoleName="att")["AttachedPolicies"] == []
    iam.detach_user_policy(UserName="att", PolicyArn=arn)
    assert refused("NoSuchEntity", iam.detach_user_policy, UserName="att", PolicyArn=arn) == f"Policy {arn} was not found."


def test_inline_policies_of_users_and_roles(iam: Any) -> None:
    """Kept as they were written, listed by name, of users and roles alike."""
    iam.create_user(UserName="inline")
    iam.create_role(RoleName="inline", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    for name in ("b", "a"):
        iam.put_user_policy(UserName="inline", PolicyName=name, PolicyDocument=READ)
        iam.put_role_policy(RoleName="inline", PolicyName=name, PolicyDocument=READ)
    assert iam.list_user_policies(UserName="inline")["PolicyNames"] == iam.list_role_policies(RoleName="inline")["PolicyNames"] == ["a", "b"]
    assert iam.get_role_policy(RoleName="inline", PolicyName="a")["PolicyDocument"] == json.loads(READ)
    iam.delete_role_policy(RoleName="inline", PolicyName="a")
    refused("NoSuchEntity", iam.get_role_policy, RoleName="inline", PolicyName="a")
    assert iam.list_role_policies(RoleName="inline")["PolicyNames"] == ["b"]


def test_attach_errors(iam: Any) -> None:
    """As recorded from the real service."""
    iam.create_user(UserName="wrong")
    assert refused("ValidationError", iam.attach_user_policy, UserName="wrong", PolicyArn="longpolicynamebutnoarn") == "ARN longpolicynamebutnoarn is not valid."
    absent = f"arn:aws:iam::{ACCOUNT}:policy/absent"
    assert refused("NoSuchEntity", iam.attach_user_policy, UserName="wrong", PolicyArn=absent) == f"Policy {absent} does not exist or is not attachable."
    for number in range(11):
        iam.create_policy(PolicyName=f"crowd{number}", PolicyDocument=READ)
    for number in range(10):
        iam.attach_user_policy(UserName="wrong", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/crowd{number}")
    message = refused("LimitExceeded", iam.attach_user_policy, UserName="wrong", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/crowd10")
    assert message == "Cannot exceed quota for PoliciesPerUser: 10"


def test_policies_of_aws(iam: Any) -> None:
    """They are there in every account, are listed, and are nobody's to change."""
    found = iam.get_policy(PolicyArn=MANAGED)["Policy"]
    assert (found["PolicyName"], found["Path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    document = iam.get_policy_version(PolicyArn=MANAGED, VersionId=found["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    refused("AccessDenied", iam.create_policy_version, PolicyArn=MANAGED, PolicyDocument=READ)
    refused("AccessDenied", iam.delete_policy, PolicyArn=MANAGED)


def test_list_policies(iam: Any) -> None:
    """Every policy once over pages of any size, by scope and use."""
    names = {f"listed{number}" for number in range(5)}
    for name in names:
        iam.create_policy(PolicyName=name, PolicyDocument=READ, Path="/listed/")
    local = [one["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="Local", PathPrefix="/listed/") for one in page["Policies"]]
    assert local == sorted(names)
    pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 7})
    everything = [one["Arn"] for page in pages for one in page["Policies"]]
    assert len(everything) == len(set(everything)) and MANAGED in everything and set(local) <= {arn.rpartition("/")[2] for arn in everything}
    assert not iam.list_policies(OnlyAttached=True, PathPrefix="/listed/")["Policies"]


def test_inline_policies(iam: Any) -> None:
    """Put replaces; get and list show; the errors name the kind of entity."""
    iam.create_group(GroupName="inl")
    iam.put_group_policy(GroupName="inl", PolicyName="p", PolicyDocument=READ)
    iam.put_group_policy(GroupName="inl", PolicyName="p", PolicyDocument=WRITE)
    found = iam.get_group_policy(GroupName="inl", PolicyName="p")
    assert (found["GroupName"], found["PolicyDocument"]) == ("inl", json.loads(WRITE))
    assert iam.list_group_policies(GroupName="inl")["PolicyNames"] == ["p"]
    iam.delete_group_policy(GroupName="inl", PolicyName="p")
    assert refused("NoSuchEntity", iam.get_group_policy, GroupName="inl", PolicyName="p") == "The group policy with name p cannot be found."


def test_documents_are_percent_encoded(cloud: Running, iam: Any) -> None:
    """IAM API Reference: policy documents in answers are encoded as RFC 3986 has it (boto3 decodes them by itself)."""
    iam.create_user(UserName="enc")
    iam.put_user_policy(UserName="enc", PolicyName="p", PolicyDocument=policy(allow("s3:Get*", on="arn:aws:s3:::a b~c/*")))
    body = "Action=GetUserPolicy&Version=2010-05-08&UserName=enc&PolicyName=p"
    request = AWSRequest("POST", cloud.endpoint + "/", data=body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    SigV4Auth(Credentials("test", "test"), "iam", "us-east-1").add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(cloud.endpoint + "/", body.encode(), dict(request.headers.items()))) as answer:
        text = answer.read().decode()
    assert "%22arn%3Aaws%3As3%3A%3A%3Aa%20b~c%2F%2A%22" in text


def test_case_of_tag_keys_counts_for_policies(iam: Any) -> None:
    """Unlike those of users and roles."""
    arn = iam.create_policy(PolicyName="tagp", PolicyDocument=READ, Tags=[{"Key": "a", "Value": "l"}, {"Key": "A", "Value": "u"}])["Policy"]["Arn"]
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "A", "Value": "u"}, {"Key": "a", "Value": "l"}]
    page = iam.list_policy_tags(PolicyArn=arn, MaxItems=1)
    assert page["IsTruncated"] and iam.list_policy_tags(PolicyArn=arn, Marker=page["Marker"])["Tags"] == [{"Key": "a", "Value": "l"}]
    message = refused("InvalidInput", iam.tag_policy, PolicyArn=arn, Tags=[{"Key": "b", "Value": ""}, {"Key": "b", "Value": ""}])
    assert message == "Duplicate tag keys found."
