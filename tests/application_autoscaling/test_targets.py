"""Scalable targets, scheduled actions and tags: what is taken and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haneul.services.application_autoscaling.schedules import ScheduleError, parse_schedule
from tests.application_autoscaling.support import UTILIZATION, WRITES, activities, follow, units
from tests.cloudwatch.support import refused
from tests.support.running import Running


def test_a_target_is_described_with_its_linked_role(scaled: Running) -> None:
    """Because the service acts with a role of its own, which it makes when it is first needed."""
    scaling = scaled.client("application-autoscaling")
    arn = scaling.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9, Tags={"a": "1"})["ScalableTargetARN"]
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=["table/tab"])["ScalableTargets"]
    assert target["ScalableTargetARN"] == arn and (target["MinCapacity"], target["MaxCapacity"]) == (5, 9)
    role = "aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
    assert target["RoleARN"].endswith(role)
    assert target["SuspendedState"] == {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": False}
    scaling.tag_resource(ResourceARN=arn, Tags={"b": "2"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
    assert scaling.register_scalable_target(**WRITES, MaxCapacity=10)["ScalableTargetARN"] == arn


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"MinCapacity": 6, "MaxCapacity": 5}, "ValidationException"),
        ({"MinCapacity": 1}, "ValidationException"),
        ({"MinCapacity": 0, "MaxCapacity": 5}, "ValidationException"),
        ({"ResourceId": "table/none", "MinCapacity": 1, "MaxCapacity": 5}, "ValidationException"),
        ({"ResourceId": "tab", "MinCapacity": 1, "MaxCapacity": 5}, "ValidationException"),
        ({"ScalableDimension": "dynamodb:table:Units", "MinCapacity": 1, "MaxCapacity": 5}, "ValidationException"),
        ({"ServiceNamespace": "ecs", "ResourceId": "service/a/b", "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 5}, "NotImplemented"),
    ],
)
def test_targets_that_make_no_sense_are_refused(scaled: Running, change: dict[str, Any], code: str) -> None:
    """Because what is registered is really scaled."""
    refused(code, scaled.client("application-autoscaling").register_scalable_target, **(WRITES | change))


@pytest.mark.parametrize(
    "settings",
    [
        {"TargetValue": 50},
        {"TargetValue": 50, "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}},
        {"TargetValue": 50, "CustomizedMetricSpecification": {"MetricName": "M", "Namespace": "N"}},
    ],
)
def test_policies_that_make_no_sense_are_refused(scaled: Running, settings: dict[str, Any]) -> None:
    """Because a policy has one metric that fits its target."""
    scaling = scaled.client("application-autoscaling")
    params = {**WRITES, "PolicyName": "p", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": settings}
    refused("ObjectNotFoundException", scaling.put_scaling_policy, **params)
    scaling.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9)
    refused("ValidationException", scaling.put_scaling_policy, **params)


def test_tables_take_no_step_scaling(scaled: Running) -> None:
    """Because the real service refuses it for DynamoDB, whose utilizations lie between 10 and 90 percent (of the whole range it says so first); cool-downs may be any number."""
    scaling = scaled.client("application-autoscaling")
    scaling.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9)
    params = {**WRITES, "PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
    utilization = "For predefined metric type DynamoDBWriteCapacityUtilization, target value must be between '10.0' and '90.0', but was "
    whole = "For target tracking scaling, target value must be between '8.51592E-109' and '1.174271E108', but was "
    for value, message in ((9.9, f"{utilization}'9.9'."), (90.1, f"{utilization}'90.1'."), (100, f"{utilization}'100.0'."), (0, f"{whole}'0.0'.")):
        settings = {"TargetValue": value, **UTILIZATION}
        assert refused("ValidationException", scaling.put_scaling_policy, **params, TargetTrackingScalingPolicyConfiguration=settings) == message
    settings = {"TargetValue": 19.9, "ScaleInCooldown": -1, "ScaleOutCooldown": 10**9, **UTILIZATION}
    scaling.put_scaling_policy(**params, TargetTrackingScalingPolicyConfiguration=settings)
    assert scaling.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"] == settings
    step = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]}
    refused("AccessDeniedException", scaling.put_scaling_policy, **WRITES, PolicyName="p", PolicyType="StepScaling", StepScalingPolicyConfiguration=step)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "due"),
    [
        ("at(2026-11-24T10:00:00)", "Europe/Berlin", "2026-11-23T12:00:00", "2026-11-24T09:00:00"),
        ("at(2026-11-22T10:00:00)", "UTC", "2026-11-23T12:00:00", None),
        ("rate(10 minutes)", "UTC", "2026-11-23T12:03:00", "2026-11-23T12:10:00"),
        ("cron(15 10 * * ? *)", "UTC", "2026-11-23T12:00:00", "2026-11-24T10:15:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-23T12:01:00", "2026-11-23T12:15:00"),
        ("cron(0 18 ? * MON-FRI *)", "UTC", "2026-11-27T19:00:00", "2026-11-30T18:00:00"),
        ("cron(0 9 L * ? *)", "Asia/Seoul", "2026-11-23T12:00:00", "2026-11-30T00:00:00"),
        ("cron(0 8 ? * 3#1 *)", "UTC", "2026-11-23T12:00:00", "2026-12-01T08:00:00"),
        ("cron(0 8 15W 8 ? 2026-2028)", "UTC", "2026-11-23T12:00:00", "2027-08-16T08:00:00"),
        # 02:30 does not exist in the night to 28 March 2027.
        ("cron(30 2 28 3 ? *)", "Europe/Berlin", "2027-01-01T00:00:00", "2028-03-28T00:30:00"),
        ("cron(0 0 31 2 ? *)", "UTC", "2026-11-23T12:00:00", None),
    ],
)
def test_schedules_are_due_when_they_say(schedule: str, zone: str, now: str, due: str | None) -> None:
    """Because at, rate and cron follow the user's time zone."""
    start = at("2026-11-23T12:00:00")
    assert parse_schedule(schedule, zone).after(at(now), start) == (at(due) if due else None)


