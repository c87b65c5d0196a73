"""Simulated decisions, and what else the IAM API tells of policies without a request having been made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from haneul.auth.policy.decision import MatchedStatement
from haneul.auth.policy.document import Policy
from haneul.auth.policy.evaluate import AccessRequest, PolicySet, narrowed
from haneul.auth.policy.explain import explain
from haneul.auth.policy.managed import MANAGED_POLICIES
from haneul.clock import SECOND
from haneul.core.caller import Caller
from haneul.core.ports import Foresight, ManagedPolicyText, SimulatedMatch, Simulation


def simulate(
    caller: Caller,
    action: str,
    resource: str,
    context: Mapping[str, Any],
    identity: Sequence[tuple[str, Policy]],
    boundary: Policy | None,
    resource_policy: Policy | None,
    resource_account: str,
) -> Simulation:
    """The decision on one action and resource, with its reasons."""
    policies = PolicySet(identity=tuple(identity), boundary=boundary, resource=resource_policy, resource_account=resource_account or caller.account)
    found = explain(AccessRequest(action=action, resources=(resource,), context=context), caller, policies)
    return Simulation(
        decision=found.evaluation,
        matched=tuple(_match(one) for one in found.matched),
        missing_keys=found.missing_keys,
        by_type={str(kind): verdict for kind, verdict in found.by_type},
        cross_account=bool(resource_account) and resource_account != caller.account,
    )


def foresee(caller: Caller, action: str, resource: str, policies: PolicySet, scopes: Sequence[Policy]) -> Foresight:
    """What policies would say to a request that nobody has made yet, so that only the condition keys that follow from the caller are there."""
    request = AccessRequest(action=action, resources=(resource,))
    found = explain(request, caller, policies)
    allowed = found.allowed and narrowed(found, request, caller, scopes, caller.account).allowed
    return Foresight(allowed, found.missing_keys)


def _match(one: MatchedStatement) -> SimulatedMatch:
    span = one.span
    start = (span.start_line, span.start_column) if span is not None else (1, 1)
    end = (span.end_line, span.end_column) if span is not None else (1, 1)
    return SimulatedMatch(one.policy_id, one.policy_type, start, end)


def managed_policy_texts() -> dict[str, ManagedPolicyText]:
    """The table of AWS managed policies in the form that the iam service shows."""
    return {
        one.arn: ManagedPolicyText(
            arn=one.arn,
            name=one.name,
            path=one.path,
            policy_id=one.policy_id,
            description=one.description,
            version_id=one.version_id,
            document=one.text,
            created_at=int(datetime.fromisoformat(one.created_at).timestamp()) * SECOND,
        )
        for one in MANAGED_POLICIES.values()
    }
