"""Who may do what (IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic", "Principal", "NotPrincipal")."""

from __future__ import annotations

from typing import Any

import pytest

from haneul.auth.policy import AccessRequest, Policy, PolicySet, decide, is_cacheable
from haneul.core.caller import ANONYMOUS, Caller, service_caller

from .build import (
    ACCOUNT,
    FEDERATED,
    FEDERATED_ARN,
    OTHER_ACCOUNT,
    ROLE,
    ROLE_ARN,
    ROOT,
    SESSION_ARN,
    TABLE,
    USER,
    USER_ARN,
    ask,
    policy,
    resource_policy,
    statement,
)

ALLOW = policy(statement())
SILENT = policy(statement(action="s3:*"))
DENY = policy(statement("Deny"))
ALLOW_ALL = policy(statement(action="*"))
S3 = service_caller("s3.amazonaws.com")
WEB = Caller("web-identity", "", "", "", federated_provider="accounts.google.com")


def for_principal(principal: Any) -> Policy:
    """A resource policy that allows one principal."""
    return resource_policy(statement(Principal=principal))


# ---- within one account


@pytest.mark.parametrize(
    ("identity", "boundary", "session", "allowed", "decided_by"),
    [
        (ALLOW, None, None, True, "identity"),
        (None, None, None, False, "identity"),
        (SILENT, None, None, False, "identity"),
        (ALLOW, ALLOW, None, True, "identity"),
        (ALLOW, SILENT, None, False, "boundary"),
        (SILENT, ALLOW, None, False, "identity"),
        (ALLOW, None, (ALLOW,), True, "identity"),
        (ALLOW, None, (SILENT, ALLOW), True, "identity"),
        (ALLOW, None, (SILENT,), False, "session"),
        (ALLOW, None, (), False, "session"),
        (ALLOW, ALLOW, (SILENT,), False, "session"),
        (ALLOW, SILENT, (ALLOW,), False, "boundary"),
    ],
)
def test_identity_boundary_and_session(identity: Policy | None, boundary: Policy | None, session: Any, allowed: bool, decided_by: str) -> None:
    # Why: the effective permissions are the intersection of identity policies, boundary and session policies.
    decision = ask(ROLE, identity=identity, boundary=boundary, session=session)
    assert (decision.allowed, decision.explicit_deny, decision.policy_type) == (allowed, False, decided_by)


@pytest.mark.parametrize("where", ["identity", "resource", "boundary", "session", "scp"])
def test_a_deny_anywhere_wins(where: str) -> None:
    # Why: "an explicit deny in any of these policies overrides the allow".
    allowing: dict[str, Any] = {"resource": for_principal({"AWS": SESSION_ARN}), "boundary": ALLOW, "session": (ALLOW,), "service_control": (ALLOW,)}
    denying: dict[str, Any] = {
        "resource": resource_policy(statement(), statement("Deny")),
        "boundary": DENY,
        "session": (ALLOW, DENY),
        "service_control": (ALLOW, DENY),
    }
    name = "service_control" if where == "scp" else where
    if where == "identity":
        decision = ask(ROLE, identity=policy(statement(), statement("Deny")), **allowing)
    else:
        decision = ask(ROLE, identity=ALLOW, **{**allowing, name: denying[name]})
    assert (decision.allowed, decision.explicit_deny, decision.policy_type) == (False, True, where)


