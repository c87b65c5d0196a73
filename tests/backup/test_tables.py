"""Backing up and restoring tables on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.clock import HOUR, MINUTE
from haneul.services.backup import job_work, restore_work
from haneul.services.sts.service import Sts
from tests.backup.support import SERVICES, back_up, failure, make_bucket, make_role, make_table, restore
from tests.support.running import ACCOUNT, Running


def test_a_table_there_and_back(cloud: Running) -> None:
    """A table's recovery point is AWS Backup's, made of a DynamoDB backup of type AWS_BACKUP, and becomes a new table again.

    (Developer Guide: "Advanced DynamoDB backup", which is on for everyone who began after November 2021.)
    """
    client, db, role = cloud.client("backup"), cloud.client("dynamodb"), make_role(cloud)
    table = make_table(cloud, "source", 5)
    job = back_up(cloud, "vault", table, role, RecoveryPointTags={"a": "b"})
    assert (job["State"], job["ResourceType"], job["ResourceName"]) == ("COMPLETED", "DynamoDB", "source")
    point = job["RecoveryPointArn"]
    (summary,) = db.list_backups(TableName="source", BackupType="AWS_BACKUP")["BackupSummaries"]
    assert point.startswith(f"arn:aws:backup:us-east-1:{ACCOUNT}:recovery-point:") and summary["BackupArn"].startswith(table) and db.list_backups()["BackupSummaries"] == []
    described = client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert (described["Status"], described["StorageClass"], described["BackupSizeInBytes"]) == ("COMPLETED", "WARM", job["BackupSizeInBytes"])
    assert client.list_tags(ResourceArn=point)["Tags"] == {"a": "b"}
    metadata = client.get_recovery_point_restore_metadata(BackupVaultName="vault", RecoveryPointArn=point)["RestoreMetadata"]
    done = restore(cloud, point, role, {**metadata, "targetTableName": "restored"})
    assert (done["Status"], done["CreatedResourceArn"]) == ("COMPLETED", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/restored")
    assert client.get_restore_job_metadata(RestoreJobId=done["RestoreJobId"])["Metadata"] == {**metadata, "targetTableName": "restored"}
    listed = client.list_restore_jobs_by_protected_resource
    assert [job["RestoreJobId"] for job in listed(ResourceArn=table, ByStatus="COMPLETED")["RestoreJobs"]] == [done["RestoreJobId"]]
    for none in ({"ResourceArn": table + "x"}, {"ResourceArn": table, "ByRecoveryPointCreationDateBefore": described["CreationDate"]}):
        assert listed(**none)["RestoreJobs"] == []
    assert db.scan(TableName="restored")["Count"] == 5
    assert "LastRestoreTime" in client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    (protected,) = client.list_protected_resources()["Results"]
    assert protected["ResourceArn"] == table and protected["LastRecoveryPointArn"] == point
    assert client.describe_protected_resource(ResourceArn=table)["LastBackupTime"] == described["CreationDate"]


def test_recovery_points_are_deleted_through_their_vault(cloud: Running) -> None:
    """What AWS Backup has made is not DynamoDB's to delete; deleting the recovery point removes the backup, and what it protected."""
    client, db, role = cloud.client("backup"), cloud.client("dynamodb"), make_role(cloud)
    table = make_table(cloud, "source")
    points = [back_up(cloud, "vault", table, role)["RecoveryPointArn"] for _ in range(2)]
    for one in db.list_backups(BackupType="AWS_BACKUP")["BackupSummaries"]:
        assert failure(db.delete_backup, BackupArn=one["BackupArn"])[0] == "ValidationException"
    assert [one["RecoveryPointArn"] for one in client.list_recovery_points_by_resource(ResourceArn=table)["RecoveryPoints"]] == points[::-1]
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=points[1])
    assert client.describe_protected_resource(ResourceArn=table)["LastRecoveryPointArn"] == points[0]
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=points[0])
    assert client.list_protected_resources()["Results"] == [] and db.list_backups(BackupType="ALL")["BackupSummaries"] == []
    assert failure(client.describe_recovery_point, BackupVaultName="vault", RecoveryPointArn=points[0])[0] == "ResourceNotFoundException"


