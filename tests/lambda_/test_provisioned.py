"""Provisioned concurrency, against "Configuring provisioned concurrency for a function"."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.lambda_.build import function, invoke, package
from tests.support.running import Running

SHOW = """
import os, uuid
SELF = str(uuid.uuid4())
def handler(event, context):
    return {"type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "self": SELF}
"""


def _function(cloud: Running, name: str, code: str = SHOW) -> Any:
    function(cloud, name, code, Publish=True)
    return cloud.client("lambda")


def _state(cloud: Running, name: str, qualifier: str) -> tuple[str, int, int]:
    cloud.settle()
    found = cloud.client("lambda").get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    return found["Status"], found["RequestedProvisionedConcurrentExecutions"], found["AllocatedProvisionedConcurrentExecutions"]


def test_environments_are_ready_before_the_first_request(fresh_cloud: Running) -> None:
    """Because it is paid for that nobody waits for a start: only requests by that qualifier get them."""
    client = _function(fresh_cloud, "ready")
    made = client.put_provisioned_concurrency_config(FunctionName="ready", Qualifier="1", ProvisionedConcurrentExecutions=2)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (made["Status"], made["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    assert _state(fresh_cloud, "ready", "1") == ("READY", 2, 2)
    first = invoke(fresh_cloud, "ready", Qualifier="1")
    assert first["type"] == "provisioned-concurrency" and invoke(fresh_cloud, "ready", Qualifier="1") == first
    assert invoke(fresh_cloud, "ready")["type"] == "on-demand"
    fresh_cloud.advance("30m")  # Idle ones of the others have ended; these are kept.
    assert invoke(fresh_cloud, "ready", Qualifier="1") == first
    [listed] = client.list_provisioned_concurrency_configs(FunctionName="ready")["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"].endswith(":ready:1") and listed["Status"] == "READY"


OWN_RUNTIME = """#!/usr/bin/python3 -S
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None):
    api.request(method, '/2018-06-01/runtime/invocation/' + path, body)
    answer = api.getresponse()
    answer.read()
    return answer.headers
