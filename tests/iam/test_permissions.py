"""Who may do what, decided on real requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running


def test_nothing_is_allowed_at_first(cloud: Running) -> None:
    """The sentence is AWS's, with the resource that was meant."""
    user = User(cloud, "newcomer")
    message = refused("AccessDenied", user.client("iam").get_role, RoleName="some")
    assert message == (
        f"User: {user.arn} is not authorized to perform: iam:GetRole on resource: arn:aws:iam::{ACCOUNT}:role/some "
        "because no identity-based policy allows the iam:GetRole action"
    )


def test_inline_group_and_managed_policies_add_up(cloud: Running, iam: Any) -> None:
    """A user may do what any of the policies allows: the own, the group's, the attached."""
    user = User(cloud, "adder", allow("iam:ListUsers"))
    mine = user.client("iam")
    iam.create_group(GroupName="adders")
    mine.list_users()
    refused("AccessDenied", mine.list_groups)
    iam.put_group_policy(GroupName="adders", PolicyName="p", PolicyDocument=policy(allow("iam:ListGroups")))
    iam.add_user_to_group(GroupName="adders", UserName="adder")
    mine.list_groups()
    refused("AccessDenied", mine.list_roles)
    iam.attach_group_policy(GroupName="adders", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    mine.list_roles()
    iam.remove_user_from_group(GroupName="adders", UserName="adder")
    refused("AccessDenied", mine.list_roles)


@pytest.mark.parametrize("change", [{"NewPath": "/admin/"}, {"NewUserName": "boss"}])
def test_both_sides_of_a_move_need_the_permission(cloud: Running, iam: Any, change: dict[str, str]) -> None:
    """Or a user could be moved to where other permissions hold ("Rename an IAM user")."""
    name = f"mover-{next(iter(change))}"
    iam.create_user(UserName=name, Path="/dev/")
    user = User(cloud, f"{name}-boss", allow("iam:UpdateUser", on=f"arn:aws:iam::*:user/dev/{name}*"))
    target = f"arn:aws:iam::{ACCOUNT}:user{change.get('NewPath', '/dev/')}{change.get('NewUserName', name)}"
    message = refused("AccessDenied", user.client("iam").update_user, UserName=name, **change)
    assert f"iam:UpdateUser on resource: {target} because" in message
    user.client("iam").update_user(UserName=name, NewUserName=f"{name}2")
    assert iam.get_user(UserName=f"{name}2")["User"]["Path"] == "/dev/"


def test_the_last_use_of_ones_own_key(cloud: Running) -> None:
    """The resource is the user whose key it is, as policies for self-service have it."""
    user = User(cloud, "selfish", allow("iam:GetAccessKeyLastUsed", on="arn:aws:iam::*:user/${aws:username}"))
    other = User(cloud, "foreign")
    assert user.client("iam").get_access_key_last_used(AccessKeyId=user.key)["UserName"] == "selfish"
    message = refused("AccessDenied", user.client("iam").get_access_key_last_used, AccessKeyId=other.key)
    assert f"on resource: {other.arn} because" in message


def test_explicit_deny_wins(cloud: Running, iam: Any) -> None:
    """Whatever else allows, and the sentence says so."""
    user = User(cloud, "denied", allow("iam:*"), allow("iam:ListUsers", effect="Deny"))
    message = refused("AccessDenied", user.client("iam").list_users)
    assert message.endswith("on resource: arn:aws:iam::000000000000:user/ with an explicit deny in an identity-based policy")


def test_new_default_version_counts_at_once(cloud: Running, iam: Any) -> None:
    """A policy says what its default version says, for everybody it is attached to."""
    user = User(cloud, "versions")
    arn = iam.create_policy(PolicyName="moving", PolicyDocument=policy(allow("iam:ListUsers")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="versions", PolicyArn=arn)
    user.client("iam").list_users()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("iam:ListGroups")), SetAsDefault=True)
    refused("AccessDenied", user.client("iam").list_users)
    user.client("iam").list_groups()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    user.client("iam").list_users()


