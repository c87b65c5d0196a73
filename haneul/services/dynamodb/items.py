"""What the operations on single items have in common: keys, conditions, checks against the table, capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import legacy
from haneul.services.dynamodb.capacity import consumed, read_half_units, write_units
from haneul.services.dynamodb.errors import condition_failed, validation
from haneul.services.dynamodb.expressions.bind import Predicate
from haneul.services.dynamodb.expressions.project import Project
from haneul.services.dynamodb.expressions.request import BOUND, Expressions, bind, check_parameters
from haneul.services.dynamodb.item_collections import collection_size
from haneul.services.dynamodb.keys import index_type_mismatch
from haneul.services.dynamodb.rows import row_item, row_size, splice
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import ITEM_BYTES_MAX, Item, check_item, kind_of
from haneul.store.port import Reader

Shape = dict[str, Any]

GIGABYTE: Final = 1 << 30


def row_of_key(table: Table, key: Item) -> bytes:
    """Where the item of a checked key lies; ValidationException when the key is not of the table's schema."""
    schema = table.key
    schema.check_key(key)
    return table.prefix + schema.suffix(key)


def row_of_request(service: DynamoDb, call: Call, request: Shape) -> tuple[Table, bytes]:
    """The table and row that TableName and Key name. An ordinary key of a table that is ready takes the short way; the other one finds what is wrong."""
    table = service.ready_table(call, request["TableName"])
    if table is not None:
        suffix = table.key.quick_suffix(request["Key"])
        if suffix is not None:
            return table, table.prefix + suffix
    key = checked_key(request)
    table = service.table(call, request["TableName"])
    return table, row_of_key(table, key)


def read_projection(service: DynamoDb, request: Shape) -> tuple[Project | None, Expressions]:
    """What GetItem and its relatives show of an item: ProjectionExpression or AttributesToGet."""
    bound = bind(service.parsers, request)
    names = request.get("AttributesToGet")
    return (legacy.attributes_to_get(names) if names is not None else bound.projection), bound


def write_condition(request: Shape, bound: Expressions) -> Predicate | None:
    """The condition of a write: ConditionExpression or Expected."""
    if "Expected" in request or "ConditionalOperator" in request:
        return legacy.expected_of(request.get("Expected"), request.get("ConditionalOperator"))
    return bound.condition


_WRITE_PARAMETERS: Final = frozenset(
    (BOUND, "ConditionExpression", "UpdateExpression", "ExpressionAttributeNames", "ExpressionAttributeValues", "Expected", "ConditionalOperator", "AttributeUpdates")
)


def check_write_parameters(request: Shape, expressions: tuple[str, ...], older: tuple[str, ...]) -> bool:
    """Whether a write has any condition or update, which then do not mix the two styles."""
    for name in request:
        if name in _WRITE_PARAMETERS:
            check_parameters(request, expressions, older)
            return True
    return False


def hold(condition: Predicate | None, old: Item | None, request: Shape, charge: Callable[[], None] | None = None) -> None:
    """ConditionalCheckFailedException (or what `request` says instead) unless the condition holds for the item that is there (None: for none). `charge` is called
    before it is raised."""
    if condition is not None and not condition(old if old is not None else {}):
        if charge is not None:
            charge()
        refusal: ServiceError | None = request[BOUND].refusal if BOUND in request else None
        raise refusal or condition_failed(old if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None)


def charge_refused(service: DynamoDb, table: Table, row: bytes, old_row: bytes | None, cost: int = 1) -> None:
    """A write that its condition stops costs what writing the item that is there would; raises the throttling error when that is not to be had."""
    service.capacity.write(table, row, cost * write_units_of(old_row, None), admitted=cost > 1)


def check_new_item(table: Table, item: Item, mismatch: str | None = None) -> None:
    """An item against the table's key and the keys of its indexes. `mismatch` is the message for a key that is not there or of another type, where it
    is not the usual one."""
    if mismatch is not None and not table.key.fits(item):
        raise validation(mismatch)
    table.key.check_item(item)
    check_index_keys(table, item)


