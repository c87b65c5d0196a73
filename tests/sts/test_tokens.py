"""GetCallerIdentity, GetSessionToken, GetFederationToken and the smaller operations."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running


@pytest.fixture(scope="module")
def queues() -> Iterator[Running]:
    """A cloud with something else than identities, which federated users may not touch."""
    with Running(services=[Iam, Sts, Sqs]) as running:
        yield running


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


@pytest.mark.parametrize(
    ("form", "version"), [("Action=GetCallerIdentity&Version=2010-05-08", "2010-05-08"), ("Action=GetCallerIdentity", "NO_VERSION_SPECIFIED")]
)
def test_versions_of_requests(cloud: Running, form: str, version: str) -> None:
    """An operation exists in its own version of the API only; nobody has to sign to be told."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Authorization": "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sts/aws4_request"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(cloud.endpoint + "/", form.encode(), headers))
    body = caught.value.read().decode()
    assert caught.value.code == 400
    assert f"<Code>InvalidAction</Code><Message>Could not find operation GetCallerIdentity for version {version}</Message>" in body


def test_answers_in_json(cloud: Running) -> None:
    """For who accepts nothing else: verifiers of somebody's signed GetCallerIdentity, and Envoy, which reads times as numbers."""
    url = cloud.client("sts").generate_presigned_url("get_session_token", HttpMethod="GET")
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "application/json"})) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        found = json.load(answer)["GetSessionTokenResponse"]
    assert found["ResponseMetadata"]["RequestId"] == answer.headers["x-amzn-RequestId"]
    assert found["GetSessionTokenResult"]["Credentials"]["Expiration"] == cloud.clock.seconds() + 3600
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url + "0", headers={"Accept": "application/json"}))
    error = json.load(caught.value)["Error"]
    assert (caught.value.code, error["Code"], error["Type"]) == (403, "SignatureDoesNotMatch", "Sender")


def test_session_tokens(cloud: Running) -> None:
    """A user's session is the user, without a permission being needed; it cannot make further ones, nor call IAM without a multi-factor code."""
    user = User(cloud, "sess", allow("*"))
    credentials = user.client("sts").get_session_token(DurationSeconds=129600)["Credentials"]
    assert int(credentials["Expiration"].timestamp()) == cloud.clock.seconds() + 129600
    sts = session_client(cloud, "sts", credentials)
    assert sts.get_caller_identity()["Arn"] == user.arn
    assert refused("InvalidClientTokenId", session_client(cloud, "iam", credentials).list_users) == "The security token included in the request is invalid"
    assert refused("AccessDenied", sts.get_session_token) == "Cannot call GetSessionToken with session credentials"
    refused("AccessDenied", sts.get_federation_token, Name="other")
    refused("AccessDenied", sts.get_access_key_info, AccessKeyId=user.key)
    root = cloud.client("sts").get_session_token()["Credentials"]
    refused("InvalidClientTokenId", session_client(cloud, "iam", root).list_users)


def test_what_sessions_may_call_of_sts(cloud: Running, iam: Any) -> None:
    """A user's session may assume roles; a federated user's only asks who it is (IAM User Guide, "Compare AWS STS credentials")."""
    user = User(cloud, "climber", allow("sts:*"))
    arn = iam.create_role(RoleName="summit", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    credentials = user.client("sts").get_session_token()["Credentials"]
    session_client(cloud, "sts", credentials).assume_role(RoleArn=arn, RoleSessionName="s1")
    federated = user.client("sts").get_federation_token(Name="guest", Policy=policy(allow("*")))["Credentials"]
    sts = session_client(cloud, "sts", federated)
    assert sts.get_caller_identity()["UserId"] == f"{ACCOUNT}:guest"
    refused("AccessDenied", sts.assume_role, RoleArn=arn, RoleSessionName="s1")
    refused("AccessDenied", sts.get_access_key_info, AccessKeyId=user.key)
    refused("InvalidClientTokenId", session_client(cloud, "iam", federated).list_users)


def test_root_sessions_are_short(cloud: Running) -> None:
    """An hour at most, whatever is asked for."""
    credentials = cloud.client("sts").get_session_token(DurationSeconds=43200)["Credentials"]
    assert int(credentials["Expiration"].timestamp()) == cloud.clock.seconds() + 3600


def test_federation_tokens(queues: Running) -> None:
    """What the user and the session's policy both allow; without a policy nothing."""
    cloud = queues
    user = User(cloud, "fed", allow("sts:GetFederationToken", "sqs:ListQueues", "sqs:CreateQueue"))
    answer = user.client("sts").get_federation_token(Name="guest", Policy=policy(allow("sqs:ListQueues", "sqs:GetQueueUrl")))
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    assert answer["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:guest", "Arn": arn}
    assert session_client(cloud, "sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    sqs = session_client(cloud, "sqs", answer["Credentials"])
    sqs.list_queues()
    assert refused("AccessDenied", sqs.create_queue, QueueName="q").endswith("because no session policy allows the sqs:createqueue action")
    refused("AccessDenied", sqs.get_queue_url, QueueName="q")
    bare = user.client("sts").get_federation_token(Name="guest")
    assert bare["PackedPolicySize"] == 0
    refused("AccessDenied", session_client(cloud, "sqs", bare["Credentials"]).list_queues)


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
    user = User(fresh_cloud, "stay")
    credentials = user.client("sts").get_session_token()["Credentials"]
    fresh_cloud.stop()
    fresh_cloud.start()
    assert session_client(fresh_cloud, "sts", credentials).get_caller_identity()["Arn"] == user.arn


def test_smaller_operations(cloud: Running) -> None:
    """Unknown keys have no account; no refusal here is encoded, so none can be decoded."""
    sts = cloud.client("sts")
    assert refused("ValidationError", sts.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE") == "Invalid Access key: AKIAIOSFODNN7EXAMPLE"
    refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage="abc")
