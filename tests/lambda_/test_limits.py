"""Every quota of the page "Lambda quotas", at its edge: what just fits is taken, what does not is refused in words that name the limit.

What holds inside of an environment (memory, /tmp, processes, files, answers) is in tests/runtime/test_limits.py, rates are in test_rates.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.core.errors import NotBuilt, ServiceError
from haneul.services.lambda_.code import fetch_package
from haneul.services.lambda_.limits import ASYNC_PAYLOAD_BYTES_MAX, CODE_STORAGE_BYTES_MAX, CODE_ZIPPED_BYTES_MAX, PAYLOAD_BYTES_MAX
from haneul.services.lambda_.records import storage_key
from haneul.store.port import Transaction
from haneul.store.records import encode
from tests.lambda_.build import ECHO, function, package
from tests.support.python import PYTHON
from tests.support.running import ACCOUNT, REGION, Running

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
GB, MINUTE = 1024, 60


def _unchecked(cloud: Running) -> Any:
    """A client that sends what its own model would refuse."""
    return cloud.client("lambda", parameter_validation=False)


def _refusal(call: Any, *arguments: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **params)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


@pytest.mark.parametrize(
    ("setting", "place", "limit"),
    [
        ({"MemorySize": 127}, "memorySize", "greater than or equal to 128"),
        ({"MemorySize": 10_241}, "memorySize", "less than or equal to 10240"),
        ({"MemorySize": 30 * GB}, "memorySize", "less than or equal to 10240"),
        ({"Timeout": 0}, "timeout", "greater than or equal to 1"),
        ({"Timeout": 901}, "timeout", "less than or equal to 900"),
        ({"Timeout": 30 * MINUTE}, "timeout", "less than or equal to 900"),
        ({"EphemeralStorage": {"Size": 511}}, "ephemeralStorage.size", "greater than or equal to 512"),
        ({"EphemeralStorage": {"Size": 10_241}}, "ephemeralStorage.size", "less than or equal to 10240"),
    ],
)
def test_what_is_too_small_or_too_large_names_its_limit(cloud: Running, setting: dict[str, Any], place: str, limit: str) -> None:
    """Because a workload of 30 GB or 30 minutes belongs elsewhere, and the error is where its owner learns that; an update is checked, too."""
    client = _unchecked(cloud)
    made = function(cloud, "edges") if "edges" not in [one["FunctionName"] for one in client.list_functions()["Functions"]] else {}
    params = {"FunctionName": "refused", "Runtime": PYTHON, "Handler": "index.handler", "Role": f"arn:aws:iam::{ACCOUNT}:role/functions", "Code": {"ZipFile": package({"index.py": ECHO})}}
    for refused in (_refusal(client.create_function, **params, **setting), _refusal(client.update_function_configuration, FunctionName="edges", **setting)):
        code, status, message = refused
        assert (code, status) == ("ValidationException", 400)
        assert f"'{place}' failed to satisfy constraint: Member must have value {limit}" in message
    shown = client.get_function_configuration(FunctionName="edges")
    assert not made or shown["RevisionId"] == made["RevisionId"]


def test_the_largest_and_the_smallest_function_are_taken(cloud: Running) -> None:
    """Because limits are inclusive."""
    made = function(cloud, "largest", MemorySize=10_240, Timeout=900, EphemeralStorage={"Size": 10_240})
    assert (made["MemorySize"], made["Timeout"], made["EphemeralStorage"]) == (10_240, 900, {"Size": 10_240})
    made = function(cloud, "smallest", MemorySize=128, Timeout=1, EphemeralStorage={"Size": 512})
    assert (made["MemorySize"], made["Timeout"], made["EphemeralStorage"]) == (128, 1, {"Size": 512})


def test_environment_variables_hold_four_kilobytes(cloud: Running) -> None:
    """Because names, values and the JSON around them count together."""
    room = 4096 - len('{"NAME":""}')
    function(cloud, "full-environment", Environment={"Variables": {"NAME": "x" * room}})
    client = cloud.client("lambda")
    code, status, message = _refusal(client.update_function_configuration, FunctionName="full-environment", Environment={"Variables": {"NAME": "x" * (room + 1)}})
    assert (code, status) == ("InvalidParameterValueException", 400) and "exceeded the 4KB limit" in message


async def test_a_zip_may_have_fifty_megabytes() -> None:
    """Because larger ones come from S3; the message counts in base64, as the real one does."""
    package_ = b"x" * CODE_ZIPPED_BYTES_MAX
    assert await fetch_package(None, {"ZipFile": package_}, "CreateFunction") == package_  # type: ignore[arg-type]
    with pytest.raises(ServiceError) as caught:
        await fetch_package(None, {"ZipFile": package_ + b"x"}, "CreateFunction")  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.status) == ("RequestEntityTooLargeException", 413)
    assert caught.value.message == "Request must be smaller than 69905068 bytes for the CreateFunction operation"


def test_code_and_layers_have_250_megabytes_together(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because they are mounted together, whether the layers come with the function or later (tried with a smaller limit)."""
    monkeypatch.setattr("haneul.services.lambda_.configuration.CODE_UNZIPPED_BYTES_MAX", 1000)
    client = cloud.client("lambda")
    layers = [client.publish_layer_version(LayerName=f"l{number}", Content={"ZipFile": package({"data": "x" * 450})})["LayerVersionArn"] for number in range(2)]
    code, _, message = _refusal(function, cloud, "heavy", "x" * 101, Layers=layers)
    assert code == "InvalidParameterValueException"
    assert message == "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. The actual size is 1001 bytes."
    function(cloud, "heavy", "#" * 100, Layers=layers)
    assert "The actual size is 1001 bytes" in _refusal(client.update_function_code, FunctionName="heavy", ZipFile=package({"index.py": "x" * 101}))[2]
    layers.append(client.publish_layer_version(LayerName="l2", Content={"ZipFile": package({"data": "x"})})["LayerVersionArn"])
    assert "The actual size is 1001 bytes" in _refusal(client.update_function_configuration, FunctionName="heavy", Layers=layers)[2]