@pytest.mark.parametrize("text", ["cron(* * * * * *)", "cron(0 0 1 1 ?)", "rate(1 hours)", "rate(0 minutes)", "at(tomorrow)", "every day", "cron(60 0 * * ? *)", "cron(0 0 ? * 8 *)"])
def test_schedules_that_cannot_be_read_are_refused(text: str) -> None:
    """Because a schedule that never comes would never be noticed."""
    with pytest.raises(ScheduleError):
        parse_schedule(text, "UTC")


def test_scheduled_actions_change_the_limits(scaled: Running) -> None:
    """Because a known rush is prepared for: minimum up in the morning, down in the evening."""
    follow(scaled, low=5, high=10)
    scaling = scaled.client("application-autoscaling")
    soon = datetime.fromtimestamp(scaled.clock.now() // 10**9, UTC) + timedelta(minutes=10)
    scaling.put_scheduled_action(
        **WRITES, ScheduledActionName="up", Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})", ScalableTargetAction={"MinCapacity": 20, "MaxCapacity": 60}
    )
    scaling.put_scheduled_action(**WRITES, ScheduledActionName="down", Schedule="rate(1 hour)", ScalableTargetAction={"MinCapacity": 5})
    assert [one["ScheduledActionName"] for one in scaling.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]] == ["down", "up"]
    scaled.advance("9m")
    assert units(scaled) == 5
    scaled.advance("2m")
    assert units(scaled) == 20 and activities(scaled)[0]["Cause"] == "scheduled action name up was triggered"
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (20, 60)
    scaled.advance("1h")
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"][0]["MinCapacity"] == 5
    scaling.delete_scheduled_action(**WRITES, ScheduledActionName="down")
    refused("ObjectNotFoundException", scaling.delete_scheduled_action, **WRITES, ScheduledActionName="down")
    limits = {"ScalableTargetAction": {"MinCapacity": 1}}
    refused("ValidationException", scaling.put_scheduled_action, **WRITES, ScheduledActionName="x", Schedule="never", **limits)
    refused("ValidationException", scaling.put_scheduled_action, **WRITES, ScheduledActionName="x", Schedule="rate(1 day)", Timezone="Moon", **limits)
    refused("ValidationException", scaling.put_scheduled_action, **WRITES, ScheduledActionName="x", Schedule="rate(1 day)")