@pytest.mark.parametrize(
    ("caller", "principal", "identity", "limited", "allowed"),
    [
        # The principal is the caller itself: nothing but a deny limits the grant.
        (USER, {"AWS": USER_ARN}, False, True, True),
        (USER, {"AWS": USER.principal_id}, False, True, True),
        (ROLE, {"AWS": SESSION_ARN}, False, True, True),
        (FEDERATED, {"AWS": FEDERATED_ARN}, False, True, True),
        (USER, "*", False, True, True),
        (ROLE, {"AWS": "*"}, False, True, True),
        # The principal is the identity behind the session: boundary and session policies limit it, identity policies need not allow.
        (ROLE, {"AWS": ROLE_ARN}, False, False, True),
        (ROLE, {"AWS": "AROAAAAAAAAAAAAAAAAA"}, False, False, True),
        (ROLE, {"AWS": ROLE_ARN}, True, True, False),
        (FEDERATED, {"AWS": USER_ARN}, False, True, False),
        # The principal is the account: it delegates to the account's own identity policies.
        (USER, {"AWS": ACCOUNT}, False, False, False),
        (USER, {"AWS": ACCOUNT}, True, False, True),
        (USER, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False, False, False),
        (ROLE, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, True, True, False),
        # Somebody else.
        (USER, {"AWS": ROLE_ARN}, False, False, False),
        (USER, {"AWS": OTHER_ACCOUNT}, False, False, False),
        (USER, {"Service": "s3.amazonaws.com"}, False, False, False),
        (ROLE, {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/other"}, False, False, False),
    ],
)
def test_resource_policy_in_the_same_account(caller: Caller, principal: Any, identity: bool, limited: bool, allowed: bool) -> None:
    # Why: the table of resource-based policies and implicit denies: who is named settles which implicit denies count.
    limits: dict[str, Any] = {"boundary": SILENT, "session": (SILENT,)} if limited else {}
    assert ask(caller, identity=ALLOW if identity else None, resource=for_principal(principal), **limits).allowed is allowed


def test_federated_user_without_session_policy_has_nothing() -> None:
    # Why: a session of GetFederationToken without policies gets no permissions, except from resource policies that name it.
    assert not ask(FEDERATED, identity=ALLOW).allowed
    assert ask(FEDERATED, identity=ALLOW, session=(ALLOW,)).allowed


def test_root() -> None:
    # Why: root needs no policy in its own account, yet explicit denies and service control policies bind it; elsewhere it is a guest.
    assert ask(ROOT).allowed
    assert not ask(ROOT, resource=resource_policy(statement("Deny"))).allowed
    assert not ask(ROOT, service_control=(SILENT,)).allowed
    assert not ask(ROOT, resource_account=OTHER_ACCOUNT).allowed
    assert ask(ROOT, resource_account=OTHER_ACCOUNT, resource=for_principal({"AWS": ACCOUNT})).allowed


@pytest.mark.parametrize(("scps", "allowed"), [((ALLOW_ALL,), True), ((ALLOW_ALL, SILENT), False), ((), True)])
def test_service_control_policies_must_all_allow(scps: tuple[Policy, ...], allowed: bool) -> None:
    # Why: each level of an organization must allow.
    assert ask(USER, identity=ALLOW, service_control=scps).allowed is allowed


# ---- across accounts


@pytest.mark.parametrize(
    ("identity", "principal", "allowed", "decided_by"),
    [
        (True, {"AWS": ACCOUNT}, True, "resource"),
        (True, {"AWS": USER_ARN}, True, "resource"),
        (True, "*", True, "resource"),
        (False, {"AWS": USER_ARN}, False, "identity"),
        (True, {"AWS": OTHER_ACCOUNT}, False, "resource"),
        (True, None, False, "resource"),
        (False, None, False, "identity"),
    ],
)
def test_across_accounts_both_sides_allow(identity: bool, principal: Any, allowed: bool, decided_by: str) -> None:
    # Why: the request is evaluated in both accounts and both must say Allow.
    resource = for_principal(principal) if principal else None
    decision = ask(USER, identity=ALLOW if identity else None, resource=resource, resource_account=OTHER_ACCOUNT)
    assert (decision.allowed, decision.policy_type) == (allowed, decided_by)


def test_across_accounts_limits_hold_even_for_a_named_session() -> None:
    # Why: the direct grant spares implicit denies within one account only.
    named = for_principal({"AWS": SESSION_ARN})
    assert not ask(ROLE, identity=ALLOW, session=(SILENT,), resource=named, resource_account=OTHER_ACCOUNT).allowed
    assert not ask(ROLE, identity=ALLOW, boundary=SILENT, resource=named, resource_account=OTHER_ACCOUNT).allowed


# ---- trust policies and key policies


def trust(principal: Any, action: str = "sts:AssumeRole") -> Policy:
    """A trust policy for one principal."""
    return policy({"Effect": "Allow", "Principal": principal, "Action": action}, kind="trust")


@pytest.mark.parametrize(
    ("caller", "principal", "identity", "allowed"),
    [
        (USER, {"AWS": USER_ARN}, False, True),
        (USER, {"AWS": ACCOUNT}, False, False),
        (USER, {"AWS": ACCOUNT}, True, True),
        (USER, {"Service": "lambda.amazonaws.com"}, True, False),
        (ROLE, {"AWS": ROLE_ARN}, False, True),
        (ROOT, {"Service": "lambda.amazonaws.com"}, False, False),
        (service_caller("lambda.amazonaws.com"), {"Service": ["lambda.amazonaws.com"]}, False, True),
        (service_caller("lambda.amazonaws.com"), {"Service": "s3.amazonaws.com"}, False, False),
        (service_caller("lambda.amazonaws.com"), {"AWS": ACCOUNT}, False, False),
        (WEB, {"Federated": "accounts.google.com"}, False, True),
        (WEB, {"AWS": "*"}, False, False),
    ],
)
def test_trust_policy(caller: Caller, principal: Any, identity: bool, allowed: bool) -> None:
    # Why: a trust policy must itself allow; naming only the account leaves the rest to the account's identity policies.
    decision = ask(
        caller,
        "sts:AssumeRole",
        ROLE_ARN,
        identity=ALLOW_ALL if identity else None,
        resource=trust(principal),
        resource_account=ACCOUNT,
        resource_policy_required=True,
    )
    assert decision.allowed is allowed


# ---- services and strangers


def test_service() -> None:
    # Why: a service acts by the resource's policy (with its conditions), or where the owner's consent lies elsewhere, by a flag; a deny binds it.
    queue = resource_policy(statement(Principal={"Service": "s3.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}))
    assert ask(S3, resource=queue, context={"aws:SourceAccount": ACCOUNT}).allowed
    assert not ask(S3, resource=queue, context={"aws:SourceAccount": OTHER_ACCOUNT}).allowed
    assert not ask(S3).allowed
    assert ask(S3, service_access=True).allowed
    assert not ask(S3, service_access=True, resource=resource_policy(statement("Deny"))).allowed


def test_anonymous() -> None:
    # Why: a stranger is named by nothing but `*`.
    assert ask(ANONYMOUS, resource=for_principal("*")).allowed
    assert ask(ANONYMOUS, resource=for_principal({"AWS": "*"})).allowed
    assert not ask(ANONYMOUS, resource=for_principal({"AWS": ACCOUNT})).allowed
    assert not ask(ANONYMOUS).allowed


@pytest.mark.parametrize(
    ("listed", "caller", "allowed"),
    [
        ([USER_ARN, ACCOUNT], USER, True),
        ([USER_ARN], USER, False),
        ([ACCOUNT], USER, False),
        ([USER_ARN, ACCOUNT], ROLE, False),
        ([ROLE_ARN, ACCOUNT], ROLE, True),
        ([SESSION_ARN, ROLE_ARN, f"arn:aws:iam::{ACCOUNT}:root"], ROLE, True),
        ([ACCOUNT], ROOT, True),
    ],
)
def test_not_principal_with_deny(listed: list[str], caller: Caller, allowed: bool) -> None:
    # Why: everyone is denied but the listed, whose account must be listed too because it is validated first.
    denying = resource_policy({"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*"})
    assert ask(caller, identity=ALLOW, resource=denying).allowed is allowed


def test_not_principal_with_allow() -> None:
    # Why: it grants to all but the listed, strangers included, as the documentation warns.
    allowing = resource_policy({"Effect": "Allow", "NotPrincipal": {"AWS": USER_ARN}, "Action": "*", "Resource": "*"})
    assert not ask(USER, resource=allowing).allowed
    assert ask(ANONYMOUS, resource=allowing).allowed


# ---- elements


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("*", "s3:GetObject", True),
        ("dynamodb:*", "DynamoDB:GetItem", True),
        ("dynamodb:getitem", "dynamodb:GetItem", True),
        ("dynamodb:Get*", "dynamodb:PutItem", False),
        ("iam:*AccessKey*", "iam:CreateAccessKey", True),
        ("s3:?etObject", "s3:GetObject", True),
        ("s3:Get", "s3:GetObject", False),
        ("*:Get*", "s3:GetObject", True),
    ],
)
def test_actions(pattern: str, action: str, matches: bool) -> None:
    # Why: actions know wildcards and no case.
    assert ask(action=action, identity=policy(statement(action=pattern))).allowed is matches
    inverted = policy({"Effect": "Allow", "NotAction": pattern, "Resource": "*"})
    assert ask(action=action, identity=inverted).allowed is not matches


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:s3:::photos/*", "arn:aws:s3:::photos/a/b", True),
        ("arn:aws:s3:::photos/*", "arn:aws:s3:::photos", False),
        ("arn:aws:s3:::Photos", "arn:aws:s3:::photos", False),
        ("arn:aws:s3:::photo?", "arn:aws:s3:::photos", True),
        ("arn:aws:s3:::a*z", "arn:aws:s3:::a:z", True),
        ("arn:aws:dynamodb:*:111122223333:table/*", TABLE, True),
        ("arn:aws:dynamodb:us-*-1:111122223333:table/photos", TABLE, True),
        ("arn:aws:dynamodb:*", TABLE, True),
        ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:2:x-1:1:q", False),
        ("*", "*", True),
        ("arn:aws:s3:::photos", "*", False),
    ],
)
def test_resources(pattern: str, resource: str, matches: bool) -> None:
    # Why: resources keep their case; a wildcard inside one of the first five fields stays in it.
    assert ask(on=resource, identity=policy(statement(resource=pattern))).allowed is matches
    inverted = policy({"Effect": "Allow", "Action": "*", "NotResource": pattern})
    assert ask(on=resource, identity=inverted).allowed is not matches


def test_every_resource_must_be_allowed() -> None:
    # Why: an action on several resources needs permission on each; the message names the one that lacks it.
    one = policy(statement(resource=TABLE))
    other = TABLE + "-2"
    decision = decide(AccessRequest("dynamodb:BatchGetItem", (TABLE, other)), USER, PolicySet(identity=(("p", one),)))
    assert (decision.allowed, decision.resource) == (False, other)
    assert not decide(AccessRequest("dynamodb:ListTables", ()), USER, PolicySet(identity=(("p", one),))).allowed


# ---- variables


@pytest.mark.parametrize(
    ("pattern", "resource", "caller", "matches"),
    [
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/ana/x", USER, True),
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/bob/x", USER, False),
        ("arn:aws:s3:::home/${AWS:UserName}", "arn:aws:s3:::home/ana", USER, True),
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home//x", ROLE, False),
        ("arn:aws:s3:::home/${aws:username, 'shared'}", "arn:aws:s3:::home/shared", ROLE, True),
        ("arn:aws:s3:::b/${aws:PrincipalTag/team}", "arn:aws:s3:::b/red", USER, True),
        ("arn:aws:s3:::b/${aws:userid}", f"arn:aws:s3:::b/{ROLE.principal_id}", ROLE, True),
        ("arn:aws:s3:::b/${*}x", "arn:aws:s3:::b/*x", USER, True),
        ("arn:aws:s3:::b/${*}x", "arn:aws:s3:::b/anyx", USER, False),
        ("arn:aws:s3:::b/${$}{a}", "arn:aws:s3:::b/${a}", USER, True),
        ("arn:aws:sqs:us-east-1:${aws:PrincipalAccount}:q", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", USER, False),
    ],
)
def test_variables(pattern: str, resource: str, caller: Caller, matches: bool) -> None:
    # Why: "Variables and tags": names know no case, an absent value makes the statement void, and only the last field takes variables.
    assert ask(caller, "s3:GetObject", resource, identity=policy(statement(action="*", resource=pattern))).allowed is matches


def test_a_wildcard_in_a_variable_is_text() -> None:
    # Why: somebody who may choose a tag must not gain a wildcard by it.
    starred = Caller("user", ACCOUNT, USER_ARN, "AIDA", tags={"team": "*"})
    own = policy(statement(action="*", resource="arn:aws:s3:::b/${aws:PrincipalTag/team}/*"))
    assert not ask(starred, "s3:GetObject", "arn:aws:s3:::b/red/x", identity=own).allowed
    assert ask(starred, "s3:GetObject", "arn:aws:s3:::b/*/x", identity=own).allowed


def test_the_old_version_has_no_variables() -> None:
    # Why: variables came with 2012-10-17; before, they are text.
    old = policy(statement(action="*", resource="arn:aws:s3:::${aws:username}"), version="2008-10-17")
    assert not ask(USER, "s3:ListBucket", "arn:aws:s3:::ana", identity=old).allowed
    assert ask(USER, "s3:ListBucket", "arn:aws:s3:::${aws:username}", identity=old).allowed


def test_variables_in_conditions() -> None:
    # Why: text and ARN operators take variables; without a value for one the statement does not apply, not even a negated condition.
    own = policy(statement(Condition={"StringLike": {"s3:prefix": "home/${aws:username}/*"}}))
    assert ask(USER, identity=own, context={"s3:prefix": "home/ana/x"}).allowed
    assert not ask(USER, identity=own, context={"s3:prefix": "home/bob/x"}).allowed
    assert ask(USER, identity=policy(statement(Condition={"ArnEquals": {"aws:SourceArn": "${aws:PrincipalArn}"}})), context={"aws:SourceArn": USER_ARN}).allowed
    assert not ask(ROLE, identity=policy(statement(Condition={"StringNotEquals": {"a:b": "${aws:username}"}})), context={"a:b": "x"}).allowed


def test_a_void_variable_voids_not_resource_too() -> None:
    # Why: "everything but my own" means nothing for a caller without a name, so it must not mean everything.
    others = policy({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::${aws:username}"})
    assert ask(USER, "s3:ListBucket", "arn:aws:s3:::bob", identity=others).allowed
    assert not ask(USER, "s3:ListBucket", "arn:aws:s3:::ana", identity=others).allowed
    assert not ask(ROLE, "s3:ListBucket", "arn:aws:s3:::bob", identity=others).allowed


def test_a_key_with_many_values_is_no_variable() -> None:
    # Why: a variable stands for one value; which of several it should be nobody could say.
    tagged = policy(statement(action="*", resource="arn:aws:s3:::b/${aws:TagKeys}"))
    assert ask(USER, "s3:GetObject", "arn:aws:s3:::b/x", {"aws:TagKeys": ["x"]}, identity=tagged).allowed
    assert not ask(USER, "s3:GetObject", "arn:aws:s3:::b/x", {"aws:TagKeys": ["x", "y"]}, identity=tagged).allowed


def test_is_cacheable() -> None:
    # Why: only a decision that depends on policies, action and resource alone may be remembered.
    mixed = policy(
        statement(action="s3:*"),
        statement(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        statement(action="sqs:*", resource="arn:aws:sqs:::${aws:username}"),
    )
    policies = PolicySet(identity=(("p", mixed),))
    assert is_cacheable(policies, "s3:GetObject")
    assert not is_cacheable(policies, "dynamodb:GetItem")
    assert not is_cacheable(policies, "sqs:SendMessage")
