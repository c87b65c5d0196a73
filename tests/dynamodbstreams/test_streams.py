"""Streams tell of every change, in order, for a day."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.core.caller import Caller
from haneul.services.dynamodb.streams import lane_prefix
from haneul.services.dynamodb.tables import CHANGE_SPACE
from haneul.services.dynamodbstreams.iterators import make_iterator
from haneul.store.keys import pack, prefix_range
from tests.dynamodb.support import ONE_PARTITION, failure, invalid, make_table, n, records_by_shard, s, shards_of
from tests.support.running import Running

ROOT = Caller(kind="root", account="000000000000", arn="arn:aws:iam::000000000000:root", principal_id="000000000000")
BOTH = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def streamed(cloud: Running, view: str = "NEW_AND_OLD_IMAGES", **parameters: Any) -> tuple[str, str]:
    """A table of one partition, with a stream, and the stream's ARN."""
    table = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": view}, **{**ONE_PARTITION, **parameters})
    return table, str(cloud.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"])


def shard_of(cloud: Running, arn: str) -> dict[str, Any]:
    """The newest shard."""
    return shards_of(cloud.client("dynamodbstreams"), arn)[-1]


def iterator(cloud: Running, arn: str, kind: str = "TRIM_HORIZON", number: str | None = None) -> str:
    more = {"SequenceNumber": number} if number else {}
    streams = cloud.client("dynamodbstreams")
    return str(streams.get_shard_iterator(StreamArn=arn, ShardId=shard_of(cloud, arn)["ShardId"], ShardIteratorType=kind, **more)["ShardIterator"])


def records(cloud: Running, arn: str, kind: str = "TRIM_HORIZON", number: str | None = None) -> list[dict[str, Any]]:
    return list(cloud.client("dynamodbstreams").get_records(ShardIterator=iterator(cloud, arn, kind, number))["Records"])


def all_records(cloud: Running, arn: str, kind: str = "TRIM_HORIZON") -> list[dict[str, Any]]:
    """What all shards hold, shard by shard."""
    return [one for records in records_by_shard(cloud.client("dynamodbstreams"), arn, kind).values() for one in records]


def test_a_record_for_each_change_and_none_for_no_change(cloud: Running) -> None:
    """Insert, modify, remove; a write that changes nothing is not told of."""
    table, arn = streamed(cloud)
    db = cloud.client("dynamodb")
    key = {"pk": s("a")}
    db.put_item(TableName=table, Item={**key, "v": {"SS": ["x", "y"]}})
    db.put_item(TableName=table, Item={"v": {"SS": ["y", "x"]}, **key})
    db.update_item(TableName=table, Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": n(1)})
    db.update_item(TableName=table, Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": n("1.0")})
    db.delete_item(TableName=table, Key=key)
    db.delete_item(TableName=table, Key=key)
    insert, modify, remove = records(cloud, arn)
    assert [one["eventName"] for one in (insert, modify, remove)] == ["INSERT", "MODIFY", "REMOVE"]
    assert insert["eventSource"] == "aws:dynamodb" and insert["awsRegion"] == "us-east-1" and insert["eventVersion"] == "1.1"
    assert "OldImage" not in insert["dynamodb"] and insert["dynamodb"]["NewImage"] == {**key, "v": {"SS": ["x", "y"]}}
    assert modify["dynamodb"]["OldImage"] == {**key, "v": {"SS": ["x", "y"]}} and modify["dynamodb"]["NewImage"]["n"] == n(1)
    assert remove["dynamodb"]["Keys"] == key and "NewImage" not in remove["dynamodb"]
    assert insert["dynamodb"]["SizeBytes"] == 3 + 3 + 3
    numbers = [int(one["dynamodb"]["SequenceNumber"]) for one in (insert, modify, remove)]
    assert numbers == sorted(set(numbers)) and all(len(str(number)) >= 21 for number in numbers)
    assert len({one["eventID"] for one in (insert, modify, remove)}) == 3


@pytest.mark.parametrize(
    ("view", "images"), [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"}), ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"})]
)
def test_view_types(cloud: Running, view: str, images: set[str]) -> None:
    """A stream shows what it was set up to show."""
    table, arn = streamed(cloud, view)
    db = cloud.client("dynamodb")
    db.put_item(TableName=table, Item={"pk": s("a")})
    db.put_item(TableName=table, Item={"pk": s("a"), "v": n(1)})
    change = records(cloud, arn)[1]["dynamodb"]
    assert set(change) & {"NewImage", "OldImage"} == images and change["StreamViewType"] == view


def test_every_kind_of_write_is_told_of(cloud: Running) -> None:
    """Batches and transactions as well, in the order of the commit."""
    table, arn = streamed(cloud, "KEYS_ONLY")
    db = cloud.client("dynamodb")
    db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s(str(number))}}} for number in range(3)]})
    db.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": {"pk": s("0")}}}, {"Put": {"TableName": table, "Item": {"pk": s("9")}}}])
    assert failure(db.put_item, TableName=table, Item={"pk": s("no")}, ConditionExpression="attribute_exists(pk)")[0] == "ConditionalCheckFailedException"
    found = records(cloud, arn)
    assert [(one["eventName"], one["dynamodb"]["Keys"]["pk"]["S"]) for one in found] == [
        ("INSERT", "0"),
        ("INSERT", "1"),
        ("INSERT", "2"),
        ("REMOVE", "0"),
        ("INSERT", "9"),
    ]


