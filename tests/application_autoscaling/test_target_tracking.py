"""Target tracking: capacity follows consumption, through CloudWatch's alarms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.application_autoscaling.conftest import SERVICES
from tests.application_autoscaling.support import WRITES, activities, follow, make_table, minutes, units
from tests.cloudwatch.support import refused
from tests.support.running import ACCOUNT, REGION, Running


def test_a_policy_keeps_the_alarms_of_the_real_service(scaled: Running) -> None:
    """Because dashboards and people know them by name: high at the target, low 20 points below, in units per minute."""
    made = follow(scaled)
    alarms = {one["AlarmName"].split("-")[2]: one for one in scaled.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-table/tab-")["MetricAlarms"]}
    assert sorted(alarms) == ["AlarmHigh", "AlarmLow", "ProvisionedCapacityHigh", "ProvisionedCapacityLow"]
    high, low = alarms["AlarmHigh"], alarms["AlarmLow"]
    assert (high["Threshold"], high["EvaluationPeriods"], high["ComparisonOperator"]) == (210, 2, "GreaterThanThreshold")
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (150, 15, "LessThanThreshold")
    assert high["AlarmActions"] == [made["PolicyARN"]] and high["MetricName"] == "ConsumedWriteCapacityUnits" and high["Statistic"] == "Sum"
    assert {one["AlarmName"] for one in made["Alarms"]} == {one["AlarmName"] for one in alarms.values()}


def test_capacity_goes_out_after_two_minutes_and_in_after_fifteen(scaled: Running) -> None:
    """Because scaling out is quick and scaling in careful, and both aim at the target utilization."""
    follow(scaled)
    assert minutes(scaled, 4, 10) == [5, 15, 15, 15]  # 10 / 0.7, rounded up.
    # The two spare minutes of the last load are over first; fifteen low ones make the alarm.
    later = minutes(scaled, 20, 3)
    assert later[13] == 15 and later[-1] == 5
    (inward, outward) = activities(scaled)
    assert outward["Description"] == "Setting write capacity units to 15." and outward["StatusCode"] == "Successful"
    assert outward["Cause"].startswith("monitor alarm TargetTracking-table/tab-AlarmHigh-") and outward["Cause"].endswith("in state ALARM triggered policy follow")
    assert outward["StatusMessage"] == "Successfully set write capacity units to 15. Change successfully fulfilled by dynamodb."
    assert inward["Description"] == "Setting write capacity units to 5."


def test_it_goes_on_while_the_load_grows_and_stops_at_the_maximum(scaled: Running) -> None:
    """Because the alarm tells its policy every minute that it lasts, and the target's limits are kept."""
    follow(scaled, high=40)
    minutes(scaled, 3, 10)
    assert units(scaled) == 15
    minutes(scaled, 4, 1000)
    assert units(scaled) == 40
    high = next(one for one in scaled.client("cloudwatch").describe_alarms()["MetricAlarms"] if "AlarmHigh" in one["AlarmName"])
    assert high["Threshold"] == 40 * 60 * 0.7 and high["StateValue"] == "ALARM"


def test_cool_downs_and_suspension_hold_it_back(scaled: Running) -> None:
    """Because a user may ask for time between changes, or for none at all."""
    follow(scaled, ScaleOutCooldown=600)
    assert minutes(scaled, 3, 5)[-1] == 8
    # A larger scale-out does not wait for the first one's effect.
    assert minutes(scaled, 4, 20)[-1] == 29
    scaling = scaled.client("application-autoscaling")
    scaling.register_scalable_target(**WRITES, SuspendedState={"DynamicScalingInSuspended": True})
    assert minutes(scaled, 20, 2)[-1] == 29
    scaling.register_scalable_target(**WRITES, SuspendedState={"DynamicScalingInSuspended": False})
    assert minutes(scaled, 2, 2)[-1] == 5


