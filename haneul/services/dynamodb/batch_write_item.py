"""BatchWriteItem."""

from __future__ import annotations

from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.access import authorize_batch
from haneul.services.dynamodb.errors import duplicate_keys, validation
from haneul.services.dynamodb.items import check_new_item, check_size, collection_metrics, dump, row_of_key, write_capacity, write_units_of
from haneul.services.dynamodb.rows import encode_row, row_item
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.throughput.enforcement import is_throttling
from haneul.services.dynamodb.values import Item, check_item
from haneul.store.port import Transaction

REQUESTS_MAX = 25
_EMPTY = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"


class _Write(NamedTuple):
    name: str
    request: Shape
    table: Table
    row: bytes
    new_row: bytes | None
    new: Item | None
    key: Item


@operation("dynamodb:BatchWriteItem", authorized_inside=True)
async def batch_write_item(call: Call, request: Shape) -> Shape:
    """Up to 25 puts and deletes in several tables, without conditions. What is throttled, or belongs to a transaction under way, comes back as UnprocessedItems,
    the rest is made.

    Raises the throttling error only when nothing could be written. (API Reference: "BatchWriteItem".)
    """
    authorize_batch(call, request)
    service = call.service(DynamoDb)
    writes = _plan(call, service, request)

    throttled: list[_Write] = []
    left: list[_Write] = []

    def work(tx: Transaction) -> list[tuple[_Write, bytes | None, dict[str, int] | None]]:
        done, refused = [], None
        throttled.clear()
        left.clear()
        for one in writes:
            old_row = tx.get(one.row)
            old = row_item(old_row) if old_row is not None and not one.table.plain else None
            try:
                service.ongoing.refuse(one.table, one.row)
                done.append((one, old_row, service.put_row(tx, one.table, one.row, old_row, old, one.new_row, one.new)))
            except ServiceError as error:
                if is_throttling(error):
                    throttled.append(one)
                    refused = refused or error
                elif error.code != "TransactionConflictException":
                    raise
                left.append(one)
        if refused is not None and len(throttled) == len(writes):
            raise refused
        return done

    try:
        done = await service.write(work, *{id(one.table): one.table for one in writes}.values())
    finally:
        service.capacity.count_parts([one.table for one in throttled], len(writes), "BatchWriteItem")
    unprocessed: dict[str, list[Shape]] = {}
    for one in left:
        unprocessed.setdefault(one.name, []).append(one.request)
    units: dict[str, tuple[Table, int, dict[str, int]]] = {}
    for one, old_row, by_index in done:
        table, spent, indexes = units.setdefault(one.name, (one.table, 0, {}))
        for name, more in (by_index or {}).items():
            indexes[name] = indexes.get(name, 0) + more
        units[one.name] = (table, spent + write_units_of(old_row, one.new_row), indexes)
    capacities = [write_capacity(name, table, request.get("ReturnConsumedCapacity"), spent, indexes) for name, (table, spent, indexes) in units.items()]
    answer: Shape = {"UnprocessedItems": unprocessed}
    if any(capacities):
        answer["ConsumedCapacity"] = capacities
    metrics: dict[str, list[Any]] = {}
    for one, _, _ in done if request.get("ReturnItemCollectionMetrics") == "SIZE" else ():
        found = collection_metrics(call.cloud.store, one.table, request, one.key)
        if found is not None and found not in metrics.setdefault(one.name, []):
            metrics[one.name].append(found)
    if metrics:
        answer["ItemCollectionMetrics"] = metrics
    return answer


def _plan(call: Call, service: DynamoDb, request: Shape) -> list[_Write]:
    """Check everything that is asked for before anything is done."""
    sizes: list[int] = []
    for requests in request["RequestItems"].values():
        for one in requests:
            put, delete = one.get("PutRequest"), one.get("DeleteRequest")
            if (put is None) == (delete is None):
                raise validation(_EMPTY)
            sizes.append(check_item(put["Item"] if put is not None else delete["Key"]))
            if put is not None:
                check_size(sizes[-1])
    if len(sizes) > REQUESTS_MAX:
        raise validation("Too many items requested for the BatchWriteItem call")
    writes: list[_Write] = []
    next_size = iter(sizes)
    # Of all tables: one may be named twice, by its name and by its ARN.
    seen: set[bytes] = set()
    for name, requests in request["RequestItems"].items():
        table = service.table(call, name)
        for one in requests:
            size = next(next_size)
            made = _put(name, table, one, size) if "PutRequest" in one else _delete(name, table, one)
            if made.row in seen:
                raise duplicate_keys()
            seen.add(made.row)
            writes.append(made)
    return writes


def _put(name: str, table: Table, request: Shape, size: int) -> _Write:
    item: Item = request["PutRequest"]["Item"]
    check_new_item(table, item, mismatch="The provided key element does not match the schema")
    return _Write(name, request, table, table.prefix + table.key.suffix(item), encode_row(size, dump(item)), item, item)


def _delete(name: str, table: Table, request: Shape) -> _Write:
    key: Item = request["DeleteRequest"]["Key"]
    return _Write(name, request, table, row_of_key(table, key), None, None, key)
