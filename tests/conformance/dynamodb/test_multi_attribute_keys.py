"""Indexes whose keys have several attributes. (Developer Guide: "Multi-attribute keys pattern" of global secondary indexes.)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, invalid, s

ITEMS = {
    "p1": {"a": "T", "b": "live", "c": "b", "d": "r1"},
    "p2": {"a": "T", "b": "live", "c": "a", "d": "r2"},
    "p3": {"a": "T", "b": "live", "c": "a", "d": "r1"},
    "p4": {"a": "T", "b": "draft", "c": "c", "d": "r1"},
    "p5": {"a": "F", "b": "live", "c": "a", "d": "r0"},
    "p6": {"a": "T", "b": "live", "d": "r1"},
}
VALUES = {":h": s("o1"), ":a": s("T"), ":b": s("live"), ":c": s("a"), ":d": s("r"), ":x": s("r1"), ":y": s("r1")}


@pytest.fixture(scope="module")
def table(world: World, db: Any) -> str:
    """One hashed and four sorting attributes; p6 lacks one of them."""
    kinds = {"h": "HASH", "a": "RANGE", "b": "RANGE", "c": "RANGE", "d": "RANGE"}
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in kinds.items()]
    index = {"IndexName": "many", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    made = world.make_table({"pk": "S"}, more=dict.fromkeys(kinds, "S"), GlobalSecondaryIndexes=[index])
    for name, rest in ITEMS.items():
        db.put_item(TableName=made, Item={"pk": s(name), "h": s("o1"), **{key: s(value) for key, value in rest.items()}})
    return made


def call(condition: str) -> dict[str, Any]:
    values = {name: value for name, value in VALUES.items() if name in condition}
    return {"IndexName": "many", "KeyConditionExpression": condition, "ExpressionAttributeValues": values}


CONDITIONS = [
    ("h = :h", "p5 p4 p3 p2 p1", "all that have every attribute, sorted by one after the other"),
    ("h = :h AND a = :a", "p4 p3 p2 p1", "one equality"),
    ("h = :h AND a = :a AND b = :b", "p3 p2 p1", "two"),
    ("h = :h AND a = :a AND b = :b AND c = :c", "p3 p2", "three"),
    ("h = :h AND a = :a AND b = :b AND c > :c", "p1", "a comparison of the last one"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND begins_with(d, :d)", "p3 p2", "a prefix"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND d BETWEEN :x AND :y", "p3", "bounds"),
    ("h = :h AND a = :a AND b < :b", "p4", "of the second"),
    ("b = :b AND h = :h AND a = :a", "p3 p2 p1", "in any order"),
]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(("condition", "expected", "why"), CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_conditions(db: Any, table: str, condition: str, expected: str, why: str, forward: bool) -> None:
    """Equalities from the first attribute on, and one comparison behind them."""
    found = [item["pk"]["S"] for item in db.query(TableName=table, ScanIndexForward=forward, **call(condition))["Items"]]
    assert found == (expected.split() if forward else expected.split()[::-1]), why


def test_a_page_ends_with_all_keys(db: Any, table: str) -> None:
    """The place to go on from has the table's key and every attribute of the index's."""
    page = db.query(TableName=table, Limit=2, **call("h = :h AND a = :a"))
    assert set(page["LastEvaluatedKey"]) == {"pk", "h", "a", "b", "c", "d"}
    rest = db.query(TableName=table, ExclusiveStartKey=page["LastEvaluatedKey"], **call("h = :h AND a = :a"))
    assert [item["pk"]["S"] for item in page["Items"] + rest["Items"]] == ["p4", "p3", "p2", "p1"]


GAPS = [
    ("h = :h AND a = :a AND c = :c", "b", "c", "a gap"),
    ("h = :h AND a = :a AND b > :b AND c = :c", "b", "c", "a comparison before the last"),
    ("h = :h AND b = :b", "a", "b", "not the first"),
]


@pytest.mark.parametrize(("condition", "missing", "present", "why"), GAPS, ids=[one[3] for one in GAPS])
def test_gaps(db: Any, table: str, condition: str, missing: str, present: str, why: str) -> None:
    """No attribute is left out before one that has a condition."""
    assert invalid(db.query, TableName=table, **call(condition)) == (
        f"RANGE key attributes {missing} must have equality conditions specified in the query because a condition is present on key attribute {present}"
    ), why


def test_two_partition_attributes_and_no_sort_key(world: World, db: Any) -> None:
    """A partition key has up to four attributes, and an index needs no sort key beside them."""
    keys = [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "HASH"}]
    index = {"IndexName": "two", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    made = world.make_table({"pk": "S"}, more={"h": "S", "a": "S"}, GlobalSecondaryIndexes=[index])
    for name, rest in ITEMS.items():
        db.put_item(TableName=made, Item={"pk": s(name), "h": s("o1"), "a": s(rest["a"])})
    asked = {"TableName": made, "IndexName": "two", "ExpressionAttributeValues": {":h": s("o1"), ":a": s("F")}}
    assert [item["pk"] for item in db.query(**asked, KeyConditionExpression="h = :h AND a = :a")["Items"]] == [s("p5")]
    asked["ExpressionAttributeValues"] = {":h": s("o1")}
    assert invalid(db.query, **asked, KeyConditionExpression="h = :h") == "Query condition missed key schema element: a"
