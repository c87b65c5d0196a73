"""Users, their keys and passwords."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.iam.identities import User, allow, policy, refused
from tests.support.running import ACCOUNT, Running


def test_life_of_a_user(iam: Any) -> None:
    """The shapes are those that the real service answers with: no tags or boundary where there are none."""
    user = iam.create_user(UserName="Alice", Path="/staff/")["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/staff/Alice"
    assert re.fullmatch("AIDA[A-Z2-7]{17}", user["UserId"])
    assert set(user) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert iam.get_user(UserName="Alice")["User"] == user
    assert user in iam.list_users(PathPrefix="/staff/")["Users"]
    iam.delete_user(UserName="Alice")
    assert refused("NoSuchEntity", iam.get_user, UserName="Alice") == "The user with name Alice cannot be found."


def test_names_are_not_told_apart_by_case(iam: Any) -> None:
    """IAM User Guide, names: unique without regard to case."""
    iam.create_user(UserName="Bob")
    assert refused("EntityAlreadyExists", iam.create_user, UserName="BOB") == "User with name BOB already exists."


def test_rename_keeps_key_policy_and_identity(cloud: Running) -> None:
    """What hangs on a user follows the unique id, while the ARN changes with the name."""
    user = User(cloud, "carol", allow("iam:GetUser"))
    before = user.client("sts").get_caller_identity()
    cloud.client("iam").update_user(UserName="carol", NewUserName="caroline", NewPath="/new/")
    after = user.client("sts").get_caller_identity()
    assert after["UserId"] == before["UserId"]
    assert after["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/new/caroline"
    assert user.client("iam").get_user()["User"]["UserName"] == "caroline"
    assert cloud.client("iam").list_access_keys(UserName="caroline")["AccessKeyMetadata"][0]["UserName"] == "caroline"
    refused("NoSuchEntity", cloud.client("iam").get_user, UserName="carol")


def test_a_user_is_deleted_last(iam: Any) -> None:
    """DeleteUser names what still hangs on the user, one thing after another."""
    iam.create_user(UserName="dan")
    iam.create_group(GroupName="dans")
    iam.attach_user_policy(UserName="dan", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.put_user_policy(UserName="dan", PolicyName="p", PolicyDocument=policy(allow("s3:*")))
    key = iam.create_access_key(UserName="dan")["AccessKey"]["AccessKeyId"]
    iam.create_login_profile(UserName="dan", Password="Sesame-0pen")
    iam.add_user_to_group(UserName="dan", GroupName="dans")
    steps = (
        ("must detach all policies first", lambda: iam.detach_user_policy(UserName="dan", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")),
        ("must delete policies first", lambda: iam.delete_user_policy(UserName="dan", PolicyName="p")),
        ("must delete access keys first", lambda: iam.delete_access_key(UserName="dan", AccessKeyId=key)),
        ("must delete login profile first", lambda: iam.delete_login_profile(UserName="dan")),
        ("must remove users from group first", lambda: iam.remove_user_from_group(UserName="dan", GroupName="dans")),
    )
    for words, undo in steps:
        assert refused("DeleteConflict", iam.delete_user, UserName="dan") == f"Cannot delete entity, {words}."
        undo()
    iam.delete_user(UserName="dan")


def test_two_keys_at_most_and_secrets_shown_once(cloud: Running, iam: Any) -> None:
    """Quota AccessKeysPerUser; the secret stands in the creating answer only, and sealed on the disk."""
    iam.create_user(UserName="erin")
    first = iam.create_access_key(UserName="erin")["AccessKey"]
    iam.create_access_key(UserName="erin")
    assert refused("LimitExceeded", iam.create_access_key, UserName="erin") == "Cannot exceed quota for AccessKeysPerUser: 2"
    listed = iam.list_access_keys(UserName="erin")["AccessKeyMetadata"]
    assert [set(key) for key in listed] == [{"UserName", "AccessKeyId", "Status", "CreateDate"}] * 2
    secret = first["SecretAccessKey"].encode()
    assert not any(secret in file.read_bytes() for file in (cloud.data_dir / "store").iterdir())


def test_key_ids_carry_their_account(cloud: Running, iam: Any) -> None:
    """GetAccessKeyInfo tells the account of any key id."""
    iam.create_user(UserName="frank")
    key = iam.create_access_key(UserName="frank")["AccessKey"]["AccessKeyId"]
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key)
    assert cloud.client("sts").get_access_key_info(AccessKeyId=key)["Account"] == ACCOUNT


def test_disabled_and_deleted_keys_sign_nothing(cloud: Running, iam: Any) -> None:
    """An inactive key is as good as none; active again it works at once."""
    user = User(cloud, "gina")
    sts = user.client("sts")
    assert sts.get_caller_identity()["Arn"] == user.arn
    iam.update_access_key(UserName="gina", AccessKeyId=user.key, Status="Inactive")
    assert refused("InvalidClientTokenId", sts.get_caller_identity) == "The security token included in the request is invalid."
    iam.update_access_key(UserName="gina", AccessKeyId=user.key, Status="Active")
    sts.get_caller_identity()
    iam.delete_access_key(UserName="gina", AccessKeyId=user.key)
    refused("InvalidClientTokenId", sts.get_caller_identity)


def test_last_use_of_a_key(fresh_cloud: Running) -> None:
    """Known at once, and after a restart too: uses are written down every minute and at the end."""
    user = User(fresh_cloud, "hugo")
    iam = fresh_cloud.client("iam")
    assert iam.get_access_key_last_used(AccessKeyId=user.key)["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    user.client("sts").get_caller_identity()
    used = iam.get_access_key_last_used(AccessKeyId=user.key)
    assert used["UserName"] == "hugo"
    assert (used["AccessKeyLastUsed"]["ServiceName"], used["AccessKeyLastUsed"]["Region"]) == ("sts", "us-east-1")
    fresh_cloud.stop()
    fresh_cloud.start()
    assert fresh_cloud.client("iam").get_access_key_last_used(AccessKeyId=user.key)["AccessKeyLastUsed"] == used["AccessKeyLastUsed"]


def test_last_use_of_an_unknown_key_is_nobodys_business(iam: Any) -> None:
    """The service does not say whether a key exists elsewhere."""
    message = refused("AccessDenied", iam.get_access_key_last_used, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    assert message == f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE"


def test_login_profiles(cloud: Running, iam: Any) -> None:
    """A password is kept as a hash; the errors are the service's."""
    iam.create_user(UserName="ida")
    assert refused("NoSuchEntity", iam.get_login_profile, UserName="ida") == "Login Profile for User ida cannot be found."
    made = iam.create_login_profile(UserName="ida", Password="Sesame-0pen", PasswordResetRequired=True)["LoginProfile"]
    assert made["PasswordResetRequired"] is True
    assert refused("EntityAlreadyExists", iam.create_login_profile, UserName="ida", Password="Sesame-0pen") == "Login Profile for user ida already exists."
    iam.update_login_profile(UserName="ida", PasswordResetRequired=False)
    assert iam.get_login_profile(UserName="ida")["LoginProfile"]["PasswordResetRequired"] is False
    assert not any(b"Sesame-0pen" in file.read_bytes() for file in (cloud.data_dir / "store").iterdir())


