"""Modes and limits of throughput: how often they change, what is refused, what tables are ready for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.clock import MINUTE, SECOND
from haneul.services.dynamodb.history import restores
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.throughput import table_counts
from haneul.services.dynamodb.throughput.buckets import BURST, Bucket
from haneul.services.dynamodb.throughput.partitions import Partitions, partitions_for, warm_partitions_for
from haneul.services.dynamodb.throughput.peaks import Peak
from tests.dynamodb.support import failure, index, invalid, make_table
from tests.support.running import Running

PREFIX = "One or more parameter values were invalid: "
HASH = [{"AttributeName": "pk", "KeyType": "HASH"}]
DEFINED = [{"AttributeName": "pk", "AttributeType": "S"}]


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def warm(read: int, write: int) -> dict[str, int]:
    return {"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write}


def provisioned(cloud: Running, read: int, write: int, **more: Any) -> str:
    return make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput=units(read, write), **more)


def described(db: Any, table: str) -> dict[str, Any]:
    return dict(db.describe_table(TableName=table)["Table"])


def to_midnight(cloud: Running) -> None:
    """To half past midnight, UTC, so that a test's day does not end within it."""
    left = 86_400 - cloud.clock.now() // SECOND % 86_400
    cloud.advance(f"{left + 1800}s")


# ---- the parts


@given(rate=st.sampled_from([1, 2, 5, 40, 1000]), steps=st.lists(st.tuples(st.integers(0, 400 * SECOND), st.integers(1, 500)), max_size=40))
def test_a_bucket_is_what_arithmetic_says(rate: int, steps: list[tuple[int, int]]) -> None:
    """Against exact fractions: refilled by time, never above 300 seconds' worth, open while anything is left."""
    bucket, now, left = Bucket(rate, BURST), 10**18, Fraction(300 * rate)
    for pause, cost in steps:
        now += pause
        left = min(Fraction(300 * rate), left + Fraction(pause * rate, SECOND))
        assert bucket.blocked(now) == (left <= 0)
        if left > 0:
            bucket.take(now, cost)
            left -= cost


def test_a_bucket_keeps_its_units_when_its_rate_changes() -> None:
    """More throughput does not conjure up a burst, less does not keep one that no longer fits."""
    now = 10**18
    bucket = Bucket(10, BURST)
    bucket.take(now, 1000)
    bucket.change(now, 1000)
    assert bucket.left(now) == 2000
    bucket.change(now, 1)
    assert bucket.left(now + SECOND) == 300


def test_partitions_follow_throughput() -> None:
    """A partition for each 3,000 reads and 1,000 writes of what is provisioned, and of what must be there at once."""
    assert [partitions_for(*one) for one in ((1, 1), (3000, 0), (3000, 1), (3000, 1000), (40_000, 40_000))] == [1, 1, 2, 2, 54]
    assert [warm_partitions_for(*one) for one in ((12_000, 4_000), (40_000, 1))] == [4, 14]
    parts = Partitions(b"p", 4, whole_collections=False)
    places = [b"p" + bytes([first]) + b"\x55\x55\x55\x01key\x00" for first in (1, 65, 129, 193)]
    assert len({id(parts.find(place)) for place in places}) == 4
    parts.grow(2)
    assert len(parts) == 4


def test_collections_are_not_split() -> None:
    """With local indexes, the items of one partition key stay in one partition, however hot."""
    for whole, wanted in ((True, 2), (False, 3)):
        parts = Partitions(b"p", 1, whole_collections=whole)
        rows = [b"phash\x01key\x00\xffx\x00\x01" + sort + b"\x00" for sort in (b"a", b"b")]
        for minute in range(30):
            for row in rows:
                parts.heat(parts.find(row), row, 10**18 + minute * MINUTE)
        assert len(parts) >= wanted
        assert (parts.find(rows[0]) is parts.find(rows[1])) == whole