def test_iterators_begin_where_they_should(cloud: Running) -> None:
    """Four ways to begin, and pages that lead on."""
    table, arn = streamed(cloud, "KEYS_ONLY")
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")

    def put(*names: str) -> None:
        for name in names:
            db.put_item(TableName=table, Item={"pk": s(name)})

    def names(found: list[dict[str, Any]]) -> str:
        return "".join(one["dynamodb"]["Keys"]["pk"]["S"] for one in found)

    latest_of_empty = iterator(cloud, arn, "LATEST")
    put("a", "b", "c")
    numbers = [one["dynamodb"]["SequenceNumber"] for one in records(cloud, arn)]
    assert names(records(cloud, arn, "AT_SEQUENCE_NUMBER", numbers[1])) == "bc"
    assert names(records(cloud, arn, "AFTER_SEQUENCE_NUMBER", numbers[1])) == "c"
    latest = iterator(cloud, arn, "LATEST")
    assert streams.get_records(ShardIterator=latest)["Records"] == []
    put("d")
    assert names(streams.get_records(ShardIterator=latest)["Records"]) == "d"
    assert names(streams.get_records(ShardIterator=latest_of_empty)["Records"]) == "abcd"
    page = streams.get_records(ShardIterator=iterator(cloud, arn), Limit=3)
    assert names(page["Records"]) == "abc"
    page = streams.get_records(ShardIterator=page["NextShardIterator"])
    assert names(page["Records"]) == "d"
    put("e")
    assert names(streams.get_records(ShardIterator=page["NextShardIterator"])["Records"]) == "e"
    at_start = shard_of(cloud, arn)["SequenceNumberRange"]["StartingSequenceNumber"]
    assert names(records(cloud, arn, "AT_SEQUENCE_NUMBER", at_start)) == "abcde"


def test_a_page_holds_at_most_one_megabyte(cloud: Running) -> None:
    """Large records come in several pages."""
    table, arn = streamed(cloud, "NEW_IMAGE")
    for number in range(4):
        cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s(str(number)), "d": s("x" * 390_000)})
        cloud.advance("1s")
    page = cloud.client("dynamodbstreams").get_records(ShardIterator=iterator(cloud, arn))
    assert len(page["Records"]) == 2
    assert len(cloud.client("dynamodbstreams").get_records(ShardIterator=page["NextShardIterator"])["Records"]) == 2


