"""Roles, service-linked roles and instance profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name

from tests.iam.identities import User, allow, policy, refused, trust
from tests.support.running import ACCOUNT, Running

LAMBDA = trust({"Service": "lambda.amazonaws.com"})


def test_life_of_a_role(iam: Any) -> None:
    """CreateRole leaves out description and longest session, GetRole shows them, with an empty RoleLastUsed."""
    made = iam.create_role(RoleName="worker", Path="/app/", AssumeRolePolicyDocument=LAMBDA, Description="works")["Role"]
    assert set(made) == {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
    assert made["AssumeRolePolicyDocument"] == json.loads(LAMBDA)
    found = iam.get_role(RoleName="worker")["Role"]
    assert (found["MaxSessionDuration"], found["Description"], found["RoleLastUsed"]) == (3600, "works", {})
    assert refused("EntityAlreadyExists", iam.create_role, RoleName="Worker", AssumeRolePolicyDocument=LAMBDA) == "Role with name Worker already exists."
    iam.update_role(RoleName="worker", MaxSessionDuration=7200)
    iam.update_role_description(RoleName="worker", Description="rests")
    found = iam.get_role(RoleName="worker")["Role"]
    assert (found["MaxSessionDuration"], found["Description"]) == (7200, "rests")
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/app/")["Roles"]] == ["worker"]
    iam.delete_role(RoleName="worker")
    assert refused("NoSuchEntity", iam.get_role, RoleName="worker") == "The role with name worker cannot be found."


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"a', "This policy contains invalid Json"),
        (trust({"Service": "ec2.amazonaws.com"}, "s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Resource": "*"}), "Has prohibited field Resource"),
    ],
)
def test_malformed_trust_policies(iam: Any, document: str, message: str) -> None:
    """As recorded from the real service."""
    assert refused("MalformedPolicyDocument", iam.create_role, RoleName="bad", AssumeRolePolicyDocument=document) == message


def test_trust_policies_have_a_size(iam: Any) -> None:
    """Quota ACLSizePerRole; white space does not count."""
    services = [f"service{number:04}.amazonaws.com" for number in range(80)]
    large = trust({"Service": services})
    message = refused("LimitExceeded", iam.create_role, RoleName="large", AssumeRolePolicyDocument=large)
    assert message == "Cannot exceed quota for ACLSizePerRole: 2048"
    iam.create_role(RoleName="airy", AssumeRolePolicyDocument=LAMBDA.replace(",", "," + " " * 2000))


def test_updated_trust(iam: Any) -> None:
    """UpdateAssumeRolePolicy replaces the whole document."""
    iam.create_role(RoleName="turncoat", AssumeRolePolicyDocument=LAMBDA)
    other = trust({"Service": "ec2.amazonaws.com"})
    iam.update_assume_role_policy(RoleName="turncoat", PolicyDocument=other)
    assert iam.get_role(RoleName="turncoat")["Role"]["AssumeRolePolicyDocument"] == json.loads(other)


def test_boundaries(iam: Any) -> None:
    """A boundary is a managed policy that exists; it can be set, replaced and removed."""
    document = policy(allow("s3:*"))
    arn = iam.create_policy(PolicyName="bound", PolicyDocument=document)["Policy"]["Arn"]
    role = iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=LAMBDA, PermissionsBoundary=arn)["Role"]
    assert role["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    wrong = f"arn:aws:iam::{ACCOUNT}:not_a_policy/x"
    assert refused("InvalidInput", iam.put_role_permissions_boundary, RoleName="bounded", PermissionsBoundary=wrong) == f"ARN {wrong} is not valid."
    absent = f"arn:aws:iam::{ACCOUNT}:policy/absent"
    message = refused("NoSuchEntity", iam.put_role_permissions_boundary, RoleName="bounded", PermissionsBoundary=absent)
    assert message == f"Scope ARN: {absent} does not exist or is not attachable."
    assert refused("DeleteConflict", iam.delete_policy, PolicyArn=arn) == "Cannot delete a policy attached to entities."
    iam.delete_role_permissions_boundary(RoleName="bounded")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="bounded")["Role"]
    iam.delete_policy(PolicyArn=arn)


def test_tags_of_roles_ignore_case(iam: Any) -> None:
    """IAM User Guide: keys of users' and roles' tags are unique without regard to case."""
    message = refused(
        "InvalidInput", iam.create_role, RoleName="t", AssumeRolePolicyDocument=LAMBDA, Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    )
    assert message == "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=LAMBDA, Tags=[{"Key": "team", "Value": "x"}])
    iam.tag_role(RoleName="tagged", Tags=[{"Key": "Team", "Value": "y"}, {"Key": "cost", "Value": ""}])
    assert iam.list_role_tags(RoleName="tagged")["Tags"] == [{"Key": "Team", "Value": "y"}, {"Key": "cost", "Value": ""}]
    iam.untag_role(RoleName="tagged", TagKeys=["TEAM", "absent"])
    assert iam.get_role(RoleName="tagged")["Role"]["Tags"] == [{"Key": "cost", "Value": ""}]


def test_fifty_tags_at_most(iam: Any) -> None:
    """One request brings 50 at most, and so does a resource hold."""
    iam.create_role(RoleName="many", AssumeRolePolicyDocument=LAMBDA)
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    assert "Member must have length less than or equal to 50" in refused("ValidationError", iam.tag_role, RoleName="many", Tags=tags)
    iam.tag_role(RoleName="many", Tags=tags[:50])
    assert refused("LimitExceeded", iam.tag_role, RoleName="many", Tags=tags[50:]) == "The number of tags has reached the maximum limit."


def test_service_linked_roles(iam: Any) -> None:
    """They live under their service's path and cannot be changed, only deleted through their own operation."""
    role = iam.create_service_linked_role(AWSServiceName="replication.dynamodb.amazonaws.com")["Role"]
    name = "AWSServiceRoleForDynamoDBReplication"
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/replication.dynamodb.amazonaws.com/{name}"
    message = refused("InvalidInput", iam.create_service_linked_role, AWSServiceName="replication.dynamodb.amazonaws.com")
    assert message == f"Service role name {name} has been taken in this account, please try a different suffix."
    refused("UnmodifiableEntity", iam.delete_role, RoleName=name)
    refused("UnmodifiableEntity", iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument=policy(allow("s3:*")))
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    refused("NoSuchEntity", iam.get_role, RoleName=name)


