"""Laws that hold for all policies, tried on generated ones."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from haneul.auth.policy import AccessRequest, Policy, PolicySet, decide, explain, is_cacheable
from haneul.auth.policy.patterns import Patterns, split_pattern
from haneul.core.caller import Caller

from .build import FEDERATED, OTHER_ACCOUNT, ROLE, ROLE_ARN, ROOT, SESSION_ARN, USER, USER_ARN, policy, resource_policy

ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]
RESOURCES = ["arn:aws:s3:::a", "arn:aws:s3:::a/b", "arn:aws:sqs:us-east-1:1:q"]

CONDITIONS: list[dict[str, Any] | None] = [
    None,
    None,
    {"StringEquals": {"a:k": "v"}},
    {"StringNotEquals": {"a:k": "v"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"ForAnyValue:StringLike": {"a:k": "v*"}},
]


def _statement(effect: str, action: str, resource: str, condition: dict[str, Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": effect, "Action": action, "Resource": resource}
    return made if condition is None else {**made, "Condition": condition}


STATEMENTS = st.builds(
    _statement,
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from([*ACTIONS, "*", "s3:*", "s3:?etObject", "s3:Get*"]),
    st.sampled_from([*RESOURCES, "*", "arn:aws:s3:::*", "arn:aws:s3:::${aws:username}"]),
    st.sampled_from(CONDITIONS),
)
PRINCIPALS = st.sampled_from(["*", {"AWS": USER_ARN}, {"AWS": SESSION_ARN}, {"AWS": ROLE_ARN}, {"AWS": "111122223333"}, {"AWS": OTHER_ACCOUNT}])
SOURCES = st.lists(STATEMENTS, min_size=1, max_size=4)
POLICIES = SOURCES.map(lambda statements: policy(*statements))
RESOURCE_POLICIES = st.lists(st.builds(lambda one, who: {**one, "Principal": who}, STATEMENTS, PRINCIPALS), min_size=1, max_size=4).map(
    lambda statements: resource_policy(*statements)
)
POLICY_SETS = st.builds(
    PolicySet,
    identity=st.lists(POLICIES.map(lambda one: ("p", one)), max_size=3).map(tuple),
    boundary=st.none() | POLICIES,
    session=st.none() | st.lists(POLICIES, max_size=2).map(tuple),
    resource=st.none() | RESOURCE_POLICIES,
    resource_account=st.sampled_from(["", OTHER_ACCOUNT]),
)
CALLERS = st.sampled_from([USER, ROLE, ROOT, FEDERATED])
REQUESTS = st.builds(
    AccessRequest,
    st.sampled_from(ACTIONS),
    st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2).map(tuple),
    st.sampled_from([{}, {"A:K": "v"}, {"a:k": ["v", "w"]}]),
)


def with_identity(policies: PolicySet, added: Policy) -> PolicySet:
    """The set with one more identity policy."""
    return PolicySet((*policies.identity, ("added", added)), policies.boundary, policies.session, policies.resource, policies.resource_account)


@given(REQUESTS, CALLERS, POLICY_SETS)
def test_an_explicit_deny_always_wins(request: AccessRequest, caller: Caller, policies: PolicySet) -> None:
    # Why: the one law without exceptions.
    deny = policy({"Effect": "Deny", "Action": request.action, "Resource": "*"})
    decision = decide(request, caller, with_identity(policies, deny))
    assert not decision.allowed and decision.explicit_deny


@given(REQUESTS, CALLERS, POLICY_SETS, SOURCES)
def test_adding_an_allow_never_takes_away(request: AccessRequest, caller: Caller, policies: PolicySet, sources: list[dict[str, Any]]) -> None:
    # Why: only denies take away.
    allow = policy(*({**one, "Effect": "Allow"} for one in sources))
    if decide(request, caller, policies).allowed:
        assert decide(request, caller, with_identity(policies, allow)).allowed


@given(REQUESTS, CALLERS, SOURCES, st.randoms())
def test_order_is_irrelevant(request: AccessRequest, caller: Caller, sources: list[dict[str, Any]], random: Any) -> None:
    # Why: neither the order of statements nor how they are spread over policies means anything.
    shuffled = list(sources)
    random.shuffle(shuffled)
    together = PolicySet(identity=(("p", policy(*sources)),))
    apart = PolicySet(identity=tuple(("p", policy(one)) for one in shuffled))
    first, second = decide(request, caller, together), decide(request, caller, apart)
    assert (first.allowed, first.explicit_deny) == (second.allowed, second.explicit_deny)


@given(REQUESTS, CALLERS, POLICY_SETS)
def test_all_resources_means_each(request: AccessRequest, caller: Caller, policies: PolicySet) -> None:
    # Why: a request for several resources is allowed exactly when each by itself is.
    each = [decide(AccessRequest(request.action, (one,), request.context), caller, policies).allowed for one in request.resources]
    assert decide(request, caller, policies).allowed is all(each)


@given(REQUESTS, CALLERS, POLICY_SETS)
def test_boundaries_only_limit(request: AccessRequest, caller: Caller, policies: PolicySet) -> None:
    # Why: a boundary grants nothing.
    without = PolicySet(policies.identity, None, policies.session, policies.resource, policies.resource_account)
    if decide(request, caller, policies).allowed:
        assert decide(request, caller, without).allowed


@given(REQUESTS, CALLERS, POLICY_SETS)
def test_cacheable_decisions_ignore_the_context(request: AccessRequest, caller: Caller, policies: PolicySet) -> None:
    # Why: what may be remembered must not depend on anything that differs between requests.
    if is_cacheable(policies, request.action):
        bare = AccessRequest(request.action, request.resources)
        assert decide(request, caller, policies) == decide(bare, caller, policies)


@given(REQUESTS, CALLERS, POLICY_SETS)
def test_explaining_decides_the_same(request: AccessRequest, caller: Caller, policies: PolicySet) -> None:
    # Why: a simulation that disagrees with the real evaluation would be worse than none.
    plain, explained = decide(request, caller, policies), explain(request, caller, policies)
    assert (plain.allowed, plain.explicit_deny, plain.resource) == (explained.allowed, explained.explicit_deny, explained.resource)
    if explained.explicit_deny:
        assert explained.matched and not any(one.allow for one in explained.matched)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_match_like_the_shell(pattern: str, text: str) -> None:
    # Why: the standard library's fnmatch has the same two wildcards.
    assert Patterns([split_pattern(pattern)]).match(text) is fnmatch.fnmatchcase(text, pattern)


@given(st.text("ab:*?", max_size=10), st.text("ab:", max_size=10))
def test_arn_wildcards_match_like_the_plain_regex(pattern: str, text: str) -> None:
    # Why: the atomic groups are only an optimisation; the plain regex says what is meant.
    source = ""
    for at, letter in enumerate(pattern):
        in_field = pattern.count(":", 0, at) < 5
        ends_field = at + 1 == len(pattern) or pattern[at + 1] == ":"
        if letter == "*":
            source += "[^:]*" if in_field and not ends_field else ".*"
        else:
            source += ("[^:]" if in_field else ".") if letter == "?" else re.escape(letter)
    assert Patterns([split_pattern(pattern, arn=True)]).match(text) is (re.fullmatch(source, text, re.DOTALL) is not None)
