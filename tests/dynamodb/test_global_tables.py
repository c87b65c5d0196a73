"""Global tables, eventually consistent: replicas come and go, writes travel, the last writer wins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table, n, s, stream_records
from tests.support.running import Running

HOME, WEST, EUROPE = "us-east-1", "us-west-2", "eu-west-1"


def db(cloud: Running, region: str = HOME) -> Any:
    return cloud.client("dynamodb", region=region)


def add_replica(cloud: Running, name: str, *regions: str, source: str = HOME, **more: Any) -> None:
    for region in regions:
        db(cloud, source).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region, **more}}])
        cloud.advance("1s")


def global_table(cloud: Running, *regions: str, **parameters: Any) -> str:
    name = make_table(cloud, **parameters)
    add_replica(cloud, name, *(regions or (WEST,)))
    return name


def put(cloud: Running, name: str, region: str, pk: str, **attributes: Any) -> None:
    db(cloud, region).put_item(TableName=name, Item={"pk": s(pk), **attributes})


def get(cloud: Running, name: str, region: str, pk: str) -> Any:
    return db(cloud, region).get_item(TableName=name, Key={"pk": s(pk)}).get("Item")


def items(cloud: Running, name: str, region: str) -> dict[str, Any]:
    pages = db(cloud, region).get_paginator("scan").paginate(TableName=name)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


def cut(cloud: Running, region: str, other: str = "") -> None:
    cloud.run(cloud.app.cloud.links.cut(region, other))


def heal(cloud: Running) -> None:
    cloud.run(cloud.app.cloud.links.heal())
    cloud.advance("1s")


def test_replica_is_made_and_described(cloud: Running) -> None:
    """The life cycle that deployment tools wait for: CREATING until the replica holds what the table holds, then ACTIVE on both sides. The answer that begins
    it does not show the new replica yet."""
    name = make_table(cloud)
    made = db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])["TableDescription"]
    assert made["TableStatus"] == "UPDATING"
    assert made["GlobalTableVersion"] == "2019.11.21" and "MultiRegionConsistency" not in made
    assert made["Replicas"] == [] and made["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert states(cloud, name) == ("UPDATING", {WEST: "CREATING"})
    assert states(cloud, name, WEST) == ("CREATING", {HOME: "ACTIVE"}) and "LatestStreamArn" not in db(cloud, WEST).describe_table(TableName=name)["Table"]
    cloud.advance("1s")
    for region, other in ((HOME, WEST), (WEST, HOME)):
        table = db(cloud, region).describe_table(TableName=name)["Table"]
        assert table["TableStatus"] == "ACTIVE"
        assert [(one["RegionName"], one["ReplicaStatus"]) for one in table["Replicas"]] == [(other, "ACTIVE")]
        assert table["Replicas"][0]["WarmThroughput"]["Status"] == "ACTIVE" and "ReplicaArn" not in table["Replicas"][0]
        assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        assert table["GlobalTableSettingsReplicationMode"] == "ENABLED_WITH_OVERRIDES" and table["DisassociationProtectionEnabled"]
    assert failure(db(cloud, WEST).create_table, **_plain(name))[0] == "ResourceInUseException"


def test_a_replica_that_is_being_filled(cloud: Running) -> None:
    """Nothing but DescribeTable knows of it there, it cannot be deleted, and what all replicas share waits for it; the table that it is filled from stays."""
    name = make_table(cloud)
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    west, missing = db(cloud, WEST), ("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    expiry = {"TableName": name, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    assert failure(west.get_item, TableName=name, Key={"pk": s("a")})[0] == missing[0]
    assert failure(west.update_table, TableName=name, DeletionProtectionEnabled=True) == missing
    assert failure(west.delete_table, TableName=name) == (
        "ResourceInUseException",
        f"Attempt to change a resource which is still in use: Table: {name} is being used.",
    )
    coming = f"Create/Update/Delete of replica is not allowed while the replica is being added to table with name: \u2018{name}\u2019 in region: \u2018{WEST}\u2019."
    assert invalid(west.update_table, TableName=name, ReplicaUpdates=[{"Create": {"RegionName": EUROPE}}]) == coming
    assert "acted as a source region" in invalid(west.update_table, TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": HOME}}])
    assert failure(west.describe_time_to_live, TableName=name) == failure(west.update_time_to_live, **expiry) == missing
    assert failure(west.describe_continuous_backups, TableName=name) == ("TableNotFoundException", f"Table not found: {name}")
    assert invalid(db(cloud).update_time_to_live, **expiry) == coming


def states(cloud: Running, name: str, region: str = HOME) -> tuple[str, dict[str, str]]:
    """The state of a table, and of its replicas as they look from there."""
    table = db(cloud, region).describe_table(TableName=name)["Table"]
    return table["TableStatus"], {one["RegionName"]: one["ReplicaStatus"] for one in table.get("Replicas", ())}


def _plain(name: str) -> dict[str, Any]:
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }


def test_writes_travel_both_ways_after_a_moment(cloud: Running) -> None:
    """Replication takes its time (nothing is there at once), knows put, update and delete, and leaves no attribute of its own."""
    name = global_table(cloud)
    put(cloud, name, HOME, "a", v=n(1))
    assert get(cloud, name, WEST, "a") is None
    cloud.advance("1s")
    assert get(cloud, name, WEST, "a") == {"pk": s("a"), "v": n(1)}
    db(cloud, WEST).update_item(TableName=name, Key={"pk": s("a")}, UpdateExpression="ADD v :one", ExpressionAttributeValues={":one": n(1)})
    cloud.advance("1s")
    assert get(cloud, name, HOME, "a") == {"pk": s("a"), "v": n(2)}
    db(cloud).delete_item(TableName=name, Key={"pk": s("a")})
    cloud.advance("1s")
    assert items(cloud, name, WEST) == {}


def test_last_writer_wins_after_a_cut(cloud: Running) -> None:
    """A region is cut off, both sides write, the cut heals: both hold what was written last, and nothing else is lost."""
    name = global_table(cloud, WEST, EUROPE)
    put(cloud, name, HOME, "both", v=s("first"))
    put(cloud, name, HOME, "deleted", v=s("first"))
    put(cloud, name, HOME, "revived", v=s("first"))
    cloud.advance("1s")
    cut(cloud, WEST)
    put(cloud, name, HOME, "both", v=s("home"))
    db(cloud, WEST).delete_item(TableName=name, Key={"pk": s("revived")})
    put(cloud, name, WEST, "deleted", v=s("west"))
    cloud.advance("1s")
    put(cloud, name, WEST, "both", v=s("west, later"))
    db(cloud).delete_item(TableName=name, Key={"pk": s("deleted")})
    put(cloud, name, HOME, "revived", v=s("again"))
    put(cloud, name, HOME, "only home", v=s("x"))
    put(cloud, name, WEST, "only west", v=s("y"))
    cloud.advance("10s")
    assert get(cloud, name, EUROPE, "both")["v"] == s("home")
    assert get(cloud, name, WEST, "only home") is None
    heal(cloud)
    expected = {"both": "west, later", "revived": "again", "only home": "x", "only west": "y"}
    for region in (HOME, WEST, EUROPE):
        assert {pk: item["v"]["S"] for pk, item in items(cloud, name, region).items()} == expected, region


def test_same_instant_is_decided_alike_everywhere(cloud: Running) -> None:
    """Two writes at one and the same time: all regions choose the same one."""
    name = global_table(cloud)
    put(cloud, name, HOME, "a", v=s("home"))
    put(cloud, name, WEST, "a", v=s("west"))
    cloud.advance("1s")
    assert get(cloud, name, HOME, "a") == get(cloud, name, WEST, "a") == {"pk": s("a"), "v": s("west")}


def test_conditions_look_at_their_own_region(cloud: Running) -> None:
    """A conditional write knows nothing of what is still under way, as documented."""
    name = global_table(cloud)
    put(cloud, name, HOME, "a", v=s("home"))
    db(cloud, WEST).put_item(TableName=name, Item={"pk": s("a"), "v": s("west")}, ConditionExpression="attribute_not_exists(pk)")
    cloud.advance("1s")
    assert get(cloud, name, HOME, "a") == get(cloud, name, WEST, "a")
    assert failure(db(cloud).put_item, TableName=name, Item={"pk": s("a")}, ConditionExpression="attribute_not_exists(pk)")[0] == (
        "ConditionalCheckFailedException"
    )


def test_transactions_travel_item_by_item(cloud: Running) -> None:
    """All items of a transaction arrive; it was one transaction only where it was made."""
    name = global_table(cloud)
    db(cloud).transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": {"pk": s(pk)}}} for pk in "abc"])
    cloud.advance("1s")
    assert sorted(items(cloud, name, WEST)) == ["a", "b", "c"]


def test_indexes_and_streams_of_the_replica_follow(cloud: Running) -> None:
    """A write that came from elsewhere is in the replica's indexes and, without any identity, in its stream."""
    name = global_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    put(cloud, name, HOME, "a", g=s("x"))
    cloud.advance("1s")
    found = db(cloud, WEST).query(
        TableName=name, IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": s("x")}
    )
    assert found["Count"] == 1
    records = records_of(cloud, name, WEST)
    assert [record["eventName"] for record in records] == ["INSERT"]
    assert records[0]["awsRegion"] == WEST and "userIdentity" not in records[0]


