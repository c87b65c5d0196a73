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
OFF = {"AutoScalingDisabled": True, "ScalingPolicies": []}
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
    """A target alone is not enough, and every global index needs its own; then the new replica scales alike, and reads may differ. The writes of an index that is added later
    scale by themselves, in all regions, and it is not there for settings before it is made."""
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
    assert shown["ReplicaProvisionedReadCapacityAutoScalingSettings"] == OFF
    assert "AutoScalingDisabled" not in shown["ReplicaProvisionedWriteCapacityAutoScalingSettings"]

    writes = {"MinimumUnits": 6, "MaximumUnits": 60, "ScalingPolicyUpdate": POLICY}
    reads = {"RegionName": WEST, "ReplicaProvisionedReadCapacityAutoScalingUpdate": {"MinimumUnits": 7, "MaximumUnits": 70, "ScalingPolicyUpdate": POLICY}}
    db(cloud).update_table_replica_auto_scaling(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=writes, ReplicaUpdates=[reads])
    cloud.advance("1s")
    for region in (HOME, WEST):
        assert settings_of(cloud, name, region)["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"] == 60
        assert db(cloud, region).describe_table(TableName=name)["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert settings_of(cloud, name, WEST)["ReplicaProvisionedReadCapacityAutoScalingSettings"]["MaximumUnits"] == 70
    off = {"AutoScalingDisabled": True}
    answer = db(cloud).update_table_replica_auto_scaling(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=off)
    (here, there) = answer["TableAutoScalingDescription"]["Replicas"]
    assert (here["RegionName"], there["RegionName"], here["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MaximumUnits"]) == (HOME, WEST, 60)
    assert settings_of(cloud, name, HOME)["ReplicaProvisionedWriteCapacityAutoScalingSettings"] == OFF
    db(cloud).update_table_replica_auto_scaling(TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=off)
    scale(cloud, f"table/{name}", "dynamodb:table:WriteCapacityUnits", policy=False)
    assert settings_of(cloud, name, HOME)["ReplicaProvisionedWriteCapacityAutoScalingSettings"] == OFF

    added = {
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {**index("by-h", "h"), "ProvisionedThroughput": UNITS}}],
    }
    whole = {"MinimumUnits": 1, "MaximumUnits": 20, "ScalingPolicyUpdate": POLICY}
    changed = {"TableName": name, "GlobalSecondaryIndexUpdates": [{"IndexName": "by-g", "ProvisionedWriteCapacityAutoScalingUpdate": off}]}
    db(cloud).update_table_replica_auto_scaling(**changed)
    assert invalid(db(cloud).update_table, **added) == "GSI write capacity should either be Pay-Per-Request or AutoScaled."
    changed["GlobalSecondaryIndexUpdates"] = [{"IndexName": "by-g", "ProvisionedWriteCapacityAutoScalingUpdate": whole}]
    db(cloud).update_table_replica_auto_scaling(**changed)
    cloud.advance("1s")
    db(cloud).update_table(**added)
    assert [one["IndexName"] for one in settings_of(cloud, name, WEST)["GlobalSecondaryIndexes"]] == ["by-g"]
    reads = [{"IndexName": "by-h", "ProvisionedReadCapacityAutoScalingUpdate": whole}]
    update = {"TableName": name, "ReplicaUpdates": [{"RegionName": WEST, "ReplicaGlobalSecondaryIndexUpdates": reads}]}
    unready = f"for global table with name: \u2018{name}\u2019 because a global secondary index with name: \u2018by-h\u2019 does not exist in region: \u2018{WEST}\u2019."
    assert failure(db(cloud).update_table_replica_auto_scaling, **update) == ("ResourceNotFoundException", f"Failed to update settings {unready}")
    cloud.advance("10s")
    for region in (HOME, WEST):
        (_, made) = settings_of(cloud, name, region)["GlobalSecondaryIndexes"]
        shown = made["ProvisionedWriteCapacityAutoScalingSettings"]
        assert (shown["MinimumUnits"], shown["MaximumUnits"], made["ProvisionedReadCapacityAutoScalingSettings"]) == (1, 10, OFF)
        assert shown["ScalingPolicies"] == [{"PolicyName": f"DynamoDBWriteCapacityUtilization:table/{name}/index/by-h", **POLICY}]


