"""GetScopedCredentials: the session stays the same; what it may do, and for how long, only shrinks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running

HOUR = 3600
READ = policy(allow("iam:Get*", "iam:List*", "sts:*"))


def role_session(cloud: Running, name: str, *statements: dict[str, Any], **params: Any) -> dict[str, Any]:
    """Credentials of a role that may do `statements`."""
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:SetSourceIdentity"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy(*statements))
    user = User(cloud, f"{name}-user", allow("sts:*"))
    credentials: dict[str, Any] = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="work", **params)["Credentials"]
    return credentials


def scoped(cloud: Running, credentials: dict[str, Any], **params: Any) -> Any:
    return session_client(cloud, "sts", credentials).get_scoped_credentials(**params)


def test_the_session_stays_and_its_permissions_shrink(cloud: Running) -> None:
    """What both the session and the scope allow; the identity, its source and its end are the session's."""
    session = role_session(cloud, "wide", allow("iam:*", "sts:*"), SourceIdentity="somebody")
    before = session_client(cloud, "sts", session).get_caller_identity()
    answer = scoped(cloud, session, Policy=READ)
    credentials = answer["Credentials"]
    assert answer["SessionInfo"] == {"ScopedSessionId": before["UserId"], "Arn": before["Arn"]}
    assert (answer["ScopedPoliciesCount"], answer["SourceIdentity"]) == (1, "somebody")
    assert credentials["Expiration"] == session["Expiration"]
    assert credentials["AccessKeyId"] != session["AccessKeyId"]
    assert answer["SessionTokenSize"] == len(credentials["SessionToken"])
    after = session_client(cloud, "sts", credentials).get_caller_identity()
    assert (after["Arn"], after["UserId"]) == (before["Arn"], before["UserId"])
    iam = session_client(cloud, "iam", credentials)
    assert iam.list_users()["Users"]
    assert "no session policy allows the iam:CreateUser action" in refused("AccessDenied", iam.create_user, UserName="nobody")
    session_client(cloud, "iam", session).create_user(UserName="made-by-the-wide-one")


def test_a_scope_gives_nothing(cloud: Running) -> None:
    """It cannot allow what the session may not do, and it counts beside the policies that the session began with."""
    session = role_session(cloud, "poor", allow("iam:ListUsers", "iam:ListRoles", "sts:*"), Policy=policy(allow("iam:ListUsers", "iam:GetUser", "sts:*")))
    iam = session_client(cloud, "iam", scoped(cloud, session, Policy=policy(allow("*")))["Credentials"])
    assert iam.list_users()["Users"]
    for operation in (iam.list_roles, iam.list_groups):
        refused("AccessDenied", operation)


def test_a_deny_in_a_scope(cloud: Running) -> None:
    """It wins over whatever allows."""
    session = role_session(cloud, "denied", allow("iam:*", "sts:*"))
    scope = policy(allow("*"), allow("iam:ListUsers", effect="Deny"))
    iam = session_client(cloud, "iam", scoped(cloud, session, Policy=scope)["Credentials"])
    assert iam.list_roles()["Roles"]
    assert "explicit deny in a session policy" in refused("AccessDenied", iam.list_users)


def test_scopes_pile_up_to_three(cloud: Running) -> None:
    """Each narrows down what the one before left; one that only shortens the session does not count."""
    session = role_session(cloud, "pile", allow("iam:*", "sts:*"))
    for number, actions in enumerate((("iam:*", "sts:*"), ("iam:List*", "sts:*"), ("iam:ListUsers", "iam:GetUser", "sts:*")), 1):
        answer = scoped(cloud, session, Policy=policy(allow(*actions)))
        assert answer["ScopedPoliciesCount"] == number
        session = answer["Credentials"]
    iam = session_client(cloud, "iam", session)
    assert iam.list_users()["Users"]
    refused("AccessDenied", iam.get_user, UserName="pile-user")  # The third scope would allow it, the second does not.
    refused("AccessDenied", session_client(cloud, "sts", session).get_scoped_credentials, Policy=READ)
    assert scoped(cloud, session, DurationSeconds=60)["ScopedPoliciesCount"] == 3


