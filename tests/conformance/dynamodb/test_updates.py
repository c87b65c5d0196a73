"""UpdateItem: what an update makes of an item, in the newer and in the older style. (Developer Guide: "Update expressions", "AttributeUpdates")"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, failure, invalid, n, s

BEFORE: dict[str, Any] = {
    "num": n(5),
    "txt": s("x"),
    "lst": {"L": [n(0), n(1), n(2), n(3)]},
    "mp": {"M": {"x": n(1), "y": {"M": {"z": s("deep")}}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"1", b"2"]},
    "no": {"NULL": True},
}
SOME: dict[str, Any] = {":n": n(7), ":s": s("new"), ":l": {"L": [n(9)]}, ":m": {"M": {"q": n(1)}}, ":ss": {"SS": ["b", "c"]}, ":ns": {"NS": ["2.0", "3"]}}
DONE: list[tuple[str, dict[str, Any], str]] = [
    ("SET num = :n", {"num": n(7)}, "a new value"),
    ("set num = :n", {"num": n(7)}, "keywords know no case"),
    ("SET fresh = :s", {"fresh": s("new")}, "a new attribute"),
    ("SET txt = :n", {"txt": n(7)}, "of another type"),
    ("SET num = :n, txt = :s", {"num": n(7), "txt": s("new")}, "several"),
    ("SET num = num + :n", {"num": n(12)}, "a sum"),
    ("SET num = num - :n", {"num": n(-2)}, "a difference"),
    ("SET num = :n - num", {"num": n(2)}, "the other way round"),
    ("SET num = :n + :n", {"num": n(14)}, "of values"),
    ("SET num = (num + :n)", {"num": n(12)}, "in parentheses"),
    ("SET num = num + num", {"num": n(10)}, "with itself"),
    ("SET fresh = num", {"fresh": n(5)}, "a copy"),
    ("SET num = txt, txt = num", {"num": s("x"), "txt": n(5)}, "an exchange: values are those before the update"),
    ("SET fresh = mp.y.z", {"fresh": s("deep")}, "a copy from within"),
    ("SET fresh = lst[2]", {"fresh": n(2)}, "from a list"),
    ("SET num = if_not_exists(num, :n)", {}, "it is there"),
    ("SET fresh = if_not_exists(fresh, :n)", {"fresh": n(7)}, "it is not"),
    ("SET fresh = if_not_exists(num, :n)", {"fresh": n(5)}, "another one is"),
    ("SET fresh = if_not_exists(fresh, :n) + :n", {"fresh": n(14)}, "a counter that may not be there yet"),
    ("SET fresh = if_not_exists(fresh, txt)", {"fresh": s("x")}, "or another attribute"),
    ("SET lst = list_append(lst, :l)", {"lst": {"L": [n(0), n(1), n(2), n(3), n(9)]}}, "behind a list"),
    ("SET lst = list_append(:l, lst)", {"lst": {"L": [n(9), n(0), n(1), n(2), n(3)]}}, "before it"),
    ("SET lst = list_append(lst, lst)", {"lst": {"L": [n(0), n(1), n(2), n(3)] * 2}}, "twice"),
    ("SET fresh = list_append(if_not_exists(fresh, :l), :l)", {"fresh": {"L": [n(9), n(9)]}}, "a list that may not be there yet"),
    ("SET lst[0] = :n", {"lst": {"L": [n(7), n(1), n(2), n(3)]}}, "an element"),
    ("SET lst[4] = :n", {"lst": {"L": [n(0), n(1), n(2), n(3), n(7)]}}, "behind the end"),
    ("SET lst[99] = :n", {"lst": {"L": [n(0), n(1), n(2), n(3), n(7)]}}, "far behind it is just behind it"),
    ("SET lst[9] = :n, lst[7] = :s", {"lst": {"L": [n(0), n(1), n(2), n(3), s("new"), n(7)]}}, "in the order of positions"),
    ("SET mp.x = :n", {"mp": {"M": {**BEFORE["mp"]["M"], "x": n(7)}}}, "a member"),
    ("SET mp.w = :n", {"mp": {"M": {**BEFORE["mp"]["M"], "w": n(7)}}}, "a new one"),
    ("SET mp.y.z = :n", {"mp": {"M": {"x": n(1), "y": {"M": {"z": n(7)}}}}}, "a deep one"),
    ("SET mp.y = :m", {"mp": {"M": {"x": n(1), "y": {"M": {"q": n(1)}}}}}, "a map for a map"),
    ("REMOVE num", {"num": None}, "removing"),
    ("REMOVE num, txt, fresh", {"num": None, "txt": None}, "several, even those that are not there"),
    ("REMOVE lst[0]", {"lst": {"L": [n(1), n(2), n(3)]}}, "an element"),
    ("REMOVE lst[1], lst[2]", {"lst": {"L": [n(0), n(3)]}}, "positions are those before the update"),
    ("REMOVE lst[9]", {}, "behind the end there is nothing"),
    ("REMOVE mp.x", {"mp": {"M": {"y": {"M": {"z": s("deep")}}}}}, "a member"),
    ("REMOVE mp.nope", {}, "one that is not there"),
    ("REMOVE lst[0] SET lst[1] = :n", {"lst": {"L": [n(7), n(2), n(3)]}}, "both at once"),
    ("ADD num :n", {"num": n(12)}, "to a number"),
    ("ADD fresh :n", {"fresh": n(7)}, "to nothing"),
    ("ADD ss :ss", {"ss": {"SS": ["a", "b", "c"]}}, "to a set"),
    ("ADD ns :ns", {"ns": {"NS": ["1", "2", "3"]}}, "of numbers, by value"),
    ("ADD fresh :ss", {"fresh": {"SS": ["b", "c"]}}, "a new set"),
    ("ADD mp.x :n", {"mp": {"M": {**BEFORE["mp"]["M"], "x": n(8)}}}, "within a map"),
    ("ADD lst[1] :n", {"lst": {"L": [n(0), n(8), n(2), n(3)]}}, "within a list"),
    ("DELETE ss :ss", {"ss": {"SS": ["a"]}}, "from a set"),
    ("DELETE ns :ns", {"ns": {"NS": ["1"]}}, "of numbers, by value"),
    ("DELETE fresh :ss", {}, "from nothing"),
    ("SET num = :n REMOVE txt ADD ns :ns DELETE ss :ss", {"num": n(7), "txt": None, "ns": {"NS": ["1", "2", "3"]}, "ss": {"SS": ["a"]}}, "all four"),
    ("ADD num :n SET txt = num", {"num": n(12), "txt": n(5)}, "in any order, from what was there"),
    ("SET #n = :n", {"#n": n(7)}, "a placeholder for any name"),
]


def sets_sorted(value: dict[str, Any]) -> dict[str, Any]:
    """Sets come in no order."""
    return {kind: sorted(inner) if kind in ("SS", "NS", "BS") else inner for kind, inner in value.items()}


@pytest.mark.parametrize(("expression", "difference", "why"), DONE, ids=[one[0] for one in DONE])
def test_expressions(db: Any, simple: str, world: World, expression: str, difference: dict[str, Any], why: str) -> None:
    """What an expression changes, and nothing else."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    values = {name: value for name, value in SOME.items() if name in expression.replace(",", " ").replace(")", " ").split() or f"({name}" in expression}
    more: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    if "#n" in expression:
        more["ExpressionAttributeNames"] = {"#n": "#n"}
    answer = db.update_item(TableName=simple, Key={"pk": key}, UpdateExpression=expression, ReturnValues="ALL_NEW", **more)["Attributes"]
    expected = {name: value for name, value in {"pk": key, **BEFORE, **difference}.items() if value is not None}
    assert {name: sets_sorted(value) for name, value in answer.items()} == expected, why


NO_SUCH = "The provided expression refers to an attribute that does not exist in the item"
BAD_PATH = "The document path provided in the update expression is invalid for update"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
NOT_DONE = [
    ("SET num = nope", NO_SUCH, "nothing to copy"),
    ("SET num = nope + :n", NO_SUCH, "nothing to add to"),
    ("SET num = mp.nope", NO_SUCH, "nothing there"),
    ("SET num = lst[9]", NO_SUCH, "behind the end"),
    ("SET lst = list_append(nope, :l)", NO_SUCH, "no list"),
    ("SET num = if_not_exists(nope, nope2)", NO_SUCH, "neither of them"),
    ("SET nope.x = :n", BAD_PATH, "no map"),
    ("SET txt.x = :n", BAD_PATH, "a text is no map"),
    ("SET lst.x = :n", BAD_PATH, "a list is no map"),
    ("SET mp[0] = :n", BAD_PATH, "a map is no list"),
    ("SET mp.y.z.q = :n", BAD_PATH, "a text in a map is none"),
    ("REMOVE txt.x", BAD_PATH, "nor to remove from"),
    ("REMOVE nope.x", BAD_PATH, "nor nothing"),
    ("SET num = txt + :n", WRONG_TYPE, "a text has no sum"),
    ("SET num = lst + :n", WRONG_TYPE, "nor has a list"),
    ("SET lst = list_append(txt, :l)", WRONG_TYPE, "a text is no list"),
    ("ADD txt :n", WRONG_TYPE, "a text is no number"),
    ("ADD num :ss", WRONG_TYPE, "a number is no set"),
    ("ADD ns :ss", WRONG_TYPE, "sets of one type"),
    ("DELETE ns :ss", WRONG_TYPE, "here too"),
    ("DELETE num :ss", WRONG_TYPE, "a number is no set"),
    ("SET pk = :s", "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key", "keys stay"),
    ("REMOVE pk", "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key", "keys stay"),
    ("ADD pk :n", "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key", "keys stay"),
]


@pytest.mark.parametrize(("expression", "message", "why"), NOT_DONE, ids=[one[0] for one in NOT_DONE])
def test_expressions_that_do_not_fit(db: Any, simple: str, world: World, expression: str, message: str, why: str) -> None:
    """An update that does not fit the item changes nothing of it."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    values = {name: value for name, value in SOME.items() if name in expression.replace(",", " ").replace(")", " ").split()}
    more: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    assert invalid(db.update_item, TableName=simple, Key={"pk": key}, UpdateExpression=expression, **more) == message, why
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["num"] == n(5)


OLDER: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"num": {"Action": "PUT", "Value": s("new")}}, {"num": s("new")}, "PUT"),
    ({"num": {"Value": s("new")}}, {"num": s("new")}, "PUT is the default"),
    ({"fresh": {"Action": "PUT", "Value": n(1)}}, {"fresh": n(1)}, "of a new attribute"),
    ({"num": {"Action": "ADD", "Value": n(2)}}, {"num": n(7)}, "ADD to a number"),
    ({"fresh": {"Action": "ADD", "Value": n(2)}}, {"fresh": n(2)}, "to nothing"),
    ({"ss": {"Action": "ADD", "Value": {"SS": ["c"]}}}, {"ss": {"SS": ["a", "b", "c"]}}, "to a set"),
    ({"lst": {"Action": "ADD", "Value": {"L": [n(4)]}}}, {"lst": {"L": [n(0), n(1), n(2), n(3), n(4)]}}, "to a list, which only the older style can"),
    ({"num": {"Action": "DELETE"}}, {"num": None}, "DELETE of an attribute"),
    ({"nope": {"Action": "DELETE"}}, {}, "that is not there"),
    ({"ss": {"Action": "DELETE", "Value": {"SS": ["a"]}}}, {"ss": {"SS": ["b"]}}, "of elements"),
    ({"ss": {"Action": "DELETE", "Value": {"SS": ["a", "b"]}}}, {"ss": None}, "of all of them"),
    ({"num": {"Action": "ADD", "Value": n(1)}, "txt": {"Action": "DELETE"}}, {"num": n(6), "txt": None}, "several"),
]


@pytest.mark.parametrize(("updates", "difference", "why"), OLDER, ids=[f"{at}-{one[2]}" for at, one in enumerate(OLDER)])
def test_attribute_updates(db: Any, simple: str, world: World, updates: dict[str, Any], difference: dict[str, Any], why: str) -> None:
    """The older style: whole attributes, three actions."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    answer = db.update_item(TableName=simple, Key={"pk": key}, AttributeUpdates=updates, ReturnValues="ALL_NEW")["Attributes"]
    expected = {name: value for name, value in {"pk": key, **BEFORE, **difference}.items() if value is not None}
    assert {name: sets_sorted(value) for name, value in answer.items()} == expected, why


FROM_NOTHING: list[tuple[dict[str, Any], dict[str, Any] | None, str]] = [
    ({"a": {"Action": "DELETE"}}, None, "DELETE has nothing to delete"),
    ({"a": {"Action": "DELETE", "Value": {"SS": ["x"]}}}, None, "nor elements"),
    ({"a": {"Action": "DELETE"}, "b": {"Action": "DELETE"}}, None, "nor several"),
    ({"a": {"Action": "DELETE"}, "b": {"Action": "PUT", "Value": n(1)}}, {"b": n(1)}, "PUT makes the item"),
    ({"a": {"Action": "DELETE"}, "b": {"Action": "ADD", "Value": n(1)}}, {"b": n(1)}, "so does ADD"),
    ({}, {}, "and no update at all"),
]


@pytest.mark.parametrize(("updates", "made", "why"), FROM_NOTHING, ids=[one[2] for one in FROM_NOTHING])
def test_attribute_updates_of_no_item(db: Any, simple: str, world: World, updates: dict[str, Any], made: dict[str, Any] | None, why: str) -> None:
    """In the older style an item that is not there stays so when there is only something to delete; REMOVE makes one."""
    key = {"pk": world.new_key()}
    answer = db.update_item(TableName=simple, Key=key, AttributeUpdates=updates, ReturnValues="ALL_NEW", ReturnConsumedCapacity="TOTAL")
    expected = None if made is None else {**key, **made}
    assert answer.get("Attributes") == expected, why
    assert db.get_item(TableName=simple, Key=key, ConsistentRead=True).get("Item") == expected, why
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1.0
    db.update_item(TableName=simple, Key=key, UpdateExpression="REMOVE a")
    assert "Item" in db.get_item(TableName=simple, Key=key, ConsistentRead=True)


SHOWN: list[tuple[str, str, dict[str, Any] | None, str]] = [
    ("NONE", "SET num = :n", None, "nothing"),
    ("ALL_OLD", "SET num = :n", {"num": n(5), "mp": {"M": {"x": n(1), "y": n(2)}}}, "all of it before"),
    ("ALL_NEW", "SET num = :n", {"num": n(7), "mp": {"M": {"x": n(1), "y": n(2)}}}, "all of it after"),
    ("UPDATED_OLD", "SET num = :n", {"num": n(5)}, "what was named, before"),
    ("UPDATED_NEW", "SET num = :n", {"num": n(7)}, "what was named, after"),
    ("UPDATED_OLD", "SET mp.x = :n", {"mp": {"M": {"x": n(1)}}}, "only the part that was named"),
    ("UPDATED_NEW", "SET mp.x = :n", {"mp": {"M": {"x": n(7)}}}, "after"),
    ("UPDATED_OLD", "SET fresh = :n", None, "there was nothing"),
    ("UPDATED_NEW", "SET fresh = :n", {"fresh": n(7)}, "now there is"),
    ("UPDATED_NEW", "REMOVE num", None, "now there is not"),
    ("UPDATED_OLD", "REMOVE num", {"num": n(5)}, "there was"),
]


@pytest.mark.parametrize(("wanted", "expression", "shown", "why"), SHOWN, ids=[f"{one[0]} {one[1]}" for one in SHOWN])
def test_return_values(db: Any, simple: str, world: World, wanted: str, expression: str, shown: dict[str, Any] | None, why: str) -> None:
    """ReturnValues: before or after, all or what was named."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "num": n(5), "mp": {"M": {"x": n(1), "y": n(2)}}})
    more = {"ExpressionAttributeValues": {":n": n(7)}} if ":n" in expression else {}
    answer = db.update_item(TableName=simple, Key={"pk": key}, UpdateExpression=expression, ReturnValues=wanted, **more)
    found = answer.get("Attributes")
    if found is not None:
        found.pop("pk", None)
    assert found == shown, why


@pytest.mark.parametrize("operation", ["put_item", "delete_item"])
@pytest.mark.parametrize("wanted", ["ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
def test_return_values_of_other_writes(db: Any, simple: str, operation: str, wanted: str) -> None:
    """Puts and deletes only show what was there."""
    target = {"Item": {"pk": s("x")}} if operation == "put_item" else {"Key": {"pk": s("x")}}
    assert invalid(getattr(db, operation), TableName=simple, ReturnValues=wanted, **target) == "ReturnValues can only be ALL_OLD or NONE"


@pytest.mark.parametrize("operation", ["put_item", "delete_item", "update_item"])
@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_conditions_guard_every_write(db: Any, simple: str, world: World, operation: str, holds: bool, there: bool) -> None:
    """A write happens when its condition holds for what is there (or for nothing), and not otherwise; the item that stopped it is shown on request."""
    key = world.new_key()
    if there:
        db.put_item(TableName=simple, Item={"pk": key, "num": n(1)})
    target: dict[str, Any] = {"Item": {"pk": key, "num": n(2)}} if operation == "put_item" else {"Key": {"pk": key}}
    call = {
        "TableName": simple,
        **target,
        "ConditionExpression": "attribute_exists(num)" if holds == there else "attribute_not_exists(num)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if holds:
        getattr(db, operation)(**call)
    else:
        assert failure(getattr(db, operation), **call) == ("ConditionalCheckFailedException", "The conditional request failed")
        assert ("Item" in db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)) is there


EXPECTED: list[tuple[dict[str, Any], bool, str]] = [
    ({"num": {"Value": n(5)}}, True, "equal"),
    ({"num": {"Value": n(6)}}, False, "not equal"),
    ({"num": {"Exists": True, "Value": n(5)}}, True, "there, and equal"),
    ({"nope": {"Exists": False}}, True, "not there"),
    ({"num": {"Exists": False}}, False, "it is"),
    ({"num": {"ComparisonOperator": "EQ", "AttributeValueList": [n(5)]}}, True, "EQ"),
    ({"num": {"ComparisonOperator": "NE", "AttributeValueList": [n(5)]}}, False, "NE"),
    ({"num": {"ComparisonOperator": "LT", "AttributeValueList": [n(6)]}}, True, "LT"),
    ({"num": {"ComparisonOperator": "LE", "AttributeValueList": [n(5)]}}, True, "LE"),
    ({"num": {"ComparisonOperator": "GT", "AttributeValueList": [n(5)]}}, False, "GT"),
    ({"num": {"ComparisonOperator": "GE", "AttributeValueList": [n(5)]}}, True, "GE"),
    ({"num": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [n(5), n(9)]}}, True, "BETWEEN"),
    ({"num": {"ComparisonOperator": "IN", "AttributeValueList": [n(1), n(5)]}}, True, "IN"),
    ({"num": {"ComparisonOperator": "NOT_NULL"}}, True, "NOT_NULL"),
    ({"nope": {"ComparisonOperator": "NULL"}}, True, "NULL means not there"),
    ({"no": {"ComparisonOperator": "NULL"}}, False, "a null is there"),
    ({"txt": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [s("x")]}}, True, "BEGINS_WITH"),
    ({"ss": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [s("a")]}}, True, "CONTAINS"),
    ({"ss": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [s("a")]}}, False, "NOT_CONTAINS"),
    ({"num": {"Value": n(5)}, "txt": {"Value": s("y")}}, False, "all of them"),
]


@pytest.mark.parametrize(("expected", "holds", "why"), EXPECTED, ids=[f"{at}-{one[2]}" for at, one in enumerate(EXPECTED)])
def test_expected(db: Any, simple: str, world: World, expected: dict[str, Any], holds: bool, why: str) -> None:
    """The older style of conditions."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    call = {"TableName": simple, "Key": {"pk": key}, "Expected": expected}
    if holds:
        db.delete_item(**call)
    else:
        assert failure(db.delete_item, **call)[0] == "ConditionalCheckFailedException", why


def test_or_of_expected(db: Any, simple: str, world: World) -> None:
    """ConditionalOperator OR: one of them is enough."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    db.delete_item(TableName=simple, Key={"pk": key}, Expected={"num": {"Value": n(5)}, "txt": {"Value": s("y")}}, ConditionalOperator="OR")


LEGACY_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"AttributeUpdates": {"a": {"Action": "PUT"}}}, "One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified"),
    ({"AttributeUpdates": {"a": {"Action": "ADD", "Value": s("x")}}}, "One or more parameter values were invalid: ADD action is not supported for the type S"),
    ({"AttributeUpdates": {"a": {"Action": "DELETE", "Value": s("x")}}}, "One or more parameter values were invalid: DELETE action with value is not supported for the type S"),
    ({"Expected": {"a": {"Exists": True}}}, "One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: a"),
    ({"Expected": {"a": {"Exists": False, "Value": n(1)}}}, "One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: a"),
    ({"Expected": {"a": {}}}, "One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: a"),
    ({"Expected": {"a": {"ComparisonOperator": "EQ"}}}, "One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a"),
    (
        {"Expected": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": []}}},
        "One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
    ),
    (
        {"Expected": {"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [n(1)]}}},
        "One or more parameter values were invalid: Invalid number of argument(s) for the BETWEEN ComparisonOperator",
    ),
    (
        {"Expected": {"a": {"ComparisonOperator": "LT", "AttributeValueList": [{"BOOL": True}]}}},
        "One or more parameter values were invalid: ComparisonOperator LT is not valid for BOOL AttributeValue type",
    ),
    ({"ConditionalOperator": "OR"}, "ConditionalOperator cannot be used without Filter or Expected"),
    ({"Expected": {"a": {"Exists": False}}, "ConditionalOperator": "OR"}, "ConditionalOperator can only be used when Filter or Expected has two or more elements"),
]


@pytest.mark.parametrize(("more", "message"), LEGACY_ERRORS, ids=[str(at) for at in range(len(LEGACY_ERRORS))])
def test_mistakes_in_the_older_style(db: Any, simple: str, more: dict[str, Any], message: str) -> None:
    """What the older parameters must not be. One condition takes no operator."""
    assert invalid(db.update_item, TableName=simple, Key={"pk": s("legacy")}, **more) == message
