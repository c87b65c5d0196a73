"""A cloud with tables, buckets and a role for AWS Backup."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.services.backup.service import Backup
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.iam.service import Iam
from haneul.services.s3.service import S3
from tests.support.running import ACCOUNT, Running

SERVICES: list[type] = [Backup, DynamoDb, Iam, S3]
ALLOWED = ["dynamodb:*", "s3:*"]


def make_role(cloud: Running, name: str = "keeper", allowed: list[str] | None = None, principal: str = "backup.amazonaws.com") -> str:
    """The ARN of a role that AWS Backup may assume."""
    iam = cloud.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed or ALLOWED, "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return str(arn)


def make_table(cloud: Running, name: str, items: int = 3, tags: dict[str, str] | None = None) -> str:
    """The ARN of a table with items `0`, `1` …"""
    client = cloud.client("dynamodb")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
    )
    cloud.advance("1s")
    for at in range(items):
        client.put_item(TableName=name, Item={"pk": {"S": str(at)}})
    return f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{name}"


def make_bucket(cloud: Running, name: str, *, versioned: bool = True) -> str:
    """The ARN of a bucket."""
    client = cloud.client("s3")
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return f"arn:aws:s3:::{name}"


def back_up(cloud: Running, vault: str, resource: str, role: str, **parameters: Any) -> dict[str, Any]:
    """A backup job that has ended."""
    client = cloud.client("backup")
    job = client.start_backup_job(BackupVaultName=vault, ResourceArn=resource, IamRoleArn=role, **parameters)["BackupJobId"]
    cloud.advance("10s")
    return dict(client.describe_backup_job(BackupJobId=job))


def restore(cloud: Running, point: str, role: str, metadata: dict[str, str], **parameters: Any) -> dict[str, Any]:
    """A restore job that has ended."""
    client = cloud.client("backup")
    job = client.start_restore_job(RecoveryPointArn=point, IamRoleArn=role, Metadata=metadata, **parameters)["RestoreJobId"]
    cloud.advance("10s")
    return dict(client.describe_restore_job(RestoreJobId=job))


def failure(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]
