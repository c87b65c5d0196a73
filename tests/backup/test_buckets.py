"""Backing up and restoring buckets."""

from __future__ import annotations

from typing import Any

import pytest

from haneul.services.backup import bucket_copies
from haneul.store.keys import pack, prefix_range
from tests.backup.support import back_up, failure, make_bucket, make_role, restore
from tests.support.running import Running


def fill(cloud: Running, bucket: str) -> None:
    """Objects of all sizes, with headers, metadata and tags."""
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="a/small", Body=b"old")
    s3.put_object(Bucket=bucket, Key="a/small", Body=b"small", ContentType="text/plain", Metadata={"who": "me"}, Tagging="x=1&y=2", CacheControl="no-store")
    s3.put_object(Bucket=bucket, Key="b/large", Body=b"0123456789" * 20_000)
    s3.put_object(Bucket=bucket, Key="c ü/empty", Body=b"")
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"gone")
    s3.delete_object(Bucket=bucket, Key="deleted")


def content(cloud: Running, bucket: str) -> dict[str, tuple[Any, ...]]:
    s3 = cloud.client("s3")
    found = {}
    for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
        got = s3.get_object(Bucket=bucket, Key=one["Key"])
        tags = sorted((tag["Key"], tag["Value"]) for tag in s3.get_object_tagging(Bucket=bucket, Key=one["Key"])["TagSet"])
        found[one["Key"]] = (got["Body"].read(), got["ContentType"], got["Metadata"], got.get("CacheControl"), tags)
    return found


def rows(cloud: Running, space: str) -> int:
    return len(cloud.app.cloud.store.range(*prefix_range(pack((space,)))))


def test_a_bucket_there_and_back(cloud: Running) -> None:
    """A recovery point holds a bucket's objects as they were, with headers, metadata and tags, in a new bucket, or some of them in another."""
    role, bucket = make_role(cloud), make_bucket(cloud, "source")
    fill(cloud, "source")
    before = content(cloud, "source")
    job = back_up(cloud, "vault", bucket, role)
    assert (job["State"], job["ResourceType"], job["BackupSizeInBytes"]) == ("COMPLETED", "S3", 200_005)
    cloud.client("s3").put_object(Bucket="source", Key="a/small", Body=b"changed")
    point = job["RecoveryPointArn"]
    done = restore(cloud, point, role, {"DestinationBucketName": "new", "NewBucket": "true", "EncryptionType": "SSE-S3"})
    assert (done["Status"], done["CreatedResourceArn"]) == ("COMPLETED", "arn:aws:s3:::new")
    assert content(cloud, "new") == before
    make_bucket(cloud, "other", versioned=False)
    restore(cloud, point, role, {"DestinationBucketName": "other", "ItemsToRestore": '["a", "c ü/empty"]'})
    assert set(content(cloud, "other")) == {"a/small", "c ü/empty"}


def test_deleting_the_recovery_point_removes_the_copies(cloud: Running) -> None:
    """Nothing of a deleted recovery point stays, neither rows nor files."""
    client, role, bucket = cloud.client("backup"), make_role(cloud), make_bucket(cloud, "source")
    fill(cloud, "source")
    files = len([one for one in (cloud.data_dir / "blobs").rglob("*") if one.is_file()])
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    assert rows(cloud, "backup-part") == 3
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    cloud.settle()
    cloud.advance("1s")
    assert rows(cloud, "backup-part") == 0
    assert len([one for one in (cloud.data_dir / "blobs").rglob("*") if one.is_file()]) == files


def test_what_is_being_restored_is_not_deleted(cloud: Running) -> None:
    """A restore gets everything that its recovery point held when it began: until it has ended, nobody may delete that (InvalidResourceStateException)."""
    client, role, bucket = cloud.client("backup"), make_role(cloud), make_bucket(cloud, "source")
    fill(cloud, "source")
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    start = {"RecoveryPointArn": point, "IamRoleArn": role, "Metadata": {"DestinationBucketName": "new", "NewBucket": "true"}}
    jobs = [client.start_restore_job(**start)["RestoreJobId"] for _ in range(2)]
    assert failure(client.delete_recovery_point, BackupVaultName="vault", RecoveryPointArn=point)[0] == "InvalidResourceStateException"
    assert client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)["Status"] == "COMPLETED"
    cloud.advance("10s")
    assert [client.describe_restore_job(RestoreJobId=job)["Status"] for job in jobs] == ["COMPLETED", "COMPLETED"] and len(content(cloud, "new")) == 3
    client.delete_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert failure(client.start_restore_job, **start)[0] == "ResourceNotFoundException"


