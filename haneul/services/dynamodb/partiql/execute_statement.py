"""ExecuteStatement."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.partiql.permissions import authorize
from haneul.services.dynamodb.partiql.select import read_page
from haneul.services.dynamodb.partiql.syntax import Exists, Parsed, Select
from haneul.services.dynamodb.partiql.values import Values, checked_parameters
from haneul.services.dynamodb.partiql.writes import perform_write, prepare_write
from haneul.services.dynamodb.service import DynamoDb

EXISTS_OUTSIDE = "EXISTS can only be used in ExecuteTransaction write requests."


@operation("dynamodb:ExecuteStatement", authorized_inside=True)
async def execute_statement(call: Call, request: Shape) -> Shape:
    """One PartiQL statement: a page of what a SELECT finds, or one item inserted, updated or deleted.

    Raises DuplicateItemException when an INSERT finds the key taken, ConditionalCheckFailedException when the rest of a WHERE does not hold or an UPDATE
    finds no item, ValidationException for statements that are wrong. (API Reference: "ExecuteStatement".)
    """
    service = call.service(DynamoDb)
    parsed, values = read_statement(service, request)
    statement = parsed.statement
    if isinstance(statement, Exists):
        raise validation(EXISTS_OUTSIDE)
    authorize(call, statement, values)
    if isinstance(statement, Select):
        return await read_page(call, service, parsed, statement, values, request)
    write = prepare_write(call, service, statement, values)
    for name in ("ReturnConsumedCapacity", "ReturnValuesOnConditionCheckFailure"):
        if name in request:
            write.request[name] = request[name]
    return written(await perform_write(call, write))


def read_statement(service: DynamoDb, request: Shape) -> tuple[Parsed, Values]:
    """The statement of a request (or of a part of one), parsed, and its values."""
    parameters = request.get("Parameters")
    parsed = service.parsers.statement(request["Statement"])
    return parsed, Values(parsed, checked_parameters(parsed, parameters))


def written(answer: Shape) -> Shape:
    """The answer of a write as that of a statement: what RETURNING asked for is the one item."""
    attributes: Any = answer.get("Attributes")
    made: Shape = {"Items": [attributes] if attributes else []}
    if "ConsumedCapacity" in answer:
        made["ConsumedCapacity"] = answer["ConsumedCapacity"]
    return made