def records_of(cloud: Running, name: str, region: str) -> list[Any]:
    arn = db(cloud, region).describe_table(TableName=name)["Table"]["LatestStreamArn"]
    streams = cloud.client("dynamodbstreams", region=region)
    return stream_records(streams, arn)


def test_expired_items_are_deleted_once(cloud: Running) -> None:
    """Time to live is the same everywhere; the item expires where it was written, and only there the stream says that the service deleted it."""
    name = global_table(cloud)
    db(cloud).update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    cloud.advance("1s")
    assert db(cloud, WEST).describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    ends = cloud.clock.now() // 10**9 + 60
    put(cloud, name, WEST, "a", ends=n(ends))
    cloud.advance("5m")
    assert items(cloud, name, HOME) == items(cloud, name, WEST) == {}
    west, home = records_of(cloud, name, WEST)[-1], records_of(cloud, name, HOME)[-1]
    assert west["eventName"] == home["eventName"] == "REMOVE"
    assert west["userIdentity"]["PrincipalId"] == "dynamodb.amazonaws.com" and "userIdentity" not in home


def test_an_expired_item_that_is_written_again(cloud: Running) -> None:
    """Where it is not written last, an item is not deleted; when it is written there afterwards with its time as it was, it must be, or it stayed for ever."""
    name = global_table(cloud)
    db(cloud).update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    cloud.advance("1s")
    ends = cloud.clock.now() // 10**9 + 60
    put(cloud, name, WEST, "a", ends=n(ends))
    cloud.advance("1s")
    cut(cloud, WEST)
    cloud.advance("3m")
    assert (set(items(cloud, name, HOME)), set(items(cloud, name, WEST))) == ({"a"}, set())
    put(cloud, name, HOME, "a", ends=n(ends), late=s("x"))
    heal(cloud)
    assert set(items(cloud, name, HOME)) == set(items(cloud, name, WEST)) == {"a"}
    cloud.advance("5m")
    assert items(cloud, name, HOME) == items(cloud, name, WEST) == {}
    # It cannot be switched again so soon, nor by way of a replica that comes meanwhile.
    cloud.advance("1h")
    off = {"TableName": name, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "ends"}}
    db(cloud).update_time_to_live(**off)
    cloud.advance("1s")
    add_replica(cloud, name, EUROPE)
    on = {"TableName": name, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    assert "within a fixed interval" in invalid(db(cloud, EUROPE).update_time_to_live, **on)


def test_replica_of_a_full_table(cloud: Running) -> None:
    """More items than one step copies, in every state: untouched, changed and deleted while the copy is under way."""
    name = make_table(cloud)
    for start in range(0, 350, 25):
        writes = [{"PutRequest": {"Item": {"pk": s(f"k{at:03}"), "v": s("old")}}} for at in range(start, start + 25)]
        db(cloud).batch_write_item(RequestItems={name: writes})
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
    put(cloud, name, HOME, "k001", v=s("new"))
    put(cloud, name, HOME, "k349", v=s("new"))
    db(cloud).delete_item(TableName=name, Key={"pk": s("k002")})
    cloud.advance("1s")
    assert items(cloud, name, WEST) == items(cloud, name, HOME)
    assert len(items(cloud, name, WEST)) == 349
    table = db(cloud, WEST).describe_table(TableName=name)["Table"]
    assert table["ItemCount"] == 349 and table["TableStatus"] == "ACTIVE"


def test_third_replica_gets_what_the_second_owes(cloud: Running) -> None:
    """A replica is added while another one is cut off with writes of its own: they arrive at the new one too, and deleted items stay away."""
    name = global_table(cloud)
    for pk in ("kept", "gone"):
        put(cloud, name, HOME, pk)
    cloud.advance("1s")
    cut(cloud, WEST)
    put(cloud, name, WEST, "from west")
    put(cloud, name, WEST, "gone", v=s("west"))
    cloud.advance("1s")
    db(cloud).delete_item(TableName=name, Key={"pk": s("gone")})
    add_replica(cloud, name, EUROPE)
    assert sorted(items(cloud, name, EUROPE)) == ["kept"]
    heal(cloud)
    for region in (HOME, WEST, EUROPE):
        assert sorted(items(cloud, name, region)) == ["from west", "kept"], region


def test_removing_a_replica(cloud: Running) -> None:
    """A replica that goes hands over what it has not sent yet; the last table is an ordinary one again, and its region is free. The others are UPDATING and show
    it as it was, then ACTIVE while it is DELETING; until it is gone nothing else is changed, its region is taken, and the table that it was made from stays."""
    name = global_table(cloud)
    put(cloud, name, WEST, "late")
    removed = db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": WEST}}])["TableDescription"]
    assert removed["TableStatus"] == "UPDATING" and [one["ReplicaStatus"] for one in removed["Replicas"]] == ["ACTIVE"]
    busy = ("ResourceInUseException", "The resource which you are attempting to change is in use.")
    for status, seen in (("UPDATING", "ACTIVE"), ("ACTIVE", "DELETING")):
        assert states(cloud, name) == (status, {WEST: seen})
        assert failure(db(cloud).update_table, TableName=name, DeletionProtectionEnabled=True) == busy
        for change in ({"Create": {"RegionName": EUROPE}}, {"Delete": {"RegionName": WEST}}):
            assert failure(db(cloud).update_table, TableName=name, ReplicaUpdates=[change]) == busy
        assert "already existed as tables" in invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}])
        assert "acted as a source region" in invalid(db(cloud).delete_table, TableName=name)
        assert failure(db(cloud, WEST).delete_table, TableName=name) == busy
        cloud.advance("50ms")
    assert states(cloud, name) == ("ACTIVE", {}) and db(cloud, WEST).describe_table(TableName=name)["Table"]["TableStatus"] == "DELETING"
    db(cloud).update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    cloud.advance("1s")
    assert sorted(items(cloud, name, HOME)) == ["late"]
    table = db(cloud).describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE" and "Replicas" not in table and "GlobalTableVersion" not in table
    assert failure(db(cloud, WEST).describe_table, TableName=name)[0] == "ResourceNotFoundException"
    db(cloud, WEST).create_table(**_plain(name))
    put(cloud, name, HOME, "alone")
    cloud.advance("1s")
    assert items(cloud, name, WEST) == {}
    db(cloud).delete_table(TableName=name)


