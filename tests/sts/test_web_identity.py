"""AssumeRoleWithWebIdentity, with an identity provider on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.iam.identities import allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """An OpenID Connect provider: it publishes its keys and signs tokens."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.documents().get(self.path, {})).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self.server.server_port}/pool"
        self.url = f"http://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def documents(self) -> dict[str, Any]:
        public, point = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        keys = [
            {"kty": "RSA", "kid": "r", "use": "sig", "n": number(public.n), "e": number(public.e)},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": encoded(point.x.to_bytes(32, "big")), "y": encoded(point.y.to_bytes(32, "big"))},
        ]
        return {"/pool/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}, "/pool/keys": {"keys": keys}}

    def token(self, now: int, algorithm: str = "RS256", key_id: str = "r", **claims: Any) -> str:
        claims = {"iss": self.url, "sub": "user-42", "aud": "client-1", "iat": now, "exp": now + 600} | claims
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": algorithm, "kid": key_id, "typ": "JWT"}, claims)]
        signed = ".".join(parts).encode()
        if algorithm == "ES256":
            r, s = decode_dss_signature(self.ec.sign(signed, ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        else:
            signature = self.rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return f"{signed.decode()}.{encoded(signature)}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def issuer(cloud: Running) -> Iterator[Issuer]:
    """Trusted by the account, with a role for its users."""
    made = Issuer()
    iam = cloud.client("iam")
    arn = iam.create_open_id_connect_provider(Url=made.url, ClientIDList=["client-1"])["OpenIDConnectProviderArn"]
    condition = {"StringEquals": {f"{made.host}:aud": "client-1"}, "StringLike": {f"{made.host}:sub": "user-*"}}
    document = trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity", when=condition)
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName="web", PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    tagging = trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity")
    iam.create_role(RoleName="web-tags", AssumeRolePolicyDocument=tagging)
    iam.put_role_policy(
        RoleName="web-tags", PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers", when={"StringEquals": {"aws:PrincipalTag/team": "red"}}))
    )
    yield made
    made.close()


@pytest.fixture
def sts(cloud: Running) -> Iterator[Any]:
    """A client that signs nothing."""
    client = boto3.client("sts", region_name="us-east-1", endpoint_url=cloud.endpoint, config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}))
    yield client
    client.close()


def assume(sts: Any, token: str, role: str = "web", **params: Any) -> Any:
    return sts.assume_role_with_web_identity(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="w1", WebIdentityToken=token, **params)


@pytest.mark.parametrize(("algorithm", "key_id"), [("RS256", "r"), ("ES256", "e"), ("RS256", "")])
def test_a_token_becomes_a_session(cloud: Running, issuer: Issuer, sts: Any, algorithm: str, key_id: str) -> None:
    """Signed by any of the provider's keys, with the key id or without."""
    answer = assume(sts, issuer.token(cloud.clock.seconds(), algorithm, key_id))
    assert answer["SubjectFromWebIdentityToken"] == "user-42"
    assert answer["Audience"] == "client-1"
    assert answer["Provider"] == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.host}"
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/web/w1"
    session_client(cloud, "iam", answer["Credentials"]).list_users()


def test_conditions_of_the_trust_policy(cloud: Running, issuer: Issuer, sts: Any) -> None:
    """Claims are condition keys behind the issuer's URL."""
    message = refused("AccessDenied", lambda **_: assume(sts, issuer.token(cloud.clock.seconds(), sub="admin")))
    assert message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


def test_audience_and_issuer(cloud: Running, issuer: Issuer, sts: Any) -> None:
    """The audience must be one of the provider's client ids, the issuer one of the account's providers."""
    now = cloud.clock.seconds()
    assert refused("InvalidIdentityToken", lambda **_: assume(sts, issuer.token(now, aud="other"))) == "Incorrect token audience"
    assume(sts, issuer.token(now, aud=["x", "client-1"]))
    message = refused("InvalidIdentityToken", lambda **_: assume(sts, issuer.token(now, iss="https://elsewhere.example.com")))
    assert message == "No OpenIDConnect provider found in your account for https://elsewhere.example.com"


def test_expired_tokens(cloud: Running, issuer: Issuer, sts: Any) -> None:
    """In the service's words, with both times."""
    now = cloud.clock.seconds()
    message = refused("ExpiredTokenException", lambda **_: assume(sts, issuer.token(now - 1000, exp=now - 400)))
    assert message == f"Token expired: current date/time {now} must be before the expiration date/time {now - 400}"
    refused("InvalidIdentityToken", lambda **_: assume(sts, issuer.token(now + 3600)))


