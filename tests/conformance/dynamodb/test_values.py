"""Attribute values: what every type holds, and what is refused. (Developer Guide: "Supported data types and naming rules", "Constraints".)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, failure, invalid, n, s


def nested(depth: int, leaf: dict[str, Any], *, lists: bool = False) -> dict[str, Any]:
    """A leaf in so many maps or lists."""
    for _ in range(depth):
        leaf = {"L": [leaf]} if lists else {"M": {"n": leaf}}
    return leaf


KEPT = [
    (s(""), "an empty text"),
    (s("a\0b"), "a zero within"),
    (s("ü€😀"), "characters of two, three and four bytes"),
    (s(" blanks "), "blanks stay"),
    (s("line\nbreak\ttab"), "so do control characters"),
    (s('"quoted" \\ back'), "and what JSON escapes"),
    (s("x" * 10_000), "a long one"),
    ({"B": b""}, "an empty binary"),
    ({"B": bytes(range(256))}, "every byte"),
    ({"BOOL": True}, "true"),
    ({"BOOL": False}, "false"),
    ({"NULL": True}, "null"),
    ({"SS": ["a"]}, "a set of one text"),
    ({"SS": ["", "a"]}, "with an empty one"),
    ({"NS": ["-1", "0", "1.5"]}, "a set of numbers"),
    ({"BS": [b"", b"\x00", b"\xff"]}, "a set of binaries"),
    ({"L": []}, "an empty list"),
    ({"L": [s("a"), n(1), {"NULL": True}, {"L": []}]}, "a mixed list"),
    ({"L": [s("a")] * 3}, "lists may repeat"),
    ({"M": {}}, "an empty map"),
    ({"M": {"a.b": n(1), "#": n(2), ":x": n(3), "SELECT": n(4)}}, "any names"),
    (nested(31, s("leaf")), "a leaf on the 32nd level of maps"),
    (nested(31, s("leaf"), lists=True), "and of lists"),
    (nested(31, {"M": {}}), "or an empty map there"),
    (nested(16, nested(15, n(1), lists=True)), "of both"),
]


@pytest.mark.parametrize(("value", "why"), KEPT, ids=[one[1] for one in KEPT])
def test_kept(db: Any, simple: str, world: World, value: dict[str, Any], why: str) -> None:
    """What is put comes back."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "v": value})
    found = db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["v"]
    if set(value) & {"SS", "NS", "BS"}:
        ((kind, elements),) = value.items()
        assert sorted(found[kind]) == sorted(elements), why
    else:
        assert found == value, why


