"""Vaults, their policies and locks."""

from __future__ import annotations

import json

from tests.backup.support import back_up, failure, make_role, make_table
from tests.support.running import ACCOUNT, Running


def test_vaults_come_and_go(cloud: Running) -> None:
    """A vault's name is its own within account and region; only an empty vault can be deleted."""
    client = cloud.client("backup")
    arn = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:vault"
    assert failure(client.create_backup_vault, BackupVaultName="vault")[0] == "AlreadyExistsException"
    first = client.create_backup_vault(BackupVaultName="second", CreatorRequestId="r", BackupVaultTags={"a": "b"})
    assert client.create_backup_vault(BackupVaultName="second", CreatorRequestId="r") ["CreationDate"] == first["CreationDate"]
    assert [one["BackupVaultName"] for one in client.list_backup_vaults()["BackupVaultList"]] == ["second", "vault"]
    page = client.list_backup_vaults(MaxResults=1)
    assert client.list_backup_vaults(NextToken=page["NextToken"])["BackupVaultList"][0]["BackupVaultArn"] == arn
    assert cloud.client("backup", region="eu-west-1").list_backup_vaults()["BackupVaultList"] == []
    back_up(cloud, "vault", make_table(cloud, "table"), make_role(cloud))
    assert client.describe_backup_vault(BackupVaultName="vault")["NumberOfRecoveryPoints"] == 1
    assert failure(client.delete_backup_vault, BackupVaultName="vault")[0] == "InvalidRequestException"
    client.delete_backup_vault(BackupVaultName="second")
    assert failure(client.describe_backup_vault, BackupVaultName="second")[0] == "AccessDeniedException"
    assert failure(client.delete_backup_vault, BackupVaultName="second")[0] == "ResourceNotFoundException"


def test_what_the_service_says_of_itself(cloud: Running) -> None:
    """The kinds of resources that it backs up, in the account and in the region."""
    client = cloud.client("backup")
    supported = client.get_supported_resource_types()["ResourceTypes"]
    assert {"DynamoDB", "S3"} <= set(supported)
    preference = client.describe_region_settings()["ResourceTypeOptInPreference"]
    assert preference["DynamoDB"] is True and set(preference) <= set(supported)
    assert client.describe_global_settings()["GlobalSettings"]["isCrossAccountBackupEnabled"] == "false"


def test_tags_of_vaults(cloud: Running) -> None:
    """Tags are added, listed and removed by the vault's ARN."""
    client = cloud.client("backup")
    arn = client.describe_backup_vault(BackupVaultName="vault")["BackupVaultArn"]
    client.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    client.untag_resource(ResourceArn=arn, TagKeyList=["a"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert failure(client.list_tags, ResourceArn=arn + "x")[0] == "ResourceNotFoundException"


def test_a_vaults_policy_denies(cloud: Running) -> None:
    """A vault's access policy is a resource policy: what it denies, nobody may."""
    client, iam = cloud.client("backup"), cloud.client("iam")
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "backup:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(allow))
    mine = cloud.client("backup", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert mine.describe_backup_vault(BackupVaultName="vault")["BackupVaultName"] == "vault"
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "backup:DescribeBackupVault", "Resource": "*"}]}
    assert failure(client.get_backup_vault_access_policy, BackupVaultName="vault")[0] == "ResourceNotFoundException"
    assert failure(client.put_backup_vault_access_policy, BackupVaultName="vault", Policy="{")[0] == "InvalidParameterValueException"
    client.put_backup_vault_access_policy(BackupVaultName="vault", Policy=json.dumps(deny))
    assert failure(mine.describe_backup_vault, BackupVaultName="vault")[0] == "AccessDeniedException"
    client.delete_backup_vault_access_policy(BackupVaultName="vault")
    assert mine.describe_backup_vault(BackupVaultName="vault")["BackupVaultName"] == "vault"