def test_listing(fresh_cloud: Running) -> None:
    """Streams by table, in pages, and their description."""
    table, arn = streamed(fresh_cloud, "KEYS_ONLY", range_type="N")
    _, other = streamed(fresh_cloud)
    streams = fresh_cloud.client("dynamodbstreams")
    assert [one["StreamArn"] for one in streams.list_streams()["Streams"]] == [arn, other]
    first = streams.list_streams(Limit=1)
    assert first["LastEvaluatedStreamArn"] == arn
    assert [one["StreamArn"] for one in streams.list_streams(ExclusiveStartStreamArn=arn)["Streams"]] == [other]
    assert [one["StreamArn"] for one in streams.list_streams(TableName=table)["Streams"]] == [arn]
    found = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert found["StreamStatus"] == "ENABLED" and found["TableName"] == table and arn.endswith(found["StreamLabel"])
    assert found["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    assert "EndingSequenceNumber" not in found["Shards"][0]["SequenceNumberRange"]


def test_switching_off_and_on(fresh_cloud: Running) -> None:
    """A closed shard is read to its end, a new stream begins anew, and the old one goes after a day."""
    table, arn = streamed(fresh_cloud)
    db, streams = fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodbstreams")
    db.put_item(TableName=table, Item={"pk": s("a")})
    assert invalid(db.update_table, TableName=table, StreamSpecification=BOTH) == f"Table already has an enabled stream: TableName: {table}"
    db.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLING"
    fresh_cloud.advance("1s")
    again = {"TableName": table, "StreamSpecification": {"StreamEnabled": False}}
    assert invalid(db.update_table, **again) == f"Table has no stream to disable: TableName: {table}"
    db.put_item(TableName=table, Item={"pk": s("untold")})
    described = db.describe_table(TableName=table)["Table"]
    assert "StreamSpecification" not in described and described["LatestStreamArn"] == arn
    last = streams.get_records(ShardIterator=iterator(fresh_cloud, arn))
    assert len(last["Records"]) == 1 and "NextShardIterator" not in last
    number = last["Records"][0]["dynamodb"]["SequenceNumber"]
    assert shard_of(fresh_cloud, arn)["SequenceNumberRange"]["EndingSequenceNumber"] == number
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLED"
    fresh = db.update_table(TableName=table, StreamSpecification=BOTH)["TableDescription"]["LatestStreamArn"]
    assert streams.describe_stream(StreamArn=fresh)["StreamDescription"]["StreamStatus"] == "ENABLING"
    fresh_cloud.advance("1s")
    assert streams.describe_stream(StreamArn=fresh)["StreamDescription"]["StreamStatus"] == "ENABLED"
    db.put_item(TableName=table, Item={"pk": s("b")})
    assert fresh != arn and [one["dynamodb"]["Keys"]["pk"]["S"] for one in records(fresh_cloud, fresh)] == ["b"]
    fresh_cloud.advance("25h")
    assert [one["StreamArn"] for one in streams.list_streams()["Streams"]] == [fresh]


def test_shards_follow_one_another(fresh_cloud: Running) -> None:
    """A shard takes records for four hours; a child goes on, so that whoever reads parents first sees the changes of an item in order. It goes a day after it was closed."""
    cloud = fresh_cloud
    table, arn = streamed(cloud, "NEW_IMAGE")
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")

    def put(number: int) -> None:
        db.put_item(TableName=table, Item={"pk": s("a"), "v": n(number)})

    def values(found: list[dict[str, Any]]) -> list[int]:
        return [int(one["dynamodb"]["NewImage"]["v"]["N"]) for one in found]

    def begin(shard: dict[str, Any], kind: str, **more: Any) -> str:
        return str(streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind, **more)["ShardIterator"])

    def described(**wish: Any) -> tuple[list[str], str | None]:
        found = streams.describe_stream(StreamArn=arn, **wish)["StreamDescription"]
        return [one["ShardId"] for one in found["Shards"]], found.get("LastEvaluatedShardId")

    put(0)
    cloud.advance("3h59m")
    put(1)
    used = streams.get_records(ShardIterator=iterator(cloud, arn), Limit=1)["NextShardIterator"]
    cloud.advance("1m")  # The shard is closed with a record in it that was not read.
    put(2)
    page = streams.get_records(ShardIterator=used)
    assert values(page["Records"]) == [1] and "NextShardIterator" not in page
    cloud.advance("8h")
    put(3)
    shards = shards_of(cloud.client("dynamodbstreams"), arn)
    names = [one["ShardId"] for one in shards]
    assert [one.get("ParentShardId") for one in shards] == [None, *names[:-1]] and len(set(names)) == 4 and all(28 <= len(name) <= 65 for name in names)
    spans = [one["SequenceNumberRange"] for one in shards]
    assert [int(one["EndingSequenceNumber"]) + 1 for one in spans[:-1]] == [int(one["StartingSequenceNumber"]) for one in spans[1:]]
    assert "EndingSequenceNumber" not in spans[-1]
    by_shard = [streams.get_records(ShardIterator=begin(one, "TRIM_HORIZON")) for one in shards]
    assert [values(one["Records"]) for one in by_shard] == [[0, 1], [2], [], [3]] and values(all_records(cloud, arn)) == [0, 1, 2, 3]
    assert ["NextShardIterator" in one for one in by_shard] == [False, False, False, True]
    # Behind the last record of a closed shard nothing comes any more.
    last = by_shard[1]["Records"][0]["dynamodb"]["SequenceNumber"]
    for ended in (begin(shards[1], "LATEST"), begin(shards[1], "AFTER_SEQUENCE_NUMBER", SequenceNumber=last), begin(shards[0], "AT_TIMESTAMP", Timestamp=cloud.clock.seconds())):
        page = streams.get_records(ShardIterator=ended)
        assert page["Records"] == [] and "NextShardIterator" not in page
    at_end = begin(shards[1], "AT_SEQUENCE_NUMBER", SequenceNumber=spans[1]["EndingSequenceNumber"])
    assert streams.get_records(ShardIterator=at_end)["Records"] == []
    for other in (shards[0], shards[2]):
        assert "Invalid SequenceNumber" in invalid(begin, shard=other, kind="AT_SEQUENCE_NUMBER", SequenceNumber=last)
    # Pages, and children alone.
    assert described(Limit=3) == (names[:3], names[2]) and described(Limit=3, ExclusiveStartShardId=names[2]) == (names[3:], None)
    assert described(ShardFilter={"Type": "CHILD_SHARDS", "ShardId": names[1]}) == ([names[2]], None)
    assert described(ShardFilter={"Type": "CHILD_SHARDS", "ShardId": names[3]}) == ([], None)
    # A stream that is switched off has no further children, and its shards go as they would have gone.
    db.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    cloud.advance("16h")
    closed = shards_of(cloud.client("dynamodbstreams"), arn)
    assert [one["ShardId"] for one in closed] == names[1:] and closed[0]["ParentShardId"] == names[0]
    assert closed[-1]["SequenceNumberRange"]["EndingSequenceNumber"] == all_records(cloud, arn)[-1]["dynamodb"]["SequenceNumber"]


