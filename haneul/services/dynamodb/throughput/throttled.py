"""What a throttled request is told, with the reason and the resource.

(API Reference: "ThrottlingReason"; Developer Guide: "DynamoDB throttling diagnosis framework".)
"""

from __future__ import annotations

from haneul.core.errors import ServiceError

PROVISIONED = "ProvisionedThroughput"
ACCOUNT = "AccountLimit"
KEY_RANGE = "KeyRangeThroughput"
MAXIMUM = "MaxOnDemandThroughput"

CODES = frozenset(("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"))

_TABLE = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
)
_INDEX = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. "
    "Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
)
_SCALING_TABLE = (
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so please try again shortly. "
    "If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)
_SCALING_INDEX = (
    "Throughput exceeds the current capacity for one or more global secondary indexes. DynamoDB is automatically scaling your index so please try again shortly."
)
_MAXIMUM = "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
_ACCOUNT = (
    "Throughput exceeds the current throughput limit for your account. Please contact AWS Support at https://aws.amazon.com/support request a limit increase"
)


def throttled(limit: str, *, arn: str, is_index: bool, is_write: bool, on_demand: bool) -> ServiceError:
    """The error of a request that exceeds `limit` (one of the names above) of a table or index."""
    reason = f"{'Index' if is_index else 'Table'}{'Write' if is_write else 'Read'}{limit}Exceeded"
    reasons = [{"reason": reason, "resource": arn}]
    if limit == ACCOUNT:
        return ServiceError("RequestLimitExceeded", _ACCOUNT, 400, fields={"ThrottlingReasons": reasons})
    if limit == MAXIMUM:
        return ServiceError("ThrottlingException", _MAXIMUM, 400, fields={"throttlingReasons": reasons})
    if on_demand:
        return ServiceError("ThrottlingException", _SCALING_INDEX if is_index else _SCALING_TABLE, 400, fields={"throttlingReasons": reasons})
    return ServiceError("ProvisionedThroughputExceededException", _INDEX if is_index else _TABLE, 400, fields={"ThrottlingReasons": reasons})
