"""What all ways to temporary credentials share: session policies, tags, multi-factor codes, and the answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from haneul.core import tags as core_tags
from haneul.core.arn import parse_arn
from haneul.core.call import Call, RequestContext
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.core.ports import TrustedRole
from haneul.services.sts.errors import access_denied, invalid_parameter, validation_error

POLICY_ARNS_MAX = 10
POLICY_CHARACTERS_MAX = 2_048
TAGS_MAX = 50
CHAINED_SESSION_SECONDS_MAX = 3_600
# AWS packs policies and tags in a binary form of its own and says only how full it is. Here it is deflated, against this many bytes.
_PACKED_BYTES_MAX = 1_024


@dataclass
class SessionTags:
    """A session's own tags, those inherited from the calling session included, and the keys that further sessions inherit."""

    tags: dict[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()


def session_policies(call: Call, request: Shape, account: str) -> tuple[str, ...]:
    """The policies that limit the session: the inline one's text, the managed ones' ARNs. Raises MalformedPolicyDocument and ValidationError."""
    arns = [one.get("arn", "") for one in request.get("PolicyArns", ())]
    if len(arns) > POLICY_ARNS_MAX:
        raise validation_error(
            f"1 validation error detected: Value '{arns}' at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to {POLICY_ARNS_MAX}"
        )
    for arn in arns:
        parsed = parse_arn(arn)
        if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/"):
            raise validation_error(f"ARN {arn} is not valid.")
        if parsed.account not in ("aws", account) or call.cloud.authority.managed_policy(arn) is None:
            raise validation_error(f"Policy {arn} does not exist or is not attachable.")
    text = request.get("Policy")
    if text is None:
        return tuple(arns)
    if len(text) > POLICY_CHARACTERS_MAX:
        raise validation_error(
            f"1 validation error detected: Value '{text}' at 'policy' failed to satisfy constraint: Member must have length less than or equal to {POLICY_CHARACTERS_MAX}"
        )
    call.cloud.authority.compile_policy(text, "session")
    return (text, *arns)


def packed_size_percent(policies: Iterable[str], tags: Mapping[str, str]) -> int:
    """How full the session's space for policies and tags is; PackedPolicyTooLarge beyond 100."""
    content = "\n".join([*policies, *(f"{key}={value}" for key, value in tags.items())])
    if not content:
        return 0
    percent = -(-100 * len(zlib.compress(content.encode(), 9)) // _PACKED_BYTES_MAX)
    if percent > 100:
        raise ServiceError("PackedPolicyTooLarge", f"Packed policy consumes {percent}% of allotted space, please use smaller policy or tags.", 400)
    return percent


def session_tags(caller: Caller, tags: list[Shape], transitive: list[str]) -> SessionTags:
    """The tags of a new session. Transitive tags of the calling session go on, and cannot be set anew. Keys are compared without regard to case."""
    if len(tags) > TAGS_MAX:
        raise invalid_parameter("The number of session tags has reached the maximum limit.")
    given = {tag["Key"].lower() for tag in tags}
    if len(given) != len(tags):
        raise invalid_parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith("aws:") for key in given):
        raise invalid_parameter("Tag keys that begin with aws: are reserved for system use.")
    inherited = {key: caller.tags[key] for key in caller.transitive_tags if key in caller.tags}
    if given & {key.lower() for key in inherited}:
        raise invalid_parameter("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
    if not {key.lower() for key in transitive} <= given:
        raise invalid_parameter("The specified transitive tag key must be included in the requested tags.")
    names = {tag["Key"].lower(): tag["Key"] for tag in tags}
    return SessionTags(
        inherited | {tag["Key"]: tag.get("Value", "") for tag in tags}, (*inherited, *dict.fromkeys(names[key.lower()] for key in transitive))
    )


def laid_over(principal: Mapping[str, str], session: Mapping[str, str]) -> dict[str, str]:
    """A principal's tags with the session's in place of those of the same key."""
    replaced = {key.lower() for key in session}
    return {key: value for key, value in principal.items() if key.lower() not in replaced} | dict(session)


def tag_conditions(tags: list[Shape], transitive: list[str]) -> dict[str, Any]:
    """The condition keys that session tags in a token or an assertion bring."""
    keys = core_tags.tag_conditions({tag["Key"]: tag.get("Value", "") for tag in tags})
    return keys | ({"sts:TransitiveTagKeys": transitive} if transitive else {})


async def checked_mfa(call: Call, request: Shape) -> bool:
    """Whether the caller has proved with a multi-factor code to be there; AccessDenied for a wrong one, and for one that was used already."""
    serial_number, code = request.get("SerialNumber"), request.get("TokenCode")
    if serial_number is None and code is None:
        return False
    if serial_number is None or code is None:
        raise validation_error("Both SerialNumber and TokenCode must be provided." if code is None else "SerialNumber must be provided with TokenCode.")
    if not await call.cloud.authority.take_one_time_password(call.caller, serial_number, code):
        raise access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    return True


def has_session_credentials(caller: Caller) -> bool:
    """Whether the caller uses temporary credentials."""
    return caller.token_issued_at_ns is not None


def authorize_by_trust(call: Call, caller: Caller, action: str, role: TrustedRole, conditions: Mapping[str, Any]) -> None:
    """Raise AccessDenied unless the role's trust policy, and where it leaves the decision to the caller's account its identity policies, allow `action`."""
    call.cloud.authority.authorize(
        caller,
        action,
        (role.arn,),
        RequestContext(call, conditions, role.arn),
        resource_policy=role.trust,
        resource_account=role.account,
        resource_policy_required=True,
        resource_policy_kind="trust",
    )


def check_duration(duration_seconds: int, role: TrustedRole, *, chained: bool) -> None:
    """Raise ValidationError for a session longer than the role, or the chaining of roles, lets it be."""
    if chained and duration_seconds > CHAINED_SESSION_SECONDS_MAX:
        raise validation_error("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
    if duration_seconds > role.max_session_seconds:
        raise validation_error("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def role_session(role: TrustedRole, session_name: str, tags: SessionTags, **fields: Any) -> Caller:
    """Who the holder of a role's session is."""
    return Caller(
        kind="role",
        account=role.account,
        arn=f"{role.caller_prefix}/{session_name}",
        principal_id=f"{role.role_id}:{session_name}",
        role_arn=role.arn,
        session_name=session_name,
        tags=laid_over(role.tags, tags.tags),
        transitive_tags=tags.transitive,
        **fields,
    )


def issued(
    call: Call, request: Shape, session: Caller, seconds: int, *, policies: tuple[str, ...] = (), expires_at: int | None = None, issued_at: int | None = None
) -> Shape:
    """New credentials as every answer shows them, with a token as long as the request wants it at least. `issued_at` is when the session began, if not now.

    Tokens have no longest size here that a SessionTokenUtilization could be a share of.
    """
    least = request.get("MinimumSessionTokenSize", 0)
    keys = call.cloud.authority.mint_session(session, seconds, policies=policies, expires_at=expires_at, token_bytes_min=least, issued_at=issued_at)
    credentials = {
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "SessionToken": keys.session_token,
        "Expiration": keys.expires_at,
    }
    return {"Credentials": credentials, "SessionTokenSize": len(keys.session_token)}