def test_a_shard_has_not_ended_while_a_record_is_on_its_way(cloud: Running) -> None:
    """What was decided before a shard was closed and comes to the disk afterwards belongs to it, and its readers wait for that."""
    _, arn = streamed(cloud)
    app = cloud.app.cloud
    source: Any = app.services["dynamodb"].streams  # type: ignore[attr-defined]
    _, table, _, label = arn.split(":", 5)[5].split("/")
    stream = source.find(ROOT.account, "us-east-1", table, label)
    now = cloud.clock.now()
    shard = {**source.shard(stream, 0, 0), "end": now + 9}
    key = lane_prefix(stream["id"], 0) + pack((now + 5,))

    async def ended() -> tuple[bool, bool]:
        _, under_way = await asyncio.gather(app.store.transact(lambda tx: tx.put(key, b"")), source.ended(stream, shard, now + 5))
        return bool(under_way), bool(await source.ended(stream, shard, now + 6))

    assert cloud.run(ended()) == (False, True)


def test_a_stream_outlives_its_table_by_a_day(fresh_cloud: Running) -> None:
    """It is DISABLING as soon as the table is DELETING, and what was not read yet can still be read."""
    table, arn = streamed(fresh_cloud)
    db, streams = fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodbstreams")
    db.put_item(TableName=table, Item={"pk": s("a")})
    db.delete_table(TableName=table)
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLING"
    fresh_cloud.advance("1h")
    assert len(records(fresh_cloud, arn)) == 1
    fresh_cloud.advance("24h")
    assert failure(streams.describe_stream, StreamArn=arn)[0] == "ResourceNotFoundException"


