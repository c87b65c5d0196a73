"""What an account has once, its providers and devices, and the whole of it in one answer."""

from __future__ import annotations

import base64
import csv
import hmac
import io
from typing import Any

from tests.iam.identities import User, allow, policy, refused, trust
from tests.support.running import ACCOUNT, Running


def code(seed: bytes, at_seconds: int) -> str:
    """The six digits of RFC 6238, written down a second time as an oracle."""
    digest = hmac.digest(base64.b32decode(seed), (at_seconds // 30).to_bytes(8, "big"), "sha1")
    start = digest[19] % 16
    return str(int.from_bytes(digest[start : start + 4], "big") % 2**31 % 10**6).zfill(6)


def test_alias(cloud: Running, iam: Any) -> None:
    """One at a time, and unique among all accounts."""
    iam.create_account_alias(AccountAlias="first-name")
    iam.create_account_alias(AccountAlias="second-name")
    assert iam.list_account_aliases()["AccountAliases"] == ["second-name"]
    other = cloud.client("iam", key="111111111111")
    assert refused("EntityAlreadyExists", other.create_account_alias, AccountAlias="second-name") == "The account alias second-name already exists."
    other.create_account_alias(AccountAlias="first-name")
    iam.delete_account_alias(AccountAlias="second-name")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_password_policy(cloud: Running, iam: Any) -> None:
    """Set, shown, kept to, and removed; left-out members go back to their defaults."""
    assert refused("NoSuchEntity", iam.get_account_password_policy) == f"The Password Policy with domain name {ACCOUNT} cannot be found."
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireNumbers=True, PasswordReusePrevention=2, MaxPasswordAge=60)
    found = iam.get_account_password_policy()["PasswordPolicy"]
    assert (found["MinimumPasswordLength"], found["ExpirePasswords"], found["MaxPasswordAge"], found["RequireSymbols"]) == (12, True, 60, False)
    iam.create_user(UserName="pw")
    message = refused("PasswordPolicyViolation", iam.create_login_profile, UserName="pw", Password="short1")
    assert message == "Password should have a minimum length of 12"
    message = refused("PasswordPolicyViolation", iam.create_login_profile, UserName="pw", Password="no digits in here")
    assert message == "Password should have at least one number"
    iam.create_login_profile(UserName="pw", Password="the first one 1")
    iam.update_login_profile(UserName="pw", Password="the second one 2")
    refused("PasswordPolicyViolation", iam.update_login_profile, UserName="pw", Password="the first one 1")
    iam.delete_account_password_policy()
    assert refused("NoSuchEntity", iam.delete_account_password_policy) == "The account policy with name PasswordPolicy cannot be found."


def test_summary_counts(fresh_cloud: Running) -> None:
    """The counters follow what is made and removed."""
    iam = fresh_cloud.client("iam")
    iam.create_user(UserName="s")
    iam.create_group(GroupName="s")
    arn = iam.create_policy(PolicyName="s", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:*")))
    iam.create_open_id_connect_provider(Url="https://id.example.com")
    summary = iam.get_account_summary()["SummaryMap"]
    assert [summary[name] for name in ("Users", "Groups", "Roles", "Policies", "PolicyVersionsInUse", "Providers")] == [1, 1, 0, 1, 2, 1]
    assert (summary["UsersQuota"], summary["AssumeRolePolicySizeQuota"], summary["PolicySizeQuota"]) == (5000, 2048, 6144)
    iam.delete_user(UserName="s")
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 0


def test_oidc_providers(iam: Any) -> None:
    """Kept by issuer; audiences and thumbprints can be changed."""
    arn = iam.create_open_id_connect_provider(Url="https://token.example.com/path", ClientIDList=["a"], Tags=[{"Key": "k", "Value": "v"}])
    arn = arn["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com/path"
    message = refused("EntityAlreadyExists", iam.create_open_id_connect_provider, Url="https://token.example.com/path")
    assert message == "Provider with url https://token.example.com/path already exists."
    assert refused("ValidationError", iam.create_open_id_connect_provider, Url="http://token.example.com") == "Invalid Open ID Connect Provider URL"
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["c" * 40])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == ("token.example.com/path", ["b"], ["c" * 40])
    assert found["Tags"] == [{"Key": "k", "Value": "v"}]
    assert {"Arn": arn} in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    message = refused("InvalidInput", iam.update_open_id_connect_provider_thumbprint, OpenIDConnectProviderArn=arn, ThumbprintList=["d" * 40] * 6)
    assert message == "Thumbprint list must contain fewer than 5 entries."
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refused("NoSuchEntity", iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == f"OpenIDConnect Provider not found for arn {arn}"


def test_version_of_tokens(fresh_cloud: Running) -> None:
    """What the account prefers stands in its summary."""
    iam = fresh_cloud.client("iam")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 1
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2


def test_virtual_devices(cloud: Running, iam: Any) -> None:
    """A device belongs to whoever proves with two codes in a row to have it."""
    iam.create_user(UserName="mia")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    serial, seed = device["SerialNumber"], device["Base32StringSeed"]
    assert serial == f"arn:aws:iam::{ACCOUNT}:mfa/phone"
    now = cloud.clock.seconds()
    one, two = code(seed, now), code(seed, now + 30)
    refused("InvalidAuthenticationCode", iam.enable_mfa_device, UserName="mia", SerialNumber=serial, AuthenticationCode1=two, AuthenticationCode2=two)
    iam.enable_mfa_device(UserName="mia", SerialNumber=serial, AuthenticationCode1=one, AuthenticationCode2=two)
    assert [found["SerialNumber"] for found in iam.list_mfa_devices(UserName="mia")["MFADevices"]] == [serial]
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == []
    found = iam.get_mfa_device(SerialNumber=serial, UserName="mia")
    assert (found["SerialNumber"], found["UserName"]) == (serial, "mia")
    late = [code(seed, now + 300), code(seed, now + 330)]
    iam.resync_mfa_device(UserName="mia", SerialNumber=serial, AuthenticationCode1=late[0], AuthenticationCode2=late[1])
    refused("InvalidAuthenticationCode", iam.resync_mfa_device, UserName="mia", SerialNumber=serial, AuthenticationCode1=late[1], AuthenticationCode2=late[0])
    assert refused("DeleteConflict", iam.delete_user, UserName="mia") == "Cannot delete entity, must delete MFA device first."
    iam.deactivate_mfa_device(UserName="mia", SerialNumber=serial)
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    message = refused("NoSuchEntity", iam.delete_virtual_mfa_device, SerialNumber=serial)
    assert message == f"MFA Device with serial number {serial} does not exist."


def test_authorization_details(fresh_cloud: Running) -> None:
    """Every entity once, with what hangs on it, over pages of any size."""
    iam = fresh_cloud.client("iam")
    iam.create_group(GroupName="g")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    for number in range(3):
        iam.create_user(UserName=f"u{number}")
        iam.add_user_to_group(GroupName="g", UserName=f"u{number}")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    iam.put_role_policy(RoleName="r", PolicyName="i", PolicyDocument=policy(allow("sqs:*")))
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2}))
    lists = {name: [one for page in pages for one in page[name]] for name in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")}
    assert [user["UserName"] for user in lists["UserDetailList"]] == ["u0", "u1", "u2"]
    assert lists["UserDetailList"][0]["GroupList"] == ["g"]
    assert [one["PolicyName"] for one in lists["Policies"]] == ["p", "AmazonS3FullAccess"]
    role = lists["RoleDetailList"][0]
    assert role["RolePolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == ["sqs:*"]
    assert {one["PolicyName"] for one in role["AttachedManagedPolicies"]} == {"p", "AmazonS3FullAccess"}
    only = iam.get_account_authorization_details(Filter=["Group"])
    assert (len(only["GroupDetailList"]), only["UserDetailList"], only["Policies"]) == (1, [], [])


def test_credential_report(fresh_cloud: Running) -> None:
    """Made on request, good for four hours, with a line for each user."""
    iam = fresh_cloud.client("iam")
    refused("ReportNotPresent", iam.get_credential_report)
    user = User(fresh_cloud, "rep")
    assert iam.generate_credential_report()["State"] == "STARTED"
    lines = list(csv.DictReader(io.StringIO(iam.get_credential_report()["Content"].decode())))
    assert [(line["user"], line["arn"], line["access_key_1_active"]) for line in lines[1:]] == [("rep", user.arn, "true")]
    fresh_cloud.advance("4h")
    refused("ReportExpired", iam.get_credential_report)


def test_accounts_and_restarts(fresh_cloud: Running) -> None:
    """Accounts see nothing of each other, regions see the same; a restart forgets nothing."""
    iam = fresh_cloud.client("iam")
    user = User(fresh_cloud, "lasting", allow("iam:GetUser"))
    assert fresh_cloud.client("iam", key="111111111111").list_users()["Users"] == []
    assert [one["UserName"] for one in fresh_cloud.client("iam", region="eu-west-1").list_users()["Users"]] == ["lasting"]
    before = iam.get_account_authorization_details()
    fresh_cloud.stop()
    fresh_cloud.start()
    after = fresh_cloud.client("iam").get_account_authorization_details()
    assert after["UserDetailList"] == before["UserDetailList"]
    assert user.client("iam").get_user()["User"]["UserName"] == "lasting"


def test_the_rest_is_not_built(iam: Any) -> None:
    """What is absent says so, and names itself."""
    assert "iam:ListServiceSpecificCredentials" in refused("NotImplemented", iam.list_service_specific_credentials)
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
    assert "MaxSigninSessionDuration" in refused("NotImplemented", iam.create_role, RoleName="signin", AssumeRolePolicyDocument=policy, MaxSigninSessionDuration=3600)
