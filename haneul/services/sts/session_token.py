"""GetSessionToken: a user's own permissions with temporary credentials, with a multi-factor code if policies ask for one."""

from __future__ import annotations

from dataclasses import replace

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sts.errors import access_denied
from haneul.services.sts.sessions import checked_mfa, has_session_credentials, issued

_DURATION_SECONDS_DEFAULT = 43_200
ROOT_DURATION_SECONDS_MAX = 3_600


def long_term_caller_seconds(call: Call, request: Shape, default: int) -> int:
    """How long a session lasts that only a user or the root user with long-term keys may have; the root user's at most an hour."""
    if call.caller.kind not in ("user", "root") or has_session_credentials(call.caller):
        raise access_denied(f"Cannot call {call.operation.name} with session credentials")
    seconds: int = request.get("DurationSeconds", default)
    return min(seconds, ROOT_DURATION_SECONDS_MAX) if call.caller.kind == "root" else seconds


@operation("sts:GetSessionToken", authorized_inside=True)
async def get_session_token(call: Call, request: Shape) -> Shape:
    """Temporary credentials of the caller. Needs no permission. Errors: AccessDenied."""
    seconds = long_term_caller_seconds(call, request, _DURATION_SECONDS_DEFAULT)
    mfa = await checked_mfa(call, request)
    session = replace(call.caller, mfa=mfa, mfa_at_ns=call.now if mfa else None)
    return issued(call, request, session, seconds)
