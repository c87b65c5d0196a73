"""Who may invoke: identity policies and the function's own, against "Using resource-based policies for Lambda"."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.core.caller import service_caller
from haneul.core.errors import AccessDenied
from tests.lambda_.build import ECHO, function, package, role
from tests.support.python import PYTHON
from tests.support.running import Running

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def _user(cloud: Running, name: str, *statements: dict[str, Any], account: str = "test") -> Any:
    """A lambda client of a user who has just these permissions."""
    iam = cloud.client("iam", key=account)
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("lambda", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def _as_service(cloud: Running, service: str, name: str, source_arn: str, source_account: str = "000000000000") -> Any:
    app = cloud.app.cloud
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": source_account}
    params = {"FunctionName": name, "InvocationType": "DryRun"}
    return cloud.run(app.invoke("lambda:Invoke", params, caller=service_caller(service), region="us-east-1", account="000000000000", context=context))


def test_a_user_needs_the_permission_for_what_he_invokes(cloud: Running) -> None:
    """Because IAM decides every call; the unqualified and the qualified function are different resources."""
    function(cloud, "guarded", Publish=True)
    client = _user(cloud, "narrow", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"{ARN}guarded:1"})
    assert client.invoke(FunctionName="guarded", Qualifier="1")["StatusCode"] == 200
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName="guarded")
    error = caught.value.response
    assert error["Error"]["Code"] == "AccessDeniedException" and error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Message"] == (
        f"User: arn:aws:iam::000000000000:user/narrow is not authorized to perform: lambda:InvokeFunction on resource: {ARN}guarded "
        "because no identity-based policy allows the lambda:InvokeFunction action"
    )


def test_a_role_is_passed_only_by_those_who_may(cloud: Running) -> None:
    """Because whoever gives a function a role can act as that role."""
    function(cloud, "template")
    client = _user(cloud, "maker", {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"})
    config = cloud.client("lambda").get_function_configuration(FunctionName="template")
    with pytest.raises(ClientError, match="is not authorized to perform: iam:PassRole on resource: arn:aws:iam::000000000000:role/functions"):
        client.create_function(FunctionName="made", Runtime=PYTHON, Handler="a.b", Role=config["Role"], Code={"ZipFile": b"x"})


def test_a_service_is_let_in_for_its_resource_only(cloud: Running) -> None:
    """Because a bucket of somebody else must not be able to run this function by way of S3 (the confused deputy)."""
    function(cloud, "pushed")
    client = cloud.client("lambda")
    with pytest.raises(AccessDenied):
        _as_service(cloud, "s3.amazonaws.com", "pushed", "arn:aws:s3:::photos")
    made = client.add_permission(
        FunctionName="pushed", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::photos", SourceAccount="000000000000"
    )
    assert json.loads(made["Statement"]) == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"{ARN}pushed",
        "Condition": {"StringEquals": {"AWS:SourceAccount": "000000000000"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"}},
    }
    assert _as_service(cloud, "s3.amazonaws.com", "pushed", "arn:aws:s3:::photos") == {"StatusCode": 204}
    for service, source, account in (
        ("s3.amazonaws.com", "arn:aws:s3:::others", "000000000000"),
        ("s3.amazonaws.com", "arn:aws:s3:::photos", "999999999999"),
        ("sns.amazonaws.com", "arn:aws:s3:::photos", "000000000000"),
    ):
        with pytest.raises(AccessDenied):
            _as_service(cloud, service, "pushed", source, account)
    with pytest.raises(client.exceptions.ResourceConflictException, match=r"The statement id \(s3\) provided already exists"):
        client.add_permission(FunctionName="pushed", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    policy = client.get_policy(FunctionName="pushed")
    assert [one["Sid"] for one in json.loads(policy["Policy"])["Statement"]] == ["s3"]
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.remove_permission(FunctionName="pushed", StatementId="s3", RevisionId="00000000-0000-0000-0000-000000000000")
    client.remove_permission(FunctionName="pushed", StatementId="s3", RevisionId=policy["RevisionId"])
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="pushed")


def test_policies_belong_to_qualifiers(cloud: Running) -> None:
    """Because a permission for an alias is none for the function."""
    function(cloud, "qualified", Publish=True)
    client = cloud.client("lambda")
    client.create_alias(FunctionName="qualified", Name="live", FunctionVersion="1")
    client.add_permission(FunctionName="qualified", Qualifier="live", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    assert _as_service(cloud, "events.amazonaws.com", "qualified:live", "arn:aws:events:us-east-1:000000000000:rule/r") == {"StatusCode": 204}
    with pytest.raises(AccessDenied):
        _as_service(cloud, "events.amazonaws.com", "qualified", "arn:aws:events:us-east-1:000000000000:rule/r")


@pytest.mark.parametrize(
    ("action", "code", "message"),
    [
        ("s3:GetObject", "ValidationException", "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"),
        ("lambda:Invoke*", "ValidationException", "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"),
        ("lambda:InvokeFuntion", "InvalidParameterValueException", "The provided action was invalid"),
    ],
)
def test_a_permission_is_for_an_action_of_lambda(cloud: Running, action: str, code: str, message: str) -> None:
    """Because a misspelt action would allow nothing and nobody would notice."""
    client = cloud.client("lambda")
    if "acted" not in [one["FunctionName"] for one in client.list_functions()["Functions"]]:
        function(cloud, "acted")
    with pytest.raises(ClientError) as caught:
        client.add_permission(FunctionName="acted", StatementId="s", Action=action, Principal="s3.amazonaws.com")
    error = caught.value.response["Error"]
    assert error["Code"] == code and message in error["Message"]
    for number, known in enumerate(("lambda:*", "*", "lambda:GetFunction", "lambda:invokeFunction", "lambda:InvokeFunctionUrl", "lambda:GetDurableExecution")):
        client.add_permission(FunctionName="acted", StatementId=f"s{number}", Action=known, Principal="s3.amazonaws.com")
        client.remove_permission(FunctionName="acted", StatementId=f"s{number}")


def test_a_principal_of_this_account_must_exist(cloud: Running) -> None:
    """Because a policy that names nobody would let in whoever is given the name later."""
    client, iam = cloud.client("lambda"), cloud.client("iam")
    function(cloud, "named")
    user = iam.create_user(UserName="reader", Path="/team/")["User"]["Arn"]
    there = role(cloud, "caller")
    for number, principal in enumerate((user, there, "arn:aws:iam::222222222222:user/whoever", "000000000000", "*")):
        client.add_permission(FunctionName="named", StatementId=f"s{number}", Action="lambda:InvokeFunction", Principal=principal)
    for principal in ("arn:aws:iam::000000000000:user/reader", "arn:aws:iam::000000000000:user/nobody", f"{there}-too", "nobody"):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="The provided principal was invalid"):
            client.add_permission(FunctionName="named", StatementId="wrong", Action="lambda:InvokeFunction", Principal=principal)


def test_another_account_needs_both_sides(cloud: Running) -> None:
    """Because across accounts the owner and the caller's own account both must allow it."""
    function(cloud, "lent")
    client = _user(cloud, "guest", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}, account="222222222222")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.invoke(FunctionName=f"{ARN}lent")
    cloud.client("lambda").add_permission(FunctionName="lent", StatementId="guest", Action="lambda:InvokeFunction", Principal="222222222222")
    assert client.invoke(FunctionName=f"{ARN}lent", Payload=b"1")["Payload"].read() == b"1"