def test_a_peak_counts_after_half_an_hour() -> None:
    """Twice the previous peak is there at once; a peak that was just reached is no previous one yet."""
    peak, now = Peak(4000), 10**18 // MINUTE * MINUTE
    grown = []
    for second in range(0, 40 * 60, 10):
        grown.append(peak.add(now + second * SECOND, 35_000))
        if second < 30 * 60:
            assert peak.warm == 4000
    assert any(grown) and peak.warm == 7000


def test_traffic_on_demand_warms_a_table_for_good(fresh_cloud: Running) -> None:
    """What a table has grown to is shown, and survives a restart."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    service = fresh_cloud.app.cloud.service(DynamoDb)

    async def burst(part: int) -> None:
        found = service.stored_table("000000000000", "us-east-1", table)
        assert found is not None
        service.capacity.write(found, found.prefix + bytes([part * 64]) + b"\x55\x55\x55\x01key\x00", 45_000)

    for _ in range(35):
        for part in range(4):  # In all 180,000 units a minute, in each of the four partitions.
            fresh_cloud.run(burst(part))
            fresh_cloud.advance("15s")
    assert described(db, table)["WarmThroughput"] == {**warm(12_000, 6_000), "Status": "ACTIVE"}
    fresh_cloud.stop()
    fresh_cloud.start()
    assert described(fresh_cloud.client("dynamodb"), table)["WarmThroughput"]["WriteUnitsPerSecond"] == 6_000


# ---- provisioned throughput


def test_throughput_changes_when_the_update_is_done(cloud: Running, db: Any) -> None:
    """Until then the table shows and has what it had."""
    table = provisioned(cloud, 5, 5)
    answer = db.update_table(TableName=table, ProvisionedThroughput=units(4, 9))["TableDescription"]
    assert answer["TableStatus"] == "UPDATING" and answer["ProvisionedThroughput"].items() >= {"NumberOfDecreasesToday": 0, **units(5, 5)}.items()
    code, message = failure(db.delete_table, TableName=table)
    assert (code, message) == (
        "ResourceInUseException",
        f"Attempt to change a resource which is still in use: Table: {table} is in the process of being updated.",
    )
    cloud.advance("1s")
    found = described(db, table)["ProvisionedThroughput"]
    assert {"LastIncreaseDateTime", "LastDecreaseDateTime"} <= set(found)
    assert (found["NumberOfDecreasesToday"], found["ReadCapacityUnits"], found["WriteCapacityUnits"]) == (1, 4, 9)


def test_decreases_are_limited(fresh_cloud: Running) -> None:
    """Four at any time of a UTC day, then one an hour after the last; a new day begins anew, and each index has its own count."""
    db = fresh_cloud.client("dynamodb")
    to_midnight(fresh_cloud)
    by_g = {**index("by-g", "g"), "ProvisionedThroughput": units(20, 20)}
    table = provisioned(fresh_cloud, 20, 20, more={"g": "S"}, GlobalSecondaryIndexes=[by_g])

    def decrease(to: int) -> str:
        try:
            db.update_table(TableName=table, ProvisionedThroughput=units(to, to))
        except db.exceptions.LimitExceededException as error:
            return str(error.response["Error"]["Message"])
        fresh_cloud.advance("1s")
        return ""

    assert [decrease(to) for to in (19, 18, 17, 16)] == [""] * 4
    message = decrease(15)
    assert message.startswith("Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 decreases,")
    assert "Number of decreases today: 4. Last decrease at " in message and message.endswith("AM Coordinated Universal Time")
    db.update_table(TableName=table, ProvisionedThroughput=units(30, 30))
    db_index = [{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(1, 1)}}]
    fresh_cloud.advance("1s")
    db.update_table(TableName=table, GlobalSecondaryIndexUpdates=db_index)
    fresh_cloud.advance("58m")
    assert decrease(15)
    fresh_cloud.advance("2m")
    assert decrease(15) == "" and decrease(14)
    assert described(db, table)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 5
    assert described(db, table)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    fresh_cloud.advance("23h")
    assert described(db, table)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0
    assert [decrease(to) for to in (13, 12, 11, 10)] == [""] * 4


def test_what_does_not_change_is_refused(cloud: Running, db: Any) -> None:
    """For tables, with and without the mode, and for indexes."""
    table = provisioned(cloud, 5, 5, more={"g": "S"}, GlobalSecondaryIndexes=[{**index("by-g", "g"), "ProvisionedThroughput": units(1, 1)}])
    start = "The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned"
    assert invalid(db.update_table, TableName=table, ProvisionedThroughput=units(5, 5)).startswith(start)
    assert invalid(db.update_table, TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units(5, 5)).startswith(start)
    same = [{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(1, 1)}}]
    assert "throughput for the index by-g will not change" in invalid(db.update_table, TableName=table, GlobalSecondaryIndexUpdates=same)
    ghost = [{"Update": {"IndexName": "ghost", "ProvisionedThroughput": units(2, 2)}}]
    assert failure(db.update_table, TableName=table, GlobalSecondaryIndexUpdates=ghost) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Index ghost for table {table}",
    )
    db.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(2, 2)}}])
    found = described(db, table)
    assert (found["TableStatus"], found["GlobalSecondaryIndexes"][0]["IndexStatus"]) == ("ACTIVE", "UPDATING")
    assert "Cannot delete table while indexes are being" in failure(db.delete_table, TableName=table)[1]
    cloud.advance("1s")
    assert described(db, table)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 2


def test_quotas_of_units(fresh_cloud: Running) -> None:
    """40,000 for a table or index, 80,000 for the account in a region: as DescribeLimits says."""
    db = fresh_cloud.client("dynamodb")
    assert failure(db.create_table, TableName="big", KeySchema=HASH, AttributeDefinitions=DEFINED, ProvisionedThroughput=units(40_001, 1)) == (
        "LimitExceededException",
        "The requested ReadCapacityUnits, 40001, is above the per table maximum for the account in us-east-1. Per table maximum: 40000. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
    )
    tables = [provisioned(fresh_cloud, 1, 40_000), provisioned(fresh_cloud, 1, 30_000)]
    code, message = failure(db.create_table, TableName="big", KeySchema=HASH, AttributeDefinitions=DEFINED, ProvisionedThroughput=units(1, 10_001))
    assert (code, message.partition(" Refer")[0]) == (
        "LimitExceededException",
        "This request would have caused the WriteCapacityUnits limit to be exceeded for the account in us-east-1. "
        "Current WriteCapacityUnits reserved by the account: 70000. Limit: 80000. Requested: 10001.",
    )
    provisioned(fresh_cloud, 1, 10_000)
    assert failure(db.update_table, TableName=tables[1], ProvisionedThroughput=units(1, 30_001))[0] == "LimitExceededException"
    db.update_table(TableName=tables[1], BillingMode="PAY_PER_REQUEST")
    fresh_cloud.client("dynamodb", region="eu-west-1").create_table(
        TableName="elsewhere", KeySchema=HASH, AttributeDefinitions=DEFINED, ProvisionedThroughput=units(1, 40_000)
    )
    limits = db.describe_limits()
    assert (limits["TableMaxWriteCapacityUnits"], limits["AccountMaxWriteCapacityUnits"]) == (40_000, 80_000)


# ---- modes


def test_modes_change_four_times_a_day(fresh_cloud: Running) -> None:
    """To on demand four times within 24 hours; back at any time; what was provisioned stays warm."""
    db = fresh_cloud.client("dynamodb")
    table = provisioned(fresh_cloud, 20_000, 100)
    for turn in range(4):
        db.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
        fresh_cloud.advance("1s")
        found = described(db, table)
        assert found["ProvisionedThroughput"]["ReadCapacityUnits"] == 0 and found["WarmThroughput"] == {**warm(20_000, 4_000), "Status": "ACTIVE"}
        db.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units(5, 5 + turn))
        fresh_cloud.advance("1h")
    assert described(db, table)["WarmThroughput"]["WriteUnitsPerSecond"] == 4_000
    assert failure(db.update_table, TableName=table, BillingMode="PAY_PER_REQUEST") == (
        "LimitExceededException",
        "Subscriber limit exceeded: Update to PayPerRequest mode are limited to 4 times in 1 day(s).",
    )
    fresh_cloud.advance("20h")
    answer = db.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")["TableDescription"]
    assert answer["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST" and answer["TableStatus"] == "UPDATING"
    fresh_cloud.advance("1s")
    db.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")  # Said again, it changes nothing.


def test_indexes_need_throughput_of_their_own(cloud: Running, db: Any) -> None:
    """Neither a provisioned table nor the way to one leaves an index without units; to name the index alone is not to provision it."""
    made = index("by-g", "g")
    definitions = [*DEFINED, {"AttributeName": "g", "AttributeType": "S"}]
    missing = invalid(
        db.create_table, TableName="bare", KeySchema=HASH, AttributeDefinitions=definitions, ProvisionedThroughput=units(5, 5), GlobalSecondaryIndexes=[made]
    )
    assert missing == PREFIX + "ProvisionedThroughput is not specified for index: by-g"
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[made])
    change = {"TableName": table, "BillingMode": "PROVISIONED", "ProvisionedThroughput": units(5, 5)}
    for updates in ({}, {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by-g"}}]}):
        assert invalid(db.update_table, **change, **updates) == PREFIX + "ProvisionedThroughput must be specified for index: by-g"
    db.update_table(**change, GlobalSecondaryIndexUpdates=[{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(3, 4)}}])
    cloud.advance("1s")
    throughput = described(db, table)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (3, 4)


def test_the_class_changes_twice_in_thirty_days(fresh_cloud: Running) -> None:
    """Saying the class that it is changes nothing, and costs none of them."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    for wanted in ("STANDARD", "STANDARD_INFREQUENT_ACCESS", "STANDARD_INFREQUENT_ACCESS", "STANDARD"):
        db.update_table(TableName=table, TableClass=wanted)
        fresh_cloud.advance("1d")
    assert failure(db.update_table, TableName=table, TableClass="STANDARD_INFREQUENT_ACCESS") == (
        "LimitExceededException",
        "Subscriber limit exceeded: Updates to TableClass are limited to 2 times in 30 day(s).",
    )
    fresh_cloud.advance("27d")
    db.update_table(TableName=table, TableClass="STANDARD_INFREQUENT_ACCESS")
    fresh_cloud.advance("1s")
    assert described(db, table)["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"


# ---- maximums and warm throughput


@pytest.mark.parametrize(
    ("mode", "changes", "message"),
    [
        ("PAY_PER_REQUEST", {"OnDemandThroughput": {"MaxReadRequestUnits": 0}}, "Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range"),
        ("PAY_PER_REQUEST", {"OnDemandThroughput": {"MaxWriteRequestUnits": -1}}, "Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range"),
        ("PROVISIONED", {"OnDemandThroughput": {"MaxReadRequestUnits": 1}}, "MaxReadRequestUnits for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED."),
        ("PROVISIONED", {"WarmThroughput": {"ReadUnitsPerSecond": 4}}, "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than ReadCapacityUnits of ProvisionedThroughput"),
    ],
)
def test_bounds_at_the_making(db: Any, mode: str, changes: dict[str, Any], message: str) -> None:
    """What makes no sense is refused before the table is there."""
    parameters: dict[str, Any] = {"TableName": "bounds", "KeySchema": HASH, "AttributeDefinitions": DEFINED, "BillingMode": mode, **changes}
    if mode == "PROVISIONED":
        parameters["ProvisionedThroughput"] = units(5, 5)
    assert invalid(db.create_table, **parameters) == PREFIX + message


def test_warm_throughput_only_rises(cloud: Running, db: Any) -> None:
    """It shows in its own state, while the table stays ACTIVE; an increase is there soon after, a decrease never."""
    initial = invalid(db.create_table, TableName="warm-less", KeySchema=HASH, AttributeDefinitions=DEFINED, BillingMode="PAY_PER_REQUEST", WarmThroughput=warm(1, 1))
    assert initial.startswith(PREFIX + "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for OnDemand. See: https://")
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[{**index("by-g", "g"), "WarmThroughput": warm(12_001, 4_001)}])
    as_it_is = {"Update": {"IndexName": "by-g", "WarmThroughput": warm(12_001, 4_001)}}  # Which changes nothing.
    for found in (described(db, table), db.update_table(TableName=table, GlobalSecondaryIndexUpdates=[as_it_is])["TableDescription"]):
        assert found["GlobalSecondaryIndexes"][0]["WarmThroughput"] == {**warm(12_001, 4_001), "Status": "ACTIVE"} and found["TableStatus"] == "ACTIVE"
    answer = db.update_table(TableName=table, WarmThroughput={"WriteUnitsPerSecond": 8_000})["TableDescription"]
    assert answer["TableStatus"] == "ACTIVE" and answer["WarmThroughput"] == {**warm(12_000, 4_000), "Status": "UPDATING"}
    cloud.advance("1s")
    assert described(db, table)["WarmThroughput"] == {**warm(12_000, 8_000), "Status": "ACTIVE"}
    assert invalid(db.update_table, TableName=table, WarmThroughput=warm(12_000, 4_000)) == (
        PREFIX + "Requested WriteUnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
    )
    code, message = failure(db.update_table, TableName=table, WarmThroughput=warm(40_001, 8_000))
    assert (code, message) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Requested ReadUnitsPerSecond for WarmThroughput for table exceeds TableMaxReadCapacityUnits of the account in region us-east-1",
    )
    other = provisioned(cloud, 3, 3)
    for read in (7, 2):
        db.update_table(TableName=other, ProvisionedThroughput=units(read, 3))
        cloud.advance("1s")
    assert described(db, other)["WarmThroughput"] == {**warm(7, 3), "Status": "ACTIVE"}


