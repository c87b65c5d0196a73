"""GetWebIdentityToken, and the issuer that publishes what it is verified with."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from haneul.services.sts.web_tokens import candidate_keys, is_signed_by, read_token
from tests.iam.identities import User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running

NAMESPACE = "https://sts.amazonaws.com/"


def fetched(cloud: Running, url: str) -> tuple[int, Any]:
    """What an issuer's host answers, wherever its name leads on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request("GET", urlsplit(url).path, headers={"Host": urlsplit(url).netloc})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def verified(cloud: Running, text: str, issuer: str) -> dict[str, Any]:
    """The claims, as somebody elsewhere comes to believe them: from the issuer's name alone."""
    _, discovery = fetched(cloud, f"{issuer}/.well-known/openid-configuration")
    assert discovery["issuer"] == issuer
    _, keys = fetched(cloud, discovery["jwks_uri"])
    token = read_token(text)
    candidates = candidate_keys(token, keys["keys"])
    assert len(candidates) == 1
    assert is_signed_by(token, candidates[0])
    assert token.claims["iss"] == issuer
    return token.claims


@pytest.fixture(scope="module")
def issuer(cloud: Running) -> Iterator[str]:
    yield cloud.client("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_users_token(cloud: Running, issuer: str, algorithm: str) -> None:
    """Its claims, and a signature that the issuer's published keys prove."""
    user = User(cloud, f"u-{algorithm}", allow("sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"))
    cloud.client("iam").tag_user(UserName=user.name, Tags=[{"Key": "team", "Value": "red"}])
    answer = user.client("sts").get_web_identity_token(Audience=["https://api.example.com"], SigningAlgorithm=algorithm, Tags=[{"Key": "job", "Value": "7"}])
    claims, now = verified(cloud, answer["WebIdentityToken"], issuer), cloud.clock.seconds()
    assert int(answer["Expiration"].timestamp()) == now + 300
    assert (claims["sub"], claims["aud"], claims["iat"], claims["exp"]) == (user.arn, "https://api.example.com", now, now + 300)
    assert claims[NAMESPACE] == {
        "aws_account": ACCOUNT,
        "source_region": "us-east-1",
        "principal_id": user.arn,
        "principal_tags": {"team": "red"},
        "request_tags": {"job": "7"},
    }


def test_a_roles_token(cloud: Running, issuer: str) -> None:
    """It speaks for the role, to several audiences if asked, and does not outlive the session."""
    user, iam = User(cloud, "taker"), cloud.client("iam")
    arn = iam.create_role(RoleName="vendor", AssumeRolePolicyDocument=trust({"AWS": user.arn}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="vendor", PolicyName="p", PolicyDocument=policy(allow("sts:GetWebIdentityToken")))
    credentials = user.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=900)["Credentials"]
    sts = session_client(cloud, "sts", credentials)
    text = sts.get_web_identity_token(Audience=["a", "b"], SigningAlgorithm="ES384", DurationSeconds=900)["WebIdentityToken"]
    claims = verified(cloud, text, issuer)
    assert (claims["sub"], claims["aud"]) == (arn, ["a", "b"])
    refused("SessionDurationEscalationException", sts.get_web_identity_token, Audience=["a"], SigningAlgorithm="ES384", DurationSeconds=901)


def test_conditions(cloud: Running, issuer: str) -> None:
    """Audience, duration and algorithm can be limited; tags need a permission of their own."""
    when = {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": "https://ok.example.com"},
        "NumericLessThanEquals": {"sts:DurationSeconds": "300"},
        "StringEquals": {"sts:SigningAlgorithm": "ES384"},
    }
    sts = User(cloud, "limited", allow("sts:GetWebIdentityToken", when=when)).client("sts")
    right = {"Audience": ["https://ok.example.com"], "SigningAlgorithm": "ES384", "DurationSeconds": 300}
    sts.get_web_identity_token(**right)
    for wrong in ({"Audience": ["https://ok.example.com", "x"]}, {"SigningAlgorithm": "RS256"}, {"DurationSeconds": 301}, {"Tags": [{"Key": "k", "Value": "v"}]}):
        refused("AccessDenied", sts.get_web_identity_token, **right | wrong)


def test_what_cannot_be_asked(cloud: Running, issuer: str) -> None:
    """Other algorithms, and the identity of somebody behind a session that has nobody behind it."""
    sts = cloud.client("sts")
    refused("ValidationError", sts.get_web_identity_token, Audience=["a"], SigningAlgorithm="HS256")
    refused("ValidationError", sts.get_web_identity_token, Audience=["a"], SigningAlgorithm="RS256", SubjectMode="OriginIdentity")
    refused("ValidationError", sts.get_web_identity_token, Audience=["a"], SigningAlgorithm="RS256", Scope="read")


def test_no_way_back(cloud: Running, issuer: str) -> None:
    """These tokens assume no roles: they are for services elsewhere."""
    text = cloud.client("sts").get_web_identity_token(Audience=["a"], SigningAlgorithm="RS256")["WebIdentityToken"]
    call = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any", "RoleSessionName": "s1", "WebIdentityToken": text}
    refused("InvalidIdentityToken", cloud.client("sts").assume_role_with_web_identity, **call)


def test_enabled_and_disabled(fresh_cloud: Running) -> None:
    """Once each way; the issuer stays the same, and published keys stay so that tokens that are out can be verified, after a restart too."""
    iam, sts = fresh_cloud.client("iam"), fresh_cloud.client("sts")
    ask = {"Audience": ["a"], "SigningAlgorithm": "RS256"}
    refused("FeatureDisabled", iam.get_outbound_web_identity_federation_info)
    refused("FeatureDisabled", iam.disable_outbound_web_identity_federation)
    refused("OutboundWebIdentityFederationDisabledException", sts.get_web_identity_token, **ask)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"] == issuer
    refused("FeatureEnabled", iam.enable_outbound_web_identity_federation)
    _, published = fetched(fresh_cloud, f"{issuer}/.well-known/jwks.json")
    assert sorted(key["alg"] for key in published["keys"]) == ["ES384", "RS256"]
    text = sts.get_web_identity_token(**ask)["WebIdentityToken"]
    iam.disable_outbound_web_identity_federation()
    refused("OutboundWebIdentityFederationDisabledException", sts.get_web_identity_token, **ask)
    fresh_cloud.stop()
    fresh_cloud.start()
    assert verified(fresh_cloud, text, issuer)["aud"] == "a"
    assert fresh_cloud.client("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"] == issuer


def test_hosts_of_nobody(cloud: Running, issuer: str) -> None:
    """An issuer that no account has publishes nothing, and its name makes no keys."""
    account = urlsplit(issuer).netloc.partition(".")[0]
    for label in (f"00000000-0000-4000-8000-{ACCOUNT}", f"{account[:-12]}111111111111"):
        assert fetched(cloud, f"http://{label}.tokens.sts.localhost/.well-known/jwks.json")[0] == 404


def test_keys_are_sealed(cloud: Running, issuer: str) -> None:
    """No private key lies readable in the store."""
    cloud.client("sts").get_web_identity_token(Audience=["a"], SigningAlgorithm="RS256")
    rows = [value for key, value in cloud.app.cloud.store.range(b"\x00", b"\xff", 10_000) if b"sts-token-key" in key]
    assert len(rows) == 2
    assert not any(b"rsaEncryption" in value or base64.b64decode("KoZIhvcNAQEB") in value for value in rows)