def test_forged_tokens(cloud: Running, issuer: Issuer, sts: Any) -> None:
    """Another key, another algorithm, no signature at all, changed claims, no token."""
    now = cloud.clock.seconds()
    header, claims, signature = issuer.token(now).split(".")
    stranger = Issuer()
    stranger.url = issuer.url
    forged = stranger.token(now)
    stranger.close()
    none = encoded(json.dumps({"alg": "none"}).encode())
    shared = encoded(json.dumps({"alg": "HS256", "kid": "r"}).encode())
    changed = encoded(base64.urlsafe_b64decode(claims + "==").replace(b"user-42", b"user-43"))
    for token in (forged, f"{none}.{claims}.", f"{shared}.{claims}.{signature}", f"{header}.{changed}.{signature}", "abcd", "a.b.c", f"{header}.{claims}.AAAA"):
        refused("InvalidIdentityToken", lambda token=token, **_: assume(sts, token))


@pytest.mark.parametrize(
    "tags",
    [
        {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}},
        {"https://aws.amazon.com/tags/principal_tags/team": "red", "https://aws.amazon.com/tags/transitive_tag_keys": ["team"]},
    ],
)
def test_session_tags_and_source_identity(cloud: Running, issuer: Issuer, sts: Any, tags: dict[str, Any]) -> None:
    """The provider puts them into claims of their own, nested or flat; the trust policy must allow them."""
    token = issuer.token(cloud.clock.seconds(), **tags, **{"https://aws.amazon.com/source_identity": "me"})
    refused("AccessDenied", lambda **_: assume(sts, token))
    answer = assume(sts, token, "web-tags")
    assert answer["SourceIdentity"] == "me"
    session_client(cloud, "iam", answer["Credentials"]).list_users()


def test_durations_and_session_policies(cloud: Running, issuer: Issuer, sts: Any) -> None:
    """As with AssumeRole."""
    token = issuer.token(cloud.clock.seconds())
    refused("ValidationError", lambda **_: assume(sts, token, DurationSeconds=3601))
    answer = assume(sts, token, Policy=policy(allow("s3:*")))
    refused("AccessDenied", session_client(cloud, "iam", answer["Credentials"]).list_users)


def test_a_provider_that_cannot_be_reached(cloud: Running, sts: Any, issuer: Issuer) -> None:
    """Says so, and nobody gets in."""
    silent = Issuer()
    cloud.client("iam").create_open_id_connect_provider(Url=silent.url, ClientIDList=["client-1"])
    token = silent.token(cloud.clock.seconds())
    silent.close()
    assert refused("IDPCommunicationError", lambda **_: assume(sts, token)).startswith("Couldn't retrieve verification key from your identity provider")


# ---- OAuth 2.0


@pytest.fixture
def oauth(cloud: Running, sts: Any) -> Iterator[Any]:
    """Both OAuth 2.0 providers on this machine; they know one token."""
    answers = {"/auth/o2/tokeninfo": {"user_id": "amzn1.account.A", "app_id": "app-1", "aud": "client"}, "/app": {"id": "app-2"}, "/me": {"id": "fb-7"}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            right = query == "access_token=Atza%7Cgood"
            body = json.dumps(answers[path] if right else {"error": "invalid_token"}).encode()
            self.send_response(200 if right else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    addresses = cloud.app.cloud.services["sts"].oauth_providers.addresses  # type: ignore[attr-defined]
    kept = dict(addresses)
    addresses.update(dict.fromkeys(addresses, f"http://127.0.0.1:{server.server_port}"))
    yield lambda role, provider, token="Atza|good": assume(sts, token, role, ProviderId=provider)
    addresses.update(kept)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("provider", "conditions", "subject", "audience"),
    [
        ("www.amazon.com", {"www.amazon.com:app_id": "app-1", "www.amazon.com:user_id": "amzn1.account.A"}, "amzn1.account.A", "app-1"),
        ("graph.facebook.com", {"graph.facebook.com:app_id": "app-2", "graph.facebook.com:id": "fb-7"}, "fb-7", "app-2"),
    ],
)
def test_access_tokens_of_oauth_providers(cloud: Running, oauth: Any, provider: str, conditions: Any, subject: str, audience: str) -> None:
    """The provider is asked whose they are; trust policies know it by name, permissions policies see its keys in the session."""
    iam, name = cloud.client("iam"), provider.partition(".")[2].replace(".", "-")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", when={"StringEquals": conditions}))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers", when={"StringEquals": conditions})))
    answer = oauth(name, provider)
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"], answer["Provider"]) == (subject, audience, provider)
    session_client(cloud, "iam", answer["Credentials"]).list_users()
    refused("IDPRejectedClaim", lambda: oauth(name, provider, "Atza|bad"))
    refused("AccessDenied", lambda: oauth("web", provider))


def test_other_oauth_providers(oauth: Any, issuer: Issuer) -> None:
    """There are only two."""
    assert refused("ValidationError", lambda: oauth("web", "www.example.com")) == "Unsupported ProviderId: www.example.com"
