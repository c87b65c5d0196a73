"""What requests say of tables and indexes to be made, checked in the real service's order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from haneul.clock import Ids
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import invalid, limit_exceeded, validation
from haneul.services.dynamodb.tables import IndexRecord, Throughput, new_id

Shape = dict[str, Any]

LOCAL_INDEXES_MAX = 5
GLOBAL_INDEXES_MAX = 20
INCLUDED_ATTRIBUTES_MAX = 100
GLOBAL_KEY_ATTRIBUTES_MAX = 4
CAPACITY_UNITS_MAX = 1_000_000_000_000
TABLE_CLASSES = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")
TAGS_MAX = 50
TAG_KEY_MAX = 128
TAG_VALUE_MAX = 256
TAG_BYTES_MAX = 10 * 1024
# Letters, digits and spaces of all scripts, and a few signs.
_TAG_CHARACTERS = re.compile(r"[\w .:/=+\-@\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*")


def attribute_definitions(given: Sequence[Shape] | None) -> dict[str, str]:
    """AttributeDefinitions by name."""
    found: dict[str, str] = {}
    for one in given or ():
        name = one["AttributeName"]
        if name in found:
            raise validation(f"Attribute Name is duplicated: {name}")
        found[name] = one["AttributeType"]
    return found


def check_key_given(request: Shape) -> None:
    """A table of one's own has a key, though the model knows of tables that have another one's."""
    missing = [name for name in ("attributeDefinitions", "keySchema") if request.get(name[:1].upper() + name[1:]) is None]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        null = "; ".join(f"Value null at '{name}' failed to satisfy constraint: Member must not be null" for name in missing)
        raise validation(f"{len(missing)} validation error{plural} detected: {null}")
    schema = request["KeySchema"]
    if len(schema) > 2:  # Only keys of global indexes may have more.
        raise _too_long(schema)


def check_throughput(given: Shape | None) -> None:
    """Bounds of capacity units."""
    for name in ("ReadCapacityUnits", "WriteCapacityUnits") if given else ():
        if given is not None and given[name] > CAPACITY_UNITS_MAX:
            raise validation(f"Given value {given[name]} for {name} is out of bounds")


def throughput_of(given: Shape | None) -> Throughput:
    return Throughput(given["ReadCapacityUnits"], given["WriteCapacityUnits"]) if given else Throughput()


def _names(schema: Sequence[Shape]) -> list[str]:
    return [one["AttributeName"] for one in schema]


def check_defined(schema: Sequence[Shape], attributes: dict[str, str]) -> None:
    """Every attribute of a key is defined."""
    names = _names(schema)
    if any(name not in attributes for name in names):
        raise invalid(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(attributes)}]"
        )


def check_count(schema: Sequence[Shape], attributes: dict[str, str]) -> None:
    """A key does not have more attributes than are defined."""
    if len(schema) > len(attributes):
        raise validation("Invalid KeySchema: Some index key attribute have no definition")


def _check_pair(schema: Sequence[Shape]) -> None:
    """A schema of one or two elements: HASH, then RANGE."""
    names = _names(schema)
    if len(schema) > 2:
        raise _too_long(schema)
    if len(names) == 2 and names[0] == names[1]:
        raise validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if schema[0]["KeyType"] != "HASH":
        raise validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(schema) == 2 and schema[1]["KeyType"] != "RANGE":
        raise validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")


def _too_long(schema: Sequence[Shape]) -> ServiceError:
    elements = [f"KeySchemaElement(attributeName={one['AttributeName']}, keyType={one['KeyType']})" for one in schema]
    return validation(
        f"1 validation error detected: Value '[{', '.join(elements)}]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2"
    )


def table_key_schema(schema: Sequence[Shape], attributes: dict[str, str], *, has_indexes: bool) -> tuple[str, str | None]:
    """The table's hash and range attribute."""
    check_count(schema, attributes)
    check_defined(schema, attributes)
    _check_pair(schema)
    if not has_indexes and len(schema) != len(attributes):
        raise invalid("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
    return schema[0]["AttributeName"], schema[1]["AttributeName"] if len(schema) == 2 else None


def local_indexes(given: Sequence[Shape], table: tuple[str, str | None], ids: Ids) -> list[IndexRecord]:
    """LocalSecondaryIndexes as records."""
    if not given:
        raise invalid("List of LocalSecondaryIndexes is empty")
    if table[1] is None:
        raise invalid("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
    made: list[IndexRecord] = []
    for one in given:
        name, schema = one["IndexName"], one["KeySchema"]
        _check_pair(schema)
        if len(schema) != 2:
            raise invalid(f"Index KeySchema does not have a range key for index: {name}")
        if schema[0]["AttributeName"] != table[0]:
            raise invalid(
                f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. "
                f"index hash key: {schema[0]['AttributeName']}, table hash key: {table[0]}"
            )
        made.append(_index(one, ids, is_global=False))
        _check_unique(made)
    if len(given) > LOCAL_INDEXES_MAX:
        raise invalid(f"Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}")
    return made


def global_index(one: Shape, ids: Ids, *, on_demand: bool, added: bool = False) -> IndexRecord:
    """A GlobalSecondaryIndex as a record; `added` to a table that is there already, of which the service speaks in other words."""
    schema = one["KeySchema"]
    if len(schema) > 2 or [one["KeyType"] for one in schema] == ["HASH", "HASH"]:
        _check_composite(schema)
    else:
        _check_pair(schema)
    index = _index(one, ids, is_global=True)
    throughput = one.get("ProvisionedThroughput")
    if on_demand and throughput:
        if added:
            raise invalid(f"Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {index.name} when BillingMode is PAY_PER_REQUEST")
        raise invalid(f"ProvisionedThroughput should not be specified for index: {index.name} when BillingMode is PAY_PER_REQUEST")
    if not on_demand and not throughput:
        if added:
            raise invalid(f"Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {index.name}")
        raise invalid(f"ProvisionedThroughput is not specified for index: {index.name}")
    check_throughput(throughput)
    index.throughput = throughput_of(throughput)
    index.status = "CREATING"
    return index


def _check_composite(schema: Sequence[Shape]) -> None:
    """A key of several attributes: up to four that are hashed, then up to four that sort, all different."""
    kinds = [one["KeyType"] for one in schema]
    hashes = kinds.count("HASH")
    if kinds[0] != "HASH":
        raise validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if kinds != ["HASH"] * hashes + ["RANGE"] * (len(kinds) - hashes):
        raise invalid("All HASH key attributes must precede RANGE key attributes in the KeySchema")
    for kind in ("HASH", "RANGE"):
        if kinds.count(kind) > GLOBAL_KEY_ATTRIBUTES_MAX:
            raise invalid(f"The KeySchema exceeds the maximum allowed number of {kind} key attributes")
    if len(set(_names(schema))) != len(schema):
        raise validation("The KeySchema contains multiple key attributes with the same name")


def global_indexes(given: Sequence[Shape], others: list[IndexRecord], ids: Ids, *, on_demand: bool) -> list[IndexRecord]:
    """GlobalSecondaryIndexes as records, with names that differ from the `others`'."""
    if not given:
        raise invalid("List of GlobalSecondaryIndexes is empty")
    made: list[IndexRecord] = []
    for one in given:
        made.append(global_index(one, ids, on_demand=on_demand))
        _check_unique([*others, *made])
    if len(given) > GLOBAL_INDEXES_MAX:
        raise invalid(f"GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}")
    return made


def _check_unique(indexes: list[IndexRecord]) -> None:
    if any(index.name == indexes[-1].name for index in indexes[:-1]):
        raise invalid(f"Duplicate index name: {indexes[-1].name}")


def _index(one: Shape, ids: Ids, *, is_global: bool) -> IndexRecord:
    projection = one["Projection"]
    kind, included = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if kind is None:
        raise invalid("Unknown ProjectionType: null")
    if included is not None and kind != "INCLUDE":
        raise invalid(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if kind == "INCLUDE" and not included:
        raise invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    for at, name in enumerate(included or ()):
        if name in included[:at]:
            raise invalid(f"Duplicate element in NonKeyAttributes: {name}")
    schema = one["KeySchema"]
    return IndexRecord(
        id=new_id(ids),
        name=one["IndexName"],
        is_global=is_global,
        hash_names=[element["AttributeName"] for element in schema if element["KeyType"] == "HASH"],
        range_names=[element["AttributeName"] for element in schema if element["KeyType"] == "RANGE"],
        projection=kind,
        included=list(included or ()),
    )


def check_included(indexes: Sequence[IndexRecord]) -> None:
    """All indexes of a table together project a bounded number of attributes by name."""
    if sum(len(index.included) for index in indexes) > INCLUDED_ATTRIBUTES_MAX:
        raise limit_exceeded(f"Number of NonKeyAttributes projected into all of the secondary indexes exceeds the limit of {INCLUDED_ATTRIBUTES_MAX}")


def check_attributes(attributes: dict[str, str], schemas: Sequence[Sequence[Shape]]) -> None:
    """The attributes that are defined are those of the keys: of the table's, which comes first, and of its indexes'."""
    for schema in schemas[1:]:
        check_defined(schema, attributes)
    used = {name for schema in schemas for name in _names(schema)}
    unused = [name for name in attributes if name not in used]
    if unused:
        raise invalid(
            f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(attributes)}], "
            f"keys used: [{', '.join(name for name in attributes if name in used)}]"
        )


def check_class(given: str | None) -> None:
    """A class that tables can have, if any is asked for."""
    if given is not None and given not in TABLE_CLASSES:
        raise validation(f"Invalid table-class parameter provided. Please try again with a valid table-class value: [{', '.join(TABLE_CLASSES)}].")


def check_tags(tags: Sequence[Shape], known: dict[str, str] | None = None) -> dict[str, str]:
    """Tags by key, on top of those that are known; their number and size are those of all together."""
    merged = dict(known or {})
    fresh: set[str] = set()
    for tag in tags:
        key, value = check_tag_key(tag.get("Key")), tag.get("Value")
        if value is None or len(value) > TAG_VALUE_MAX or not _TAG_CHARACTERS.fullmatch(value):
            raise validation(f"The Tag Value provided is invalid, Value: {'null' if value is None else value}")
        if key in fresh:
            raise validation(f"Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}")
        fresh.add(key)
        merged[key] = value
    check_tag_count(len(merged))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in merged.items())
    if size > TAG_BYTES_MAX:
        raise validation(f"Tag set size {size} bytes is above max size limit of {TAG_BYTES_MAX} bytes")
    return merged


def check_tag_count(count: int) -> None:
    """A resource has so many tags at most, and a request names no more."""
    if count > TAGS_MAX:
        raise validation("Number of Tags exceed the current limit for the provided ResourceArn")


def check_tag_key(key: str | None) -> str:
    """A key that users may have, of the characters allowed (Developer Guide: "Tagging restrictions in DynamoDB")."""
    if key is not None and key.lower().startswith("aws:"):
        raise validation(f"Tag Key cannot be prefixed with aws:, Key: {key}")
    if not key or len(key) > TAG_KEY_MAX or not _TAG_CHARACTERS.fullmatch(key):
        raise validation(f"The Tag Key provided is invalid, Key: {'null' if key is None else key}")
    return key