INVALID = "One or more parameter values were invalid: "
REFUSED = [
    ({"NULL": False}, INVALID + "Null attribute value types must have the value of true", "null is true or not there"),
    ({"SS": []}, INVALID + "An string set  may not be empty", "no empty sets"),
    ({"NS": []}, INVALID + "An number set  may not be empty", "of numbers"),
    ({"BS": []}, INVALID + "Binary sets should not be empty", "of binaries"),
    ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes", "no type"),
    (
        {"S": "a", "N": "1"},
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        "two types",
    ),
    (nested(32, s("leaf")), "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit", "33 levels"),
    (nested(32, s("leaf"), lists=True), "Nesting Levels have exceeded supported limits", "of lists"),
    ({"L": [{}]}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes", "within a list"),
    ({"M": {"a": {"SS": []}}}, INVALID + "An string set  may not be empty", "within a map"),
]


@pytest.mark.parametrize(("value", "message", "why"), REFUSED, ids=[one[2] for one in REFUSED])
def test_refused(db: Any, simple: str, world: World, value: dict[str, Any], message: str, why: str) -> None:
    """What is no value."""
    assert invalid(db.put_item, TableName=simple, Item={"pk": world.new_key(), "v": value}).startswith(message), why


@pytest.mark.parametrize("kind", ["SS", "NS", "BS"])
def test_sets_hold_each_element_once(db: Any, simple: str, world: World, kind: str) -> None:
    """How the elements are shown differs between regions; that they repeat does not."""
    elements: list[Any] = {"SS": ["a", "a"], "NS": ["1", "1.0"], "BS": [b"x", b"x"]}[kind]
    assert "contains duplicates" in invalid(db.put_item, TableName=simple, Item={"pk": world.new_key(), "v": {kind: elements}})


SIZES = [
    (400 * 1024 - 3 - 1, True, "an item of exactly 400 KB"),
    (400 * 1024 - 3 - 1 + 1, False, "one byte more"),
]


@pytest.mark.parametrize(("room", "fits", "why"), SIZES, ids=[one[2] for one in SIZES])
@pytest.mark.parametrize("character", ["x", "ü"])
def test_items_have_at_most_400_kb(db: Any, simple: str, room: int, fits: bool, why: str, character: str) -> None:
    """Names and values count, in bytes of UTF-8: `pk`, its one character, `v`, and the rest."""
    width = len(character.encode())
    text = character * (room // width) + "x" * (room % width)
    call = {"TableName": simple, "Item": {"pk": s("!"), "v": s(text)}}
    if fits:
        db.put_item(**call)
    else:
        assert invalid(db.put_item, **call) == "Item size has exceeded the maximum allowed size", why


NUMBERS = [
    ("0", 1, "zero"),
    ("1", 2, "a digit"),
    ("12", 2, "two digits cost what one does"),
    ("123", 3, "odd counts are rounded up"),
    ("1234", 3, "so three cost what four do"),
    ("123456", 4, "six digits on one side of the point"),
    ("3.14159", 5, "cost less than six on both sides"),
    ("15", 2, "here too"),
    ("1.5", 3, "there too"),
    ("100", 2, "zeros behind do not count"),
    ("120", 2, "whatever is before them"),
    ("1010", 3, "zeros between do"),
    ("0.0000001", 2, "zeros before do not"),
    ("0.012", 2, "whatever is behind them"),
    ("1e125", 2, "nor does an exponent"),
    ("-1", 3, "a minus costs a byte"),
    ("-1.5", 4, "always"),
    ("1" * 38, 20, "38 digits"),
]


@pytest.mark.parametrize(("number", "size", "why"), NUMBERS, ids=[one[0][:12] for one in NUMBERS])
def test_what_numbers_count_for(db: Any, simple: str, number: str, size: int, why: str) -> None:
    """Shown by an item that is just small enough, and one of a byte more."""
    room = 400 * 1024 - 3 - 1 - size - 1
    db.put_item(TableName=simple, Item={"pk": s("!"), "n": n(number), "v": s("x" * room)})
    message = invalid(db.put_item, TableName=simple, Item={"pk": s("!"), "n": n(number), "v": s("x" * (room + 1))})
    assert message == "Item size has exceeded the maximum allowed size", why


NAMES = ["a", "A", "ü", "a b", "a.b", "a[0]", "#a", ":a", "select", "0", "_", "x" * 255]


@pytest.mark.parametrize("name", NAMES)
def test_names(db: Any, simple: str, world: World, name: str) -> None:
    """Attributes may have any name; expressions reach it by a placeholder."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, name: s("v")})
    found = db.get_item(
        TableName=simple, Key={"pk": key}, ConsistentRead=True, ProjectionExpression="#n", ExpressionAttributeNames={"#n": name}
    )
    assert found["Item"] == {name: s("v")}


EMPTY = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: "
MISSING = INVALID + "Missing the key sk in the item"
KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"pk": s("a")}, MISSING, "no sort key"),
    ({"sk": s("a")}, INVALID + "Missing the key pk in the item", "no partition key"),
    ({"pk": n(1), "sk": s("a")}, INVALID + "Type mismatch for key pk expected: S actual: N", "of another type"),
    ({"pk": s("a"), "sk": n(1)}, INVALID + "Type mismatch for key sk expected: S actual: N", "the sort key"),
    ({"pk": {"L": []}, "sk": s("a")}, INVALID + "Type mismatch for key pk expected: S actual: L", "a list"),
    ({"pk": {"NULL": True}, "sk": s("a")}, INVALID + "Type mismatch for key pk expected: S actual: NULL", "null"),
    ({"pk": s(""), "sk": s("a")}, EMPTY + "pk", "empty"),
    ({"pk": s("a"), "sk": s("")}, EMPTY + "sk", "an empty sort key"),
    ({"pk": s("x" * 2049), "sk": s("a")}, INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes", "2049 bytes"),
    ({"pk": s("ü" * 1025), "sk": s("a")}, INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes", "2050 bytes"),
    ({"pk": s("a"), "sk": s("x" * 1025)}, INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes", "1025 bytes"),
]


@pytest.mark.parametrize(("item", "message", "why"), KEYS, ids=[one[2] for one in KEYS])
def test_items_need_their_key(db: Any, texts: str, item: dict[str, Any], message: str, why: str) -> None:
    """An item has the key of its table, of its types and sizes."""
    assert invalid(db.put_item, TableName=texts, Item=item) == message, why


NAMELESS = "Empty attribute name"
IN_VALUES = f"ExpressionAttributeValues contains invalid value: {NAMELESS} for key :v"
ABSENT: dict[str, Any] = {"TableName": "haneul-no-such-table"}
INSIDE: dict[str, Any] = {"M": {"a": {"L": [{"M": {"": n(1)}}]}}}
KEY: dict[str, Any] = {"Key": {"pk": s("a"), "sk": s("b")}}
PK = {"pk": {"AttributeValueList": [s("a")], "ComparisonOperator": "EQ"}}
EMPTY_NAMES: list[tuple[str, dict[str, Any], str, str]] = [
    ("put_item", {"Item": {"pk": s("a"), "sk": s("b"), "": n(1)}}, NAMELESS, "at the top of an item"),
    ("put_item", {"Item": {"pk": s("a"), "sk": s("b"), "m": INSIDE}}, NAMELESS, "within a map"),
    ("put_item", {**ABSENT, "Item": {"": n(1)}}, NAMELESS, "before the table and its key"),
    ("put_item", {"Item": {"": n(1)}, "ConditionExpression": "a = "}, NAMELESS, "before expressions"),
    ("put_item", {"Item": KEY["Key"], "Expected": {"": {"Exists": False}}}, NAMELESS, "in Expected"),
    ("put_item", {"Item": KEY["Key"], "Expected": {"a": {"Value": INSIDE}}}, NAMELESS, "in its values"),
    ("get_item", {"Key": {"": s("a")}}, NAMELESS, "in a key"),
    ("get_item", {**KEY, "AttributesToGet": ["a", ""]}, NAMELESS, "in AttributesToGet"),
    ("delete_item", {"Key": {"": s("a")}}, NAMELESS, "in the key to delete"),
    ("update_item", {"Key": {"": s("a")}}, NAMELESS, "in the key to update"),
    ("update_item", {**KEY, "AttributeUpdates": {"": {"Value": n(1)}}}, NAMELESS, "in AttributeUpdates"),
    ("update_item", {**KEY, "AttributeUpdates": {"a": {"Value": INSIDE}}}, NAMELESS, "in their values"),
    ("scan", {"ScanFilter": {"": {"ComparisonOperator": "NULL"}}}, NAMELESS, "in ScanFilter"),
    ("scan", {"ExclusiveStartKey": {"": s("a")}}, f"The provided starting key is invalid: {NAMELESS}", "in a starting key"),
    ("query", {"KeyConditions": PK, "QueryFilter": {"": {"ComparisonOperator": "NULL"}}}, NAMELESS, "in QueryFilter"),
    ("scan", {"FilterExpression": "a = :v", "ExpressionAttributeValues": {":v": INSIDE}}, IN_VALUES, "in values of expressions"),
    (
        "scan",
        {"FilterExpression": "#a = :v", "ExpressionAttributeNames": {"#a": ""}, "ExpressionAttributeValues": {":v": n(1)}},
        f"ExpressionAttributeNames contains invalid value: {NAMELESS} for key #a",
        "in names of expressions",
    ),
]


@pytest.mark.parametrize(("operation", "call", "message", "why"), EMPTY_NAMES, ids=[one[3] for one in EMPTY_NAMES])
def test_attributes_have_names(db: Any, texts: str, operation: str, call: dict[str, Any], message: str, why: str) -> None:
    """No attribute's name is empty, wherever a request has one."""
    assert invalid(getattr(db, operation), **{"TableName": texts, **call}) == message, why


def test_attributes_of_several_items_have_names(db: Any, texts: str) -> None:
    """In batches and transactions neither."""
    item = {"pk": s("a"), "sk": s("b"), "": n(1)}
    assert invalid(db.batch_write_item, RequestItems={texts: [{"PutRequest": {"Item": item}}]}) == NAMELESS
    assert invalid(db.batch_get_item, RequestItems={texts: {"Keys": [item]}}) == NAMELESS
    assert invalid(db.transact_write_items, TransactItems=[{"Put": {"TableName": texts, "Item": item}}]) == NAMELESS
    assert invalid(db.transact_get_items, TransactItems=[{"Get": {"TableName": texts, "Key": item}}]) == NAMELESS
    statement = f"INSERT INTO \"{texts}\" VALUE {{'pk': 'a', 'sk': 'b', 'm': ?}}"
    assert invalid(db.execute_statement, Statement=statement, Parameters=[INSIDE]).endswith(NAMELESS)


MISMATCH = "The provided key element does not match the schema"
WRONG_KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"pk": s("a")}, MISMATCH, "only a part of the key"),
    ({"pk": s("a"), "sk": s("b"), "x": s("c")}, MISMATCH, "more than the key"),
    ({"pk": s("a"), "x": s("b")}, MISMATCH, "another attribute"),
    ({"pk": n(1), "sk": s("b")}, MISMATCH, "another type"),
    ({"pk": s("a"), "sk": {"BOOL": True}}, MISMATCH, "no key type"),
    ({"pk": s(""), "sk": s("b")}, EMPTY + "pk", "empty"),
    ({"pk": s("a"), "sk": s("")}, EMPTY + "sk", "an empty sort key"),
]
READERS = ["get_item", "delete_item", "update_item", "batch_get_item"]


