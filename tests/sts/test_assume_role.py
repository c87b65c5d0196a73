"""AssumeRole: who may, for how long, and what the session is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from haneul.clock import Ids
from haneul.core.caller import service_caller
from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.iam.test_account import code
from tests.support.running import ACCOUNT, Running

OTHER = "111111111111"


def role(iam: Any, name: str, document: str, *statements: Any, account: str = ACCOUNT, **params: Any) -> str:
    """Make a role with an inline policy; its ARN."""
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **params)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy(*statements))
    return f"arn:aws:iam::{account}:role/{name}"


def test_session_of_a_role(cloud: Running, iam: Any) -> None:
    """The answer's shape, who the session is, and what it may."""
    user = User(cloud, "ann")
    arn = role(iam, "stage", trust({"AWS": user.arn}), allow("iam:ListUsers"))
    answer = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="night@1")
    session_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/stage/night@1"
    assert answer["AssumedRoleUser"]["Arn"] == session_arn
    assert re.fullmatch("AROA[A-Z2-7]{17}:night@1", answer["AssumedRoleUser"]["AssumedRoleId"])
    assert "PackedPolicySize" not in answer
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert int(answer["Credentials"]["Expiration"].timestamp()) == cloud.clock.seconds() + 3600
    identity = session_client(cloud, "sts", answer["Credentials"]).get_caller_identity()
    assert (identity["Arn"], identity["UserId"]) == (session_arn, answer["AssumedRoleUser"]["AssumedRoleId"])
    session_client(cloud, "iam", answer["Credentials"]).list_users()
    message = refused("AccessDenied", session_client(cloud, "iam", answer["Credentials"]).list_roles)
    assert message.startswith(f"User: {session_arn} is not authorized to perform: iam:ListRoles")


def test_expired_sessions(fresh_cloud: Running) -> None:
    """At the second that the answer named."""
    user = User(fresh_cloud, "ann")
    arn = role(user.iam, "brief", trust({"AWS": user.arn}))
    credentials = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=900)["Credentials"]
    fresh_cloud.advance("14m")
    session = session_client(fresh_cloud, "sts", credentials)
    session.get_caller_identity()
    fresh_cloud.advance("1m")
    assert refused("ExpiredToken", session.get_caller_identity) == "The security token included in the request is expired"


def test_trust_in_the_account_leaves_it_to_identity_policies(cloud: Running, iam: Any) -> None:
    """A trust policy that names the account needs the user's own permission; one that names the user does not."""
    user = User(cloud, "bea")
    arn = role(iam, "by-account", trust({"AWS": ACCOUNT}))
    sts = user.client("sts")
    message = refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1")
    assert message == f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: {arn} because no identity-based policy allows the sts:AssumeRole action"
    user.may(allow("sts:AssumeRole", on=arn))
    sts.assume_role(RoleArn=arn, RoleSessionName="s1")


def test_no_trust_no_session(cloud: Running, iam: Any) -> None:
    """Permission without trust is not enough, and a role that does not exist is refused in the same words."""
    user = User(cloud, "cid", allow("sts:*"))
    arn = role(iam, "aloof", trust({"Service": "lambda.amazonaws.com"}))
    for wanted in (arn, f"arn:aws:iam::{ACCOUNT}:role/absent"):
        message = refused("AccessDenied", user.client("sts").assume_role, RoleArn=wanted, RoleSessionName="s1")
        assert message == f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: {wanted}"


def test_explicit_deny_in_the_trust_policy(cloud: Running, iam: Any) -> None:
    """It wins over everything."""
    user = User(cloud, "dee", allow("sts:*"))
    statements = json.loads(trust({"AWS": ACCOUNT}))["Statement"]
    denied = statements[0] | {"Effect": "Deny", "Principal": {"AWS": user.arn}}
    arn = role(iam, "barred", policy(*statements, denied))
    message = refused("AccessDenied", user.client("sts").assume_role, RoleArn=arn, RoleSessionName="s1")
    assert message.endswith("with an explicit deny in the role trust policy")


