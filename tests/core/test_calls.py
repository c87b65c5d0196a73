"""Calls from one service to another: the same pipeline, permission included, without HTTP and signature."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.core.call import Call, RequestContext, call_as
from haneul.core.caller import Caller, service_caller
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.ports import Shape
from tests.core.test_pipeline import fake
from tests.support.running import ACCOUNT, REGION, Running

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)


def statement(**parts: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **parts}]})


def trusting(*principals: str, condition: dict[str, Any] | None = None) -> str:
    more = {"Condition": condition} if condition else {}
    return statement(Principal={"Service": list(principals)}, Action="sts:AssumeRole", **more)


def role(cloud: Running, name: str, trust: str, policy: str | None = None) -> str:
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return arn


def publishing(cloud: Running, **how: Any) -> list[Call]:
    """Make Kinesis publish to the topic with each record, and keep the calls that SNS sees."""
    seen: list[Call] = []

    async def publish(call: Call, request: Shape) -> None:
        await call.invoke("sns:Publish", {"TopicArn": TOPIC, "Message": "x"}, **how)

    async def take(call: Call, request: Shape) -> None:
        seen.append(call)

    fake(cloud, "kinesis").behave = publish
    fake(cloud, "sns").behave = take
    return seen


def put(cloud: Running, **client: Any) -> None:
    cloud.client("kinesis", **client).put_record(StreamName="s", Data=b"x", PartitionKey="k")


def test_a_call_goes_on_as_the_same_caller(fakes: Running) -> None:
    """Because a service that acts for its caller may no more than the caller may."""
    seen = publishing(fakes)
    put(fakes)
    assert [(call.caller.kind, call.account, call.region, call.http) for call in seen] == [("root", ACCOUNT, REGION, None)]


def test_a_callers_missing_permission_is_found_inside_too(fakes: Running) -> None:
    """Because a service must not lend its own rights: the user may write to the stream, not publish."""
    publishing(fakes)
    iam = fakes.client("iam")
    iam.create_user(UserName="writer")
    iam.put_user_policy(UserName="writer", PolicyName="p", PolicyDocument=statement(Action="kinesis:PutRecord", Resource="*"))
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    with pytest.raises(Exception, match=r"user/writer is not authorized to perform: (SNS|sns):Publish on resource: arn:aws:sns:us-east-1:000000000000:news"):
        put(fakes, key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def test_a_call_as_a_role_has_the_roles_rights(fakes: Running) -> None:
    """Because that is how S3, Lambda and the others act on a customer's behalf."""
    arn = role(fakes, "publisher", trusting("kinesis.amazonaws.com"), statement(Action="sns:Publish", Resource=TOPIC))
    seen = publishing(fakes, role=arn, principal="kinesis.amazonaws.com", session_name="delivery")
    put(fakes)
    assert [(call.caller.kind, call.caller.arn) for call in seen] == [("role", f"arn:aws:sts::{ACCOUNT}:assumed-role/publisher/delivery")]


@pytest.mark.parametrize("problem", ["trust", "permission", "missing", "source"])
def test_a_role_that_does_not_fit_is_refused(fakes: Running, problem: str) -> None:
    """Because a role must trust the service, exist, and allow the action; a condition on the source (the confused deputy) counts."""
    name = f"refused-{problem}"
    trust = trusting("lambda.amazonaws.com" if problem == "trust" else "kinesis.amazonaws.com")
    if problem == "source":
        trust = trusting("kinesis.amazonaws.com", condition={"ArnEquals": {"aws:SourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/other"}})
    arn = role(fakes, name, trust, None if problem == "permission" else statement(Action="sns:Publish", Resource=TOPIC))
    if problem == "missing":
        arn += "-not"
    publishing(fakes, role=arn, principal="kinesis.amazonaws.com", source_arn="arn:aws:kinesis:us-east-1:000000000000:stream/s")
    expected = "sns:Publish|SNS:Publish" if problem == "permission" else "sts:AssumeRole"
    with pytest.raises(Exception, match=f"is not authorized to perform: ({expected})"):
        put(fakes)


