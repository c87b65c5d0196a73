"""Comparisons and functions of every type with every type. (Developer Guide: "Condition and filter expressions, operators, and functions".)

The expected answers follow from the documented rules: values are equal when type and content are; only texts, numbers and binaries have an order, each
among themselves; what does not apply to a type is false.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, bare, failure, n, s

# Two values of every type; of those that have an order, the first is the smaller one.
VALUES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "S": (s("abc"), s("abd")),
    "N": (n(9), n(10)),
    "B": ({"B": b"\x7f"}, {"B": b"\x80"}),
    "SS": ({"SS": ["abc", "x"]}, {"SS": ["x", "y"]}),
    "NS": ({"NS": ["9", "11"]}, {"NS": ["10"]}),
    "BS": ({"BS": [b"\x7f", b"\x00"]}, {"BS": [b"\x80"]}),
    "L": ({"L": [s("abc"), n(9), {"B": b"\x7f"}]}, {"L": []}),
    "M": ({"M": {"abc": n(9)}}, {"M": {}}),
    "BOOL": ({"BOOL": False}, {"BOOL": True}),
    "NULL": ({"NULL": True}, {"NULL": True}),
}
ORDERED = ("S", "N", "B")
OPERATORS = {"<": (True, False, False), "<=": (True, True, False), ">": (False, False, True), ">=": (False, True, True)}


@pytest.fixture(scope="module")
def key(world: World, db: Any, simple: str) -> dict[str, Any]:
    """An item with the first value of every type, under the type's name."""
    found = world.new_key()
    db.put_item(TableName=simple, Item={"pk": found, **{f"kind_{kind}": value for kind, (value, _) in VALUES.items()}})
    return found


def holds(db: Any, table: str, key: dict[str, Any], condition: str, values: dict[str, Any]) -> bool:
    """Whether a filter lets the item through."""
    found = db.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        FilterExpression=condition,
        ExpressionAttributeValues={":pk": key, **values},
        Select="COUNT",
        ConsistentRead=True,
    )
    return bool(found["Count"] == 1)


PAIRS = [(stored, asked) for stored in VALUES for asked in VALUES]


