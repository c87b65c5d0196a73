"""What may be changed of a table and its indexes while one of them is made, changed or removed. (Developer Guide: "Managing global secondary indexes")"""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table
from tests.support.running import Running

START = "Attempt to change a resource which is still in use: "
PREFIX = "One or more parameter values were invalid: "
ONE_AT_ONCE = ("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
NOT_DELETED = ("ResourceInUseException", f"{START}Cannot delete table while indexes are being created, updated, or deleted.")
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
DEFINED = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "a", "b", "g")]


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def units(both: int) -> dict[str, int]:
    return {"ReadCapacityUnits": both, "WriteCapacityUnits": both}


def provisioned(name: str, hash_name: str) -> dict[str, Any]:
    return {**index(name, hash_name), "ProvisionedThroughput": units(5)}


def updates(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"AttributeDefinitions": DEFINED, "GlobalSecondaryIndexUpdates": list(changes)}


def update(name: str, both: int) -> dict[str, Any]:
    return {"Update": {"IndexName": name, "ProvisionedThroughput": units(both)}}


def maximum(name: str, most: int) -> dict[str, Any]:
    return {"Update": {"IndexName": name, "OnDemandThroughput": {"MaxReadRequestUnits": most}}}


def delete(name: str) -> dict[str, Any]:
    return {"Delete": {"IndexName": name}}


def states(table: dict[str, Any]) -> tuple[str, dict[str, tuple[str, bool | None]]]:
    return table["TableStatus"], {one["IndexName"]: (one["IndexStatus"], one.get("Backfilling")) for one in table["GlobalSecondaryIndexes"]}


def test_while_an_index_gets_its_resources(cloud: Running, db: Any) -> None:
    """The new index is not touched, no other comes or goes, and the table's capacity and stream stay; other indexes, protection, encryption and tags may change."""
    table = make_table(cloud, more={"a": "S"}, BillingMode="PROVISIONED", ProvisionedThroughput=units(5), GlobalSecondaryIndexes=[provisioned("by-a", "a")])
    made = db.update_table(TableName=table, **updates({"Create": provisioned("by-g", "g")}))["TableDescription"]
    assert states(made) == ("UPDATING", {"by-a": ("ACTIVE", None), "by-g": ("CREATING", False)})
    where, listed = f"Table: {table} Index: by-g", f"Table: {table} Indexes: [by-g]"
    for change, message in (
        ({"ProvisionedThroughput": units(6)}, f"Can't change table IOPS when an index is being created. {listed}"),
        ({"BillingMode": "PAY_PER_REQUEST"}, f"Can't change table IOPS when an index is being created. {listed}"),
        (STREAM, f"Can't change stream status when an index is being created. {listed}"),
        (updates(update("by-g", 6)), f"Index is being created but is not backfilling yet. {where}"),
        (
            updates(delete("by-g")),
            f"Index creation is in resource allocation phase. Retry deletion during backfilling phase or when the index is active. {where}",
        ),
    ):
        assert failure(db.update_table, TableName=table, **change) == ("ResourceInUseException", START + message)
    for change in (updates({"Create": provisioned("by-b", "b")}), updates(delete("by-a"))):
        assert failure(db.update_table, TableName=table, **change) == ONE_AT_ONCE
    again = updates({"Create": provisioned("by-g", "g")})
    assert invalid(db.update_table, TableName=table, **again) == "Attempting to create an index which already exists"
    assert failure(db.delete_table, TableName=table) == NOT_DELETED
    for change in ({"DeletionProtectionEnabled": True}, {"SSESpecification": {"Enabled": True}}):
        assert db.update_table(TableName=table, **change)["TableDescription"]["TableStatus"] == "UPDATING"
    db.tag_resource(ResourceArn=made["TableArn"], Tags=[{"Key": "k", "Value": "v"}])
    changed = db.update_table(TableName=table, **updates(update("by-a", 6)))["TableDescription"]
    assert states(changed) == ("UPDATING", {"by-a": ("UPDATING", None), "by-g": ("CREATING", False)})
    cloud.advance("1s")
    found = db.describe_table(TableName=table)["Table"]
    assert states(found) == ("ACTIVE", {"by-a": ("ACTIVE", None), "by-g": ("ACTIVE", None)})
    assert [one["ProvisionedThroughput"]["ReadCapacityUnits"] for one in found["GlobalSecondaryIndexes"]] == [6, 5]