def test_deleting_the_table_of_one_region(cloud: Running) -> None:
    """DeleteTable takes one replica away, not while another was made from it within a day; a cut keeps it until its writes are safe elsewhere."""
    name = global_table(cloud, WEST, EUROPE)
    assert "acted as a source region" in invalid(db(cloud).delete_table, TableName=name)
    cloud.advance("25h")
    cut(cloud, HOME)
    put(cloud, name, HOME, "last words")
    gone = db(cloud).delete_table(TableName=name)["TableDescription"]
    assert gone["TableStatus"] == "DELETING" and [one["RegionName"] for one in gone["Replicas"]] == [WEST, EUROPE]
    cloud.advance("1m")
    assert db(cloud).describe_table(TableName=name)["Table"]["TableStatus"] == "DELETING"
    assert states(cloud, name, WEST) == ("ACTIVE", {HOME: "DELETING", EUROPE: "ACTIVE"})
    heal(cloud)
    assert failure(db(cloud).describe_table, TableName=name)[0] == "ResourceNotFoundException"
    assert sorted(items(cloud, name, WEST)) == sorted(items(cloud, name, EUROPE)) == ["last words"]
    assert [one["RegionName"] for one in db(cloud, WEST).describe_table(TableName=name)["Table"]["Replicas"]] == [EUROPE]


