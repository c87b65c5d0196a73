"""Settings beside code and configuration: code signing, recursion, runtime management, whole resource policies."""

from __future__ import annotations

import json

import pytest

from tests.lambda_.build import ECHO, function, invoke, package
from tests.support.running import Running

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/abcdefghij"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def test_unsigned_code_is_refused_where_signatures_are_enforced(cloud: Running) -> None:
    """Because nothing here signs code: to let it pass under Enforce would be a lie, under Warn it is what AWS does."""
    client = cloud.client("lambda")
    made = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Description="ours", Tags={"team": "a"})["CodeSigningConfig"]
    arn = made["CodeSigningConfigArn"]
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"} and made["CodeSigningConfigId"].startswith("csc-")
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "a"}
    function(cloud, "signed", CodeSigningConfigArn=arn)
    assert invoke(cloud, "signed", {"a": 1}) == {"a": 1}
    assert client.get_function_code_signing_config(FunctionName="signed")["CodeSigningConfigArn"] == arn
    client.update_code_signing_config(CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})
    with pytest.raises(client.exceptions.CodeVerificationFailedException):
        client.update_function_code(FunctionName="signed", ZipFile=package({"index.py": ECHO + "\n"}))
    with pytest.raises(client.exceptions.CodeVerificationFailedException):
        function(cloud, "signed-too", CodeSigningConfigArn=arn)
    layer = client.publish_layer_version(LayerName="unsigned", Content={"ZipFile": package({"a": "b"})})["LayerVersionArn"]
    with pytest.raises(client.exceptions.CodeVerificationFailedException):
        client.update_function_configuration(FunctionName="signed", Layers=[layer])
    assert client.update_function_configuration(FunctionName="signed", Layers=[], Timeout=4)["Timeout"] == 4
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]["Description"] == "ours"


def test_tags_of_aws_itself_cannot_be_set(cloud: Running) -> None:
    """Because what begins with aws: says that AWS made it, and policies trust that."""
    client = cloud.client("lambda")
    made = function(cloud, "tagged", Tags={"awsome": "yes"})
    csc = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})["CodeSigningConfig"]["CodeSigningConfigArn"]
    cloud.client("sqs").create_queue(QueueName="tagged")
    source = {"FunctionName": "tagged", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:tagged", "Enabled": False}
    tags = {"fine": "1", "AWS:cloudformation:stack-name": "mine"}
    for call in (
        lambda: function(cloud, "tagged-too", Tags=tags),
        lambda: client.create_event_source_mapping(**source, Tags=tags),
        lambda: client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, Tags=tags),
        lambda: client.tag_resource(Resource=made["FunctionArn"], Tags=tags),
        lambda: client.tag_resource(Resource=csc, Tags=tags),
    ):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="aws: prefixed tag key names are not allowed for external use"):
            call()
    assert client.list_tags(Resource=made["FunctionArn"])["Tags"] == {"awsome": "yes"}


def test_a_code_signing_config_in_use_stays(cloud: Running) -> None:
    """Because functions refer to it; only when none does it can go."""
    client = cloud.client("lambda")
    arn = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})["CodeSigningConfig"]["CodeSigningConfigArn"]
    function(cloud, "user-1")
    function(cloud, "user-2")
    for name in ("user-1", "user-2"):
        client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    assert client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == [ARN + "user-1", ARN + "user-2"]
    assert arn in [one["CodeSigningConfigArn"] for one in client.list_code_signing_configs()["CodeSigningConfigs"]]
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.delete_code_signing_config(CodeSigningConfigArn=arn)
    client.delete_function_code_signing_config(FunctionName="user-1")
    client.delete_function(FunctionName="user-2")
    assert "CodeSigningConfigArn" not in client.get_function_code_signing_config(FunctionName="user-1")
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_code_signing_config(CodeSigningConfigArn=arn)
    with pytest.raises(client.exceptions.CodeSigningConfigNotFoundException):
        client.put_function_code_signing_config(FunctionName="user-1", CodeSigningConfigArn=arn)
    for missing in (arn, arn.replace("us-east-1", "eu-west-1")):
        with pytest.raises(client.exceptions.CodeSigningConfigNotFoundException) as caught:
            function(cloud, "user-3", CodeSigningConfigArn=missing)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_recursion_settings(cloud: Running) -> None:
    """Because loops are ended unless the function's owner says that they are meant."""
    client = cloud.client("lambda")
    function(cloud, "recursive")
    assert client.get_function_recursion_config(FunctionName="recursive")["RecursiveLoop"] == "Terminate"
    assert client.put_function_recursion_config(FunctionName="recursive", RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert client.get_function_recursion_config(FunctionName="recursive")["RecursiveLoop"] == "Allow"


def test_runtime_management(cloud: Running) -> None:
    """Because a version can be held at the runtime's build that it was tested with."""
    client = cloud.client("lambda")
    made = function(cloud, "managed")
    build = made["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert client.get_runtime_management_config(FunctionName="managed")["UpdateRuntimeOn"] == "Auto"
    shown = client.put_runtime_management_config(FunctionName="managed", UpdateRuntimeOn="Manual", RuntimeVersionArn=build)
    assert shown["RuntimeVersionArn"] == build and shown["FunctionArn"] == f"{ARN}managed:$LATEST"
    assert client.get_runtime_management_config(FunctionName="managed")["UpdateRuntimeOn"] == "Manual"
    for wrong in ({"UpdateRuntimeOn": "Manual"}, {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": build}, {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": build + "0"}):
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            client.put_runtime_management_config(FunctionName="managed", **wrong)


def test_a_whole_resource_policy(cloud: Running) -> None:
    """Because infrastructure tools write policies as documents; both ways lead to the same policy."""
    client = cloud.client("lambda")
    function(cloud, "shared")
    arn = ARN + "shared"
    statement = {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": "lambda:InvokeFunction", "Resource": arn}
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_resource_policy(ResourceArn=arn)
    made = client.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert json.loads(client.get_policy(FunctionName="shared")["Policy"])["Statement"] == [statement]
    client.add_permission(FunctionName="shared", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    assert len(json.loads(client.get_resource_policy(ResourceArn=arn)["Policy"])["Statement"]) == 2
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.delete_resource_policy(ResourceArn=arn, RevisionId=made["RevisionId"])
    for wrong in ("{", json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": ARN + "other"}]})):
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            client.put_resource_policy(ResourceArn=arn, Policy=wrong)
    client.delete_resource_policy(ResourceArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="shared")