def test_a_role_may_do_no_more_than_backups(cloud: Running) -> None:
    """The permissions that DynamoDB has for AWS Backup are enough for a role, without those for backups of its own, or for reading the table.

    (DynamoDB Developer Guide: "Using IAM with DynamoDB backup and restore", example 8.)
    """
    client, table = cloud.client("backup"), make_table(cloud, "source")
    role = make_role(cloud, allowed=["dynamodb:StartAwsBackupJob", "dynamodb:RestoreTableFromAwsBackup"])
    point = back_up(cloud, "vault", table, role)["RecoveryPointArn"]
    assert restore(cloud, point, role, {"targetTableName": "new"})["Status"] == "COMPLETED"
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert cloud.client("dynamodb").list_backups(BackupType="ALL")["BackupSummaries"] == []
    old = back_up(cloud, "vault", table, make_role(cloud, "old", ["dynamodb:CreateBackup", "dynamodb:DescribeBackup"]))
    assert old["State"] == "FAILED" and "dynamodb:StartAwsBackupJob" in old["StatusMessage"]


def test_recovery_points_have_their_resources_tags(cloud: Running) -> None:
    """Tags of the table or bucket are copied, in alphabetical order, up to 50; those that the job gives come first (Developer Guide: "Copying tags onto backups")."""
    client, role = cloud.client("backup"), make_role(cloud)
    table = make_table(cloud, "source", tags={f"t{number:02}": "table" for number in range(49)})
    given = {"t03": "job", "x": "job", "y": "job"}
    point = back_up(cloud, "vault", table, role, RecoveryPointTags=given)["RecoveryPointArn"]
    assert client.list_tags(ResourceArn=point)["Tags"] == {**{f"t{number:02}": "table" for number in range(48)}, **given}
    bucket = make_bucket(cloud, "source")
    cloud.client("s3").put_bucket_tagging(Bucket="source", Tagging={"TagSet": [{"Key": "a", "Value": "bucket"}]})
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    assert client.list_tags(ResourceArn=point)["Tags"] == {"a": "bucket"}


def test_a_session_is_not_aws_backup_by_its_name() -> None:
    """Whoever names a session after the service can still not delete what the service has made."""
    with Running(services=[*SERVICES, Sts]) as cloud:
        cloud.client("backup").create_backup_vault(BackupVaultName="vault")
        table, role = make_table(cloud, "source"), make_role(cloud)
        back_up(cloud, "vault", table, role)
        iam = cloud.client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}
        arn = iam.create_role(RoleName="guest", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName="guest", PolicyName="p", PolicyDocument=json.dumps(policy))
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}]}
        iam.create_user(UserName="user")
        iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(allow))
        key = iam.create_access_key(UserName="user")["AccessKey"]
        sts = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
        session = sts.assume_role(RoleArn=arn, RoleSessionName="AWSBackup")["Credentials"]
        db = cloud.client("dynamodb", key=session["AccessKeyId"], secret=session["SecretAccessKey"], token=session["SessionToken"])
        (made,) = db.list_backups(BackupType="AWS_BACKUP")["BackupSummaries"]
        assert failure(db.delete_backup, BackupArn=made["BackupArn"])[0] == "ValidationException"
        assert db.create_backup(TableName="source", BackupName="own")["BackupDetails"]["BackupType"] == "USER"


