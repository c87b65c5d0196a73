"""Policy templates of delegation requests: how they are rendered, and what they must not ask for. The cases of rendering are those of the IAM User Guide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sns.service import Sns
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.delegations import PROVIDER, Provider, parameter, template
from tests.iam.identities import Statement, User, allow, policy, refused, trust
from tests.support.running import ACCOUNT, Running

BOUNDARY = "arn:aws:iam::partner:policy/permissions-boundary/partner.com/Accessor_2026_01_15"
BOUNDED = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Iam, Sts, Sns, Sqs]) as running:
        yield running


@pytest.fixture(scope="module")
def provider(cloud: Running) -> Provider:
    return Provider(cloud)


def got(provider: Provider, *statements: Statement, **more: Any) -> list[Statement]:
    """The statements that a new request's policy is rendered to."""
    request_id = provider.request(*statements, **more)
    found = provider.iam.get_delegation_request(DelegationRequestId=request_id)["DelegationRequest"]
    rendered: list[Statement] = json.loads(found["PermissionPolicy"])["Statement"]
    return rendered


def test_parameters(provider: Provider) -> None:
    """A string is put in, a list makes as many texts, two make every pair; what AWS itself fills in (`${...}`) stays."""
    where = "arn:aws:s3:::@{bucketNames}/@{prefix}/${aws:username}/*"
    when = {"StringLike": {"s3:prefix": ["@{prefix}/*", "shared"]}}
    lists = [parameter("bucketNames", "bucket-1", "bucket-2", kind="stringList"), parameter("prefix", "data", "more", kind="stringList")]
    (found,) = got(provider, allow("s3:GetObject", on=where, when=when), Parameters=lists)
    assert found["Resource"] == [f"arn:aws:s3:::{bucket}/{prefix}/${{aws:username}}/*" for bucket in ("bucket-1", "bucket-2") for prefix in ("data", "more")]
    assert found["Condition"] == {"StringLike": {"s3:prefix": ["data/*", "more/*", "shared"]}}
    (found,) = got(provider, allow("s3:GetObject", on="arn:aws:s3:::@{bucketName}/*"), Parameters=[parameter("bucketName", 'a", "b')])
    assert found["Resource"] == 'arn:aws:s3:::a", "b/*'


def test_conditional_statements(provider: Provider) -> None:
    """A statement is there when its parameter is "True", or with `!` when it is not; what is left out needs no values."""
    always, write, otherwise = allow("s3:ListBucket"), allow("s3:PutObject", on="arn:aws:s3:::@{bucketName}/*"), allow("s3:GetObject")
    arn = provider.template(always, write | {"@Enabled": "WRITE"}, otherwise | {"@Enabled": "!WRITE"})
    yes = got(provider, PolicyTemplateArn=arn, Parameters=[parameter("WRITE", "True"), parameter("bucketName", "mine")])
    assert yes == [always, write | {"Resource": "arn:aws:s3:::mine/*"}]
    assert got(provider, PolicyTemplateArn=arn, Parameters=[parameter("WRITE", "False")]) == [always, otherwise]


def test_parameters_that_do_not_fit(provider: Provider) -> None:
    """Whatever the template needs must be there, and what it does not know is not swallowed; 2048 characters are the most."""
    arn = provider.template(allow("s3:GetObject", on="arn:aws:s3:::@{bucketName}/*"), allow("s3:*", when={"StringEquals": {"aws:ResourceTag/@{tagName}": "1"}}))
    good = [parameter("bucketName", "mine"), parameter("tagName", "team")]
    assert len(got(provider, PolicyTemplateArn=arn, Parameters=good)) == 2
    wrong: list[list[dict[str, Any]]] = [
        [],
        good[:1],
        [*good, parameter("unknown", "x")],
        [*good, good[0]],
        [parameter("bucketName", "one", "two"), good[1]],
        [parameter("bucketName", kind="stringList"), good[1]],
        [good[0], parameter("tagName", "a", "b", kind="stringList")],
        [parameter("bucketName", "x" * 2000), good[1]],
        [parameter("bucketName", *map(str, range(1100)), kind="stringList"), parameter("tagName", "team")],
        [{"Name": "bucketName", "Values": ["mine"]}, good[1]],
    ]
    for parameters in wrong:
        refused("InvalidInput", provider.iam.create_delegation_request, **provider.params(PolicyTemplateArn=arn, Parameters=parameters))


