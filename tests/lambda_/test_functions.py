"""Functions from their creation to their end, against the Lambda API Reference."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lambda_.build import ECHO, function, invoke, package, role
from tests.lambda_.conftest import there
from tests.support.python import PYTHON
from tests.support.running import Running

ANSWER = "def handler(event, context):\n    return {answer!r}\n"


def _code(answer: Any) -> bytes:
    return package({"index.py": ANSWER.format(answer=answer)})


@pytest.mark.parametrize(("machine", "other"), [("x86_64", "arm64"), ("arm64", "x86_64")])
def test_code_for_another_architecture_is_refused(cloud: Running, machine: str, other: str) -> None:
    """Because the machine could not run it; layers only say what they are compatible with, and may say so of any."""
    client, service = cloud.client("lambda"), cloud.app.cloud.services["lambda"]
    real, service.architecture = service.architecture, machine
    try:
        made = function(cloud, f"built-for-{machine}".replace("_", "-"))
        assert made["Architectures"] == [machine]
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=f"{other} is not supported on this machine, which is {machine}. Build the code for {machine}"):
            function(cloud, "elsewhere", Architectures=[other])
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=f"{other} is not supported on this machine"):
            client.update_function_code(FunctionName=made["FunctionName"], ZipFile=package({"index.py": ECHO}), Architectures=[other])
        assert client.get_function_configuration(FunctionName=made["FunctionName"])["RevisionId"] == made["RevisionId"]
        layer = client.publish_layer_version(LayerName="both", Content={"ZipFile": package({"a": "b"})}, CompatibleArchitectures=[other])
        assert layer["CompatibleArchitectures"] == [other]
    finally:
        service.architecture = real


def test_what_is_created_can_be_seen(cloud: Running) -> None:
    """Because tools compare what they asked for with what stands."""
    client = cloud.client("lambda")
    code = package({"index.py": ECHO})
    made = function(cloud, "seen", Description="about", Timeout=7, MemorySize=512, Environment={"Variables": {"AB": "c"}}, Tags={"team": "x"})
    assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating"
    found = client.get_function(FunctionName="seen")
    shown = found["Configuration"]
    expected = {
        "FunctionName": "seen",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:seen",
        "Runtime": PYTHON,
        "Handler": "index.handler",
        "Description": "about",
        "Timeout": 7,
        "MemorySize": 512,
        "CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(),
        "CodeSize": len(code),
        "Version": "$LATEST",
        "Environment": {"Variables": {"AB": "c"}},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/seen"},
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["LastModified"].endswith("+0000") and shown["RevisionId"] == made["RevisionId"]
    assert found["Tags"] == {"team": "x"}
    with urllib.request.urlopen(found["Code"]["Location"]) as answer:
        assert answer.read() == code


def test_secrets_in_the_environment_are_sealed_at_rest(cloud: Running) -> None:
    """Because environment variables hold passwords, and data directories get copied."""
    function(cloud, "sealed", Environment={"Variables": {"PASSWORD": "correct-horse-battery"}})
    assert all(b"correct-horse-battery" not in path.read_bytes() for path in (cloud.data_dir / "store").iterdir())


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"Runtime": "cobol1"}, "ValidationException", "1 validation error detected: Value 'cobol1' at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["),
        ({"Runtime": "dotnet8"}, "InvalidParameterValueException", "The runtime parameter of dotnet8 is not supported on this machine. It has these runtimes: "),
        ({"Role": "arn:aws:iam::000000000000:role/nobody"}, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."),
        ({"Role": "arn:aws:iam::111111111111:role/functions"}, "AccessDeniedException", "Cross-account pass role is not allowed."),
        ({"Timeout": 901}, "ValidationException", "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"),
        ({"MemorySize": 10241}, "ValidationException", "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint"),
        ({"EphemeralStorage": {"Size": 10241}}, "ValidationException", "1 validation error detected: Value '10241' at 'ephemeralStorage.size'"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys"),
        ({"Environment": {"Variables": {"A1": "x" * 4096}}}, "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit."),
        ({"Code": {"ZipFile": b"junk"}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        ({"Code": {"S3Bucket": "no-such-bucket", "S3Key": "k"}}, "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: "),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:none:1"]}, "InvalidParameterValueException", "Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist."),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "NotImplemented", "Haneul does not implement the parameter VpcConfig of lambda:CreateFunction"),
    ],
)
def test_what_cannot_be_created(cloud: Running, change: dict[str, Any], code: str, message: str) -> None:
    """Because a function that could not run is refused when it is made, and leaves nothing."""
    with pytest.raises(ClientError) as caught:
        function(cloud, "refused", **change)
    assert caught.value.response["Error"]["Code"] == code and caught.value.response["Error"]["Message"].startswith(message)
    with pytest.raises(cloud.client("lambda").exceptions.ResourceNotFoundException):
        cloud.client("lambda").get_function(FunctionName="refused")


def test_a_name_is_taken_once(cloud: Running) -> None:
    """Because create never overwrites."""
    function(cloud, "once")
    with pytest.raises(cloud.client("lambda").exceptions.ResourceConflictException, match="Function already exist: once"):
        function(cloud, "once")


def test_code_comes_from_s3_with_the_callers_permission(cloud: Running) -> None:
    """Because deployment tools upload packages to a bucket first."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="code.zip", Body=_code("from s3"))
    function(cloud, "from-s3", Code={"S3Bucket": "packages", "S3Key": "code.zip"})
    assert invoke(cloud, "from-s3") == "from s3"