def test_table_and_index_are_warmed_together(cloud: Running, db: Any) -> None:
    """The Developer Guide's examples of making and changing a table's warm throughput, with the states that they show; nothing else goes with it."""
    definitions = [*DEFINED, {"AttributeName": "g", "AttributeType": "S"}]
    indexes = [{**index("by-g", "g"), "ProvisionedThroughput": units(50, 25), "WarmThroughput": warm(60, 30)}]
    parameters = {"TableName": "warmed", "KeySchema": HASH, "AttributeDefinitions": definitions, "GlobalSecondaryIndexes": indexes}

    def states(table: dict[str, Any]) -> tuple[Any, ...]:
        (of_index,) = table["GlobalSecondaryIndexes"]
        return table["TableStatus"], table["WarmThroughput"], of_index["IndexStatus"], of_index.get("WarmThroughput")

    made = db.create_table(**parameters, ProvisionedThroughput=units(20, 10), WarmThroughput=warm(70, 40))["TableDescription"]
    assert states(made) == ("CREATING", {**warm(70, 40), "Status": "UPDATING"}, "CREATING", None)  # Of an index only the description tells it.
    assert states(described(db, "warmed"))[3] == {**warm(60, 30), "Status": "UPDATING"}
    cloud.advance("1s")
    update = {"IndexName": "by-g", "WarmThroughput": warm(88, 77)}
    together: dict[str, Any] = {"TableName": "warmed", "WarmThroughput": warm(123, 45), "GlobalSecondaryIndexUpdates": [{"Update": update}]}
    answer = db.update_table(**together)["TableDescription"]
    assert states(answer) == ("ACTIVE", {**warm(70, 40), "Status": "UPDATING"}, "ACTIVE", {**warm(60, 30), "Status": "UPDATING"})
    cloud.advance("1s")
    assert states(described(db, "warmed")) == ("ACTIVE", {**warm(123, 45), "Status": "ACTIVE"}, "ACTIVE", {**warm(88, 77), "Status": "ACTIVE"})
    update["ProvisionedThroughput"] = units(1, 1)
    assert invalid(db.update_table, **together) == PREFIX + "WarmThroughput must be the only operation in the request"