def test_settings_are_given_whole(cloud: Running) -> None:
    """Limits and policy together, once for a region and about indexes that are made; what Application Auto Scaling refuses is passed on with where it comes from. The answer
    shows the settings of before, and on demand they wait, marked as disabled."""
    name = make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    scale(cloud, f"table/{name}", "dynamodb:table:WriteCapacityUnits")
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    cloud.advance("1s")
    start = f"Failed to update settings for global table with name: \u2018{name}\u2019"
    whole = {"MinimumUnits": 5, "MaximumUnits": 50, "ScalingPolicyUpdate": POLICY}

    update = db(cloud).update_table_replica_auto_scaling

    def writes(more: dict[str, Any]) -> str:
        return invalid(update, TableName=name, ProvisionedWriteCapacityAutoScalingUpdate=more)

    def reads(*more: dict[str, Any]) -> Any:
        return {"TableName": name, "ReplicaUpdates": [{"RegionName": HOME, "ReplicaProvisionedReadCapacityAutoScalingUpdate": one} for one in more]}

    for given, missing in (
        ({}, "'MaximumUnits', 'ScalingPolicyUpdate', 'MinimumUnits'"),
        ({"AutoScalingDisabled": False}, "'MaximumUnits', 'ScalingPolicyUpdate', 'MinimumUnits'"),
        ({"MinimumUnits": 1, "MaximumUnits": 2}, "'ScalingPolicyUpdate'"),
        ({"ScalingPolicyUpdate": POLICY}, "'MaximumUnits', 'MinimumUnits'"),
    ):
        assert writes(given) == f"{start}: Parameters {missing} are required unless auto scaling is being disabled."
    blank = f"{start.replace(':', '')}: Parameters 'MaximumUnits', 'MinimumUnits' must be left blank when disabling auto scaling."
    assert writes({"AutoScalingDisabled": True, "MinimumUnits": 1, "MaximumUnits": 2}) == blank
    assert invalid(update, TableName=name, ReplicaUpdates=[{"RegionName": HOME}]) == f"{start} because at least one update parameter must be specified for region: \u2018{HOME}\u2019."
    assert invalid(update, **reads(whole, whole)) == f"{start} because the regions: \u2018[{HOME}]\u2019 were specified more than once."
    missing_index = f"{start} because the global secondary indexes with names: \u2018[nope]\u2019 do not exist."
    of_index = [{"IndexName": "nope", "ProvisionedWriteCapacityAutoScalingUpdate": whole}]
    assert failure(update, TableName=name, GlobalSecondaryIndexUpdates=of_index) == ("ResourceNotFoundException", missing_index)
    origin = "(Service: AWSApplicationAutoScaling; Status Code: 400; Error Code: ValidationException; Request ID: "
    assert writes({**whole, "MinimumUnits": 60}).startswith(f"Maximum capacity cannot be less than minimum capacity {origin}")
    too_high = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 90.1}}
    utilization = "For predefined metric type DynamoDBWriteCapacityUtilization, target value must be between '10.0' and '90.0', but was '90.1'."
    assert writes({**whole, "ScalingPolicyUpdate": too_high}).startswith(f"{utilization} {origin}")
    (kept,) = settings_of(cloud, name, HOME)["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["ScalingPolicies"]
    assert kept["PolicyName"] == "writes"
    role = "arn:aws:iam::000000000000:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
    assert f"is not authorized to perform: iam:PassRole on resource: {role}s because" in writes({**whole, "AutoScalingRoleArn": f"{role}s"})
    (before, _) = update(**reads({**whole, "AutoScalingRoleArn": role}))["TableAutoScalingDescription"]["Replicas"]
    assert before["ReplicaProvisionedReadCapacityAutoScalingSettings"] == OFF
    shown = settings_of(cloud, name, HOME)["ReplicaProvisionedReadCapacityAutoScalingSettings"]
    tracking = {"PolicyName": f"DynamoDBReadCapacityUtilization:table/{name}", **POLICY}
    assert shown == {"MinimumUnits": 5, "MaximumUnits": 50, "AutoScalingRoleArn": role, "ScalingPolicies": [tracking]}
    db(cloud).update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
    cloud.advance("1s")
    assert settings_of(cloud, name, HOME)["ReplicaProvisionedReadCapacityAutoScalingSettings"] == {**shown, "AutoScalingDisabled": True}
    assert settings_of(cloud, name, WEST)["ReplicaProvisionedReadCapacityAutoScalingSettings"] == OFF
    assert invalid(update, **reads(whole)) == (
        f"Failed to update global table with name \u2018{name}\u2018. Replicas 'US-EAST-1', 'US-WEST-2' BillingMode is PayPerRequest. You must convert table's BillingMode "
        "to PROVISIONED to set parameters: 'ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate'."
    )
    update(**reads({"AutoScalingDisabled": True}))
    assert settings_of(cloud, name, HOME)["ReplicaProvisionedReadCapacityAutoScalingSettings"] == OFF


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