def test_a_vaults_policy_is_that_of_its_recovery_points(cloud: Running) -> None:
    """Who may do everything may still not delete, restore or change what a vault's policy denies (Developer Guide: "Vault access policies")."""
    client, iam, role = cloud.client("backup"), cloud.client("iam"), make_role(cloud)
    point = back_up(cloud, "vault", make_table(cloud, "table"), role)["RecoveryPointArn"]
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(allow))
    mine = cloud.client("backup", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    actions = ["backup:DeleteRecoveryPoint", "backup:StartRestoreJob", "backup:UpdateRecoveryPointLifecycle"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": "*"}]}
    client.put_backup_vault_access_policy(BackupVaultName="vault", Policy=json.dumps(deny))
    named = {"BackupVaultName": "vault", "RecoveryPointArn": point}
    for call, more in (
        (mine.delete_recovery_point, named),
        (mine.update_recovery_point_lifecycle, {**named, "Lifecycle": {"DeleteAfterDays": 1}}),
        (mine.start_restore_job, {"RecoveryPointArn": point, "IamRoleArn": role, "Metadata": {"targetTableName": "restored"}}),
    ):
        assert failure(call, **more)[0] == "AccessDeniedException"
    assert mine.describe_recovery_point(**named)["Status"] == "COMPLETED"
    client.delete_backup_vault_access_policy(BackupVaultName="vault")
    mine.delete_recovery_point(**named)


def test_what_policies_and_locks_may_not_say(cloud: Running) -> None:
    """Policies of vaults name their actions in full; locks are about 1 to 36500 days."""
    client = cloud.client("backup")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "backup:Delete*", "Resource": "*"}]}
    assert failure(client.put_backup_vault_access_policy, BackupVaultName="vault", Policy=json.dumps(deny))[0] == "InvalidParameterValueException"
    for days in ({"MinRetentionDays": 0}, {"MaxRetentionDays": 0}, {"MaxRetentionDays": 36_501}):
        assert failure(client.put_backup_vault_lock_configuration, BackupVaultName="vault", **days)[0] == "InvalidParameterValueException"
    assert client.describe_backup_vault(BackupVaultName="vault")["Locked"] is False