def test_maximums_merge_and_go(cloud: Running, db: Any) -> None:
    """Member by member, at once; -1 takes one away."""
    table = make_table(cloud)
    shown = []
    for change in ({"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500}, {"MaxReadRequestUnits": 2000}, {"MaxReadRequestUnits": -1}, {"MaxWriteRequestUnits": -1}):
        assert db.update_table(TableName=table, OnDemandThroughput=change)["TableDescription"]["TableStatus"] == "ACTIVE"
        shown.append(described(db, table).get("OnDemandThroughput"))
    assert shown == [
        {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500},
        {"MaxReadRequestUnits": 2000, "MaxWriteRequestUnits": 500},
        {"MaxWriteRequestUnits": 500},
        None,
    ]
    other = provisioned(cloud, 1, 1)
    assert invalid(db.update_table, TableName=other, OnDemandThroughput={"MaxReadRequestUnits": 1}) == (
        PREFIX + "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
    )


def test_maximums_of_indexes(cloud: Running, db: Any) -> None:
    """They have the bounds of tables': one that is being made has none to take away, and only indexes of tables on demand have any."""
    range_words = "Requested {} for OnDemandThroughput for index : by-g is outside of valid range"

    def made(mode: str, **maximums: int) -> str:
        more: dict[str, Any] = {"ProvisionedThroughput": units(5, 5)} if mode == "PROVISIONED" else {}
        attributes = [*DEFINED, {"AttributeName": "g", "AttributeType": "S"}]
        indexes = [{**index("by-g", "g"), **more, "OnDemandThroughput": maximums}]
        return invalid(
            db.create_table, TableName="bounds", KeySchema=HASH, AttributeDefinitions=attributes, BillingMode=mode, **more, GlobalSecondaryIndexes=indexes
        )

    for value in (-1, 0, -2):
        assert made("PAY_PER_REQUEST", MaxReadRequestUnits=value) == PREFIX + range_words.format("MaxReadRequestUnits")
        assert made("PAY_PER_REQUEST", MaxReadRequestUnits=5, MaxWriteRequestUnits=value) == PREFIX + range_words.format("MaxWriteRequestUnits")
    assert made("PROVISIONED", MaxReadRequestUnits=1) == (
        PREFIX + "MaxReadRequestUnits for OnDemandThroughput for index: by-g cannot be specified when table BillingMode is PROVISIONED."
    )

    table = make_table(cloud)
    attributes = [{"AttributeName": "g", "AttributeType": "S"}]
    create = {**index("by-g", "g"), "OnDemandThroughput": {"MaxReadRequestUnits": -1}}
    refused = invalid(db.update_table, TableName=table, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=[{"Create": create}])
    assert refused == PREFIX + range_words.format("MaxReadRequestUnits")
    create["OnDemandThroughput"] = {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}
    db.update_table(TableName=table, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=[{"Create": create}])
    cloud.advance("1s")
    for value, shown in ((0, None), (-2, None), (-1, {"MaxWriteRequestUnits": 6})):
        call = {"TableName": table, "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by-g", "OnDemandThroughput": {"MaxReadRequestUnits": value}}}]}
        if shown is None:
            assert invalid(db.update_table, **call) == PREFIX + range_words.format("MaxReadRequestUnits")
        else:
            db.update_table(**call)
            cloud.advance("1s")
            assert described(db, table)["GlobalSecondaryIndexes"][0]["OnDemandThroughput"] == shown
    # They go with the mode, as the table's own do.
    back = [{"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(1, 1)}}]
    db.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units(1, 1), GlobalSecondaryIndexUpdates=back)
    cloud.advance("1s")
    assert "OnDemandThroughput" not in described(db, table)["GlobalSecondaryIndexes"][0]


# ---- what goes together, and how many


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DeletionProtectionEnabled": True, "TableClass": "STANDARD"}, "TableClass modification must be the only operation in the request"),
        ({"DeletionProtectionEnabled": True, "BillingMode": "PAY_PER_REQUEST"}, "DeletionProtection modification must be the only operation in the request"),
        ({"WarmThroughput": {"ReadUnitsPerSecond": 9}, "BillingMode": "PAY_PER_REQUEST"}, "WarmThroughput must be the only operation in the request"),
        (
            {"WarmThroughput": {"ReadUnitsPerSecond": 9}, "OnDemandThroughput": {"MaxReadRequestUnits": 9}},
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False}, "OnDemandThroughput": {"MaxReadRequestUnits": 9}},
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False}, "ProvisionedThroughput": {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9}},
            "You cannot modify stream status while updating table IOPS",
        ),
    ],
)
def test_updates_do_one_thing(cloud: Running, db: Any, changes: dict[str, Any], message: str) -> None:
    """Most changes do not share a request; nothing of it is done."""
    assert invalid(db.update_table, TableName="any", **changes) == PREFIX + message


