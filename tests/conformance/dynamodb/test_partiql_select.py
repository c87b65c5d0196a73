"""PartiQL: what a SELECT finds. (Developer Guide: "PartiQL select statements for DynamoDB", "PartiQL operators", "Use PartiQL functions".)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, n, s

ITEM: dict[str, Any] = {
    "a": n(5),
    "b": s("text"),
    "m": {"M": {"x": n(1), "y": {"L": [n(10), n(20), {"M": {"z": s("deep")}}]}}},
    "ss": {"SS": ["p", "q"]},
    "ns": {"NS": ["1", "2"]},
    "l": {"L": [n(1), s("two")]},
    "t": {"BOOL": True},
    "nul": {"NULL": True},
    "bin": {"B": b"\x01\x02"},
    "odd name": s("quoted"),
}


@pytest.fixture(scope="module")
def pk(world: World, db: Any, texts: str) -> str:
    """One partition with one item."""
    key = world.new_key()
    db.put_item(TableName=texts, Item={"pk": key, "sk": s("1"), **ITEM})
    return str(key["S"])


CONDITIONS = [
    ("a = 5", True, "numbers are equal by value"),
    ("a = 5.0", True, "5.0 is the same number"),
    ("a = 50e-1", True, "so is one with an exponent"),
    ("a = +5", True, "a sign may stand before a number"),
    ("a = -5", False, "minus five is another number"),
    ("a = '5'", False, "a text is no number"),
    ("a <> 4", True, "not equal"),
    ("a != 4", True, "the other way to write it"),
    ("a <> 5", False, "it is equal"),
    ("a < 6", True, "less"),
    ("a <= 5", True, "less or equal"),
    ("a > 5", False, "not greater"),
    ("a >= 5", True, "greater or equal"),
    ("5 = a", True, "the constant may come first"),
    ("6 > a", True, "and then the comparison turns round"),
    ("a BETWEEN 5 AND 9", True, "bounds are included"),
    ("a BETWEEN 6 AND 9", False, "outside"),
    ("NOT a BETWEEN 6 AND 9", True, "NOT turns it round"),
    ("a NOT BETWEEN 6 AND 9", True, "NOT BETWEEN is the same"),
    ("a IN [1, 5]", True, "a list in brackets"),
    ("a IN (1, 5)", True, "a list in parentheses"),
    ("a IN (5)", True, "a list of one"),
    ("a IN <<1, 5>>", True, "a bag"),
    ("a IN [1, 2]", False, "not in it"),
    ("a NOT IN [1, 2]", True, "NOT IN"),
    ("NOT a IN [1, 2]", True, "NOT … IN"),
    ("b = 'text'", True, "texts stand in single quotes"),
    ("b = 'it''s'", False, "two quotes are one quote of the text"),
    ('"b" = \'text\'', True, "names may stand in double quotes"),
    ('"odd name" = \'quoted\'', True, "and must, when they are no plain words"),
    ("begins_with(b, 'te')", True, "a prefix"),
    ("begins_with(b, 'ex')", False, "no prefix"),
    ("BEGINS_WITH(b, 'te')", True, "function names know no case"),
    ("contains(b, 'ex')", True, "a part of a text"),
    ("contains(ss, 'p')", True, "an element of a set"),
    ("contains(ns, 2)", True, "an element of a number set"),
    ("contains(l, 'two')", True, "an element of a list"),
    ("contains(l, 'one')", False, "not in the list"),
    ("size(b) = 4", True, "characters of a text"),
    ("size(ss) = 2", True, "elements of a set"),
    ("size(m) = 2", True, "members of a map"),
    ("size(l) > 2", False, "elements of a list"),
    ("size(bin) = 2", True, "bytes of a binary"),
    ("attribute_type(ss, 'SS')", True, "the type of an attribute"),
    ("attribute_type(ss, 'S')", False, "another type"),
    ("attribute_exists(a)", True, "it is there"),
    ("attribute_exists(nope)", False, "it is not there"),
    ("attribute_not_exists(nope)", True, "it is not there"),
    ("attribute_exists(m.y[2].z)", True, "paths work in functions"),
    ("attribute_exists(ss) = true", True, "a function may be compared with true"),
    ("attribute_exists(ss) = false", False, "or with false"),
    ("NOT attribute_exists(nope)", True, "NOT of a function"),
    ("nope IS MISSING", True, "an attribute that is not there is MISSING"),
    ("a IS MISSING", False, "this one is there"),
    ("a IS NOT MISSING", True, "IS NOT MISSING"),
    ("nul IS NULL", True, "the NULL type"),
    ("a IS NULL", False, "a number is not NULL"),
    ("nul IS NOT NULL", False, "IS NOT NULL"),
    ("nope IS NULL", False, "what is missing is not NULL"),
    ("t IS BOOL", True, "IS with a type's name"),
    ("b IS STRING", True, "texts are STRING"),
    ("a IS NUMERIC", True, "numbers are NUMERIC"),
    ("m IS STRUCT", True, "maps are STRUCT"),
    ("m IS TUPLE", True, "or TUPLE"),
    ("l IS LIST", True, "lists are LIST"),
    ("bin IS BLOB", True, "binaries are BLOB"),
    ("b IS BOOL", False, "another type"),
    ("t = true", True, "a truth value"),
    ("t = false", False, "the other one"),
    ("nul = null", True, "null equals null"),
    ("m.x = 1", True, "a path into a map"),
    ("m.y[1] = 20", True, "a path into a list"),
    ("m.y[2].z = 'deep'", True, "deeper"),
    ("m['x'] = 1", True, "a member in brackets"),
    ("m.y[9] = 20", False, "a position behind the end is missing"),
    ("m.x.z = 1", False, "a path through a number is missing"),
    ("l = [1, 'two']", True, "a whole list"),
    ("ss = <<'q', 'p'>>", True, "sets know no order"),
    ("m = {'x': 1}", False, "maps are equal when all members are"),
    ("a = 5 AND b = 'text'", True, "both hold"),
    ("a = 5 AND b = 'x'", False, "one does not hold"),
    ("(a = 4 OR b = 'text')", True, "one of them holds"),
    ("(a = 4 OR a = 3)", False, "none holds"),
    ("NOT (a = 4 OR a = 3)", True, "NOT of a parenthesis"),
    ("((a = 5))", True, "parentheses may be doubled here"),
    ("nope = 5", False, "a missing attribute equals nothing"),
    ("nope <> 5", True, "but differs from everything"),
    ("nope < 5", False, "and has no order"),
    ("b < 5", False, "a text has no order with numbers"),
    ("a = 5 -- a note", True, "a comment to the end of the line"),
    ("a = /* here */ 5", True, "a comment within"),
]


@pytest.mark.parametrize(("condition", "holds", "why"), CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_conditions(db: Any, texts: str, pk: str, condition: str, holds: bool, why: str) -> None:
    """A WHERE finds the item exactly when its condition holds."""
    found = db.execute_statement(Statement=f"SELECT sk FROM \"{texts}\" WHERE pk = '{pk}' AND {condition}", ConsistentRead=True)
    assert found["Items"] == ([{"sk": s("1")}] if holds else []), why


PROJECTIONS = [
    ("a", {"a": ITEM["a"]}, "one attribute"),
    ("a, b", {"a": ITEM["a"], "b": ITEM["b"]}, "several"),
    ('"a"', {"a": ITEM["a"]}, "a quoted name"),
    ('"odd name"', {"odd name": ITEM["odd name"]}, "a name that must be quoted"),
    ("m.x", {"x": n(1)}, "a path is shown under its last name"),
    ("m.y", {"y": ITEM["m"]["M"]["y"]}, "the whole list there"),
    ("m.y[2].z", {"z": s("deep")}, "through a list"),
    ("nope", {}, "what is missing is not shown"),
    ("a, nope", {"a": ITEM["a"]}, "the rest is"),
    ("pk, sk", {"sk": s("1")}, "keys are attributes like others"),
    ("*", {"sk": s("1"), **ITEM}, "everything"),
]


@pytest.mark.parametrize(("columns", "expected", "why"), PROJECTIONS, ids=[one[0] for one in PROJECTIONS])
def test_projections(db: Any, texts: str, pk: str, columns: str, expected: dict[str, Any], why: str) -> None:
    """What stands between SELECT and FROM is what is shown."""
    (found,) = db.execute_statement(Statement=f'SELECT {columns} FROM "{texts}" WHERE pk = ? AND sk = ?', Parameters=[s(pk), s("1")], ConsistentRead=True)["Items"]
    found.pop("pk", None)
    assert found == expected, why


@pytest.fixture(scope="module")
def partitions(world: World, db: Any, sorted_table: str) -> list[str]:
    """Three partitions with the sort keys 1 to 5 each."""
    names = [world.new_key()["S"] for _ in range(3)]
    for name in names:
        for number in range(1, 6):
            db.put_item(TableName=sorted_table, Item={"pk": s(name), "sk": n(number), "even": {"BOOL": number % 2 == 0}})
    return names


RANGES = [
    ("sk = 3", [3], "one item"),
    ("sk < 3", [1, 2], "below"),
    ("sk <= 3", [1, 2, 3], "up to"),
    ("sk > 3", [4, 5], "above"),
    ("sk >= 3", [3, 4, 5], "from"),
    ("3 < sk", [4, 5], "turned round"),
    ("sk BETWEEN 2 AND 4", [2, 3, 4], "between, with both ends"),
    ("sk IN [4, 1]", [1, 4], "some of them"),
    ("sk > 1 AND sk < 4", [2, 3], "two bounds"),
    ("sk <> 3", [1, 2, 4, 5], "all but one"),
    ("NOT sk = 3", [1, 2, 4, 5], "the same with NOT"),
    ("even = true", [2, 4], "a filter"),
    ("sk > 2 AND even = true", [4], "a bound and a filter"),
    ("(sk = 1 OR sk = 5)", [1, 5], "alternatives within a partition"),
]


@pytest.mark.parametrize(("condition", "expected", "why"), RANGES, ids=[one[0] for one in RANGES])
def test_sort_keys(db: Any, sorted_table: str, partitions: list[str], condition: str, expected: list[int], why: str) -> None:
    """Conditions on the sort key within a partition."""
    found = db.execute_statement(Statement=f"SELECT sk FROM \"{sorted_table}\" WHERE pk = '{partitions[0]}' AND {condition}", ConsistentRead=True)
    assert sorted(int(item["sk"]["N"]) for item in found["Items"]) == expected, why


ORDERS = [
    ("pk = '{0}' ORDER BY sk", [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)], "ascending is the default"),
    ("pk = '{0}' ORDER BY sk ASC", [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)], "or written"),
    ("pk = '{0}' ORDER BY sk DESC", [(0, 5), (0, 4), (0, 3), (0, 2), (0, 1)], "descending"),
    ("pk = '{0}' AND sk > 3 ORDER BY sk DESC", [(0, 5), (0, 4)], "with a bound"),
    ("pk IN ['{1}', '{0}'] AND sk = 2 ORDER BY pk", [(0, 2), (1, 2)], "several partitions by their keys"),
    ("pk IN ['{1}', '{0}'] AND sk = 2 ORDER BY pk DESC", [(1, 2), (0, 2)], "the other way round"),
    ("pk IN ['{0}', '{1}'] AND sk > 3 ORDER BY pk DESC, sk DESC", [(1, 5), (1, 4), (0, 5), (0, 4)], "by both parts of the key"),
]


@pytest.mark.parametrize(("where", "expected", "why"), ORDERS, ids=[one[0] for one in ORDERS])
def test_order(db: Any, sorted_table: str, partitions: list[str], where: str, expected: list[tuple[int, int]], why: str) -> None:
    """ORDER BY sorts by parts of the key."""
    found = db.execute_statement(Statement=f'SELECT pk, sk FROM "{sorted_table}" WHERE {where.format(*partitions)}', ConsistentRead=True)
    assert [(partitions.index(item["pk"]["S"]), int(item["sk"]["N"])) for item in found["Items"]] == expected, why


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 15, 20])
@pytest.mark.parametrize(
    "where",
    ["pk = '{0}'", "pk IN ['{0}', '{1}', '{2}']", "pk = '{0}' OR pk = '{2}'", "pk IN ['{0}', '{1}'] AND sk IN [1, 2, 9]", "pk = '{0}' AND even = true"],
)
def test_pages_join_to_the_whole(db: Any, sorted_table: str, partitions: list[str], where: str, limit: int) -> None:
    """Whatever the limit, following NextToken gives every item once, in the order of one large page."""
    statement = f'SELECT pk, sk FROM "{sorted_table}" WHERE {where.format(*partitions)}'
    whole = db.execute_statement(Statement=statement, ConsistentRead=True)["Items"]
    pages, token = [], {}
    while True:
        page = db.execute_statement(Statement=statement, Limit=limit, ConsistentRead=True, **token)
        assert len(page["Items"]) <= limit
        pages.extend(page["Items"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert pages == whole


@pytest.mark.parametrize("count", [11, 25, 50])
def test_in_gives_pages_of_ten(db: Any, texts: str, world: World, count: int) -> None:
    """Values of an IN on the partition key are answered ten at a time, up to fifty."""
    names = [world.new_key()["S"] for _ in range(count)]
    for at in range(0, count, 25):
        db.batch_write_item(RequestItems={texts: [{"PutRequest": {"Item": {"pk": s(name), "sk": s("x")}}} for name in names[at : at + 25]]})
    statement = f'SELECT pk FROM "{texts}" WHERE pk IN [{", ".join("?" * count)}]'
    found, token, sizes = [], {}, []
    while True:
        page = db.execute_statement(Statement=statement, Parameters=[s(name) for name in names], **token)
        sizes.append(len(page["Items"]))
        found.extend(item["pk"]["S"] for item in page["Items"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sorted(found) == sorted(names)
    assert max(sizes) == 10