def check_index_keys(table: Table, item: Item) -> None:
    """The attributes of an item that indexes are made of."""
    for index in table.indexes:
        index.key.check_index_values(item, index.name)


def check_size(size: int, message: str = "Item size has exceeded the maximum allowed size") -> None:
    if size > ITEM_BYTES_MAX:
        raise validation(message)


def check_nested_paths(table: Table, nested: set[str]) -> None:
    """Key attributes are scalars: no expression looks into them."""
    if not nested:
        return
    where = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed:"
    for name in table.key.names:
        if name in nested:
            raise validation(f"{where} Key: {name}")
    for index in table.indexes:
        for name in index.key.names:
            if name in nested:
                raise validation(f"{where} IndexKey: {name}")


def check_index_kind(table: Table, name: str, kind: str) -> None:
    """An attribute that is about to be set, against the indexes made of it."""
    for index in table.indexes:
        wanted = index.key.types.get(name)
        if wanted is not None and wanted != kind:
            raise index_type_mismatch(name, wanted, kind, index.name)


def check_value_kinds(table: Table, item: Item) -> None:
    """The same for every attribute of an item."""
    for name, value in item.items():
        check_index_kind(table, name, kind_of(value))


def checked_key(request: Shape) -> Item:
    """The request's Key, with its values checked."""
    given: Any = request["Key"]
    check_item(given)
    key: Item = given
    return key


# ---- answers


def read_capacity(service: DynamoDb, table: Table, request: Shape, size: int, row: bytes, operation: str) -> Shape | None:
    """Charge a read of `size` bytes of the item at `row` to `operation`, or raise the throttling error; the ConsumedCapacity to show."""
    halves = read_half_units(size, request.get("ConsistentRead", False))
    service.capacity.read(table, row, halves, operation)
    mode = request.get("ReturnConsumedCapacity")
    return consumed(mode, request["TableName"], halves / 2) if mode is not None else None


def write_units_of(old_row: bytes | None, new_row: bytes | None) -> int:
    """Units of a write: of the larger of what was there and what is there now."""
    return write_units(max(row_size(old_row) if old_row is not None else 0, row_size(new_row) if new_row is not None else 0))


def write_capacity(
    name: str, table: Table, mode: str | None, units: int, by_index: dict[str, int] | None, *, factor: int = 1, kind: str | None = None
) -> Shape | None:
    """The ConsumedCapacity of a write (which charged itself as it was made). `name` is what the request calls the table; `factor` is 2 for transactions,
    which write the items twice (to prepare and to commit), but their entries of indexes once."""
    if mode is None:
        return None
    local, global_ = split_units(table, by_index)
    return consumed(mode, name, units * factor, local, global_, kind=kind)


def split_units(table: Table, by_index: dict[str, int] | None) -> tuple[dict[str, float], dict[str, float]]:
    """Units of local and of global indexes."""
    local: dict[str, float] = {}
    global_: dict[str, float] = {}
    for index in table.indexes if by_index else ():
        assert by_index is not None
        if index.name in by_index:
            (global_ if index.is_global else local)[index.name] = by_index[index.name]
    return local, global_


def collection_metrics(reader: Reader, table: Table, request: Shape, key: Item) -> Shape | None:
    """ItemCollectionMetrics, when they are asked for and the table has local indexes: the collection's key and between which sizes it lies."""
    if request.get("ReturnItemCollectionMetrics") != "SIZE" or table.collections is None:
        return None
    name = table.key.names[0]
    low = collection_size(reader, table, key) / GIGABYTE
    return {"ItemCollectionKey": {name: key[name]}, "SizeEstimateRangeGB": [float(int(low)), float(int(low) + 1)]}


def shown(call: Call, row: bytes, project: Project | None) -> Any:
    """An item for an answer: the stored JSON as it stands, unless only parts are wanted or the caller is inside."""
    if project is None and call.http is not None:
        return splice(row[5:])
    item = row_item(row)
    return item if project is None else project(item)


def dump(item: Item) -> bytes:
    return orjson.dumps(item)