def test_a_function_has_five_layers(cloud: Running) -> None:
    """Because that is how many are merged below /opt."""
    client = cloud.client("lambda")
    layers = [client.publish_layer_version(LayerName=f"five{number}", Content={"ZipFile": package({"a": "x"})})["LayerVersionArn"] for number in range(6)]
    assert len(function(cloud, "layered", Layers=layers[:5])["Layers"]) == 5
    refused = _refusal(client.update_function_configuration, FunctionName="layered", Layers=layers)
    assert refused[0] == "InvalidParameterValueException" and refused[2] == "Cannot reference more than 5 layers."


def test_code_storage_ends_at_75_gigabytes(fresh_cloud: Running) -> None:
    """Because every version and layer counts, by account and region."""
    cloud = fresh_cloud
    client = cloud.client("lambda")
    space = ("lambda", ACCOUNT, REGION)
    size = len(package({"index.py": ECHO}))

    def fill(tx: Transaction) -> None:
        tx.put(storage_key(space), encode(CODE_STORAGE_BYTES_MAX - size))

    cloud.run(cloud.app.cloud.store.transact(fill))
    function(cloud, "last")
    assert client.get_account_settings()["AccountUsage"]["TotalCodeSize"] == CODE_STORAGE_BYTES_MAX == client.get_account_settings()["AccountLimit"]["TotalCodeSize"]
    for refused in (
        _refusal(client.publish_version, FunctionName="last"),
        _refusal(client.publish_layer_version, LayerName="more", Content={"ZipFile": package({"a": "x"})}),
        _refusal(function, cloud, "more", "x"),
    ):
        assert refused == ("CodeStorageExceededException", 400, "Code storage limit exceeded.")
    assert [one["FunctionName"] for one in client.list_functions()["Functions"]] == ["last"]
    assert len(list((cloud.data_dir / "functions" / "code").iterdir())) == 1, "what was refused leaves nothing on the disk"
    client.delete_function(FunctionName="last")
    cloud.settle()
    function(cloud, "again")


@pytest.mark.parametrize(("kind", "limit"), [("RequestResponse", PAYLOAD_BYTES_MAX), ("Event", ASYNC_PAYLOAD_BYTES_MAX)])
def test_events_have_six_megabytes_or_one(cloud: Running, kind: str, limit: int) -> None:
    """Because an event that waits is kept, and one that does not is only passed on."""
    client = cloud.client("lambda")
    name = f"takes-{kind}"
    function(cloud, name, "def handler(event, context):\n    return len(event)\n")
    answer = client.invoke(FunctionName=name, InvocationType=kind, Payload=b'"' + b"x" * (limit - 2) + b'"')
    assert answer["StatusCode"] == (200 if kind == "RequestResponse" else 202)
    refused = _refusal(client.invoke, FunctionName=name, InvocationType=kind, Payload=b'"' + b"x" * (limit - 1) + b'"')
    assert refused == ("RequestTooLargeException", 413, f"Request must be smaller than {limit} bytes for the InvokeFunction operation")
    cloud.settle()


def test_the_older_form_of_asynchronous_invocation_has_one_megabyte(cloud: Running) -> None:
    """Because InvokeAsync is the same queue."""
    client = cloud.client("lambda")
    function(cloud, "older")
    assert client.invoke_async(FunctionName="older", InvokeArgs=b"{}")["Status"] == 202
    assert _refusal(client.invoke_async, FunctionName="older", InvokeArgs=b'"' + b"x" * ASYNC_PAYLOAD_BYTES_MAX + b'"')[:2] == ("RequestTooLargeException", 413)
    cloud.settle()


