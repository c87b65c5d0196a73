"""Scan."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import legacy
from haneul.services.dynamodb.access import conditions
from haneul.services.dynamodb.arns import index_or_table_arn
from haneul.services.dynamodb.errors import key_mismatch, validation
from haneul.services.dynamodb.expressions.request import bind, check_parameters
from haneul.services.dynamodb.items import check_nested_paths
from haneul.services.dynamodb.keys import segment_bounds
from haneul.services.dynamodb.reading import Page, Source, check_select, check_start_key, check_start_table_key, shaping_of, source_of
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.values import Item
from haneul.store.keys import prefix_range

_START = "The provided starting key is invalid"


@operation("dynamodb:Scan", resource=index_or_table_arn, conditions=conditions)
async def scan(call: Call, request: Shape) -> Shape:
    """All items of a table or an index, up to 1 MB or `Limit` at once, whole or one segment of several. (API Reference: "Scan".)"""
    service = call.service(DynamoDb)
    check_parameters(request, ("ProjectionExpression", "FilterExpression"), ("AttributesToGet", "ScanFilter", "ConditionalOperator"))
    if "AttributesToGet" in request:
        legacy.attributes_to_get(request["AttributesToGet"])
    check_select(request)
    older_filter = legacy.filter_of(request.get("ScanFilter"), request.get("ConditionalOperator"))
    start = check_start_key(request)
    _check_segments(request)
    bound = bind(service.parsers, request)
    source = source_of(service, call, request)
    if start is not None:
        _check_start(source, start)
    shaping = shaping_of(request, bound, source, older_filter or bound.filter)
    low, high = _bounds(source, request)
    if start is not None:
        row = source.row(start)
        if not low <= row < high:
            raise validation(
                f"{_START}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                f"TotalSegments: {request['TotalSegments']} Segment: {request['Segment']}"
            )
        low = row + b"\x00"
    check_nested_paths(source.table, bound.projection_nested)
    check_nested_paths(source.table, bound.filter_nested)
    page = Page(call, service, source, shaping, request.get("Limit"))
    page.read(low, high, reverse=False, consistent=request.get("ConsistentRead", False))
    return page.answer(request)


def _check_segments(request: Shape) -> None:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is not None and total is None:
        raise validation("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
    if total is not None and segment is None:
        raise validation("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
    if segment is not None and total is not None and segment >= total:
        raise validation(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )


def _check_start(source: Source, start: Item) -> None:
    if len(start) != len(source.start_names):
        raise validation(_START if source.index is not None else f"{_START}: {key_mismatch().message}")
    if source.index is not None:
        for name, kind in source.key.attributes:
            if name not in start:
                raise validation(_START)
            if kind not in start[name]:
                raise key_mismatch()
    check_start_table_key(source, start)


def _bounds(source: Source, request: Shape) -> tuple[bytes, bytes]:
    total = request.get("TotalSegments")
    return prefix_range(source.prefix) if total is None else segment_bounds(source.prefix, request["Segment"], total)