@pytest.mark.parametrize(("key", "message", "why"), WRONG_KEYS, ids=[one[2] for one in WRONG_KEYS])
@pytest.mark.parametrize("operation", READERS)
def test_keys_are_exactly_the_key(db: Any, texts: str, operation: str, key: dict[str, Any], message: str, why: str) -> None:
    """Whoever names an item names its whole key, and nothing else."""
    call = getattr(db, operation)
    if operation == "batch_get_item":
        assert invalid(call, RequestItems={texts: {"Keys": [key]}}) == message, why
    else:
        assert invalid(call, TableName=texts, Key=key) == message, why


@pytest.mark.parametrize(("hash_length", "range_length"), [(1, 1), (2048, 1024), (2048, 1), (1, 1024)])
def test_keys_at_their_limits(db: Any, texts: str, hash_length: int, range_length: int) -> None:
    """1 to 2048 and 1 to 1024 bytes."""
    key = {"pk": s("k" * hash_length), "sk": s("s" * range_length)}
    db.put_item(TableName=texts, Item={**key, "v": n(1)})
    assert db.get_item(TableName=texts, Key=key, ConsistentRead=True)["Item"]["v"] == n(1)


TEXTS = ["!", "0", "A", "Z", "a", "aa", "ab", "b", "~", "\x7f", "é", "ü", "€", "\ufb01", "😀"]


