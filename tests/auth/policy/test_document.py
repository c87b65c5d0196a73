"""Which documents are refused, and in which words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.auth.policy import MalformedPolicy, deny_everything, parse_policy
from haneul.auth.policy.validate import PolicyKind

from .build import ACCOUNT, ask, policy, statement

SYNTAX = "Syntax errors in policy."
ALLOW_ALL = policy(statement(action="*"))
LEGACY = "The policy failed legacy parsing"
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
BUCKET = "arn:aws:s3:::b"


def refusal(document: Any, kind: PolicyKind = "identity", **options: bool) -> str:
    """The message with which a document is refused."""
    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(document if isinstance(document, str) else json.dumps(document), kind, **options)
    return refused.value.message


def of(*statements: Any) -> dict[str, Any]:
    """A document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("This is not a json document", SYNTAX),
        ("[]", SYNTAX),
        ('{"Version": "2012-10-17", "Statement": NaN}', SYNTAX),
        ({"Version": "2012-10-17"}, SYNTAX),
        ({"Version": "2013-10-17", "Statement": statement()}, SYNTAX),
        ({"Version": 3, "Statement": statement()}, SYNTAX),
        ({"Id": ["x"], "Statement": statement()}, SYNTAX),
        ({"Statement": statement(), "Extra field": "value"}, SYNTAX),
        (of(), SYNTAX),
        (of("afd"), SYNTAX),
        (of(statement(Extra="value")), SYNTAX),
        (of(statement("invalid")), SYNTAX),
        (of({"Action": "s3:*", "Resource": "*"}), SYNTAX),
        (of(statement(Sid={})), SYNTAX),
        (of(statement(resource={"a": BUCKET})), SYNTAX),
        (of(statement(resource=["adfdf", {}])), SYNTAX),
        (of(statement(action=[[]])), SYNTAX),
        (of(statement(NotResource=[])), SYNTAX),
        (of(statement(NotAction="s3:*")), SYNTAX),
        (of(statement(Condition=[])), SYNTAX),
        (of(statement(Condition="a")), SYNTAX),
        (of(statement(Condition={"a": "b"})), SYNTAX),
        (of(statement(Condition={"StringEqual": {"a": "b"}})), SYNTAX),
        (of(statement(Condition={"StringEquals": {"a": {"b": "c"}}})), SYNTAX),
        (of(statement(Condition={"StringEquals": {"a": [["c"]]}})), SYNTAX),
        (of(statement(Condition={"NullIfExists": {"a": "true"}})), SYNTAX),
        (of(statement("allow")), LEGACY),
        (of(statement(Condition={"DateGreaterThan": {"a": "yesterday"}})), LEGACY),
        (of(statement(resource="arn:aws:s3::example_bucket")), LEGACY),
        (of({"Effect": "Allow", "Resource": "arn:aws:s3::example_bucket"}), LEGACY),
        (of(statement(Principal="*")), "Policy document should not specify a principal."),
        (of(statement(Sid="a"), statement(Sid="a")), "Statement IDs (SID) in a single policy must be unique."),
        (of(statement(Sid="a b")), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
        (of({"Effect": "Allow", "Resource": BUCKET}), "Policy statement must contain actions."),
        (of({"Effect": "Allow"}), "Policy statement must contain actions."),
        (of(statement(action=[])), "Policy statement must contain actions."),
        (of(statement(resource=None)), "Policy statement must contain resources."),
        (of(statement(resource=[])), "Policy statement must contain resources."),
        (of(statement(action="invalid", resource=None)), VENDOR),
        (of(statement(action="invalid")), VENDOR),
        (of(statement(action="")), VENDOR),
        (of(statement(action="a a:ListBucket")), "Vendor a a is not valid"),
        (of(statement(action="s3:List:Bucket")), "Actions/Condition can contain only one colon."),
        (of(statement(resource="invalid resource")), 'Resource invalid resource must be in ARN format or "*".'),
        (of(statement(resource="")), 'Resource  must be in ARN format or "*".'),
        (of(statement(action="s:3:ListBucket", resource="sdf")), 'Resource sdf must be in ARN format or "*".'),
        (of(statement(resource="a:bsdfdsafsad")), 'Partition "bsdfdsafsad" is not valid for resource "arn:bsdfdsafsad:*:*:*:*".'),
        (of(statement(resource="a:b:cadfsdf")), 'Partition "b" is not valid for resource "arn:b:cadfsdf:*:*:*".'),
        (of(statement(resource="a:b:c:d:e:f:g:h")), 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".'),
        (of(statement(resource="aws:s3:::example_bucket")), 'Partition "s3" is not valid for resource "arn:s3:::example_bucket:*".'),
        (of(statement(resource="arn:aws")), "Resource vendor must be fully qualified and cannot contain regexes."),
        (of(statement(resource="arn:aws:iam:us-east-1:1:user/a")), "IAM resource arn:aws:iam:us-east-1:1:user/a cannot contain region information."),
        (of(statement(resource="arn:aws:s3:us-east-1::b")), "Resource arn:aws:s3:us-east-1::b can not contain region information."),
        ('{"Version": "2012-10-17", "Statement": [], "Statement": []}', "Statement/policy already contains instance of Statement"),
    ],
)
def test_identity_policy_refused(document: Any, message: str) -> None:
    # Why: these are IAM's own messages for these very documents, in its order of checks.
    assert refusal(document) == message


