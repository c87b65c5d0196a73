"""Scan: everything, once, in pages and segments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import index, invalid, make_table, n, s
from tests.support.running import Running

COUNT = 60


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def table(cloud: Running, db: Any) -> str:
    name = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    for number in range(COUNT):
        item = {"pk": s(f"k{number}"), "a": n(number)}
        if number % 3 == 0:
            item["g"] = s("g")
        db.put_item(TableName=name, Item=item)
    return name


def everything(db: Any, **parameters: Any) -> list[str]:
    return [item["pk"]["S"] for page in db.get_paginator("scan").paginate(**parameters) for item in page["Items"]]


def test_pages_cover_the_table_in_a_stable_order(db: Any, table: str) -> None:
    """Nothing is missed or repeated, whatever the page's size; the order is the same each time."""
    whole = everything(db, TableName=table)
    assert sorted(whole) == sorted(f"k{number}" for number in range(COUNT))
    assert everything(db, TableName=table, PaginationConfig={"PageSize": 7}) == whole


@pytest.mark.parametrize("segments", [1, 2, 7])
def test_segments_cover_the_table(db: Any, table: str, segments: int) -> None:
    """Workers that scan in parallel get everything between them, and nothing twice."""
    found: list[str] = []
    for segment in range(segments):
        found += everything(db, TableName=table, Segment=segment, TotalSegments=segments, PaginationConfig={"PageSize": 5})
    assert sorted(found) == sorted(f"k{number}" for number in range(COUNT))


def test_filters_counts_and_indexes(db: Any, table: str) -> None:
    """A sparse index holds only the items that have its key."""
    answer = db.scan(TableName=table, FilterExpression="a < :v", ExpressionAttributeValues={":v": n(5)})
    assert (answer["Count"], answer["ScannedCount"]) == (5, COUNT)
    assert db.scan(TableName=table, IndexName="by-g", Select="COUNT")["Count"] == COUNT // 3
    older = db.scan(TableName=table, ScanFilter={"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [n(2), n(4)]}}, AttributesToGet=["a"])
    assert sorted(int(item["a"]["N"]) for item in older["Items"]) == [2, 3, 4]


def test_scans_that_are_refused(db: Any, table: str) -> None:
    """Segments come in pairs of parameters, and starting keys belong to a segment."""
    assert "TotalSegments parameter is required" in invalid(db.scan, TableName=table, Segment=1)
    assert "Segment parameter is required" in invalid(db.scan, TableName=table, TotalSegments=1)
    assert "is not less than TotalSegments: 2" in invalid(db.scan, TableName=table, Segment=2, TotalSegments=2)
    assert invalid(db.scan, TableName=table, ExclusiveStartKey={"pk": n(1)}) == (
        "The provided starting key is invalid: The provided key element does not match the schema"
    )
    keys = {key: [segment for segment in range(4) if key in everything(db, TableName=table, Segment=segment, TotalSegments=4)] for key in ("k1", "k2")}
    wrong = (keys["k1"][0] + 1) % 4
    assert "correct Segment" in invalid(db.scan, TableName=table, Segment=wrong, TotalSegments=4, ExclusiveStartKey={"pk": s("k1")})
