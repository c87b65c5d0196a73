"""GetDelegatedAccessToken: acting as whoever approved a delegation request, within what was approved, for as long as was approved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sns.service import Sns
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.delegations import PROVIDER, Provider
from tests.iam.identities import Statement, User, allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running

ROLES = f"arn:aws:iam::{ACCOUNT}:role/partner.com/*"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Iam, Sts, Sns, Sqs]) as running:
        yield running


@pytest.fixture(scope="module")
def provider(cloud: Running) -> Provider:
    return Provider(cloud)


def approved(provider: Provider, approver: Any, *statements: Statement, **more: Any) -> str:
    """The trade-in token of a request that this IAM client approves and releases."""
    request_id = provider.request(*statements, **more)
    for step in (approver.associate_delegation_request, approver.accept_delegation_request, approver.send_delegation_token):
        step(DelegationRequestId=request_id)
    return provider.token()


def traded(provider: Provider, token: str) -> Any:
    return provider.sts.get_delegated_access_token(TradeInToken=token)


def test_acting_for_a_user(cloud: Running, provider: Provider) -> None:
    """As the user, but no further than the policy that was approved, nor than the user may go now; roles can be made, under their boundary only."""
    user = User(cloud, "giver", allow("iam:*", "sqs:CreateQueue", "sqs:ListQueues"))
    asked = [
        allow("sqs:CreateQueue", "sqs:DeleteQueue"),
        allow("iam:CreateRole", on=ROLES, when={"StringEquals": {"iam:PermissionsBoundary": READ_ONLY}}),
    ]
    answer = traded(provider, approved(provider, user.client("iam"), *asked))
    assert answer["AssumedPrincipal"] == user.arn and "PackedPolicySize" not in answer
    credentials = answer["Credentials"]
    assert session_client(cloud, "sts", credentials).get_caller_identity()["Arn"] == user.arn
    sqs, iam = (session_client(cloud, service, credentials) for service in ("sqs", "iam"))
    url = sqs.create_queue(QueueName="made-for-them")["QueueUrl"]
    assert "no session policy allows" in refused("AccessDenied", sqs.list_queues)
    refused("AccessDenied", sqs.delete_queue, QueueUrl=url)  # Which the user may not.
    # A queue that lets the user do it lets those in who act for the user, but not further than they were let.
    own: Statement = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": ["sqs:SendMessage", "sqs:DeleteQueue"], "Resource": "*"}
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(own)})
    refused("AccessDenied", sqs.send_message, QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=url)
    role: dict[str, Any] = {"RoleName": "Accessor", "Path": "/partner.com/", "AssumeRolePolicyDocument": trust({"AWS": PROVIDER})}
    refused("AccessDenied", iam.create_role, **role)
    iam.create_role(**role, PermissionsBoundary=READ_ONLY)
    user.may(allow("sqs:CreateQueue", effect="Deny"))
    assert "explicit deny in an identity-based policy" in refused("AccessDenied", sqs.create_queue, QueueName="late")


def test_acting_for_a_session_of_a_role(cloud: Running, provider: Provider) -> None:
    """The session that approved, with its own limits; revoking the role's sessions ends it for good, also with a fresh exchange."""
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="admin", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="admin", PolicyName="all", PolicyDocument=policy(allow("*")))
    narrow = policy(allow("iam:*", "sqs:ListQueues"))
    session = User(cloud, "assumer", allow("sts:*")).client("sts").assume_role(RoleArn=arn, RoleSessionName="work", Policy=narrow)
    token = approved(provider, session_client(cloud, "iam", session["Credentials"]), allow("sqs:ListQueues", "sqs:CreateQueue"))
    cloud.advance("60s")
    answer = traded(provider, token)
    assert answer["AssumedPrincipal"] == session["AssumedRoleUser"]["Arn"]
    sqs = session_client(cloud, "sqs", answer["Credentials"])
    sqs.list_queues()
    refused("AccessDenied", sqs.create_queue, QueueName="outside-of-the-session")
    before = datetime.fromtimestamp(cloud.clock.now() // 10**9 - 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    older = allow("*", when={"DateLessThan": {"aws:TokenIssueTime": before}}, effect="Deny")
    iam.put_role_policy(RoleName="admin", PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy(older))
    for credentials in (answer["Credentials"], traded(provider, token)["Credentials"]):
        refused("AccessDenied", session_client(cloud, "sqs", credentials).list_queues)


def test_root_delegates_no_more_than_was_asked(cloud: Running, provider: Provider) -> None:
    """Root's session is not the root user: neither in what it may, nor in what only root may."""
    credentials = traded(provider, approved(provider, cloud.client("iam"), allow("sqs:ListQueues"), allow("iam:ListUsers")))["Credentials"]
    assert session_client(cloud, "sts", credentials).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    session_client(cloud, "sqs", credentials).list_queues()
    assert "Users" in session_client(cloud, "iam", credentials).list_users()
    refused("AccessDenied", session_client(cloud, "iam", credentials).list_roles)
    refused("AccessDenied", session_client(cloud, "sqs", credentials).create_queue, QueueName="q")


def test_a_delegated_session_scoped_down(cloud: Running, provider: Provider) -> None:
    """What was approved stays a limit, and is none of the three scopes that a session may give itself."""
    user = User(cloud, "scoped-giver", allow("*"))
    credentials = traded(provider, approved(provider, user.client("iam"), allow("sqs:*", "sts:GetScopedCredentials")))["Credentials"]
    for count in (1, 2, 3):
        answer = session_client(cloud, "sts", credentials).get_scoped_credentials(Policy=policy(allow("sqs:List*", "iam:*", "sts:*")))
        assert answer["ScopedPoliciesCount"] == count
        credentials = answer["Credentials"]
    session_client(cloud, "sqs", credentials).list_queues()
    refused("AccessDenied", session_client(cloud, "iam", credentials).list_users)


def test_the_token(cloud: Running, provider: Provider) -> None:
    """Of the account that asked, with permission, as often as it likes, until the time that began with the release is over."""
    user = User(cloud, "timed", allow("*"))
    token = approved(provider, user.client("iam"), allow("sqs:ListQueues"), SessionDuration=300)
    other = cloud.client("sts", key="222222222222", secret="test")
    for sts, text in ((other, token), (cloud.client("sts"), token), (provider.sts, token[:-1]), (provider.sts, "no token")):
        refused("AccessDenied", sts.get_delegated_access_token, TradeInToken=text)
    provider.iam.create_user(UserName="worker")
    key = provider.iam.create_access_key(UserName="worker")["AccessKey"]
    worker = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    refused("AccessDenied", worker.get_delegated_access_token, TradeInToken=token)
    provider.iam.put_user_policy(UserName="worker", PolicyName="inline", PolicyDocument=policy(allow("sts:GetDelegatedAccessToken")))
    first = worker.get_delegated_access_token(TradeInToken=token)["Credentials"]
    cloud.advance("200s")
    second = traded(provider, token)["Credentials"]
    assert first["Expiration"] == second["Expiration"] and first["AccessKeyId"] != second["AccessKeyId"]
    session_client(cloud, "sqs", second).list_queues()
    cloud.advance("100s")
    refused("ExpiredTradeInTokenException", provider.sts.get_delegated_access_token, TradeInToken=token)
    for credentials in (first, second):
        refused("ExpiredTokenException", session_client(cloud, "sqs", credentials).list_queues)


def test_an_approver_who_is_gone(cloud: Running, provider: Provider) -> None:
    """Takes what was delegated along, also from somebody of the same name; and a request that was rejected has no token."""
    user = User(cloud, "leaver", allow("*"))
    token = approved(provider, user.client("iam"), allow("sqs:ListQueues"))
    credentials = traded(provider, token)["Credentials"]
    rejected = provider.request(allow("sqs:ListQueues"))
    for step in ("associate", "accept", "reject"):
        getattr(user.client("iam"), f"{step}_delegation_request")(DelegationRequestId=rejected)
    refused("InvalidInput", user.client("iam").send_delegation_token, DelegationRequestId=rejected)
    assert [notice["Type"] for notice in provider.notices()] == ["StateChange"] * 3
    user.iam.delete_user_policy(UserName="leaver", PolicyName="inline")
    user.iam.delete_access_key(UserName="leaver", AccessKeyId=user.key)
    user.iam.delete_user(UserName="leaver")
    User(cloud, "leaver", allow("*"))
    refused("AccessDenied", session_client(cloud, "sqs", credentials).list_queues)
    refused("AccessDenied", provider.sts.get_delegated_access_token, TradeInToken=token)
