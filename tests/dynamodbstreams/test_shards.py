"""A stream has an open shard for each partition of its table, and splits with it."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.clock import HOUR, MILLISECOND
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import retention
from haneul.services.dynamodb.shards import kept_shards, named_shard, shard, shards_after, split_lanes
from haneul.services.dynamodb.streams import Lane, StreamRecord, last_sequence, stream_key
from haneul.services.dynamodb.tables import CHANGE_SPACE
from haneul.store.keys import pack, prefix_range
from tests.dynamodb.support import ONE_PARTITION, make_table, n, records_by_shard, s, shards_of, stream_records
from tests.store.test_embedded import FailsOnce
from tests.support.running import Running

ROOT = Caller(kind="root", account="000000000000", arn="arn:aws:iam::000000000000:root", principal_id="000000000000")
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
Record = dict[str, Any]


def streamed(cloud: Running, **parameters: Any) -> tuple[str, str]:
    table = make_table(cloud, StreamSpecification=STREAM, **parameters)
    return table, str(cloud.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"])


def open_shards(cloud: Running, arn: str) -> list[str]:
    return [one["ShardId"] for one in shards_of(cloud.client("dynamodbstreams"), arn) if "EndingSequenceNumber" not in one["SequenceNumberRange"]]


def held(cloud: Running, arn: str) -> dict[str, list[str]]:
    """The partition keys of the records in each shard."""
    found = records_by_shard(cloud.client("dynamodbstreams"), arn)
    return {shard: [record["dynamodb"]["Keys"]["pk"]["S"] for record in records] for shard, records in found.items()}


_values = count()


def put(cloud: Running, table: str, *keys: str) -> None:
    for key in keys:
        cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s(key), "v": n(next(_values))})


def test_a_shard_for_each_partition(cloud: Running) -> None:
    """A new table on demand has four partitions, a small provisioned one has one. All changes of an item are in the same shard."""
    for expected, parameters in ((4, {}), (1, ONE_PARTITION), (12, {"WarmThroughput": {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 12_000}})):
        table, arn = streamed(cloud, **parameters)
        found = shards_of(cloud.client("dynamodbstreams"), arn)
        assert len(found) == len(open_shards(cloud, arn)) == len({one["ShardId"] for one in found}) == expected
        assert not any("ParentShardId" in one for one in found)
        keys = [f"key {number}" for number in range(40)]
        put(cloud, table, *keys)
        put(cloud, table, *keys)
        places = held(cloud, arn)
        assert sum(map(len, places.values())) == 80 and sum(map(bool, places.values())) >= min(expected, 8)
        assert all(sorted(seen) == sorted([*set(seen), *set(seen)]) for seen in places.values())


def test_a_stream_of_a_table_that_is_there(cloud: Running) -> None:
    """A stream that is switched on later has the shards of the table as it is by then, and one that is switched off has no open ones."""
    table = make_table(cloud)
    db = cloud.client("dynamodb")
    db.update_table(TableName=table, WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 8_000})
    cloud.advance("1s")
    db.update_table(TableName=table, StreamSpecification=STREAM)
    arn = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    assert len(open_shards(cloud, arn)) == 8
    cloud.advance("1s")
    put(cloud, table, "a", "b")
    db.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    assert open_shards(cloud, arn) == [] and len(stream_records(cloud.client("dynamodbstreams"), arn)) == 2
    ends = {one["SequenceNumberRange"]["EndingSequenceNumber"] for one in shards_of(cloud.client("dynamodbstreams"), arn)}
    assert ends == {stream_records(cloud.client("dynamodbstreams"), arn)[-1]["dynamodb"]["SequenceNumber"]}


def test_shards_split_with_their_partitions(fresh_cloud: Running) -> None:
    """What was written before lies in the parents, what comes after in the children, whose numbers go on where the parents' ended. A reader is led to its parent's end."""
    cloud = fresh_cloud
    db, streams = cloud.client("dynamodb"), cloud.client("dynamodbstreams")
    table, arn = streamed(cloud)
    keys = [f"key {number}" for number in range(60)]
    put(cloud, table, *keys)
    before = shards_of(cloud.client("dynamodbstreams"), arn)
    latest = {one["ShardId"]: streams.get_shard_iterator(StreamArn=arn, ShardId=one["ShardId"], ShardIteratorType="LATEST")["ShardIterator"] for one in before}
    db.update_table(TableName=table, WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 8_000})
    cloud.advance("1s")
    put(cloud, table, "key 0")  # The partitions are there as soon as somebody writes.
    cloud.settle()
    put(cloud, table, *keys)
    after = shards_of(cloud.client("dynamodbstreams"), arn)
    children = after[4:]
    assert [one["ShardId"] for one in after[:4]] == [one["ShardId"] for one in before] and open_shards(cloud, arn) == [one["ShardId"] for one in children]
    parents = [one["ParentShardId"] for one in children]
    assert sorted(parents) == sorted(2 * [one["ShardId"] for one in before])
    ends = {one["ShardId"]: int(one["SequenceNumberRange"]["EndingSequenceNumber"]) for one in after[:4]}
    assert all(int(one["SequenceNumberRange"]["StartingSequenceNumber"]) == ends[one["ParentShardId"]] + 1 for one in children)
    places = held(cloud, arn)
    for one in before:
        own = places[one["ShardId"]]
        mine = [places[child["ShardId"]] for child in children if child["ParentShardId"] == one["ShardId"]]
        assert sorted(set(own)) == sorted(key for seen in mine for key in seen) and all(mine)
        page = streams.get_records(ShardIterator=latest[one["ShardId"]])
        assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in page["Records"]] == own[len(set(own)) :] and "NextShardIterator" not in page
    assert streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": before[0]["ShardId"]})["StreamDescription"]["Shards"] == [
        one for one in children if one["ParentShardId"] == before[0]["ShardId"]
    ]
    # The parents go with their records; nothing is kept of their lanes.
    cloud.advance("26h")
    put(cloud, table, "key 0")
    assert not set(ends) & {one["ShardId"] for one in shards_of(cloud.client("dynamodbstreams"), arn)}
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in stream_records(streams, arn)] == ["key 0"]
    [stored] = [value["record"] for value in cloud.app.cloud.services["dynamodb"].streams.page("000000000000", "us-east-1", table, None, 1)]  # type: ignore[attr-defined]
    assert len(stored.lanes) == 8


def test_a_hot_partition_splits_its_shard(fresh_cloud: Running) -> None:
    """Two hot keys of one partition are parted, and their records with them: those who read the stream may then do so beside each other."""
    cloud = fresh_cloud
    db = cloud.client("dynamodb")
    table, arn = streamed(cloud, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 990})
    large = "x" * 250_000
    refused = 0
    for _ in range(8):
        for _ in range(4):
            for key in ("one", "two"):
                try:
                    db.put_item(TableName=table, Item={"pk": s(key), "v": n(next(_values)), "d": s(large)})
                except db.exceptions.ProvisionedThroughputExceededException:
                    refused += 1
        cloud.advance("1m")
    cloud.settle()
    assert refused >= 8 and len(open_shards(cloud, arn)) >= 2
    put(cloud, table, "one", "two")
    places = held(cloud, arn)
    assert sorted(places[one] for one in open_shards(cloud, arn) if places[one])[-1][-1:] == ["two"]
    assert not any({"one", "two"} <= set(places[one]) for one in open_shards(cloud, arn))


def test_a_split_that_does_not_come_to_the_disk(fresh_cloud: Running) -> None:
    """Whoever wrote with it or on top of it is refused, and nobody writes to its lanes afterwards, where no reader would look. The next write brings it about."""
    cloud = fresh_cloud
    table, arn = streamed(cloud)
    cloud.client("dynamodb").update_table(TableName=table, WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 8_000})
    cloud.advance("1s")
    app = cloud.app.cloud
    store: Any = app.store
    place = stream_key("000000000000", "us-east-1", table, arn.rpartition("/")[2])

    async def write(*keys: str) -> list[Any]:
        puts = [app.invoke("dynamodb:PutItem", {"TableName": table, "Item": {"pk": s(key)}}, caller=ROOT, region="us-east-1") for key in keys]
        return await asyncio.gather(*puts, return_exceptions=True)

    async def meet() -> list[Any]:
        store._syncer = FailsOnce(store._syncer)
        first = asyncio.ensure_future(write("first"))
        for _ in range(1000):
            if store.under_way(place):
                break
            await asyncio.sleep(0)
        assert store.under_way(place)
        second = await write("second", "third")
        return [*await first, *second]

    outcomes = cloud.run(meet())
    cloud.settle()
    assert [isinstance(outcome, ServiceError) for outcome in outcomes] == [True, True, True]
    keys = [f"key {number}" for number in range(20)]
    put(cloud, table, keys[0])
    cloud.settle()
    put(cloud, table, *keys[1:])
    assert sorted(key for seen in held(cloud, arn).values() for key in seen) == sorted(keys)
    assert len(open_shards(cloud, arn)) == 8


class Consumer:
    """Reads as the Kinesis adapter does: every shard to its end, children after their parents, from behind the last record that it has seen."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.ended: set[str] = set()
        self.seen: dict[str, list[int]] = defaultdict(list)

    def read(self, cloud: Running, arn: str) -> None:
        listed = shards_of(cloud.client("dynamodbstreams"), arn)
        known = {one["ShardId"] for one in listed}
        for one in listed:
            shard_id, parent = one["ShardId"], one.get("ParentShardId")
            if shard_id not in self.ended and (parent not in known or parent in self.ended):
                self._follow(cloud.client("dynamodbstreams"), arn, shard_id)

    def _follow(self, streams: Any, arn: str, shard_id: str) -> None:
        place = self.places.get(shard_id)
        start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": place} if place else {"ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, **start)["ShardIterator"]
        while True:
            page = streams.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                image = record["dynamodb"]["NewImage"]
                self.seen[image["pk"]["S"]].append(int(image["v"]["N"]))
                self.places[shard_id] = record["dynamodb"]["SequenceNumber"]
            if "NextShardIterator" not in page:
                self.ended.add(shard_id)
            if not page["Records"] or shard_id in self.ended:
                return
            iterator = page["NextShardIterator"]


