"""Global tables of provisioned capacity: automatic scaling is a condition for replicas, and the same in all regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.application_autoscaling.service import ApplicationAutoScaling
from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.dynamodb.support import failure, index, invalid, make_table
from tests.support.running import Running

HOME, WEST = "us-east-1", "us-west-2"
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
POLICY = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70.0}}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[ApplicationAutoScaling, CloudWatch, DynamoDb, Iam, Sts]) as running:
        yield running


def db(cloud: Running, region: str = HOME) -> Any:
    return cloud.client("dynamodb", region=region)


def scale(cloud: Running, resource: str, dimension: str, *, policy: bool = True) -> None:
    client = cloud.client("application-autoscaling")
    place = {"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension}
    client.register_scalable_target(**place, MinCapacity=5, MaxCapacity=50)
    if policy:
        settings = {"TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}}
        client.put_scaling_policy(**place, PolicyName="writes", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=settings)


def settings_of(cloud: Running, name: str, region: str) -> Any:
    replicas = db(cloud).describe_table_replica_auto_scaling(TableName=name)["TableAutoScalingDescription"]["Replicas"]
    return next(one for one in replicas if one["RegionName"] == region)


def test_write_capacity_must_scale(cloud: Running) -> None:
    """A target alone is not enough, and every global index needs its own; then the new replica scales alike, and reads may differ."""
    name = make_table(
        cloud,
        more={"g": "S"},
        BillingMode="PROVISIONED",
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexes=[{**index("by-g", "g"), "ProvisionedThroughput": UNITS}],
    )
    create = [{"Create": {"RegionName": WEST, "ProvisionedThroughputOverride": {"ReadCapacityUnits": 7}}}]
    scale(cloud, f"table/{name}", "dynamodb:table:WriteCapacityUnits", policy=False)
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=create) == "Table write capacity should either be Pay-Per-Request or AutoScaled."
    scale(cloud, f"table/{name}", "dynamodb:table:WriteCapacityUnits")
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=create) == "GSI write capacity should either be Pay-Per-Request or AutoScaled."
    scale(cloud, f"table/{name}/index/by-g", "dynamodb:index:WriteCapacityUnits")
    db(cloud).update_table(TableName=name, ReplicaUpdates=create)
    cloud.advance("1s")
    west = db(cloud, WEST).describe_table(TableName=name)["Table"]
    assert (west["ProvisionedThroughput"]["ReadCapacityUnits"], west["ProvisionedThroughput"]["WriteCapacityUnits"]) == (7, 5)
    shown = settings_of(cloud, name, WEST)
    assert shown["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"] == 50
    assert shown["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["ScalingPolicies"][0]["PolicyName"] == "writes"
    assert shown["GlobalSecondaryIndexes"][0]["ProvisionedWriteCapacityAutoScalingSettings"]["MinimumUnits"] == 5
    assert shown["ReplicaProvisionedReadCapacityAutoScalingSettings"] == {"AutoScalingDisabled": True}

    writes = {"MinimumUnits": 6, "MaximumUnits": 60, "ScalingPolicyUpdate": POLICY}
    reads = {"RegionName": WEST, "ReplicaProvisionedReadCapacityAutoScalingUpdate": {"MinimumUnits": 7, "MaximumUnits": 70, "ScalingPolicyUpdate": POLICY}}
    db(cloud).update_table_replica_auto_scaling(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=writes, ReplicaUpdates=[reads])
    cloud.advance("1s")
    for region in (HOME, WEST):
        assert settings_of(cloud, name, region)["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"] == 60
        assert db(cloud, region).describe_table(TableName=name)["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert settings_of(cloud, name, WEST)["ReplicaProvisionedReadCapacityAutoScalingSettings"]["MaximumUnits"] == 70
    off = {"AutoScalingDisabled": True}
    db(cloud).update_table_replica_auto_scaling(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=off)
    assert settings_of(cloud, name, HOME)["ReplicaProvisionedWriteCapacityAutoScalingSettings"] == off


def test_refused_scaling(cloud: Running) -> None:
    """Only global tables of provisioned capacity scale this way, and limits must be given."""
    name = make_table(cloud)
    writes = {"MinimumUnits": 5, "MaximumUnits": 50}
    missing = ("ResourceNotFoundException", f"Global table with name: '{name}' does not exist.")
    assert failure(db(cloud).describe_table_replica_auto_scaling, TableName=name) == missing
    assert failure(db(cloud).update_table_replica_auto_scaling, TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=writes) == missing
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    cloud.advance("1s")
    update = db(cloud).update_table_replica_auto_scaling
    assert "BillingMode is PayPerRequest" in invalid(update, TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=writes)
    assert "at least one update parameter" in invalid(update, TableName=name)
    update(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate={"AutoScalingDisabled": True})


def test_reading_scales_in_each_region(cloud: Running) -> None:
    """What a table reads with is scaled in one region alone: the other replica keeps its capacity, as its own from then on; what is written with is the same."""
    name = make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    scale(cloud, f"table/{name}", "dynamodb:table:WriteCapacityUnits")
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    cloud.advance("1s")
    place = {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{name}"}
    for dimension in ("Read", "Write"):
        client = cloud.client("application-autoscaling")
        client.register_scalable_target(**place, ScalableDimension=f"dynamodb:table:{dimension}CapacityUnits", MinCapacity=9, MaxCapacity=50)
        cloud.advance("1s")
    units = []
    for region in (HOME, WEST):
        table = db(cloud, region).describe_table(TableName=name)["Table"]
        throughput = table["ProvisionedThroughput"]
        units.append((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"], table["Replicas"][0]["ProvisionedThroughputOverride"]))
    assert units == [(9, 9, {"ReadCapacityUnits": 5}), (5, 9, {"ReadCapacityUnits": 9})]