def test_new_code_runs_at_the_next_invocation(cloud: Running) -> None:
    """Because a warm environment of the old code must not answer for the new one."""
    client = cloud.client("lambda")
    function(cloud, "moves", ANSWER.format(answer=1))
    assert invoke(cloud, "moves") == 1
    before = client.get_function_configuration(FunctionName="moves")
    dry = client.update_function_code(FunctionName="moves", ZipFile=_code(2), DryRun=True)
    assert dry["RevisionId"] == before["RevisionId"] and invoke(cloud, "moves") == 1
    made = client.update_function_code(FunctionName="moves", ZipFile=_code(2))
    assert made["LastUpdateStatus"] == "InProgress" and made["RevisionId"] != before["RevisionId"]
    assert invoke(cloud, "moves") == 2
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.update_function_code(FunctionName="moves", ZipFile=_code(3), RevisionId=before["RevisionId"])


def test_a_new_configuration_counts_at_the_next_invocation(cloud: Running) -> None:
    """Because environment variables are read by environments that start after the change."""
    client = cloud.client("lambda")
    function(cloud, "reads", "import os\ndef handler(event, context):\n    return [os.environ.get('AA'), context.memory_limit_in_mb]\n", Environment={"Variables": {"AA": "x"}})
    assert invoke(cloud, "reads") == ["x", "128"]
    client.update_function_configuration(FunctionName="reads", Environment={"Variables": {"AA": "y"}}, MemorySize=256)
    assert invoke(cloud, "reads") == ["y", "256"]
    shown = client.get_function_configuration(FunctionName="reads")
    assert shown["Environment"] == {"Variables": {"AA": "y"}} and shown["Handler"] == "index.handler"


def test_deletion_removes_everything_that_belongs_to_a_function(fresh_cloud: Running) -> None:
    """Because a name that is used again must begin empty, and code that nobody uses must not fill the disk."""
    client = fresh_cloud.client("lambda")
    function(fresh_cloud, "gone")
    invoke(fresh_cloud, "gone")
    version = client.publish_version(FunctionName="gone")["Version"]
    client.create_alias(FunctionName="gone", Name="live", FunctionVersion=version)
    client.add_permission(FunctionName="gone", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    client.create_function_url_config(FunctionName="gone", AuthType="NONE")
    client.put_function_concurrency(FunctionName="gone", ReservedConcurrentExecutions=10)
    assert client.get_account_settings()["AccountUsage"]["FunctionCount"] == 1
    assert client.delete_function(FunctionName="gone")["ResponseMetadata"]["HTTPStatusCode"] == 204
    fresh_cloud.settle()
    usage = client.get_account_settings()
    assert usage["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    assert usage["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
    assert list((fresh_cloud.data_dir / "functions" / "code").iterdir()) == []
    assert [path for path in (fresh_cloud.data_dir / "blobs").rglob("*") if path.is_file()] == []
    function(fresh_cloud, "gone")
    assert client.list_aliases(FunctionName="gone")["Aliases"] == []
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="gone")


def test_lists_come_in_pages(fresh_cloud: Running) -> None:
    """Because a page costs what it holds, however many functions there are."""
    client = fresh_cloud.client("lambda")
    for number in range(5):
        function(fresh_cloud, f"f{number}")
    client.publish_version(FunctionName="f1")
    names = [one["FunctionName"] for page in client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}) for one in page["Functions"]]
    assert names == [f"f{number}" for number in range(5)]
    listed = client.list_functions(FunctionVersion="ALL")["Functions"]
    everything = [(one["FunctionName"], one["Version"]) for one in listed]
    # Of a list one sees what functions are made of; how they are, GetFunction tells of each.
    shown = client.get_function_configuration(FunctionName=listed[0]["FunctionName"], Qualifier=listed[0]["Version"])
    assert shown.keys() - {"ResponseMetadata"} - listed[0].keys() == {"State", "LastUpdateStatus", "RuntimeVersionConfig"}
    assert ("f1", "1") in everything and ("f1", "$LATEST") in everything and len(everything) == 6


