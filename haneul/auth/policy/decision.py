"""The outcome of an evaluation, and the sentence in which AWS refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from haneul.auth.policy.context import AccessRequest
from haneul.auth.policy.positions import StatementSpan
from haneul.core.caller import Caller

PolicyType = Literal["identity", "resource", "trust", "boundary", "session", "scp", ""]

_NAMES: dict[PolicyType, tuple[str, str]] = {
    "identity": ("identity-based policy", "an identity-based policy"),
    "resource": ("resource-based policy", "a resource-based policy"),
    "trust": ("role trust policy", "the role trust policy"),
    "boundary": ("permissions boundary", "a permissions boundary"),
    "session": ("session policy", "a session policy"),
    "scp": ("service control policy", "a service control policy"),
}


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A statement that spoke of the request: which policy's, of what type, the how-manieth (from 0), and where it stands in the policy's text."""

    policy_id: str
    policy_type: PolicyType
    index: int
    sid: str
    allow: bool
    span: StatementSpan | None


@dataclass(slots=True)
class Decision:
    """Whether a request may be carried out, and why.

    `policy_type` is the type of policy that decided: the one that allowed (empty when the caller needs no policy), denied, or was silent though its
    word was needed. `resource` is the resource that was refused, or the last one allowed. `explain` also fills in `matched` and `missing_keys`, every
    statement that spoke of the request and every condition key asked for that the request lacks, and `by_type`, what each type of policy said.
    """

    allowed: bool
    explicit_deny: bool = False
    policy_type: PolicyType = ""
    resource: str = ""
    cross_account: bool = False
    matched: tuple[MatchedStatement, ...] = ()
    missing_keys: tuple[str, ...] = ()
    by_type: tuple[tuple[PolicyType, str], ...] = ()

    @property
    def evaluation(self) -> str:
        """The decision in the words of the IAM API's simulation: `allowed`, `explicitDeny` or `implicitDeny`."""
        if self.allowed:
            return "allowed"
        return "explicitDeny" if self.explicit_deny else "implicitDeny"


def denial_message(decision: Decision, request: AccessRequest, caller: Caller) -> str:
    """The sentence of the AccessDenied error (IAM User Guide, "Troubleshoot access denied error messages")."""
    if caller.kind == "web-identity":
        return f"Not authorized to perform {request.action}"
    who = caller.arn or caller.service or "anonymous"
    sentence = f"User: {who} is not authorized to perform: {request.action}"
    if request.resources:
        sentence += f" on resource: {decision.resource or request.resources[0]}"
    if not decision.policy_type:
        return sentence
    silent, denying = _NAMES[decision.policy_type]
    if decision.explicit_deny or decision.policy_type == "scp":  # A service control policy that is merely silent is reported as a deny too.
        return f"{sentence} with an explicit deny in {denying}"
    if decision.policy_type == "trust":  # STS says no more when the role's trust policy is silent.
        return sentence
    return f"{sentence} because no {silent} allows the {request.action} action"