def test_texts_sort_by_their_bytes(db: Any, texts: str, world: World) -> None:
    """The order of sort keys is that of their UTF-8 bytes."""
    key = world.new_key()
    for text in reversed(TEXTS):
        db.put_item(TableName=texts, Item={"pk": key, "sk": s(text)})
    found = db.query(TableName=texts, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key}, ConsistentRead=True)["Items"]
    assert [item["sk"]["S"] for item in found] == TEXTS


def test_binaries_sort_as_unsigned_bytes(db: Any, world: World) -> None:
    """0x7f comes before 0x80."""
    table = world.make_table({"pk": "S", "sk": "B"})
    parts = [b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff\x00"]
    for part in reversed(parts):
        db.put_item(TableName=table, Item={"pk": s("p"), "sk": {"B": part}})
    found = db.query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": s("p")}, ConsistentRead=True)["Items"]
    assert [item["sk"]["B"] for item in found] == parts


@pytest.mark.parametrize("operation", ["get_item", "put_item", "delete_item", "update_item", "query", "scan"])
def test_missing_tables(db: Any, world: World, operation: str) -> None:
    """Every operation on items says so in the same words."""
    name = world.new_name()
    more: dict[str, Any] = {"Key": {"pk": s("a")}}
    if operation == "put_item":
        more = {"Item": {"pk": s("a")}}
    elif operation == "query":
        more = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("a")}}
    elif operation == "scan":
        more = {}
    assert failure(getattr(db, operation), TableName=name, **more) == ("ResourceNotFoundException", "Requested resource not found")