def test_a_template_is_no_policy(cloud: Running, provider: Provider) -> None:
    """Until its parameters are known: it can be neither attached, nor a boundary, nor limit a session. Other policies know nothing of its syntax."""
    arn = provider.template(allow("s3:GetObject", on="arn:aws:s3:::@{bucketName}/*") | {"@Enabled": "!nothing"})
    assert provider.iam.get_policy(PolicyArn=arn)["Policy"]["IsAttachable"] is False
    provider.iam.create_user(UserName="somebody")
    refused("NoSuchEntity", provider.iam.attach_user_policy, UserName="somebody", PolicyArn=arn)
    refused("NoSuchEntity", provider.iam.put_user_permissions_boundary, UserName="somebody", PermissionsBoundary=arn)
    create = provider.iam.create_policy
    refused("MalformedPolicyDocument", create, PolicyName="elsewhere", PolicyDocument=template(allow("s3:*") | {"@Enabled": "WRITE"}))
    for document in ("{", "[]", template({"Effect": "Allow"}), template(allow("s3:*") | {"@Enabled": 1}), template(allow("s3:*") | {"Sometimes": "WRITE"})):
        refused("MalformedPolicyDocument", create, PolicyName="bad", Path="/delegation-template/", PolicyDocument=document)
    provider.iam.create_policy_version(PolicyArn=arn, PolicyDocument=template(allow("sqs:*", on="arn:aws:sqs:*:*:@{queueName}")), SetAsDefault=True)
    assert got(provider, PolicyTemplateArn=arn, Parameters=[parameter("queueName", "jobs")]) == [allow("sqs:*", on="arn:aws:sqs:*:*:jobs")]