def test_a_role_without_the_right_to_log_runs_without_logs(cloud: Running) -> None:
    """Because logging is the role's permission, and its lack must not fail the function."""
    from_role = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    arn = cloud.client("iam").create_role(RoleName="silent", AssumeRolePolicyDocument=from_role)["Role"]["Arn"]
    function(cloud, "silent", Role=arn)
    assert cloud.client("lambda").invoke(FunctionName="silent", Payload=b"1")["Payload"].read() == b"1"
    cloud.settle()
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/silent")["logGroups"] == []


def test_layers_that_a_user_may_give_to_functions(cloud: Running) -> None:
    """lambda:Layer has the versions that the request names, in CreateFunction and UpdateFunctionConfiguration alike."""
    root = cloud.client("lambda")
    ours, theirs = (root.publish_layer_version(LayerName=f"cond-{name}", Content={"ZipFile": package({name: "x"})})["LayerVersionArn"] for name in ("ours", "theirs"))
    kept = ours.rpartition(":")[0] + ":*"
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    making = ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"]
    denied = {"Effect": "Deny", "Action": making, "Resource": "*", "Condition": {"ForAnyValue:StringNotLike": {"lambda:Layer": [kept]}}}
    client = _user(cloud, "layered", allowed, denied)
    made = {"Runtime": PYTHON, "Handler": "index.handler", "Role": role(cloud), "Code": {"ZipFile": package({"index.py": ECHO})}}
    with pytest.raises(ClientError, match=r"lambda:CreateFunction on resource.* with an explicit deny"):
        client.create_function(FunctionName="layered", Layers=[ours, theirs], **made)
    client.create_function(FunctionName="layered", Layers=[ours], **made)
    with pytest.raises(ClientError, match=r"lambda:UpdateFunctionConfiguration on resource.* with an explicit deny"):
        client.update_function_configuration(FunctionName="layered", Layers=[theirs])
    client.update_function_configuration(FunctionName="layered", Layers=[])
