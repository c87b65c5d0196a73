"""IAM's policies: the language, the evaluation and the policies that AWS manages. Pure functions: no store, no network, no clock."""

from haneul.auth.policy.decision import Decision, MatchedStatement, denial_message
from haneul.auth.policy.document import MalformedPolicy, Policy, PolicyKind, deny_everything, parse_policy
from haneul.auth.policy.evaluate import AccessRequest, PolicySet, decide, is_cacheable
from haneul.auth.policy.explain import context_keys, explain

__all__ = [
    "AccessRequest",
    "Decision",
    "MalformedPolicy",
    "MatchedStatement",
    "Policy",
    "PolicyKind",
    "PolicySet",
    "context_keys",
    "decide",
    "denial_message",
    "deny_everything",
    "explain",
    "is_cacheable",
    "parse_policy",
]
