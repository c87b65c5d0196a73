"""Each operator, each qualifier, and what they mean when a key is absent (IAM User Guide, "Condition operators")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.auth.policy import AccessRequest, PolicySet, decide
from haneul.auth.policy.conditions import OPERATORS, date_ns
from haneul.clock import SECOND
from haneul.core.caller import Caller

from .build import ROLE, ROLE_ARN, ROOT, TABLE, USER, ask, policy, statement

KEY = "test:Key"


def holds(operator: str, wanted: Any, actual: Any = None, *, key: str = KEY, caller: Caller = USER) -> bool:
    """Whether a condition of one operator holds, seen through a statement that allows only then."""
    allowing = policy(statement(Condition={operator: {key: wanted}}))
    return ask(caller, identity=allowing, context={} if actual is None else {KEY: actual}).allowed


CASES = [
    ("StringEquals", "Red", "Red", True),
    ("StringEquals", "Red", "red", False),
    ("StringEquals", "R*", "Red", False),
    ("StringEquals", ["blue", "Red"], "Red", True),
    ("StringNotEquals", "Red", "Red", False),
    ("StringNotEquals", "Red", "red", True),
    ("StringNotEquals", ["blue", "Red"], "Red", False),
    ("StringEqualsIgnoreCase", "RED", "red", True),
    ("StringNotEqualsIgnoreCase", "RED", "red", False),
    ("StringLike", "home/*/x?", "home/a/b/x1", True),
    ("StringLike", "home/*/x?", "home/a/x", False),
    ("StringLike", "Home/*", "home/a", False),
    ("StringNotLike", "home/*", "home/a", False),
    ("StringNotLike", "home/*", "away", True),
    ("NumericEquals", "10", 10, True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericEquals", 10, "11", False),
    ("NumericNotEquals", "10", 11, True),
    ("NumericLessThan", "10", 9, True),
    ("NumericLessThan", "10", 10, False),
    ("NumericLessThanEquals", "10", 10, True),
    ("NumericGreaterThan", "-1.5", "-1.4", True),
    ("NumericGreaterThan", "10", "ten", False),
    ("NumericGreaterThanEquals", "10", 10, True),
    ("DateEquals", "2020-01-01T00:00:00Z", "1577836800", True),
    ("DateEquals", "2020-01-01", "2020-01-01T00:00:00Z", True),
    ("DateEquals", "2020-01-01T02:00:00+02:00", "2020-01-01T00:00:00Z", True),
    ("DateNotEquals", "2020-01-01", "2020-01-02", True),
    ("DateLessThan", "2020-01-01", "2019-12-31T23:59:59.999Z", True),
    ("DateLessThanEquals", "2020-01-01", "2020-01-01", True),
    ("DateGreaterThan", "2020-01-01", "2020-01-01", False),
    ("DateGreaterThanEquals", "2020-01-01", "2020-01-01", True),
    ("Bool", "true", True, True),
    ("Bool", "True", "true", True),
    ("Bool", False, "false", True),
    ("Bool", "false", True, False),
    ("BinaryEquals", "QmluYXJ5", b"Binary", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", b"binary", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.77", True),
    ("IpAddress", "203.0.113.0/24", "203.0.114.1", False),
    ("IpAddress", "203.0.113.7", "203.0.113.7", True),
    ("IpAddress", ["203.0.113.0/24", "2001:DB8:1234:5678::/64"], "2001:db8:1234:5678::1", True),
    ("IpAddress", "0.0.0.0/0", "::1", False),
    ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.7", True),
    ("IpAddress", "203.0.113.0/24", "nowhere", False),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", False),
    ("NotIpAddress", "203.0.113.0/24", "10.0.0.1", True),
    ("ArnEquals", "arn:aws:sns:*:111122223333:topic-*", "arn:aws:sns:us-east-1:111122223333:topic-a", True),
    ("ArnLike", "arn:aws:x:*:111122223333:finance/*", "arn:aws:x:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", False),
    ("ArnLike", "arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a:b", True),
    ("ArnLike", "*", "arn:aws:s3:::bucket", True),
    ("ArnLike", "arn:aws:s3:::bucket", "bucket", False),
    ("ArnNotEquals", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket", False),
    ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::other", True),
]


@pytest.mark.parametrize(("operator", "wanted", "actual", "expected"), CASES)
def test_operator(operator: str, wanted: Any, actual: Any, expected: bool) -> None:
    # Why: each row is a sentence of the operators' page, or the plain opposite of one.
    assert holds(operator, wanted, actual) is expected


VALID = {"Numeric": "1", "Date": "2020-01-01", "Bool": "true", "Binary": "QQ==", "IpAddress": "10.0.0.0/8", "NotIp": "10.0.0.0/8", "Arn": "arn:aws:s3:::b"}


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_absent_key(operator: str) -> None:
    # Why: an absent key fails a condition, but satisfies a negated one; IfExists and ForAllValues are satisfied, ForAnyValue never.
    wanted = next((value for prefix, value in VALID.items() if operator.startswith(prefix)), "x")
    assert holds(operator, wanted) is ("Not" in operator)
    assert holds(operator + "IfExists", wanted) is True
    assert holds("ForAllValues:" + operator, wanted) is True
    assert holds("ForAnyValue:" + operator, wanted) is False
    assert holds("ForAnyValue:" + operator + "IfExists", wanted) is True


def test_if_exists_still_tests_a_key_that_is_there() -> None:
    # Why: IfExists excuses absence, nothing else.
    assert holds("StringEqualsIfExists", "a", "a") is True
    assert holds("StringEqualsIfExists", "a", "b") is False


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "x"], False),
        ("ForAllValues:StringEquals", [], True),
        ("ForAllValues:StringEquals", "", True),
        ("ForAnyValue:StringEquals", ["x", "b"], True),
        ("ForAnyValue:StringEquals", ["x", "y"], False),
        ("ForAnyValue:StringEquals", [], False),
        ("ForAllValues:StringNotEquals", ["x", "y"], True),
        ("ForAllValues:StringNotEquals", ["x", "a"], False),
        ("ForAnyValue:StringNotEquals", ["x", "a"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("StringNotEquals", ["x", "a"], False),
    ],
)
def test_many_values(operator: str, actual: Any, expected: bool) -> None:
    # Why: the set operators' page: all of the request's values, or any of them, against at least one of the policy's.
    assert holds(operator, ["a", "b"], actual) is expected


def test_null() -> None:
    # Why: Null true asks for absence, false for presence; an empty set counts as absent.
    assert holds("Null", "true") is True
    assert holds("Null", "true", "x") is False
    assert holds("Null", "false", "x") is True
    assert holds("Null", False) is False
    assert holds("Null", "true", []) is True


def test_operators_and_keys_are_all_needed() -> None:
    # Why: several operators, and several keys in one, are joined by AND; several values by OR.
    both = policy(statement(Condition={"StringEquals": {"a:x": ["1", "2"], "a:y": "3"}, "NumericLessThan": {"a:n": "5"}}))
    assert ask(identity=both, context={"A:X": "2", "a:Y": "3", "a:n": 4}).allowed
    assert not ask(identity=both, context={"a:x": "2", "a:y": "4", "a:n": 4}).allowed
    assert not ask(identity=both, context={"a:x": "2", "a:y": "3", "a:n": 5}).allowed


@pytest.mark.parametrize(
    ("caller", "key", "value"),
    [
        (USER, "aws:username", "ana"),
        (USER, "aws:userid", USER.principal_id),
        (USER, "aws:PrincipalType", "User"),
        (USER, "aws:PrincipalArn", USER.arn),
        (USER, "aws:PrincipalTag/team", "red"),
        (USER, "aws:PrincipalIsAWSService", "false"),
        (ROLE, "aws:PrincipalArn", ROLE_ARN),
        (ROLE, "aws:PrincipalType", "AssumedRole"),
        (ROLE, "aws:TokenIssueTime", "2020-09-13T12:26:40Z"),
        (ROLE, "aws:MultiFactorAuthPresent", "false"),
        (ROOT, "aws:PrincipalType", "Account"),
        (ROOT, "aws:userid", ROOT.account),
    ],
)
def test_keys_of_the_caller(caller: Caller, key: str, value: str) -> None:
    # Why: the principal table in "Variables and tags" and "Global condition context keys".
    denying = policy(statement(), statement("Deny", Condition={"StringNotEquals": {key: value}}))
    assert ask(caller, identity=denying).allowed


@pytest.mark.parametrize(
    ("caller", "key"), [(ROLE, "aws:username"), (USER, "aws:MultiFactorAuthPresent"), (USER, "aws:TokenIssueTime"), (USER, "aws:SourceArn")]
)
def test_keys_that_are_absent(caller: Caller, key: str) -> None:
    # Why: long-term keys carry no session facts, a role has no user name; policies tell by Null and IfExists.
    assert ask(caller, identity=policy(statement(Condition={"Null": {key: "true"}}))).allowed


def test_time_keys_come_from_the_request() -> None:
    # Why: nothing here reads a clock; the request says when it is.
    until = policy(statement(Condition={"DateLessThan": {"aws:CurrentTime": "2020-01-01"}, "NumericGreaterThan": {"aws:EpochTime": "100"}}))
    policies = PolicySet(identity=(("p", until),))
    assert decide(AccessRequest("dynamodb:GetItem", (TABLE,), now_ns=101 * SECOND), USER, policies).allowed
    assert not decide(AccessRequest("dynamodb:GetItem", (TABLE,), now_ns=1_600_000_000 * SECOND), USER, policies).allowed


@given(st.integers(0, 4_000_000_000))
def test_dates_read_back(seconds: int) -> None:
    # Why: a date written by the standard library is the same instant as its epoch seconds.
    from_text = date_ns(datetime.fromtimestamp(seconds, UTC).isoformat())
    assert from_text == seconds * SECOND
