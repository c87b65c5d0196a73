"""Short ways to write policies, callers and requests in these tests."""

from __future__ import annotations

import json
from typing import Any

from haneul.auth.policy import AccessRequest, Decision, Policy, PolicySet, decide, parse_policy
from haneul.auth.policy.validate import PolicyKind
from haneul.core.caller import Caller

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/photos"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/team/ana"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/worker"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/job-1"
FEDERATED_ARN = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"

USER = Caller("user", ACCOUNT, USER_ARN, "AIDAAAAAAAAAAAAAAAAA", tags={"Team": "red"})
ROLE = Caller("role", ACCOUNT, SESSION_ARN, "AROAAAAAAAAAAAAAAAAA:job-1", role_arn=ROLE_ARN, session_name="job-1", token_issued_at_ns=1_600_000_000_000_000_000)
ROOT = Caller("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
FEDERATED = Caller("federated", ACCOUNT, FEDERATED_ARN, f"{ACCOUNT}:guest", role_arn=USER_ARN, token_issued_at_ns=1_600_000_000_000_000_000)


def statement(effect: str = "Allow", action: Any = "dynamodb:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    """One statement; a keyword `Resource=None` leaves the element out."""
    return {name: value for name, value in {"Effect": effect, "Action": action, "Resource": resource, **more}.items() if value is not None}


def policy(*statements: dict[str, Any], kind: PolicyKind = "identity", version: str = "2012-10-17") -> Policy:
    """A policy of these statements, through its JSON text as a service would get it."""
    return parse_policy(json.dumps({"Version": version, "Statement": list(statements)}), kind)


def resource_policy(*statements: dict[str, Any], kind: PolicyKind = "resource") -> Policy:
    """A resource's policy; statements without Principal speak of everyone."""
    return policy(*({"Principal": "*", **one} if "NotPrincipal" not in one else one for one in statements), kind=kind)


def ask(
    caller: Caller = USER,
    action: str = "dynamodb:GetItem",
    on: str = TABLE,
    context: dict[str, Any] | None = None,
    *,
    identity: Policy | None = None,
    resource_policy_required: bool = False,
    service_access: bool = False,
    **policies: Any,
) -> Decision:
    """Decide one request."""
    policy_set = PolicySet(identity=(("identity", identity),) if identity else (), **policies)
    request = AccessRequest(action, (on,), context or {})
    return decide(request, caller, policy_set, resource_policy_required=resource_policy_required, service_access=service_access)
