"""Global tables of version 2017.11.29, which the real service makes no more: nothing of that version exists, and these operations say so.

(API Reference: "CreateGlobalTable" and the other operations on global tables; tables of the current version are made by UpdateTable.)
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.errors import invalid

_UNSUPPORTED = (
    "DynamoDB global tables version 2017.11.29 is not supported. "
    "We recommend using DynamoDB global tables version 2019.11.21, instead of version 2017.11.29 (Legacy)."
)


def global_table_arn(call: Call, request: Shape) -> str:
    """The ARN of a global table, which has no region."""
    return f"arn:aws:dynamodb::{call.account}:global-table/{request['GlobalTableName']}"


def _not_found(request: Shape, introduction: str = "") -> ServiceError:
    name = request["GlobalTableName"]
    return ServiceError("GlobalTableNotFoundException", f"{introduction}Global table with name: '{name}' does not exist.", 400)


@operation("dynamodb:CreateGlobalTable", resource=global_table_arn)
async def create_global_table(call: Call, request: Shape) -> Shape:
    """Refused with a ValidationException, as everywhere."""
    raise invalid(_UNSUPPORTED)


@operation("dynamodb:UpdateGlobalTable", resource=global_table_arn)
async def update_global_table(call: Call, request: Shape) -> Shape:
    """Refused: ValidationException for a new replica, GlobalTableNotFoundException otherwise."""
    if not request["ReplicaUpdates"]:
        raise ServiceError("ValidationException", "One or more parameter values were invalid", 400)
    if any(update.get("Create") for update in request["ReplicaUpdates"]):
        raise invalid(_UNSUPPORTED)
    raise _not_found(request)


@operation("dynamodb:DescribeGlobalTable", resource=global_table_arn)
async def describe_global_table(call: Call, request: Shape) -> Shape:
    """There is none: GlobalTableNotFoundException, for tables of the current version too."""
    raise _not_found(request, "Global table not found: ")


@operation("dynamodb:DescribeGlobalTableSettings", resource=global_table_arn)
async def describe_global_table_settings(call: Call, request: Shape) -> Shape:
    """There is none: GlobalTableNotFoundException."""
    raise _not_found(request)


@operation("dynamodb:UpdateGlobalTableSettings", resource=global_table_arn)
async def update_global_table_settings(call: Call, request: Shape) -> Shape:
    """There is none: GlobalTableNotFoundException."""
    raise _not_found(request)


@operation("dynamodb:ListGlobalTables")
async def list_global_tables(call: Call, request: Shape) -> Shape:
    """None, always: tables of the current version are not listed here."""
    return {"GlobalTables": []}