def test_iam_paths() -> None:
    # Why: IAM knows which kinds of things its own ARNs name.
    assert refusal(of(statement(resource="arn:aws:iam:::example_bucket"))).startswith(
        'IAM resource path must either be "*" or start with user/, federated-user/,'
    )


@pytest.mark.parametrize("version", [None, "2008-10-17"])
def test_current_version(version: str | None) -> None:
    # Why: managed policies must have the current version, while inline ones may be older.
    document = {name: value for name, value in {"Version": version, "Statement": statement()}.items() if value}
    assert refusal(document, current_version_required=True) == "Policy document must be version 2012-10-17 or greater."
    assert parse_policy(json.dumps(document), "identity").version == "2008-10-17"


@pytest.mark.parametrize(
    "document",
    [
        of(statement(action=["s3:*", "*"], resource=[BUCKET, "*"])),
        of(statement(Condition={"invalid": {}})),
        of(statement(Condition={"ForAnyValue:StringLikeIfExists": {"a:b": []}, "Bool": {"aws:SecureTransport": False}, "NumericLessThan": {"s3:max-keys": 5}})),
        of(statement(resource="arn:aws:iam::*:role/x")),
        of(statement(resource=f"arn:aws:iam::{ACCOUNT}:*")),
        of(statement(resource="arn:aws:s3:us-east-1:111122223333:accesspoint/a")),
        of(statement(Sid=""), statement(Sid="")),
        {"Version": "2012-10-17", "Id": "x", "Statement": statement()},
    ],
)
def test_identity_policy_accepted(document: Any) -> None:
    # Why: odd but valid; refusing them would break policies that AWS takes.
    assert parse_policy(json.dumps(document), "identity").statements


TRUSTED = {"Service": "lambda.amazonaws.com"}