def test_disassociating_a_replica(cloud: Running) -> None:
    """A replica leaves and stays as a table of its own, once its protection is off and its writes are everywhere."""
    name = global_table(cloud)
    leave = [{"Disassociate": {"RegionName": WEST, "DisassociationMode": "WAIT_FOR_REPLICATION"}}]
    assert "protected" in invalid(db(cloud, WEST).update_table, TableName=name, ReplicaUpdates=leave)
    db(cloud, WEST).update_table(TableName=name, DisassociationProtectionEnabled=False)
    put(cloud, name, WEST, "a")
    cloud.advance("1ms")
    db(cloud, WEST).update_table(TableName=name, ReplicaUpdates=leave)
    cloud.advance("1s")
    put(cloud, name, HOME, "b")
    cloud.advance("1s")
    assert sorted(items(cloud, name, HOME)) == ["a", "b"] and sorted(items(cloud, name, WEST)) == ["a"]
    table = db(cloud, WEST).describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE" and "Replicas" not in table


def test_settings_are_the_same_everywhere(cloud: Running) -> None:
    """Indexes, capacity mode and write capacity follow in all regions; protection, tags and what a replica has of its own do not."""
    name = global_table(cloud)
    db(cloud).update_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )
    cloud.advance("1s")
    put(cloud, name, HOME, "a", g=s("x"))
    cloud.advance("1s")
    wish = {"TableName": name, "IndexName": "by-g", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": s("x")}}
    assert db(cloud, WEST).query(**wish)["Count"] == 1
    db(cloud).update_table(TableName=name, OnDemandThroughput={"MaxReadRequestUnits": 50, "MaxWriteRequestUnits": 60})
    cloud.advance("1s")
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Update": {"RegionName": WEST, "OnDemandThroughputOverride": {"MaxReadRequestUnits": 70}}}])
    cloud.advance("1s")
    db(cloud).update_table(TableName=name, OnDemandThroughput={"MaxReadRequestUnits": 80, "MaxWriteRequestUnits": 90})
    db(cloud).update_table(TableName=name, DeletionProtectionEnabled=True)
    assert states(cloud, name)[0] == states(cloud, name, WEST)[0] == "UPDATING"  # Whatever one table decides for itself, all of them are UPDATING.
    assert failure(db(cloud, WEST).update_table, TableName=name, DeletionProtectionEnabled=True)[0] == "ResourceInUseException"
    cloud.advance("1s")
    table = db(cloud, WEST).describe_table(TableName=name)["Table"]
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 70, "MaxWriteRequestUnits": 90}
    assert not table["DeletionProtectionEnabled"]
    shown = db(cloud).describe_table(TableName=name)["Table"]["Replicas"][0]
    assert shown["OnDemandThroughputOverride"] == {"MaxReadRequestUnits": 70}
    back = db(cloud, WEST).describe_table(TableName=name)["Table"]["Replicas"][0]
    assert back["OnDemandThroughputOverride"] == {"MaxReadRequestUnits": 80}  # Each region calls the other's its own.
    assert "Disabling Stream is not allowed for a Global Table replica." in invalid(db(cloud).update_table, TableName=name, StreamSpecification={"StreamEnabled": False})


