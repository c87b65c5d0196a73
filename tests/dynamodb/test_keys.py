"""Keys in the store are in the order that the service promises."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haneul.services.dynamodb import create_table, definitions, numbers, streams
from haneul.services.dynamodb.keys import HASH_BYTES, KeySchema, beyond, hashed, packed, segment_bounds
from haneul.services.dynamodb.replication import membership
from haneul.services.dynamodb.tables import new_id, rows_of
from haneul.store.keys import prefix_range
from tests.dynamodb.support import index, make_table, n, s, stream_records
from tests.support.running import Running

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
BINARIES = st.binary(min_size=1, max_size=6)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6).map(lambda d: numbers.canonical(format(d, "f")))

# Ids of owners of rows: any eight bytes, preferably such as might be taken for something else.
IDS = st.lists(st.sampled_from((0x00, 0x01, 0x02, 0x14, 0x1C, 0xFE, 0xFF)), min_size=8, max_size=8).map(lambda given: bytes(given).hex())
# Partition keys with unusual hashes.
AT_EDGES = {
    "!4@T,X": b"\0\0\0\0",
    '"vIt|T': b"\0\xff\0\xff",
    "!oK0ay": b"\x01\0\0\0",
    "!)]T[}": b"\x1c\xff\xff\xff",
    "!24T-?": b"\x7f\xff\xff\xff",
    "!\"yj46": b"\x80\0\0\0",
    '"ck<S\\': b"\xff\0\xff\0",
    "!8B64E": b"\xff\xff\xff\xff",
}


def suffix(kind: str, inner: str) -> bytes:
    schema = KeySchema([("pk", "S")], [("sk", kind)])
    return schema.suffix({"pk": {"S": "p"}, "sk": {kind: inner}})


@given(TEXTS, TEXTS)
@example("a", "a\0b")
@example("\0", "\0\0")
def test_texts_sort_by_their_bytes(one: str, other: str) -> None:
    """Sort keys of type S are in the order of their UTF-8 bytes, embedded zeros included."""
    assert (suffix("S", one) < suffix("S", other)) == (one.encode() < other.encode())


@given(BINARIES, BINARIES)
def test_binaries_sort_unsigned(one: bytes, other: bytes) -> None:
    """Sort keys of type B are in the order of unsigned bytes."""
    left, right = (suffix("B", b64encode(data).decode()) for data in (one, other))
    assert (left < right) == (one < other)


@given(NUMBERS, NUMBERS)
def test_numbers_sort_by_value(one: str, other: str) -> None:
    """Sort keys of type N are in numerical order."""
    assert (suffix("N", one) < suffix("N", other)) == (Decimal(one) < Decimal(other))


@given(TEXTS, TEXTS, TEXTS)
@example("a", "a\0b", "c")
def test_the_rows_of_one_part_are_a_range(part: str, other: str, behind: str) -> None:
    """An equality condition finds exactly the rows with that part, not those whose part only begins like it."""
    place = packed(part.encode())
    row = packed(other.encode()) + packed(behind.encode())
    assert (place <= row < beyond(place)) == (part == other)


@given(st.one_of(TEXTS, st.integers(1, 10**37).map(str)))
def test_the_short_way_leads_to_the_same_place(text: str) -> None:
    """GetItem computes keys in a shorter way than the rest, which must not differ."""
    for kind in ("S", "N") if text.isdigit() and text.isascii() and text[0] != "0" else ("S",):
        schema = KeySchema([("pk", kind)], [("sk", "S")])
        key = {"pk": {kind: text}, "sk": {"S": "x\0y"}}
        assert schema.quick_suffix(key) == schema.suffix(key)


@given(st.integers(1, 50), st.one_of(TEXTS, st.sampled_from(sorted(AT_EDGES))), IDS)
def test_segments_cut_a_table_into_parts(segments: int, text: str, owner: str) -> None:
    """Each item lies in exactly one segment of a parallel scan."""
    prefix = rows_of("rows", owner)
    row = prefix + KeySchema([("pk", "S")], []).suffix({"pk": {"S": text}})
    inside = [low <= row < high for low, high in (segment_bounds(prefix, segment, segments) for segment in range(segments))]
    assert inside.count(True) == 1
    assert HASH_BYTES == 4


@given(IDS, IDS, st.one_of(TEXTS, st.sampled_from(sorted(AT_EDGES))), st.sampled_from(("rows", "row", "rowsx")))
@example("00" * 8, "00" * 7 + "01", "a", "rows")
def test_owners_have_ranges_of_their_own(one: str, other: str, text: str, space: str) -> None:
    """Ids and hashes are bytes as they come, zeros and 255 among them: the range of a table holds all its rows and none of another one's."""
    low, high = prefix_range(rows_of("rows", one))
    row = rows_of(space, other) + KeySchema([("pk", "S")], []).suffix({"pk": {"S": text}})
    assert (low <= row < high) == ((space, other) == ("rows", one))


