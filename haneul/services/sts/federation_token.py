"""GetFederationToken: a session of somebody without an identity in AWS, with at most the permissions of the user who asks for it."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.operation import Shape, operation
from haneul.services.sts.session_token import long_term_caller_seconds
from haneul.services.sts.sessions import (
    issued,
    laid_over,
    packed_size_percent,
    session_policies,
    session_tags,
)

_DURATION_SECONDS_DEFAULT = 43_200


def _federated_user_arn(call: Call, request: Shape) -> str:
    return f"arn:aws:sts::{call.account}:federated-user/{request['Name']}"


@operation("sts:GetFederationToken", resource=_federated_user_arn)
async def get_federation_token(call: Call, request: Shape) -> Shape:
    """Temporary credentials for a federated user: what both the caller's policies and the session's allow.

    Without session policies the session may do nothing by itself. Errors: AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    seconds = long_term_caller_seconds(call, request, _DURATION_SECONDS_DEFAULT)
    arn = _federated_user_arn(call, request)
    policies = session_policies(call, request, call.account)
    tags = session_tags(call.caller, request.get("Tags", []), [])
    if request.get("Tags"):
        call.authorize("sts:TagSession", arn)
    session = Caller(
        kind="federated",
        account=call.account,
        arn=arn,
        principal_id=f"{call.account}:{request['Name']}",
        role_arn=call.caller.arn,
        identity_id=call.caller.principal_id if call.caller.kind == "user" else "",
        tags=laid_over(call.caller.tags, tags.tags),
        session_name=request["Name"],
    )
    packed = packed_size_percent(policies, tags.tags)
    return issued(call, request, session, seconds, policies=policies) | {
        "FederatedUser": {"FederatedUserId": session.principal_id, "Arn": arn},
        "PackedPolicySize": packed,
    }
