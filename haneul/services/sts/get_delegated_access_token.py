"""GetDelegatedAccessToken: the credentials that a product provider gets for the trade-in token of a delegation request.

STS API Reference, GetDelegatedAccessToken; IAM User Guide, "Building your integration": "Exchange tokens".
"""

from __future__ import annotations

from dataclasses import replace

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.sts.sessions import issued, packed_size_percent


@operation("sts:GetDelegatedAccessToken")
async def get_delegated_access_token(call: Call, request: Shape) -> Shape:
    """Credentials of the identity that approved the request, within the policy that it approved, until the time that it approved is over.

    A token can be traded in by the account that made the request only, as often as it likes; the session is the same each time. Errors: AccessDenied (also for what
    is no token), ExpiredTradeInToken, PackedPolicyTooLarge.
    """
    found = call.cloud.authority.delegation(request["TradeInToken"])
    if found is None or found.requestor != call.account:
        raise AccessDenied(f"User: {call.caller.arn} is not authorized to perform: sts:GetDelegatedAccessToken with this trade-in token")
    if found.expires_at <= call.now:
        raise ServiceError("ExpiredTradeInTokenException", "The trade-in token has expired. Request a new token and retry the operation.", 400)
    approver = found.approver
    scopes = (*approver.scope_policies, found.policy)
    packed_size_percent((*approver.session_policies, *scopes), {})
    session = replace(approver, scope_policies=scopes, delegate=found.requestor)
    answer = issued(call, request, session, 0, policies=approver.session_policies, expires_at=found.expires_at, issued_at=found.released_at)
    return {"Credentials": answer["Credentials"], "AssumedPrincipal": approver.arn}