while True:
    request_id = call('GET', 'next')['Lambda-Runtime-Aws-Request-Id']
    call('POST', f'{request_id}/response', json.dumps(os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']))
    time.sleep(0.003)
"""


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="the custom runtime is a script for /usr/bin/python3")
def test_who_calls_again_at_once_does_not_spill_over(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because a runtime is free only when it asks for its next invocation, a moment after its answer."""
    monkeypatch.setattr("haneul.services.lambda_.provisioned_environments.MOMENT_SECONDS", 20.0)  # However slow this machine is just now.
    code = package({"bootstrap": OWN_RUNTIME}, mode=0o755)
    function(fresh_cloud, "own", Runtime="provided.al2023", Handler="x", Code={"ZipFile": code}, Publish=True)
    fresh_cloud.client("lambda").put_provisioned_concurrency_config(FunctionName="own", Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert _state(fresh_cloud, "own", "1") == ("READY", 1, 1)
    assert {invoke(fresh_cloud, "own", Qualifier="1") for _ in range(9)} == {"provisioned-concurrency"}  # More than ten a second would spill over.


def test_they_are_there_again_after_a_restart(fresh_cloud: Running) -> None:
    """Because the configuration is the store's, whatever becomes of a process."""
    client = _function(fresh_cloud, "kept")
    client.put_provisioned_concurrency_config(FunctionName="kept", Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert _state(fresh_cloud, "kept", "1") == ("READY", 1, 1)
    fresh_cloud.stop()
    fresh_cloud.start()
    assert _state(fresh_cloud, "kept", "1") == ("READY", 1, 1)
    assert invoke(fresh_cloud, "kept", Qualifier="1")["type"] == "provisioned-concurrency"


def test_an_alias_takes_its_environments_along(fresh_cloud: Running) -> None:
    """Because a deployment moves the alias, and its readiness with it."""
    client = _function(fresh_cloud, "moved")
    client.create_alias(FunctionName="moved", Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(FunctionName="moved", Qualifier="live", ProvisionedConcurrentExecutions=1)
    assert _state(fresh_cloud, "moved", "live") == ("READY", 1, 1)
    before = invoke(fresh_cloud, "moved", Qualifier="live")
    client.update_function_configuration(FunctionName="moved", Timeout=7)
    client.publish_version(FunctionName="moved")
    client.update_alias(FunctionName="moved", Name="live", FunctionVersion="2")
    assert _state(fresh_cloud, "moved", "live") == ("READY", 1, 1)
    after = invoke(fresh_cloud, "moved", Qualifier="live")
    assert after["type"] == "provisioned-concurrency" and after["self"] != before["self"]
    client.delete_alias(FunctionName="moved", Name="live")
    assert client.list_provisioned_concurrency_configs(FunctionName="moved")["ProvisionedConcurrencyConfigs"] == []


def test_a_function_that_cannot_start_fails(fresh_cloud: Running) -> None:
    """Because READY must mean ready (FUNCTION_ERROR_INIT_FAILURE)."""
    client = _function(fresh_cloud, "broken", "raise ValueError('at import')\n")
    client.put_provisioned_concurrency_config(FunctionName="broken", Qualifier="1", ProvisionedConcurrentExecutions=1)
    fresh_cloud.settle()
    found = client.get_provisioned_concurrency_config(FunctionName="broken", Qualifier="1")
    assert (found["Status"], found["StatusReason"], found["AllocatedProvisionedConcurrentExecutions"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE", 0)


def test_one_that_dies_is_replaced(fresh_cloud: Running) -> None:
    """Because what is wanted stays wanted."""
    client = _function(fresh_cloud, "dies", "import os\ndef handler(event, context):\n    if event.get('die'):\n        os._exit(1)\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n")
    client.put_provisioned_concurrency_config(FunctionName="dies", Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert _state(fresh_cloud, "dies", "1") == ("READY", 1, 1)
    assert invoke(fresh_cloud, "dies", {"die": 1}, Qualifier="1")["errorType"] == "Runtime.ExitError"
    assert _state(fresh_cloud, "dies", "1") == ("READY", 1, 1)
    assert invoke(fresh_cloud, "dies", Qualifier="1") == "provisioned-concurrency"


def test_reserved_concurrency_covers_what_is_provisioned(fresh_cloud: Running) -> None:
    """Because what is kept ready comes out of the reservation; and what others keep ready is not free to be reserved."""
    client = _function(fresh_cloud, "ready")
    wrong = client.exceptions.InvalidParameterValueException

    def reserve(name: str, count: int) -> int:
        return int(client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)["ReservedConcurrentExecutions"])

    client.create_alias(FunctionName="ready", Name="live", FunctionVersion="1")
    client.put_provisioned_concurrency_config(FunctionName="ready", Qualifier="live", ProvisionedConcurrentExecutions=2)
    with pytest.raises(wrong, match=r"1 should not be lower than function's total provisioned concurrency \[2\]"):
        reserve("ready", 1)
    assert reserve("ready", 2) == 2
    client.delete_function_concurrency(FunctionName="ready")
    function(fresh_cloud, "greedy")
    with pytest.raises(wrong, match=r"below its minimum value of \[100\]"):
        reserve("greedy", 899)
    assert reserve("greedy", 898) == 898


def test_a_provisioned_alias_has_no_weights(fresh_cloud: Running) -> None:
    """Because environments are ready for one version of it: neither comes on top of the other."""
    client = _function(fresh_cloud, "split")
    wrong = client.exceptions.InvalidParameterValueException
    client.update_function_configuration(FunctionName="split", Timeout=7)
    client.publish_version(FunctionName="split")
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    client.create_alias(FunctionName="split", Name="live", FunctionVersion="1", RoutingConfig=weights)
    with pytest.raises(wrong, match="Alias with weights can not be used with Provisioned Concurrency"):
        client.put_provisioned_concurrency_config(FunctionName="split", Qualifier="live", ProvisionedConcurrentExecutions=1)
    client.update_alias(FunctionName="split", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    client.put_provisioned_concurrency_config(FunctionName="split", Qualifier="live", ProvisionedConcurrentExecutions=1)
    with pytest.raises(wrong, match="Invalid alias configuration for Provisioned Concurrency"):
        client.update_alias(FunctionName="split", Name="live", RoutingConfig=weights)
    assert "RoutingConfig" not in client.get_alias(FunctionName="split", Name="live")


def test_what_cannot_be_provisioned_is_refused(cloud: Running) -> None:
    """Because only published versions are the same for as long as they are kept ready, and concurrency is finite."""
    client = _function(cloud, "checked")
    wrong = client.exceptions.InvalidParameterValueException

    def put(qualifier: str, count: int) -> Any:
        return client.put_provisioned_concurrency_config(FunctionName="checked", Qualifier=qualifier, ProvisionedConcurrentExecutions=count)

    with pytest.raises(wrong, match="unpublished function versions"):
        put("$LATEST", 1)
    with pytest.raises(wrong, match="minimum value of"):
        put("1", 950)
    with pytest.raises(wrong, match="unreserved concurrency"):
        put("1", 2000)
    client.put_function_concurrency(FunctionName="checked", ReservedConcurrentExecutions=3)
    with pytest.raises(wrong, match="reservedConcurrentExecution"):
        put("1", 4)
    client.create_alias(FunctionName="checked", Name="live", FunctionVersion="1")
    put("live", 1)
    with pytest.raises(client.exceptions.ResourceConflictException, match="Version is pointed by"):
        put("1", 1)
    client.delete_provisioned_concurrency_config(FunctionName="checked", Qualifier="live")
    put("1", 1)
    with pytest.raises(client.exceptions.ResourceConflictException, match="already Provisioned version"):
        put("live", 1)
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName="checked", Qualifier="live")