def test_fifty_tags(cloud: Running) -> None:
    """Because functions and mappings have as many as everything else."""
    client = cloud.client("lambda")
    tags = {f"t{number}": "x" for number in range(51)}
    assert _refusal(function, cloud, "tagged", Tags=tags)[2] == "Limit of 50 tags exceeded."
    arn = function(cloud, "tagged", Tags=dict(list(tags.items())[:50]))["FunctionArn"]
    assert _refusal(client.tag_resource, Resource=arn, Tags={"one": "more"})[2] == "Limit of 50 tags exceeded."
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:tagged"
    cloud.client("sqs").create_queue(QueueName="tagged")
    assert _refusal(client.create_event_source_mapping, FunctionName="tagged", EventSourceArn=queue, Tags=tags)[2] == "Limit of 50 tags exceeded."


def test_a_policy_has_twenty_kilobytes(cloud: Running) -> None:
    """Because it is read at every call."""
    client = cloud.client("lambda")
    function(cloud, "shared")
    with pytest.raises(client.exceptions.PolicyLengthExceededException):
        for number in range(200):
            client.add_permission(FunctionName="shared", StatementId=f"s{number}", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::" + "b" * 63)
    assert 15_000 < len(client.get_policy(FunctionName="shared")["Policy"]) <= 20_480


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"}, "KMSKeyArn"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "VpcConfig"),
        ({"FileSystemConfigs": [{"Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-12345678901234567", "LocalMountPath": "/mnt/a"}]}, "FileSystemConfigs"),
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "TenancyConfig"),
        ({"DurableConfig": {"ExecutionTimeout": 60, "RetentionPeriodInDays": 1}}, "DurableConfig"),
    ],
)
def test_what_this_cloud_does_not_have_is_refused_by_name(cloud: Running, change: dict[str, Any], names: str) -> None:
    """Because a setting that were swallowed would be a lie about security or storage; updates refuse it as well."""
    client = cloud.client("lambda")
    if "plain" not in [one["FunctionName"] for one in client.list_functions()["Functions"]]:
        function(cloud, "plain")
    refusals = [_refusal(function, cloud, "refused", **change)]
    if names != "TenancyConfig":  # Which only a new function can have.
        refusals.append(_refusal(client.update_function_configuration, FunctionName="plain", **change))
    for code, status, message in refusals:
        assert (code, status) == ("NotImplemented", 501) and names in message


@pytest.mark.parametrize("change", [{"SourceKMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"}, {"S3ObjectStorageMode": "REFERENCE"}])
async def test_packages_are_copied_and_not_sealed_by_foreign_keys(change: dict[str, str]) -> None:
    """Because these are promises about where code lies."""
    with pytest.raises(NotBuilt, match=next(iter(change))):
        await fetch_package(None, {"ZipFile": b"", **change}, "CreateFunction")  # type: ignore[arg-type]


def test_destinations_that_do_not_exist_yet_are_refused(cloud: Running) -> None:
    """Because a record that goes nowhere is an event lost without a word."""
    client = cloud.client("lambda")
    if "reports" not in [one["FunctionName"] for one in client.list_functions()["Functions"]]:
        function(cloud, "reports")
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    for side in ("OnSuccess", "OnFailure"):
        code, status, message = _refusal(client.put_function_event_invoke_config, FunctionName="reports", DestinationConfig={side: {"Destination": arn}})
        assert (code, status) == ("NotImplemented", 501) and "destinations of the service events" in message
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function_event_invoke_config(FunctionName="reports")


def test_what_needs_a_capacity_provider_answers_501(cloud: Running) -> None:
    """Because machines that are bought for functions are nobody's here; the answer names the operation."""
    client = cloud.client("lambda")
    function(cloud, "scaled", Publish=True)
    for call, params, name in [
        (client.put_function_scaling_config, {"FunctionName": "scaled", "Qualifier": "1", "FunctionScalingConfig": {"MinExecutionEnvironments": 1}}, "PutFunctionScalingConfig"),
        (client.get_function_scaling_config, {"FunctionName": "scaled", "Qualifier": "1"}, "GetFunctionScalingConfig"),
        (client.list_capacity_providers, {}, "ListCapacityProviders"),
        (client.list_durable_executions_by_function, {"FunctionName": "scaled"}, "ListDurableExecutionsByFunction"),
    ]:
        code, status, message = _refusal(call, **params)
        assert (code, status) == ("NotImplemented", 501) and f"lambda:{name}" in message
    for publish, params in [(client.publish_version, {}), (client.update_function_code, {"ZipFile": package({"index.py": ECHO})})]:
        assert _refusal(publish, FunctionName="scaled", PublishTo="LATEST_PUBLISHED", **params)[2] == "PublishTo requires a capacity provider."