def test_change_password(cloud: Running) -> None:
    """Only users have a password of their own, and must know the old one."""
    user = User(cloud, "jan", allow("iam:ChangePassword", on=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"))
    cloud.client("iam").create_login_profile(UserName="jan", Password="Sesame-0pen")
    mine = user.client("iam")
    refused("AccessDenied", mine.change_password, OldPassword="wrong", NewPassword="Other-0ne!")
    mine.change_password(OldPassword="Sesame-0pen", NewPassword="Other-0ne!")
    mine.change_password(OldPassword="Other-0ne!", NewPassword="Sesame-0pen")
    refused("InvalidUserType", cloud.client("iam").change_password, OldPassword="a", NewPassword="b")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"UserName": "x" * 65}, "Member must have length less than or equal to 64"),
        ({"UserName": "a/b"}, r"Member must satisfy regular expression pattern: [\w+=,.@-]+"),
        ({"UserName": "ok", "Path": "no-slashes"}, "Member must satisfy regular expression pattern"),
    ],
)
def test_names_and_paths_are_checked(iam: Any, params: dict[str, str], words: str) -> None:
    """The model's constraints hold, as ValidationError."""
    assert words in refused("ValidationError", iam.create_user, **params)


def test_own_key_without_a_name(cloud: Running) -> None:
    """A user's key operations are about the user who asks when no name is given; a role has no keys."""
    user = User(cloud, "kim", allow("iam:*AccessKey*", on=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"))
    mine = user.client("iam")
    assert [key["AccessKeyId"] for key in mine.list_access_keys()["AccessKeyMetadata"]] == [user.key]
    other = mine.create_access_key()["AccessKey"]["AccessKeyId"]
    mine.delete_access_key(AccessKeyId=other)
    refused("AccessDenied", mine.list_access_keys, UserName="somebody")
