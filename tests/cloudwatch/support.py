"""Short ways to say what the tests of CloudWatch say often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import Running


def minute(running: Running, ago: float = 0) -> datetime:
    """The start of the minute that was `ago` minutes ago."""
    return datetime.fromtimestamp(running.clock.now() // 60_000_000_000 * 60, UTC) - timedelta(minutes=ago)


def put(running: Running, namespace: str, *data: dict[str, Any]) -> None:
    running.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=list(data))


def query(name: str, namespace: str, metric: str, stat: str = "Sum", period: int = 60, returned: bool = False) -> dict[str, Any]:
    return {"Id": name, "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": metric}, "Period": period, "Stat": stat}, "ReturnData": returned}


def refused(code: str, operation: Any, **params: Any) -> str:
    """The message of the error `code` that the call ends in."""
    with pytest.raises(ClientError) as caught:
        operation(**params)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response["Error"]
    return str(caught.value.response["Error"]["Message"])
