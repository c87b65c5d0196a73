"""Query and Scan: which items, in which order, how many at once. (API Reference: "Query", "Scan"; Developer Guide: "Paginating")"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, invalid, n, s

COUNT = 12


@pytest.fixture(scope="module")
def partition(world: World, db: Any, sorted_table: str) -> dict[str, Any]:
    """A partition with sort keys 0 to 11 and some attributes."""
    key = world.new_key()
    for number in range(COUNT):
        db.put_item(TableName=sorted_table, Item={"pk": key, "sk": n(number), "even": {"BOOL": number % 2 == 0}, "m": {"M": {"x": n(number)}}, "t": s(f"t{number}")})
    return key


CONDITIONS: list[tuple[str, dict[str, Any], list[int], str]] = [
    ("pk = :p", {}, list(range(12)), "the whole partition"),
    (":p = pk", {}, list(range(12)), "turned round"),
    ("pk = :p AND sk = :a", {":a": n(3)}, [3], "one item"),
    ("sk = :a AND pk = :p", {":a": n(3)}, [3], "in any order"),
    ("pk = :p AND :a = sk", {":a": n(3)}, [3], "turned round"),
    ("pk = :p AND sk < :a", {":a": n(3)}, [0, 1, 2], "below"),
    ("pk = :p AND sk <= :a", {":a": n(3)}, [0, 1, 2, 3], "up to"),
    ("pk = :p AND sk > :a", {":a": n(9)}, [10, 11], "above"),
    ("pk = :p AND sk >= :a", {":a": n(9)}, [9, 10, 11], "from"),
    ("pk = :p AND :a > sk", {":a": n(3)}, [0, 1, 2], "turned round"),
    ("pk = :p AND sk BETWEEN :a AND :b", {":a": n(3), ":b": n(5)}, [3, 4, 5], "between, with both ends"),
    ("pk = :p AND sk BETWEEN :a AND :b", {":a": n("2.5"), ":b": n("4.5")}, [3, 4], "between values that are not there"),
    ("pk = :p AND sk BETWEEN :a AND :a", {":a": n(3)}, [3], "one value"),
    ("(pk = :p) AND (sk = :a)", {":a": n(3)}, [3], "in parentheses"),
    ("pk = :p and sk = :a", {":a": n(3)}, [3], "in small letters"),
    ("pk = :p AND sk = :a", {":a": n(99)}, [], "nothing there"),
    ("pk = :p AND sk > :a", {":a": n(99)}, [], "nor above"),
]


def numbers_of(answer: dict[str, Any]) -> list[int]:
    return [int(item["sk"]["N"]) for item in answer["Items"]]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(("condition", "values", "expected", "why"), CONDITIONS, ids=[f"{at}-{one[3]}" for at, one in enumerate(CONDITIONS)])
def test_key_conditions(
    db: Any, sorted_table: str, partition: dict[str, Any], condition: str, values: dict[str, Any], expected: list[int], why: str, forward: bool
) -> None:
    """Items of a partition in the order of their sort keys, or backwards."""
    answer = db.query(
        TableName=sorted_table,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":p": partition, **values},
        ScanIndexForward=forward,
        ConsistentRead=True,
    )
    assert numbers_of(answer) == (expected if forward else expected[::-1]), why
    assert (answer["Count"], answer["ScannedCount"]) == (len(expected), len(expected))


OLDER: list[tuple[str, list[Any], list[int]]] = [
    ("EQ", [n(3)], [3]),
    ("LT", [n(2)], [0, 1]),
    ("LE", [n(1)], [0, 1]),
    ("GT", [n(10)], [11]),
    ("GE", [n(10)], [10, 11]),
    ("BETWEEN", [n(3), n(5)], [3, 4, 5]),
]


@pytest.mark.parametrize(("operator", "values", "expected"), OLDER)
def test_older_key_conditions(db: Any, sorted_table: str, partition: dict[str, Any], operator: str, values: list[Any], expected: list[int]) -> None:
    """KeyConditions says the same in the older style."""
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [partition]},
        "sk": {"ComparisonOperator": operator, "AttributeValueList": values},
    }
    assert numbers_of(db.query(TableName=sorted_table, KeyConditions=conditions, ConsistentRead=True)) == expected


@pytest.mark.parametrize(("prefix", "expected"), [("a", ["a", "ab", "abc"]), ("ab", ["ab", "abc"]), ("abc", ["abc"]), ("abcd", []), ("b", ["b", "bé"]), ("bé", ["bé"])])
def test_prefixes(db: Any, texts: str, world: World, prefix: str, expected: list[str]) -> None:
    """begins_with on a sort key."""
    key = world.new_key()
    for text in ("a", "ab", "abc", "b", "bé", "c"):
        db.put_item(TableName=texts, Item={"pk": key, "sk": s(text)})
    answer = db.query(
        TableName=texts, KeyConditionExpression="pk = :p AND begins_with(sk, :x)", ExpressionAttributeValues={":p": key, ":x": s(prefix)}, ConsistentRead=True
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == expected


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 11, 12, 13])
def test_pages(db: Any, sorted_table: str, partition: dict[str, Any], limit: int, forward: bool) -> None:
    """Pages join to the whole; a page that ends exactly with the last item still has a key to go on from."""
    found: list[int] = []
    start: dict[str, Any] = {}
    while True:
        page = db.query(
            TableName=sorted_table,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": partition},
            Limit=limit,
            ScanIndexForward=forward,
            ConsistentRead=True,
            **start,
        )
        assert len(page["Items"]) <= limit
        found.extend(numbers_of(page))
        if "LastEvaluatedKey" not in page:
            break
        assert set(page["LastEvaluatedKey"]) == {"pk", "sk"}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert found == (list(range(COUNT)) if forward else list(range(COUNT))[::-1])


FILTERS: list[tuple[str, dict[str, Any], list[int], str]] = [
    ("even = :x", {":x": {"BOOL": True}}, [0, 2, 4, 6, 8, 10], "an attribute"),
    ("m.x > :x", {":x": n(9)}, [10, 11], "within a map"),
    ("begins_with(t, :x)", {":x": s("t1")}, [1, 10, 11], "a function"),
    ("even = :x AND m.x < :y", {":x": {"BOOL": True}, ":y": n(5)}, [0, 2, 4], "two"),
    ("nope = :x", {":x": n(1)}, [], "an attribute that is not there"),
    ("attribute_not_exists(nope)", {}, list(range(12)), "that is all of them"),
]


@pytest.mark.parametrize(("text", "values", "expected", "why"), FILTERS, ids=[one[0] for one in FILTERS])
@pytest.mark.parametrize("limit", [None, 5])
def test_filters(
    db: Any, sorted_table: str, partition: dict[str, Any], text: str, values: dict[str, Any], expected: list[int], why: str, limit: int | None
) -> None:
    """A filter takes away from what was read; Limit counts what was read."""
    more: dict[str, Any] = {"Limit": limit} if limit else {}
    answer = db.query(
        TableName=sorted_table,
        KeyConditionExpression="pk = :p",
        FilterExpression=text,
        ExpressionAttributeValues={":p": partition, **values},
        ConsistentRead=True,
        **more,
    )
    wanted = [number for number in expected if limit is None or number < limit]
    assert numbers_of(answer) == wanted, why
    assert (answer["Count"], answer["ScannedCount"]) == (len(wanted), limit or COUNT)


KEY_ERRORS: list[tuple[str, dict[str, Any], str, str]] = [
    ("sk = :a", {":a": n(1)}, "Query condition missed key schema element: pk", "no partition key"),
    ("nope = :a", {":a": n(1)}, "Query condition missed key schema element: pk", "another attribute"),
    ("pk = :p AND nope = :a", {":p": s("x"), ":a": n(1)}, "Query condition missed key schema element: sk", "another one beside it"),
    ("pk > :p", {":p": s("x")}, "Query key condition not supported", "the partition key is equal"),
    ("begins_with(pk, :p)", {":p": s("x")}, "Query key condition not supported", "and nothing else"),
    ("pk <> :p", {":p": s("x")}, "Invalid operator used in KeyConditionExpression: <>", "not different"),
    ("pk = :p OR sk = :a", {":p": s("x"), ":a": n(1)}, "Invalid operator used in KeyConditionExpression: OR", "no OR"),
    ("NOT pk = :p", {":p": s("x")}, "Invalid operator used in KeyConditionExpression: NOT", "no NOT"),
    ("pk IN (:p)", {":p": s("x")}, "Invalid operator used in KeyConditionExpression: IN", "no IN"),
    ("pk = :p AND attribute_exists(sk)", {":p": s("x")}, "Invalid operator used in KeyConditionExpression: attribute_exists", "no other functions"),
    ("pk = :p AND contains(sk, :a)", {":p": s("x"), ":a": s("y")}, "Invalid operator used in KeyConditionExpression: contains", "of any kind"),
    ("pk = :p AND sk > :a AND sk < :b", {":p": s("x"), ":a": n(1), ":b": n(2)}, "KeyConditionExpressions must only contain one condition per key", "one condition each"),
    (
        "pk = :p AND sk > :a AND extra = :b",
        {":p": s("x"), ":a": n(1), ":b": n(2)},
        "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        "three attributes",
    ),
    ("pk = :p AND begins_with(sk, :a)", {":p": s("x"), ":a": n(1)}, "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N", "a number's prefix"),
    ("pk = :p AND sk < :a", {":p": s("x"), ":a": {"BOOL": True}}, "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL", "no order"),
    ("pk = :p AND :a >= sk", {":p": s("x"), ":a": {"BOOL": True}}, "Incorrect operand type for operator or function; operator or function: >=, operand type: BOOL", "as written"),
    (
        "pk = :p AND sk BETWEEN :a AND :b",
        {":p": s("x"), ":a": {"BOOL": False}, ":b": {"BOOL": True}},
        "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: BOOL",
        "bounds without order",
    ),
    ("pk = :p AND sk = :a", {":p": s("x"), ":a": {"BOOL": True}}, "One or more parameter values were invalid: Condition parameter type does not match schema type", "no key type"),
    ("begins_with(sk, :a) AND pk = :b", {":a": n(1)}, "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N", "the first mistake in the text"),
    ("pk = :b AND begins_with(sk, :a)", {":a": n(1)}, "An expression attribute value used in expression is not defined; attribute value: :b", "whichever it is"),
    ("pk = sk", {}, "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition", "values, not attributes"),
    ("pk.x = :p", {":p": s("x")}, "KeyConditionExpressions cannot have conditions on nested attributes", "no paths"),
    ("size(pk) = :a", {":a": n(1)}, "KeyConditionExpressions cannot contain nested operations", "no functions within"),
    ("pk = :p AND sk = :a", {":p": n(1), ":a": n(1)}, "One or more parameter values were invalid: Condition parameter type does not match schema type", "of the key's type"),
    ("pk = :p AND sk = :a", {":p": s("x"), ":a": s("1")}, "One or more parameter values were invalid: Condition parameter type does not match schema type", "both"),
    (
        "pk = :p AND sk BETWEEN :b AND :a",
        {":p": s("x"), ":a": n(1), ":b": n(2)},
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
        "lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        "bounds in order",
    ),
    ("pk = ", {}, 'Syntax error; token: "<EOF>", near: "="', "half a condition"),
    ("", {}, "The expression can not be empty;", "no condition"),
    (
        "pk = :p",
        {":p": s("")},
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
        "an empty key",
    ),
]


@pytest.mark.parametrize(("condition", "values", "message", "why"), KEY_ERRORS, ids=[f"{at}-{one[3]}" for at, one in enumerate(KEY_ERRORS)])
def test_key_conditions_that_are_refused(db: Any, sorted_table: str, condition: str, values: dict[str, Any], message: str, why: str) -> None:
    """What a key condition must not be."""
    more: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    found = invalid(db.query, TableName=sorted_table, KeyConditionExpression=condition, **more)
    assert found.removeprefix("Invalid KeyConditionExpression: ") == message, why


P: dict[str, Any] = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("x")}}
QUERY_ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.", "no condition at all"),
    ({**P, "IndexName": "nope"}, "The table does not have the specified index: nope", "no such index"),
    ({**P, "FilterExpression": "sk > :p"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk", "filters look at other attributes"),
    ({**P, "FilterExpression": "pk = :p"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk", "than those of the key"),
    ({**P, "Select": "SPECIFIC_ATTRIBUTES"}, "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES", "which attributes?"),
    ({**P, "Select": "COUNT", "ProjectionExpression": "a"}, "Cannot specify the ProjectionExpression when choosing to get only the Count", "a count has none"),
    ({**P, "Select": "ALL_ATTRIBUTES", "ProjectionExpression": "a"}, "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES", "all or some"),
    ({**P, "Select": "ALL_PROJECTED_ATTRIBUTES"}, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName", "only of an index"),
    ({**P, "ExclusiveStartKey": {"pk": s("x")}}, "The provided starting key is invalid", "a part of a key"),
    ({**P, "ExclusiveStartKey": {"pk": s("y"), "sk": n(1)}}, "The provided starting key is outside query boundaries based on provided conditions", "of another partition"),
    ({**P, "ProjectionExpression": "pk.x"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk", "keys have no parts"),
    (
        {**P, "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [s("x")]}}},
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {KeyConditions} Expression parameters: {KeyConditionExpression}",
        "old and new",
    ),
    (
        {"KeyConditions": {"pk": {"ComparisonOperator": "NE", "AttributeValueList": [s("x")]}}},
        "Attempted conditional constraint is not an indexable operation",
        "NE is no key condition",
    ),
    (
        {"KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [s("x")]}}, "QueryFilter": {"sk": {"ComparisonOperator": "NOT_NULL"}}},
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk",
        "filters again",
    ),
]


@pytest.mark.parametrize(("more", "message", "why"), QUERY_ERRORS, ids=[one[2] for one in QUERY_ERRORS])
def test_queries_that_are_refused(db: Any, sorted_table: str, more: dict[str, Any], message: str, why: str) -> None:
    """What does not go together."""
    assert invalid(db.query, TableName=sorted_table, **more) == message, why


# ---- indexes


@pytest.fixture(scope="module")
def group(world: World, db: Any, indexed: str) -> dict[str, Any]:
    """Six items in one partition, four of which are in the indexes."""
    key = world.new_key()
    for number in range(6):
        item: dict[str, Any] = {"pk": key, "sk": s(str(number)), "a": n(number), "b": s("x" * 10)}
        if number < 4:
            item.update(g=key, h=n(10 - number), l=s(f"l{9 - number}"))
        db.put_item(TableName=indexed, Item=item)
    return key


INDEXES = [
    ("g-all", "g", ["3", "2", "1", "0"], {"pk", "sk", "g", "h", "l", "a", "b"}, "everything, by h"),
    ("g-keys", "g", ["3", "2", "1", "0"], {"pk", "sk", "g", "h"}, "only keys"),
    ("l-all", "pk", ["3", "2", "1", "0"], {"pk", "sk", "g", "h", "l", "a", "b"}, "everything, by l"),
    ("l-keys", "pk", ["3", "2", "1", "0"], {"pk", "sk", "l"}, "only keys"),
    ("l-some", "pk", ["3", "2", "1", "0"], {"pk", "sk", "l", "a"}, "keys and a"),
]


@pytest.mark.parametrize(("name", "hash_name", "order", "attributes", "why"), INDEXES, ids=[one[0] for one in INDEXES])
@pytest.mark.parametrize("forward", [True, False])
def test_indexes(
    db: Any, indexed: str, group: dict[str, Any], name: str, hash_name: str, order: list[str], attributes: set[str], why: str, forward: bool
) -> None:
    """An index holds the items that have its keys, in its own order, with what it projects."""
    answer = db.query(
        TableName=indexed,
        IndexName=name,
        KeyConditionExpression="#h = :p",
        ExpressionAttributeNames={"#h": hash_name},
        ExpressionAttributeValues={":p": group},
        ScanIndexForward=forward,
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == (order if forward else order[::-1]), why
    assert all(set(item) == attributes for item in answer["Items"])


def test_a_local_index_fetches_what_it_lacks(db: Any, indexed: str, group: dict[str, Any]) -> None:
    """A global one cannot."""
    call = {"TableName": indexed, "ExpressionAttributeValues": {":p": group}, "ProjectionExpression": "b"}
    local = db.query(**call, IndexName="l-keys", KeyConditionExpression="pk = :p", ConsistentRead=True)
    assert [item["b"] for item in local["Items"]] == [s("x" * 10)] * 4
    message = invalid(db.query, **call, IndexName="g-keys", KeyConditionExpression="g = :p")
    assert message == "One or more parameter values were invalid: Global secondary index g-keys does not project [b]"


def test_consistent_reads_of_global_indexes(db: Any, indexed: str, group: dict[str, Any]) -> None:
    """There are none."""
    call = {"TableName": indexed, "IndexName": "g-all", "ConsistentRead": True}
    message = "Consistent reads are not supported on global secondary indexes"
    assert invalid(db.query, **call, KeyConditionExpression="g = :p", ExpressionAttributeValues={":p": group}) == message
    assert invalid(db.scan, **call) == message


@pytest.mark.parametrize("name", ["g-all", "l-all"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_indexes(db: Any, indexed: str, group: dict[str, Any], name: str, limit: int) -> None:
    """The key to go on from has the index's keys and the table's."""
    found: list[str] = []
    start: dict[str, Any] = {}
    while True:
        page = db.query(
            TableName=indexed,
            IndexName=name,
            KeyConditionExpression="#h = :p",
            ExpressionAttributeNames={"#h": "g" if name == "g-all" else "pk"},
            ExpressionAttributeValues={":p": group},
            Limit=limit,
            **start,
        )
        found.extend(item["sk"]["S"] for item in page["Items"])
        if "LastEvaluatedKey" not in page:
            break
        assert set(page["LastEvaluatedKey"]) == ({"pk", "sk", "g", "h"} if name == "g-all" else {"pk", "sk", "l"})
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert found == ["3", "2", "1", "0"]


# ---- scans


@pytest.fixture(scope="module")
def scanned(world: World, db: Any) -> str:
    """A table of fifty items."""
    table = world.make_table({"pk": "S"})
    for at in range(0, 50, 25):
        db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s(f"{number:02}"), "v": n(number)}}} for number in range(at, at + 25)]})
    return table


def scan_all(db: Any, **call: Any) -> list[str]:
    found: list[str] = []
    start: dict[str, Any] = {}
    while True:
        page = db.scan(ConsistentRead=True, **call, **start)
        found.extend(item["pk"]["S"] for item in page["Items"])
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


EVERY = [f"{number:02}" for number in range(50)]


@pytest.mark.parametrize("limit", [1, 7, 25, 49, 50, 51])
def test_scan_pages(db: Any, scanned: str, limit: int) -> None:
    """Every item once, whatever the limit."""
    assert sorted(scan_all(db, TableName=scanned, Limit=limit)) == EVERY


@pytest.mark.parametrize("segments", [1, 2, 3, 7, 64])
def test_parallel_scans(db: Any, scanned: str, segments: int) -> None:
    """Segments share the items among them: every item is in one."""
    found = [name for segment in range(segments) for name in scan_all(db, TableName=scanned, Segment=segment, TotalSegments=segments, Limit=5)]
    assert sorted(found) == EVERY


@pytest.mark.parametrize(("text", "count"), [("v < :x", 10), ("v >= :x", 40), ("v = :x", 1), ("v <> :x", 49), ("attribute_exists(v) AND v > :x", 39)])
def test_scan_filters(db: Any, scanned: str, text: str, count: int) -> None:
    """Everything is read, some of it is given."""
    answer = db.scan(TableName=scanned, FilterExpression=text, ExpressionAttributeValues={":x": n(10)}, Select="COUNT", ConsistentRead=True)
    assert (answer["Count"], answer["ScannedCount"], "Items" in answer) == (count, 50, False)


SCAN_ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({"Segment": 0}, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present", "of how many?"),
    ({"TotalSegments": 2}, "The Segment parameter is required but was not present in the request when parameter TotalSegments is present", "which one?"),
    (
        {"Segment": 2, "TotalSegments": 2},
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than TotalSegments: 2",
        "counted from zero",
    ),
    ({"IndexName": "nope"}, "The table does not have the specified index: nope", "no such index"),
    ({"ExclusiveStartKey": {"nope": s("x")}}, "The provided starting key is invalid: The provided key element does not match the schema", "no key"),
    ({"ExclusiveStartKey": {"pk": n(1)}}, "The provided starting key is invalid: The provided key element does not match the schema", "of another type"),
    ({"Select": "ALL_PROJECTED_ATTRIBUTES"}, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName", "only of an index"),
    (
        {"ScanFilter": {"v": {"ComparisonOperator": "NOT_NULL"}}, "FilterExpression": "attribute_exists(v)"},
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {ScanFilter} Expression parameters: {FilterExpression}",
        "old and new",
    ),
]


@pytest.mark.parametrize(("more", "message", "why"), SCAN_ERRORS, ids=[one[2] for one in SCAN_ERRORS])
def test_scans_that_are_refused(db: Any, scanned: str, more: dict[str, Any], message: str, why: str) -> None:
    """What does not go together."""
    assert invalid(db.scan, TableName=scanned, **more) == message, why


@pytest.mark.parametrize(("operator", "values", "count"), [("EQ", [n(3)], 1), ("NE", [n(3)], 49), ("IN", [n(1), n(2)], 2), ("NULL", [], 0), ("NOT_NULL", [], 50), ("BETWEEN", [n(1), n(5)], 5)])
def test_older_scan_filters(db: Any, scanned: str, operator: str, values: list[Any], count: int) -> None:
    """ScanFilter says the same in the older style."""
    condition: dict[str, Any] = {"ComparisonOperator": operator, **({"AttributeValueList": values} if values else {})}
    assert db.scan(TableName=scanned, ScanFilter={"v": condition}, ConsistentRead=True)["Count"] == count


def test_a_page_has_one_megabyte(db: Any, world: World) -> None:
    """Large items: the page ends with the item that goes beyond 1 MB."""
    table = world.make_table({"pk": "S", "sk": "N"})
    for number in range(5):
        db.put_item(TableName=table, Item={"pk": s("p"), "sk": n(number), "v": s("x" * 300_000)})
    page = db.query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": s("p")}, ConsistentRead=True)
    assert (page["Count"], page["LastEvaluatedKey"]["sk"]) == (4, n(3))