def test_a_locked_vault_keeps_what_it_has(cloud: Running) -> None:
    """A lock bounds how long recovery points are kept, and lets nobody delete one before its time."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "table")
    client.put_backup_vault_lock_configuration(BackupVaultName="vault", MinRetentionDays=7, MaxRetentionDays=30)
    for days in ({"DeleteAfterDays": 6}, {"DeleteAfterDays": 31}, {}):
        parameters = {"BackupVaultName": "vault", "ResourceArn": table, "IamRoleArn": role, "Lifecycle": days}
        assert failure(client.start_backup_job, **parameters)[0] == "InvalidParameterValueException"
    point = back_up(cloud, "vault", table, role, Lifecycle={"DeleteAfterDays": 7})["RecoveryPointArn"]
    assert failure(client.delete_recovery_point, BackupVaultName="vault", RecoveryPointArn=point)[0] == "InvalidRequestException"
    assert client.describe_backup_vault(BackupVaultName="vault")["Locked"] is True
    longer = {"BackupVaultName": "vault", "RecoveryPointArn": point, "Lifecycle": {"DeleteAfterDays": 8}}
    assert failure(client.update_recovery_point_lifecycle, **longer)[0] == "InvalidRequestException"
    cloud.advance("8d")
    assert client.list_recovery_points_by_backup_vault(BackupVaultName="vault")["RecoveryPoints"] == []


def test_a_lock_can_become_immutable(cloud: Running) -> None:
    """In compliance mode a lock can be changed and taken away until its date, at least three days later, and never again after it."""
    client = cloud.client("backup")
    for days in (2, 36_501):
        assert failure(client.put_backup_vault_lock_configuration, BackupVaultName="vault", ChangeableForDays=days)[0] == "InvalidParameterValueException"
    client.put_backup_vault_lock_configuration(BackupVaultName="vault", MinRetentionDays=7, ChangeableForDays=3)
    vault = client.describe_backup_vault(BackupVaultName="vault")
    assert vault["Locked"] is True and 2.99 < (vault["LockDate"].timestamp() - cloud.clock.now() / 10**9) / 86_400 <= 3
    client.delete_backup_vault_lock_configuration(BackupVaultName="vault")
    vault = client.describe_backup_vault(BackupVaultName="vault")
    assert vault["Locked"] is False and not {"LockDate", "MinRetentionDays"} & set(vault)
    client.put_backup_vault_lock_configuration(BackupVaultName="vault", ChangeableForDays=4)
    cloud.advance("3d")
    client.put_backup_vault_lock_configuration(BackupVaultName="vault", MaxRetentionDays=9, ChangeableForDays=3)
    cloud.advance("2d")
    client.tag_resource(ResourceArn=client.describe_backup_vault(BackupVaultName="vault")["BackupVaultArn"], Tags={"a": "b"})
    cloud.advance("2d")
    assert failure(client.delete_backup_vault_lock_configuration, BackupVaultName="vault")[0] == "InvalidRequestException"
    assert failure(client.put_backup_vault_lock_configuration, BackupVaultName="vault")[0] == "InvalidRequestException"
    assert client.describe_backup_vault(BackupVaultName="vault")["MaxRetentionDays"] == 9


def test_tags_and_days_in_policies(cloud: Running) -> None:
    """A recovery point's tags are conditions like those of vaults and plans; what a lock says can be one too (Service Authorization Reference)."""
    client, iam = cloud.client("backup"), cloud.client("iam")
    point = back_up(cloud, "vault", make_table(cloud, "table"), make_role(cloud), RecoveryPointTags={"keep": "yes"})["RecoveryPointArn"]
    kept = {"Effect": "Deny", "Action": "backup:DeleteRecoveryPoint", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/keep": "yes"}}}
    short = {"Effect": "Deny", "Action": "backup:PutBackupVaultLockConfiguration", "Resource": "*", "Condition": {"NumericLessThan": {"backup:ChangeableForDays": "30"}}}
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, kept, short]}
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(allow))
    mine = cloud.client("backup", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    named = {"BackupVaultName": "vault", "RecoveryPointArn": point}
    assert failure(mine.delete_recovery_point, **named)[0] == "AccessDeniedException"
    client.untag_resource(ResourceArn=point, TagKeyList=["keep"])
    mine.delete_recovery_point(**named)
    assert failure(mine.put_backup_vault_lock_configuration, BackupVaultName="vault", ChangeableForDays=29)[0] == "AccessDeniedException"
    mine.put_backup_vault_lock_configuration(BackupVaultName="vault", ChangeableForDays=30)


def test_a_lock_that_comes_after_the_plan(cloud: Running) -> None:
    """Jobs of a rule that keeps too short for its vault fail, though the rule was made before the vault was locked."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "table")
    rule = {"RuleName": "daily", "TargetBackupVaultName": "vault", "Lifecycle": {"DeleteAfterDays": 6}}
    plan = client.create_backup_plan(BackupPlan={"BackupPlanName": "plan", "Rules": [rule]})["BackupPlanId"]
    client.create_backup_selection(BackupPlanId=plan, BackupSelection={"SelectionName": "all", "IamRoleArn": role, "Resources": [table]})
    client.put_backup_vault_lock_configuration(BackupVaultName="vault", MinRetentionDays=7)
    cloud.advance("25h")
    # By default at five in the morning: twice for whoever begins in the hour before.
    jobs = client.list_backup_jobs()["BackupJobs"]
    assert [(job["State"], "minimum of 7 days" in job["StatusMessage"]) for job in jobs] in ([("FAILED", True)], [("FAILED", True)] * 2)
    assert client.list_recovery_points_by_backup_vault(BackupVaultName="vault")["RecoveryPoints"] == []
