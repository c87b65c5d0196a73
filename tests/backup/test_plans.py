"""Plans, selections and schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from haneul.clock import SECOND
from haneul.core.errors import ServiceError
from haneul.services.backup.schedule import Schedule
from tests.backup.support import failure, make_bucket, make_role, make_table
from tests.support.running import Running


def rule(name: str = "daily", **more: Any) -> dict[str, Any]:
    return {"RuleName": name, "TargetBackupVaultName": "vault", "ScheduleExpression": "cron(0 3 * * ? *)", **more}


def make_plan(cloud: Running, *rules: dict[str, Any], name: str = "plan") -> str:
    return str(cloud.client("backup").create_backup_plan(BackupPlan={"BackupPlanName": name, "Rules": list(rules) or [rule()]})["BackupPlanId"])


def select(cloud: Running, plan: str, role: str, name: str = "selection", **body: Any) -> str:
    given = {"SelectionName": name, "IamRoleArn": role, **body}
    return str(cloud.client("backup").create_backup_selection(BackupPlanId=plan, BackupSelection=given)["SelectionId"])


def backed_up(cloud: Running) -> list[str]:
    """Names of what has recovery points."""
    return sorted(one["ResourceName"] for one in cloud.client("backup").list_protected_resources()["Results"])


def test_a_rule_runs_by_its_schedule(cloud: Running) -> None:
    """Each day at three a recovery point is made, with the rule's lifecycle and tags, and says which rule made it; old ones end."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "table")
    plan = make_plan(cloud, rule(Lifecycle={"DeleteAfterDays": 3}, RecoveryPointTags={"a": "b"}))
    select(cloud, plan, role, Resources=[table])
    preview = client.get_backup_plan(BackupPlanId=plan, MaxScheduledRunsPreview=2)["ScheduledRunsPreview"]
    assert [(one["ExecutionTime"].astimezone(UTC).hour, one["ExecutionTime"].minute) for one in preview] == [(3, 0), (3, 0)]
    cloud.advance("6d")
    points = client.list_recovery_points_by_backup_vault(BackupVaultName="vault", ByBackupPlanId=plan)["RecoveryPoints"]
    assert len(points) == 3 and all(one["CreatedBy"]["BackupRuleName"] == "daily" for one in points)
    assert {one["CreationDate"].astimezone(UTC).strftime("%H:%M") for one in points} == {"03:00"}
    assert client.list_tags(ResourceArn=points[0]["RecoveryPointArn"])["Tags"] == {"a": "b"}
    assert len(client.list_backup_jobs(ByResourceArn=table)["BackupJobs"]) == 6
    assert "LastExecutionDate" in client.get_backup_plan(BackupPlanId=plan)


def test_schedules_survive_a_restart(cloud: Running) -> None:
    """The timers of rules are kept with everything else."""
    role, table = make_role(cloud), make_table(cloud, "table")
    select(cloud, make_plan(cloud), role, Resources=[table])
    cloud.stop()
    cloud.start()
    cloud.advance("25h")
    assert backed_up(cloud) == ["table"]