def test_a_table_of_that_name_is_in_the_way(cloud: Running) -> None:
    """The message that deployment tools look for."""
    name = make_table(cloud)
    db(cloud, WEST).create_table(**_plain(name))
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}]) == (
        f"Failed to create a the new replica of table with name: \u2018{name}\u2019 because one or more replicas already existed as tables."
    )


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ([{"Create": {"RegionName": HOME}}], "Cannot add or delete the local region through ReplicaUpdates."),
        ([{"Delete": {"RegionName": WEST}}], "Please retry the request without these replicas: [us-west-2]."),
        ([{"Update": {"RegionName": WEST, "TableClassOverride": "STANDARD"}}], "Please retry the request without these replicas: [us-west-2]."),
        ([{"Update": {"RegionName": WEST, "GlobalSecondaryIndexes": [{"IndexName": "by-g"}]}}], "There are no actions specified in the Replica Update Action"),
        ([{"Update": {"RegionName": WEST}}], "There are no actions specified in the Replica Update Action"),
        ([{}], "There are no actions specified in the Replica Update Action"),
        ([{"Create": {"RegionName": WEST}, "Delete": {"RegionName": EUROPE}}], "more than one type of replica actions not allowed"),
        ([{"Create": {"RegionName": WEST}}, {"Delete": {"RegionName": EUROPE}}], "more than one type of replica actions not allowed"),
        ([{"Create": {"RegionName": WEST}}, {"Create": {"RegionName": EUROPE}}], "more than one create or delete replica actions not allowed"),
        ([{"Create": {"RegionName": "us-fake-1"}}], "Region us-fake-1 is not supported. The latest version of global tables are only supported in the following regions: [ap-south-2, ap-south-1, eu-south-1, "),
        ([{"Create": {"RegionName": "EU-WEST-1"}}], "Region EU-WEST-1 is not supported."),
    ],
)
def test_refused_replica_updates(cloud: Running, updates: Any, message: str) -> None:
    """What cannot be done is refused, and nothing of it happens."""
    name = make_table(cloud)
    assert message in invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=updates)
    assert "Replicas" not in db(cloud).describe_table(TableName=name)["Table"]


def test_provisioned_tables_need_scaling(cloud: Running) -> None:
    """A table whose write capacity does not scale gets no replica: the other regions' writes would throttle its own."""
    name = make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=[{"Create": {"RegionName": WEST}}]) == (
        "Table write capacity should either be Pay-Per-Request or AutoScaled."
    )