def test_an_index_is_changed_once(db: Any) -> None:
    """Within one request, each member of which does one thing; an empty list is none, unless there is something else to do."""
    update, delete = {"Update": {"IndexName": "by-g", "ProvisionedThroughput": units(1, 1)}}, {"Delete": {"IndexName": "by-g"}}
    message = PREFIX + "Only one global secondary index update per index is allowed simultaneously. Index: by-g"
    assert invalid(db.update_table, TableName="any", GlobalSecondaryIndexUpdates=[update, delete]) == message
    action = PREFIX + "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object"
    assert invalid(db.update_table, TableName="any", GlobalSecondaryIndexUpdates=[{**update, **delete}]) == action
    none = invalid(db.update_table, TableName="any", GlobalSecondaryIndexUpdates=[], AttributeDefinitions=DEFINED)
    assert none == (
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, "
        "MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
    )
    empty = invalid(db.update_table, TableName="any", GlobalSecondaryIndexUpdates=[], DeletionProtectionEnabled=True)
    assert empty == PREFIX + "List of GlobalSecondaryIndexUpdates is empty"


def test_protection_is_not_flipped(cloud: Running, db: Any) -> None:
    """Within 15 seconds it does not change again."""
    table = make_table(cloud)
    db.update_table(TableName=table, DeletionProtectionEnabled=True)
    code, message = failure(db.update_table, TableName=table, DeletionProtectionEnabled=False)
    assert code == "ThrottlingException" and message.startswith(f"Deletion protection setting for table {table} modified within the previous 15000 milliseconds.")
    cloud.advance("15s")
    db.update_table(TableName=table, DeletionProtectionEnabled=False)