def test_records_are_kept_for_a_day(fresh_cloud: Running) -> None:
    """Older ones are neither shown nor kept; the timer costs what it removes."""
    table, arn = streamed(fresh_cloud, "KEYS_ONLY")
    db, streams = fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodbstreams")
    db.put_item(TableName=table, Item={"pk": s("old")})
    old = records(fresh_cloud, arn)[0]["dynamodb"]["SequenceNumber"]
    shard = shard_of(fresh_cloud, arn)["ShardId"]
    fresh_cloud.advance("12h")
    db.put_item(TableName=table, Item={"pk": s("new")})
    fresh_cloud.advance("12h1m")
    assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in all_records(fresh_cloud, arn)] == ["new"]
    call = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": old}
    assert failure(streams.get_shard_iterator, **call)[0] == "TrimmedDataAccessException"
    fresh_cloud.advance("3d")
    store = fresh_cloud.app.cloud.store
    assert not store.range(b"\x02dynamodb-change", b"\x02dynamodb-change\xff")
    # The shard has gone with its records.
    assert failure(streams.get_shard_iterator, **call) == ("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
    db.put_item(TableName=table, Item={"pk": s("newest")})
    assert len(records(fresh_cloud, arn)) == 1


def test_an_iterator_whose_records_were_trimmed_meanwhile(fresh_cloud: Running) -> None:
    """Who has one may not believe that there was nothing: he is told, until he asks for another. What was trimmed before the iterator was made is none of its business."""
    cloud = fresh_cloud
    table, arn = streamed(cloud, "KEYS_ONLY")
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    shard = shard_of(cloud, arn)["ShardId"]
    for name in "ab":
        db.put_item(TableName=table, Item={"pk": s(name)})
        cloud.advance("10m")
    db.put_item(TableName=table, Item={"pk": s("c")})
    first = records(cloud, arn)[0]["dynamodb"]["SequenceNumber"]

    def made(kind: str, **place: str) -> str:
        return str(streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **place)["ShardIterator"])

    cloud.advance("23h35m")
    early = {"at a": made("AT_SEQUENCE_NUMBER", SequenceNumber=first), "beginning": made("TRIM_HORIZON")}
    early["behind a"] = streams.get_records(ShardIterator=early["beginning"], Limit=1)["NextShardIterator"]
    end = made("LATEST")
    cloud.advance("6m")

    def seen(iterator: str) -> Any:
        """The keys of the records that it leads to, or the error's code."""
        try:
            return [one["dynamodb"]["Keys"]["pk"]["S"] for one in streams.get_records(ShardIterator=iterator)["Records"]]
        except ClientError as error:
            return error.response["Error"]["Code"]

    gone = "TrimmedDataAccessException"
    assert {name: seen(one) for name, one in early.items()} == {"at a": gone, "beginning": gone, "behind a": ["b", "c"]}
    assert seen(end) == []
    assert seen(made("TRIM_HORIZON")) == ["b", "c"]
    cloud.advance("8m")  # The timer comes, and what iterators of before may still come to stays.
    assert {name: seen(one) for name, one in early.items()} == {"at a": gone, "beginning": gone, "behind a": ["b", "c"]}
    assert seen(end) == []


