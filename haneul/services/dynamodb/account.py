"""DescribeLimits and DescribeEndpoints."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.throughput.flows import TABLE_UNITS_MAX
from haneul.services.dynamodb.throughput.limits import ACCOUNT_UNITS_MAX

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
