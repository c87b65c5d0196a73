"""May this caller do this? The whole of IAM's evaluation, as functions of their arguments alone.

IAM User Guide, "Policy evaluation logic" and "Cross-account policy evaluation logic". In short: a deny anywhere wins; within one account an identity
policy or a resource's policy must allow, and boundary and session policies limit what identity policies give; across accounts both sides must allow.
How directly a resource's policy names the caller settles which limits its word is subject to (`Naming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from haneul.auth.policy.context import AccessRequest, Context
from haneul.auth.policy.decision import Decision, PolicyType, denial_message
from haneul.auth.policy.document import Policy
from haneul.auth.policy.principals import Naming
from haneul.core.caller import Caller

__all__ = ["AccessRequest", "Decision", "PolicySet", "decide", "denial_message", "is_cacheable", "narrowed"]

Verdict = Literal["allow", "deny", "silent"]

_EVERY_RESOURCE: Final = ("*",)


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """The policies that bear on one request.

    - `identity`: the caller's own, by name or ARN: inline, managed, and those of its groups; of a federated user, those of the user behind it
      (of the root user's federation: one that allows everything).
    - `session`: None when none were passed to the session; then a role's session has all that its role has, and a federated user's nothing.
    - `resource`: the policy of the resource (a trust policy, for AssumeRole); `resource_account` the resource's owner, empty for the caller's own account.
    - `service_control`: None outside of an organization.
    """

    identity: tuple[tuple[str, Policy], ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    resource: Policy | None = None
    resource_account: str = ""
    service_control: tuple[Policy, ...] | None = None


def decide(request: AccessRequest, caller: Caller, policies: PolicySet, *, resource_policy_required: bool = False, service_access: bool = False) -> Decision:
    """Whether the caller may do `request.action` on every resource of the request; the first resource that is refused decides.

    `resource_policy_required`: the resource's policy must allow (trust policies, KMS keys) and identity policies alone do not suffice.
    `service_access`: an AWS service calling for itself needs no resource policy, though one may deny.
    """
    action = request.action.lower()
    context = Context(request, caller, policies.resource_account)
    decision = None
    for resource in request.resources or _EVERY_RESOURCE:
        decision = _decide_one(action, resource, context, policies, resource_policy_required, service_access)
        if not decision.allowed:
            return decision
    assert decision is not None
    return decision


def narrowed(decision: Decision, request: AccessRequest, caller: Caller, scopes: Sequence[Policy], resource_account: str) -> Decision:
    """What is left of a decision that allows, when the caller's session was scoped down: each of `scopes` must allow the action on every resource, too,
    whoever's policy it was that allowed it (IAM User Guide, "Permissions for GetScopedCredentials")."""
    action = request.action.lower()
    context = Context(request, caller, resource_account)
    for resource in request.resources or _EVERY_RESOURCE:
        for scope in scopes:
            verdict = _verdict(scope, action, resource, context)
            if verdict != "allow":
                return Decision(False, verdict == "deny", "session", resource, decision.cross_account)
    return decision


def _decide_one(action: str, resource: str, context: Context, policies: PolicySet, resource_policy_required: bool, service_access: bool) -> Decision:
    identity: Verdict = "silent"
    for _, policy in policies.identity:
        verdict = _verdict(policy, action, resource, context)
        if verdict == "deny":
            return Decision(False, True, "identity", resource)
        if verdict == "allow":
            identity = "allow"
    boundary = session = service_control = "allow"
    naming = Naming.NOT
    if policies.resource is not None:
        named = _resource_naming(policies.resource, action, resource, context)
        if named is None:
            return Decision(False, True, _resource_type(policies), resource)
        naming = named
    if policies.boundary is not None:
        boundary = _verdict(policies.boundary, action, resource, context)
        if boundary == "deny":
            return Decision(False, True, "boundary", resource)
    if policies.session is not None:
        session = _any_verdict(policies.session, action, resource, context)
        if session == "deny":
            return Decision(False, True, "session", resource)
    elif context.caller.kind == "federated":
        session = "silent"
    if policies.service_control is not None:
        service_control = _all_verdict(policies.service_control, action, resource, context)
        if service_control == "deny":
            return Decision(False, True, "scp", resource)
    said = Said(identity, naming, boundary, session, service_control)
    return _weigh(said, resource, context.caller, policies, resource_policy_required, service_access)


@dataclass(slots=True)
class Said:
    """What each type of policy said of one resource, none of them having denied."""

    identity: str
    naming: Naming
    boundary: str
    session: str
    service_control: str


def _weigh(said: Said, resource: str, caller: Caller, policies: PolicySet, resource_policy_required: bool, service_access: bool) -> Decision:
    if caller.kind == "service":
        return Decision(service_access or said.naming > Naming.NOT, False, _resource_type(policies), resource)
    if caller.kind == "anonymous" or caller.kind == "web-identity":
        return Decision(said.naming > Naming.NOT, False, _resource_type(policies), resource)
    if said.service_control != "allow":
        return Decision(False, False, "scp", resource)
    root = caller.kind == "root"
    own = root or said.identity == "allow"
    if policies.resource_account and policies.resource_account != caller.account:
        if not own:
            return Decision(False, False, "identity", resource, True)
        if said.naming is Naming.NOT:
            return Decision(False, False, _resource_type(policies), resource, True)
        return _limited(said, resource, "resource", cross_account=True)
    if said.naming is Naming.DIRECT:
        return Decision(True, False, "resource", resource)
    if resource_policy_required and said.naming is Naming.NOT:
        return Decision(False, False, _resource_type(policies), resource)
    if said.naming is Naming.ROLE:
        return _limited(said, resource, "resource")
    if not own:
        return Decision(False, False, "identity", resource)
    return _limited(said, resource, "" if root else "identity")


def _limited(said: Said, resource: str, allowed_by: PolicyType, *, cross_account: bool = False) -> Decision:
    if said.boundary != "allow":
        return Decision(False, False, "boundary", resource, cross_account)
    if said.session != "allow":
        return Decision(False, False, "session", resource, cross_account)
    return Decision(True, False, allowed_by, resource, cross_account)


def _resource_type(policies: PolicySet) -> PolicyType:
    return "trust" if policies.resource is not None and policies.resource.kind == "trust" else "resource"


# ---- what a policy says of one resource


def _verdict(policy: Policy, action: str, resource: str, context: Context) -> Verdict:
    denying, allowing = policy.about(action)
    for statement in denying:
        if statement.covers(resource, context):
            return "deny"
    for statement in allowing:
        if statement.covers(resource, context):
            return "allow"
    return "silent"


def _any_verdict(policies: tuple[Policy, ...], action: str, resource: str, context: Context) -> Verdict:
    verdicts = [_verdict(policy, action, resource, context) for policy in policies]
    if "deny" in verdicts:
        return "deny"
    return "allow" if "allow" in verdicts else "silent"


def _all_verdict(policies: tuple[Policy, ...], action: str, resource: str, context: Context) -> Verdict:
    verdicts = [_verdict(policy, action, resource, context) for policy in policies]
    if "deny" in verdicts:
        return "deny"
    return "silent" if "silent" in verdicts else "allow"


def _resource_naming(policy: Policy, action: str, resource: str, context: Context) -> Naming | None:
    """How directly the resource's policy allows the caller; None when it denies."""
    denying, allowing = policy.about(action)
    for statement in denying:
        if statement.naming(context.caller) and statement.covers(resource, context):
            return None
    best = Naming.NOT
    for statement in allowing:
        naming = statement.naming(context.caller)
        if naming > best and statement.covers(resource, context):
            best = naming
    return best


def is_cacheable(policies: PolicySet, action: str) -> bool:
    """Whether a decision on the action depends on nothing but the policies, the caller and the resource: no condition and no variable plays a part."""
    name = action.lower()
    all_policies = [policy for _, policy in policies.identity]
    all_policies += [*(policies.session or ()), *(policies.service_control or ())]
    all_policies += [policy for policy in (policies.boundary, policies.resource) if policy is not None]
    return not any(statement.depends_on_request for policy in all_policies for statements in policy.about(name) for statement in statements)
