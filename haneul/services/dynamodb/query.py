"""Query."""

from __future__ import annotations

from typing import Final

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import legacy
from haneul.services.dynamodb.access import conditions
from haneul.services.dynamodb.arns import index_or_table_arn
from haneul.services.dynamodb.errors import invalid, key_mismatch, validation
from haneul.services.dynamodb.expressions import compare
from haneul.services.dynamodb.expressions.key_condition import KeyCondition, KeyConditions
from haneul.services.dynamodb.expressions.request import BOUND, Expressions, bind, check_parameters
from haneul.services.dynamodb.items import check_nested_paths
from haneul.services.dynamodb.keys import KeySchema, beyond, packed, part
from haneul.services.dynamodb.reading import Page, Source, check_filter_projected, check_select, check_start_key, check_start_table_key, shaping_of, source_of
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.values import Item, Value
from haneul.store.keys import after

_INDEXABLE: Final = frozenset(("EQ", "LE", "LT", "GE", "GT", "BEGINS_WITH", "BETWEEN"))
_START = "The provided starting key"


@operation("dynamodb:Query", resource=index_or_table_arn, conditions=conditions)
async def query(call: Call, request: Shape) -> Shape:
    """Items of one partition key in the order of the sort key, up to 1 MB or `Limit` at once, of a table or an index. (API Reference: "Query".)"""
    service = call.service(DynamoDb)
    check_parameters(
        request,
        ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"),
        ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"),
    )
    older_filter = legacy.filter_of(request.get("QueryFilter"), request.get("ConditionalOperator"))
    if "AttributesToGet" in request:
        legacy.attributes_to_get(request["AttributesToGet"])
    check_select(request)
    start = check_start_key(request)
    if "KeyConditions" not in request and "KeyConditionExpression" not in request and BOUND not in request:
        raise validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    bound = bind(service.parsers, request)
    wanted = bound.key_conditions if bound.key_conditions is not None else legacy.key_conditions_of(request["KeyConditions"])
    source = source_of(service, call, request)
    check_number(source, wanted)
    if start is not None and len(start) != len(source.start_names):
        raise validation(f"{_START} is invalid")
    check_conditions(source, wanted, start)
    low, high = bounds_of(source, wanted)
    backwards = request.get("ScanIndexForward") is False
    if start is not None:
        check_start_table_key(source, start)
        _check_start_within(source, wanted, start)
        if backwards:
            high = min(high, source.row(start))
        else:
            low = max(low, source.row(start) + b"\x00")
    check_nested_paths(source.table, bound.projection_nested)
    check_filter(source, request, bound)
    shaping = shaping_of(request, bound, source, older_filter or bound.filter)
    if not shaping.fetch:
        check_filter_projected(source, request.get("QueryFilter") or sorted(bound.filter_heads))
    check_nested_paths(source.table, bound.filter_nested)
    page = Page(call, service, source, shaping, request.get("Limit"), bound.bytes_read)
    page.read(low, high, reverse=backwards, consistent=request.get("ConsistentRead", False))
    if BOUND in request:
        bound.bytes_read += page.size + page.fetched_size
    return page.answer(request)


def check_number(source: Source, wanted: KeyConditions) -> None:
    """There are no more key conditions than attributes of a key."""
    if not wanted:
        raise validation("Conditions can be of length 1 or 2 only")
    if len(wanted) > max(2, len(source.key.attributes)):
        raise validation(
            f"The number of query conditions ({len(wanted)}) exceeds the number of key attributes defined in the schema ({len(source.key.attributes)})"
        )


def check_conditions(source: Source, wanted: KeyConditions, start: Item | None) -> None:
    """Key conditions (and the types of the starting key) against the key, in the schema's order."""
    schema = source.key
    hashes = len(schema.hash_attributes)
    if len(schema.range_attributes) > 1 and all(name in wanted for name, _ in schema.hash_attributes):
        _check_gaps(schema, wanted)
    left = len(wanted)
    open_end = False
    for at, (name, kind) in enumerate(schema.attributes):
        if start is not None:
            value = start.get(name)
            if value is None:
                raise validation(f"{_START} is invalid")
            if kind not in value:
                raise key_mismatch()
        if len(schema.attributes) == 1 and len(wanted) > 1:
            raise validation("Query key condition not supported")
        condition = wanted.get(name)
        if condition is None:
            if at < hashes or left > 0:
                raise validation(f"Query condition missed key schema element: {name}")
            continue
        left -= 1
        _check_one(condition, name, kind, at < hashes)
        # Only the last condition may be other than an equality.
        if open_end or (at < hashes and condition.operator != "EQ"):
            raise validation("Query key condition not supported")
        open_end = condition.operator != "EQ"


