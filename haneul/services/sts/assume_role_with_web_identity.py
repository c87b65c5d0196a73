"""AssumeRoleWithWebIdentity: a role for the holder of an OpenID Connect provider's token. The request itself is not signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sts.assume_role import checked_role_arn
from haneul.services.sts.errors import invalid_identity_token
from haneul.services.sts.service import Sts
from haneul.services.sts.sessions import (
    authorize_by_trust,
    check_duration,
    issued,
    packed_size_percent,
    role_session,
    session_policies,
    session_tags,
    tag_conditions,
)
from haneul.services.sts.web_tokens import WebToken, candidate_keys, is_signed_by, read_token

_DURATION_SECONDS_DEFAULT = 3_600
_SKEW_SECONDS = 300
# The claims that permissions policies see in every request of the session.
_SESSION_CLAIMS = frozenset({"aud", "sub", "app_id", "user_id", "id"})
_TAGS_CLAIM = "https://aws.amazon.com/tags"
# Providers that cannot nest claims (Entra ID, Okta) have one for each tag, and one for the keys.
_FLAT_TAG = f"{_TAGS_CLAIM}/principal_tags/"
_FLAT_TRANSITIVE = f"{_TAGS_CLAIM}/transitive_tag_keys"
_SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"


@dataclass
class WebIdentity:
    """Whom a verified token speaks of. `provider` is the ARN of the provider in the role's account; `url` the issuer without its scheme.

    Of an OAuth 2.0 provider both are its name.
    """

    provider: str
    url: str
    subject: str
    audience: str
    claims: dict[str, Any]
    tags: list[Shape] = field(default_factory=list)
    transitive: list[str] = field(default_factory=list)
    source_identity: str = ""


@operation("sts:AssumeRoleWithWebIdentity", public=True)
async def assume_role_with_web_identity(call: Call, request: Shape) -> Shape:
    """Temporary credentials of a role whose trust policy allows the token's issuer, audience and subject.

    Errors: InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError, IDPRejectedClaim, AccessDenied, MalformedPolicyDocument, ValidationError.
    """
    arn = request["RoleArn"]
    account = checked_role_arn(arn)
    if "ProviderId" in request:
        identity = await _held(call, request["ProviderId"], request["WebIdentityToken"])
    else:
        identity = await _verified(call, request["WebIdentityToken"], account)
    policies = session_policies(call, request, account)
    caller = Caller(kind="web-identity", account="", arn="", principal_id=identity.subject, federated_provider=identity.provider)
    tags = session_tags(caller, identity.tags, identity.transitive)
    packed = packed_size_percent(policies, tags.tags)
    role = call.cloud.authority.role(arn)
    if role is None:
        raise AccessDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
    conditions = _conditions(identity, request["RoleSessionName"])
    authorize_by_trust(call, caller, "sts:AssumeRoleWithWebIdentity", role, conditions)
    if identity.tags:
        authorize_by_trust(call, caller, "sts:TagSession", role, conditions)
    if identity.source_identity:
        authorize_by_trust(call, caller, "sts:SetSourceIdentity", role, conditions)
    seconds = request.get("DurationSeconds", _DURATION_SECONDS_DEFAULT)
    check_duration(seconds, role, chained=False)
    session = role_session(
        role,
        request["RoleSessionName"],
        tags,
        source_identity=identity.source_identity,
        federated_provider=identity.provider,
        session_keys={f"{identity.url}:{name}".lower(): value for name, value in identity.claims.items() if name in _SESSION_CLAIMS and isinstance(value, str)},
    )
    answer = issued(call, request, session, seconds, policies=policies) | {
        "SubjectFromWebIdentityToken": identity.subject,
        "AssumedRoleUser": {"AssumedRoleId": session.principal_id, "Arn": session.arn},
        "Provider": identity.provider,
        "Audience": identity.audience,
    }
    if policies or identity.tags:
        answer["PackedPolicySize"] = packed
    if identity.source_identity:
        answer["SourceIdentity"] = identity.source_identity
    return answer


def _conditions(identity: WebIdentity, session_name: str) -> dict[str, Any]:
    """Claims become condition keys behind the issuer's URL, `token.actions.githubusercontent.com:sub`."""
    conditions: dict[str, Any] = {"sts:RoleSessionName": session_name, "aws:FederatedProvider": identity.provider}
    conditions |= tag_conditions(identity.tags, identity.transitive)
    if identity.source_identity:
        conditions["sts:SourceIdentity"] = identity.source_identity
    for name, value in identity.claims.items():
        if isinstance(value, str | bool | int) or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            conditions[f"{identity.url}:{name}"] = value
    return conditions