@pytest.mark.parametrize(("stored", "asked"), PAIRS)
def test_equality(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """Equal are values of the same type and content; `<>` is the contrary, also between types."""
    same, other = VALUES[asked]
    assert holds(db, simple, key, f"kind_{stored} = :v", {":v": same}) is (stored == asked)
    assert holds(db, simple, key, f"kind_{stored} <> :v", {":v": same}) is (stored != asked)
    if asked != "NULL":
        assert holds(db, simple, key, f"kind_{stored} = :v", {":v": other}) is False


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("asked", ORDERED)
@pytest.mark.parametrize("stored", VALUES)
def test_order(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str, operator: str) -> None:
    """Order is only among values of the same type: S, N or B."""
    same, larger = VALUES[asked]
    below, level, _ = OPERATORS[operator]
    assert holds(db, simple, key, f"kind_{stored} {operator} :v", {":v": larger}) is (stored == asked and below)
    assert holds(db, simple, key, f"kind_{stored} {operator} :v", {":v": same}) is (stored == asked and level)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("asked", [kind for kind in VALUES if kind not in ORDERED])
def test_types_without_order(db: Any, simple: str, key: dict[str, Any], asked: str, operator: str) -> None:
    """To ask for the order of a value that has none is an error, whatever is stored."""
    call = {
        "TableName": simple,
        "KeyConditionExpression": "pk = :pk",
        "FilterExpression": f"kind_S {operator} :v",
        "ExpressionAttributeValues": {":pk": key, ":v": VALUES[asked][0]},
    }
    code, message = failure(db.query, **call)
    wanted = f"Incorrect operand type for operator or function; operator or function: {operator}, operand type: {asked}"
    assert (code, bare(message)) == ("ValidationException", f"Invalid FilterExpression: {wanted}")


def contained(stored: str, asked: str) -> bool:
    """Whether the first stored value contains the first asked one."""
    if stored == "L":
        return asked in ("S", "N", "B")
    return (stored, asked) in {("S", "S"), ("B", "B"), ("SS", "S"), ("NS", "N"), ("BS", "B")}


@pytest.mark.parametrize(("stored", "asked"), PAIRS)
def test_contains(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """A part of a text or binary, an element of a set of its type, an element of a list."""
    assert holds(db, simple, key, f"contains(kind_{stored}, :v)", {":v": VALUES[asked][0]}) is contained(stored, asked)


@pytest.mark.parametrize("asked", ["S", "B"])
@pytest.mark.parametrize("stored", VALUES)
def test_begins_with(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """Texts begin with texts, binaries with binaries; everything begins with nothing."""
    empty = {"S": s(""), "B": {"B": b""}}[asked]
    longer = {"S": s("abcd"), "B": {"B": b"\x7f\x00"}}[asked]
    assert holds(db, simple, key, f"begins_with(kind_{stored}, :v)", {":v": VALUES[asked][0]}) is (stored == asked)
    assert holds(db, simple, key, f"begins_with(kind_{stored}, :v)", {":v": empty}) is (stored == asked)
    assert holds(db, simple, key, f"begins_with(kind_{stored}, :v)", {":v": longer}) is False


@pytest.mark.parametrize("asked", [kind for kind in VALUES if kind not in ("S", "B")])
def test_nothing_else_begins(db: Any, simple: str, key: dict[str, Any], asked: str) -> None:
    """A prefix is a text or a binary."""
    call = {
        "TableName": simple,
        "KeyConditionExpression": "pk = :pk",
        "FilterExpression": "begins_with(kind_S, :v)",
        "ExpressionAttributeValues": {":pk": key, ":v": VALUES[asked][0]},
    }
    wanted = f"Incorrect operand type for operator or function; operator or function: begins_with, operand type: {asked}"
    assert bare(failure(db.query, **call)[1]) == f"Invalid FilterExpression: {wanted}"


SIZES = {"S": 3, "N": None, "B": 1, "SS": 2, "NS": 2, "BS": 2, "L": 3, "M": 1, "BOOL": None, "NULL": None}


@pytest.mark.parametrize("stored", VALUES)
def test_size(db: Any, simple: str, key: dict[str, Any], stored: str) -> None:
    """Characters, bytes or elements; numbers, truth values and nulls have none, so that no comparison holds."""
    wanted = SIZES[stored]
    for number in range(5):
        assert holds(db, simple, key, f"size(kind_{stored}) = :v", {":v": n(number)}) is (number == wanted)
    assert holds(db, simple, key, f"size(kind_{stored}) >= :v", {":v": n(0)}) is (wanted is not None)


def test_size_counts_in_utf_16(db: Any, simple: str, key: dict[str, Any]) -> None:
    """A character beyond the basic plane is a pair of surrogates, and counts as two, as seen of the service; one of two or three bytes counts as one."""
    assert holds(db, simple, key, "size(:text) = :v", {":text": s("é\U0001d11e€"), ":v": n(4)})


@pytest.mark.parametrize(("stored", "asked"), PAIRS)
def test_attribute_type(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """The type is the one that it was stored with."""
    assert holds(db, simple, key, f"attribute_type(kind_{stored}, :v)", {":v": s(asked)}) is (stored == asked)


@pytest.mark.parametrize("stored", VALUES)
def test_existence(db: Any, simple: str, key: dict[str, Any], stored: str) -> None:
    """An attribute exists whatever it holds, null too."""
    assert holds(db, simple, key, f"attribute_exists(kind_{stored}) AND :x = :x2", {":x": n(1), ":x2": n(1)}) is True
    assert holds(db, simple, key, f"attribute_not_exists(kind_{stored}) AND :x = :x2", {":x": n(1), ":x2": n(1)}) is False


@pytest.mark.parametrize("asked", ORDERED)
@pytest.mark.parametrize("stored", VALUES)
def test_between(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """Both bounds belong to it; other types are never between."""
    low, high = VALUES[asked]
    assert holds(db, simple, key, f"kind_{stored} BETWEEN :a AND :b", {":a": low, ":b": high}) is (stored == asked)
    assert holds(db, simple, key, f"kind_{stored} BETWEEN :a AND :b", {":a": high, ":b": high}) is False


@pytest.mark.parametrize(("stored", "asked"), PAIRS)
def test_in(db: Any, simple: str, key: dict[str, Any], stored: str, asked: str) -> None:
    """Among values of several types, equality decides."""
    same, other = VALUES[asked]
    if asked == "NULL":
        other = n(-1)
    assert holds(db, simple, key, f"kind_{stored} IN (:o, :v)", {":o": other, ":v": same}) is (stored == asked)


@pytest.mark.parametrize("stored", ["S", "N", "L", "NULL"])
def test_missing_attributes(db: Any, simple: str, key: dict[str, Any], stored: str) -> None:
    """An attribute that is not there equals nothing, differs from everything, has no order and no size."""
    value = {":v": VALUES[stored][0]}
    assert holds(db, simple, key, "nowhere = :v", value) is False
    assert holds(db, simple, key, "nowhere <> :v", value) is True
    assert holds(db, simple, key, "NOT nowhere = :v", value) is True
    assert holds(db, simple, key, "contains(nowhere, :v)", value) is False
    assert holds(db, simple, key, "nowhere IN (:v)", value) is False
    assert holds(db, simple, key, "size(nowhere) >= :v", {":v": n(0)}) is False