def test_functions_survive_a_restart(tmp_path: Path) -> None:
    """Because they are state."""
    cloud = Running(data_dir=tmp_path, services=there()).start()
    function(cloud, "stays", ANSWER.format(answer="still here"), Role=role(cloud))
    cloud.stop()
    leftover = tmp_path / "functions" / "code" / ("0" * 64)
    leftover.mkdir()
    cloud.start()
    assert invoke(cloud, "stays") == "still here"
    assert not leftover.exists(), "what a crash left between unpacking and its transaction"
    cloud.stop()


def test_accounts_and_regions_are_apart(cloud: Running) -> None:
    """Because one must never see another's."""
    function(cloud, "mine")
    for client in (cloud.client("lambda", region="eu-west-1"), cloud.client("lambda", key="222222222222")):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName="mine")
        assert client.list_functions()["Functions"] == []


def test_versions_are_snapshots(cloud: Running) -> None:
    """Because what was published must answer the same for ever."""
    client = cloud.client("lambda")
    function(cloud, "many", ANSWER.format(answer="one"))
    first = client.publish_version(FunctionName="many", Description="first")
    assert first["Version"] == "1" and first["FunctionArn"].endswith(":many:1")
    assert client.publish_version(FunctionName="many")["Version"] == "1", "unchanged code is no new version"
    second = client.update_function_code(FunctionName="many", ZipFile=_code("two"), Publish=True)
    assert second["Version"] == "2"
    answers = {qualifier: json.loads(client.invoke(FunctionName="many", Qualifier=qualifier)["Payload"].read()) for qualifier in ("1", "2", "$LATEST")}
    assert answers == {"1": "one", "2": "two", "$LATEST": "two"}
    assert [one["Version"] for one in client.list_versions_by_function(FunctionName="many")["Versions"]] == ["$LATEST", "1", "2"]
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="is different from current CodeSHA256"):
        client.publish_version(FunctionName="many", CodeSha256=first["CodeSha256"])
    client.create_alias(FunctionName="many", Name="live", FunctionVersion="1")
    for name in ("many:1", "many:live"):
        for change, params in ((client.update_function_code, {"ZipFile": _code("three")}), (client.update_function_configuration, {"Timeout": 9}), (client.publish_version, {})):
            with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"Current operation does not support versions other than \$LATEST"):
                change(FunctionName=name, **params)
    assert client.update_function_configuration(FunctionName="many:$LATEST", Timeout=9)["Version"] == "$LATEST"
    client.delete_alias(FunctionName="many", Name="live")
    client.delete_function(FunctionName="many", Qualifier="1")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="many", Qualifier="1")
    assert invoke(cloud, "many") == "two"


def test_nothing_new_is_published_when_nothing_has_changed(cloud: Running) -> None:
    """Because deployment tools write the same code and settings again and again, and versions would pile up."""
    client = cloud.client("lambda")
    settings = {"Timeout": 5, "Description": "the same", "Environment": {"Variables": {"LEVEL": "1"}}}
    function(cloud, "steady", **settings)

    def publish(**more: Any) -> str:
        return str(client.publish_version(FunctionName="steady", **more)["Version"])

    assert publish(Description="first") == "1"
    assert client.update_function_code(FunctionName="steady", ZipFile=package({"index.py": ECHO}), Publish=True)["Version"] == "1"
    client.update_function_configuration(FunctionName="steady", **settings)
    assert publish() == publish(Description="second") == "1"
    assert client.get_function_configuration(FunctionName="steady", Qualifier="1")["Description"] == "first"
    for number, change in enumerate(({"Environment": {"Variables": {"LEVEL": "2"}}}, {"Description": "another"}, {"Timeout": 6}), start=2):
        client.update_function_configuration(FunctionName="steady", **change)
        assert publish() == publish() == str(number)
    client.update_function_code(FunctionName="steady", ZipFile=_code("new"))
    assert publish() == "5"
    assert [one["Version"] for one in client.list_versions_by_function(FunctionName="steady")["Versions"]] == ["$LATEST", "1", "2", "3", "4", "5"]


