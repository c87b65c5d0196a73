"""UpdateItem: expressions and what they may and may not do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.support.running import Running

_keys = itertools.count()


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    return make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def update(db: Any, table: str, before: dict[str, Any] | None, expression: str, values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The item after an update of one that was `before` (None: not there), without its key."""
    key = {"pk": s(f"u{next(_keys)}")}
    if before is not None:
        db.put_item(TableName=table, Item={**key, **before})
    parameters = {"ExpressionAttributeValues": values} if values else {}
    answer = db.update_item(TableName=table, Key=key, UpdateExpression=expression, ReturnValues="ALL_NEW", **parameters, **more)
    assert answer["Attributes"].pop("pk") == key["pk"]
    return dict(answer["Attributes"])


LIST = {"l": {"L": [n(0), n(1), n(2), n(3)]}}


@pytest.mark.parametrize(
    ("before", "expression", "values", "after"),
    [
        (None, "SET a = :v", {":v": n(1)}, {"a": n(1)}),
        ({"a": n(1)}, "SET a = a + :v, b = a", {":v": n(2)}, {"a": n(3), "b": n(1)}),
        ({"a": n(1), "b": n(2)}, "SET a = b, b = a", None, {"a": n(2), "b": n(1)}),
        ({"a": n(1)}, "set a = if_not_exists(a, :v) - :v, c = if_not_exists(c, :v)", {":v": n(5)}, {"a": n(-4), "c": n(5)}),
        ({"l": {"L": [n(1)]}}, "SET l = list_append(l, :v)", {":v": {"L": [n(2)]}}, {"l": {"L": [n(1), n(2)]}}),
        (None, "SET l = list_append(if_not_exists(l, :e), :v)", {":e": {"L": []}, ":v": {"L": [n(2)]}}, {"l": {"L": [n(2)]}}),
        (LIST, "REMOVE l[0], l[2]", None, {"l": {"L": [n(1), n(3)]}}),
        (LIST, "SET l[9] = :b, l[7] = :a, l[1] = :c", {":a": s("a"), ":b": s("b"), ":c": s("c")}, {"l": {"L": [n(0), s("c"), n(2), n(3), s("a"), s("b")]}}),
        (LIST, "REMOVE l[1] SET l[3] = :v", {":v": s("x")}, {"l": {"L": [n(0), n(2), s("x")]}}),
        ({"m": {"M": {}}}, "SET m.a = :v", {":v": n(1)}, {"m": {"M": {"a": n(1)}}}),
        ({"m": {"M": {"a": n(1)}}}, "SET c = m, m.a = :v", {":v": n(2)}, {"m": {"M": {"a": n(2)}}, "c": {"M": {"a": n(1)}}}),
        ({"a": n(1)}, "REMOVE a, b", None, {}),
        (None, "ADD a :v", {":v": n("0.1")}, {"a": n("0.1")}),
        ({"a": n("0.1")}, "ADD a :v", {":v": n("0.2")}, {"a": n("0.3")}),
        ({"a": {"SS": ["x"]}}, "ADD a :v", {":v": {"SS": ["y", "x"]}}, {"a": {"SS": ["x", "y"]}}),
        ({"a": {"NS": ["10", "9"]}}, "DELETE a :v", {":v": {"NS": ["9.0", "3"]}}, {"a": {"NS": ["10"]}}),
        ({"a": {"SS": ["x"]}}, "DELETE a :v", {":v": {"SS": ["x"]}}, {}),
        (None, "DELETE a :v", {":v": {"SS": ["x"]}}, {}),
        ({"a": n(1), "b": n(1)}, "ADD a :v REMOVE b SET c = :v", {":v": n(1)}, {"a": n(2), "c": n(1)}),
    ],
)
def test_updates(db: Any, table: str, before: Any, expression: str, values: Any, after: dict[str, Any]) -> None:
    """Values are worked out on the item as it was; positions in lists are those that it had."""
    assert update(db, table, before, expression, values) == after


PREFIX = "Invalid UpdateExpression: "