def test_what_must_not_be_delegated(provider: Provider) -> None:
    """What would take over the account: everything at once, credentials, identities other than roles, roles without a boundary or with a weak one."""
    roles = f"arn:aws:iam::{ACCOUNT}:role/partner.com/*"
    weak = [
        {"StringEqualsIfExists": {"iam:PermissionsBoundary": BOUNDARY}},
        {"StringLike": {"iam:PermissionsBoundary": "arn:aws:iam::partner:policy/*"}},
        {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}},
        {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/theirs"}},
        {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::partner:policy/partner.com/NoSuch_2026_01_15"}},
        {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/NoSuchPolicy"}},
    ]
    bad = [
        allow("*"),
        allow("iam:*"),
        allow("s3:*", "kms:Decrypt*"),
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        allow("iam:CreateAccessKey"),
        allow("iam:AddUserToGroup"),
        allow("iam:PassRole", when={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
        allow("iam:UpdateAssumeRolePolicy", on=f"arn:aws:iam::{ACCOUNT}:role/*"),
        allow("iam:DeletePolicy", on=[f"arn:aws:iam::{ACCOUNT}:policy/partner.com/*", f"arn:aws:iam::{ACCOUNT}:*"]),
        {"Effect": "Allow", "Action": "iam:TagRole", "NotResource": roles},
        allow("sts:*"),
        allow("sts:AssumeRole", on="arn:aws:iam::*:role/*"),
        allow("iam:DeleteRole", on="arn:aws:iam:*:*:role/*"),
        allow("iam:CreateRole", on=roles),
        allow("iam:DeleteRolePermissionsBoundary", on=roles, when=BOUNDED),
        *(allow("iam:CreateRole", on=roles, when=when) for when in weak),
    ]
    for statement in bad:
        refused("InvalidInput", provider.iam.create_delegation_request, **provider.params(statement))
    managed = {"ArnEquals": {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}
    tagged = {"StringEquals": {"aws:ResourceTag/by": "partner.com"}}
    good = [allow("iam:GetRole", "iam:ListUsers"), allow("iam:DeleteRole", when=tagged), allow("iam:PassRole", "sts:AssumeRole", on=roles), allow("iam:CreateRole", on=roles, when=managed), allow("*", effect="Deny")]
    assert got(provider, *good) == good


def test_boundaries_of_a_provider(cloud: Running, provider: Provider) -> None:
    """Its own policy, under the name that all its customers know, as it was when first asked for; every customer can read it and bound roles with it."""
    limits = policy(allow("sqs:SendMessage"))
    own = provider.iam.create_policy(PolicyName="Accessor_2026_01_15", Path="/permissions-boundary/partner.com/", PolicyDocument=limits)["Policy"]["Arn"]
    statement = allow("iam:CreateRole", "iam:PutRolePolicy", on="arn:aws:iam::@{AccountId}:role/partner.com/*", when=BOUNDED)
    arn, parameters = provider.template(statement), [parameter("AccountId", ACCOUNT)]
    role: dict[str, Any] = {"RoleName": "bounded", "AssumeRolePolicyDocument": trust({"AWS": PROVIDER})}
    iam = cloud.client("iam")
    refused("NoSuchEntity", iam.create_role, **role, PermissionsBoundary=BOUNDARY)
    request_id = provider.request(PolicyTemplateArn=arn, Parameters=parameters)
    assert provider.iam.get_delegation_request(DelegationRequestId=request_id)["DelegationRequest"]["RolePermissionRestrictionArns"] == [BOUNDARY]
    version = iam.get_policy(PolicyArn=BOUNDARY)["Policy"]["DefaultVersionId"]
    assert iam.get_policy_version(PolicyArn=BOUNDARY, VersionId=version)["PolicyVersion"]["Document"] == json.loads(limits)
    iam.create_role(**role, PermissionsBoundary=BOUNDARY)
    iam.put_role_policy(RoleName="bounded", PolicyName="wide", PolicyDocument=policy(allow("*")))
    said = iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/bounded", ActionNames=["sqs:SendMessage", "sqs:CreateQueue"])
    assert [one["EvalDecision"] for one in said["EvaluationResults"]] == ["allowed", "implicitDeny"]
    refused("NoSuchEntity", iam.attach_role_policy, RoleName="bounded", PolicyArn=BOUNDARY)
    assert [one["RoleName"] for one in iam.list_entities_for_policy(PolicyArn=BOUNDARY)["PolicyRoles"]] == ["bounded"]
    assert [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=BOUNDARY)["Versions"]] == [version]
    other = Provider(cloud, "333333333333")
    other.iam.create_policy(PolicyName="Accessor_2026_01_15", Path="/permissions-boundary/partner.com/", PolicyDocument=limits)
    theirs = other.params(statement, Parameters=parameters)
    # Neither its provider nor another one can change it.
    provider.iam.create_policy_version(PolicyArn=own, PolicyDocument=policy(allow("*")), SetAsDefault=True)
    refused("InvalidInput", provider.iam.create_delegation_request, **provider.params(PolicyTemplateArn=arn, Parameters=parameters))
    assert "registered already" in refused("InvalidInput", other.iam.create_delegation_request, **theirs)
    assert iam.get_policy_version(PolicyArn=BOUNDARY, VersionId=version)["PolicyVersion"]["Document"] == json.loads(limits)
    user = User(cloud, "reader", allow("iam:GetPolicy", on=BOUNDARY))
    assert user.client("iam").get_policy(PolicyArn=BOUNDARY)["Policy"]["PermissionsBoundaryUsageCount"] == 1
