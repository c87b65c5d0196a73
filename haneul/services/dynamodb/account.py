"""DescribeLimits, DescribeEndpoints and what is said of continuous backups."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.service import DynamoDb

ACCOUNT_UNITS_MAX = 80_000
TABLE_UNITS_MAX = 40_000
ENDPOINT_CACHE_MINUTES = 1440


@operation("dynamodb:DescribeLimits")
async def describe_limits(call: Call, request: Shape) -> Shape:
    """Quotas of capacity units. (API Reference: "DescribeLimits".)"""
    return {
        "AccountMaxReadCapacityUnits": ACCOUNT_UNITS_MAX,
        "AccountMaxWriteCapacityUnits": ACCOUNT_UNITS_MAX,
        "TableMaxReadCapacityUnits": TABLE_UNITS_MAX,
        "TableMaxWriteCapacityUnits": TABLE_UNITS_MAX,
    }


@operation("dynamodb:DescribeEndpoints")
async def describe_endpoints(call: Call, request: Shape) -> Shape:
    """Where the service is: where the client asked. (API Reference: "DescribeEndpoints".)"""
    host = call.http.host if call.http is not None else f"dynamodb.{call.region}.amazonaws.com"
    return {"Endpoints": [{"Address": host, "CachePeriodInMinutes": ENDPOINT_CACHE_MINUTES}]}


_OFF: Shape = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}


def _check_table(call: Call, request: Shape) -> None:
    account, region, name = call.service(DynamoDb).place(call, request["TableName"])
    if call.service(DynamoDb).stored_table(account, region, name) is None:
        raise ServiceError("TableNotFoundException", f"Table not found: {name}", 400)


@operation("dynamodb:DescribeContinuousBackups", resource=table_arn)
async def describe_continuous_backups(call: Call, request: Shape) -> Shape:
    """Point-in-time recovery is never on. (API Reference: "DescribeContinuousBackups".)"""
    _check_table(call, request)
    return {"ContinuousBackupsDescription": _OFF}


@operation("dynamodb:UpdateContinuousBackups", resource=table_arn, partial="switching point-in-time recovery on")
async def update_continuous_backups(call: Call, request: Shape) -> Shape:
    """Point-in-time recovery can only be left off. (API Reference: "UpdateContinuousBackups".)"""
    _check_table(call, request)
    if request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]:
        raise NotBuilt("point-in-time recovery (PointInTimeRecoveryEnabled of dynamodb:UpdateContinuousBackups)")
    return {"ContinuousBackupsDescription": _OFF}