def test_jobs_that_fail_say_why(cloud: Running) -> None:
    """A table that is not there, a role that may not, or a name that is taken ends a job as FAILED with the reason."""
    role = make_role(cloud)
    done = back_up(cloud, "vault", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/absent", role)
    assert done["State"] == "FAILED" and "Table not found: absent" in done["StatusMessage"]
    table = make_table(cloud, "source")
    done = back_up(cloud, "vault", table, make_role(cloud, "weak", ["s3:GetObject"]))
    assert done["State"] == "FAILED" and "dynamodb:StartAwsBackupJob" in done["StatusMessage"]
    point = back_up(cloud, "vault", table, role)["RecoveryPointArn"]
    failed = restore(cloud, point, role, {"targetTableName": "source"})
    assert failed["Status"] == "FAILED" and "TableAlreadyExistsException" in failed["StatusMessage"] and "CreatedResourceArn" not in failed
    client = cloud.client("backup")
    assert len(client.list_backup_jobs(ByState="FAILED")["BackupJobs"]) == 2
    assert client.list_backup_jobs(ByParentJobId="a")["BackupJobs"] == client.list_restore_jobs(ByParentJobId="a")["RestoreJobs"] == []
    assert client.list_recovery_points_by_backup_vault(BackupVaultName="vault", ByParentRecoveryPointArn="arn:a")["RecoveryPoints"] == []
    assert failure(client.list_backup_jobs, ByMessageCategory="SUCCESS")[0] == "NotImplemented"
    assert failure(client.list_recovery_points_by_backup_vault, BackupVaultName="vault", BackupVaultAccountId="111122223333")[0] == "NotImplemented"
    assert client.list_restore_jobs(ByAccountId="111122223333")["RestoreJobs"] == [] and len(client.list_restore_jobs(ByAccountId=ACCOUNT)["RestoreJobs"]) == 1
    assert [one["State"] for one in client.list_backup_jobs(ByResourceArn=table, MaxResults=1)["BackupJobs"]] == ["COMPLETED"]


def test_requests_that_are_refused(cloud: Running) -> None:
    """Vault, resource and role are looked at before a job begins; a role must be passed, and trust AWS Backup."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "source")
    good = {"BackupVaultName": "vault", "ResourceArn": table, "IamRoleArn": role}
    start = client.start_backup_job
    assert failure(start, **{**good, "BackupVaultName": "absent"})[0] == "ResourceNotFoundException"
    assert failure(start, **{**good, "ResourceArn": "arn:aws:sqs:us-east-1:1:queue"})[0] == "InvalidParameterValueException"
    assert failure(start, **{**good, "IamRoleArn": make_role(cloud, "other", principal="lambda.amazonaws.com")})[0] == "InvalidParameterValueException"
    for wrong in ({"aws:a": "b"}, {f"t{number}": "v" for number in range(51)}):
        assert failure(start, **good, RecoveryPointTags=wrong)[0] == "InvalidParameterValueException"
        assert failure(client.create_backup_vault, BackupVaultName="other", BackupVaultTags=wrong)[0] == "InvalidParameterValueException"
    assert failure(start, **good, Lifecycle={"MoveToColdStorageAfterDays": 1, "DeleteAfterDays": 90})[0] == "InvalidParameterValueException"
    iam = cloud.client("iam")
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "backup:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(allow))
    mine = cloud.client("backup", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert "iam:PassRole" in failure(mine.start_backup_job, **good)[1]
    first = start(**good, IdempotencyToken="t")["BackupJobId"]
    assert start(**good, IdempotencyToken="t")["BackupJobId"] == first
    assert failure(client.describe_backup_job, BackupJobId="absent")[0] == "ResourceNotFoundException"


def test_a_job_that_is_stopped_leaves_nothing(cloud: Running) -> None:
    """StopBackupJob ends a job, before or while the table is copied."""
    client, db, role, table = cloud.client("backup"), cloud.client("dynamodb"), make_role(cloud), make_table(cloud, "source")
    for wait in ("0s", "1s"):
        job = client.start_backup_job(BackupVaultName="vault", ResourceArn=table, IamRoleArn=role)["BackupJobId"]
        cloud.advance(wait)
        client.stop_backup_job(BackupJobId=job)
        cloud.advance("10s")
        assert client.describe_backup_job(BackupJobId=job)["State"] == "ABORTED"
        assert failure(client.stop_backup_job, BackupJobId=job)[0] == "InvalidRequestException"
    assert db.list_backups(BackupType="ALL")["BackupSummaries"] == []


def test_jobs_have_their_time(cloud: Running) -> None:
    """A job that could not begin within its window, because nothing ran, expires and makes nothing; windows have at least an hour."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "source")
    good = {"BackupVaultName": "vault", "ResourceArn": table, "IamRoleArn": role}
    for wrong in ({"StartWindowMinutes": 59}, {"StartWindowMinutes": 60, "CompleteWindowMinutes": 100}):
        assert failure(client.start_backup_job, **good, **wrong)[0] == "InvalidParameterValueException"
    job = client.start_backup_job(**good, StartWindowMinutes=60, CompleteWindowMinutes=120)["BackupJobId"]
    cloud.stop()
    cloud.clock = type(cloud.clock)(frozen_at=cloud.clock.now() + 61 * MINUTE)
    cloud.start()
    cloud.advance("10s")
    done = cloud.client("backup").describe_backup_job(BackupJobId=job)
    assert done["State"] == "EXPIRED" and "RecoveryPointArn" not in done
    assert cloud.client("dynamodb").list_backups(BackupType="ALL")["BackupSummaries"] == []


def test_lifecycles_by_the_clock(cloud: Running) -> None:
    """A recovery point becomes cold and ends by its lifecycle, which can be changed; jobs are forgotten after 30 days."""
    client, db, role, table = cloud.client("backup"), cloud.client("dynamodb"), make_role(cloud), make_table(cloud, "source")
    back_up(cloud, "vault", table, role, Lifecycle={"DeleteAfterDays": 5})
    long = back_up(cloud, "vault", table, role, Lifecycle={"MoveToColdStorageAfterDays": 10, "DeleteAfterDays": 100})["RecoveryPointArn"]
    kept = back_up(cloud, "vault", table, role)["RecoveryPointArn"]

    def points() -> set[str]:
        return {one["RecoveryPointArn"] for one in client.list_recovery_points_by_backup_vault(BackupVaultName="vault")["RecoveryPoints"]}

    cloud.advance("6d")
    assert points() == {long, kept} and len(db.list_backups(BackupType="ALL")["BackupSummaries"]) == 2
    assert client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=long)["StorageClass"] == "WARM"
    cloud.advance("5d")
    assert client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=long)["StorageClass"] == "COLD"
    client.update_recovery_point_lifecycle(BackupVaultName="vault", RecoveryPointArn=kept, Lifecycle={"DeleteAfterDays": 40})
    cloud.advance("30d")
    assert points() == {long} and client.list_backup_jobs()["BackupJobs"] == []
    cloud.advance("70d")
    assert points() == set() and db.list_backups(BackupType="ALL")["BackupSummaries"] == []