def test_weights_that_stay_are_checked_against_a_new_version(cloud: Running) -> None:
    """Because an alias would share invocations with itself, or with $LATEST, if only the version it points to were looked at."""
    client = cloud.client("lambda")
    wrong = client.exceptions.InvalidParameterValueException
    function(cloud, "weighted", Publish=True)
    client.update_function_code(FunctionName="weighted", ZipFile=_code("two"), Publish=True)
    client.create_alias(FunctionName="weighted", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    with pytest.raises(wrong, match="is already included in routing configuration"):
        client.update_alias(FunctionName="weighted", Name="live", FunctionVersion="2")
    with pytest.raises(wrong, match=r"\$LATEST is not supported for an alias pointing to more than 1 version"):
        client.update_alias(FunctionName="weighted", Name="live", FunctionVersion="$LATEST")
    assert client.get_alias(FunctionName="weighted", Name="live")["FunctionVersion"] == "1"


def test_aliases_point_and_share(cloud: Running) -> None:
    """Because releases are moved by aliases, and tried out by weights."""
    client = cloud.client("lambda")
    function(cloud, "aliased", ANSWER.format(answer="one"), Publish=True)
    client.update_function_code(FunctionName="aliased", ZipFile=_code("two"), Publish=True)
    made = client.create_alias(FunctionName="aliased", Name="live", FunctionVersion="1")
    assert made["AliasArn"].endswith(":function:aliased:live")
    answer = client.invoke(FunctionName="aliased:live")
    assert json.loads(answer["Payload"].read()) == "one" and answer["ExecutedVersion"] == "1"
    with pytest.raises(client.exceptions.ResourceConflictException, match="is referenced by alias"):
        client.delete_function(FunctionName="aliased", Qualifier="1")
    client.update_alias(FunctionName="aliased", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = {client.invoke(FunctionName="aliased", Qualifier="live")["ExecutedVersion"] for _ in range(40)}
    assert seen == {"1", "2"}
    client.update_alias(FunctionName="aliased", Name="live", FunctionVersion="2", RoutingConfig={})
    assert client.invoke(FunctionName="aliased:live")["ExecutedVersion"] == "2"
    client.delete_alias(FunctionName="aliased", Name="live")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:aliased:live"):
        client.get_alias(FunctionName="aliased", Name="live")


def test_layers_lie_under_opt_and_outlive_their_deletion(cloud: Running) -> None:
    """Because a function keeps the content that it was made with."""
    client = cloud.client("lambda")
    for text in ("'first'", "'second'"):
        layer = client.publish_layer_version(
            LayerName="shared", Content={"ZipFile": package({"python/shared.py": f"NAME = {text}\n"})}, CompatibleRuntimes=[PYTHON], Description="common"
        )
    assert layer["Version"] == 2 and layer["LayerVersionArn"].endswith(":layer:shared:2")
    function(cloud, "layered", "import shared\ndef handler(event, context):\n    return shared.NAME\n", Layers=[layer["LayerVersionArn"]])
    client.delete_layer_version(LayerName="shared", VersionNumber=2)
    assert invoke(cloud, "layered") == "second"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_layer_version(LayerName="shared", VersionNumber=2)
    assert [one["Version"] for one in client.list_layer_versions(LayerName="shared")["LayerVersions"]] == [1]
    [listed] = client.list_layers(CompatibleRuntime=PYTHON)["Layers"]
    assert listed["LatestMatchingVersion"]["Version"] == 1
    with urllib.request.urlopen(client.get_layer_version(LayerName="shared", VersionNumber=1)["Content"]["Location"]) as answer:
        assert answer.read() == package({"python/shared.py": "NAME = 'first'\n"})


def test_reserved_concurrency_leaves_a_hundred_for_the_others(cloud: Running) -> None:
    """Because AWS keeps 100 of an account's concurrency unreserved."""
    client = cloud.client("lambda")
    function(cloud, "reserves")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"below its minimum value of \[100\]"):
        client.put_function_concurrency(FunctionName="reserves", ReservedConcurrentExecutions=901)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="permitted on Lambda functions only"):
        client.put_function_concurrency(FunctionName="reserves:$LATEST", ReservedConcurrentExecutions=1)
    client.put_function_concurrency(FunctionName="reserves", ReservedConcurrentExecutions=900)
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    client.delete_function_concurrency(FunctionName="reserves")


def test_tags_are_kept_on_functions(cloud: Running) -> None:
    """Because bills and permissions go by them."""
    client = cloud.client("lambda")
    arn = function(cloud, "tagged", Tags={"a": "1"})["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