def trusting(**changes: Any) -> dict[str, Any]:
    """A statement of a trust policy, changed."""
    merged = {"Effect": "Allow", "Principal": TRUSTED, "Action": "sts:AssumeRole", **changes}
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("nonsense", "This policy contains invalid Json"),
        (' {"Version": "2012-10-17"}', "JSON strings must not have leading spaces"),
        ({"Version": "2012-10-18", "Statement": trusting()}, "The policy must contain a valid version string"),
        ({"Version": "2012-10-17"}, "Missing required field Statement"),
        (of(), "Could not parse the policy: Statement is empty!"),
        ({"Foo": 1, "Statement": trusting()}, "Unknown field Foo"),
        (of(trusting(Foo="x")), "Unknown field Foo"),
        (of(trusting(Effect=None)), "Missing required field Effect"),
        (of(trusting(Effect="Maybe")), "Invalid effect: Maybe"),
        (of(trusting(Principal=None)), "Missing required field Principal"),
        (of(trusting(Principal={})), "Missing required field Principal cannot be empty!"),
        (of(trusting(Principal="*")), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
        (of(trusting(Principal="everybody")), "Principal must be a JSON object."),
        (of(trusting(Principal={"Group": "x"})), 'Invalid principal in policy: "Group"'),
        (of(trusting(Principal={"AWS": "ana"})), 'Invalid principal in policy: "AWS":"ana"'),
        (of(trusting(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"})), f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/*"'),
        (of(trusting(Principal={"Service": ["lambda.amazonaws.com", "ec2"]})), 'Invalid principal in policy: "SERVICE":"ec2"'),
        (of(trusting(Principal={"Federated": "https://idp.example"})), "Federated principals must be valid domain names or SAML metadata ARNs"),
        (of(trusting(Principal={"Federated": f"arn:aws:iam:{ACCOUNT}:oidc-provider/a"})), "Federated principals must be valid domain names or SAML metadata ARNs"),
        (of(trusting(Principal=None, NotPrincipal=TRUSTED)), "Allow with NotPrincipal is not allowed."),
        (of(trusting(Effect="Deny", Principal=None, NotPrincipal=TRUSTED)), "AssumeRole policy must not contain NotPrincipal field."),
        (of(trusting(Action=None)), "Missing required field Action"),
        (of(trusting(Action="s3:GetObject")), "AssumeRole policy may only specify STS AssumeRole actions."),
        (of(trusting(Action="*")), "AssumeRole policy may only specify STS AssumeRole actions."),
        (of(trusting(Resource="*")), "Has prohibited field Resource"),
        (of(trusting(NotResource="*")), "AssumeRole policy must not contain resources."),
        (of(trusting(Sid="a"), trusting(Sid="a")), "The Statement Ids in the policy are not unique"),
        (of(trusting(Condition={"Equals": {"a": "b"}})), "Syntax error in policy."),
        (of(trusting(Principal={"Federated": "cognito-identity.amazonaws.com"})), "A condition block must be present for the Cognito provider"),
    ],
)
def test_trust_policy_refused(document: Any, message: str) -> None:
    # Why: CreateRole's messages.
    assert refusal(document, "trust") == message


def test_resource_policy() -> None:
    # Why: a resource's policy may leave out the resource and name everyone, which a trust policy may not.
    assert parse_policy(json.dumps(of({"Effect": "Allow", "Principal": "*", "Action": "sqs:*"})), "resource").statements
    assert refusal(of(statement()), "resource") == "Missing required field Principal"


def test_principal_of_a_distribution() -> None:
    # Why: bucket policies name CloudFront's origin access identities by an ARN whose account is no number.
    identity = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"
    assert parse_policy(json.dumps(of(statement(Principal={"AWS": identity}))), "resource").statements


@pytest.mark.parametrize("kind", ["identity", "resource", "trust", "boundary", "session"])
def test_deny_everything(kind: PolicyKind) -> None:
    # Why: a policy that cannot be read must not lose its denies.
    closed = deny_everything(kind)
    assert ask(identity=ALLOW_ALL, **({"resource": closed} if kind in ("resource", "trust") else {"boundary": closed})).explicit_deny


# ---- hostile documents


@pytest.mark.parametrize("kind", ["identity", "resource", "trust"])
def test_deep_nesting(kind: PolicyKind) -> None:
    # Why: a tower of brackets must not exhaust the stack.
    deep = '{"Statement":' + "[" * 100_000 + "]" * 100_000 + "}"
    assert refusal(deep, kind) in (SYNTAX, "This policy contains invalid Json")


@pytest.mark.parametrize("pattern", ["*a" * 2000 + "b", "?" * 1000 + "*" * 1000 + "b", "arn:aws:s3:::" + "*a?" * 1500 + "b"])
def test_hostile_patterns(pattern: str) -> None:
    # Why: matching must stay linear in both lengths, or one policy would stall every caller.
    condition = {"StringLike": {"a:b": pattern}}
    compiled = parse_policy(json.dumps(of(statement(resource="*", Condition=condition))), "identity")
    started = time.process_time()
    assert not compiled.statements[0].conditions[0].test("a" * 4000, None)  # type: ignore[arg-type]
    assert time.process_time() - started < 1.0


def test_huge_document() -> None:
    # Why: services limit the size, but the compiler must stay linear whatever comes: thousands of statements, a resource of a million letters.
    many = parse_policy(json.dumps(of(*(statement(action=f"s3:Action{number}", resource=f"{BUCKET}{number}") for number in range(3000)))), "identity")
    assert ask(action="s3:Action2999", on=f"{BUCKET}2999", identity=many).allowed
    long = parse_policy(json.dumps(of(statement(action="*", resource=BUCKET + "x" * 1_000_000 + "*"))), "identity")
    assert not ask(action="s3:GetObject", on=BUCKET, identity=long).allowed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Allow", "Deny", "*", "s3:*", BUCKET, "StringEquals", "AWS"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Condition", "Principal", "NotPrincipal", "StringEquals", "Sid", "AWS"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from(["identity", "resource", "trust", "boundary", "session", "scp"]))
def test_anything_is_compiled_or_refused(document: Any, kind: PolicyKind) -> None:
    # Why: whatever the types, the only error is MalformedPolicy.
    try:
        parse_policy(json.dumps(document), kind)
    except MalformedPolicy as error:
        assert error.message


@given(
    st.dictionaries(st.sampled_from(["Effect", "Action", "NotAction", "Resource", "Condition", "Principal", "Sid"]), JSON),
    st.sampled_from(["identity", "resource", "trust"]),
)
def test_any_statement_is_compiled_or_refused(one: dict[str, Any], kind: PolicyKind) -> None:
    # Why: the same, one level down, where most of the checks are.
    try:
        parse_policy(json.dumps(of({"Effect": "Allow", **one})), kind)
    except MalformedPolicy as error:
        assert error.message