def test_recovery_points_are_billed_by_the_hour(cloud: Running) -> None:
    """Warm hours have a price; cold ones, which none is known of, are told apart; DynamoDB does not bill them too."""
    table, role = make_table(cloud, "source", items=1000), make_role(cloud)
    arn = back_up(cloud, "vault", table, role, Lifecycle={"MoveToColdStorageAfterDays": 10, "DeleteAfterDays": 100})["RecoveryPointArn"]
    size = cloud.client("backup").describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=arn)["BackupSizeInBytes"]
    start = cloud.clock.now()
    cloud.advance("12d")
    made = cloud.run(cloud.app.bill("000000000000", start - HOUR, cloud.clock.now()))
    lines: list[dict[str, str]] = made["lines"]  # type: ignore[assignment]
    (warm,) = [line for line in lines if "Storage" in line["what"] and line["service"] == "backup"]
    assert (warm["what"], warm["price"], warm["resource"]) == ("WarmStorage-ByteHrs-DynamoDB", "0.10", "source")
    assert not [line for line in lines if line["what"] == "TimedBackupStorage-ByteHrs"]
    cold = next(one for one in made["not_priced"] if one["service"] == "backup")  # type: ignore[attr-defined]
    assert cold["what"] == "ColdStorage-ByteHrs-DynamoDB" and 4.9 < float(warm["quantity"]) / float(cold["quantity"]) < 5.1
    both = float(warm["quantity"]) + float(cold["quantity"])
    assert size * 288 / 744 * 0.99 < both * 2**30 < size * 288 / 672 * 1.01


