"""SnapStart, against "Improving startup performance with Lambda SnapStart"."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from tests.lambda_.build import function, invoke
from tests.support.running import Running

CODE = """
import os, random, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot

DONE = []
INITIALISED = str(uuid.uuid4())
register_before_snapshot(lambda: DONE.append("before"))
register_after_restore(lambda: DONE.append("after"))

def handler(event, context):
    return {"initialised": INITIALISED, "done": DONE, "random": random.random(), "uuid": str(uuid.uuid4()), "pid": os.getpid(), "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
"""


def _publish(cloud: Running, name: str, code: str = CODE, **settings: Any) -> Any:
    """A function whose version 1 has SnapStart."""
    function(cloud, name, code, SnapStart={"ApplyOn": "PublishedVersions"}, Timeout=20, **settings)
    published = cloud.client("lambda").publish_version(FunctionName=name)
    assert published["State"] == "Pending"
    cloud.settle()
    return cloud.client("lambda").get_function_configuration(FunctionName=name, Qualifier="1")


def test_environments_begin_where_the_snapshot_was_taken(fresh_cloud: Running) -> None:
    """Because the work of initialising is done once: each environment has its results, and chance of its own."""
    cloud = fresh_cloud
    shown = _publish(cloud, "snapped")
    assert (shown["State"], shown["SnapStart"]) == ("Active", {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"})
    client = cloud.client("lambda")
    answer = client.invoke(FunctionName="snapped", Qualifier="1", LogType="Tail")
    assert answer["StatusCode"] == 200 and "Restore Duration" in b64decode(answer["LogResult"]).decode()
    first = invoke(cloud, "snapped", Qualifier="1")
    assert first["done"] == ["before", "after"] and first["type"] == "snap-start"
    cloud.advance("20m")  # The idle environment has ended; the next one is another copy.
    second = invoke(cloud, "snapped", Qualifier="1")
    assert second["initialised"] == first["initialised"] and second["done"] == ["before", "after"]
    assert second["random"] != first["random"] and second["uuid"] != first["uuid"]
    assert client.get_function_configuration(FunctionName="snapped")["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}


def test_a_restart_takes_the_snapshot_anew(fresh_cloud: Running) -> None:
    """Because a snapshot is a process's memory, and versions stay invocable all the same."""
    cloud = fresh_cloud
    _publish(cloud, "kept")
    first = invoke(cloud, "kept", Qualifier="1")
    cloud.stop()
    cloud.start()
    second = invoke(cloud, "kept", Qualifier="1")
    assert second["initialised"] != first["initialised"] and second["done"] == ["before", "after"]


def test_a_version_that_cannot_be_initialised_fails(fresh_cloud: Running) -> None:
    """Because it must not look ready: its state says why, and invocations are refused."""
    cloud = fresh_cloud
    shown = _publish(cloud, "broken", "raise ValueError('at import')\n")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError") and "at import" in shown["StateReason"]
    client = cloud.client("lambda")
    with pytest.raises(client.exceptions.SnapStartException):
        client.invoke(FunctionName="broken", Qualifier="1")


def test_what_cannot_have_it_is_refused(cloud: Running) -> None:
    """Because a setting that would not be kept must not be accepted."""
    client = cloud.client("lambda")
    wrong = client.exceptions.InvalidParameterValueException
    with pytest.raises(wrong, match="Ephemeral storage"):
        function(cloud, "large", CODE, SnapStart={"ApplyOn": "PublishedVersions"}, EphemeralStorage={"Size": 1024})
    runtimes = [one for one in cloud.run(cloud.app.cloud.services["lambda"].environments.runtimes()) if one.startswith("provided")]
    if runtimes:
        with pytest.raises(wrong, match="is not supported for SnapStart"):
            function(cloud, "custom", CODE, Runtime=runtimes[0], SnapStart={"ApplyOn": "PublishedVersions"})
