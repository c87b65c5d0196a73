"""GetScopedCredentials: the calling session again, with fewer permissions, a shorter life, or both."""

from __future__ import annotations

from dataclasses import replace

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sts.errors import access_denied, validation_error
from haneul.services.sts.sessions import has_session_credentials, issued, packed_size_percent

SCOPES_MAX = 3
_GLOBAL_HOST = "sts.amazonaws.com"


@operation("sts:GetScopedCredentials")
async def get_scoped_credentials(call: Call, request: Shape) -> Shape:
    """Credentials of the same session that may do what both the session and the policy given allow. Scopes pile up, three at most.

    Errors: AccessDenied (long-term keys, a fourth scope), InsufficientSessionLifetime, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    caller = call.caller
    if call.http is not None and call.http.host.partition(":")[0] == _GLOBAL_HOST:
        raise access_denied("GetScopedCredentials is not available on the global endpoint of STS. Use the endpoint of a Region.")
    if not has_session_credentials(caller) or caller.token_expires_at_ns is None:
        raise access_denied("Cannot call GetScopedCredentials with long-term credentials")
    if "Policy" not in request and "DurationSeconds" not in request:
        raise validation_error("At least one of Policy or DurationSeconds must be provided.")
    expires = _expiry(call, request.get("DurationSeconds"), caller.token_expires_at_ns)
    scopes = caller.scope_policies
    if "Policy" in request:
        if _scopes_count(caller) >= SCOPES_MAX:
            raise access_denied(f"The session already has the maximum of {SCOPES_MAX} scope down policies.")
        call.cloud.authority.compile_policy(request["Policy"], "session")
        scopes = (*scopes, request["Policy"])
    packed_size_percent((*caller.session_policies, *scopes), {})
    session = replace(caller, scope_policies=scopes)
    # A delegated session began when it was released, however often it is handed on.
    began = caller.token_issued_at_ns if caller.delegate else None
    answer = issued(call, request, session, 0, policies=caller.session_policies, expires_at=expires, issued_at=began)
    answer["SessionInfo"] = {"ScopedSessionId": caller.principal_id, "Arn": caller.arn}
    answer["ScopedPoliciesCount"] = _scopes_count(session)
    if caller.source_identity:
        answer["SourceIdentity"] = caller.source_identity
    return answer


def _scopes_count(caller: Caller) -> int:
    """How often a session was scoped down. What a product provider was allowed is no scope of its own choice."""
    return len(caller.scope_policies) - bool(caller.delegate)


def _expiry(call: Call, seconds: int | None, latest: int) -> int:
    """When the new credentials expire (nanoseconds): not after those of the call."""
    if seconds is None:
        return latest
    wanted = (call.now // SECOND + seconds) * SECOND
    if wanted > latest:
        raise ServiceError(
            "InsufficientSessionLifetime", f"The requested DurationSeconds exceeds the remaining lifetime of the calling session, {(latest - call.now) // SECOND} seconds.", 400
        )
    return wanted