def test_a_consumer_misses_nothing_and_sees_each_item_in_order(fresh_cloud: Running) -> None:
    """However the table grows meanwhile, whatever the clock does, and over restarts."""
    cloud = fresh_cloud
    table, arn = streamed(cloud, **ONE_PARTITION)
    consumer, chance = Consumer(), random.Random(7)
    written: dict[str, list[int]] = defaultdict(list)
    units = 400
    for step in range(60):
        for _ in range(chance.randrange(12)):
            key = f"key {chance.randrange(25)}"
            written[key].append(len(written[key]))
            cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s(key), "v": n(written[key][-1])})
        if step % 12 == 5:
            units = units * 5 // 2
            cloud.client("dynamodb").update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 400, "WriteCapacityUnits": units})
        if step % 20 == 13:
            cloud.stop()
            cloud.start()
        cloud.advance(chance.choice(("1s", "1s", "5m", "1h")))
        if chance.random() < 0.5:
            consumer.read(cloud, arn)
    consumer.read(cloud, arn)
    assert consumer.seen == written and len(open_shards(cloud, arn)) > 16


def _stream(lanes: list[Lane]) -> StreamRecord:
    return StreamRecord("5", "label", "000000000000", "us-east-1", "t", "KEYS_ONLY", 10**18, lanes, "pk", None)


