"""AssumeRoot: a short session of a member account's root user, for one of five tasks (STS API Reference, AssumeRoot).

Only the management account of an organization, or its delegated administrator for IAM, may have one. No account here is in an organization, so everybody is
refused, as AWS refuses an account outside of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import AccessDenied
from haneul.core.operation import Shape, operation
from haneul.services.sts.errors import access_denied, validation_error

_PRINCIPAL = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?\Z")
_TASKS = frozenset(
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in (
        "IAMAuditRootUserCredentials",
        "IAMCreateRootUserPassword",
        "IAMDeleteRootUserCredentials",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    )
)


def _root_arn(call: Call, request: Shape) -> str:
    found = _PRINCIPAL.match(request["TargetPrincipal"])
    if found is None:
        raise validation_error(f"{request['TargetPrincipal']} is invalid")
    return f"arn:aws:iam::{found[1]}:root"


def _conditions(call: Call, request: Shape) -> Mapping[str, Any]:
    return {"sts:TaskPolicyArn": request["TaskPolicyArn"].get("arn", "")}


@operation("sts:AssumeRoot", authorized_inside=True, partial="sessions for member accounts (there are no organizations)")
async def assume_root(call: Call, request: Shape) -> Shape:
    """Refuses, for the first reason that AWS would give. Errors: AccessDenied, ValidationError."""
    arn = _root_arn(call, request)
    if call.caller.kind == "root":
        raise access_denied("AssumeRoot cannot be called with root user credentials.")
    call.authorize("sts:AssumeRoot", arn, _conditions(call, request))
    if request["TaskPolicyArn"].get("arn") not in _TASKS:
        raise validation_error(f"ARN {request['TaskPolicyArn'].get('arn', '')} is not one of the policies for privileged tasks.")
    raise AccessDenied(f"User: {call.caller.arn} is not authorized to perform: sts:AssumeRoot on resource: {arn}")
