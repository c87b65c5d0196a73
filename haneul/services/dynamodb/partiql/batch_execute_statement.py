"""BatchExecuteStatement."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import plain_name
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.request import BOUND
from haneul.services.dynamodb.get_item import get_item
from haneul.services.dynamodb.partiql.answers import added, perform
from haneul.services.dynamodb.partiql.execute_statement import EXISTS_OUTSIDE, read_statement
from haneul.services.dynamodb.partiql.permissions import authorize
from haneul.services.dynamodb.partiql.select import single_read
from haneul.services.dynamodb.partiql.syntax import Exists, Parsed, Select
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.partiql.writes import perform_write, prepare_write
from haneul.services.dynamodb.service import DynamoDb

_NO_KEY = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
_MIXED = "BatchExecuteStatement API does not support both read and write operations in the same request."
_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "RequestLimitExceeded": "RequestLimitExceeded",
    "ValidationException": "ValidationError",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "TransactionConflictException": "TransactionConflict",
    "ThrottlingException": "ThrottlingError",
    "InternalServerError": "InternalServerError",
    "ResourceNotFoundException": "ResourceNotFound",
    "DuplicateItemException": "DuplicateItem",
}


@operation("dynamodb:BatchExecuteStatement", authorized_inside=True)
async def batch_execute_statement(call: Call, request: Shape) -> Shape:
    """Up to 25 statements, all reads of single items or all writes, each with a result or an error of its own. (API Reference: "BatchExecuteStatement".)"""
    service = call.service(DynamoDb)
    read: list[tuple[Parsed, Values] | ServiceError] = []
    for one in request["Statements"]:
        try:
            read.append(read_statement(service, one))
        except ServiceError as error:
            read.append(error)
    kinds = {isinstance(one[0].statement, Select) for one in read if not isinstance(one, ServiceError)}
    if len(kinds) > 1:
        raise validation(_MIXED)
    responses: list[Shape] = []
    capacities: list[Shape] = []
    for one, part in zip(read, request["Statements"]):
        if isinstance(one, ServiceError):
            responses.append({"Error": _described(one)})
            continue
        statement = one[0].statement
        response: Shape = {"TableName": plain_name((statement.select if isinstance(statement, Exists) else statement).source.table)}
        capacity: Shape | None = None
        try:
            item, capacity = await _perform(call, service, *one, {**part, "ReturnConsumedCapacity": request.get("ReturnConsumedCapacity", "NONE")})
            if item:
                response["Item"] = item
        except NotBuilt:
            raise
        except ServiceError as error:
            response["Error"] = _described(error)
        except AccessDenied as error:
            response["Error"] = {"Code": "AccessDenied", "Message": error.message}
        responses.append(response)
        if capacity:
            capacities.append(capacity)
    answer: Shape = {"Responses": responses}
    if capacities:
        answer["ConsumedCapacity"] = added(capacities)
    return answer


async def _perform(call: Call, service: DynamoDb, parsed: Parsed, values: Values, part: Shape) -> tuple[Any, Shape | None]:
    """The item that a statement shows, if any, and what it has consumed, if that is asked for."""
    statement = parsed.statement
    if isinstance(statement, Exists):
        raise validation(EXISTS_OUTSIDE)
    authorize(call, statement, values, "BatchExecuteStatement")
    if isinstance(statement, Select):
        key, bound = single_read(service, call, statement, values, _NO_KEY)
        get: Shape = {"TableName": statement.source.table, "Key": key, "ReturnConsumedCapacity": part["ReturnConsumedCapacity"], BOUND: bound}
        if "ConsistentRead" in part:
            get["ConsistentRead"] = part["ConsistentRead"]
        answer = await perform(get_item, call, get)
        return answer.get("Item"), answer.get("ConsumedCapacity")
    write = prepare_write(call, service, statement, values)
    write.request["ReturnConsumedCapacity"] = part["ReturnConsumedCapacity"]
    if "ReturnValuesOnConditionCheckFailure" in part:
        write.request["ReturnValuesOnConditionCheckFailure"] = part["ReturnValuesOnConditionCheckFailure"]
    answer = await perform_write(call, write)
    return answer.get("Attributes"), answer.get("ConsumedCapacity")


def _described(error: ServiceError) -> Shape:
    """An error of one statement. Errors that the answer has no code for fail the request."""
    code = _CODES.get(error.code)
    if code is None:
        raise error
    found: Shape = {"Code": code, "Message": error.message}
    if error.fields.get("Item"):
        found["Item"] = error.fields["Item"]
    return found