# Just when shards follow each other, too.
_LATER = st.one_of(st.integers(0, 30 * HOUR), st.builds(lambda shards, more: 4 * HOUR * shards + more, st.integers(0, 7), st.integers(0, 3)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.binary(min_size=4, max_size=4), max_size=6), _LATER), max_size=6))
def test_lanes_are_a_tree_that_covers_everything(splits: list[tuple[list[bytes], int]]) -> None:
    """At any time the open lanes cut all hashes between them; each child begins where its parent ended and within its hashes, and its shard's id comes after the parent's. What was shown once is there until it is over."""
    now = 10**18
    stream = _stream([Lane(0, b"", now)])
    shown: set[str] = set()
    for lows, later in splits:
        now += later
        before = {lane.low for lane in stream.open_lanes}
        shown |= {one.id for lane in stream.open_lanes for one in kept_shards(stream, lane, now, 0)}
        assert split_lanes(stream, lows, now) == bool(set(lows) - before)
        assert {lane.low for lane in stream.open_lanes} == before | set(lows) and stream.open_lanes[0].low == b""
    now = max([now, *(lane.since for lane in stream.lanes)])
    shards = {}
    for lane in stream.lanes:
        for number in range(((lane.until - 1 if lane.until else now) - lane.since) // (4 * HOUR) + 1):
            one = shard(stream, lane, number, now, 0)
            shards[one.id] = (lane, one)
    assert shown <= shards.keys()
    kept = sorted((one for lane in stream.lanes for one in kept_shards(stream, lane, now, 0)), key=lambda one: one.id)
    assert list(shards_after(stream, stream.lanes, "", now, lambda lane: 0)) == kept
    for number, one in enumerate(kept):
        assert list(shards_after(stream, stream.lanes, one.id, now, lambda lane: 0)) == kept[number + 1 :] and named_shard(stream, one.id, now, lambda lane: 0) == one
    for lane, one in shards.values():
        if one.parent is None:
            assert lane.id == 0 and one.number == 0
            continue
        parent_lane, parent = shards[one.parent]
        assert parent.end == one.first and parent.last == one.first - 1 and parent.id < one.id and parent_lane.low <= lane.low
    for lane in stream.lanes:
        assert all(one.first < one.end and (one.last is None) == (not lane.until and one.end > now) for one in kept_shards(stream, lane, now, 0))
    assert len({lane.id for lane in stream.lanes}) == len(stream.lanes) and all(not lane.until or lane.until >= lane.since + MILLISECOND for lane in stream.lanes)


def test_numbers_go_on_after_a_restart(fresh_cloud: Running) -> None:
    """Also in lanes that nothing was written to: a number is never given out twice, even when the clock has not moved."""
    cloud = fresh_cloud
    table, arn = streamed(cloud)
    for _ in range(3):
        put(cloud, table, "a", "b", "c", "d")
        cloud.stop()
        cloud.start()
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in stream_records(cloud.client("dynamodbstreams"), arn)]
    assert len(set(numbers)) == len(numbers) == 12
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in stream_records(cloud.client("dynamodbstreams"), arn)] == ["a", "b", "c", "d"] * 3
    assert last_sequence(cloud.app.cloud.store, "0" * 16, 0) == 0


def test_records_go_in_portions_lane_by_lane(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many portions it takes, all that is too old goes, and what is not stays."""
    cloud = fresh_cloud
    monkeypatch.setattr(retention, "_CHUNK", 3)
    table, arn = streamed(cloud)
    keys = [f"key {number}" for number in range(30)]
    put(cloud, table, *keys)
    cloud.advance("23h")
    put(cloud, table, *keys[:7])
    cloud.advance("3h")
    rows = cloud.app.cloud.store.range(*prefix_range(pack((CHANGE_SPACE,))))
    assert len(rows) == 7 == sum(map(len, held(cloud, arn).values()))


def test_a_write_that_was_under_way_when_its_stream_was_switched_off() -> None:
    """Its record lies behind what was the last one then, and the shard's end is behind it."""
    now = 10**18
    stream = _stream([Lane(0, b"", now)])
    stream.enabled, stream.last_sequence, stream.disabled_at = False, now + 7, now + 9
    assert [shard(stream, stream.lanes[0], 0, now + HOUR, newest).last for newest in (0, now + 7, now + 10)] == [now + 7, now + 7, now + 10]