def test_a_call_as_a_service_needs_the_resources_policy(fakes: Running) -> None:
    """Because a service principal has no rights of its own: the topic's policy must let it in, for the named source only."""
    source = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"
    seen = publishing(fakes, principal="kinesis.amazonaws.com", source_arn=source)
    with pytest.raises(Exception, match="not authorized"):
        put(fakes)
    condition = {"ArnLike": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    allowing = statement(Principal={"Service": "kinesis.amazonaws.com"}, Action="sns:Publish", Resource=TOPIC, Condition=condition)
    fake(fakes, "sns").policies[TOPIC] = allowing
    put(fakes)
    assert [(call.caller.kind, call.caller.service) for call in seen] == [("service", "kinesis.amazonaws.com")]
    fake(fakes, "sns").policies[TOPIC] = allowing.replace("stream/s", "stream/other")
    with pytest.raises(Exception, match="not authorized"):
        put(fakes)


def test_background_work_must_say_as_whom(fakes: Running) -> None:
    """Because a call by nobody would be a call by everybody."""
    with pytest.raises(ValueError, match="somebody has to be calling"):
        fakes.run(call_as(fakes.app.cloud, "sns:ListTopics", {}, region=REGION, account=ACCOUNT))


def test_background_work_as_somebody(fakes: Running) -> None:
    """Because timers and pollers act with the rights that were given to them."""
    cloud = fakes.app.cloud
    assert fakes.run(call_as(cloud, "sns:ListTopics", {}, region="eu-west-1", account=ACCOUNT, caller=ROOT)) == {"Topics": []}
    with pytest.raises(AccessDenied):
        fakes.run(call_as(cloud, "kinesis:ListStreams", {}, region=REGION, account=ACCOUNT, principal="events.amazonaws.com"))


def test_an_inside_call_is_checked_like_any_other(fakes: Running) -> None:
    """Because validation and "not built" do not depend on the way in."""
    cloud = fakes.app.cloud
    with pytest.raises(NotBuilt, match="sns:CreateTopic"):
        fakes.run(cloud.invoke("sns:CreateTopic", {"Name": "x"}, caller=ROOT, region=REGION))
    with pytest.raises(NotBuilt, match="nowhere:Nothing"):
        fakes.run(cloud.invoke("nowhere:Nothing", {}, caller=ROOT, region=REGION))
    with pytest.raises(ServiceError, match="validation errors detected"):
        fakes.run(cloud.invoke("kinesis:PutRecord", {"StreamName": "", "Data": b"", "PartitionKey": "k"}, caller=ROOT, region=REGION))


def context_of(cloud: Running, extra: Any = None, **client: Any) -> RequestContext:
    """The context of a request that came over HTTP."""
    seen: list[Call] = []

    async def keep(call: Call, request: Shape) -> None:
        seen.append(call)

    fake(cloud, "kinesis").behave = keep
    cloud.client("kinesis", **client).put_record(StreamName="s", Data=b"x", PartitionKey="k")
    return RequestContext(seen[0], extra)


def test_the_keys_that_a_request_carries(fakes: Running) -> None:
    """Because policies ask for them by name, without regard to case (IAM: "AWS global condition context keys")."""
    context = context_of(fakes, user_agent="tester/1.0")
    assert context["aws:SourceIp"] == "127.0.0.1" and context["AWS:SECURETRANSPORT"] == "false"
    assert context["aws:UserAgent"].startswith("tester/1.0") and context["aws:RequestedRegion"] == REGION
    assert int(context["aws:EpochTime"]) == fakes.clock.now() // 10**9
    assert context["aws:CurrentTime"].endswith("Z") and "aws:Referer" not in context and "aws:referer" not in dict(context)
    assert set(context) == {key.lower() for key in context} and len(context) == len(dict(context))


def test_the_services_own_keys_come_on_top(fakes: Running) -> None:
    """Because they are worked out only when a policy asks (a callable), and must not be hidden by the others."""
    made: list[int] = []

    def keys() -> dict[str, str]:
        made.append(1)
        return {"kinesis:Key": "k", "aws:SourceIp": "10.0.0.1"}

    context = context_of(fakes, keys)
    assert not made
    assert (context["kinesis:key"], context["aws:sourceip"]) == ("k", "10.0.0.1")
    assert made == [1]


def test_conditions_of_an_operation_count(fakes: Running) -> None:
    """Because a policy may allow one partition key only."""
    iam = fakes.client("iam")
    iam.create_user(UserName="keyed")
    policy = statement(Action="kinesis:PutRecord", Resource=f"arn:aws:kinesis:*:{ACCOUNT}:stream/s", Condition={"StringEquals": {"kinesis:Key": "mine"}})
    iam.put_user_policy(UserName="keyed", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="keyed")["AccessKey"]
    client = fakes.client("kinesis", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    client.put_record(StreamName="s", Data=b"x", PartitionKey="mine")
    for stream, partition in (("s", "yours"), ("t", "mine")):
        with pytest.raises(Exception, match="not authorized to perform: kinesis:PutRecord"):
            client.put_record(StreamName=stream, Data=b"x", PartitionKey=partition)


def test_a_service_caller_has_no_account(fakes: Running) -> None:
    """Because it acts across accounts: what it may is for the resource to say."""
    assert service_caller("s3.amazonaws.com") == Caller(kind="service", account="", arn="", principal_id="", service="s3.amazonaws.com")