def test_what_may_no_longer_be_deleted_expires(cloud: Running) -> None:
    """When the role is gone, a recovery point whose time is over stays as EXPIRED, and says why."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "source")
    point = back_up(cloud, "vault", table, role, Lifecycle={"DeleteAfterDays": 5})["RecoveryPointArn"]
    iam = cloud.client("iam")
    iam.delete_role_policy(RoleName="keeper", PolicyName="p")
    iam.delete_role(RoleName="keeper")
    cloud.advance("6d")
    described = client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert described["Status"] == "EXPIRED" and "sts:AssumeRole" in described["StatusMessage"]
    # Who deletes it by hand hears nothing of that (API Reference: "DeleteRecoveryPoint").
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)["Status"] == "EXPIRED"
    make_role(cloud)
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert client.list_recovery_points_by_backup_vault(BackupVaultName="vault")["RecoveryPoints"] == []


def test_a_restart_in_the_middle(cloud: Running) -> None:
    """Jobs that were under way when the process ended are carried on."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "source")
    job = client.start_backup_job(BackupVaultName="vault", ResourceArn=table, IamRoleArn=role)["BackupJobId"]
    cloud.advance("1s")
    assert client.describe_backup_job(BackupJobId=job)["State"] == "RUNNING"
    cloud.stop()
    cloud.start()
    cloud.advance("10s")
    point = cloud.client("backup").describe_backup_job(BackupJobId=job)["RecoveryPointArn"]
    begun = cloud.client("backup").start_restore_job(RecoveryPointArn=point, IamRoleArn=role, Metadata={"targetTableName": "new"})["RestoreJobId"]
    cloud.advance("1s")
    cloud.stop()
    cloud.start()
    cloud.advance("10s")
    assert cloud.client("backup").describe_restore_job(RestoreJobId=begun)["Status"] == "COMPLETED"
    assert cloud.client("dynamodb").scan(TableName="new")["Count"] == 3


def test_the_managed_policies_suffice(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role with nothing but the policies that AWS has for roles of AWS Backup can back up and restore, also when a job was cut off behind CreateBackup or the restore."""
    role, iam = make_role(cloud, allowed=["sts:GetCallerIdentity"]), cloud.client("iam")
    for name in ("service-role/AWSBackupServiceRolePolicyForBackup", "service-role/AWSBackupServiceRolePolicyForRestores"):
        iam.attach_role_policy(RoleName="keeper", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    for name in ("AWSBackupServiceRolePolicyForS3Backup", "AWSBackupServiceRolePolicyForS3Restore"):
        iam.attach_role_policy(RoleName="keeper", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    with monkeypatch.context() as patched:

        async def broken(*arguments: Any) -> None:
            raise RuntimeError("the process ends here")

        patched.setattr(job_work, "_save_and_return", broken)
        start = {"BackupVaultName": "vault", "ResourceArn": make_table(cloud, "source"), "IamRoleArn": role}
        job = cloud.client("backup").start_backup_job(**start)["BackupJobId"]
        cloud.advance("1s")
    cloud.stop()
    cloud.start()
    cloud.advance("10s")
    done = cloud.client("backup").describe_backup_job(BackupJobId=job)
    assert (done["State"], done.get("StatusMessage")) == ("COMPLETED", None)
    assert len(cloud.client("dynamodb").list_backups(BackupType="AWS_BACKUP")["BackupSummaries"]) == 1
    again = {"RecoveryPointArn": done["RecoveryPointArn"], "IamRoleArn": role, "Metadata": {"targetTableName": "new"}}
    with monkeypatch.context() as patched:
        patched.setattr(restore_work, "_again", broken)
        job = cloud.client("backup").start_restore_job(**again)["RestoreJobId"]
        cloud.advance("1s")
    cloud.stop()
    cloud.start()
    cloud.advance("10s")  # The table is ready by now, and no longer says where it comes from.
    assert cloud.client("backup").describe_restore_job(RestoreJobId=job)["Status"] == "COMPLETED"
    failed = restore(cloud, done["RecoveryPointArn"], role, {"targetTableName": "new"})
    assert (failed["Status"], "Table already exists: new" in failed["StatusMessage"]) == ("FAILED", True)
    bucket = make_bucket(cloud, "source")
    cloud.client("s3").put_object(Bucket="source", Key="k", Body=b"v", Tagging="a=b")
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    assert restore(cloud, point, role, {"DestinationBucketName": "new", "NewBucket": "true"})["Status"] == "COMPLETED"


def test_two_jobs_for_one_table_at_once(cloud: Running) -> None:
    """Rules and requests may meet at one table; each gets its recovery point."""
    client, role, table = cloud.client("backup"), make_role(cloud), make_table(cloud, "source")
    for _ in range(2):
        client.start_backup_job(BackupVaultName="vault", ResourceArn=table, IamRoleArn=role)
    cloud.advance("10s")
    assert [job["State"] for job in client.list_backup_jobs()["BackupJobs"]] == ["COMPLETED", "COMPLETED"]
    assert len({job["RecoveryPointArn"] for job in client.list_backup_jobs()["BackupJobs"]}) == 2