def test_start_and_end_are_said_with_every_change(scaled: Running) -> None:
    """Because a change that does not name them takes them away, while all the rest stays as it was."""
    follow(scaled, low=5, high=10)
    scaling = scaled.client("application-autoscaling")
    now = datetime.fromtimestamp(scaled.clock.now() // 10**9, UTC)
    times = {"StartTime": now + timedelta(days=1), "EndTime": now + timedelta(days=2)}
    place = {**WRITES, "ScheduledActionName": "rush"}

    def shown() -> dict[str, Any]:
        (action,) = scaling.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]
        return {name: action[name] for name in ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction") if name in action}

    first = {"Schedule": "rate(1 hour)", "Timezone": "Europe/Berlin", "ScalableTargetAction": {"MinCapacity": 7}}
    scaling.put_scheduled_action(**place, **first, **times)
    assert shown() == {**first, **times}
    scaled.advance("90m")
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"][0]["MinCapacity"] == 5
    scaling.put_scheduled_action(**place, ScalableTargetAction={"MinCapacity": 8})
    assert shown() == {**first, "ScalableTargetAction": {"MinCapacity": 8}}
    scaled.advance("61m")
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"][0]["MinCapacity"] == 8
    refused("ValidationException", scaling.put_scheduled_action, **place, StartTime=times["EndTime"], EndTime=times["StartTime"])
    refused("ValidationException", scaling.put_scheduled_action, **place, StartTime=times["EndTime"], EndTime=times["EndTime"])


def test_permissions_are_asked_for(scaled: Running) -> None:
    """Because a user without permission changes nothing, and with it still needs the right to make the linked role, and those on the table and its alarms."""
    iam = scaled.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    scaling = scaled.client("application-autoscaling", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    params = {**WRITES, "MinCapacity": 5, "MaxCapacity": 9}
    refused("AccessDeniedException", scaling.register_scalable_target, **params)
    allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"%s","Resource":"*"}]}'
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=allow % "application-autoscaling:*")
    assert "iam:CreateServiceLinkedRole" in refused("AccessDeniedException", scaling.register_scalable_target, **params)
    iam.put_user_policy(UserName="u", PolicyName="q", PolicyDocument=allow % "iam:CreateServiceLinkedRole")
    missing = refused("ValidationException", scaling.register_scalable_target, **params)
    assert "dynamodb:DescribeTable" in missing and "dynamodb:UpdateTable" in missing
    iam.put_user_policy(UserName="u", PolicyName="r", PolicyDocument=allow % "dynamodb:*Table")
    missing = refused("ValidationException", scaling.register_scalable_target, **params)
    assert all(f"cloudwatch:{action}" in missing for action in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"))
    iam.put_user_policy(UserName="u", PolicyName="s", PolicyDocument=allow % "cloudwatch:*Alarm*")
    scaling.register_scalable_target(**params)
    iam.delete_user_policy(UserName="u", PolicyName="s")
    tracking = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50, **UTILIZATION}}
    assert "cloudwatch:PutMetricAlarm" in refused("ValidationException", scaling.put_scaling_policy, **WRITES, PolicyName="p", **tracking)
    assert not scaled.client("cloudwatch").describe_alarms()["MetricAlarms"]


def test_one_policy_for_a_metric(scaled: Running) -> None:
    """Because two that follow the same one would pull in two directions."""
    follow(scaled)
    client = scaled.client("application-autoscaling")
    settings = {**WRITES, "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50, **UTILIZATION}}
    message = refused("ValidationException", client.put_scaling_policy, PolicyName="another", **settings)
    assert message == "Only one TargetTrackingScaling policy for a given metric specification is allowed."
    client.put_scaling_policy(PolicyName="follow", **settings)


def test_a_target_that_is_not_there_is_said_so_in_the_real_services_words(scaled: Running) -> None:
    """Because tools tell by these words whether what they made a moment ago is not known yet, and try again."""
    client = scaled.client("application-autoscaling")
    where = "service namespace: dynamodb, resource ID: table/tab, scalable dimension: dynamodb:table:WriteCapacityUnits"
    tracking = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50, **UTILIZATION}}
    assert refused("ObjectNotFoundException", client.put_scaling_policy, **WRITES, PolicyName="p", **tracking) == f"No scalable target registered for {where}"
    assert refused("ObjectNotFoundException", client.deregister_scalable_target, **WRITES) == f"No scalable target found for {where}"
    missing = {**WRITES, "ResourceId": "table/none", "MinCapacity": 1, "MaxCapacity": 5}
    assert refused("ValidationException", client.register_scalable_target, **missing) == "DynamoDB table does not exist: table/none"
    missing |= {"ResourceId": "table/tab/index/none", "ScalableDimension": "dynamodb:index:ReadCapacityUnits"}
    assert refused("ValidationException", client.register_scalable_target, **missing) == "DynamoDB index does not exist: table/tab/index/none"


