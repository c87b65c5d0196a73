"""The words of a refusal, and of a simulation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.auth.policy import AccessRequest, PolicySet, context_keys, decide, denial_message, explain, parse_policy
from haneul.core.caller import ANONYMOUS, Caller, service_caller

from .build import OTHER_ACCOUNT, ROLE, ROLE_ARN, SESSION_ARN, TABLE, USER, USER_ARN, policy, resource_policy, statement

ALLOW = policy(statement())
DENY = policy(statement("Deny"))
SILENT = policy(statement(action="s3:*"))
TRUST = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}, kind="trust")
NO_TRUST = policy({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, kind="trust")
HEAD = f"User: {USER_ARN} is not authorized to perform: dynamodb:PutItem on resource: {TABLE}"


def message(caller: Caller = USER, action: str = "dynamodb:PutItem", on: tuple[str, ...] = (TABLE,), *, required: bool = False, **policies: Any) -> str:
    """The message of a refused request."""
    request = AccessRequest(action, on)
    decision = decide(request, caller, PolicySet(**policies), resource_policy_required=required)
    assert not decision.allowed
    return denial_message(decision, request, caller)


@pytest.mark.parametrize(
    ("policies", "end"),
    [
        ({}, " because no identity-based policy allows the dynamodb:PutItem action"),
        ({"identity": (("p", DENY),)}, " with an explicit deny in an identity-based policy"),
        ({"identity": (("p", ALLOW),), "boundary": SILENT}, " because no permissions boundary allows the dynamodb:PutItem action"),
        ({"identity": (("p", ALLOW),), "boundary": DENY}, " with an explicit deny in a permissions boundary"),
        ({"identity": (("p", ALLOW),), "session": (SILENT,)}, " because no session policy allows the dynamodb:PutItem action"),
        ({"identity": (("p", ALLOW),), "session": (DENY,)}, " with an explicit deny in a session policy"),
        ({"identity": (("p", ALLOW),), "resource": resource_policy(statement("Deny"))}, " with an explicit deny in a resource-based policy"),
        ({"identity": (("p", ALLOW),), "resource_account": OTHER_ACCOUNT}, " because no resource-based policy allows the dynamodb:PutItem action"),
        ({"identity": (("p", ALLOW),), "service_control": (SILENT,)}, " with an explicit deny in a service control policy"),
        ({"identity": (("p", ALLOW),), "service_control": (DENY,)}, " with an explicit deny in a service control policy"),
    ],
)
def test_denial(policies: dict[str, Any], end: str) -> None:
    # Why: "Troubleshoot access denied error messages", type by type.
    assert message(**policies) == HEAD + end


def test_denial_without_resource_and_for_sessions_and_strangers() -> None:
    # Why: an action without resources names none; a session is called by its own ARN.
    assert (
        message(on=()) == f"User: {USER_ARN} is not authorized to perform: dynamodb:PutItem because no identity-based policy allows the dynamodb:PutItem action"
    )
    assert message(ROLE).startswith(f"User: {SESSION_ARN} is not authorized")
    assert message(ANONYMOUS).startswith("User: anonymous is not authorized to perform: dynamodb:PutItem")
    assert message(service_caller("s3.amazonaws.com")).startswith("User: s3.amazonaws.com is not authorized")


def test_denial_by_a_trust_policy() -> None:
    # Why: STS names caller, action and role, and gives a reason only for an explicit deny; a foreign token has no ARN to name.
    head = f"User: {USER_ARN} is not authorized to perform: sts:AssumeRole on resource: {ROLE_ARN}"
    assert message(action="sts:AssumeRole", on=(ROLE_ARN,), resource=TRUST, required=True) == head
    assert message(action="sts:AssumeRole", on=(ROLE_ARN,), resource=NO_TRUST, required=True) == head + " with an explicit deny in the role trust policy"
    token = Caller("web-identity", "", "", "", federated_provider="accounts.google.com")
    assert (
        message(token, "sts:AssumeRoleWithWebIdentity", (ROLE_ARN,), resource=TRUST, required=True) == "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    )


TEXT = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "A", "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"},
    {"Sid": "D", "Effect": "Deny", "Action": "dynamodb:PutItem", "Resource": "*",
     "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}}
  ]
}"""


def test_explain_points_at_the_statements() -> None:
    # Why: SimulatePrincipalPolicy reports lines and columns, only the denying statements of a deny, and the keys that were missing.
    policies = PolicySet(identity=(("PolicyInputList.1", parse_policy(TEXT, "identity")),))
    denied = explain(AccessRequest("dynamodb:PutItem", (TABLE,)), USER, policies)
    assert (denied.evaluation, denied.missing_keys, denied.by_type) == ("explicitDeny", ("aws:RequestedRegion",), (("identity", "explicitDeny"),))
    (found,) = denied.matched
    assert found.span is not None
    assert (found.sid, found.policy_id, found.span.start_line, found.span.start_column, found.span.end_line) == ("D", "PolicyInputList.1", 5, 5, 6)
    allowed = explain(AccessRequest("dynamodb:PutItem", (TABLE,), {"aws:requestedregion": "eu-west-1"}), USER, policies)
    assert (allowed.evaluation, [one.sid for one in allowed.matched], allowed.missing_keys) == ("allowed", ["A"], ())
    assert explain(AccessRequest("sqs:SendMessage", ("*",)), USER, policies).evaluation == "implicitDeny"


def test_spans_of_a_single_statement_on_one_line() -> None:
    # Why: Statement may be an object, and may come before or after anything else.
    text = json.dumps({"Id": "x", "Statement": statement(), "Version": "2012-10-17"})
    (span,) = parse_policy(text, "identity").spans()
    assert text[span.start_column - 1 : span.end_column - 1] == json.dumps(statement())


def test_context_keys() -> None:
    # Why: GetContextKeysForCustomPolicy lists the keys of conditions and variables, once each.
    one = policy(statement(resource=["arn:aws:s3:::${aws:username, 'x'}/${*}"], Condition={"StringLike": {"s3:prefix": "${aws:userid}", "AWS:UserName": "a"}}))
    assert context_keys(one) == ("s3:prefix", "aws:userid", "AWS:UserName")