def test_copies_are_encrypted_too(cloud: Running) -> None:
    """A recovery point that held a body in the clear would undo what its object's bucket does."""
    role, bucket, mark = make_role(cloud), make_bucket(cloud, "source"), b"the marker that nobody may find"
    s3 = cloud.client("s3")
    for key, times in (("small", 1), ("row", 1000), ("large", 10_000)):
        s3.put_object(Bucket="source", Key=key, Body=mark * times)
    before = content(cloud, "source")
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    assert [path for path in cloud.data_dir.rglob("*") if path.is_file() and mark in path.read_bytes()] == []
    restore(cloud, point, role, {"DestinationBucketName": "new", "NewBucket": "true"})
    assert content(cloud, "new") == before


def test_buckets_have_no_cold_storage(cloud: Running) -> None:
    """Days until then are checked, and ignored; the end comes all the same (API Reference: "Lifecycle"; Developer Guide: "Feature availability by resource")."""
    client, role, bucket = cloud.client("backup"), make_role(cloud), make_bucket(cloud, "source")
    fill(cloud, "source")
    point = back_up(cloud, "vault", bucket, role, Lifecycle={"MoveToColdStorageAfterDays": 1, "DeleteAfterDays": 91})["RecoveryPointArn"]
    cloud.advance("5d")
    described = client.describe_recovery_point(BackupVaultName="vault", RecoveryPointArn=point)
    assert described["StorageClass"] == "WARM" and set(described["CalculatedLifecycle"]) == {"DeleteAt"}
    cloud.advance("87d")
    assert rows(cloud, "backup-part") == 0


def test_objects_under_their_owners_keys_are_left_out(cloud: Running) -> None:
    """The service has no such key (AWS Backup Developer Guide, "Amazon S3 backups": SSE-C is not supported); everything else is kept."""
    role, bucket = make_role(cloud), make_bucket(cloud, "source")
    s3 = cloud.client("s3")
    s3.put_object(Bucket="source", Key="a", Body=b"theirs", SSECustomerAlgorithm="AES256", SSECustomerKey=b"k" * 32)
    s3.put_object(Bucket="source", Key="b", Body=b"ours")
    job = back_up(cloud, "vault", bucket, role)
    assert job["State"] == "COMPLETED"
    restore(cloud, job["RecoveryPointArn"], role, {"DestinationBucketName": "new", "NewBucket": "true"})
    assert set(content(cloud, "new")) == {"b"}


def test_what_cannot_be_backed_up(cloud: Running) -> None:
    """A bucket without versioning, or none at all, ends the job as FAILED; a restore into a bucket that is missing too."""
    role = make_role(cloud)
    done = back_up(cloud, "vault", make_bucket(cloud, "plain", versioned=False), role)
    assert done["State"] == "FAILED" and "Versioning" in done["StatusMessage"]
    done = back_up(cloud, "vault", "arn:aws:s3:::absent", role)
    assert done["State"] == "FAILED" and "NoSuchBucket" in done["StatusMessage"]
    bucket = make_bucket(cloud, "source")
    fill(cloud, "source")
    point = back_up(cloud, "vault", bucket, role)["RecoveryPointArn"]
    assert restore(cloud, point, role, {"DestinationBucketName": "absent"})["Status"] == "FAILED"
    client = cloud.client("backup")
    start = client.start_restore_job
    assert failure(start, RecoveryPointArn=point, IamRoleArn=role, Metadata={"NewBucket": "true"})[0] == "InvalidParameterValueException"
    assert failure(start, RecoveryPointArn=point, IamRoleArn=role, Metadata={"DestinationBucketName": "x", "RestoreTime": "1"})[0] == "NotImplemented"
    assert failure(start, RecoveryPointArn=point + "x", IamRoleArn=role, Metadata={})[0] == "ResourceNotFoundException"


def test_a_restart_in_the_middle(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that was cut off goes on behind the last object that it has, and counts every byte once."""
    client, role, bucket = cloud.client("backup"), make_role(cloud), make_bucket(cloud, "source")
    fill(cloud, "source")
    with monkeypatch.context() as patched:
        copy, counted = bucket_copies._copy, iter(range(1))

        async def broken(*arguments: Any) -> None:
            if next(counted, None) is None:
                raise RuntimeError("the process ends here")
            await copy(*arguments)

        patched.setattr(bucket_copies, "_copy", broken)
        job = client.start_backup_job(BackupVaultName="vault", ResourceArn=bucket, IamRoleArn=role)["BackupJobId"]
        cloud.advance("1s")
    assert rows(cloud, "backup-part") == 1
    cloud.stop()
    cloud.start()
    cloud.advance("10s")
    client = cloud.client("backup")
    done = client.describe_backup_job(BackupJobId=job)
    assert (done["State"], done["BackupSizeInBytes"]) == ("COMPLETED", 200_005)
    restore(cloud, done["RecoveryPointArn"], role, {"DestinationBucketName": "new", "NewBucket": "true"})
    assert content(cloud, "new") == content(cloud, "source")
