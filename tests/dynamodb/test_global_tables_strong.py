"""Global tables with multi-Region strong consistency: one write, three regions at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from tests.dynamodb.support import failure, index, invalid, make_table, n, s, stream_records
from tests.support.running import ACCOUNT, Running

HOME, OHIO, OREGON = "us-east-1", "us-east-2", "us-west-2"
ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)


def db(cloud: Running, region: str = HOME) -> Any:
    return cloud.client("dynamodb", region=region)


def make_strong(cloud: Running, *, witness: str = "") -> str:
    """A strongly consistent table in three regions, the last one a witness if that is wanted. The answer does not show the others yet."""
    name = make_table(cloud)
    replicas = [{"Create": {"RegionName": region}} for region in (OHIO, OREGON) if region != witness]
    more = {"GlobalTableWitnessUpdates": [{"Create": {"RegionName": witness}}]} if witness else {}
    made = db(cloud).update_table(TableName=name, ReplicaUpdates=replicas, MultiRegionConsistency="STRONG", **more)["TableDescription"]
    assert made["MultiRegionConsistency"] == "STRONG" and made["Replicas"] == [] and "GlobalTableWitnesses" not in made
    cloud.advance("1s")
    return name


def put(cloud: Running, name: str, region: str, pk: str, **more: Any) -> None:
    db(cloud, region).put_item(TableName=name, Item={"pk": s(pk), **more})


def read(cloud: Running, name: str, region: str, pk: str, *, consistent: bool = True) -> Any:
    return db(cloud, region).get_item(TableName=name, Key={"pk": s(pk)}, ConsistentRead=consistent).get("Item")


def test_a_write_is_everywhere_when_it_is_answered(cloud: Running) -> None:
    """No time passes: what one region has written, all others read; conditions see the newest item, wherever it was written."""
    name = make_strong(cloud)
    put(cloud, name, HOME, "a", v=n(1))
    assert read(cloud, name, OREGON, "a") == {"pk": s("a"), "v": n(1)}
    db(cloud, OHIO).update_item(TableName=name, Key={"pk": s("a")}, UpdateExpression="ADD v :one", ExpressionAttributeValues={":one": n(1)})
    assert [read(cloud, name, region, "a")["v"] for region in (HOME, OHIO, OREGON)] == [n(2)] * 3
    wish = {"TableName": name, "Item": {"pk": s("a")}, "ConditionExpression": "attribute_not_exists(pk)"}
    assert failure(db(cloud, OREGON).put_item, **wish)[0] == "ConditionalCheckFailedException"
    db(cloud, OREGON).delete_item(TableName=name, Key={"pk": s("a")})
    assert read(cloud, name, HOME, "a") is None


def test_described_with_its_witness(cloud: Running) -> None:
    """Two replicas and a witness, which is no table: nothing can be read there."""
    name = make_strong(cloud, witness=OREGON)
    table = db(cloud).describe_table(TableName=name)["Table"]
    assert table["MultiRegionConsistency"] == "STRONG" and table["TableStatus"] == "ACTIVE"
    assert table["GlobalTableWitnesses"] == [{"RegionName": OREGON, "WitnessStatus": "ACTIVE"}]
    assert [(one["RegionName"], one["ReplicaStatus"]) for one in table["Replicas"]] == [(OHIO, "ACTIVE")]
    assert "StreamSpecification" not in table
    assert failure(db(cloud, OREGON).describe_table, TableName=name)[0] == "ResourceNotFoundException"
    put(cloud, name, OHIO, "a")
    assert read(cloud, name, HOME, "a") == {"pk": s("a")}


@pytest.mark.parametrize("witness", ["", OREGON])
def test_a_region_alone_neither_writes_nor_reads_consistently(cloud: Running, witness: str) -> None:
    """A region that is cut off answers old values only where that is asked for; the others go on, and afterwards nothing is missing."""
    name = make_strong(cloud, witness=witness)
    put(cloud, name, HOME, "a", v=s("old"))
    cloud.run(cloud.app.cloud.links.cut(HOME))
    put(cloud, name, OHIO, "a", v=s("new"))
    put(cloud, name, OHIO, "b")
    key = {"pk": s("a")}
    assert failure(db(cloud).put_item, TableName=name, Item={"pk": s("c")})[0] == "InternalServerError"
    assert failure(db(cloud).get_item, TableName=name, Key=key, ConsistentRead=True)[0] == "InternalServerError"
    assert failure(db(cloud).scan, TableName=name, ConsistentRead=True)[0] == "InternalServerError"
    wish = {name: {"Keys": [key], "ConsistentRead": True}}
    assert failure(db(cloud).batch_get_item, RequestItems=wish)[0] == "InternalServerError"
    assert read(cloud, name, HOME, "a", consistent=False)["v"] == s("old")
    cloud.run(cloud.app.cloud.links.heal())
    cloud.settle()
    assert read(cloud, name, HOME, "a")["v"] == s("new")
    assert db(cloud).scan(TableName=name, ConsistentRead=True)["Count"] == 2
    put(cloud, name, HOME, "c")
    assert read(cloud, name, OHIO, "c") == {"pk": s("c")}


def test_a_cut_between_two_goes_round_by_the_third(cloud: Running) -> None:
    """Two of three regions that do not see each other still have the third between them."""
    name = make_strong(cloud)
    cloud.run(cloud.app.cloud.links.cut(HOME, OHIO))
    put(cloud, name, HOME, "a")
    assert read(cloud, name, OHIO, "a") == {"pk": s("a")}
    cloud.run(cloud.app.cloud.links.heal())
    cloud.settle()


def test_writes_of_one_item_in_two_regions_at_once(cloud: Running) -> None:
    """The second of two writes that are under way at the same time is refused; other items are not concerned, nor is the same region."""
    name = make_strong(cloud)
    invoke = cloud.app.cloud.invoke

    async def both(*places: tuple[str, str]) -> list[Any]:
        writes = [invoke("dynamodb:PutItem", {"TableName": name, "Item": {"pk": s(pk)}}, caller=ROOT, region=region) for region, pk in places]
        return await asyncio.gather(*writes, return_exceptions=True)

    first, second = cloud.run(both((HOME, "a"), (OHIO, "a")))
    assert first == {} and isinstance(second, ServiceError) and second.code == "ReplicatedWriteConflictException"
    assert cloud.run(both((HOME, "b"), (OHIO, "c"))) == [{}, {}]
    assert cloud.run(both((HOME, "d"), (HOME, "d"))) == [{}, {}]


def test_no_transactions_no_expiry(cloud: Running) -> None:
    """What strongly consistent tables do not take, as documented."""
    name = make_strong(cloud)
    put = {"Put": {"TableName": name, "Item": {"pk": s("a")}}}
    assert "not supported" in invalid(db(cloud).transact_write_items, TransactItems=[put])
    assert "not supported" in invalid(db(cloud).transact_get_items, TransactItems=[{"Get": {"TableName": name, "Key": {"pk": s("a")}}}])
    wish = {"TableName": name, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    assert "not supported" in invalid(db(cloud).update_time_to_live, **wish)


STRONG = {"MultiRegionConsistency": "STRONG"}


def creates(*regions: str) -> list[dict[str, Any]]:
    return [{"Create": {"RegionName": region}} for region in regions]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({**STRONG, "ReplicaUpdates": creates(OHIO)}, "Unsupported replica count for global tables with MultiRegionConsistency set to STRONG."),
        ({**STRONG, "ReplicaUpdates": creates(OHIO, OREGON, "eu-west-1")}, "Unsupported replica count"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO, "us-west-1")}, "Unsupported Region(s) specified"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO, "eu-west-1")}, "must be within the same Region set"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO), "GlobalTableWitnessUpdates": creates("eu-west-1")}, "must be within the same Region set"),
        ({**STRONG, "ReplicaUpdates": creates("us-west-1")}, "Unsupported replica count"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO, OREGON), "DeletionProtectionEnabled": True}, "must not also modify other fields"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO), "GlobalTableWitnessUpdates": creates(OHIO)}, "Cannot target multiple regions with the same action"),
        ({**STRONG, "ReplicaUpdates": creates(OHIO), "GlobalTableWitnessUpdates": creates(HOME)}, "Cannot add a witness in the same region as an existing"),
        ({"ReplicaUpdates": creates(OHIO), "GlobalTableWitnessUpdates": creates(OREGON)}, "MultiRegionConsistency must be set as STRONG when"),
        ({"GlobalTableWitnessUpdates": creates(OREGON)}, "ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled"),
        (STRONG, "ReplicaTransitRoleArn, DeletionProtectionEnabled"),
    ],
)
def test_refused_beginnings(cloud: Running, request_: Any, message: str) -> None:
    """Three regions of one set, or two and a witness, and nothing else; their number is looked at first."""
    name = make_table(cloud)
    assert message in invalid(db(cloud).update_table, TableName=name, **request_)


def test_a_witness_is_no_table(cloud: Running) -> None:
    """So there may be one of that name in its region."""
    name = make_table(cloud)
    db(cloud).update_table(TableName=name, **STRONG, ReplicaUpdates=creates(OREGON), GlobalTableWitnessUpdates=creates(OHIO))
    cloud.advance("1s")
    put(cloud, name, HOME, "a")
    assert read(cloud, name, OREGON, "a") == {"pk": s("a")}
    schema = {"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "x", "AttributeType": "S"}]}
    made = db(cloud, OHIO).create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **schema)["TableDescription"]
    assert "Replicas" not in made and made["TableStatus"] == "CREATING"


def test_only_empty_plain_tables_begin(cloud: Running) -> None:
    """A table with items, with local indexes or with a time to live cannot become strongly consistent."""
    wish = {**STRONG, "ReplicaUpdates": creates(OHIO, OREGON)}
    full = make_table(cloud)
    put(cloud, full, HOME, "a")
    assert "must be empty" in invalid(db(cloud).update_table, TableName=full, **wish)
    local = make_table(cloud, "S", "S", more={"x": "S"}, LocalSecondaryIndexes=[index("by-x", "pk", "x")])
    assert "Local secondary indexes" in invalid(db(cloud).update_table, TableName=local, **wish)
    expiring = make_table(cloud)
    db(cloud).update_time_to_live(TableName=expiring, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    cloud.advance("1s")
    assert "Time to live" in invalid(db(cloud).update_table, TableName=expiring, **wish)


@pytest.mark.parametrize("witness", ["", OREGON])
def test_it_ends_as_a_whole(cloud: Running, witness: str) -> None:
    """No single replica can go; when all others go at once, what stays is an ordinary table with all the items."""
    name = make_strong(cloud, witness=witness)
    put(cloud, name, OHIO, "a")
    delete = [{"Delete": {"RegionName": OHIO}}]
    alone = "Deletion of only one table replica is not supported for global tables with MultiRegionConsistency set to STRONG."
    refused = "Update table delete operation does not include all witnesses." if witness else alone
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=delete) == refused
    assert invalid(db(cloud, OHIO).delete_table, TableName=name) == alone
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=creates("eu-west-1")) == (
        "Cannot add replicas to a global table with strong MultiRegionConsistency"
    )
    assert "replica count" in invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=creates("eu-west-1"), MultiRegionConsistency="STRONG")
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=creates("eu-west-1"), MultiRegionConsistency="EVENTUAL") == (
        "MultiRegionConsistency parameter is unsupported on existing global table"
    )
    more: dict[str, Any] = {"GlobalTableWitnessUpdates": [{"Delete": {"RegionName": witness}}]} if witness else {}
    all_others = {"ReplicaUpdates": delete if witness else [*delete, {"Delete": {"RegionName": OREGON}}], **more}
    db(cloud).update_table(TableName=name, DeletionProtectionEnabled=True)
    assert failure(db(cloud).update_table, TableName=name, **all_others)[0] == "ResourceInUseException"
    cloud.advance("1s")
    assert not db(cloud, OHIO).describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]
    going = db(cloud).update_table(TableName=name, **all_others)["TableDescription"]
    assert going["TableStatus"] == "UPDATING" and {one["ReplicaStatus"] for one in going["Replicas"]} == {"ACTIVE"}
    assert [one["WitnessStatus"] for one in going.get("GlobalTableWitnesses", ())] == (["ACTIVE"] if witness else [])
    cloud.advance("1s")
    table = db(cloud).describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE" and "Replicas" not in table and "GlobalTableWitnesses" not in table
    assert failure(db(cloud, OHIO).describe_table, TableName=name)[0] == "ResourceNotFoundException"
    put(cloud, name, HOME, "b")
    assert db(cloud).scan(TableName=name)["Count"] == 2


def test_streams_are_each_region_s_own(cloud: Running) -> None:
    """A stream is switched on where it is wanted, and tells there of what all regions write."""
    name = make_strong(cloud)
    db(cloud, OHIO).update_table(TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    cloud.advance("1s")
    assert "StreamSpecification" not in db(cloud).describe_table(TableName=name)["Table"]
    put(cloud, name, HOME, "a")
    arn = db(cloud, OHIO).describe_table(TableName=name)["Table"]["LatestStreamArn"]
    streams = cloud.client("dynamodbstreams", region=OHIO)
    assert [record["eventName"] for record in stream_records(streams, arn)] == ["INSERT"]
