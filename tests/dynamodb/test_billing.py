"""What tables are billed for: each kind of usage, in both classes and both modes, over changes, jumps of the clock and restarts, once."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from haneul.clock import HOUR, SECOND, Clock
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from haneul.services.s3.service import S3
from tests.dynamodb.support import failure, index, make_table, n, s
from tests.dynamodb.test_export import export
from tests.support.running import Running

NOVEMBER = 1_793_491_200 * SECOND
HOURS = 720
STANDARD, INFREQUENT = "STANDARD", "STANDARD_INFREQUENT_ACCESS"
GB = 2**30


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """A cloud ten minutes into November 2026, shared by tests that take a table of their own."""
    running = Running(services=[DynamoDb, DynamoDbStreams, Iam, S3, Logs])
    running.clock = Clock(frozen_at=NOVEMBER + HOUR // 6)
    with running:
        yield running


def bill(cloud: Running, query: str = "") -> dict[str, Any]:
    """A bill of everything in 2026, unless it is asked for otherwise."""
    with urllib.request.urlopen(f"{cloud.endpoint}/_haneul/bill?{query or 'from=2026-01'}") as answer:
        return dict(json.load(answer))


def usage(cloud: Running, table: str, query: str = "", region: str = "us-east-1") -> dict[str, str]:
    """Quantities of a table by AWS's names of them."""
    return {line["what"]: line["quantity"] for line in bill(cloud, query)["lines"] if (line["resource"], line["region"]) == (table, region)}


def cost(cloud: Running, table: str, what: str) -> Decimal:
    return next(Decimal(line["cost"]) for line in bill(cloud)["lines"] if (line["resource"], line["what"]) == (table, what))


