"""BatchGetItem."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import authorize_batch
from haneul.services.dynamodb.capacity import consumed, read_half_units
from haneul.services.dynamodb.errors import duplicate_keys, validation
from haneul.services.dynamodb.expressions.project import Project
from haneul.services.dynamodb.expressions.request import check_parameters
from haneul.services.dynamodb.items import check_nested_paths, read_projection, row_of_key
from haneul.services.dynamodb.replication.strong import check_read
from haneul.services.dynamodb.rows import row_body, row_item, row_size, splice
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item, check_item

KEYS_MAX = 100
ANSWER_BYTES_MAX = 16 * 1024 * 1024
PARTITION_BYTES_MAX = 1024 * 1024

_Plan = tuple[str, Shape, Table, list[bytes], Project | None]
"""What the request calls a table, what it asks of it, the table, the keys' rows, and what is shown of the items."""


@operation("dynamodb:BatchGetItem", authorized_inside=True)
async def batch_get_item(call: Call, request: Shape) -> Shape:
    """Up to 100 items by their keys, of several tables; keys beyond 16 MB of items or 1 MB of one partition key, and those that were throttled, come back as
    UnprocessedKeys.

    Raises the throttling error only when nothing could be read. (API Reference: "BatchGetItem".)
    """
    authorize_batch(call, request)
    service = call.service(DynamoDb)
    plans, asked = _plan(call, service, request)
    responses: dict[str, Any] = {}
    unprocessed: dict[str, Any] = {}
    capacities = []
    size = 0
    sizes: dict[tuple[str, str], int] = {}  # By table and partition key.
    refused: ServiceError | None = None
    throttled: list[Table] = []
    store = call.cloud.store
    for name, part, table, rows, project in plans:
        bodies: list[bytes] = []
        halves = 0
        ((hash_name, hash_kind),) = table.key.hash_attributes
        for key, row in zip(part["Keys"], rows):
            found = store.get(row)
            found_size = row_size(found) if found is not None else 0
            partition = table.id, key[hash_name][hash_kind]
            of_partition = sizes.get(partition, 0) + found_size
            if found_size and (size + found_size > ANSWER_BYTES_MAX or of_partition > PARTITION_BYTES_MAX):
                _leave(unprocessed, name, part, key)
                continue
            cost = read_half_units(found_size, part.get("ConsistentRead", False))
            try:
                service.capacity.read(table, row, cost)
            except ServiceError as error:
                refused = refused or error
                throttled.append(table)
                _leave(unprocessed, name, part, key)
                continue
            halves += cost
            if found is not None:
                size += found_size
                sizes[partition] = of_partition
                bodies.append(row_body(found) if project is None else orjson.dumps(project(row_item(found))))
        joined = b"[%b]" % b",".join(bodies)
        responses[name] = splice(joined) if call.http is not None else orjson.loads(joined)
        capacities.append(consumed(request.get("ReturnConsumedCapacity"), name, halves / 2))
    service.capacity.count_parts(throttled, asked, "BatchGetItem")
    if refused is not None and len(throttled) == asked:
        raise refused
    answer: Shape = {"Responses": responses, "UnprocessedKeys": unprocessed}
    if any(capacities):
        answer["ConsumedCapacity"] = capacities
    return answer


def _plan(call: Call, service: DynamoDb, request: Shape) -> tuple[list[_Plan], int]:
    """Check everything that is asked for before anything is read; how many keys that are."""
    projects = {}
    asked = 0
    for name, part in request["RequestItems"].items():
        check_parameters(part, ("ProjectionExpression",), ("AttributesToGet",))
        projects[name] = read_projection(service, part)
        seen: set[bytes] = set()
        for key in part["Keys"]:
            check_item(key)
            mark = orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
            if mark in seen:
                raise duplicate_keys()
            seen.add(mark)
            asked += 1
            if asked > KEYS_MAX:
                raise validation("Too many items requested for the BatchGetItem call")
    plans: list[_Plan] = []
    for name, part in request["RequestItems"].items():
        table = service.table(call, name)
        check_read(service, table, part)
        service.capacity.admit(table)
        rows = [row_of_key(table, key) for key in part["Keys"]]
        project, bound = projects[name]
        check_nested_paths(table, bound.projection_nested)
        plans.append((name, part, table, rows, project))
    if len(plans) > 1:
        _check_tables(plans)
    return plans, asked


def _leave(unprocessed: dict[str, Any], name: str, part: Shape, key: Item) -> None:
    """Give a key back, with all that is asked of its table."""
    unprocessed.setdefault(name, {**{k: v for k, v in part.items() if k != "Keys"}, "Keys": []})["Keys"].append(key)


def _check_tables(plans: list[_Plan]) -> None:
    """A table that is named twice, once by its name and once by its ARN, is still asked for each item only once."""
    if len({table.arn for _, _, table, _, _ in plans}) == len(plans):
        return
    rows = [row for _, _, _, rows_of_one, _ in plans for row in rows_of_one]
    if len(set(rows)) < len(rows):
        raise duplicate_keys()
