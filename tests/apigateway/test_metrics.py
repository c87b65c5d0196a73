"""What the gateway reports of its requests, against "Amazon API Gateway dimensions and metrics"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from haneul.services.apigateway.service import ApiGateway
from haneul.services.cloudwatch.service import CloudWatch
from tests.apigateway.fakes import FakeLambda
from tests.apigateway.support import deploy, fake_lambda, make_api, send
from tests.support.running import Running


def samples(cloud: Running, now: datetime, metric: str, **dimensions: str) -> float:
    """How many values a metric has around `now`."""
    times = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5), "Period": 60, "Statistics": ["SampleCount"]}
    wanted = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    found = cloud.client("cloudwatch").get_metric_statistics(Namespace="AWS/ApiGateway", MetricName=metric, Dimensions=wanted, **times)
    return sum(point["SampleCount"] for point in found["Datapoints"])


def test_methods_have_metrics_where_the_stage_enables_them() -> None:
    """A method whose settings say metricsEnabled has metrics of its own, beside those of its API and stage; another has none."""
    with Running(services=[ApiGateway, FakeLambda, CloudWatch]) as cloud:
        fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 404}
        gateway = cloud.client("apigateway")
        api = make_api(gateway, {"/a": {"GET": {"function": "f"}}, "/b": {"GET": {"function": "f"}}})
        deploy(gateway, api)
        gateway.update_stage(restApiId=api, stageName="prod", patchOperations=[{"op": "replace", "path": "/~1a/GET/metrics/enabled", "value": "true"}])
        for path in ("/prod/a", "/prod/a", "/prod/b"):
            assert send(cloud, api, path).status == 404
        now = datetime.fromtimestamp(cloud.clock.seconds(), UTC)

        def counted(metric: str, resource: str) -> float:
            return samples(cloud, now, metric, ApiName="test", Stage="prod", Method="GET", Resource=resource)

        assert [counted(metric, "/a") for metric in ("Count", "Latency", "IntegrationLatency", "4XXError", "5XXError")] == [2, 2, 2, 2, 0]
        assert counted("Count", "/b") == 0


def test_latencies() -> None:
    """Of the whole, for every request; of the backend, for those that reached it."""
    with Running(services=[ApiGateway, FakeLambda, CloudWatch]) as cloud:
        fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 200}
        gateway = cloud.client("apigateway")
        api = make_api(gateway, {"/a": {"GET": {"function": "f"}}})
        deploy(gateway, api)
        assert [send(cloud, api, path).status for path in ("/prod/a", "/prod/a", "/prod/missing")] == [200, 200, 403]
        now = datetime.fromtimestamp(cloud.clock.seconds(), UTC)
        for place in ({"ApiName": "test"}, {"ApiName": "test", "Stage": "prod"}):
            assert (samples(cloud, now, "Latency", **place), samples(cloud, now, "IntegrationLatency", **place)) == (3, 2)
