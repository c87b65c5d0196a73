"""Counts that are kept for the bill are metrics too, without costing a request anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from haneul.metering.translation import reported_as
from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from tests.support.running import Running


def test_an_api_reports_itself_and_its_stage() -> None:
    """Because dashboards look at an API as a whole and at each of its stages."""
    assert [one.dimensions for one in reported_as("apigateway", "4XXError", "shop/prod")] == [(("ApiName", "shop"),), (("ApiName", "shop"), ("Stage", "prod"))]
    assert list(reported_as("lambda", "Requests", "Invoke")) == []


def test_log_groups_and_calls_are_counted_in_their_minute() -> None:
    """Because what arrives is AWS/Logs, and calls of the API are AWS/Usage; metric filters reach CloudWatch as the service logs does."""
    with Running(services=[CloudWatch, Iam, Logs]) as running:
        logs, client = running.client("logs"), running.client("cloudwatch")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        transformation = {"metricName": "Failures", "metricNamespace": "App", "metricValue": "1"}
        logs.put_metric_filter(logGroupName="g", filterName="f", filterPattern="ERROR", metricTransformations=[transformation])
        stamp = running.clock.now() // 10**6
        old = {"timestamp": stamp - 15 * 86_400_000, "message": "left out, and not counted"}
        events = [old, {"timestamp": stamp, "message": "ERROR x"}, {"timestamp": stamp, "message": "fine"}]
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
        running.advance("1m")
        now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)

        def total(namespace: str, metric: str, **dimensions: str) -> list[Any]:
            found = client.get_metric_statistics(
                Namespace=namespace, MetricName=metric, Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=1), Period=60, Statistics=["Sum"],
            )["Datapoints"]  # fmt: skip
            return [one["Sum"] for one in found]

        assert total("AWS/Logs", "IncomingLogEvents", LogGroupName="g") == [2]
        assert total("AWS/Usage", "CallCount", Class="None", Resource="PutLogEvents", Service="Logs", Type="API") == [1]
        assert total("App", "Failures") == [1]