def test_a_closed_shard_ends_although_records_lie_there_that_were_trimmed(fresh_cloud: Running) -> None:
    """Whoever reads parents before their children would wait for the timer to remove what nobody is shown any more."""
    table, arn = streamed(fresh_cloud, "KEYS_ONLY")
    db, streams = fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodbstreams")
    db.put_item(TableName=table, Item={"pk": s("a")})
    fresh_cloud.advance("24h5m")
    shards = shards_of(streams, arn)
    begun = [streams.get_shard_iterator(StreamArn=arn, ShardId=one["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"] for one in shards]
    pages = [streams.get_records(ShardIterator=one) for one in begun]
    assert [(page["Records"], "NextShardIterator" in page) for page in pages] == [([], False)] * (len(shards) - 1) + [([], True)]
    assert len(shards) == 7 and fresh_cloud.app.cloud.store.range(*prefix_range(pack((CHANGE_SPACE,))))


def test_iterators_begin_at_a_time(fresh_cloud: Running) -> None:
    """At the first record whose time, in whole seconds, is at or after it; before the first record that is kept is the first, behind the last what comes next."""
    cloud = fresh_cloud
    table, arn = streamed(cloud)
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")

    def at(**wish: Any) -> str:
        return str(streams.get_shard_iterator(StreamArn=arn, ShardId=shard_of(cloud, arn)["ShardId"], **{"ShardIteratorType": "AT_TIMESTAMP", **wish})["ShardIterator"])

    def seen(time: Any) -> list[str]:
        return [one["dynamodb"]["Keys"]["pk"]["S"] for one in streams.get_records(ShardIterator=at(Timestamp=time))["Records"]]

    for name in "abc":
        cloud.advance("10s")
        db.put_item(TableName=table, Item={"pk": s(name)})
    first, second, third = (one["dynamodb"]["ApproximateCreationDateTime"] for one in records(cloud, arn))
    assert seen(first) == ["a", "b", "c"] and seen(second) == ["b", "c"] and seen(third) == ["c"]
    assert seen(second.timestamp() + 0.001) == seen(second.timestamp() + 5) == ["c"]
    assert seen(0) == seen(first.timestamp() - 5) == ["a", "b", "c"]
    cloud.advance("10s")
    behind = at(Timestamp=cloud.clock.now() / 1e9)
    db.put_item(TableName=table, Item={"pk": s("d")})
    assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in streams.get_records(ShardIterator=behind)["Records"]] == ["d"]
    assert "future" in invalid(at, Timestamp=cloud.clock.now() // 10**9 + 2)
    assert "required" in invalid(at)
    assert "cannot be specified" in invalid(at, ShardIteratorType="LATEST", Timestamp=first)
    assert "cannot be specified" in invalid(at, SequenceNumber=records(cloud, arn)[0]["dynamodb"]["SequenceNumber"], Timestamp=first)
    cloud.advance("24h")
    db.put_item(TableName=table, Item={"pk": s("e")})
    assert seen(first) == ["e"]


def test_iterators_end_after_15_minutes(fresh_cloud: Running) -> None:
    """A reader that was away for long begins anew."""
    _, arn = streamed(fresh_cloud)
    streams = fresh_cloud.client("dynamodbstreams")
    used = iterator(fresh_cloud, arn)
    fresh_cloud.advance("15m")
    used = streams.get_records(ShardIterator=used)["NextShardIterator"]
    fresh_cloud.advance("15m1s")
    assert failure(streams.get_records, ShardIterator=used)[0] == "ExpiredIteratorException"


def test_sequence_numbers_go_on_after_a_restart(fresh_cloud: Running) -> None:
    """Records and their order survive, and iterators of before still lead on."""
    table, arn = streamed(fresh_cloud, "KEYS_ONLY")
    for name in "ab":
        fresh_cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s(name)})
    used = fresh_cloud.client("dynamodbstreams").get_records(ShardIterator=iterator(fresh_cloud, arn))["NextShardIterator"]
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s("c")})
    (after,) = fresh_cloud.client("dynamodbstreams").get_records(ShardIterator=used)["Records"]
    assert after["dynamodb"]["Keys"] == {"pk": s("c")}
    numbers = [int(one["dynamodb"]["SequenceNumber"]) for one in records(fresh_cloud, arn)]
    assert len(numbers) == 3 and numbers == sorted(numbers)