def test_selections_by_pattern_tag_and_condition(cloud: Running) -> None:
    """Resources are named with wildcards, or by tags; conditions and exclusions leave some out; all is looked up at each run."""
    client, role = cloud.client("backup"), make_role(cloud)
    plan = make_plan(cloud)
    tables = "arn:aws:dynamodb:*:*:table/"
    make_table(cloud, "one-kept", tags={"stage": "prod"})
    make_table(cloud, "one-left", tags={"stage": "test"})
    make_table(cloud, "two-tagged", tags={"backup": "yes"})
    make_table(cloud, "three", tags={"team": "a"})
    make_bucket(cloud, "bucket-tagged")
    cloud.client("s3").put_bucket_tagging(Bucket="bucket-tagged", Tagging={"TagSet": [{"Key": "backup", "Value": "yes"}]})
    make_bucket(cloud, "bucket-plain")
    condition = [{"ConditionKey": "aws:ResourceTag/stage", "ConditionValue": "pr*"}]
    first = select(cloud, plan, role, "first", Resources=[tables + "one-*"], Conditions={"StringLike": condition})
    select(cloud, plan, role, "second", ListOfTags=[{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "yes"}])
    cloud.advance("1d")
    assert backed_up(cloud) == ["bucket-tagged", "one-kept", "two-tagged"]
    client.delete_backup_selection(BackupPlanId=plan, SelectionId=first)
    select(cloud, plan, role, "third", Resources=["*"], NotResources=["arn:aws:s3:::*", tables + "one-left"])
    assert [one["SelectionName"] for one in client.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]] in (["second", "third"], ["third", "second"])
    cloud.advance("1d")
    assert backed_up(cloud) == ["bucket-tagged", "one-kept", "three", "two-tagged"]
    # Only * and ? stand for others in values.
    bracket = {"StringNotLike": [{"ConditionKey": "aws:ResourceTag/team", "ConditionValue": "[a-c]*"}]}
    fourth = select(cloud, plan, role, "fourth", Resources=[tables + "thre?"], Conditions=bracket)
    assert client.get_backup_selection(BackupPlanId=plan, SelectionId=fourth)["BackupSelection"]["Conditions"] == bracket
    for one in ("second", "third"):
        made = next(found for found in client.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"] if found["SelectionName"] == one)
        client.delete_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    before = len(client.list_backup_jobs()["BackupJobs"])
    cloud.advance("1d")
    assert [job["ResourceName"] for job in client.list_backup_jobs()["BackupJobs"]][:-before] == ["three"]


def test_the_life_of_a_plan(cloud: Running) -> None:
    """A new version replaces the rules that run; a plan is deleted when it selects nothing, and runs no more."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "table")
    plan = make_plan(cloud)
    selection = select(cloud, plan, role, Resources=[table])
    old = client.get_backup_plan(BackupPlanId=plan)
    cloud.advance("1s")
    new = client.update_backup_plan(BackupPlanId=plan, BackupPlan={"BackupPlanName": "renamed", "Rules": [rule(ScheduleExpression="cron(30 12 ? * SUN *)")]})
    assert new["VersionId"] != old["VersionId"]
    assert client.get_backup_plan(BackupPlanId=plan)["BackupPlan"]["BackupPlanName"] == "renamed"
    assert client.get_backup_plan(BackupPlanId=plan, VersionId=old["VersionId"])["BackupPlan"]["BackupPlanName"] == "plan"
    assert [one["VersionId"] for one in client.list_backup_plan_versions(BackupPlanId=plan)["BackupPlanVersionsList"]] == [new["VersionId"], old["VersionId"]]
    cloud.advance("7d")
    assert len(client.list_backup_jobs()["BackupJobs"]) == 1
    assert failure(client.delete_backup_plan, BackupPlanId=plan)[0] == "InvalidRequestException"
    client.delete_backup_selection(BackupPlanId=plan, SelectionId=selection)
    client.delete_backup_plan(BackupPlanId=plan)
    assert failure(client.get_backup_plan, BackupPlanId=plan)[0] == "ResourceNotFoundException"
    assert client.list_backup_plans()["BackupPlansList"] == []
    assert client.list_backup_plans(IncludeDeleted=True)["BackupPlansList"][0]["BackupPlanId"] == plan
    cloud.advance("14d")
    assert len(client.list_backup_jobs()["BackupJobs"]) == 1


def test_plans_that_are_refused(cloud: Running) -> None:
    """Plans are made once, vaults must be there, schedules and windows must make sense, and what is not built is said."""
    make_plan(cloud)
    make = cloud.client("backup").create_backup_plan

    def refused(**more: Any) -> str:
        return failure(make, BackupPlan={"BackupPlanName": "other", "Rules": [rule(**more)]})[0]

    assert failure(make, BackupPlan={"BackupPlanName": "plan", "Rules": [rule()]})[0] == "AlreadyExistsException"
    make(BackupPlan={"BackupPlanName": "plan", "Rules": [rule(ScheduleExpression="cron(0 7 * * ? *)")]})  # Names may be the same.
    for often in ("cron(0/10 * * * ? *)", "rate(30 minutes)"):
        assert refused(ScheduleExpression=often) == "InvalidParameterValueException", often
    assert refused(TargetBackupVaultName="absent") == "ResourceNotFoundException"
    for expression in ("cron(0 3 * * * *)", "cron(0 25 * * ? *)", "cron(0 3)", "every day", "cron(0 3 ? * 9 *)", "cron(0 3 ? * MOND *)", "cron(0 3 32W * ? *)", "cron(? 3 * * ? *)", "cron(0 3 L * MON *)"):
        assert refused(ScheduleExpression=expression) == "InvalidParameterValueException", expression
    assert refused(ScheduleExpressionTimezone="Mars/Olympus") == "InvalidParameterValueException"
    for minutes in (10, 52_560_001):
        assert refused(StartWindowMinutes=minutes) == "InvalidParameterValueException", minutes
    assert refused(Lifecycle={"DeleteAfterEvent": "DELETE_AFTER_COPY"}) == "InvalidParameterValueException"  # Answers have it, requests may not.
    cold = {"BackupPlanName": "other", "Rules": [rule(Lifecycle={"MoveToColdStorageAfterDays": 10, "DeleteAfterDays": 99})]}
    words = "Error in rule daily : Invalid lifecycle. DeleteAfterDays cannot be less than 90 days apart from MoveToColdStorageAfterDays"
    assert failure(make, BackupPlan=cold) == ("InvalidParameterValueException", words)
    assert refused(StartWindowMinutes=100, CompletionWindowMinutes=120) == "InvalidParameterValueException"
    for days in (0, 36_501):
        assert refused(Lifecycle={"DeleteAfterDays": days}) == "InvalidParameterValueException", days
    assert failure(make, BackupPlan={"BackupPlanName": "other", "Rules": []})[0] == "InvalidParameterValueException"
    assert refused(CopyActions=[{"DestinationBackupVaultArn": "arn:aws:backup:us-east-1:1:backup-vault:x"}]) == "NotImplemented"
    assert refused(EnableContinuousBackup=True) == "NotImplemented"


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("cron(15 10 * * ? *)", "Etc/UTC", "2026-03-01T10:15", "2026-03-02T10:15"),
        ("cron(0/20 8-9 ? * MON-FRI *)", "Etc/UTC", "2026-03-06T09:40", "2026-03-09T08:00"),
        ("cron(0 0 L * ? *)", "Etc/UTC", "2028-02-01T00:00", "2028-02-29T00:00"),
        ("cron(0 12 ? * 2#1 *)", "Etc/UTC", "2026-03-03T00:00", "2026-04-06T12:00"),
        ("cron(0 12 ? * 6L *)", "Etc/UTC", "2026-03-03T00:00", "2026-03-27T12:00"),
        ("cron(0 12 ? * FRIL *)", "Etc/UTC", "2026-03-03T00:00", "2026-03-27T12:00"),
        ("cron(0 12 ? * mon#1 *)", "Etc/UTC", "2026-03-03T00:00", "2026-04-06T12:00"),
        ("cron(0 9 1W * ? *)", "Etc/UTC", "2026-07-15T00:00", "2026-08-03T09:00"),
        ("cron(0 5 1 JAN,JUL ? 2027-2028)", "Etc/UTC", "2026-03-03T00:00", "2027-01-01T05:00"),
        ("cron(0 3 * * ? *)", "Asia/Seoul", "2026-03-01T00:00", "2026-03-01T18:00"),
        ("cron(0 3 * * ? *)", "America/New_York", "2026-03-09T00:00", "2026-03-09T07:00"),
        # 02:30 does not exist in the night to 8 March 2026.
        ("cron(30 2 * * ? *)", "America/New_York", "2026-03-08T00:00", "2026-03-09T06:30"),
        ("rate(12 hours)", "Etc/UTC", "2026-03-01T00:00", "2026-03-01T12:00"),
    ],
)
def test_schedules(expression: str, zone: str, after: str, expected: str) -> None:
    """The next time of an expression, in the rule's own zone, also over a change of its clocks."""

    def at(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND

    assert Schedule(expression, zone).next(at(after)) == at(expected)


def test_a_schedule_that_is_over() -> None:
    """An expression with past years never runs again; one that is nonsense is refused."""
    now = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    assert Schedule("cron(0 3 * * ? 2020)").next(now) is None
    with pytest.raises(ServiceError):
        Schedule("cron(* * * * *)")


def test_selections_that_are_refused(cloud: Running) -> None:
    """A selection names resources by ARNs of this region, or by tags."""
    client, role = cloud.client("backup"), make_role(cloud)
    rule = {"RuleName": "rule", "TargetBackupVaultName": "vault"}
    plan = client.create_backup_plan(BackupPlan={"BackupPlanName": "plan", "Rules": [rule]})["BackupPlanId"]
    far = "arn:aws:dynamodb:eu-west-1:123456789012:table/x"
    for body, message in (
        ({}, "Invalid backup selection. Either 'ListOfTags' or 'Resources' section must be non-empty."),
        ({"Resources": ["table"]}, "Invalid ARN: table. Specify a valid ARN."),
        ({"Resources": ["*"], "NotResources": ["table"]}, "Invalid ARN: table. Specify a valid ARN."),
        ({"Resources": [far]}, f"Invalid ARN: {far}. Expected region is us-east-1"),
        ({"Resources": ["arn:aws:s3:::b"] * 501}, "Resources must have at most 500 ARNs without wildcards"),
        ({"Resources": ["*"], "NotResources": ["arn:aws:s3:::b*"] * 31}, "NotResources must have at most 30 ARNs with wildcards"),
    ):
        selection = {"SelectionName": "some", "IamRoleArn": role, **body}
        assert failure(client.create_backup_selection, BackupPlanId=plan, BackupSelection=selection) == ("InvalidParameterValueException", message)
    for pattern in ("*", "arn:aws:dynamodb:*:*:table/*", "arn:aws:s3:::*"):
        selection = {"SelectionName": pattern.translate(str.maketrans("*:/", "---")), "IamRoleArn": role, "Resources": [pattern]}
        client.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