def test_tables_whose_keys_lie_at_the_edges(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are next to each other, or of fewer bytes, and hashes at both ends: items, indexes, counts, streams, expiry and replicas of a table are its own to the last."""
    cloud = fresh_cloud
    for text, wanted in AT_EDGES.items():
        assert hashed(packed(text.encode())) == wanted
    ends = n(cloud.clock.seconds() + 3600)
    db, reader = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    unusual = iter(["0" * 16, "f" * 16, "0" * 14 + "ff", "0" * 12 + "ff00", "f" * 15 + "e", "0" * 15 + "1", "00ff" * 4, "ff00" * 4, "0" * 13 + "100", "f" * 14 + "00"])
    for module in (create_table, definitions, streams, membership):
        monkeypatch.setattr(module, "new_id", lambda ids: next(unusual, None) or new_id(ids))
    more = {"g": "S", "l": "S"}
    indexes: dict[str, Any] = {"GlobalSecondaryIndexes": [index("by-g", "g")], "LocalSecondaryIndexes": [index("by-l", "pk", "l")]}
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    tables = [make_table(cloud, range_type="S", more=more, StreamSpecification=stream, **indexes) for _ in range(3)]
    assert next(unusual, "") == ""  # A table, its two indexes and its stream have four.
    for table in tables:
        db.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    cloud.advance("1s")
    for table in tables:
        for text in AT_EDGES:
            db.put_item(TableName=table, Item={"pk": s(text), "sk": s(table), "g": s(text), "l": s("l"), "ends": ends})

    def told(table: str) -> list[str]:
        arn = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        records = stream_records(reader, arn)
        assert {one["dynamodb"]["Keys"]["sk"]["S"] for one in records} == {table}
        return [one["eventName"] for one in records]

    def check(table: str, region: str = "us-east-1") -> None:
        local = cloud.client("dynamodb", region=region)
        found = [one["pk"]["S"] for one in local.scan(TableName=table)["Items"]]
        assert found == sorted(AT_EDGES, key=AT_EDGES.__getitem__)
        parts = [local.scan(TableName=table, Segment=part, TotalSegments=7)["Items"] for part in range(7)]
        assert [one["pk"]["S"] for part in parts for one in part] == found
        for name in ("by-g", "by-l"):
            assert [(one["pk"]["S"], one["sk"]["S"]) for one in local.scan(TableName=table, IndexName=name)["Items"]] == [(text, table) for text in found]
        for text in AT_EDGES:
            keys = ({"KeyConditionExpression": "pk = :t"}, {"KeyConditionExpression": "g = :t", "IndexName": "by-g"})
            for key in keys:
                assert local.query(TableName=table, ExpressionAttributeValues={":t": s(text)}, **key)["Count"] == 1
        described = local.describe_table(TableName=table)["Table"]
        assert [described["ItemCount"], *(one["ItemCount"] for kind in indexes for one in described[kind])] == [len(AT_EDGES)] * 3

    for table in tables:
        check(table)
        assert told(table) == ["INSERT"] * len(AT_EDGES)
    db.update_table(TableName=tables[1], ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    db.delete_table(TableName=tables[0])
    cloud.advance("1s")
    for table, region in ((tables[1], "us-east-1"), (tables[2], "us-east-1"), (tables[1], "us-west-2")):
        check(table, region)
    cloud.advance("2h")
    for table in tables[1:]:
        assert db.scan(TableName=table)["Count"] == db.scan(TableName=table, IndexName="by-g")["Count"] == db.describe_table(TableName=table)["Table"]["ItemCount"] == 0
        assert told(table) == [*["INSERT"] * len(AT_EDGES), *["REMOVE"] * len(AT_EDGES)]
    for table in tables[1:]:
        cloud.advance("25h")
        db.delete_table(TableName=table)
    cloud.client("dynamodb", region="us-west-2").delete_table(TableName=tables[1])
    cloud.advance("26h")
    assert cloud.app.cloud.store.range(*prefix_range(b"\x02dynamodb-")) == []