def test_a_target_has_its_quotas(scaled: Running) -> None:
    """200 scheduled actions and 50 policies; one more is LimitExceededException, and what is not there is still not found."""
    client = scaled.client("application-autoscaling")
    client.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9)
    action = {**WRITES, "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 6}}
    for number in range(200):
        client.put_scheduled_action(ScheduledActionName=f"a{number}", **action)
    refused("LimitExceededException", client.put_scheduled_action, ScheduledActionName="b", **action)
    client.put_scheduled_action(ScheduledActionName="a7", **action)
    for number in range(51):
        metric = {"Namespace": "n", "MetricName": f"m{number}", "Statistic": "Sum"}
        settings = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 5, "CustomizedMetricSpecification": metric}}
        if number < 50:
            client.put_scaling_policy(**WRITES, PolicyName=f"p{number}", **settings)
        else:
            refused("LimitExceededException", client.put_scaling_policy, **WRITES, PolicyName="p", **settings)
    refused("ObjectNotFoundException", client.delete_scaling_policy, **WRITES, PolicyName="p")
    page = client.describe_scaling_policies(ServiceNamespace="dynamodb")
    assert len(page["ScalingPolicies"]) == 10 and len(client.describe_scaling_policies(ServiceNamespace="dynamodb", NextToken=page["NextToken"])["ScalingPolicies"]) == 10


@pytest.mark.parametrize("operation", ["describe_scalable_targets", "describe_scaling_policies", "describe_scheduled_actions", "describe_scaling_activities"])
def test_pages_have_one_to_fifty_records(scaled: Running, operation: str) -> None:
    """Because with none on a page, one would turn pages for ever; of policies there are ten at most (API Reference: "DescribeScalingPolicies")."""
    follow(scaled)
    call = getattr(scaled.client("application-autoscaling"), operation)
    for number in (0, 11 if operation == "describe_scaling_policies" else 51):
        refused("ValidationException", call, ServiceNamespace="dynamodb", MaxResults=number)
    call(ServiceNamespace="dynamodb", MaxResults=1)


def test_a_linked_role_that_was_deleted_is_made_again(scaled: Running) -> None:
    """As the User Guide says, when it is needed again; otherwise a target could neither be changed nor deregistered any more."""
    follow(scaled)
    scaled.client("iam").delete_service_linked_role(RoleName="AWSServiceRoleForApplicationAutoScaling_DynamoDBTable")
    scaled.advance("1m")
    client = scaled.client("application-autoscaling")
    client.deregister_scalable_target(**WRITES)
    assert not client.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert not scaled.client("cloudwatch").describe_alarms()["MetricAlarms"]


def test_metrics_that_make_no_sense_are_a_fault_of_the_policy(scaled: Running) -> None:
    """The alarms are CloudWatch's, but the error is this service's, which SDKs know by its name."""
    client = scaled.client("application-autoscaling")
    client.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9)
    metrics = [{"Id": "e", "Expression": "m1 / 2", "ReturnData": True}]
    settings = {"TargetValue": 50, "CustomizedMetricSpecification": {"Metrics": metrics}}
    place = {**WRITES, "PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
    assert "m1" in refused("ValidationException", client.put_scaling_policy, **place, TargetTrackingScalingPolicyConfiguration=settings)


def test_namespace_and_dimension_can_be_conditions(scaled: Running) -> None:
    """Because who looks after one service, or one dimension, may be allowed to change that one only."""
    iam = scaled.client("iam")
    iam.create_user(UserName="w")
    key = iam.create_access_key(UserName="w")["AccessKey"]
    client = scaled.client("application-autoscaling", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    keys = {"application-autoscaling:service-namespace": "dynamodb", "application-autoscaling:scalable-dimension": "dynamodb:table:WriteCapacityUnits"}
    mine = {"Effect": "Allow", "Action": "application-autoscaling:*", "Resource": "*", "Condition": {"StringEquals": keys}}
    rest = {"Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole", "dynamodb:*", "cloudwatch:*"], "Resource": "*"}
    iam.put_user_policy(UserName="w", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [mine, rest]}))
    client.register_scalable_target(**WRITES, MinCapacity=5, MaxCapacity=9)
    action = {"ScheduledActionName": "a", "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 6}}
    client.put_scheduled_action(**WRITES, **action)
    reads = {**WRITES, "ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
    refused("AccessDeniedException", client.register_scalable_target, **reads, MinCapacity=5, MaxCapacity=9)
    refused("AccessDeniedException", client.put_scheduled_action, **reads, **action)
    client.delete_scheduled_action(**WRITES, ScheduledActionName="a")
    client.deregister_scalable_target(**WRITES)