@pytest.mark.parametrize("mode", ["PROVISIONED", "PAY_PER_REQUEST"])
def test_while_an_index_goes(cloud: Running, db: Any, mode: str) -> None:
    """Its state is looked at before the capacity that a switch of the mode would need; the mode may be said again. Protection does not hold indexes."""
    on_demand = mode == "PAY_PER_REQUEST"
    indexes = [index(name, name[-1]) if on_demand else provisioned(name, name[-1]) for name in ("by-a", "by-b")]
    more: dict[str, Any] = {} if on_demand else {"ProvisionedThroughput": units(5)}
    table = make_table(cloud, more={"a": "S", "b": "S"}, BillingMode=mode, GlobalSecondaryIndexes=indexes, DeletionProtectionEnabled=True, **more)
    going = db.update_table(TableName=table, **updates(delete("by-a")))["TableDescription"]
    assert states(going) == ("UPDATING", {"by-a": ("DELETING", None), "by-b": ("ACTIVE", None)})
    gone, units_stay = f"Index is being deleted. Table: {table} Index: by-a", f"Can't change table IOPS when an index is being deleted. Table: {table} Indexes: [by-a]"
    refused = [
        ({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(6)}, units_stay),
        ({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(6), **updates(update("by-a", 6))}, gone),
        (updates({"Create": indexes[0]}), gone),
        (updates(delete("by-a")), gone),
    ]
    if on_demand:
        stay = "OnDemandThroughput cannot be updated while index deletion is in progress for indexes: [by-a]"
        refused.append(({"OnDemandThroughput": {"MaxReadRequestUnits": 9}}, stay))
    else:
        refused += [({"BillingMode": "PAY_PER_REQUEST"}, units_stay), ({"ProvisionedThroughput": units(6)}, units_stay)]
    for change, message in refused:
        assert failure(db.update_table, TableName=table, **change) == ("ResourceInUseException", START + message)
    assert failure(db.update_table, TableName=table, **updates(delete("by-b"))) == ONE_AT_ONCE
    assert failure(db.delete_table, TableName=table) == NOT_DELETED
    admitted = [updates(maximum("by-b", 9) if on_demand else update("by-b", 9)), {"DeletionProtectionEnabled": False}]
    for change in (*admitted, {"BillingMode": mode}) if on_demand else admitted:
        assert db.update_table(TableName=table, **change)["TableDescription"]["TableStatus"] == "UPDATING"
    cloud.advance("1s")
    found = db.describe_table(TableName=table)["Table"]
    assert states(found) == ("ACTIVE", {"by-b": ("ACTIVE", None)}) and found["AttributeDefinitions"] == [one for one in DEFINED[::-1] if one["AttributeName"] in ("b", "pk")]
    missing = ("ResourceNotFoundException", f"Requested resource not found: Index by-a for table {table}")
    assert failure(db.update_table, TableName=table, **updates(update("by-b", 8), update("by-a", 8))) == missing