def test_tables_are_counted(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them, and so many in a passing state; restored ones, imported ones and replicas too."""
    db = fresh_cloud.client("dynamodb")
    monkeypatch.setattr(table_counts, "TABLES_MAX", 3)
    monkeypatch.setattr(table_counts, "OPERATIONS_MAX", 2)
    create: dict[str, Any] = {"KeySchema": HASH, "AttributeDefinitions": DEFINED, "BillingMode": "PAY_PER_REQUEST"}
    for name in ("aaa", "bbb"):
        db.create_table(TableName=name, **create)
    assert failure(db.create_table, TableName="ccc", **create) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 2 tables can be created, updated, or deleted simultaneously",
    )
    fresh_cloud.advance("1s")
    db.create_table(TableName="ccc", **create)
    fresh_cloud.advance("1s")
    full = ("LimitExceededException", "Subscriber limit exceeded: There is a limit of 3 tables per subscriber")
    assert failure(db.create_table, TableName="ddd", **create) == full
    backup = db.create_backup(TableName="aaa", BackupName="all")["BackupDetails"]["BackupArn"]
    db.update_continuous_backups(TableName="aaa", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    fresh_cloud.advance("1s")
    far = fresh_cloud.client("dynamodb", region="eu-west-1")
    for name in ("ddd", "eee", "fff"):
        far.create_table(TableName=name, **create)
        fresh_cloud.advance("1s")
    now: dict[str, Any] = {"SourceTableName": "aaa", "TargetTableName": "ddd", "UseLatestRestorableTime": True}
    imported = {"S3BucketSource": {"S3Bucket": "any"}, "InputFormat": "ION", "TableCreationParameters": {"TableName": "ddd", **create}}
    assert failure(db.restore_table_from_backup, TargetTableName="ddd", BackupArn=backup) == full
    assert failure(db.restore_table_to_point_in_time, **now) == failure(db.import_table, **imported) == full
    assert failure(db.update_table, TableName="aaa", ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}]) == full
    expiry = {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "until"}}
    db.delete_table(TableName="bbb")
    db.update_time_to_live(TableName="ccc", **expiry)
    few = ("LimitExceededException", "Subscriber limit exceeded: Only 2 tables can be created, updated, or deleted simultaneously")
    assert failure(db.delete_table, TableName="aaa") == failure(db.update_time_to_live, TableName="aaa", **expiry) == few
    fresh_cloud.advance("1s")
    db.delete_table(TableName="ccc")
    fresh_cloud.advance("1s")
    units = {"BillingModeOverride": "PROVISIONED", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 40_001, "WriteCapacityUnits": 1}}
    assert "above the per table maximum" in failure(db.restore_table_to_point_in_time, **now, **units)[1]
    # Of those that are being made, fewer may have indexes.
    monkeypatch.setattr(table_counts, "INDEXED_MAX", 1)
    attributes = [*DEFINED, {"AttributeName": "g", "AttributeType": "S"}]
    with_index: dict[str, Any] = {**create, "AttributeDefinitions": attributes, "GlobalSecondaryIndexes": [index("by-g", "g")]}
    west = fresh_cloud.client("dynamodb", region="us-west-2")
    west.create_table(TableName="aaa", **with_index)
    assert failure(west.create_table, TableName="bbb", **with_index) == (
        "LimitExceededException",
        "Subscriber limit exceeded: You have exceeded the maximum number of indexed tables that can be created simultaneously.",
    )
    west.create_table(TableName="bbb", **create)
    monkeypatch.setattr(restores, "RESTORES_MAX", 1)
    db.restore_table_from_backup(TargetTableName="ddd", BackupArn=backup)
    assert failure(db.restore_table_to_point_in_time, **{**now, "TargetTableName": "eee"}) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 restore operations can be done simultaneously",
    )
    fresh_cloud.advance("1s")
    db.restore_table_to_point_in_time(**{**now, "TargetTableName": "eee"})


def test_a_table_is_active_while_its_index_is_filled(fresh_cloud: Running) -> None:
    """First UPDATING, with the index CREATING; then the index is backfilling and the table takes other changes."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    definitions = [*DEFINED, {"AttributeName": "g", "AttributeType": "S"}]
    made = db.update_table(TableName=table, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}])["TableDescription"]
    assert (made["TableStatus"], made["GlobalSecondaryIndexes"][0]["IndexStatus"], made["GlobalSecondaryIndexes"][0]["Backfilling"]) == ("UPDATING", "CREATING", False)
    fresh_cloud.advance("1s")
    found = described(db, table)
    assert (found["TableStatus"], found["GlobalSecondaryIndexes"][0]["IndexStatus"]) == ("ACTIVE", "ACTIVE") and "Backfilling" not in found["GlobalSecondaryIndexes"][0]
    db.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    again = failure(db.update_table, TableName=table, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}])
    assert again[0] == "ResourceInUseException"