def test_readers_inside_are_woken_and_see_dicts(cloud: Running) -> None:
    """Event source mappings wait for the topic of a lane, which the ids of its shards end with, and read in-process: parsed items, times in nanoseconds."""
    table, arn = streamed(cloud)
    app = cloud.app.cloud
    db = cloud.client("dynamodb")
    [shard] = cloud.client("dynamodbstreams").describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    lane = shard["ShardId"].rpartition("-")[2]

    async def wait() -> bool:
        return await app.signals.wait(f"stream-lane:{lane}", app.clock, 10**12)

    async def read(text: str) -> dict[str, Any]:
        return await app.invoke("dynamodbstreams:GetRecords", {"ShardIterator": text}, caller=ROOT, region="us-east-1")

    waiting = asyncio.run_coroutine_threadsafe(wait(), cloud._loop)
    cloud.settle()
    db.put_item(TableName=table, Item={"pk": s("a"), "b": {"B": b"\x00"}})
    assert waiting.result(10) is True
    (record,) = cloud.run(read(iterator(cloud, arn)))["Records"]
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "a"}, "b": {"B": "AA=="}}
    assert record["dynamodb"]["ApproximateCreationDateTime"] == app.clock.now() // 10**9 * 10**9


def test_reading_needs_permission_for_the_stream(cloud: Running) -> None:
    """The iterator grants nothing by itself."""
    table, arn = streamed(cloud)
    iam = cloud.client("iam")
    keys = {}
    for name, actions in (("stream-reader", ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"]), ("stranger", [])):
        iam.create_user(UserName=name)
        if actions:
            document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": arn}]}
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = cloud.client("dynamodbstreams", key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    used = iterator(cloud, arn)
    assert keys["stream-reader"].get_records(ShardIterator=used)["Records"] == []
    code, message = failure(keys["stranger"].get_records, ShardIterator=used)
    assert code == "AccessDeniedException" and f"dynamodb:GetRecords on resource: {arn}" in message
    assert failure(keys["stream-reader"].list_streams, TableName=table)[0] == "AccessDeniedException"


@pytest.mark.parametrize("text", ["x", "|1|", "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/x|1|AAAA", "a|1|" + "A" * 40, "é|1|é"])
def test_iterators_that_are_none(cloud: Running, text: str) -> None:
    """Whatever a client makes up is refused politely."""
    assert invalid(cloud.client("dynamodbstreams").get_records, ShardIterator=text) == "Invalid ShardIterator"


def test_iterators_that_lead_nowhere(cloud: Running) -> None:
    """A place that is in no shard, or not in the one that is named, is refused too."""
    _, arn = streamed(cloud)
    now = cloud.clock.now()
    for lane, shard, sequence in ((0, 0, 5), (0, 0, 2**64 - 1), (0, 1, now), (1, 0, now), (0, 2**32 - 1, now), (2**32 - 1, 2**32 - 1, 2**64 - 1)):
        assert invalid(cloud.client("dynamodbstreams").get_records, ShardIterator=make_iterator(arn, lane, shard, sequence, now)) == "Invalid ShardIterator"


def test_two_readers_a_shard(cloud: Running) -> None:
    """A third one at the same time is turned away; a look with a fresh iterator is no reader, and who stops makes room."""
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    table, arn = streamed(cloud)
    db.put_item(TableName=table, Item={"pk": {"S": "a"}})
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]

    def look() -> str:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return str(streams.get_records(ShardIterator=iterator)["NextShardIterator"])

    readers = [look() for _ in range(4)]
    readers[:2] = [streams.get_records(ShardIterator=iterator)["NextShardIterator"] for iterator in readers[:2]]
    assert failure(streams.get_records, ShardIterator=readers[2])[0] == "LimitExceededException"
    streams.get_records(ShardIterator=readers[1])
    look()
    cloud.advance("1s")
    streams.get_records(ShardIterator=readers[2])


def test_one_reader_that_begins_again_and_again(cloud: Running) -> None:
    """Because tests and tools read a stream afresh each time they want to know what is in it, that is one reader, however quickly it does so."""
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    table, arn = streamed(cloud)
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    for turn in range(1, 6):
        db.put_item(TableName=table, Item={"pk": {"S": str(turn)}})
        iterator, seen = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"], 0
        for _ in range(turn + 2):
            answer = streams.get_records(ShardIterator=iterator, Limit=1)
            iterator, seen = answer["NextShardIterator"], seen + len(answer["Records"])
        assert seen == turn


def test_requests_that_are_refused(cloud: Running) -> None:
    """Streams, shards and numbers that are not there."""
    _, arn = streamed(cloud)
    streams = cloud.client("dynamodbstreams")
    none = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2020-01-01T00:00:00.000"
    assert failure(streams.describe_stream, StreamArn=none) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Stream: {none} not found",
    )
    assert invalid(streams.describe_stream, StreamArn="x" * 40) == "Invalid StreamArn"
    call = {"StreamArn": arn, "ShardId": "shardId-00000000000000000000-00000000", "ShardIteratorType": "LATEST"}
    assert failure(streams.get_shard_iterator, **call)[0] == "ResourceNotFoundException"
    call["ShardId"] = shard_of(cloud, arn)["ShardId"]
    assert "SequenceNumber is required" in invalid(streams.get_shard_iterator, **{**call, "ShardIteratorType": "AT_SEQUENCE_NUMBER"})
    assert "Invalid SequenceNumber" in invalid(streams.get_shard_iterator, **{**call, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "9" * 30})
    assert "less than or equal to 1000" in invalid(streams.get_records, ShardIterator=iterator(cloud, arn), Limit=1001)


def test_descriptions_and_lists_have_a_rate(fresh_cloud: Running) -> None:
    """Ten descriptions of a stream and five lists in a second, as their pages in the API Reference say; a tenth of a second brings the next description."""
    cloud, streams = fresh_cloud, fresh_cloud.client("dynamodbstreams")
    arns = [
        cloud.client("dynamodb").describe_table(TableName=make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}))["Table"]["LatestStreamArn"]
        for _ in range(2)
    ]
    for _ in range(10):
        streams.describe_stream(StreamArn=arns[0])
    assert failure(streams.describe_stream, StreamArn=arns[0]) == ("ThrottlingException", "Rate exceeded")
    streams.describe_stream(StreamArn=arns[1])
    cloud.advance("100ms")
    streams.describe_stream(StreamArn=arns[0])
    assert failure(streams.describe_stream, StreamArn=arns[0])[0] == "ThrottlingException"
    for _ in range(5):
        assert len(streams.list_streams()["Streams"]) == 2
    assert failure(streams.list_streams) == ("ThrottlingException", "Rate exceeded")
    cloud.advance("200ms")
    assert streams.list_streams(Limit=1)["Streams"][0]["StreamArn"] in arns
