"""What CloudWatch shows of functions, against "Types of metrics for Lambda functions"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.lambda_.build import function, invoke
from tests.support.running import Running

FAIL = "def handler(event, context):\n    if event.get('fail'):\n        raise ValueError('as asked')\n"


def _sums(cloud: Running, metric: str, statistic: str = "Sum", **dimensions: str) -> float | None:
    end = datetime.fromtimestamp(cloud.clock.now() / 1e9, UTC) + timedelta(minutes=2)
    found: list[Any] = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=end - timedelta(hours=1),
        EndTime=end,
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return found[0][statistic] if found else None


def test_invocations_errors_and_durations(fresh_cloud: Running) -> None:
    """Because alarms are made of them, by function and by qualifier."""
    cloud = fresh_cloud
    function(cloud, "metered", FAIL, Publish=True)
    client = cloud.client("lambda")
    client.create_alias(FunctionName="metered", Name="live", FunctionVersion="1")
    for event in ({}, {}, {"fail": True}):
        invoke(cloud, "metered", event)
    invoke(cloud, "metered", {}, Qualifier="live")
    cloud.advance("1m")
    assert _sums(cloud, "Invocations", FunctionName="metered") == 4
    assert _sums(cloud, "Errors", FunctionName="metered") == 1
    assert _sums(cloud, "Invocations", FunctionName="metered", Resource="metered:live") == 1
    assert _sums(cloud, "Invocations", FunctionName="metered", Resource="metered") == 3
    assert _sums(cloud, "Invocations") == 4
    assert _sums(cloud, "Throttles", FunctionName="metered") == 0
    assert _sums(cloud, "ConcurrentExecutions", "Maximum", FunctionName="metered") == 1
    assert (_sums(cloud, "Duration", "Maximum", FunctionName="metered") or 0) > 0
    client.put_function_concurrency(FunctionName="metered", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        invoke(cloud, "metered")
    cloud.advance("1m")
    assert _sums(cloud, "Throttles", FunctionName="metered") == 1


def test_asynchronous_events(fresh_cloud: Running) -> None:
    """Because nobody waits for them, metrics are all that tells how they fare."""
    cloud = fresh_cloud
    function(cloud, "later", FAIL)
    client = cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName="later", MaximumRetryAttempts=0)
    for payload in (b"{}", b'{"fail": 1}'):
        client.invoke(FunctionName="later", InvocationType="Event", Payload=payload)
    cloud.settle()
    cloud.advance("1m")
    assert _sums(cloud, "AsyncEventsReceived", FunctionName="later") == 2
    assert _sums(cloud, "AsyncEventsDropped", FunctionName="later") == 1
    assert _sums(cloud, "AsyncEventAge", "Maximum", FunctionName="later") == 0


def test_weighted_aliases_show_what_ran(fresh_cloud: Running) -> None:
    """Because a canary is judged by its version's own errors (dimension ExecutedVersion)."""
    cloud = fresh_cloud
    function(cloud, "canary", FAIL, Publish=True)
    client = cloud.client("lambda")
    client.update_function_configuration(FunctionName="canary", Timeout=9)
    client.publish_version(FunctionName="canary")
    client.create_alias(FunctionName="canary", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    for _ in range(16):
        invoke(cloud, "canary", {}, Qualifier="live")
    cloud.advance("1m")
    shares = [_sums(cloud, "Invocations", ExecutedVersion=one, FunctionName="canary", Resource="canary:live") or 0 for one in ("1", "2")]
    assert sum(shares) == 16 and all(shares)