def test_across_accounts_both_must_agree(cloud: Running) -> None:
    """The role's account by its trust policy, the user's by an identity policy; the external id keeps deputies from confusion."""
    user = User(cloud, "eve")
    theirs = cloud.client("iam", key=OTHER)
    arn = role(theirs, "guest", trust({"AWS": user.arn}, when={"StringEquals": {"sts:ExternalId": "secret-7"}}), allow("iam:ListRoles"), account=OTHER)
    sts = user.client("sts")
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1", ExternalId="secret-7")
    user.may(allow("sts:AssumeRole", on=arn))
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1")
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1", ExternalId="other")
    credentials = sts.assume_role(RoleArn=arn, RoleSessionName="s1", ExternalId="secret-7")["Credentials"]
    assert session_client(cloud, "sts", credentials).get_caller_identity()["Account"] == OTHER
    assert [found["RoleName"] for found in session_client(cloud, "iam", credentials).list_roles()["Roles"]] == ["guest"]


def test_durations(cloud: Running, iam: Any) -> None:
    """15 minutes to the role's longest session; an hour where a role assumes a role."""
    user = User(cloud, "fay")
    arn = role(iam, "enduring", trust({"AWS": [user.arn, ACCOUNT]}), allow("sts:AssumeRole"), MaxSessionDuration=7200)
    sts = user.client("sts")
    unchecked = cloud.client("sts", parameter_validation=False)
    assert "greater than or equal to 900" in refused("ValidationError", unchecked.assume_role, RoleArn=arn, RoleSessionName="s1", DurationSeconds=899)
    message = refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="s1", DurationSeconds=7201)
    assert message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    credentials = sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=7200)["Credentials"]
    chained = session_client(cloud, "sts", credentials)
    message = refused("ValidationError", chained.assume_role, RoleArn=arn, RoleSessionName="s2", DurationSeconds=3601)
    assert message == "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    chained.assume_role(RoleArn=arn, RoleSessionName="s2", DurationSeconds=3600)


def test_sessions_of_users_chain_no_roles(cloud: Running, iam: Any) -> None:
    """Chaining is a role that assumes a role: who comes with a session token may have all of the role's time."""
    user = User(cloud, "fia")
    arn = role(iam, "long", trust({"AWS": user.arn}), MaxSessionDuration=43200)
    session = session_client(cloud, "sts", user.client("sts").get_session_token()["Credentials"])
    credentials = session.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=43200)["Credentials"]
    assert int(credentials["Expiration"].timestamp()) == cloud.clock.seconds() + 43200


def test_session_policies_only_take_away(cloud: Running, iam: Any) -> None:
    """The session may what both the role and the session's policies allow, inline or by ARN."""
    user = User(cloud, "gus")
    arn = role(iam, "wide", trust({"AWS": user.arn}), allow("iam:List*"))
    sts = user.client("sts")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="s1", Policy=policy(allow("iam:ListUsers", "s3:*")))
    assert 0 < answer["PackedPolicySize"] < 100
    session = session_client(cloud, "iam", answer["Credentials"])
    session.list_users()
    assert refused("AccessDenied", session.list_roles).endswith("because no session policy allows the iam:ListRoles action")
    managed = iam.create_policy(PolicyName="groups", PolicyDocument=policy(allow("iam:ListGroups")))["Policy"]["Arn"]
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="s1", PolicyArns=[{"arn": managed}])
    session = session_client(cloud, "iam", answer["Credentials"])
    session.list_groups()
    refused("AccessDenied", session.list_users)
    iam.delete_policy(PolicyArn=managed)
    refused("AccessDenied", session.list_groups)


