"""The tables and buckets of an account, and their tags."""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.backup.roles import as_service


async def all_resources(cloud: Cloud, region: str, account: str) -> list[str]:
    """The ARNs of all tables and buckets."""
    found: list[str] = []
    start: dict[str, str] = {}
    while "dynamodb" in cloud.services:
        answer = await as_service(cloud, region, account, "dynamodb:ListTables", start)
        found += [f"arn:aws:dynamodb:{region}:{account}:table/{name}" for name in answer["TableNames"]]
        if "LastEvaluatedTableName" not in answer:
            break
        start = {"ExclusiveStartTableName": answer["LastEvaluatedTableName"]}
    if "s3" in cloud.services:
        answer = await as_service(cloud, region, account, "s3:ListBuckets", {"BucketRegion": region})
        found += [f"arn:aws:s3:::{bucket['Name']}" for bucket in answer["Buckets"]]
    return found


async def tags_of(cloud: Cloud, region: str, account: str, arn: str) -> dict[str, str]:
    """The tags of a table or bucket; none of one that is gone."""
    if arn.startswith("arn:aws:s3:"):
        try:
            answer = await as_service(cloud, region, account, "s3:GetBucketTagging", {"Bucket": arn.rpartition(":")[2]})
        except ServiceError:  # A bucket without tags says so with an error.
            return {}
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
    tags: dict[str, str] = {}
    more: dict[str, str] = {}
    while True:
        try:
            answer = await as_service(cloud, region, account, "dynamodb:ListTagsOfResource", {"ResourceArn": arn, **more})
        except ServiceError as problem:
            if problem.code != "ResourceNotFoundException":
                raise
            return {}
        tags.update({tag["Key"]: tag["Value"] for tag in answer["Tags"]})
        if "NextToken" not in answer:
            return tags
        more = {"NextToken": answer["NextToken"]}
