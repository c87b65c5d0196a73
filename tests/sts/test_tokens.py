"""GetCallerIdentity, GetSessionToken, GetFederationToken and the smaller operations."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.iam.identities import User, allow, policy, refused, session_client
from tests.support.running import ACCOUNT, Running


def test_who_am_i(cloud: Running) -> None:
    """Root, a user; nobody can be forbidden to ask."""
    assert {name: cloud.client("sts").get_caller_identity()[name] for name in ("Account", "Arn", "UserId")} == {
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:root",
        "UserId": ACCOUNT,
    }
    user = User(cloud, "asker", allow("*", effect="Deny"))
    assert user.client("sts").get_caller_identity()["Arn"] == user.arn


def test_anonymous_requests_are_refused(cloud: Running) -> None:
    """All but the operations that bring a token of their own need a signature."""
    request = urllib.request.Request(
        cloud.endpoint + "/", b"Action=GetCallerIdentity&Version=2011-06-15", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
    assert b"MissingAuthenticationToken" in caught.value.read()


def test_session_tokens(cloud: Running) -> None:
    """A user's session is the user, without a permission being needed; it cannot make further ones."""
    user = User(cloud, "sess", allow("iam:ListUsers"))
    credentials = user.client("sts").get_session_token(DurationSeconds=129600)["Credentials"]
    assert int(credentials["Expiration"].timestamp()) == cloud.clock.seconds() + 129600
    sts = session_client(cloud, "sts", credentials)
    assert sts.get_caller_identity()["Arn"] == user.arn
    session_client(cloud, "iam", credentials).list_users()
    refused("AccessDenied", sts.get_session_token)
    refused("AccessDenied", sts.get_federation_token, Name="other")


def test_root_sessions_are_short(cloud: Running) -> None:
    """An hour at most, whatever is asked for."""
    credentials = cloud.client("sts").get_session_token(DurationSeconds=43200)["Credentials"]
    assert int(credentials["Expiration"].timestamp()) == cloud.clock.seconds() + 3600


def test_federation_tokens(cloud: Running) -> None:
    """What the user and the session's policy both allow; without a policy nothing."""
    user = User(cloud, "fed", allow("sts:GetFederationToken", "iam:ListUsers", "iam:ListRoles"))
    answer = user.client("sts").get_federation_token(Name="guest", Policy=policy(allow("iam:ListUsers", "iam:ListGroups")))
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    assert answer["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:guest", "Arn": arn}
    assert session_client(cloud, "sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    iam = session_client(cloud, "iam", answer["Credentials"])
    iam.list_users()
    assert refused("AccessDenied", iam.list_roles).endswith("because no session policy allows the iam:ListRoles action")
    refused("AccessDenied", iam.list_groups)
    bare = user.client("sts").get_federation_token(Name="guest")
    assert bare["PackedPolicySize"] == 0
    refused("AccessDenied", session_client(cloud, "iam", bare["Credentials"]).list_users)


def test_federation_needs_the_permission(cloud: Running) -> None:
    """On the federated user's ARN, so that names can be granted."""
    user = User(cloud, "fedless", allow("sts:GetFederationToken", on=f"arn:aws:sts::{ACCOUNT}:federated-user/good"))
    refused("AccessDenied", user.client("sts").get_federation_token, Name="bad")
    user.client("sts").get_federation_token(Name="good")


@pytest.mark.parametrize("spoil", [lambda token: token[:-8] + "AAAAAAA=", lambda token: "x" + token, lambda token: "", lambda token: token[: len(token) // 2]])
def test_spoiled_tokens(cloud: Running, spoil: Any) -> None:
    """A token that was not issued here, or not with this key, opens nothing."""
    credentials = User(cloud, f"spoiled{hash(spoil)}").client("sts").get_session_token()["Credentials"]
    sts = session_client(cloud, "sts", credentials | {"SessionToken": spoil(credentials["SessionToken"])})
    refused("InvalidClientTokenId", sts.get_caller_identity)


def test_sessions_survive_a_restart(fresh_cloud: Running) -> None:
    """Tokens are sealed with the data directory's key and carry everything."""
    user = User(fresh_cloud, "stay", allow("iam:ListUsers"))
    credentials = user.client("sts").get_session_token()["Credentials"]
    fresh_cloud.stop()
    fresh_cloud.start()
    session_client(fresh_cloud, "iam", credentials).list_users()


def test_smaller_operations(cloud: Running) -> None:
    """Unknown keys have no account; no refusal here is encoded, so none can be decoded; what is absent says so."""
    sts = cloud.client("sts")
    assert refused("ValidationError", sts.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE") == "Invalid Access key: AKIAIOSFODNN7EXAMPLE"
    refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage="abc")
    refused("NotImplemented", sts.get_delegated_access_token, TradeInToken="token")
