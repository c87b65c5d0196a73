"""Batches: many items in one request, without conditions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import failure, invalid, make_table, n, s
from tests.support.running import Running


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    return make_table(cloud)


def put(key: str, **attributes: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"pk": s(key), **attributes}}}


def delete(key: str) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": {"pk": s(key)}}}


def test_writes_and_reads_of_several_tables(cloud: Running, db: Any, table: str) -> None:
    """25 writes at once, in several tables; reads of keys that are not there are simply missing."""
    other = make_table(cloud)
    db.put_item(TableName=table, Item={"pk": s("gone")})
    answer = db.batch_write_item(
        RequestItems={table: [put("a", v=n(1)), put("b"), delete("gone")], other: [put("c")]}, ReturnConsumedCapacity="TOTAL"
    )
    assert answer["UnprocessedItems"] == {}
    assert {one["TableName"]: one["CapacityUnits"] for one in answer["ConsumedCapacity"]} == {table: 3.0, other: 1.0}
    answer = db.batch_get_item(
        RequestItems={
            table: {"Keys": [{"pk": s(key)} for key in ("a", "b", "gone")], "ProjectionExpression": "v, pk"},
            other: {"Keys": [{"pk": s("c")}], "ConsistentRead": True},
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert sorted(item["pk"]["S"] for item in answer["Responses"][table]) == ["a", "b"]
    assert answer["Responses"][other] == [{"pk": s("c")}] and answer["UnprocessedKeys"] == {}
    assert {one["TableName"]: one["CapacityUnits"] for one in answer["ConsumedCapacity"]} == {table: 1.5, other: 1.0}


def test_keys_beyond_16_mb_come_back(cloud: Running, db: Any) -> None:
    """The client asks again for them."""
    table = make_table(cloud, WarmThroughput={"ReadUnitsPerSecond": 40_000, "WriteUnitsPerSecond": 40_000})
    for start in range(0, 48, 8):
        db.batch_write_item(RequestItems={table: [put(f"big{number}", d=s("x" * 380_000)) for number in range(start, start + 8)]})
    keys = [{"pk": s(f"big{number}")} for number in range(48)]
    answer = db.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    left = answer["UnprocessedKeys"][table]
    assert left["ConsistentRead"] is True and len(answer["Responses"][table]) + len(left["Keys"]) == 48
    assert len(db.batch_get_item(RequestItems={table: left})["Responses"][table]) == len(left["Keys"])


def test_keys_beyond_1_mb_of_a_partition_key_come_back(cloud: Running, db: Any) -> None:
    """With all that was asked of their table, so that asking for them again is the same question; other partition keys are not concerned, nor what is not there."""
    table = make_table(cloud, range_type="N")
    for number in range(4):
        db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s(key), "sk": n(number), "d": s("x" * 380_000)}}} for key in "ab"]})
        cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("a"), "sk": n(9)})
    keys = [{"pk": s(key), "sk": n(number)} for number in (0, 1, 2, 3, 8, 9) for key in "ab"]
    asked = {"Keys": keys, "ProjectionExpression": "pk, #s", "ExpressionAttributeNames": {"#s": "sk"}, "ConsistentRead": True}
    answer = db.batch_get_item(RequestItems={table: asked}, ReturnConsumedCapacity="TOTAL")
    left = [{"pk": s(key), "sk": n(number)} for number in (2, 3) for key in "ab"]
    assert answer["Responses"][table] == [{"pk": s(key), "sk": n(number)} for key, number in (("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 9))]
    assert answer["UnprocessedKeys"] == {table: {**asked, "Keys": left}}
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 4 * 93 + 4  # What comes back costs nothing, what is not there a unit.
    again = db.batch_get_item(RequestItems=answer["UnprocessedKeys"])
    assert again["Responses"][table] == left and again["UnprocessedKeys"] == {}


def test_batches_that_are_refused(db: Any, table: str) -> None:
    """Too much, twice the same, or nothing at all: nothing of it is done."""
    assert "Too many items" in invalid(db.batch_write_item, RequestItems={table: [put(f"x{i}") for i in range(20)], "other": [put(f"y{i}") for i in range(20)]})
    assert invalid(db.batch_write_item, RequestItems={table: [put("x"), delete("x")]}) == "Provided list of item keys contains duplicates"
    assert invalid(db.batch_get_item, RequestItems={table: {"Keys": [{"pk": s("x")}, {"pk": s("x")}]}}) == "Provided list of item keys contains duplicates"
    assert "more than one datatypes" in invalid(db.batch_write_item, RequestItems={table: [{}]})
    assert invalid(db.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": {"a": n(1)}}}]}) == "The provided key element does not match the schema"
    # A key that is there, and only empty or too large, is told as everywhere else.
    assert "key attribute cannot contain an empty string value. Key: pk" in invalid(db.batch_write_item, RequestItems={table: [put("")]})
    assert "Size of hashkey has exceeded" in invalid(db.batch_write_item, RequestItems={table: [put("x" * 2049)]})
    assert failure(db.batch_write_item, RequestItems={"no-table": [put("x")], table: [put("half")]})[0] == "ResourceNotFoundException"
    assert "Item" not in db.get_item(TableName=table, Key={"pk": s("half")})
    lengths = "[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"
    refused = f"at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: {lengths}"
    assert invalid(db.batch_write_item, RequestItems={table: [put(f"x{i}") for i in range(26)]}).endswith(refused)
