"""Query: ranges, order, pages, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import index, invalid, make_table, n, s
from tests.support.running import Running


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def table(cloud: Running, db: Any) -> str:
    """Partition `p` with sort keys 0 … 9 and another one beside it."""
    name = make_table(
        cloud,
        range_type="N",
        more={"g": "S", "l": "S"},
        GlobalSecondaryIndexes=[index("by-g", "g", "sk", "KEYS_ONLY")],
        LocalSecondaryIndexes=[index("by-l", "pk", "l", "INCLUDE", ["a"])],
    )
    for number in range(10):
        db.put_item(
            TableName=name, Item={"pk": s("p"), "sk": n(number), "g": s(f"g{number % 2}"), "l": s(f"l{9 - number}"), "a": n(number), "b": s("x" * 10)}
        )
    db.put_item(TableName=name, Item={"pk": s("p2"), "sk": n(0)})
    return name


def sort_keys(answer: dict[str, Any]) -> list[int]:
    return [int(item["sk"]["N"]) for item in answer["Items"]]


def query(db: Any, table: str, condition: str, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    used = {key: value for key, value in {":p": s("p"), **values}.items()}
    return dict(db.query(TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=used, **more))


@pytest.mark.parametrize(
    ("condition", "values", "wanted"),
    [
        ("pk = :p", {}, list(range(10))),
        ("pk = :p AND sk = :a", {":a": n(3)}, [3]),
        ("pk = :p AND sk < :a", {":a": n(3)}, [0, 1, 2]),
        ("pk = :p AND sk <= :a", {":a": n("3.0")}, [0, 1, 2, 3]),
        ("pk = :p AND sk > :a", {":a": n(7)}, [8, 9]),
        (":a <= sk and :p = pk", {":a": n(7)}, [7, 8, 9]),
        ("pk = :p AND sk BETWEEN :a AND :b", {":a": n(3), ":b": n(5)}, [3, 4, 5]),
        ("(pk = :p) AND (sk BETWEEN :a AND :b)", {":a": n("2.5"), ":b": n("2.6")}, []),
    ],
)
def test_key_conditions(db: Any, table: str, condition: str, values: dict[str, Any], wanted: list[int]) -> None:
    """Exactly the items in the range, in order, forwards and backwards."""
    answer = query(db, table, condition, values)
    assert sort_keys(answer) == wanted and answer["Count"] == answer["ScannedCount"] == len(wanted)
    assert sort_keys(query(db, table, condition, values, ScanIndexForward=False)) == wanted[::-1]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 10, 11])
def test_pages_miss_and_repeat_nothing(db: Any, table: str, forward: bool, limit: int) -> None:
    """LastEvaluatedKey leads on, in both directions; a full page has one even when nothing follows."""
    found: list[int] = []
    more: dict[str, Any] = {}
    while True:
        answer = query(db, table, "pk = :p", {}, Limit=limit, ScanIndexForward=forward, **more)
        found += sort_keys(answer)
        assert ("LastEvaluatedKey" in answer) == (answer["ScannedCount"] == limit)
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert found == (list(range(10)) if forward else list(range(9, -1, -1)))


def test_a_page_ends_at_one_megabyte(cloud: Running, db: Any) -> None:
    """The size of what is read counts, not of what is given."""
    table = make_table(cloud, range_type="N")
    for number in range(5):
        db.put_item(TableName=table, Item={"pk": s("p"), "sk": n(number), "d": s("x" * 300_000)})
        cloud.advance("1s")  # One partition takes 1,000 units a second.
    answer = query(db, table, "pk = :p", {}, ProjectionExpression="sk", ReturnConsumedCapacity="TOTAL")
    assert sort_keys(answer) == [0, 1, 2, 3] and answer["LastEvaluatedKey"] == {"pk": s("p"), "sk": n(3)}
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 146.5
    assert sort_keys(query(db, table, "pk = :p", {}, ExclusiveStartKey=answer["LastEvaluatedKey"])) == [4]


def test_what_is_fetched_for_a_local_index_fills_its_page(cloud: Running, db: Any) -> None:
    """A result set is limited to 1 MB also where its items come from the table behind the index."""
    table = make_table(cloud, range_type="N", more={"l": "N"}, LocalSecondaryIndexes=[index("by-l", "pk", "l", "KEYS_ONLY")])
    for number in range(5):
        db.put_item(TableName=table, Item={"pk": s("p"), "sk": n(number), "l": n(-number), "d": s("x" * 300_000)})
        cloud.advance("1s")
    answer = query(db, table, "pk = :p", {}, IndexName="by-l", Select="ALL_ATTRIBUTES", ReturnConsumedCapacity="INDEXES")
    assert sort_keys(answer) == [4, 3, 2, 1] and answer["LastEvaluatedKey"] == {"pk": s("p"), "sk": n(1), "l": n(-1)}
    assert answer["ConsumedCapacity"]["LocalSecondaryIndexes"] == {"by-l": {"CapacityUnits": 0.5}}
    assert sort_keys(query(db, table, "pk = :p", {}, IndexName="by-l", Select="ALL_ATTRIBUTES", ExclusiveStartKey=answer["LastEvaluatedKey"])) == [0]


def test_filters_come_after_the_limit(db: Any, table: str) -> None:
    """Limit counts what is looked at; the filter decides what of it is shown."""
    answer = query(db, table, "pk = :p", {":v": n(4)}, FilterExpression="a > :v", Limit=6)
    assert sort_keys(answer) == [5] and (answer["Count"], answer["ScannedCount"]) == (1, 6)
    assert answer["LastEvaluatedKey"] == {"pk": s("p"), "sk": n(5)}
    older = db.query(
        TableName=table,
        KeyConditions={"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [s("p")]}, "sk": {"ComparisonOperator": "GE", "AttributeValueList": [n(8)]}},
        QueryFilter={"a": {"ComparisonOperator": "NE", "AttributeValueList": [n(8)]}},
    )
    assert sort_keys(older) == [9]


def test_select(db: Any, table: str) -> None:
    """Counting gives no items; parts need to be named."""
    answer = query(db, table, "pk = :p", {}, Select="COUNT")
    assert "Items" not in answer and answer["Count"] == 10
    call: dict[str, Any] = {"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("p")}}
    assert "SPECIFIC_ATTRIBUTES" in invalid(db.query, **call, Select="SPECIFIC_ATTRIBUTES")
    assert "ALL_PROJECTED_ATTRIBUTES can be used only when" in invalid(db.query, **call, Select="ALL_PROJECTED_ATTRIBUTES")
    assert "only the Count" in invalid(db.query, **call, Select="COUNT", ProjectionExpression="a")


def test_texts_begin_with(cloud: Running, db: Any) -> None:
    """begins_with on a sort key of text, up to the last character there is."""
    table = make_table(cloud, range_type="S")
    texts = ["a", "a\0", "a\0b", "ab", "a\U0010ffff", "b"]
    for text in texts:
        db.put_item(TableName=table, Item={"pk": s("p"), "sk": s(text)})

    def found(condition: str, text: str) -> list[str]:
        answer = query(db, table, condition, {":a": s(text)})
        return [item["sk"]["S"] for item in answer["Items"]]

    ordered = sorted(texts, key=str.encode)
    assert found("pk = :p AND begins_with(sk, :a)", "a") == [text for text in ordered if text.startswith("a")]
    assert found("pk = :p AND begins_with(sk, :a)", "a\0") == ["a\0", "a\0b"]
    assert found("pk = :p AND sk = :a", "a") == ["a"]
    assert found("pk = :p AND sk > :a", "a") == ordered[1:]
    assert found("pk = :p AND sk <= :a", "a") == ["a"]


def test_local_indexes(db: Any, table: str) -> None:
    """Another order of the same partition; attributes that are not projected are fetched, and charged, when they are asked for."""
    call: dict[str, Any] = {"IndexName": "by-l", "ConsistentRead": True, "ReturnConsumedCapacity": "INDEXES"}
    answer = query(db, table, "pk = :p AND l >= :l", {":l": s("l7")}, **call)
    assert sort_keys(answer) == [2, 1, 0]
    assert answer["Items"][0] == {"pk": s("p"), "sk": n(2), "l": s("l7"), "a": n(2)}
    assert answer["ConsumedCapacity"] == {
        "TableName": table,
        "CapacityUnits": 1.0,
        "Table": {"CapacityUnits": 0.0},
        "LocalSecondaryIndexes": {"by-l": {"CapacityUnits": 1.0}},
    }
    answer = query(db, table, "pk = :p AND l >= :l", {":l": s("l7")}, Select="ALL_ATTRIBUTES", **call)
    assert answer["Items"][0]["b"] == s("x" * 10) and answer["Items"][0]["g"] == s("g0")
    assert answer["ConsumedCapacity"]["Table"] == {"CapacityUnits": 3.0}
    assert query(db, table, "pk = :p AND l = :l", {":l": s("l7")}, IndexName="by-l", ProjectionExpression="b")["Items"] == [{"b": s("x" * 10)}]


def test_global_indexes(db: Any, table: str) -> None:
    """Other partitions, eventually consistent, with what is projected and nothing else."""
    answer = db.query(TableName=table, IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": s("g1")}, Limit=2)
    assert answer["Items"] == [{"pk": s("p"), "sk": n(1), "g": s("g1")}, {"pk": s("p"), "sk": n(3), "g": s("g1")}]
    assert answer["LastEvaluatedKey"] == {"pk": s("p"), "sk": n(3), "g": s("g1")}
    call: dict[str, Any] = {"TableName": table, "IndexName": "by-g", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": s("g1")}}
    assert sort_keys(db.query(**call, ExclusiveStartKey=answer["LastEvaluatedKey"])) == [5, 7, 9]
    assert invalid(db.query, **call, ConsistentRead=True) == "Consistent reads are not supported on global secondary indexes"
    assert "because its projection type is not ALL" in invalid(db.query, **call, Select="ALL_ATTRIBUTES")
    assert "does not project [a]" in invalid(db.query, **call, ProjectionExpression="a")
    assert invalid(db.query, **{**call, "IndexName": "none"}) == "The table does not have the specified index: none"


@pytest.mark.parametrize(
    ("condition", "values", "message"),
    [
        ("sk = :a", {":a": n(1)}, "Query condition missed key schema element: pk"),
        ("pk > :p", {":p": s("p")}, "Query key condition not supported"),
        ("pk = :a", {":a": n(1)}, "One or more parameter values were invalid: Condition parameter type does not match schema type"),
        ("pk = :p AND a = :a", {":p": s("p"), ":a": n(1)}, "Query condition missed key schema element: sk"),
        ("pk = :p OR sk = :a", {":p": s("p"), ":a": n(1)}, "Invalid operator used in KeyConditionExpression: OR"),
        ("pk = :p AND sk <> :a", {":p": s("p"), ":a": n(1)}, "Invalid operator used in KeyConditionExpression: <>"),
        ("pk = :p AND attribute_exists(sk)", {":p": s("p")}, "Invalid operator used in KeyConditionExpression: attribute_exists"),
        ("pk = :p AND sk > :a AND sk < :b", {":p": s("p"), ":a": n(1), ":b": n(2)}, "KeyConditionExpressions must only contain one condition per key"),
        ("pk.a = :p", {":p": s("p")}, "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("pk = :p AND size(sk) = :a", {":p": s("p"), ":a": n(1)}, "KeyConditionExpressions cannot contain nested operations"),
        (
            "pk = :p AND begins_with(:a, sk)",
            {":p": s("p"), ":a": s("x")},
            "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand",
        ),
        ("pk = :p AND pk = sk", {":p": s("p")}, "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
    ],
)
def test_key_conditions_that_are_refused(db: Any, table: str, condition: str, values: dict[str, Any], message: str) -> None:
    """A key condition is no filter."""
    assert invalid(db.query, TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=values) == message


def test_filters_do_not_look_at_the_key(db: Any, table: str) -> None:
    """The key conditions are for that."""
    call: dict[str, Any] = {"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("p"), ":a": n(1)}}
    assert invalid(db.query, **call, FilterExpression="sk = :a") == (
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    )
    assert invalid(db.query, TableName=table) == "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."


def test_starting_keys_are_checked(db: Any, table: str) -> None:
    """A starting key lies within what is queried."""
    call: dict[str, Any] = {"TableName": table, "KeyConditionExpression": "pk = :p AND sk > :a", "ExpressionAttributeValues": {":p": s("p"), ":a": n(3)}}
    assert invalid(db.query, **call, ExclusiveStartKey={"pk": s("p")}) == "The provided starting key is invalid"
    assert invalid(db.query, **call, ExclusiveStartKey={}) == "The provided starting key is invalid"
    assert invalid(db.query, **call, ExclusiveStartKey={"pk": s("p"), "sk": n(1)}) == "The provided starting key does not match the range key predicate"
    call = {"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("p")}}
    assert invalid(db.query, **call, ExclusiveStartKey={"pk": s("q"), "sk": n(1)}) == (
        "The provided starting key is outside query boundaries based on provided conditions"
    )
    assert invalid(db.query, **call, ExclusiveStartKey={"pk": s("p"), "sk": s("1")}) == "The provided key element does not match the schema"


def test_composite_keys_of_global_indexes(cloud: Running, db: Any) -> None:
    """Several attributes make up an index's partition and sort key: all of the first are needed, of the second a beginning."""
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in (("h1", "HASH"), ("h2", "HASH"), ("r1", "RANGE"), ("r2", "RANGE"))]
    table = make_table(
        cloud,
        more={"h1": "S", "h2": "N", "r1": "S", "r2": "N"},
        GlobalSecondaryIndexes=[{"IndexName": "many", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}],
    )
    for number in range(8):
        item = {"pk": s(str(number)), "h1": s("a"), "h2": n(number // 4), "r1": s("xy"[number // 2 % 2]), "r2": n(number % 2)}
        db.put_item(TableName=table, Item=item)

    def found(condition: str, **values: Any) -> list[str]:
        answer = db.query(
            TableName=table, IndexName="many", KeyConditionExpression=condition, ExpressionAttributeValues={f":{key}": value for key, value in values.items()}
        )
        return [item["pk"]["S"] for item in answer["Items"]]

    assert found("h1 = :a AND h2 = :b", a=s("a"), b=n(1)) == ["4", "5", "6", "7"]
    assert found("h1 = :a AND h2 = :b AND r1 = :c AND r2 >= :d", a=s("a"), b=n(0), c=s("y"), d=n(1)) == ["3"]
    call = {"TableName": table, "IndexName": "many", "KeyConditionExpression": "h1 = :a", "ExpressionAttributeValues": {":a": s("a")}}
    assert invalid(db.query, **call) == "Query condition missed key schema element: h2"


def test_filters_on_indexes_look_at_what_they_hold(cloud: Running, db: Any) -> None:
    """Because an index that is queried by what it does not hold would seem to be empty. A scan of it is."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")])
    db.put_item(TableName=table, Item={"pk": {"S": "a"}, "g": {"S": "g"}, "big": {"S": "x"}})
    condition = {"TableName": table, "IndexName": "by-g", "ExpressionAttributeValues": {":g": {"S": "g"}, ":x": {"S": "x"}}}
    message = "One or more parameter values were invalid: Secondary index by-g does not project one or more filter attributes: [big]"
    assert invalid(db.query, KeyConditionExpression="g = :g", FilterExpression="big = :x", **condition) == message
    older = {"g": {"AttributeValueList": [{"S": "g"}], "ComparisonOperator": "EQ"}}
    assert invalid(db.query, TableName=table, IndexName="by-g", KeyConditions=older, QueryFilter={"big": {"ComparisonOperator": "NOT_NULL"}}) == message
    assert db.scan(TableName=table, IndexName="by-g", FilterExpression="big = :x", ExpressionAttributeValues={":x": {"S": "x"}})["Count"] == 0
    assert invalid(db.execute_statement, Statement=f"SELECT pk FROM \"{table}\".\"by-g\" WHERE g = 'g' AND big = 'x'") == message
    assert db.execute_statement(Statement=f"SELECT pk FROM \"{table}\".\"by-g\" WHERE big = 'x'")["Items"] == []


def test_a_conditional_operator_joins_two_conditions_at_least(db: Any, table: str) -> None:
    """With fewer there is nothing to join."""
    older = {"pk": {"AttributeValueList": [{"S": "a"}], "ComparisonOperator": "EQ"}}
    none = "ConditionalOperator cannot be used without Filter or Expected"
    assert invalid(db.query, TableName=table, KeyConditions=older, ConditionalOperator="OR") == none
    assert invalid(db.scan, TableName=table, ConditionalOperator="AND") == none and invalid(db.scan, TableName=table, ScanFilter={}, ConditionalOperator="AND") == none
    one = "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    assert invalid(db.scan, TableName=table, ScanFilter={"n": {"ComparisonOperator": "NULL"}}, ConditionalOperator="AND") == one
    key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
    assert invalid(db.put_item, TableName=table, Item=key, Expected={"n": {"Exists": False}}, ConditionalOperator="OR") == one


def test_placeholders_and_list_indexes_have_limits(db: Any, table: str) -> None:
    """255 bytes, and 32 bits but for the largest number of them, however many digits are written; in PartiQL one bit less."""
    key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
    name, value = "#" + "n" * 255, ":" + "v" * 255
    long = "contains invalid key: The expression attribute map contains a key that is too long;"
    assert invalid(db.get_item, TableName=table, Key=key, ProjectionExpression=name, ExpressionAttributeNames={name: "x"}) == f"ExpressionAttributeNames {long} size of key: 256"
    assert long in invalid(db.put_item, TableName=table, Item=key, ConditionExpression=f"x = {value}", ExpressionAttributeValues={value: {"S": "x"}})
    db.get_item(TableName=table, Key=key, ProjectionExpression=name[:-1], ExpressionAttributeNames={name[:-1]: "x"})
    empty = invalid(db.get_item, TableName=table, Key=key, ProjectionExpression="#a", ExpressionAttributeNames={"#a": ""})
    assert empty == "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"
    for digits in ("4294967295", "9" * 4000):
        assert "List index is not within the allowable range; index: [" in invalid(db.get_item, TableName=table, Key=key, ProjectionExpression=f"things[{digits}]")
    for digits in ("2147483648", "9" * 5000):
        assert "List index is not within" in invalid(db.execute_statement, Statement=f'SELECT things[{digits}] FROM "{table}"')
    db.get_item(TableName=table, Key=key, ProjectionExpression="things[4294967294]")
