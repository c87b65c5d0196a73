"""AWS managed policies for the roles that AWS Backup works with (AWS Managed Policy Reference Guide, one page each).

Of the policies for all services, the statements about tables stand here.
"""

from __future__ import annotations

from haneul.auth.policy.managed_policy import ManagedPolicy, actions, allow, managed

_TABLES = "arn:aws:dynamodb:*:*:table/*"
_TABLE_BACKUPS = "arn:aws:dynamodb:*:*:table/*/backup/*"
_BUCKETS = "arn:aws:s3:::*"
_OBJECTS = "arn:aws:s3:::*/*"

BACKUP_POLICIES: tuple[ManagedPolicy, ...] = (
    managed(
        "AWSBackupServiceRolePolicyForBackup",
        "Provides AWS Backup permission to create backups on your behalf across AWS services",
        allow(actions("dynamodb", "DescribeTable CreateBackup"), on=_TABLES, sid="DynamoDBPermissions"),
        allow(actions("dynamodb", "DescribeBackup DeleteBackup"), on=_TABLE_BACKUPS, sid="DynamoDBBackupResourcePermissions"),
        allow(actions("dynamodb", "StartAwsBackupJob ListTagsOfResource"), on=_TABLES, sid="DynamodbBackupPermissions"),
        path="/service-role/",
        version_id="v30",
        created_at="2026-02-23T19:42:00Z",
        partial=True,
    ),
    managed(
        "AWSBackupServiceRolePolicyForRestores",
        "Provides AWS Backup permission to perform restores on your behalf across AWS services. This policy includes permissions to create and delete "
        "AWS resources, such as EBS volumes, RDS instances, and EFS file systems, which are part of the restore process.",
        allow(
            actions("dynamodb", "Scan Query UpdateItem PutItem GetItem DeleteItem BatchWriteItem DescribeTable"), on=_TABLES, sid="DynamoDBPermissions"
        ),
        allow(actions("dynamodb", "RestoreTableFromBackup"), on=_TABLE_BACKUPS, sid="DynamoDBBackupResourcePermissions"),
        allow(actions("dynamodb", "RestoreTableFromAwsBackup"), on=_TABLES),
        path="/service-role/",
        version_id="v35",
        created_at="2026-02-12T17:57:00Z",
        partial=True,
    ),
    managed(
        "AWSBackupServiceRolePolicyForS3Backup",
        "Policy containing permissions necessary for AWS Backup to backup data in any S3 bucket. This includes read access to all S3 objects and any "
        "decrypt access for all KMS keys.",
        allow(
            actions("s3", "GetBucketTagging GetInventoryConfiguration ListBucketVersions ListBucket GetBucketVersioning GetBucketLocation GetBucketAcl"),
            actions("s3", "PutInventoryConfiguration GetBucketNotification PutBucketNotification"),
            on=_BUCKETS,
            sid="S3BucketPermissions",
        ),
        allow(
            actions("s3", "GetObjectAcl GetObject GetObjectVersionTagging GetObjectVersionAcl GetObjectTagging GetObjectVersion"),
            on=_OBJECTS,
            sid="S3ObjectPermissions",
        ),
        version_id="v4",
        created_at="2024-05-17T17:12:00Z",
        partial=True,
    ),
    managed(
        "AWSBackupServiceRolePolicyForS3Restore",
        "Policy containing permissions necessary for AWS Backup to restore a S3 backup to a bucket. This includes read/write permissions to all S3 "
        "buckets, and permissions to GenerateDataKey and DescribeKey for all KMS keys.",
        allow(
            actions("s3", "CreateBucket ListBucketVersions ListBucket GetBucketVersioning GetBucketLocation PutBucketVersioning"),
            actions("s3", "PutBucketOwnershipControls GetBucketOwnershipControls"),
            on=_BUCKETS,
        ),
        allow(
            actions("s3", "GetObject GetObjectVersion DeleteObject PutObjectVersionAcl GetObjectVersionAcl GetObjectTagging PutObjectTagging"),
            actions("s3", "GetObjectAcl PutObjectAcl ListMultipartUploadParts PutObject"),
            on=_OBJECTS,
        ),
        version_id="v2",
        created_at="2023-02-07T00:06:00Z",
        partial=True,
    ),
)