def _check_gaps(schema: KeySchema, wanted: KeyConditions) -> None:
    """Of several sort attributes, those before the last one that has a condition must have equalities."""
    before: list[str] = []
    for name, _ in schema.range_attributes:
        condition = wanted.get(name)
        if condition is not None and before:
            raise validation(
                f"RANGE key attributes {', '.join(before)} must have equality conditions specified in the query "
                f"because a condition is present on key attribute {name}"
            )
        if condition is None or condition.operator != "EQ":
            before.append(name)


def _check_one(condition: KeyCondition, name: str, kind: str, is_hash: bool) -> None:
    if condition.operator not in _INDEXABLE:
        raise validation("Attempted conditional constraint is not an indexable operation")
    for value in condition.values:
        if kind not in value:
            raise invalid("Condition parameter type does not match schema type")
        KeySchema.check_piece(name, kind, value[kind], is_hash)
    if condition.operator == "BEGINS_WITH" and kind == "N":
        raise invalid("ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type")


def bounds_of(source: Source, wanted: KeyConditions) -> tuple[bytes, bytes]:
    """The range of rows that the key conditions describe."""
    schema = source.key
    place = source.prefix + schema.hash_prefix([wanted[name].values[0] for name, _ in schema.hash_attributes])
    for name, kind in schema.range_attributes:
        condition = wanted.get(name)
        if condition is None:
            break
        parts = [packed(part(kind, value[kind])) for value in condition.values]
        if condition.operator == "EQ":
            place += parts[0]
            continue
        return _open_bounds(place, condition.operator, parts)
    return place, beyond(place)


def _open_bounds(place: bytes, operator: str, parts: list[bytes]) -> tuple[bytes, bytes]:
    edge = place + parts[0]
    if operator == "LT":
        return place, edge
    if operator == "LE":
        return place, beyond(edge)
    if operator == "GT":
        return beyond(edge), beyond(place)
    if operator == "GE":
        return edge, beyond(place)
    if operator == "BETWEEN":
        return edge, beyond(place + parts[1])
    return edge[:-1], after(edge[:-1])


def _check_start_within(source: Source, wanted: KeyConditions, start: Item) -> None:
    """A starting key lies within what the conditions describe."""
    same_partition = all(start[name] == wanted[name].values[0] for name, _ in source.key.hash_attributes)
    ranges = [name for name, _ in source.key.range_attributes if name in wanted]
    if not ranges:
        if not same_partition:
            raise validation(f"{_START} is outside query boundaries based on provided conditions")
        return
    if not all(_matches(start[name], wanted[name]) for name in ranges):
        raise validation(f"{_START} does not match the range key predicate")
    if not same_partition:
        raise validation(f"{_START} is outside query boundaries based on provided conditions")


def _matches(value: Value, condition: KeyCondition) -> bool:
    first = condition.values[0]
    match condition.operator:
        case "EQ":
            return compare.equal(value, first)
        case "LT":
            return compare.less(value, first)
        case "LE":
            return compare.less_or_equal(value, first)
        case "GT":
            return compare.greater(value, first)
        case "GE":
            return compare.greater_or_equal(value, first)
        case "BETWEEN":
            return compare.between(value, first, condition.values[1])
    return compare.begins_with(value, first)


def check_filter(source: Source, request: Shape, bound: Expressions) -> None:
    """A filter looks at other attributes than the key's, which the key conditions are for."""
    heads, title = (request["QueryFilter"], "QueryFilter") if "QueryFilter" in request else (bound.filter_heads, "Filter Expression")
    for name in source.key.names:
        if name in heads:
            raise validation(f"{title} can only contain non-primary key attributes: Primary key attribute: {name}")
