"""DynamoDB's condition keys for IAM policies, by kind of operation; worked out only when a policy asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from haneul.core.call import Call
from haneul.services.dynamodb.arns import Conditions, named_table_arn
from haneul.services.dynamodb.expressions.syntax import And, Between, Clause, Compare, ExpressionError, Function, In, Not, Or, Path, Update
from haneul.services.dynamodb.keys import describe_key
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table

Shape = dict[str, Any]

_EXPRESSIONS: Final = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
_READS: Final = frozenset(("GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"))
_WRITES: Final = frozenset(("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"))
_PARTITION_KEYS: Final = ("FirstPartitionKeyValues", "SecondPartitionKeyValues", "ThirdPartitionKeyValues", "FourthPartitionKeyValues")
_BY_ATTRIBUTE: Final = ("Key", "Item", "Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter", "ExclusiveStartKey")


def conditions(call: Call, request: Shape) -> Conditions:
    """Condition keys of an operation on one table."""
    return Conditions(lambda: _make(call, request, [_key_of(request)]))


def authorize_batch(call: Call, request: Shape) -> None:
    """AccessDenied unless the caller may do with each table of a batch what is asked of that table."""
    for name, part in request["RequestItems"].items():
        one = {**request, **(part if isinstance(part, dict) else {}), "TableName": name}
        call.authorize(call.operation.action, named_table_arn(call, name), Conditions(partial(_make, call, one, _batch_parts(part))))


def action_conditions(call: Call, request: Shape, action: Shape) -> Conditions:
    """Condition keys of one action of a transaction, whose request says for all of them whether capacity is shown."""

    def make() -> dict[str, Any]:
        made = _make(call, action, [_key_of(action)])
        if "ReturnConsumedCapacity" in request:
            made["dynamodb:ReturnConsumedCapacity"] = request["ReturnConsumedCapacity"]
        made["dynamodb:EnclosingOperation"] = call.operation.name
        return made

    return Conditions(make)


def partition_conditions(values: Sequence[list[str]]) -> dict[str, Any]:
    """Condition keys for the values that each attribute of a partition key is asked for by; those of the first have two names."""
    made: dict[str, Any] = {f"dynamodb:{name}": found for name, found in zip(_PARTITION_KEYS, values) if found}
    if values[0]:
        made["dynamodb:LeadingKeys"] = values[0]
    return made


def _batch_parts(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part["Keys"])
    return [one["PutRequest"]["Item"] if one.get("PutRequest") else one["DeleteRequest"]["Key"] for one in part if one]


def _key_of(request: Shape) -> Any:
    return request.get("Key") or request.get("Item") or {}


def _make(call: Call, request: Shape, keys: list[Any]) -> dict[str, Any]:
    service = call.service(DynamoDb)
    found = service.stored_table(*service.place(call, request["TableName"]))
    made: dict[str, Any] = {}
    attributes = _attributes(service, request)
    keys = [key for key in keys if isinstance(key, dict)]  # Nothing is checked yet. The operation itself says what is wrong with the others.
    for key in keys:
        attributes.update(key)
    if found is not None:
        made.update(partition_conditions(_partition_values(service, found, request, keys)))
    if attributes:
        made["dynamodb:Attributes"] = sorted(attributes)
    if "ReturnConsumedCapacity" in request:
        made["dynamodb:ReturnConsumedCapacity"] = request["ReturnConsumedCapacity"]
    # These two have a value always: what holds for a request that does not say it.
    if call.operation.name in _READS:
        made["dynamodb:Select"] = _select(request)
    elif call.operation.name in _WRITES:
        made["dynamodb:ReturnValues"] = request.get("ReturnValues", "NONE")
    return made


def _select(request: Shape) -> str:
    """Which attributes a read shows."""
    if "Select" in request:
        return str(request["Select"])
    if request.get("ProjectionExpression") or request.get("AttributesToGet"):
        return "SPECIFIC_ATTRIBUTES"
    return "ALL_PROJECTED_ATTRIBUTES" if request.get("IndexName") else "ALL_ATTRIBUTES"


def _partition_values(service: DynamoDb, table: Table, request: Shape, keys: list[Shape]) -> list[list[str]]:
    """The values of each attribute of the partition key, of the table's or of the index that is asked."""
    index = table.index(request["IndexName"]) if request.get("IndexName") else None
    found: list[list[str]] = []
    for name, _ in (index.key if index is not None else table.key).hash_attributes:
        values = [describe_key(key[name]) for key in keys if name in key]
        condition = request.get("KeyConditions", {}).get(name)
        if condition:
            values += [describe_key(value) for value in condition.get("AttributeValueList", ())]
        if "KeyConditionExpression" in request:
            values += _equal_to(service, request, name)
        found.append(values)
    return found


def _equal_to(service: DynamoDb, request: Shape, name: str) -> list[str]:
    """The values that a key condition expression wants an attribute to equal."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    found: list[str] = []
    if not isinstance(values, dict):
        return found  # The operation itself says what is wrong with them.

    def visit(node: Any) -> None:
        if isinstance(node, And):
            visit(node.left)
            visit(node.right)
        elif isinstance(node, Compare) and node.operator == "=":
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(one, Path) and not isinstance(other, Path) and names.get(one.parts[0], one.parts[0]) == name:
                    value = values.get(getattr(other, "name", ""))
                    if value is not None:
                        found.append(describe_key(value))

    try:
        visit(service.parsers.condition(request["KeyConditionExpression"]))
    except ExpressionError:
        return []  # The operation itself says what is wrong with it.
    return found


def _attributes(service: DynamoDb, request: Shape) -> set[str]:
    """Top-level attributes that a request names anywhere."""
    names = request.get("ExpressionAttributeNames", {})
    found: set[str] = set(request.get("AttributesToGet", ()))
    for parameter in _BY_ATTRIBUTE:
        if isinstance(given := request.get(parameter), dict):
            found.update(given)
    for parameter in _EXPRESSIONS:
        text = request.get(parameter)
        if text is None:
            continue
        parse: Any = service.parsers.condition
        if parameter == "UpdateExpression":
            parse = service.parsers.update
        elif parameter == "ProjectionExpression":
            parse = service.parsers.projection
        try:
            for path in _paths(parse(text)):
                head = path.parts[0]
                found.add(names.get(head, head))
        except ExpressionError:
            continue  # The operation itself says what is wrong with it.
    return found


def _paths(node: Any) -> list[Path]:
    if isinstance(node, Path):
        return [node]
    if isinstance(node, (And, Or, Not, Compare, Between, In, Function, Clause, Update, tuple)):
        return [path for part in node if not isinstance(part, (str, int)) for path in _paths(part)]
    return []