def test_session_policies_are_checked(cloud: Running, iam: Any) -> None:
    """Malformed, too large, unknown."""
    user = User(cloud, "hal")
    sts, arn = user.client("sts"), role(iam, "strict", trust({"AWS": user.arn}))
    refused("MalformedPolicyDocument", sts.assume_role, RoleArn=arn, RoleSessionName="s1", Policy="{")
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="s1", Policy=policy(allow("s3:*")) + " " * 2048)
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="s1", PolicyArns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/absent"}])
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="s1", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 11)
    ids = Ids(7)
    noise = [{"Key": f"{number:03}", "Value": ids.text(200)} for number in range(50)]
    role(iam, "noisy", trust({"AWS": user.arn}, "sts:AssumeRole", "sts:TagSession"))
    refused("PackedPolicyTooLarge", sts.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/noisy", RoleSessionName="s1", Tags=noise)


def test_session_tags(cloud: Running, iam: Any) -> None:
    """They need sts:TagSession in the trust policy and overlay the role's own; policies see them as the principal's."""
    user = User(cloud, "ida")
    sts = user.client("sts")
    plain = role(iam, "plain", trust({"AWS": user.arn}))
    tags = [{"Key": "team", "Value": "red"}]
    message = refused("AccessDenied", sts.assume_role, RoleArn=plain, RoleSessionName="s1", Tags=tags)
    assert "sts:TagSession" in message
    document = trust({"AWS": user.arn}, "sts:AssumeRole", "sts:TagSession", when={"StringEquals": {"aws:RequestTag/team": ["red", "blue"]}})
    statement = allow("iam:ListUsers", when={"StringEquals": {"aws:PrincipalTag/team": "red", "aws:PrincipalTag/site": "north"}})
    arn = role(iam, "tagged", document, statement, Tags=[{"Key": "Team", "Value": "none"}, {"Key": "site", "Value": "north"}])
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1", Tags=[{"Key": "team", "Value": "green"}])
    session_client(cloud, "iam", sts.assume_role(RoleArn=arn, RoleSessionName="s1", Tags=tags)["Credentials"]).list_users()
    blue = sts.assume_role(RoleArn=arn, RoleSessionName="s1", Tags=[{"Key": "team", "Value": "blue"}])["Credentials"]
    refused("AccessDenied", session_client(cloud, "iam", blue).list_users)
    message = refused("InvalidParameterValue", sts.assume_role, RoleArn=arn, RoleSessionName="s1", Tags=[*tags, {"Key": "TEAM", "Value": "x"}])
    assert message == "Duplicate tag keys found. Please note that Tag keys are case insensitive."


def test_tags_of_the_system(cloud: Running, iam: Any) -> None:
    """Nobody makes up a tag that begins with aws: (IAM User Guide, "Rules for tagging in IAM and AWS STS")."""
    user = User(cloud, "jim")
    sts, arn = user.client("sts"), role(iam, "systems", trust({"AWS": user.arn}, "sts:AssumeRole", "sts:TagSession"))
    refused("InvalidParameterValue", sts.assume_role, RoleArn=arn, RoleSessionName="s1", Tags=[{"Key": "aws:team", "Value": "red"}])


def test_transitive_tags_go_on(cloud: Running, iam: Any) -> None:
    """Along a chain of roles, where they cannot be set anew; other session tags stay behind."""
    user = User(cloud, "jo")
    document = trust({"AWS": [user.arn, ACCOUNT]}, "sts:AssumeRole", "sts:TagSession")
    first = role(iam, "first", document, allow("sts:*"))
    statement = allow("iam:ListUsers", when={"StringEquals": {"aws:PrincipalTag/keep": "1"}, "Null": {"aws:PrincipalTag/drop": "true"}})
    second = role(iam, "second", document, statement)
    sts = user.client("sts")
    tags = [{"Key": "keep", "Value": "1"}, {"Key": "drop", "Value": "1"}]
    message = refused("InvalidParameterValue", sts.assume_role, RoleArn=first, RoleSessionName="s1", Tags=tags, TransitiveTagKeys=["other"])
    assert message == "The specified transitive tag key must be included in the requested tags."
    chained = session_client(cloud, "sts", sts.assume_role(RoleArn=first, RoleSessionName="s1", Tags=tags, TransitiveTagKeys=["keep"])["Credentials"])
    session_client(cloud, "iam", chained.assume_role(RoleArn=second, RoleSessionName="s2")["Credentials"]).list_users()
    message = refused("InvalidParameterValue", chained.assume_role, RoleArn=second, RoleSessionName="s2", Tags=[{"Key": "KEEP", "Value": "2"}])
    assert message == "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."


def test_transitive_tags_need_permission(cloud: Running, iam: Any) -> None:
    """The next role of a chain must let them be set, though the request names none, and they take up room in its session; without any, nothing is asked."""
    user = User(cloud, "joe")
    first = role(iam, "tagging", trust({"AWS": user.arn}, "sts:AssumeRole", "sts:TagSession"), allow("sts:*"))
    second = role(iam, "untagging", trust({"AWS": ACCOUNT}))
    third = role(iam, "retagging", trust({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession"))
    sts, tags = user.client("sts"), [{"Key": "team", "Value": "red"}]
    tagged = session_client(cloud, "sts", sts.assume_role(RoleArn=first, RoleSessionName="s1", Tags=tags, TransitiveTagKeys=["team"])["Credentials"])
    assert "sts:TagSession" in refused("AccessDenied", tagged.assume_role, RoleArn=second, RoleSessionName="s2")
    assert tagged.assume_role(RoleArn=third, RoleSessionName="s2")["PackedPolicySize"] > 0
    plain = session_client(cloud, "sts", sts.assume_role(RoleArn=first, RoleSessionName="s1", Tags=tags)["Credentials"])
    assert "PackedPolicySize" not in plain.assume_role(RoleArn=second, RoleSessionName="s2")


def test_source_identity_stays(cloud: Running, iam: Any) -> None:
    """It needs sts:SetSourceIdentity and goes along the chain unchanged."""
    user = User(cloud, "kay")
    arn = role(iam, "sourced", trust({"AWS": [user.arn, ACCOUNT]}, "sts:AssumeRole", "sts:SetSourceIdentity"), allow("sts:*"))
    plain = role(iam, "unsourced", trust({"AWS": [user.arn, ACCOUNT]}))
    sts = user.client("sts")
    assert "sts:SetSourceIdentity" in refused("AccessDenied", sts.assume_role, RoleArn=plain, RoleSessionName="s1", SourceIdentity="kay")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="s1", SourceIdentity="kay")
    assert answer["SourceIdentity"] == "kay"
    chained = session_client(cloud, "sts", answer["Credentials"])
    assert chained.assume_role(RoleArn=arn, RoleSessionName="s2")["SourceIdentity"] == "kay"
    refused("AccessDenied", chained.assume_role, RoleArn=arn, RoleSessionName="s2", SourceIdentity="lee")
    refused("AccessDenied", chained.assume_role, RoleArn=plain, RoleSessionName="s2")


def test_multi_factor_codes(fresh_cloud: Running) -> None:
    """A trust policy may ask for one; a wrong one is refused whatever the policy says, and so is one that was used before."""
    cloud = fresh_cloud
    user = User(cloud, "lee")
    serial, seed = _device(cloud, user)
    now = cloud.clock.seconds()
    arn = role(user.iam, "guarded", trust({"AWS": user.arn}, when={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    sts = user.client("sts")
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1")
    wrong = f"{(int(code(seed, now)) + 1) % 10**6:06}"
    message = refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=wrong)
    assert message.startswith("MultiFactorAuthentication failed with invalid MFA one time pass code.")
    sts.assume_role(RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=code(seed, now))
    assert refused("AccessDenied", sts.get_session_token, SerialNumber=serial, TokenCode=code(seed, now)) == message
    cloud.advance("30s")
    credentials = sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, now + 30))["Credentials"]
    assert refused("AccessDenied", sts.get_session_token, SerialNumber=serial, TokenCode=code(seed, now)) == message
    session_client(cloud, "sts", credentials).assume_role(RoleArn=arn, RoleSessionName="s1")


def _device(cloud: Running, user: User) -> tuple[str, bytes]:
    """A multi-factor device of the user's: its serial number and its seed. The codes that it was enabled with are used, and time has gone by."""
    device = user.iam.create_virtual_mfa_device(VirtualMFADeviceName=user.name)["VirtualMFADevice"]
    serial, seed, now = device["SerialNumber"], device["Base32StringSeed"], cloud.clock.seconds()
    user.iam.enable_mfa_device(UserName=user.name, SerialNumber=serial, AuthenticationCode1=code(seed, now), AuthenticationCode2=code(seed, now + 30))
    cloud.advance("1m")
    return serial, seed


def test_the_age_of_a_multi_factor_code(fresh_cloud: Running) -> None:
    """A policy may ask that the code was given within the hour; a session without one has no such age at all."""
    user = User(fresh_cloud, "lia", allow("sts:*"), allow("iam:ListUsers", when={"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}))
    serial, seed = _device(fresh_cloud, user)
    refused("AccessDenied", user.client("iam").list_users)
    credentials = user.client("sts").get_session_token(SerialNumber=serial, TokenCode=code(seed, fresh_cloud.clock.seconds()))["Credentials"]
    session = session_client(fresh_cloud, "iam", credentials)
    fresh_cloud.advance("59m")
    session.list_users()
    fresh_cloud.advance("1m")
    refused("AccessDenied", session.list_users)
    scoped = session_client(fresh_cloud, "sts", credentials).get_scoped_credentials(DurationSeconds=900)["Credentials"]
    refused("AccessDenied", session_client(fresh_cloud, "iam", scoped).list_users)


def test_a_roles_session_says_nothing_of_the_code(fresh_cloud: Running) -> None:
    """It was for the trust policy: what the role may do, and whom it may assume, cannot depend on it ("Secure API access with MFA")."""
    cloud = fresh_cloud
    user = User(cloud, "liv")
    serial, seed = _device(cloud, user)
    present = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    arn = role(user.iam, "proved", trust({"AWS": user.arn}, when=present), allow("iam:ListUsers", when=present), allow("iam:ListRoles"))
    answer = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=code(seed, cloud.clock.seconds()))
    session = session_client(cloud, "iam", answer["Credentials"])
    session.list_roles()
    refused("AccessDenied", session.list_users)


def test_services_assume_roles_by_trust_alone(cloud: Running, iam: Any) -> None:
    """As functions get their credentials: in-process, as the service's principal."""
    arn = role(iam, "function", trust({"Service": "lambda.amazonaws.com"}), MaxSessionDuration=3600)
    request = {"RoleArn": arn, "RoleSessionName": "f1", "DurationSeconds": 43200}
    made = cloud.run(cloud.app.cloud.invoke("sts:AssumeRole", request, caller=service_caller("lambda.amazonaws.com"), region="us-east-1", account=ACCOUNT))
    credentials = made["Credentials"]
    identity = cloud.client("sts", key=credentials["AccessKeyId"], secret=credentials["SecretAccessKey"], token=credentials["SessionToken"]).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/f1"
    with pytest.raises(Exception, match=r"events\.amazonaws\.com is not authorized to perform: sts:AssumeRole"):
        cloud.run(cloud.app.cloud.invoke("sts:AssumeRole", request, caller=service_caller("events.amazonaws.com"), region="us-east-1", account=ACCOUNT))


def test_root_and_roles(cloud: Running, iam: Any) -> None:
    """No root user assumes roles, as in AWS; the habitual development keys, which AWS does not have, may."""
    arn = role(iam, "rooted", trust({"AWS": ACCOUNT}))
    key, secret = cloud.app.root_key
    message = refused("AccessDenied", cloud.client("sts", key=key, secret=secret).assume_role, RoleArn=arn, RoleSessionName="s1")
    assert message == "Roles may not be assumed by root accounts."
    cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")


@pytest.mark.parametrize("arn", ["nothing-valid-in-here", "arn::b:::something/test-role", "arn:a::::something/test-role", "arn:a:::something/test-role", "arn:a:a::aaaaaaaaaa:"])
def test_malformed_role_arns(cloud: Running, arn: str) -> None:
    """As recorded from the real service."""
    assert refused("ValidationError", cloud.client("sts").assume_role, RoleArn=arn, RoleSessionName="s1") == f"{arn} is invalid"


def test_session_names(cloud: Running) -> None:
    """As recorded from the real service."""
    message = refused("ValidationError", cloud.client("sts").assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r", RoleSessionName="Session1:2")
    assert message == (
        "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
    )


def test_role_last_used(cloud: Running, iam: Any) -> None:
    """GetRole knows when a session of the role last made a request, and where."""
    user = User(cloud, "max")
    arn = role(iam, "busy", trust({"AWS": user.arn}))
    credentials = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"]
    assert iam.get_role(RoleName="busy")["Role"]["RoleLastUsed"] == {}
    session_client(cloud, "sts", credentials).get_caller_identity()
    assert iam.get_role(RoleName="busy")["Role"]["RoleLastUsed"]["Region"] == "us-east-1"