def test_what_is_said_of_indexes_on_demand(cloud: Running, db: Any) -> None:
    """Their maximums change at once, and may be said again; one change at a time. Units are not for them, and each mode wants its own kind of index."""
    table = make_table(cloud, more={"a": "S", "b": "S"}, GlobalSecondaryIndexes=[index("by-b", "b"), index("by-a", "a", included=["z", "c", "pk"], projection="INCLUDE")])
    for _ in range(2):
        found = db.update_table(TableName=table, **updates(maximum("by-a", 5000)))["TableDescription"]
        assert states(found) == ("ACTIVE", {"by-b": ("ACTIVE", None), "by-a": ("UPDATING", None)})
        assert found["GlobalSecondaryIndexes"][1]["OnDemandThroughput"] == {"MaxReadRequestUnits": 5000}
        again = failure(db.update_table, TableName=table, **updates(maximum("by-a", 6000)))
        assert again == ("ResourceInUseException", f"{START}Index is being updated. Table: {table} Index: by-a")
        assert failure(db.delete_table, TableName=table) == NOT_DELETED
        cloud.advance("1s")
    assert found["GlobalSecondaryIndexes"][1]["Projection"]["NonKeyAttributes"] == ["c", "pk", "z"]  # By name, as attributes are; indexes stay in their order.
    assert [one["AttributeName"] for one in found["AttributeDefinitions"]] == ["a", "b", "pk"]
    of_new = {"GlobalSecondaryIndexUpdates": [{"Create": index("by-g", "g")}]}
    same_twice = {**of_new, "AttributeDefinitions": [DEFINED[3], DEFINED[3]]}
    of_many = {"IndexName": "many", "Projection": {"ProjectionType": "ALL"}, "KeySchema": [{"AttributeName": f"h{at}", "KeyType": "HASH"} for at in range(5)]}
    many = {"AttributeDefinitions": [{"AttributeName": f"h{at}", "AttributeType": "S"} for at in range(5)], "GlobalSecondaryIndexUpdates": [{"Create": of_many}]}
    for change, message in (
        (updates(update("by-a", 6)), f"{PREFIX}The only Updates for index: by-a when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput"),
        (
            updates({"Create": provisioned("by-g", "g")}),
            f"{PREFIX}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: by-g when BillingMode is PAY_PER_REQUEST",
        ),
        (of_new, f"{PREFIX}AttributeDefinitions is not specified for index: by-g"),
        (same_twice, "Attribute Name is duplicated: g"),
        (many, f"{PREFIX}The KeySchema exceeds the maximum allowed number of HASH key attributes"),
    ):
        assert invalid(db.update_table, TableName=table, **change) == message
    # What is defined without need is not looked at: neither what no key has, nor another type than the key has.
    other = [{"AttributeName": "pk", "AttributeType": "N"}, {"AttributeName": "no-key", "AttributeType": "S"}]
    db.update_table(TableName=table, AttributeDefinitions=other, GlobalSecondaryIndexUpdates=[maximum("by-b", 5)])
    cloud.advance("1s")
    db.update_table(
        TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units(5), AttributeDefinitions=other, GlobalSecondaryIndexUpdates=[update("by-a", 7), update("by-b", 7)]
    )
    cloud.advance("1s")
    described = db.describe_table(TableName=table)["Table"]
    assert described["AttributeDefinitions"] == found["AttributeDefinitions"]
    assert not any("OnDemandThroughput" in one for one in described["GlobalSecondaryIndexes"])
    bare = f"{PREFIX}Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: by-g"
    assert invalid(db.update_table, TableName=table, **updates({"Create": index("by-g", "g")})) == bare
    late = f"{PREFIX}MaxReadRequestUnits for OnDemandThroughput for index : by-a cannot be specified when the table BillingMode is PROVISIONED"
    assert invalid(db.update_table, TableName=table, **updates(maximum("by-a", 9))) == late
    assert invalid(db.update_table, TableName=table, **updates(update("by-a", 7))) == (
        "The provisioned throughput for the index by-a will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for index by-a: 7. Requested ReadCapacityUnits: 7. "
        "Current WriteCapacityUnits provisioned for index by-a: 7. Requested WriteCapacityUnits: 7. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    )
    most = failure(db.update_table, TableName=table, **updates(update("by-a", 40_001)))
    assert most[0] == "LimitExceededException" and most[1].startswith(
        "The requested ReadCapacityUnits for index by-a, 40001, is above the per index maximum for the account in us-east-1. Per table maximum: 40000."
    )
    # A new index goes with a change of another, and with the mode; what a mode ends counts as a decrease of its indexes alone.
    db.update_table(TableName=table, BillingMode="PAY_PER_REQUEST", **updates({"Create": index("by-g", "g")}))
    cloud.advance("1s")
    described = db.describe_table(TableName=table)["Table"]
    assert states(described)[1] == dict.fromkeys(("by-b", "by-a", "by-g"), ("ACTIVE", None))
    assert [one["ProvisionedThroughput"]["NumberOfDecreasesToday"] for one in (described, *described["GlobalSecondaryIndexes"])] == [0, 1, 1, 0]