def test_a_scale_out_is_given_time_to_take_effect(scaled: Running) -> None:
    """Because a metric that follows capacity slowly would else scale out again and again: meanwhile what was added counts, and only a larger wish adds to it."""
    scaling, metrics = scaled.client("application-autoscaling"), scaled.client("cloudwatch")
    scaling.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=100)
    settings = {"TargetValue": 10, "ScaleOutCooldown": 600, "CustomizedMetricSpecification": {"Namespace": "Mine", "MetricName": "Load", "Statistic": "Average"}}
    scaling.put_scaling_policy(**WRITES, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=settings)

    def loaded(count: int, load: float) -> list[int]:
        seen = []
        for _ in range(count):
            metrics.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "Load", "Value": load}])
            seen += minutes(scaled, 1, 0)
        return list(dict.fromkeys(seen))

    assert loaded(9, 20) == [5, 10]
    assert loaded(2, 30) == [15]
    assert loaded(8, 14) == [15]
    assert loaded(1, 14) == [21]


def test_scaling_in_can_be_switched_off(scaled: Running) -> None:
    """Because DisableScaleIn leaves that to somebody else."""
    follow(scaled, DisableScaleIn=True)
    minutes(scaled, 3, 10)
    assert minutes(scaled, 20, 1)[-1] == 15


