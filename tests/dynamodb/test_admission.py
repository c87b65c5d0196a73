"""What may be changed while a table is being changed, and what it shows meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table
from tests.support.running import Running

IN_USE = "Attempt to change a resource which is still in use: "
PREFIX = "One or more parameter values were invalid: "
DEFINED = [{"AttributeName": "pk", "AttributeType": "S"}]
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
NO_STREAM = {"StreamSpecification": {"StreamEnabled": False}}
RARE = {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
USUAL = {"TableClass": "STANDARD"}
MAXIMUM = {"OnDemandThroughput": {"MaxReadRequestUnits": 5}}
INDEX = {"AttributeDefinitions": DEFINED, "GlobalSecondaryIndexUpdates": [{"Create": index("by-pk", "pk")}]}


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def units(read: int, write: int) -> dict[str, Any]:
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def provisioned(read: int, write: int) -> dict[str, Any]:
    return {"BillingMode": "PROVISIONED", **units(read, write)}


def warm(reads: int) -> dict[str, Any]:
    return {"WarmThroughput": {"ReadUnitsPerSecond": reads}}


def described(db: Any, table: str) -> dict[str, Any]:
    return dict(db.describe_table(TableName=table)["Table"])


def update(db: Any, table: str, **changes: Any) -> dict[str, Any]:
    return dict(db.update_table(TableName=table, **changes)["TableDescription"])


def refused(db: Any, table: str, changes: dict[str, Any]) -> str:
    """What a ResourceInUseException says behind its beginning."""
    code, message = failure(db.update_table, TableName=table, **changes)
    assert code == "ResourceInUseException" and message.startswith(IN_USE), (code, message)
    return message.removeprefix(IN_USE)


def shown(table: dict[str, Any]) -> tuple[Any, ...]:
    """Status, mode, units and warm throughput of a description."""
    capacity = table["ProvisionedThroughput"]
    mode = table.get("BillingModeSummary", {}).get("BillingMode")
    ready = (table["WarmThroughput"]["ReadUnitsPerSecond"], table["WarmThroughput"]["WriteUnitsPerSecond"])
    return table["TableStatus"], mode, (capacity["ReadCapacityUnits"], capacity["WriteCapacityUnits"]), ready


def test_while_units_or_modes_change(cloud: Running, db: Any) -> None:
    """Units, streams, classes, indexes and the end have to wait, each told so in its own words; protection and warm throughput have not. What was on demand stays so in an answer only."""
    table = make_table(cloud)
    busy = f"Table IOPS are currently being updated. Table: {table}"
    others = {
        "stream": (STREAM, f"Can't enable or disable stream while table IOPS are being updated. Table: {table}"),
        "class": (RARE, f"Can't update table class while table IOPS are being updated. Table: {table}"),
        "index": (INDEX, f"Can't create or delete indexes while table IOPS are being updated. Table: {table}"),
        "units": (units(2, 2), busy),
    }

    def check_others() -> None:
        for changes, message in others.values():
            assert refused(db, table, changes) == message
        code, message = failure(db.delete_table, TableName=table)
        assert (code, message) == ("ResourceInUseException", f"{IN_USE}Table: {table} is in the process of being updated.")

    since = described(db, table)["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"]
    assert shown(update(db, table, **provisioned(1, 1))) == ("UPDATING", "PROVISIONED", (1, 1), (12_000, 4_000))
    check_others()
    assert refused(db, table, MAXIMUM) == "OnDemandThroughput cannot be updated while BillingMode update is in progress"
    assert shown(update(db, table, **ON_DEMAND)) == ("UPDATING", "PAY_PER_REQUEST", (0, 0), (12_000, 4_000))
    assert shown(described(db, table))[:3] == ("UPDATING", "PROVISIONED", (1, 1))
    assert update(db, table, DeletionProtectionEnabled=False)["TableStatus"] == "UPDATING"
    answer = update(db, table, **warm(13_000))
    assert (answer["TableStatus"], answer["WarmThroughput"]["Status"]) == ("UPDATING", "UPDATING")
    cloud.advance("1s")
    found = described(db, table)
    assert shown(found) == ("ACTIVE", "PROVISIONED", (1, 1), (13_000, 4_000)) and found["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] == since
    assert not {"LastIncreaseDateTime", "LastDecreaseDateTime"} & set(found["ProvisionedThroughput"])

    update(db, table, **units(2, 2))
    others["units"] = (units(3, 3), busy)
    check_others()
    assert refused(db, table, ON_DEMAND) == refused(db, table, provisioned(3, 3)) == busy
    cloud.advance("1s")
    assert update(db, table, **ON_DEMAND, **MAXIMUM)["OnDemandThroughput"] == MAXIMUM["OnDemandThroughput"]
    check_others()
    assert refused(db, table, ON_DEMAND) == refused(db, table, provisioned(2, 2)) == busy
    assert invalid(db.update_table, TableName=table, **MAXIMUM) == PREFIX + (
        "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
    )


def test_while_a_stream_or_a_class_changes(cloud: Running, db: Any) -> None:
    """A stream shows at once, a class when it is there; other settings of the table do not wait for either."""
    table = make_table(cloud)
    for switch, doing in ((STREAM, "ENABLE"), (NO_STREAM, "DISABLE")):
        answer = update(db, table, **switch)
        assert answer["TableStatus"] == "UPDATING" and ("StreamSpecification" in answer) == (doing == "ENABLE")
        place = f"when stream status is being updated. Table: {table} Stream: {answer['LatestStreamLabel']} Operation: {doing}"
        assert refused(db, table, NO_STREAM) == refused(db, table, STREAM) == f"A stream status change is currently in progress. {place.partition('. ')[2]}"
        assert refused(db, table, provisioned(1, 1)) == f"Can't change table IOPS {place}"
        assert refused(db, table, RARE) == f"Can't update table class {place}"
        assert refused(db, table, INDEX) == f"Can't create or delete an index {place}"
        assert refused(db, table, MAXIMUM) == "OnDemandThroughput cannot be updated while stream status update is in progress"
        assert failure(db.delete_table, TableName=table)[1] == f"{IN_USE}Cannot delete table while stream is being enabled/disabled."
        assert update(db, table, **ON_DEMAND)["TableStatus"] == update(db, table, **warm(12_000))["TableStatus"] == "UPDATING"
        cloud.advance("1s")
    summaries = [described(db, table).get("TableClassSummary")]
    for wanted in (RARE, USUAL):
        answer = update(db, table, **wanted)
        assert (answer["TableStatus"], answer.get("TableClassSummary")) == ("UPDATING", summaries[-1]) and described(db, table).get("TableClassSummary") == summaries[-1]
        state = f"TableClassUpdateInProgress: {wanted['TableClass']}"
        place = f"when a table class update is in progress. Table: {table} {state}"
        assert refused(db, table, RARE) == refused(db, table, USUAL) == f"Can't update table class {place}"
        assert refused(db, table, STREAM) == f"Can't change stream status {place}"
        assert refused(db, table, INDEX) == f"Can't create or delete an index {place}"
        assert refused(db, table, MAXIMUM) == f"OnDemandThroughput cannot be updated while TableClass update is in progress. {state}"
        assert failure(db.delete_table, TableName=table)[1] == f"{IN_USE}Table: {table} is in the process of being updated."
        assert update(db, table, DeletionProtectionEnabled=False)["TableStatus"] == update(db, table, **warm(12_000))["TableStatus"] == "UPDATING"
        cloud.advance("1s")
        summaries.append(described(db, table)["TableClassSummary"])
        assert summaries[-1]["TableClass"] == wanted["TableClass"] and "LastUpdateDateTime" in summaries[-1]
    limit = "Subscriber limit exceeded: Updates to TableClass are limited to 2 times in 30 day(s)."
    assert failure(db.update_table, TableName=table, **USUAL) == ("LimitExceededException", limit)  # It has this class already, but may not even say so.


def test_warm_throughput_holds_up_only_the_end(cloud: Running, db: Any) -> None:
    """The table stays ACTIVE and takes changes, also of the warm throughput, of which the last one counts; it cannot be deleted until it is there."""
    table = make_table(cloud)
    update(db, table, **warm(13_000))
    assert failure(db.delete_table, TableName=table)[1] == f"{IN_USE}Table: {table} is in the process of being updated."
    assert update(db, table, **MAXIMUM)["TableStatus"] == "ACTIVE"
    answer = update(db, table, **warm(14_000))
    assert (answer["TableStatus"], answer["WarmThroughput"]["Status"], answer["WarmThroughput"]["ReadUnitsPerSecond"]) == ("ACTIVE", "UPDATING", 12_000)
    cloud.advance("1s")
    assert described(db, table)["WarmThroughput"]["ReadUnitsPerSecond"] == 14_000
    assert db.delete_table(TableName=table)["TableDescription"]["TableStatus"] == "DELETING"


def test_what_changes_nothing_is_answered_as_an_update(cloud: Running, db: Any) -> None:
    """The mode on demand, the class and the protection that a table has may be said again: nothing is UPDATING, nothing counts, no pause begins, nothing of a class shows up."""
    table = make_table(cloud)
    before = described(db, table)
    for same in (ON_DEMAND, USUAL, USUAL, USUAL, {**ON_DEMAND, "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "N"}]}):
        assert update(db, table, **same) == {**before, "TableStatus": "UPDATING"}
        assert described(db, table) == before
    for wanted in (False, False, True):
        assert update(db, table, DeletionProtectionEnabled=wanted)["TableStatus"] == "ACTIVE"
    for wanted in (True, False):
        code, message = failure(db.update_table, TableName=table, DeletionProtectionEnabled=wanted)
        assert code == "ThrottlingException" and message.endswith("Z")
    nothing = invalid(db.update_table, TableName=table)
    assert nothing.startswith("At least one of ProvisionedThroughput, BillingMode, ") and nothing.endswith(" OnDemandThroughput, WarmThroughput or TableClass is required")
    for empty in ({"OnDemandThroughput": {}}, {"WarmThroughput": {}}, {"AttributeDefinitions": DEFINED}):
        assert invalid(db.update_table, TableName=table, **empty) == nothing


def test_units_and_modes_in_answers(cloud: Running, db: Any) -> None:
    """Old units and counts with the date of the request, until the update is done; a table that was never on demand says nothing of modes, and one on the way there is not warmer yet."""
    table = make_table(cloud, **provisioned(5, 5))
    made = described(db, table)["CreationDateTime"]
    answer = update(db, table, **provisioned(4, 6))
    assert answer == described(db, table) and shown(answer) == ("UPDATING", None, (5, 5), (5, 5))
    capacity = answer["ProvisionedThroughput"]
    assert capacity["NumberOfDecreasesToday"] == 0 and made < capacity["LastIncreaseDateTime"] == capacity["LastDecreaseDateTime"]
    cloud.advance("1s")
    found = described(db, table)
    assert shown(found) == ("ACTIVE", None, (4, 6), (5, 6)) and found["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    decreased = found["ProvisionedThroughput"]["LastDecreaseDateTime"]
    assert capacity["LastDecreaseDateTime"] < decreased

    both = invalid(db.update_table, TableName=table, **ON_DEMAND, **units(5, 5))
    assert both == PREFIX + "ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST"
    assert "Neither ReadCapacityUnits nor WriteCapacityUnits" in invalid(db.update_table, TableName=make_table(cloud), **units(5, 5))
    answer = update(db, table, **ON_DEMAND, **STREAM)
    assert shown(answer) == ("UPDATING", "PAY_PER_REQUEST", (0, 0), (5, 6)) and answer["StreamSpecification"]["StreamEnabled"]
    assert answer["BillingModeSummary"] == ON_DEMAND and answer["ProvisionedThroughput"]["LastDecreaseDateTime"] > decreased
    cloud.advance("1s")
    found = described(db, table)
    assert shown(found) == ("ACTIVE", "PAY_PER_REQUEST", (0, 0), (12_000, 4_000)) and found["ProvisionedThroughput"]["LastDecreaseDateTime"] == decreased
    assert found["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] > decreased
    # A maximum that goes is told of once more.
    update(db, table, OnDemandThroughput={"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500})
    for gone, told, left in (("Read", {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 500}, {"MaxWriteRequestUnits": 500}), ("Write", {"MaxWriteRequestUnits": -1}, None)):
        assert update(db, table, OnDemandThroughput={f"Max{gone}RequestUnits": -1})["OnDemandThroughput"] == told
        assert described(db, table).get("OnDemandThroughput") == left


def test_answers_of_create_table(cloud: Running, db: Any) -> None:
    """Warm throughput that nobody asked for, and the date of the mode, show only later."""
    key: dict[str, Any] = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": DEFINED}
    for name, more, warmth in (("plain", {}, False), ("empty", {"WarmThroughput": {}, "OnDemandThroughput": {}}, False), ("warm", warm(12_001), True)):
        made = db.create_table(TableName=f"answer-{name}", **key, **ON_DEMAND, **more)["TableDescription"]
        assert made["BillingModeSummary"] == ON_DEMAND and ("WarmThroughput" in made) == warmth
        cloud.advance("1s")
        found = described(db, f"answer-{name}")
        assert "LastUpdateToPayPerRequestDateTime" in found["BillingModeSummary"] and found["WarmThroughput"]["Status"] == "ACTIVE"
        assert "OnDemandThroughput" not in found


def test_streams_are_asked_for_whole(cloud: Running, db: Any) -> None:
    """A stream that is switched on says what it holds, one that is switched off does not; the request is wrong in itself, whatever the table has."""
    table = make_table(cloud)
    enable, disable = {"StreamEnabled": True}, {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}
    for _ in range(2):
        assert invalid(db.update_table, TableName=table, StreamSpecification=enable) == PREFIX + "If stream is being enabled then UpdateViewType is required"
        assert invalid(db.update_table, TableName=table, StreamSpecification=disable) == PREFIX + "If stream is being disabled, then UpdateViewType must not be specified"
        if "LatestStreamArn" not in described(db, table):
            assert invalid(db.update_table, TableName=table, **NO_STREAM) == f"Table has no stream to disable: TableName: {table}"
            update(db, table, **STREAM)
            cloud.advance("1s")
    assert invalid(db.update_table, TableName=table, **STREAM) == f"Table already has an enabled stream: TableName: {table}"