def to_the_hour(cloud: Running, minutes: int = 5) -> None:
    """Move to so many minutes after the next full hour."""
    now = cloud.clock.now()
    cloud.run(cloud.clock.advance((now // HOUR + 1) * HOUR - now + minutes * 60 * SECOND))


def put(cloud: Running, table: str, pk: str, size: int = 0, **more: Any) -> None:
    cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s(pk), **({"data": s("x" * size)} if size else {}), **more})


def update(cloud: Running, table: str, **change: Any) -> None:
    cloud.client("dynamodb").update_table(TableName=table, **change)
    cloud.advance("1s")


def provisioned(reads: int, writes: int) -> dict[str, Any]:
    return {"ProvisionedThroughput": {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}}


@pytest.mark.parametrize(("first", "prefix", "then", "other"), [(STANDARD, "", INFREQUENT, "IA-"), (INFREQUENT, "IA-", STANDARD, "")])
def test_on_demand(cloud: Running, first: str, prefix: str, then: str, other: str) -> None:
    """Requests cost what they consume, in the class that the table is in; what is refused, and what the service does by itself, costs nothing."""
    client = cloud.client("dynamodb")
    table = make_table(cloud, TableClass=first, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    put(cloud, table, "a", 1500)  # 2 units
    put(cloud, table, "b", g=s("g"))  # 1 and 1
    client.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": {"pk": s("c")}}}])  # 2
    client.get_item(TableName=table, Key={"pk": s("a")})  # a half
    client.get_item(TableName=table, Key={"pk": s("a")}, ConsistentRead=True)  # 1
    client.query(TableName=table, IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": s("g")})  # a half
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    assert failure(client.put_item, TableName=table, Item={"pk": s("a")}, **condition)[0] == "ConditionalCheckFailedException"  # 2: AWS bills these.
    assert failure(client.put_item, TableName=table, Item={})[0] == "ValidationException"
    expected = {f"{prefix}WriteRequestUnits": "0.000008", f"{prefix}ReadRequestUnits": "0.000002"}
    assert usage(cloud, table) == expected
    update(cloud, table, TableClass=then)
    client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    cloud.advance("1s")
    put(cloud, table, "d", ttl=n(cloud.clock.now() // SECOND + 60))  # 1
    cloud.advance("5m")
    client.get_item(TableName=table, Key={"pk": s("d")}, ConsistentRead=True)  # 1, though it is gone.
    found = usage(cloud, table)
    assert {what: found[what] for what in found if "Request" in what} == {**expected, f"{other}WriteRequestUnits": "0.000001", f"{other}ReadRequestUnits": "0.000001"}
    prices = {"WriteRequestUnits": Decimal("0.625"), "ReadRequestUnits": Decimal("0.125"), "IA-WriteRequestUnits": Decimal("0.78"), "IA-ReadRequestUnits": Decimal("0.155")}
    for what, price in prices.items():
        assert cost(cloud, table, what) == price * Decimal(found[what])
    one = next(one for one in bill(cloud)["alternatives"] if one["resource"] == table)
    assert (one["choice"], one["other_choice"]) == (then, first)
    units = Decimal("0.000009") * prices[f"{prefix}WriteRequestUnits"] + Decimal("0.000003") * prices[f"{prefix}ReadRequestUnits"]
    assert abs(Decimal(one["other_cost"]) - units) < Decimal("0.00000001")  # The rest is an hour's storage, if an hour has ended.
    client.delete_table(TableName=table)
    cloud.advance("1s")


def test_throttled_requests_cost_nothing(cloud: Running) -> None:
    """Because who is refused has consumed nothing; and what is consumed of provisioned capacity is paid with that."""
    client = cloud.client("dynamodb")
    table = make_table(cloud, BillingMode="PROVISIONED", **provisioned(1, 1))
    refused = 0
    for _ in range(310):
        try:
            put(cloud, table, "k")
        except client.exceptions.ProvisionedThroughputExceededException:
            refused += 1
    assert refused and usage(cloud, table) == {} and "Consumed" not in json.dumps(bill(cloud))
    totals = cloud.app._usage.total("000000000000")
    assert totals["dynamodb", "ConsumedWriteUnits"] == 310 - refused
    client.delete_table(TableName=table)
    cloud.advance("1s")


@pytest.mark.parametrize(("kind", "prefix", "read", "write"), [(STANDARD, "", "0.00013", "0.00065"), (INFREQUENT, "IA-", "0.00016", "0.00081")])
def test_provisioned(cloud: Running, kind: str, prefix: str, read: str, write: str) -> None:
    """Capacity of the table and its global indexes costs by the hour what was the highest in it, used or not, also across a restart within it."""
    to_the_hour(cloud)
    reads, writes = f"{prefix}ReadCapacityUnit-Hrs", f"{prefix}WriteCapacityUnit-Hrs"
    indexes = [{**index("by-g", "g"), **provisioned(3, 2)}]
    local = [index("by-l", "pk", "l")]
    table = make_table(
        cloud, "S", "S", TableClass=kind, BillingMode="PROVISIONED", more={"g": "S", "l": "S"}, GlobalSecondaryIndexes=indexes, LocalSecondaryIndexes=local, **provisioned(10, 5)
    )
    gone = make_table(cloud, TableClass=kind, BillingMode="PROVISIONED", **provisioned(7, 1))
    cloud.client("dynamodb").delete_table(TableName=gone)
    cloud.advance("1s")
    to_the_hour(cloud)
    assert usage(cloud, table) == {reads: "13", writes: "7"} and usage(cloud, gone) == {reads: "7", writes: "1"}
    # Up and down within the hour, and a restart in it: 20 + 3, then 1 + 3.
    update(cloud, table, **provisioned(20, 5))
    update(cloud, table, **provisioned(1, 1))
    cloud.stop()
    cloud.start()
    to_the_hour(cloud)
    assert usage(cloud, table) == {reads: "36", writes: "14"} and usage(cloud, gone)[reads] == "7"
    to_the_hour(cloud)
    assert usage(cloud, table) == {reads: "40", writes: "17"}
    # Another class in the middle of an hour, which is paid once; then on demand: that hour's capacity is still paid, and requests from then on.
    update(cloud, table, TableClass=STANDARD if prefix else INFREQUENT)
    to_the_hour(cloud)
    update(cloud, table, BillingMode="PAY_PER_REQUEST")
    put(cloud, table, "k", sk=s("s"))
    to_the_hour(cloud)
    to_the_hour(cloud)
    found, other = usage(cloud, table), "" if prefix else "IA-"
    assert found.pop(f"{other}TimedStorage-ByteHrs")
    assert found == {reads: "40", writes: "17", f"{other}ReadCapacityUnit-Hrs": "8", f"{other}WriteCapacityUnit-Hrs": "6", f"{other}WriteRequestUnits": "0.000001"}
    assert cost(cloud, table, reads) == 40 * Decimal(read) and cost(cloud, table, writes) == 17 * Decimal(write)
    cloud.client("dynamodb").delete_table(TableName=table)
    cloud.advance("1s")
    to_the_hour(cloud)
    assert usage(cloud, table)[f"{other}ReadCapacityUnit-Hrs"] == "8"


def test_storage_over_jumps_and_restarts() -> None:
    """What lies there costs by the hour, with its indexes and 100 bytes for each item; so do recovery and backups; each hour once, however the clock came to it."""
    running = Running(services=[DynamoDb, Iam])
    running.clock = Clock(frozen_at=NOVEMBER + HOUR // 6)
    with running as cloud:
        client = cloud.client("dynamodb")
        table = make_table(cloud, "S", "S", more={"g": "S", "l": "S"}, GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")], LocalSecondaryIndexes=[index("by-l", "pk", "l")])
        client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
        client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        cloud.advance("1s")
        put(cloud, table, "k", 1000, sk=s("s"), g=s("g"), l=s("l"))  # 1,014 bytes: 8 of them in the one index, all in the other.
        put(cloud, table, "t", sk=s("s"), ttl=n((NOVEMBER + 240 * HOUR) // SECOND - 60))  # Until ten days into the month, less a minute.
        sizes = client.describe_table(TableName=table)["Table"]
        base, (by_g,), (by_l,) = sizes["TableSizeBytes"], sizes["GlobalSecondaryIndexes"], sizes["LocalSecondaryIndexes"]
        expiring = base - 1014
        assert (by_g["IndexSizeBytes"], by_l["IndexSizeBytes"]) == (8, 1014)
        backup = client.create_backup(TableName=table, BackupName="kept")["BackupDetails"]["BackupArn"]
        cloud.advance("1s")
        empty = make_table(cloud)
        kept, lost = 1014 + 8 + 1014 + 300, expiring + 100

        def stored(query: str, hours: int, with_expiring: int) -> None:
            """Byte-hours as the bill shows them: of a month of 720 hours."""
            found = usage(cloud, table, query)
            for what, value in (
                ("TimedStorage-ByteHrs", kept * hours + lost * with_expiring),
                ("TimedPITRStorage-ByteHrs", 2028 * hours + expiring * with_expiring),
                ("TimedBackupStorage-ByteHrs", base * hours),
            ):
                assert abs(Decimal(found[what]) - Decimal(value) / GB / HOURS) < Decimal("1e-12"), what

        cloud.advance("1h")
        stored("from=2026-11", 1, 1)
        # A restart, and some hours in which nothing runs; then a jump over what is left of the month and more.
        cloud.stop()
        cloud.clock = Clock(frozen_at=cloud.clock.now() + 5 * HOUR)
        cloud.start()
        client = cloud.client("dynamodb")
        stored("from=2026-11", 6, 6)
        cloud.advance("35d")
        stored("from=2026-11&to=2026-12", HOURS, 239)
        stored("from=2026-11-10T23:00:00Z&to=2026-11-11T01:00:00Z", 2, 0)
        cloud.stop()
        cloud.start()
        client = cloud.client("dynamodb")
        stored("from=2026-11&to=2026-12", HOURS, 239)
        assert usage(cloud, empty) == {}
        # Nothing is left that costs anything (the table's system backup does not): nothing more is counted, and no timer is left.
        client.delete_backup(BackupArn=backup)
        for name in (table, empty):
            client.delete_table(TableName=name)
        cloud.advance("1s")
        cloud.advance("40d")
        assert usage(cloud, table, "from=2026-12-06T06:00:00Z&to=2027-02") == {} and usage(cloud, table, "from=2026-12-06T05:00:00Z&to=2027-02")
        assert cloud.app.cloud.service(DynamoDb).hours._hours._timer is None


def test_what_is_moved(cloud: Running) -> None:
    """Restores with their indexes, exports, imports and reads of streams cost by size and number; replicas what is written to them and what fills them."""
    client = cloud.client("dynamodb")
    for bucket in ("exports", "imports"):
        cloud.client("s3").create_bucket(Bucket=bucket)
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    table = make_table(cloud, StreamSpecification=stream, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")])
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    put(cloud, table, "k", 1000, g=s("g"))
    described = client.describe_table(TableName=table)["Table"]
    size = described["TableSizeBytes"] + described["GlobalSecondaryIndexes"][0]["IndexSizeBytes"]
    cloud.advance("6m")
    billed = export(cloud, described["TableArn"])["BilledSizeBytes"]
    client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="restored", UseLatestRestorableTime=True)
    text = b'{"Item":{"pk":{"S":"a"}}}\n'
    cloud.client("s3").put_object(Bucket="imports", Key="one.json", Body=text)
    parameters = {"TableName": "imported", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    client.import_table(S3BucketSource={"S3Bucket": "imports"}, InputFormat="DYNAMODB_JSON", TableCreationParameters={**parameters, "BillingMode": "PAY_PER_REQUEST"})
    streams = cloud.client("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=described["LatestStreamArn"])["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=described["LatestStreamArn"], ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    for _ in range(3):  # What a request finds makes no difference.
        streams.get_records(ShardIterator=iterator)
    cloud.advance("1s")
    moved = {**usage(cloud, table), **usage(cloud, "restored"), **usage(cloud, "imported")}
    assert moved["Streams-RequestsCount"] == "0.00003" and cost(cloud, table, "Streams-RequestsCount") == Decimal("0.0000006")
    for what, value in (("ExportDataSize-Bytes", billed), ("RestoreDataSize-Bytes", size), ("ImportDataSize-Bytes", len(text))):
        assert abs(Decimal(moved[what]) - Decimal(value) / GB) < Decimal("1e-12"), what
    assert "WriteRequestUnits" not in usage(cloud, "restored") and "WriteRequestUnits" not in usage(cloud, "imported")
    # A replica: filled as by a restore; then writes here and there, and those of its index, each in its own region.
    update(cloud, table, StreamSpecification={"StreamEnabled": False})
    update(cloud, table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    update(cloud, table, ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    put(cloud, table, "r", g=s("g"))
    cloud.advance("5s")
    here, there = usage(cloud, table), usage(cloud, table, region="eu-west-1")
    assert (here["WriteRequestUnits"], here["ReplWriteRequestUnits"]) == ("0.000003", "0.000001")  # Two and one of them from before.
    assert (there["WriteRequestUnits"], there["ReplWriteRequestUnits"]) == ("0.000001", "0.000001")
    assert abs(Decimal(there["RestoreDataSize-Bytes"]) - Decimal(size) / GB) < Decimal("1e-12")