def test_it_is_a_permission_like_any_other(cloud: Running) -> None:
    """Whoever scopes down without leaving it cannot be scoped down again."""
    refused("AccessDenied", session_client(cloud, "sts", role_session(cloud, "not-allowed", allow("iam:*"))).get_scoped_credentials, Policy=READ)
    once = scoped(cloud, role_session(cloud, "left-out", allow("iam:*", "sts:*")), Policy=policy(allow("iam:*")))["Credentials"]
    refused("AccessDenied", session_client(cloud, "sts", once).get_scoped_credentials, Policy=READ)


def test_durations(fresh_cloud: Running) -> None:
    """Shorter, to the second; never longer than what is left."""
    session = role_session(fresh_cloud, "hour", allow("iam:*", "sts:*"), DurationSeconds=HOUR)
    ends = session["Expiration"]
    minute = scoped(fresh_cloud, session, DurationSeconds=60)["Credentials"]
    assert (ends - minute["Expiration"]).total_seconds() == HOUR - 60
    message = refused("InsufficientSessionLifetime", session_client(fresh_cloud, "sts", minute).get_scoped_credentials, DurationSeconds=61)
    assert "remaining lifetime" in message
    assert scoped(fresh_cloud, minute, Policy=READ)["Credentials"]["Expiration"] == minute["Expiration"]
    fresh_cloud.advance("61s")
    refused("ExpiredToken", session_client(fresh_cloud, "iam", minute).list_users)
    assert session_client(fresh_cloud, "iam", session).list_users()["Users"]


def test_who_may_call_it(cloud: Running) -> None:
    """Sessions of users, of federated users and of root, not whoever has long-term keys. The root user's session keeps to its scope, too."""
    user = User(cloud, "long-term", allow("sts:*", "iam:*"))
    refused("AccessDenied", user.client("sts").get_scoped_credentials, Policy=READ)
    refused("AccessDenied", cloud.client("sts").get_scoped_credentials, Policy=READ)
    federated = user.client("sts").get_federation_token(Name="fed", Policy=policy(allow("sts:*", "iam:*")))["Credentials"]
    assert scoped(cloud, user.client("sts").get_session_token()["Credentials"], Policy=READ)["SessionInfo"]["Arn"] == user.arn
    assert scoped(cloud, federated, Policy=READ)["SessionInfo"]["Arn"].endswith("federated-user/fed")
    root = scoped(cloud, cloud.client("sts").get_session_token()["Credentials"], Policy=policy(allow("sts:GetScopedCredentials")))["Credentials"]
    refused("AccessDenied", session_client(cloud, "sts", root).assume_root, TargetPrincipal="111111111111", TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/root-task/x"})
    assert scoped(cloud, root, DurationSeconds=5)["ScopedPoliciesCount"] == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "ValidationError"),
        ({"ScopedSessionDescription": "nothing to do"}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": policy(allow("s3:Get*")) + " " * 2048}, "ValidationError"),
        ({"DurationSeconds": 0}, "ValidationError"),
        ({"DurationSeconds": 129_601}, "ValidationError"),
        ({"Policy": READ, "MinimumSessionTokenSize": 4097}, "ValidationError"),
        ({"Policy": READ, "ScopedSessionDescription": "x"}, "ValidationError"),
    ],
)
def test_bad_input(cloud: Running, params: dict[str, Any], code: str) -> None:
    """Each gets its error, and no credentials."""
    session = cloud.client("sts").get_session_token()["Credentials"]
    client = cloud.client("sts", key=session["AccessKeyId"], secret=session["SecretAccessKey"], token=session["SessionToken"], parameter_validation=False)
    refused(code, client.get_scoped_credentials, **params)


def test_sizes(cloud: Running) -> None:
    """The token is as long as asked for, and the description as long as it may be."""
    user = User(cloud, "sizes", allow("sts:*"))
    session = user.client("sts").get_session_token()["Credentials"]
    answer = scoped(cloud, session, Policy=READ, MinimumSessionTokenSize=4096, ScopedSessionDescription="d" * 256)
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) >= 4096
