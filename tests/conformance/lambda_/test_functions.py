"""Functions, versions, aliases and their settings, as the AWS Lambda API Reference describes them."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError

from tests.conformance.lambda_.world import World
from tests.lambda_.build import ECHO, package
from tests.support.python import PYTHON


def _refused(code: str, act: object, *, status: int | None = None) -> str:
    with pytest.raises(ClientError) as caught:
        act()  # type: ignore[operator]
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    assert status is None or answer["ResponseMetadata"]["HTTPStatusCode"] == status
    return str(answer["Error"]["Message"])


def test_a_new_function_shows_its_defaults(world: World) -> None:
    """Because tools compare what they want with what is shown."""
    client, name = world.client("lambda"), world.function()
    shown = client.get_function_configuration(FunctionName=name)
    assert (shown["Timeout"], shown["MemorySize"], shown["EphemeralStorage"], shown["PackageType"]) == (3, 128, {"Size": 512}, "Zip")
    assert (shown["TracingConfig"], shown["Version"], shown["State"], shown["LastUpdateStatus"]) == ({"Mode": "PassThrough"}, "$LATEST", "Active", "Successful")
    assert shown["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    assert shown["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"} and shown["Description"] == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", shown["LastModified"])
    assert client.get_function(FunctionName=name)["Code"]["RepositoryType"] == "S3"


def test_names_are_unique_and_checked(world: World) -> None:
    """Because a second function of a name would hide the first."""
    client, name = world.client("lambda"), world.function()
    wanted = {"FunctionName": name, "Runtime": PYTHON, "Handler": "index.handler", "Role": world.role, "Code": {"ZipFile": package({"index.py": ECHO})}}
    assert _refused("ResourceConflictException", lambda: client.create_function(**wanted), status=409) == f"Function already exist: {name}"
    _refused("ValidationException", lambda: client.create_function(**{**wanted, "FunctionName": "with space"}), status=400)
    _refused("ResourceNotFoundException", lambda: client.get_function(FunctionName=world.name()), status=404)


def test_settings_are_changed_one_by_one_and_guarded_by_revisions(world: World) -> None:
    """Because two deployments at once must not undo each other (RevisionId)."""
    client, name = world.client("lambda"), world.function()
    before = client.get_function_configuration(FunctionName=name)
    client.update_function_configuration(FunctionName=name, Timeout=10, Environment={"Variables": {"A_1": "b"}}, RevisionId=before["RevisionId"])
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    after = client.get_function_configuration(FunctionName=name)
    assert (after["Timeout"], after["MemorySize"], after["Environment"]) == (10, 128, {"Variables": {"A_1": "b"}})
    assert after["RevisionId"] != before["RevisionId"]
    _refused("PreconditionFailedException", lambda: client.update_function_configuration(FunctionName=name, Timeout=11, RevisionId=before["RevisionId"]), status=412)
    _refused("PreconditionFailedException", lambda: client.publish_version(FunctionName=name, RevisionId=before["RevisionId"]), status=412)
    _refused("InvalidParameterValueException", lambda: client.update_function_configuration(FunctionName=name, Environment={"Variables": {"AWS_REGION": "x"}}))


def test_versions_stay_as_they_were_published(world: World) -> None:
    """Because a version is what it was, whatever becomes of $LATEST; unchanged code makes no new one."""
    client, name = world.client("lambda"), world.function()
    first = client.publish_version(FunctionName=name, Description="one")
    assert (first["Version"], client.publish_version(FunctionName=name)["Version"]) == ("1", "1")
    client.update_function_code(FunctionName=name, ZipFile=package({"index.py": "def handler(event, context):\n    return context.function_version\n"}))
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert client.publish_version(FunctionName=name)["Version"] == "2"
    assert world.invoke(name, {"a": 1}, Qualifier="1")["Payload"] in (b'{"a": 1}', b'{"a":1}')
    answer = world.invoke(name, Qualifier="2")
    assert (answer["Payload"], answer["ExecutedVersion"], answer["StatusCode"]) == (b'"2"', "2", 200)
    assert [one["Version"] for one in client.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST", "1", "2"]
    _refused("InvalidParameterValueException", lambda: client.delete_function(FunctionName=name, Qualifier="$LATEST"))


def test_aliases(world: World) -> None:
    """Because callers name an alias, and deployments move it."""
    client, name = world.client("lambda"), world.function()
    client.publish_version(FunctionName=name)
    made = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert made["AliasArn"].endswith(f":{name}:live") and made["FunctionVersion"] == "1"
    assert world.invoke(name, Qualifier="live")["ExecutedVersion"] == "1"
    _refused("ResourceConflictException", lambda: client.create_alias(FunctionName=name, Name="live", FunctionVersion="1"), status=409)
    _refused("ResourceConflictException", lambda: client.delete_function(FunctionName=name, Qualifier="1"), status=409)
    _refused("PreconditionFailedException", lambda: client.update_alias(FunctionName=name, Name="live", Description="e", RevisionId="0" * 8 + "-0000-0000-0000-" + "0" * 12))
    assert [one["Name"] for one in client.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]] == ["live"]
    client.delete_alias(FunctionName=name, Name="live")
    _refused("ResourceNotFoundException", lambda: client.get_alias(FunctionName=name, Name="live"), status=404)


def test_invocations(world: World) -> None:
    """Because everything else is there for them: answers, failures, logs, checks."""
    client = world.client("lambda")
    name = world.function("def handler(event, context):\n    print('seen')\n    if event.get('fail'):\n        raise ValueError('as asked')\n    return event\n")
    answer = world.invoke(name, {"fail": True}, LogType="Tail")
    document = json.loads(answer["Payload"])
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (document["errorMessage"], document["errorType"]) == ("as asked", "ValueError") and answer["LogResult"]
    assert client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
    assert client.invoke_async(FunctionName=name, InvokeArgs=b"{}")["Status"] == 202
    _refused("InvalidRequestContentException", lambda: client.invoke(FunctionName=name, Payload=b"{no"), status=400)
    _refused("ResourceNotFoundException", lambda: client.invoke(FunctionName=name, Qualifier="absent"), status=404)


def test_reserved_concurrency(world: World) -> None:
    """Because zero stops a function at once."""
    client, name = world.client("lambda"), world.function()
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 0
    _refused("TooManyRequestsException", lambda: client.invoke(FunctionName=name), status=429)
    client.delete_function_concurrency(FunctionName=name)
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)


def test_settings_of_asynchronous_invocations(world: World) -> None:
    """Because Put replaces all and Update only what it names."""
    client, name = world.client("lambda"), world.function()
    _refused("ResourceNotFoundException", lambda: client.get_function_event_invoke_config(FunctionName=name))
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    client.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    shown = client.get_function_event_invoke_config(FunctionName=name)
    assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (0, 60) and shown["FunctionArn"].endswith(f":{name}:$LATEST")
    assert len(client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]) == 1
    client.delete_function_event_invoke_config(FunctionName=name)
    _refused("ResourceNotFoundException", lambda: client.delete_function_event_invoke_config(FunctionName=name), status=404)


def test_url_configurations(world: World) -> None:
    """Because a URL belongs to a function or to an alias of it."""
    client, name = world.client("lambda"), world.function()
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"], "MaxAge": 60}
    made = client.create_function_url_config(FunctionName=name, AuthType="AWS_IAM", Cors=cors)
    shown = client.get_function_url_config(FunctionName=name)
    assert (shown["FunctionUrl"], shown["AuthType"], shown["InvokeMode"], shown["Cors"]) == (made["FunctionUrl"], "AWS_IAM", "BUFFERED", cors)
    _refused("ResourceConflictException", lambda: client.create_function_url_config(FunctionName=name, AuthType="NONE"), status=409)
    client.update_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    assert client.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"][0]["InvokeMode"] == "RESPONSE_STREAM"
    client.delete_function_url_config(FunctionName=name)
    _refused("ResourceNotFoundException", lambda: client.get_function_url_config(FunctionName=name), status=404)


def test_layers_and_who_may_use_them(world: World) -> None:
    """Because a layer is shared by a policy on each of its versions."""
    client, name = world.client("lambda"), world.name()
    made = client.publish_layer_version(LayerName=name, Content={"ZipFile": package({"python/shared.py": "VALUE = 7\n"})}, CompatibleRuntimes=[PYTHON])
    function = world.function("import shared\ndef handler(event, context):\n    return shared.VALUE\n", Layers=[made["LayerVersionArn"]])
    assert world.invoke(function)["Payload"] == b"7"
    added = client.add_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*")
    assert json.loads(added["Statement"])["Sid"] == "all"
    assert "all" in client.get_layer_version_policy(LayerName=name, VersionNumber=1)["Policy"]
    client.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="all")
    _refused("ResourceNotFoundException", lambda: client.get_layer_version_policy(LayerName=name, VersionNumber=1), status=404)
    client.delete_layer_version(LayerName=name, VersionNumber=1)
    assert world.invoke(function)["Payload"] == b"7"  # What uses it goes on.


def test_tags(world: World) -> None:
    """Because costs are told apart by them."""
    client, name = world.client("lambda"), world.function(Tags={"a": "1"})
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"} == client.get_function(FunctionName=name)["Tags"]


def test_provisioned_concurrency_is_for_versions(world: World) -> None:
    """Because $LATEST changes under whatever is kept ready."""
    client, name = world.client("lambda"), world.function(Publish=True)
    _refused("InvalidParameterValueException", lambda: client.put_provisioned_concurrency_config(FunctionName=name, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1))
    _refused("ProvisionedConcurrencyConfigNotFoundException", lambda: client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1"), status=404)
    assert client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"] == []


def test_recursion_and_runtime_management(world: World) -> None:
    """Because both have defaults that every function shows."""
    client, name = world.client("lambda"), world.function()
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    assert client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")["UpdateRuntimeOn"] == "FunctionUpdate"
    assert client.get_function_code_signing_config(FunctionName=name)["FunctionName"] == name


def test_account_settings(world: World) -> None:
    """Because tools look there for what is left."""
    found = world.client("lambda").get_account_settings()
    assert found["AccountLimit"]["TotalCodeSize"] >= 80_530_636_800 and found["AccountLimit"]["CodeSizeUnzipped"] == 262_144_000
    assert found["AccountUsage"]["FunctionCount"] >= 1