def test_instance_profiles(iam: Any) -> None:
    """Metadata only: one role a profile, and a role in a profile is not deleted."""
    iam.create_role(RoleName="machine", AssumeRolePolicyDocument=LAMBDA)
    iam.create_role(RoleName="second", AssumeRolePolicyDocument=LAMBDA)
    iam.create_instance_profile(InstanceProfileName="box", Path="/p/")
    assert [one["InstanceProfileName"] for one in iam.list_instance_profiles(PathPrefix="/p/")["InstanceProfiles"]] == ["box"]
    assert refused("EntityAlreadyExists", iam.create_instance_profile, InstanceProfileName="box") == "Instance Profile box already exists."
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="machine")
    message = refused("LimitExceeded", iam.add_role_to_instance_profile, InstanceProfileName="box", RoleName="second")
    assert message == "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    assert [role["RoleName"] for role in iam.get_instance_profile(InstanceProfileName="box")["InstanceProfile"]["Roles"]] == ["machine"]
    assert [one["InstanceProfileName"] for one in iam.list_instance_profiles_for_role(RoleName="machine")["InstanceProfiles"]] == ["box"]
    words = "Cannot delete entity, must remove roles from instance profile first."
    assert refused("DeleteConflict", iam.delete_instance_profile, InstanceProfileName="box") == words
    assert refused("DeleteConflict", iam.delete_role, RoleName="machine") == words
    message = refused("NoSuchEntity", iam.remove_role_from_instance_profile, InstanceProfileName="box", RoleName="second")
    assert message == "Role second in Instance Profile box cannot be found."
    iam.remove_role_from_instance_profile(InstanceProfileName="box", RoleName="machine")
    iam.delete_instance_profile(InstanceProfileName="box")
    assert refused("NoSuchEntity", iam.get_instance_profile, InstanceProfileName="box") == "Instance Profile box cannot be found."


def test_a_role_is_passed_with_permission_only(cloud: Running, iam: Any) -> None:
    """AddRoleToInstanceProfile needs iam:PassRole on the role besides its own permission."""
    iam.create_role(RoleName="precious", AssumeRolePolicyDocument=LAMBDA)
    iam.create_instance_profile(InstanceProfileName="vessel")
    user = User(cloud, "porter", allow("iam:AddRoleToInstanceProfile"))
    message = refused("AccessDenied", user.client("iam").add_role_to_instance_profile, InstanceProfileName="vessel", RoleName="precious")
    assert "is not authorized to perform: iam:PassRole on resource: " in message
    user.may(allow("iam:AddRoleToInstanceProfile", "iam:PassRole"))
    user.client("iam").add_role_to_instance_profile(InstanceProfileName="vessel", RoleName="precious")


def test_settings_of_the_sign_in_are_refused(iam: Any) -> None:
    """There is no console to sign in to, and nobody is told that what was ignored was done."""
    iam.create_user(UserName="signing-in")
    iam.create_role(RoleName="signing-in", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    asked: list[tuple[str, dict[str, Any]]] = [
        ("CreateRole", {"RoleName": "long", "AssumeRolePolicyDocument": trust({"AWS": ACCOUNT}), "MaxSigninSessionDuration": 3600}),
        ("UpdateRole", {"RoleName": "signing-in", "MaxSigninSessionDuration": 3600}),
        ("UpdateRole", {"RoleName": "signing-in", "ResetMaxSigninSessionDuration": True}),
        ("CreateLoginProfile", {"UserName": "signing-in", "Password": "Some-7-word", "MaxSigninSessionDuration": 3600}),
        ("UpdateLoginProfile", {"UserName": "signing-in", "MaxSigninSessionDuration": 3600}),
    ]
    for operation, parameters in asked:
        shape = iam.meta.service_model.operation_model(operation).input_shape
        if not parameters.keys() <= shape.members.keys():
            continue  # An older botocore cannot ask.
        name = next(one for one in parameters if "Signin" in one)
        message = refused("NotImplemented", getattr(iam, xform_name(operation)), **parameters)
        assert f"the parameter {name} of iam:{operation}" in message
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="long")
