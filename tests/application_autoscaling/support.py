"""A table that is scaled, and the load on it."""

from __future__ import annotations

from typing import Any

from tests.support.running import ACCOUNT, REGION, Running

WRITES = {"ServiceNamespace": "dynamodb", "ResourceId": "table/tab", "ScalableDimension": "dynamodb:table:WriteCapacityUnits"}
UTILIZATION = {"PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}}


def make_table(running: Running, name: str = "tab") -> None:
    running.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    running.advance("5s")


def follow(running: Running, low: int = 5, high: int = 40, target: float = 70, **settings: Any) -> dict[str, Any]:
    """Register the table's write capacity and give it a target tracking policy."""
    scaling = running.client("application-autoscaling")
    scaling.register_scalable_target(**WRITES, MinCapacity=low, MaxCapacity=high)
    made: dict[str, Any] = scaling.put_scaling_policy(
        **WRITES, PolicyName="follow", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={"TargetValue": target, **UTILIZATION, **settings}
    )
    return made


def units(running: Running) -> int:
    found: int = running.client("dynamodb").describe_table(TableName="tab")["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"]
    return found


def minutes(running: Running, count: int, units_per_second: float) -> list[int]:
    """Let so many minutes pass with so much consumption; the capacity after each."""
    seen = []
    for _ in range(count):

        async def consume() -> None:
            dimensions = (("TableName", "tab"),)
            running.app.cloud.metrics.add(ACCOUNT, REGION, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", dimensions, units_per_second * 60, "Count")

        if units_per_second:
            running.run(consume())
        running.advance("1m")
        seen.append(units(running))
    return seen


def activities(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.client("application-autoscaling").describe_scaling_activities(ServiceNamespace="dynamodb")["ScalingActivities"]
    return found