@pytest.mark.parametrize(
    ("before", "expression", "values", "message"),
    [
        (None, "SET a = b", None, "The provided expression refers to an attribute that does not exist in the item"),
        ({"a": s("x")}, "SET a = a + :v", {":v": n(1)}, "An operand in the update expression has an incorrect data type"),
        ({"a": s("x")}, "ADD a :v", {":v": n(1)}, "An operand in the update expression has an incorrect data type"),
        (None, "SET a.b = :v", {":v": n(1)}, "The document path provided in the update expression is invalid for update"),
        ({"a": s("x")}, "REMOVE a.b", None, "The document path provided in the update expression is invalid for update"),
        (None, "SET pk = :v", {":v": s("x")}, "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"),
        (
            None,
            "SET g = :v",
            {":v": n(1)},
            "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
        ),
        ({"b": n(1)}, "SET g = b", None, "The update expression attempted to update the secondary index key to unsupported type"),
        (None, "", None, PREFIX + "The expression can not be empty;"),
        (None, "SET a", None, PREFIX + 'Syntax error; token: "<EOF>", near: "a"'),
        (None, "FOO a = :v", {":v": n(1)}, PREFIX + 'Syntax error; token: "FOO", near: "FOO a"'),
        (None, "SET a = :v SET b = :v", {":v": n(1)}, PREFIX + 'The "SET" section can only be used once in an update expression;'),
        (None, "SET a = :v REMOVE a", {":v": n(1)}, PREFIX + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
        (None, "SET status = :v", {":v": n(1)}, PREFIX + "Attribute name is a reserved keyword; reserved keyword: status"),
        (None, "SET a = foo(:v)", {":v": n(1)}, PREFIX + "Invalid function name; function: foo"),
        (None, "SET a = :w", {":v": n(1)}, PREFIX + "An expression attribute value used in expression is not defined; attribute value: :w"),
        (None, "SET a = :v + :v", {":v": s("x")}, PREFIX + "Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        (None, "SET a = list_append(:v, a)", {":v": n(1)}, PREFIX + "Incorrect operand type for operator or function; operator or function: list_append, operand type: N"),
        (None, "SET a = if_not_exists(:v, :v)", {":v": n(1)}, PREFIX + "Operator or function requires a document path; operator or function: if_not_exists"),
    ],
)
def test_updates_that_are_refused(db: Any, table: str, before: Any, expression: str, values: Any, message: str) -> None:
    """The service says what is wrong in these words, and nothing changes."""
    key = {"pk": s(f"r{next(_keys)}")}
    if before is not None:
        db.put_item(TableName=table, Item={**key, **before})
    parameters = {"ExpressionAttributeValues": values} if values else {}
    assert invalid(db.update_item, TableName=table, Key=key, UpdateExpression=expression, **parameters) == message
    assert db.get_item(TableName=table, Key=key).get("Item") == ({**key, **before} if before is not None else None)


def test_return_values(db: Any, table: str) -> None:
    """What is shown: all of it or what was named, before or after."""
    key = {"pk": s("ret")}
    db.put_item(TableName=table, Item={**key, "a": n(1), "m": {"M": {"x": n(1), "y": n(2)}}, "z": n(9)})
    shown: dict[str, Any] = {}
    for wanted in ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"):
        shown[wanted] = db.update_item(
            TableName=table, Key=key, UpdateExpression="SET a = a + :o, m.x = a, q = :o", ExpressionAttributeValues={":o": n(1)}, ReturnValues=wanted
        ).get("Attributes")
    assert shown["NONE"] is None
    assert shown["ALL_OLD"]["a"] == n(2) and shown["ALL_OLD"]["pk"] == s("ret")
    assert shown["UPDATED_OLD"] == {"a": n(3), "m": {"M": {"x": n(2)}}, "q": n(1)}
    assert shown["ALL_NEW"]["a"] == n(5) and shown["ALL_NEW"]["z"] == n(9)
    assert shown["UPDATED_NEW"] == {"a": n(6), "m": {"M": {"x": n(5)}}, "q": n(1)}


def test_what_was_removed_is_nothing_new(db: Any, table: str) -> None:
    """UPDATED_NEW tells of an element of a list that was removed nothing, although the next one stands in its place then."""
    key = {"pk": s("removed")}
    db.put_item(TableName=table, Item={**key, "l": {"L": [n(1), n(2), n(3)]}, "a": n(1)})
    shown = [
        db.update_item(TableName=table, Key=key, UpdateExpression=expression, ReturnValues=wanted).get("Attributes")
        for expression, wanted in (("REMOVE l[0]", "UPDATED_NEW"), ("REMOVE l[0]", "UPDATED_OLD"), ("SET b = a REMOVE l[0]", "UPDATED_NEW"))
    ]
    assert shown == [None, {"l": {"L": [n(2)]}}, {"b": n(1)}]


def test_an_update_without_expression_makes_the_item(db: Any, table: str) -> None:
    """Only the key is there then."""
    db.update_item(TableName=table, Key={"pk": s("bare")})
    assert db.get_item(TableName=table, Key={"pk": s("bare")})["Item"] == {"pk": s("bare")}


def test_attribute_updates_are_the_older_style(db: Any, table: str) -> None:
    """PUT, ADD and DELETE of whole attributes."""
    key = {"pk": s("legacy")}
    db.put_item(TableName=table, Item={**key, "a": n(1), "b": {"SS": ["x"]}, "c": s("c"), "l": {"L": [n(1)]}})
    answer = db.update_item(
        TableName=table,
        Key=key,
        AttributeUpdates={
            "a": {"Action": "ADD", "Value": n(2)},
            "b": {"Action": "DELETE", "Value": {"SS": ["x"]}},
            "c": {"Action": "DELETE"},
            "d": {"Value": s("d")},
            "l": {"Action": "ADD", "Value": {"L": [n(2)]}},
        },
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"] == {**key, "a": n(3), "d": s("d"), "l": {"L": [n(1), n(2)]}}
    assert "Only DELETE action is allowed" in invalid(db.update_item, TableName=table, Key=key, AttributeUpdates={"a": {"Action": "PUT"}})
    assert invalid(db.update_item, TableName=table, Key=key, AttributeUpdates={"d": {"Action": "ADD", "Value": n(1)}}) == "Type mismatch for attribute to update"


def test_conditions_on_updates(db: Any, table: str) -> None:
    """Optimistic locking, the way applications do it."""
    key = {"pk": s("lock")}
    call: dict[str, Any] = {"TableName": table, "Key": key, "UpdateExpression": "SET version = :new", "ConditionExpression": "version = :old"}
    assert failure(db.update_item, **call, ExpressionAttributeValues={":old": n(1), ":new": n(2)})[0] == "ConditionalCheckFailedException"
    db.put_item(TableName=table, Item={**key, "version": n(1)})
    db.update_item(**call, ExpressionAttributeValues={":old": n(1), ":new": n(2)})
    assert failure(db.update_item, **call, ExpressionAttributeValues={":old": n(1), ":new": n(3)})[0] == "ConditionalCheckFailedException"


def test_an_item_does_not_grow_beyond_400_kb(db: Any, table: str) -> None:
    """The limit holds for what an update makes."""
    key = {"pk": s("grow")}
    db.put_item(TableName=table, Item={**key, "d": s("x" * 300_000)})
    assert invalid(db.update_item, TableName=table, Key=key, UpdateExpression="SET e = d") == "Item size to update has exceeded the maximum allowed size"


def test_sizes_stay_right_through_updates(cloud: Running, db: Any) -> None:
    """The size kept with an item is that of the item, however it came about: the table's size shows it."""
    table = make_table(cloud)
    db.put_item(TableName=table, Item={"pk": s("a"), "x": s("1234")})
    for expression in ("SET y = x", "SET y = list_append(:l, :l)", "REMOVE x", "SET y[0] = :s"):
        values = {":l": {"L": [s("é"), n("12.25")]}, ":s": {"M": {"k": s("v")}}}
        used = {key: value for key, value in values.items() if key in expression}
        db.update_item(TableName=table, Key={"pk": s("a")}, UpdateExpression=expression, **({"ExpressionAttributeValues": used} if used else {}))
    before = db.describe_table(TableName=table)["Table"]["TableSizeBytes"]
    item = db.get_item(TableName=table, Key={"pk": s("a")})["Item"]
    db.put_item(TableName=table, Item=item)
    assert db.describe_table(TableName=table)["Table"]["TableSizeBytes"] == before
