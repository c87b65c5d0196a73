"""GetWebIdentityToken: a signed token that tells services elsewhere who the caller is.

STS API Reference, GetWebIdentityToken; IAM User Guide, "Understanding token claims", "Controlling access with IAM policies".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.caller import ANONYMOUS, Caller
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sts.errors import validation_error
from haneul.services.sts.service import Sts
from haneul.services.sts.sessions import session_tags
from haneul.services.sts.token_keys import ALGORITHMS

_DURATION_SECONDS_DEFAULT = 300
_NAMESPACE = "https://sts.amazonaws.com/"


def _seconds(request: Shape) -> int:
    seconds: int = request.get("DurationSeconds", _DURATION_SECONDS_DEFAULT)
    return seconds


def _conditions(call: Call, request: Shape) -> Mapping[str, Any]:
    return {
        "sts:IdentityTokenAudience": request["Audience"],
        "sts:DurationSeconds": _seconds(request),
        "sts:SigningAlgorithm": request["SigningAlgorithm"],
        "sts:SubjectMode": request.get("SubjectMode", "AWSIdentity"),
    }


@operation("sts:GetWebIdentityToken", conditions=_conditions)
async def get_web_identity_token(call: Call, request: Shape) -> Shape:
    """A token signed with a key that the account's issuer publishes.

    Errors: OutboundWebIdentityFederationDisabledException, SessionDurationEscalationException, ValidationError, AccessDenied.
    """
    if request.get("Tags"):
        call.authorize("sts:TagGetWebIdentityToken", "*", lambda: _conditions(call, request))
    _check(request)
    tags = session_tags(ANONYMOUS, request.get("Tags", []), [])
    issued_at, seconds = call.now // SECOND, _seconds(request)
    session_ends_at = call.caller.token_expires_at_ns
    if session_ends_at is not None and (issued_at + seconds) * SECOND > session_ends_at:
        raise ServiceError("SessionDurationEscalationException", "The token would outlive the session that asks for it.", 403)
    sts = call.service(Sts)
    issuer = await sts.issuer_of(call.account)
    if issuer is None:
        message = "Outbound web identity federation is not enabled for this account."
        raise ServiceError("OutboundWebIdentityFederationDisabledException", message, 403)
    key = next(one for one in await sts.token_keys.ensure(issuer) if one.algorithm == request["SigningAlgorithm"])
    audience = request["Audience"]
    subject = _subject(call.caller)
    claims = {
        "iss": issuer,
        "aud": audience[0] if len(audience) == 1 else audience,
        "sub": subject,
        "iat": issued_at,
        "exp": issued_at + seconds,
        "jti": call.cloud.ids.uuid(),
        _NAMESPACE: _identity(call, subject, tags.tags),
    }
    return {"WebIdentityToken": sts.token_keys.sign(key, claims), "Expiration": (issued_at + seconds) * SECOND}


def _check(request: Shape) -> None:
    if request["SigningAlgorithm"] not in ALGORITHMS:
        raise validation_error("SigningAlgorithm must be RS256 or ES384.")
    # Sessions that carry the identity of somebody behind them come from IAM Identity Center and context providers, which are not here.
    if request.get("SubjectMode", "AWSIdentity") != "AWSIdentity":
        raise validation_error("The calling session has no trusted identity propagation context, which SubjectMode OriginIdentity needs.")
    if "Scope" in request:
        raise validation_error("Scope can be specified only when SubjectMode is OriginIdentity.")


def _subject(caller: Caller) -> str:
    """A role's session speaks for the role."""
    return caller.role_arn if caller.kind == "role" else caller.arn


def _identity(call: Call, subject: str, request_tags: dict[str, str]) -> Shape:
    claims: Shape = {"aws_account": call.account, "source_region": call.region, "principal_id": subject}
    if call.caller.tags:
        claims["principal_tags"] = dict(call.caller.tags)
    if request_tags:
        claims["request_tags"] = request_tags
    return claims