def test_a_stream_that_is_there_stays_as_it_is(cloud: Running) -> None:
    """Replication does not need both images, as the real service does not: the replica has a stream of the same kind."""
    name = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    add_replica(cloud, name, WEST)
    for region in (HOME, WEST):
        assert db(cloud, region).describe_table(TableName=name)["Table"]["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    put(cloud, name, HOME, "a", v=n(1))
    cloud.advance("1s")
    assert get(cloud, name, WEST, "a") == {"pk": s("a"), "v": n(1)}


def test_one_change_at_a_time(cloud: Running) -> None:
    """Replica updates go alone, and no other change of the table goes while one is under way, though what is no change of the table does; a protected replica
    stays, whichever way it is deleted."""
    name = make_table(cloud)
    create = [{"Create": {"RegionName": WEST}}]
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=create, DeletionProtectionEnabled=True) == (
        "One or more parameter values were invalid: Replica modification must be the only operation in the request"
    )
    db(cloud).update_table(TableName=name, ReplicaUpdates=create)
    busy = ("ResourceInUseException", "The resource which you are attempting to change is in use.")
    update: dict[str, Any] = {"RegionName": WEST, "TableClassOverride": "STANDARD"}
    for change in ({"Create": {"RegionName": EUROPE}}, {"Delete": {"RegionName": WEST}}, {"Update": update}):
        assert failure(db(cloud).update_table, TableName=name, ReplicaUpdates=[change]) == busy
    assert failure(db(cloud).update_table, TableName=name, DeletionProtectionEnabled=True) == busy
    assert failure(db(cloud).update_table, TableName=name, ReplicaUpdates=create) == (
        "ResourceInUseException",
        f"Global table with name: {name} already exists with replicas in regions: {HOME}, {WEST}.",
    )
    assert "[eu-west-1]" in invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": EUROPE}}])
    off = {"TableName": name, "StreamSpecification": {"StreamEnabled": False}}
    assert invalid(db(cloud).update_table, **off).endswith("Disabling Stream is not allowed for a Global Table replica.")
    arn = db(cloud).describe_table(TableName=name)["Table"]["TableArn"]
    db(cloud).tag_resource(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    db(cloud).update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    db(cloud).create_backup(TableName=name, BackupName="meanwhile")
    cloud.advance("1s")
    db(cloud, WEST).update_table(TableName=name, DeletionProtectionEnabled=True)
    assert states(cloud, name)[0] == "UPDATING"
    cloud.advance("1s")
    protected = f"Cannot delete table {name} in region {WEST} because it has deletion protection enabled. Disable deletion protection first."
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": WEST}}]) == protected
    assert invalid(db(cloud, WEST).delete_table, TableName=name) == protected
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": EUROPE}}] * 2)
    cloud.advance("1s")
    assert [one["RegionName"] for one in db(cloud).describe_table(TableName=name)["Table"]["Replicas"]] == [WEST, EUROPE]


def test_replication_waits_for_capacity(cloud: Running) -> None:
    """Writes of other regions use up a replica's write capacity; what it cannot take waits, in order, and arrives later."""
    name = global_table(cloud, OnDemandThroughput={"MaxWriteRequestUnits": 2})
    written = 0
    for region in (HOME, WEST):
        for at in range(1000):
            try:
                put(cloud, name, region, f"{region} {at}")
            except db(cloud, region).exceptions.ThrottlingException:
                break
            written += 1
    cloud.advance("1s")
    assert len(items(cloud, name, HOME)) < written
    cloud.advance("30m")
    assert len(items(cloud, name, HOME)) == len(items(cloud, name, WEST)) == written


def test_latency_is_measured(fresh_cloud: Running) -> None:
    """ReplicationLatency, by table and receiving region, in the region of the writes."""
    seen: list[Any] = []

    async def sink(lines: Any) -> None:
        seen.extend(lines)

    fresh_cloud.app.cloud.metrics.sink = sink
    name = global_table(fresh_cloud)
    put(fresh_cloud, name, HOME, "a")
    fresh_cloud.advance("1m")
    found = [line for line in seen if line.series.name == "ReplicationLatency"]
    assert [(line.series.region, dict(line.series.dimensions), line.sum) for line in found] == [
        (HOME, {"ReceivingRegion": WEST, "TableName": name}, pytest.approx(400, abs=1))
    ]


def test_a_restart_keeps_everything(fresh_cloud: Running) -> None:
    """Replicas, a cut and what waits for its healing are all still there after a restart, and versions go on growing."""
    name = global_table(fresh_cloud)
    put(fresh_cloud, name, HOME, "a", v=n(1))
    fresh_cloud.advance("1s")
    cut(fresh_cloud, WEST)
    for number in range(5):
        put(fresh_cloud, name, HOME, "a", v=n(number))
    fresh_cloud.stop()
    fresh_cloud.start()
    put(fresh_cloud, name, HOME, "a", v=n(9))
    fresh_cloud.advance("1s")
    assert get(fresh_cloud, name, WEST, "a")["v"] == n(1)
    heal(fresh_cloud)
    assert get(fresh_cloud, name, WEST, "a")["v"] == n(9)


def test_permissions_in_both_regions(cloud: Running) -> None:
    """UpdateTable alone does not make a replica: the caller needs CreateTableReplica in the other region and whatever making and filling a table takes,
    and DeleteTableReplica and DeleteTable to remove it. Time to live is switched everywhere at once, so that it takes permission everywhere."""
    iam = cloud.client("iam")
    iam.create_user(UserName="replicator")
    key = iam.create_access_key(UserName="replicator")["AccessKey"]
    client = cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def allow(*statements: tuple[str, str]) -> None:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": f"arn:aws:dynamodb:{region}:*:table/*"} for action, region in statements],
        }
        iam.put_user_policy(UserName="replicator", PolicyName="p", PolicyDocument=json.dumps(document))

    name = make_table(cloud)
    create = [{"Create": {"RegionName": WEST}}]
    allow(("dynamodb:UpdateTable", HOME))
    code, message = failure(client.update_table, TableName=name, ReplicaUpdates=create)
    assert code == "AccessDeniedException" and f"dynamodb:CreateTableReplica on resource: arn:aws:dynamodb:{WEST}:" in message
    allowed = [("dynamodb:UpdateTable", HOME), ("dynamodb:CreateTableReplica", WEST)]
    for action in ("CreateTable", "Scan", "Query", "UpdateItem", "PutItem", "GetItem", "DeleteItem", "BatchWriteItem"):
        allow(*allowed)
        code, message = failure(client.update_table, TableName=name, ReplicaUpdates=create)
        assert code == "AccessDeniedException" and f"dynamodb:{action} on resource: arn:aws:dynamodb:{WEST}:" in message
        allowed.append((f"dynamodb:{action}", WEST))
    allow(*allowed)
    client.update_table(TableName=name, ReplicaUpdates=create)
    cloud.advance("1s")
    specification = {"Enabled": True, "AttributeName": "until"}
    allow(*allowed, ("dynamodb:UpdateTimeToLive", HOME))
    code, message = failure(client.update_time_to_live, TableName=name, TimeToLiveSpecification=specification)
    assert code == "AccessDeniedException" and f"dynamodb:UpdateTimeToLive on resource: arn:aws:dynamodb:{WEST}:" in message
    allow(*allowed, ("dynamodb:UpdateTimeToLive", HOME), ("dynamodb:UpdateTimeToLive", WEST))
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)
    code, message = failure(client.update_table, TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": WEST}}])
    assert code == "AccessDeniedException" and "dynamodb:DeleteTableReplica" in message
    allow(*allowed, ("dynamodb:DeleteTableReplica", WEST))
    code, message = failure(client.update_table, TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": WEST}}])
    assert code == "AccessDeniedException" and "dynamodb:DeleteTable " in message


def test_tables_of_one_name_that_have_nothing_to_do_with_each_other(cloud: Running) -> None:
    """Two global tables of one name in different regions keep to themselves."""
    name = global_table(cloud)
    db(cloud, EUROPE).create_table(**_plain(name))
    cloud.advance("1s")
    add_replica(cloud, name, "eu-central-1", source=EUROPE)
    put(cloud, name, HOME, "a")
    put(cloud, name, EUROPE, "b")
    cloud.advance("1s")
    assert sorted(items(cloud, name, WEST)) == ["a"] and sorted(items(cloud, name, "eu-central-1")) == ["b"]


def test_the_legacy_version_is_no_more(cloud: Running) -> None:
    """Nothing of version 2017.11.29 can be made or found; tables of the current version are not visible to its operations."""
    name = global_table(cloud)
    client = db(cloud)
    group = [{"RegionName": HOME}, {"RegionName": EUROPE}]
    unsupported = "One or more parameter values were invalid: DynamoDB global tables version 2017.11.29 is not supported."
    assert invalid(client.create_global_table, GlobalTableName=name, ReplicationGroup=group).startswith(unsupported)
    create, delete = [{"Create": {"RegionName": EUROPE}}], [{"Delete": {"RegionName": WEST}}]
    assert invalid(client.update_global_table, GlobalTableName=name, ReplicaUpdates=create).startswith(unsupported)
    missing = ("GlobalTableNotFoundException", f"Global table with name: '{name}' does not exist.")
    assert failure(client.update_global_table, GlobalTableName=name, ReplicaUpdates=delete) == missing
    assert failure(client.describe_global_table_settings, GlobalTableName=name) == missing
    assert failure(client.update_global_table_settings, GlobalTableName=name, GlobalTableBillingMode="PROVISIONED") == missing
    assert failure(client.describe_global_table, GlobalTableName=name) == (missing[0], f"Global table not found: {missing[1]}")
    assert client.list_global_tables()["GlobalTables"] == []


def test_backups_of_a_replica(cloud: Running) -> None:
    """What replication wrote is in the replica's recovery log and backups; a table restored from them stands alone."""
    name = global_table(cloud)
    west = db(cloud, WEST)
    west.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    cloud.advance("1m")
    put(cloud, name, HOME, "a", v=n(1))
    cloud.advance("1m")
    backup = west.create_backup(TableName=name, BackupName="all")["BackupDetails"]["BackupArn"]
    put(cloud, name, HOME, "a", v=n(2))
    cloud.advance("10m")
    west.restore_table_from_backup(TargetTableName=f"{name}-b", BackupArn=backup)
    west.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=f"{name}-p", UseLatestRestorableTime=True)
    cloud.advance("1m")
    assert get(cloud, f"{name}-b", WEST, "a")["v"] == n(1) and get(cloud, f"{name}-p", WEST, "a")["v"] == n(2)
    for restored in (f"{name}-b", f"{name}-p"):
        assert "Replicas" not in west.describe_table(TableName=restored)["Table"]
        assert failure(db(cloud).describe_table, TableName=restored)[0] == "ResourceNotFoundException"


def test_an_index_and_its_overrides_live_and_die_everywhere(cloud: Running) -> None:
    """A replica may read from an index with a limit of its own; when the index goes at one replica, it goes at all."""
    name = global_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    own = [{"IndexName": "by-g", "OnDemandThroughputOverride": {"MaxReadRequestUnits": 9}}]
    db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Update": {"RegionName": WEST, "GlobalSecondaryIndexes": own}}])
    cloud.advance("1s")
    shown = db(cloud).describe_table(TableName=name)["Table"]["Replicas"][0]["GlobalSecondaryIndexes"]
    assert [{key: value for key, value in one.items() if key != "WarmThroughput"} for one in shown] == own
    assert shown[0]["WarmThroughput"]["Status"] == "ACTIVE"
    west = db(cloud, WEST).describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"][0]
    assert west["OnDemandThroughput"]["MaxReadRequestUnits"] == 9
    db(cloud, WEST).update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    cloud.advance("1s")
    for region in (HOME, WEST):
        table = db(cloud, region).describe_table(TableName=name)["Table"]
        assert "GlobalSecondaryIndexes" not in table and "GlobalSecondaryIndexes" not in table["Replicas"][0]
        assert table["TableStatus"] == "ACTIVE"


def test_capacity_mode_is_the_same_everywhere(cloud: Running) -> None:
    """A table switched to provisioned capacity at one replica is so at all of them, with the same write capacity. A replica's own reading capacity is told where
    it differs from the region that is asked, is not in the answer that sets it, and is no more when it is as elsewhere."""
    name = global_table(cloud, more={"g": "S", "h": "S"}, GlobalSecondaryIndexes=[index("by-g", "g"), index("by-h", "h")])
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    updates = [{"Update": {"IndexName": one, "ProvisionedThroughput": units}} for one in ("by-g", "by-h")]
    db(cloud, WEST).update_table(TableName=name, BillingMode="PROVISIONED", ProvisionedThroughput=units, GlobalSecondaryIndexUpdates=updates)
    cloud.advance("1s")

    def change(**wanted: Any) -> Any:
        answer = db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Update": {"RegionName": WEST, **wanted}}])["TableDescription"]
        assert answer["TableStatus"] == "UPDATING"
        cloud.advance("1s")
        return answer["Replicas"][0].get("ProvisionedThroughputOverride")

    def reads(region: str = WEST) -> tuple[int, int, Any, list[Any]]:
        table = db(cloud, region).describe_table(TableName=name)["Table"]
        shown = db(cloud, HOME if region == WEST else WEST).describe_table(TableName=name)["Table"]["Replicas"][0]
        indexes = [one.get("ProvisionedThroughputOverride", {}).get("ReadCapacityUnits") for one in shown["GlobalSecondaryIndexes"]]
        throughput = table["ProvisionedThroughput"]
        return throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"], shown.get("ProvisionedThroughputOverride"), indexes

    assert "BillingModeSummary" not in db(cloud).describe_table(TableName=name)["Table"]
    assert reads() == reads(HOME) == (5, 6, None, [None, None])
    assert change(ProvisionedThroughputOverride={"ReadCapacityUnits": 8}) is None
    assert change(ProvisionedThroughputOverride={"ReadCapacityUnits": 8}) == {"ReadCapacityUnits": 8}
    change(GlobalSecondaryIndexes=[{"IndexName": one, "ProvisionedThroughputOverride": {"ReadCapacityUnits": 7}} for one in ("by-g", "by-h")])
    change(GlobalSecondaryIndexes=[{"IndexName": "by-g", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 5}}])
    assert reads() == (8, 6, {"ReadCapacityUnits": 8}, [None, 7])
    assert reads(HOME) == (5, 6, {"ReadCapacityUnits": 5}, [None, 5])
    db(cloud).update_table(TableName=name, ProvisionedThroughput={"ReadCapacityUnits": 7, "WriteCapacityUnits": 9})
    cloud.advance("1s")
    assert reads() == (8, 9, {"ReadCapacityUnits": 8}, [None, 7])
    change(ProvisionedThroughputOverride={"ReadCapacityUnits": 7})
    assert reads()[:3] == reads(HOME)[:3] == (7, 9, None)
    change(ProvisionedThroughputOverride={"ReadCapacityUnits": 8})
    for region, read in ((WEST, 4), (HOME, 6)):  # What a replica with capacity of its own asks for, it asks for all; then it has none of its own.
        db(cloud, region).update_table(TableName=name, ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": 9})
        cloud.advance("1s")
        assert reads()[:3] == reads(HOME)[:3] == (read, 9, None)
    maximum = [{"Update": {"RegionName": WEST, "OnDemandThroughputOverride": {"MaxReadRequestUnits": 9}}}]
    assert invalid(db(cloud).update_table, TableName=name, ReplicaUpdates=maximum) == (
        "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
    )


def test_table_classes(cloud: Running) -> None:
    """A replica's class may be its own and is told once it was set; a change of the table's is made at all of them, as often as each allows."""
    name = global_table(cloud)
    rare = "STANDARD_INFREQUENT_ACCESS"

    def shown() -> Any:
        return db(cloud).describe_table(TableName=name)["Table"]["Replicas"][0].get("ReplicaTableClassSummary")

    def override(wanted: str) -> None:
        db(cloud).update_table(TableName=name, ReplicaUpdates=[{"Update": {"RegionName": WEST, "TableClassOverride": wanted}}])
        assert states(cloud, name) == ("UPDATING", {WEST: "ACTIVE"}) and states(cloud, name, WEST)[0] == "UPDATING"
        cloud.advance("1s")

    override("STANDARD")
    assert shown() is None
    override(rare)
    assert shown()["TableClass"] == rare and shown()["LastUpdateDateTime"]
    assert "TableClassSummary" not in db(cloud).describe_table(TableName=name)["Table"]
    override("STANDARD")
    assert shown()["TableClass"] == "STANDARD"
    assert failure(db(cloud).update_table, TableName=name, TableClass=rare) == (
        "LimitExceededException",
        f"Limit exceeded for replica in {WEST}. Updates to TableClass are limited to 2 times in 30 day(s)",
    )
    name = global_table(cloud)
    db(cloud).update_table(TableName=name, TableClass=rare)
    cloud.advance("1s")
    assert shown()["TableClass"] == db(cloud).describe_table(TableName=name)["Table"]["TableClassSummary"]["TableClass"] == rare