def test_a_boundary_only_takes_away(cloud: Running, iam: Any) -> None:
    """What is allowed is what the policies and the boundary both allow."""
    user = User(cloud, "bounded", allow("iam:List*"))
    arn = iam.create_policy(PolicyName="groups-only", PolicyDocument=policy(allow("iam:ListGroups", "iam:GetUser")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=arn)
    mine = user.client("iam")
    mine.list_groups()
    assert refused("AccessDenied", mine.list_users).endswith("because no permissions boundary allows the iam:ListUsers action")
    assert refused("AccessDenied", mine.get_user, UserName="bounded").endswith("because no identity-based policy allows the iam:GetUser action")
    iam.delete_user_permissions_boundary(UserName="bounded")
    mine.list_users()


def test_paths_and_tags_of_what_is_meant(cloud: Running, iam: Any) -> None:
    """Resources carry their path, conditions see the tags of request and resource, variables the name of the caller."""
    user = User(
        cloud,
        "pathfinder",
        allow("iam:GetUser", on=f"arn:aws:iam::{ACCOUNT}:user/team/*"),
        allow("iam:DeleteUser", when={"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}}),
        allow("iam:CreateUser", "iam:TagUser", when={"StringEquals": {"aws:RequestTag/owner": "${aws:username}"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["owner"]}}),
    )
    mine = user.client("iam")
    iam.create_user(UserName="inside", Path="/team/")
    mine.get_user(UserName="inside")
    refused("AccessDenied", mine.get_user, UserName="pathfinder")
    refused("AccessDenied", mine.delete_user, UserName="inside")
    refused("AccessDenied", mine.create_user, UserName="theirs")
    refused("AccessDenied", mine.create_user, UserName="theirs", Tags=[{"Key": "owner", "Value": "pathfinder"}, {"Key": "x", "Value": "y"}])
    mine.create_user(UserName="theirs", Tags=[{"Key": "owner", "Value": "pathfinder"}])
    mine.delete_user(UserName="theirs")


def test_which_policies_may_be_attached(cloud: Running, iam: Any) -> None:
    """iam:PolicyARN and iam:PermissionsBoundary, the ways to delegate administration."""
    arn = iam.create_policy(PolicyName="harmless", PolicyDocument=policy(allow("iam:ListUsers")))["Policy"]["Arn"]
    user = User(
        cloud,
        "delegate",
        allow("iam:AttachUserPolicy", when={"ArnEquals": {"iam:PolicyARN": arn}}),
        allow("iam:CreateUser", when={"StringEquals": {"iam:PermissionsBoundary": arn}}),
    )
    mine = user.client("iam")
    refused("AccessDenied", mine.attach_user_policy, UserName="delegate", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    mine.attach_user_policy(UserName="delegate", PolicyArn=arn)
    refused("AccessDenied", mine.create_user, UserName="limited")
    mine.create_user(UserName="limited", PermissionsBoundary=arn)


def test_a_deleted_user_can_do_nothing(cloud: Running, iam: Any) -> None:
    """The session of a deleted user keeps its credentials but loses every permission, also when another user gets the name."""
    user = User(cloud, "gone", allow("sts:AssumeRole"))
    arn = iam.create_role(RoleName="reached", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    session = session_client(cloud, "sts", user.client("sts").get_session_token()["Credentials"])
    session.assume_role(RoleArn=arn, RoleSessionName="s1")
    iam.delete_user_policy(UserName="gone", PolicyName="inline")
    iam.delete_access_key(UserName="gone", AccessKeyId=user.key)
    iam.delete_user(UserName="gone")
    refused("AccessDenied", session.assume_role, RoleArn=arn, RoleSessionName="s1")
    User(cloud, "gone", allow("sts:AssumeRole"))
    refused("AccessDenied", session.assume_role, RoleArn=arn, RoleSessionName="s1")


def test_only_the_resource_that_is_allowed(cloud: Running, iam: Any) -> None:
    """Managed policies of AWS belong to no other account: reading them needs just the permission."""
    user = User(cloud, "reader", allow("iam:GetPolicy", on="arn:aws:iam::aws:policy/*"))
    user.client("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    arn = iam.create_policy(PolicyName="private", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    refused("AccessDenied", user.client("iam").get_policy, PolicyArn=arn)


def test_permissions_of_a_role_after_its_deletion(cloud: Running, iam: Any) -> None:
    """Sessions are of the role with that id: a new role of the same name does not revive them."""
    user = User(cloud, "actor")
    document = trust({"AWS": user.arn})
    iam.create_role(RoleName="mortal", AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName="mortal", PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    answer = user.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/mortal", RoleSessionName="s1")
    session = session_client(cloud, "iam", answer["Credentials"])
    session.list_users()
    iam.delete_role_policy(RoleName="mortal", PolicyName="p")
    iam.delete_role(RoleName="mortal")
    iam.create_role(RoleName="mortal", AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName="mortal", PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    refused("AccessDenied", session.list_users)


# ---- simulation


def test_simulation_names_what_decided(cloud: Running, iam: Any) -> None:
    """Where the statement stands, which policy it is of, and which condition keys were missing."""
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:GetObject", when={"StringEquals": {"aws:PrincipalTag/x": "y"}}), allow("s3:Put*")]}, indent=1)
    iam.create_user(UserName="sim")
    iam.put_user_policy(UserName="sim", PolicyName="doc", PolicyDocument=document)
    arn = f"arn:aws:iam::{ACCOUNT}:user/sim"
    results = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:PutObject", "s3:GetObject"])["EvaluationResults"]
    put, get = results
    assert (put["EvalActionName"], put["EvalDecision"]) == ("s3:PutObject", "allowed")
    statement = put["MatchedStatements"][0]
    assert (statement["SourcePolicyId"], statement["SourcePolicyType"]) == ("user_sim_doc", "IAM Policy")
    line = document.splitlines()[statement["StartPosition"]["Line"] - 1]
    assert line[statement["StartPosition"]["Column"] - 1] == "{"
    assert (get["EvalDecision"], get["MissingContextValues"]) == ("implicitDeny", ["aws:PrincipalTag/x"])
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == ["aws:PrincipalTag/x"]


def test_simulation_over_resources(iam: Any) -> None:
    """The decision over all resources is the strictest; each resource has its own."""
    document = policy(allow("s3:*", on="arn:aws:s3:::mine/*"), allow("s3:*", on="arn:aws:s3:::mine/secret", effect="Deny"))
    resources = ["arn:aws:s3:::mine/a", "arn:aws:s3:::mine/secret", "arn:aws:s3:::other/a"]
    result = iam.simulate_custom_policy(PolicyInputList=[document], ActionNames=["s3:GetObject"], ResourceArns=resources)["EvaluationResults"][0]
    assert result["EvalDecision"] == "explicitDeny"
    assert [one["EvalResourceDecision"] for one in result["ResourceSpecificResults"]] == ["allowed", "explicitDeny", "implicitDeny"]


def test_simulation_with_boundary_and_context(iam: Any) -> None:
    """A boundary given takes the place of the attached one, and says for itself whether it allows."""
    result = iam.simulate_custom_policy(
        PolicyInputList=[policy(allow("sqs:*", when={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))],
        PermissionsBoundaryPolicyInputList=[policy(allow("s3:*"))],
        ActionNames=["sqs:SendMessage"],
        ContextEntries=[{"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.1.2.3"], "ContextKeyType": "ip"}],
    )["EvaluationResults"][0]
    assert (result["EvalDecision"], result["PermissionsBoundaryDecisionDetail"]) == ("implicitDeny", {"AllowedByPermissionsBoundary": False})


def test_simulation_errors(iam: Any) -> None:
    """Sources must be users, groups or roles that exist; policies must be policies."""
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/nobody", ActionNames=["s3:GetObject"])
    refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn="arn:aws:s3:::no-identity", ActionNames=["s3:GetObject"])
    refused("InvalidInput", iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:GetObject"])
    message = refused("InvalidInput", iam.simulate_custom_policy, PolicyInputList=[policy(allow("*"))], ActionNames=["s3:GetObject"], ResourceArns=["my-bucket"])
    assert message == "ResourceNames are not in a valid ARN format: my-bucket."


ACTIONS = ("iam:ListUsers", "iam:ListGroups", "iam:ListRoles", "iam:GetUser")
STATEMENTS = st.builds(
    lambda action, effect, on: {"Effect": effect, "Action": action, "Resource": on},
    st.sampled_from([*ACTIONS, "iam:*", "iam:List*", "iam:?etUser", "s3:*"]),
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from(["*", f"arn:aws:iam::{ACCOUNT}:user/*", f"arn:aws:iam::{ACCOUNT}:group/*", f"arn:aws:iam::{ACCOUNT}:user/prop"]),
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def proband(cloud: Running) -> User:
    user = User(cloud, "prop")
    cloud.client("iam").create_group(GroupName="props")
    cloud.client("iam").add_user_to_group(GroupName="props", UserName="prop")
    cloud.client("iam").create_policy(PolicyName="prop-boundary", PolicyDocument=policy(allow("iam:ListUsers", "iam:GetUser")))
    return user


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=POLICIES, group=POLICIES, bounded=st.booleans())
def test_simulation_agrees_with_what_happens(proband: User, own: list[Any], group: list[Any], bounded: bool) -> None:
    """The oracle is the service itself: what SimulatePrincipalPolicy says is what the user's request meets."""
    iam = proband.iam
    proband.may(*own)
    iam.put_group_policy(GroupName="props", PolicyName="p", PolicyDocument=policy(*group))
    if bounded:
        iam.put_user_permissions_boundary(UserName="prop", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/prop-boundary")
    else:
        iam.delete_user_permissions_boundary(UserName="prop")
    mine = proband.client("iam")
    calls = {
        "iam:ListUsers": (mine.list_users, f"arn:aws:iam::{ACCOUNT}:user/"),
        "iam:ListGroups": (mine.list_groups, f"arn:aws:iam::{ACCOUNT}:group/"),
        "iam:ListRoles": (mine.list_roles, f"arn:aws:iam::{ACCOUNT}:role/"),
        "iam:GetUser": (lambda: mine.get_user(UserName="prop"), proband.arn),
    }
    for action, (call, resource) in calls.items():
        said = iam.simulate_principal_policy(PolicySourceArn=proband.arn, ActionNames=[action], ResourceArns=[resource])["EvaluationResults"][0]
        try:
            call()
            happened = "allowed"
        except ClientError as error:
            happened = "explicitDeny" if "explicit deny" in error.response["Error"]["Message"] else "implicitDeny"
        assert said["EvalDecision"] == happened, (action, said)