def test_what_is_not_used_is_scaled_in(scaled: Running) -> None:
    """Because no consumption is little consumption: an idle table goes to its minimum, and what somebody raises by hand there comes back within minutes; below the minimum
    it is left alone."""
    follow(scaled)
    minutes(scaled, 3, 10)
    later = minutes(scaled, 20, 0)
    assert later[12] == 15 and later[-1] == 5
    tables = scaled.client("dynamodb")
    for by_hand, then in ((12, 5), (3, 3)):
        tables.update_table(TableName="tab", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": by_hand})
        assert minutes(scaled, 3, 0)[-1] == then
    assert minutes(scaled, 10, 0)[-1] == 3
    states = {one["AlarmName"].split("-")[2]: one["StateValue"] for one in scaled.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    assert (states["AlarmHigh"], states["AlarmLow"]) == ("OK", "ALARM")


def test_limits_are_kept_at_once(scaled: Running) -> None:
    """Because a capacity outside a target's limits is brought between them when they are set."""
    scaling = scaled.client("application-autoscaling")
    scaling.register_scalable_target(**WRITES, MinCapacity=8, MaxCapacity=20)
    scaled.advance("100ms")
    (activity,) = activities(scaled)
    assert (activity["StatusCode"], activity["StatusMessage"]) == (
        "InProgress",
        "Successfully set write capacity units to 8. Waiting for change to be fulfilled by dynamodb.",
    )
    scaled.advance("10s")
    assert units(scaled) == 8
    scaling.register_scalable_target(**WRITES, MinCapacity=1, MaxCapacity=3)
    scaled.advance("10s")
    assert units(scaled) == 3
    assert [one["Cause"] for one in activities(scaled)] == ["maximum capacity was set to 3", "minimum capacity was set to 8"]


def test_what_the_service_refuses_stands_in_the_activities(scaled: Running) -> None:
    """Because a change that did not happen must not look as if it had: here the role has lost its permission."""
    follow(scaled)
    scaled.client("dynamodb").put_resource_policy(
        ResourceArn="arn:aws:dynamodb:us-east-1:000000000000:table/tab",
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"dynamodb:UpdateTable",'
        '"Resource":"arn:aws:dynamodb:us-east-1:000000000000:table/tab"}]}',
    )
    assert minutes(scaled, 2, 10) == [5, 5]
    (activity,) = activities(scaled)
    assert activity["StatusCode"] == "Failed" and "dynamodb:UpdateTable" in activity["StatusMessage"]


def test_deregistering_takes_everything_along(scaled: Running) -> None:
    """Because alarms without their policy would ring for ever."""
    follow(scaled)
    scaling = scaled.client("application-autoscaling")
    scaling.deregister_scalable_target(**WRITES)
    assert scaled.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert scaling.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"] == []
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"] == []
    refused("ObjectNotFoundException", scaling.deregister_scalable_target, **WRITES)


def test_policies_are_replaced_listed_and_deleted(scaled: Running) -> None:
    """Because a policy put again keeps its ARN and has one set of alarms."""
    first, second = follow(scaled), follow(scaled, target=50)
    assert first["PolicyARN"] == second["PolicyARN"]
    alarms = scaled.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {one["AlarmName"] for one in alarms} == {one["AlarmName"] for one in second["Alarms"]}
    scaling = scaled.client("application-autoscaling")
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="dynamodb", ResourceId="table/tab")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 50 and policy["PolicyType"] == "TargetTrackingScaling"
    scaling.delete_scaling_policy(**WRITES, PolicyName="follow")
    assert scaled.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    refused("ObjectNotFoundException", scaling.delete_scaling_policy, **WRITES, PolicyName="follow")


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Because targets, policies and alarms are on the disk."""
    running = Running(data_dir=tmp_path, services=SERVICES).start()
    make_table(running)
    follow(running)
    minutes(running, 1, 10)
    running.stop()
    running.start()
    assert minutes(running, 2, 10)[-1] == 15
    running.stop()


def test_indexes_are_scaled_for_themselves(scaled: Running) -> None:
    """Because a global index has capacity of its own, and consumption under its own name."""
    tables = scaled.client("dynamodb")
    units_of_index = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    create = {"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": units_of_index}
    definitions = [{"AttributeName": name, "AttributeType": "S"} for name in ("g", "k")]
    tables.update_table(TableName="tab", AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[{"Create": create}])
    scaled.advance("30s")
    scaling = scaled.client("application-autoscaling")
    target = {"ServiceNamespace": "dynamodb", "ResourceId": "table/tab/index/by-g", "ScalableDimension": "dynamodb:index:ReadCapacityUnits"}
    scaling.register_scalable_target(**target, MinCapacity=5, MaxCapacity=40)
    metric = {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}
    settings = {"TargetValue": 50, "PredefinedMetricSpecification": metric}
    scaling.put_scaling_policy(**target, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=settings)

    async def consume() -> None:
        dimensions = (("GlobalSecondaryIndexName", "by-g"), ("TableName", "tab"))
        scaled.app.cloud.metrics.add(ACCOUNT, REGION, "AWS/DynamoDB", "ConsumedReadCapacityUnits", dimensions, 600.0, "Count")

    for _ in range(3):
        scaled.run(consume())
        scaled.advance("1m")
    shown = tables.describe_table(TableName="tab")["Table"]
    throughput = shown["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (20, 5)
    assert shown["ProvisionedThroughput"]["ReadCapacityUnits"] == 5


def test_customized_metrics_are_followed(scaled: Running) -> None:
    """Because a policy may follow any metric, or an expression over several, whose value falls as capacity grows."""
    scaling = scaled.client("application-autoscaling")
    scaling.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=40)
    stat = {"Metric": {"Namespace": "Mine", "MetricName": "Load"}, "Stat": "Average"}
    for customized in (
        {"Namespace": "Mine", "MetricName": "Load", "Statistic": "Average"},
        {"Metrics": [{"Id": "l", "MetricStat": stat, "ReturnData": False}, {"Id": "twice", "Expression": "l * 1"}]},
    ):
        settings = {"TargetValue": 10, "CustomizedMetricSpecification": customized}
        scaling.put_scaling_policy(**WRITES, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=settings)
        before = units(scaled)
        for _ in range(3):
            scaled.client("cloudwatch").put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "Load", "Value": 20}])
            scaled.advance("1m")
            if units(scaled) != before:
                break
        assert units(scaled) == 2 * before


def test_a_table_on_demand_is_left_alone(scaled: Running) -> None:
    """Because its settings are kept for when it is provisioned again, and until then there is nothing that could be scaled, nor anything that fails."""
    follow(scaled)
    minutes(scaled, 3, 10)
    tables = scaled.client("dynamodb")
    tables.update_table(TableName="tab", BillingMode="PAY_PER_REQUEST")
    minutes(scaled, 5, 30)
    assert [one["StatusCode"] for one in activities(scaled)] == ["Successful"]
    tables.update_table(TableName="tab", BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6})
    assert minutes(scaled, 3, 30)[-1] == 40


def test_thresholds_follow_a_change_by_hand(scaled: Running) -> None:
    """Because the alarms are about units of consumption: what somebody else has provisioned is seen in a quarter of an hour, and then scaled in if it is too much."""
    follow(scaled, high=1000)
    tables = scaled.client("dynamodb")
    tables.put_item(TableName="tab", Item={"k": {"S": "a"}})
    tables.update_table(TableName="tab", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 500})

    def highs() -> list[float]:
        alarms = scaled.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-table/tab-AlarmHigh")["MetricAlarms"]
        return [one["Threshold"] for one in alarms]

    # Consumption above the old threshold wants less than there is: nothing is scaled, in either direction.
    assert minutes(scaled, 9, 210) == [500] * 9 and highs() == [210]
    # Once the thresholds have followed, the same consumption has been too little for long enough. (The first minute had one unit more.)
    assert list(dict.fromkeys(minutes(scaled, 12, 210))) == [500, 301] and highs() == [pytest.approx(0.7 * 301 * 60)]


def test_all_policies_must_be_ready_before_capacity_goes_in(scaled: Running) -> None:
    """Because availability comes first: one policy is enough to scale out, but in only when all agree, and then to what the most careful one wants."""
    follow(scaled)
    scaling, metrics = scaled.client("application-autoscaling"), scaled.client("cloudwatch")

    def follow_load(**more: bool) -> None:
        settings = {"TargetValue": 10, "CustomizedMetricSpecification": {"Namespace": "Mine", "MetricName": "Load", "Statistic": "Average"}, **more}
        scaling.put_scaling_policy(**WRITES, PolicyName="load", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=settings)

    def loaded(count: int, load: float, units_per_second: float) -> list[int]:
        seen = [units(scaled)]
        for _ in range(count):
            metrics.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "Load", "Value": load}])
            seen += minutes(scaled, 1, units_per_second)
        return list(dict.fromkeys(seen))

    follow_load()
    assert loaded(4, 9.5, 14) == [5, 20]
    assert loaded(25, 9.5, 3) == [20]
    assert loaded(15, 8, 3) == [20, 16]
    follow_load(DisableScaleIn=True)
    assert loaded(2, 9.5, 3)[-1] == 5


def test_activities_that_scale_nothing_are_shown_to_who_asks(scaled: Running) -> None:
    """Because an alarm that lasts at a target's limit is noted, once, but is no activity like the others."""
    follow(scaled, high=10)
    minutes(scaled, 6, 20)
    assert len(activities(scaled)) == 1
    describe = scaled.client("application-autoscaling").describe_scaling_activities
    first, second = describe(ServiceNamespace="dynamodb", IncludeNotScaledActivities=True)["ScalingActivities"]
    assert (first["Description"], first["StatusCode"], first["NotScaledReasons"]) == (
        "Attempting to scale due to alarm triggered",
        "Failed",
        [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 10}],
    )
    assert first["Cause"] == second["Cause"] and "NotScaledReasons" not in second
    minutes(scaled, 40, 1)
    newest = describe(ServiceNamespace="dynamodb", IncludeNotScaledActivities=True)["ScalingActivities"][0]
    assert newest["NotScaledReasons"] == [{"Code": "AlreadyAtMinCapacity", "MinCapacity": 5}]