async def _held(call: Call, provider: str, token: str) -> WebIdentity:
    """Whom an OAuth 2.0 provider's access token is of. Such a provider is known by its name alone, to trust policies too."""
    holder = await call.service(Sts).oauth_providers.holder(provider, token)
    return WebIdentity(provider, provider, holder.subject, holder.application, dict(holder.keys))


async def _verified(call: Call, text: str, account: str) -> WebIdentity:
    """Whom a token speaks of, once its issuer, signature, audience and times have been found right."""
    token = read_token(text)
    issuer, subject = token.claims.get("iss"), token.claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str) or not subject:
        raise invalid_identity_token("Missing a required claim: " + ("sub" if isinstance(issuer, str) else "iss"))
    url = issuer.rstrip("/").removeprefix("https://").removeprefix("http://")
    if ".tokens.sts." in url.partition("/")[0]:
        raise invalid_identity_token("Tokens of GetWebIdentityToken are for services elsewhere and assume no roles.")
    arn = f"arn:aws:iam::{account}:oidc-provider/{url}"
    provider = await _provider(call, arn, account)
    if provider is None:
        raise invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")
    trusted = provider["Url"] if provider["Url"].startswith("http:") else f"https://{provider['Url']}"
    if issuer.rstrip("/") != trusted:
        raise invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")
    keys = await call.service(Sts).issuer_keys.of(trusted, token.key_id)
    if not any(is_signed_by(token, key) for key in candidate_keys(token, keys)):
        raise invalid_identity_token("Token signature invalid")
    audience = _audience(token, provider["ClientIDList"])
    _check_times(token, call.now // SECOND)
    identity = WebIdentity(arn, url, subject, audience, token.claims | {"aud": audience})
    _read_session_claims(identity)
    return identity


async def _provider(call: Call, arn: str, account: str) -> Shape | None:
    """The identity provider as the role's account knows it."""
    owner = Caller(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", principal_id=account)
    try:
        return await call.invoke("iam:GetOpenIDConnectProvider", {"OpenIDConnectProviderArn": arn}, caller=owner, account=account)
    except ServiceError as problem:
        if problem.code == "NoSuchEntity":
            return None
        raise


def _audience(token: WebToken, client_ids: list[str]) -> str:
    """The audience that is one of the provider's client ids. Where a token has an authorized party, that one counts."""
    party, audience = token.claims.get("azp"), token.claims.get("aud")
    named = [party] if isinstance(party, str) else audience if isinstance(audience, list) else [audience]
    found = next((one for one in named if isinstance(one, str) and one in client_ids), None)
    if found is None:
        raise invalid_identity_token("Incorrect token audience")
    return found


def _check_times(token: WebToken, now: int) -> None:
    claims = token.claims
    expires, issued, not_before = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    for name, value in (("exp", expires), ("iat", issued), ("nbf", not_before)):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise invalid_identity_token(f"Missing a required claim: {name}")
    assert expires is not None and issued is not None
    if now >= expires:
        message = f"Token expired: current date/time {now} must be before the expiration date/time {int(expires)}"
        raise ServiceError("ExpiredTokenException", message, 400)
    if max(issued, not_before) > now + _SKEW_SECONDS:
        raise invalid_identity_token("The ID Token provided is not valid yet.")


def _read_session_claims(identity: WebIdentity) -> None:
    """Session tags and source identity that the provider put into the token (IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity")."""
    flat = {name.removeprefix(_FLAT_TAG): value for name, value in identity.claims.items() if name.startswith(_FLAT_TAG)}
    tags = {key: [value] if isinstance(value, str) else value for key, value in flat.items()}
    transitive = identity.claims.get(_FLAT_TRANSITIVE, [])
    given = identity.claims.get(_TAGS_CLAIM)
    if isinstance(given, dict):
        tags, transitive = given.get("principal_tags", {}), given.get("transitive_tag_keys", [])
    if not isinstance(tags, dict) or not all(isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) for values in tags.values()):
        raise invalid_identity_token("The session tags in the ID Token provided are not valid.")
    identity.tags = [{"Key": key, "Value": values[0]} for key, values in tags.items()]
    identity.transitive = [key for key in transitive if isinstance(key, str)] if isinstance(transitive, list) else []
    source = identity.claims.get(_SOURCE_IDENTITY_CLAIM)
    if isinstance(source, str):
        identity.source_identity = source
