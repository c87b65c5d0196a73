"""Decisions with their reasons laid open, for the simulation operations of the IAM API (SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysFor…)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from haneul.auth.policy.context import AccessRequest, Context
from haneul.auth.policy.decision import Decision, MatchedStatement, PolicyType
from haneul.auth.policy.document import Policy
from haneul.auth.policy.evaluate import PolicySet, decide
from haneul.core.caller import Caller

_VARIABLE = re.compile(r"\$\{\s*([^{}',*?$]+?)\s*(?:,\s*'[^']*'\s*)?\}")


def explain(request: AccessRequest, caller: Caller, policies: PolicySet, *, resource_policy_required: bool = False, service_access: bool = False) -> Decision:
    """Decide like `decide`, and fill in `matched`, `missing_keys` and `by_type` for the resource that the decision is about.

    As in the real simulation, only the denying statements are listed when one denies.
    """
    decision = decide(request, caller, policies, resource_policy_required=resource_policy_required, service_access=service_access)
    context = Context(request, caller, policies.resource_account)
    resource = decision.resource or "*"
    matched = [found for policy_id, kind, policy in _named(policies) for found in _matches(policy_id, kind, policy, request.action, resource, context)]
    by_type: dict[PolicyType, str] = {kind: "implicitDeny" for _, kind, _ in _named(policies)}
    for found in matched:
        if by_type[found.policy_type] != "explicitDeny":
            by_type[found.policy_type] = "allowed" if found.allow else "explicitDeny"
    if decision.explicit_deny:
        matched = [found for found in matched if not found.allow]
    written = {key.lower(): key for _, _, policy in _named(policies) for key in context_keys(policy)}
    missing = tuple(sorted(written.get(key, key) for key in context.missing))
    return replace(decision, matched=tuple(matched), missing_keys=missing, by_type=tuple(by_type.items()))


def _named(policies: PolicySet) -> Iterator[tuple[str, PolicyType, Policy]]:
    for policy_id, policy in policies.identity:
        yield policy_id, "identity", policy
    if policies.resource is not None:
        yield "ResourcePolicy", "trust" if policies.resource.kind == "trust" else "resource", policies.resource
    if policies.boundary is not None:
        yield "PermissionsBoundaryPolicyInputList.1", "boundary", policies.boundary
    for number, policy in enumerate(policies.session or (), 1):
        yield f"SessionPolicy.{number}", "session", policy
    for number, policy in enumerate(policies.service_control or (), 1):
        yield f"ServiceControlPolicy.{number}", "scp", policy


def _matches(policy_id: str, kind: PolicyType, policy: Policy, action: str, resource: str, context: Context) -> list[MatchedStatement]:
    spans = policy.spans()
    matched = []
    for statements in policy.about(action.lower()):
        for one in statements:
            if one.naming(context.caller) and one.covers(resource, context):
                span = spans[one.index] if spans else None
                matched.append(MatchedStatement(policy_id, kind, one.index, one.sid, one.allow, span))
    return matched


def context_keys(policy: Policy) -> tuple[str, ...]:
    """The condition keys and variables that a policy refers to, as it writes them, each once."""
    keys: dict[str, str] = {}
    written = policy.document["Statement"]
    for statement in [written] if isinstance(written, dict) else written:
        for tested in statement.get("Condition", {}).values():
            for key, values in tested.items():
                keys.setdefault(key.lower(), key)
                _add_variables(keys, values)
        _add_variables(keys, statement.get("Resource"))
        _add_variables(keys, statement.get("NotResource"))
    return tuple(keys.values())


def _add_variables(keys: dict[str, str], values: Any) -> None:
    for value in values if isinstance(values, list) else [values]:
        for key in _VARIABLE.findall(value) if isinstance(value, str) else ():
            keys.setdefault(key.lower(), key)
