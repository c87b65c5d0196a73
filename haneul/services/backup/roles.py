"""With whose permissions AWS Backup works: as the role that is passed to it, in sessions whose names begin with `AWSBackup`."""

from __future__ import annotations

from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call, call_as
from haneul.core.caller import Caller
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.services.backup.errors import invalid_value
from haneul.services.backup.records import DYNAMODB, S3

PRINCIPAL = "backup.amazonaws.com"
_SESSION = "AWSBackup"
Problem = (ServiceError, AccessDenied)


def check_role(call: Call, role_arn: str) -> None:
    """The caller may pass the role, and AWS Backup may assume it."""
    arn = parse_arn(role_arn)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise invalid_value(f"Invalid role ARN: {role_arn}")
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": PRINCIPAL})
    try:
        call.cloud.authority.role_caller(role_arn, PRINCIPAL, _SESSION)
    except AccessDenied:
        raise invalid_value(f"IAM Role {role_arn} cannot be assumed by AWS Backup") from None


async def as_role(cloud: Cloud, role_arn: str, region: str, account: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Call an operation as a role that was passed."""
    return await call_as(cloud, operation, request, region=region, account=account, role=role_arn, principal=PRINCIPAL, session_name=_SESSION)


async def as_service(cloud: Cloud, region: str, account: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Look for resources and their tags as the service's own linked role does, which every account has granted that by using the service."""
    caller = Caller(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", principal_id=account)
    return await call_as(cloud, operation, request, region=region, account=account, caller=caller)


def type_of(resource_arn: str) -> str:
    """The type of a resource that can be backed up; InvalidParameterValueException for others."""
    arn = parse_arn(resource_arn)
    if arn is not None and arn.service == "dynamodb" and arn.resource.startswith("table/") and arn.resource.count("/") == 1:
        return DYNAMODB
    if arn is not None and arn.service == "s3" and arn.resource and "/" not in arn.resource:
        return S3
    raise invalid_value(f"Unsupported resource type: {resource_arn}")


def name_of(resource_arn: str) -> str:
    """The table or bucket of a resource's ARN."""
    return resource_arn.rpartition(":")[2].rpartition("/")[2]


def words(problem: Exception) -> str:
    """What a job says of a problem that ended it."""
    return f"{problem.code}: {problem.message}" if isinstance(problem, ServiceError) else str(getattr(problem, "message", problem))
