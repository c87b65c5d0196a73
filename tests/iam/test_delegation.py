"""Temporary delegation: the life of a request, who may do what with it, and what its provider hears, from a queue behind its topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sns.service import Sns
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.delegations import PROVIDER, Provider, parameter
from tests.iam.identities import User, allow, policy, refused
from tests.support.running import ACCOUNT, Running

READ = allow("sqs:ListQueues")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Iam, Sts, Sns, Sqs]) as running:
        yield running


@pytest.fixture(scope="module")
def provider(cloud: Running) -> Provider:
    return Provider(cloud)


def shown(client: Any, request_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get_delegation_request(DelegationRequestId=request_id)["DelegationRequest"]
    return found


def test_a_request_from_making_it_to_its_token(cloud: Running, provider: Provider) -> None:
    """The whole way: the owner forwards it, an administrator approves, the owner releases; each step is told to the provider, and lives for a week."""
    provider.iam.create_account_alias(AccountAlias="partner-com")
    params = provider.params(READ, RequestMessage="for cluster 7", RedirectUrl="https://partner.com/back", OnlySendByOwner=True)
    made = provider.iam.create_delegation_request(**params)
    request_id, now = made["DelegationRequestId"], cloud.clock.now() / 1e9
    assert made["ConsoleDeepLink"].startswith(cloud.endpoint) and request_id in made["ConsoleDeepLink"]
    owner, administrator = User(cloud, "initiator"), User(cloud, "approver", allow("iam:*", "sqs:*"))
    iam, admin = owner.client("iam"), administrator.client("iam")
    before = shown(iam, request_id)
    assert before["Permissions"] == params["Permissions"] and before["PermissionPolicy"] == policy(READ).replace(" ", "")
    assert (before["State"], before["RequestorId"], before["RequestorName"]) == ("UNASSIGNED", PROVIDER, "partner-com")
    assert before["ExpirationTime"].timestamp() == pytest.approx(now + 86_400, abs=1)
    assert not before.keys() & {"OwnerId", "OwnerAccountId", "ApproverId", "Notes", "RejectionReason", "RolePermissionRestrictionArns"}
    iam.associate_delegation_request(DelegationRequestId=request_id)
    iam.update_delegation_request(DelegationRequestId=request_id, Notes="please")
    refused("AccessDenied", iam.accept_delegation_request, DelegationRequestId=request_id)
    assert shown(admin, request_id)["State"] == "PENDING_APPROVAL"
    admin.accept_delegation_request(DelegationRequestId=request_id)
    assert "only its owner" in refused("AccessDenied", admin.send_delegation_token, DelegationRequestId=request_id)
    iam.send_delegation_token(DelegationRequestId=request_id)
    after = shown(iam, request_id)
    assert after["ExpirationTime"].timestamp() == pytest.approx(now + 7 * 86_400, abs=1)
    expected = {
        "State": "FINALIZED",
        "OwnerAccountId": ACCOUNT,
        "OwnerId": owner.arn,
        "ApproverId": administrator.arn,
        "Notes": "please",
        "OnlySendByOwner": True,
        "SessionDuration": 7200,
        "RequestMessage": "for cluster 7",
        "RedirectUrl": "https://partner.com/back",
    }
    assert {name: after[name] for name in expected} == expected
    notices = sorted(provider.notices(), key=lambda notice: (notice["Type"] == "ExchangeToken", notice["State"]))  # Queues keep no order.
    assert [notice["State"] for notice in notices] == ["ACCEPTED", "ASSIGNED", "FINALIZED", "PENDING_APPROVAL", "FINALIZED"]
    assert {notice["Type"] for notice in notices[:-1]} == {"StateChange"} and notices[-1]["Type"] == "ExchangeToken"
    assert {(one["RequestId"], one["RequestorWorkflowId"], one["OwnerAccountId"]) for one in notices} == {(request_id, params["RequestorWorkflowId"], ACCOUNT)}
    assert notices[-1].keys() - notices[0].keys() == {"ExchangeToken", "ExpiresAt"}
    for operation in (iam.send_delegation_token, iam.reject_delegation_request, admin.accept_delegation_request, iam.update_delegation_request):
        refused("InvalidInput", operation, DelegationRequestId=request_id)
    # The token is nowhere on the disk but in the topic's and the queue's own messages, of which there are none any more.
    cloud.settle()
    assert not [key for key, value in cloud.app.cloud.store.range(b"", b"\xff") if notices[-1]["ExchangeToken"].encode() in value]


def test_who_may_do_what(cloud: Running, provider: Provider) -> None:
    """By default anybody while there is no owner, then the owner alone; policies open it to others of the account, and a deny closes it to the owner."""
    addressed, free = provider.request(READ, OwnerAccountId=ACCOUNT), provider.request(READ)
    one, other = User(cloud, "one"), User(cloud, "other")
    stranger = cloud.client("iam", key="222222222222", secret="test")
    assert shown(stranger, free)["State"] == "UNASSIGNED"
    for operation in (stranger.get_delegation_request, stranger.associate_delegation_request, provider.iam.get_delegation_request):
        refused("AccessDenied", operation, DelegationRequestId=addressed)
    for operation in (one.client("iam").reject_delegation_request, one.client("iam").send_delegation_token):
        refused("AccessDenied", operation, DelegationRequestId=addressed)
    one.client("iam").associate_delegation_request(DelegationRequestId=addressed)
    refused("AccessDenied", other.client("iam").get_delegation_request, DelegationRequestId=addressed)
    other.may(allow("iam:*Delegation*", on=f"arn:aws:iam::{ACCOUNT}:delegation-request/*", when={"ArnEquals": {"iam:DelegationRequestOwner": one.arn}}))
    assert shown(other.client("iam"), addressed)["OwnerId"] == one.arn
    refused("InvalidInput", other.client("iam").associate_delegation_request, DelegationRequestId=addressed)
    one.may(allow("iam:GetDelegationRequest", effect="Deny"))
    refused("AccessDenied", one.client("iam").get_delegation_request, DelegationRequestId=addressed)
    one.may(allow("iam:AcceptDelegationRequest"))
    one.client("iam").accept_delegation_request(DelegationRequestId=addressed)
    one.client("iam").reject_delegation_request(DelegationRequestId=addressed, Notes="on second thought")
    assert (shown(other.client("iam"), addressed)["State"], shown(other.client("iam"), addressed)["RejectionReason"]) == ("REJECTED", "on second thought")
    refused("InvalidInput", other.client("iam").accept_delegation_request, DelegationRequestId=addressed)
    # Somebody of the same name is somebody else.
    name = {"UserName": "one"}
    one.iam.delete_user_policy(**name, PolicyName="inline")
    one.iam.delete_access_key(**name, AccessKeyId=one.key)
    one.iam.delete_user(**name)
    refused("AccessDenied", User(cloud, "one").client("iam").get_delegation_request, DelegationRequestId=addressed)
    refused("NoSuchEntity", cloud.client("iam").get_delegation_request, DelegationRequestId="dr-0123456789abcdef")


def test_lists(cloud: Running, provider: Provider) -> None:
    """What has no owner is in none; who has no policy sees their own only, by naming themselves."""
    owner, watcher = User(cloud, "lister"), User(cloud, "watcher", allow("iam:ListDelegationRequests"))
    ids = []
    for _ in range(3):
        cloud.advance("1s")
        ids.append(provider.request(READ, OwnerAccountId=ACCOUNT))
    for request_id in ids[:2]:
        owner.client("iam").associate_delegation_request(DelegationRequestId=request_id)
    mine = owner.client("iam").list_delegation_requests(OwnerId=owner.arn)
    assert [one["DelegationRequestId"] for one in mine["DelegationRequests"]] == ids[:2] and mine["isTruncated"] is False
    refused("AccessDenied", owner.client("iam").list_delegation_requests)
    refused("AccessDenied", owner.client("iam").list_delegation_requests, OwnerId=watcher.arn)
    page = watcher.client("iam").list_delegation_requests(OwnerId=owner.arn, MaxItems=1)
    rest = watcher.client("iam").list_delegation_requests(OwnerId=owner.arn, Marker=page["Marker"])
    assert page["isTruncated"] and [one["DelegationRequestId"] for one in page["DelegationRequests"] + rest["DelegationRequests"]] == ids[:2]
    everything = {one["DelegationRequestId"] for one in watcher.client("iam").list_delegation_requests()["DelegationRequests"]}
    assert set(ids[:2]) <= everything and ids[2] not in everything


def test_what_a_provider_may_not_ask(cloud: Running, provider: Provider) -> None:
    """Channels, workflow ids, templates; and by policy: how long, which template, which channel."""
    create, params = provider.iam.create_delegation_request, provider.params(READ)
    create(**params)
    refused("EntityAlreadyExists", create, **params)
    for channel in ("arn:aws:sqs:us-east-1:111111111111:q", f"arn:aws:sns:us-east-1:{ACCOUNT}:t", f"arn:aws:sns:il-central-1:{PROVIDER}:t", "notices"):
        refused("InvalidInput", create, **provider.params(READ, NotificationChannel=channel))
    for arn in (f"arn:aws:iam::{PROVIDER}:policy/none", "arn:aws:iam::aws:policy/ReadOnlyAccess", f"arn:aws:iam::{ACCOUNT}:policy/x"):
        refused("InvalidInput", create, **provider.params(PolicyTemplateArn=arn))
    refused("InvalidInput", create, **(params | {"Permissions": {"Parameters": [parameter("unused", "x")]}, "RequestorWorkflowId": "without"}))
    refused("ValidationError", create, **(params | {"SessionDuration": 43_201}))
    user = User(cloud, "seller", allow("iam:CreatePolicy"), allow("iam:CreateDelegationRequest", when={"NumericLessThanEquals": {"iam:DelegationDuration": "3600"}}))
    arn = user.client("iam").create_policy(PolicyName="plain", PolicyDocument=policy(READ))["Policy"]["Arn"]
    mine = provider.params(PolicyTemplateArn=arn, NotificationChannel=f"arn:aws:sns:us-east-1:{ACCOUNT}:t")
    refused("AccessDenied", user.client("iam").create_delegation_request, **mine)
    assert user.client("iam").create_delegation_request(**(mine | {"SessionDuration": 3600}))["DelegationRequestId"]
    keys = {"StringEquals": {"iam:NotificationChannel": mine["NotificationChannel"], "iam:TemplateArn": arn}}
    user.may(allow("iam:CreateDelegationRequest", on=f"arn:aws:iam::{ACCOUNT}:delegation-request/*", when=keys))
    assert user.client("iam").create_delegation_request(**(mine | {"RequestorWorkflowId": "another"}))["DelegationRequestId"]


def test_the_root_user_approves_four_hours(cloud: Running, provider: Provider) -> None:
    """Because nobody can revoke what root has let go."""
    iam = cloud.client("iam")
    for seconds in (14_401, 14_400):
        request_id = provider.request(READ, SessionDuration=seconds)
        iam.associate_delegation_request(DelegationRequestId=request_id)
        if seconds > 14_400:
            assert "root user" in refused("InvalidInput", iam.accept_delegation_request, DelegationRequestId=request_id)
        else:
            iam.accept_delegation_request(DelegationRequestId=request_id)
            assert shown(iam, request_id)["ApproverId"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_the_permission_check(cloud: Running, provider: Provider) -> None:
    """Of whoever asks: what is covered, what is not, and what hangs on a condition that only a request can meet."""
    user = User(cloud, "checked", allow("sqs:*"), allow("sns:Publish", when={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    asked = {"ALLOWED": allow("sqs:Get*", on="arn:aws:sqs:*:*:jobs-*"), "DENIED": allow("sqs:ListQueues", "lambda:InvokeFunction"), "UNSURE": allow("sns:Publish")}
    for result, statement in asked.items():
        request_id = provider.request(statement)
        answer = user.client("iam").get_delegation_request(DelegationRequestId=request_id, DelegationPermissionCheck=True)
        assert (answer["PermissionCheckStatus"], answer["PermissionCheckResult"]) == ("COMPLETE", result)
        assert "PermissionCheckStatus" not in user.client("iam").get_delegation_request(DelegationRequestId=request_id)
        root = cloud.client("iam").get_delegation_request(DelegationRequestId=request_id, DelegationPermissionCheck=True)
        assert root["PermissionCheckResult"] == "ALLOWED"


def test_a_topic_that_does_not_let_iam_publish(cloud: Running, provider: Provider) -> None:
    """Its provider hears nothing, and the request goes its way."""
    provider.notices()
    provider.open_topic({"Service": "s3.amazonaws.com"})
    request_id = provider.request(READ)
    cloud.client("iam").associate_delegation_request(DelegationRequestId=request_id)
    assert provider.notices() == []
    provider.open_topic({"Service": "iam.amazonaws.com"})
    cloud.client("iam").update_delegation_request(DelegationRequestId=request_id)
    assert [notice["State"] for notice in provider.notices()] == ["PENDING_APPROVAL"]


def test_requests_expire(cloud: Running, provider: Provider) -> None:
    """After a day without an owner, after a week in any other state; a month later they are forgotten, and their workflow ids with them."""
    iam, params = cloud.client("iam"), provider.params(READ)
    waiting, early, late = provider.iam.create_delegation_request(**params)["DelegationRequestId"], provider.request(READ), provider.request(READ)
    for request_id in (early, late):
        iam.associate_delegation_request(DelegationRequestId=request_id)
    provider.notices()
    cloud.advance("1d")
    assert shown(iam, waiting)["State"] == "EXPIRED"
    refused("InvalidInput", iam.associate_delegation_request, DelegationRequestId=waiting)
    expired = {notice["RequestId"]: notice for notice in provider.notices()}
    assert expired[waiting]["State"] == "EXPIRED" and "OwnerAccountId" not in expired[waiting]
    refused("EntityAlreadyExists", provider.iam.create_delegation_request, **params)
    iam.reject_delegation_request(DelegationRequestId=late)
    cloud.advance("6d")
    assert (shown(iam, early)["State"], shown(iam, late)["State"]) == ("EXPIRED", "REJECTED")
    cloud.advance("1d")
    assert shown(iam, late)["State"] == "EXPIRED"
    cloud.advance("30d")
    for request_id in (waiting, early, late):
        refused("NoSuchEntity", iam.get_delegation_request, DelegationRequestId=request_id)
    assert early not in {one["DelegationRequestId"] for one in iam.list_delegation_requests()["DelegationRequests"]}
    assert provider.iam.create_delegation_request(**params)["DelegationRequestId"]
