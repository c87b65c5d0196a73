"""Who may do what with a delegation request without a policy of its own that says so.

IAM User Guide, "Managing permissions for delegation requests", and the API Reference of each operation. A request behaves as if it had a policy of a
resource: for everybody while it has no owner, for its owner afterwards. Approving takes a policy, whoever owns the request.
"""

from __future__ import annotations

import json
from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.delegation_records import DelegationRequest, find_request

_UNOWNED = ["iam:GetDelegationRequest", "iam:AssociateDelegationRequest"]
_OWNED = ["iam:GetDelegationRequest", "iam:UpdateDelegationRequest", "iam:RejectDelegationRequest", "iam:SendDelegationToken"]
_LIST = "ListDelegationRequests"


def delegation_arn(account: str, request_id: str) -> str:
    return f"arn:aws:iam::{account}:delegation-request/{request_id}"


def request_arn(call: Call, request_id: str) -> str:
    """The ARN of a request: in its owner's account, and before there is one in the caller's."""
    found = find_request(call.cloud.store, request_id)
    return delegation_arn(found.owner_account if found is not None and found.owner_account else call.account, request_id)


def delegation_conditions(call: Call, request: Shape) -> dict[str, Any]:
    """The condition keys of operations about delegation requests."""
    if "Permissions" in request:
        keys = {
            "iam:DelegationDuration": str(request["SessionDuration"]),
            "iam:NotificationChannel": request["NotificationChannel"],
            "iam:TemplateArn": request["Permissions"].get("PolicyTemplateArn"),
        }
        return {key: value for key, value in keys.items() if value is not None}
    found = find_request(call.cloud.store, request["DelegationRequestId"]) if "DelegationRequestId" in request else None
    owner = found.owner_id if found is not None else request.get("OwnerId")
    return {"iam:DelegationRequestOwner": owner} if owner else {}


def default_policy(call: Call, arn: str) -> str | None:
    """What is allowed by default on the resource of an operation about delegation requests; None for other resources."""
    if call.operation.name == _LIST:
        return _policy([f"iam:{_LIST}"], call.caller.principal_id) if call.request.get("OwnerId") == call.caller.arn else None
    found = _request_of(call, arn)
    if found is None:
        return None
    if found.owner_principal:
        return _policy(_OWNED, found.owner_principal)
    return _policy(_UNOWNED, "*", found.owner_account)


def owner_account(call: Call, arn: str) -> str | None:
    """The account of a request's ARN; None for other resources."""
    parsed = parse_arn(arn)
    return parsed.account if parsed is not None and parsed.resource.startswith("delegation-request/") else None


def _request_of(call: Call, arn: str) -> DelegationRequest | None:
    parsed = parse_arn(arn)
    space, _, request_id = parsed.resource.partition("/") if parsed is not None else ("", "", "")
    return find_request(call.cloud.store, request_id) if space == "delegation-request" else None


def _policy(actions: list[str], principal: str, account: str = "") -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}
    if account:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalAccount": account}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
