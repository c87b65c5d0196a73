"""The AWS managed policies."""

from __future__ import annotations

import pytest

from haneul.auth.policy import parse_policy
from haneul.auth.policy.managed import MANAGED_POLICIES, managed_policy

from .build import TABLE, USER, ask


@pytest.mark.parametrize("name", MANAGED_POLICIES)
def test_is_a_valid_current_policy(name: str) -> None:
    # Why: what CreatePolicy would refuse cannot be a managed policy; its ARN leads back to it.
    one = MANAGED_POLICIES[name]
    assert parse_policy(one.text, "identity", current_version_required=True).statements
    assert managed_policy(one.arn) is one
    assert len(one.policy_id) == 21


@pytest.mark.parametrize(
    ("name", "action", "resource", "allowed"),
    [
        ("AdministratorAccess", "iam:CreateUser", "*", True),
        ("PowerUserAccess", "dynamodb:PutItem", TABLE, True),
        ("PowerUserAccess", "iam:CreateUser", "*", False),
        ("PowerUserAccess", "iam:ListRoles", "*", True),
        ("ReadOnlyAccess", "dynamodb:GetItem", TABLE, True),
        ("ReadOnlyAccess", "dynamodb:PutItem", TABLE, False),
        ("AWSLambdaBasicExecutionRole", "logs:PutLogEvents", "*", True),
        ("AWSLambdaBasicExecutionRole", "logs:DeleteLogGroup", "*", False),
        ("AWSLambdaSQSQueueExecutionRole", "sqs:SendMessage", "*", False),
        ("AWSLambda_FullAccess", "lambda:CreateFunction", "*", True),
        ("AWSLambda_FullAccess", "iam:PassRole", "*", False),
        ("AmazonAPIGatewayAdministrator", "apigateway:POST", "arn:aws:apigateway:us-east-1::/restapis", True),
        ("IAMUserChangePassword", "iam:ChangePassword", "arn:aws:iam::111122223333:user/ana", True),
        ("IAMUserChangePassword", "iam:ChangePassword", "arn:aws:iam::111122223333:user/bob", False),
    ],
)
def test_allows(name: str, action: str, resource: str, allowed: bool) -> None:
    # Why: the policies' descriptions say as much.
    assert ask(USER, action, resource, identity=parse_policy(MANAGED_POLICIES[name].text, "identity")).allowed is allowed


def test_lookup_by_arn_needs_the_right_path() -> None:
    # Why: the path is part of the ARN, so the bare name is another policy's ARN, which does not exist.
    assert managed_policy("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole") is not None
    assert managed_policy("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole") is None
    assert managed_policy("arn:aws:iam::aws:policy/NoSuch") is None
