"""Adding an index to a table that has items: it costs the index's write capacity, takes as long as that takes, and is counted apart."""

from __future__ import annotations

from typing import Any

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from tests.dynamodb.support import failure, index, make_table, s
from tests.dynamodb.test_metrics import collected
from tests.support.running import Running

ATTRIBUTES = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")]


def units(write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": 100, "WriteCapacityUnits": write}


def test_an_index_is_filled_at_the_pace_of_its_write_capacity() -> None:
    """Because an index with too little of it takes long, holds up writes meanwhile, and can be given more or be deleted while it is being filled."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        db: Any = running.client("dynamodb")
        table = make_table(running, BillingMode="PROVISIONED", ProvisionedThroughput=units(100))
        for start in range(0, 400, 25):
            items = [{"PutRequest": {"Item": {"pk": s(str(number)), "g": s(f"g{number}")}}} for number in range(start, start + 25)]
            assert not db.batch_write_item(RequestItems={table: items})["UnprocessedItems"]

        def described() -> tuple[str, list[tuple[str, bool | None]]]:
            found = db.describe_table(TableName=table)["Table"]
            return found["TableStatus"], [(one["IndexStatus"], one.get("Backfilling")) for one in found.get("GlobalSecondaryIndexes", [])]

        def change(**changes: Any) -> dict[str, Any]:
            return {"TableName": table, "AttributeDefinitions": ATTRIBUTES, "GlobalSecondaryIndexUpdates": [changes]}

        def create(name: str) -> dict[str, Any]:
            return change(Create={**index(name, "g", projection="KEYS_ONLY"), "ProvisionedThroughput": units(1)})

        db.update_table(**create("slow"))
        running.advance("10s")
        assert described() == ("ACTIVE", [("CREATING", True)])
        # Five minutes' worth of units were there at once, and one came each second.
        of_index = {"TableName": table, "GlobalSecondaryIndexName": "slow"}
        assert 300 <= sum(collected(running, "OnlineIndexConsumedWriteCapacity", "Sum", **of_index)) <= 311
        # Writes of the table share them: what has come since the last entry is enough for one, and no more.
        db.put_item(TableName=table, Item={"pk": s("new"), "g": s("g")})
        assert failure(db.put_item, TableName=table, Item={"pk": s("newer"), "g": s("g")})[0] == "ProvisionedThroughputExceededException"
        db.put_item(TableName=table, Item={"pk": s("not in it")})
        assert failure(db.update_table, **create("other")) == (
            "LimitExceededException",
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        )
        assert failure(db.delete_table, TableName=table)[0] == "ResourceInUseException"
        running.stop()
        running.start()
        db = running.client("dynamodb")
        db.update_table(**change(Update={"IndexName": "slow", "ProvisionedThroughput": units(1000)}))
        assert described() == ("ACTIVE", [("UPDATING", True)])  # Developer Guide: "Modifying an index creation".
        running.advance("5s")
        assert described() == ("ACTIVE", [("ACTIVE", None)])
        assert db.scan(TableName=table, IndexName="slow", Select="COUNT")["Count"] == 401
        db.put_item(TableName=table, Item={"pk": s("newer"), "g": s("g")})
        running.advance("1m")
        assert sum(collected(running, "OnlineIndexConsumedWriteCapacity", "Sum", **of_index)) == 401
        assert sum(collected(running, "ConsumedWriteCapacityUnits", "Sum", **of_index)) == 1
        assert sum(collected(running, "OnlineIndexThrottleEvents", "Sum", **of_index)) >= 10
        assert not collected(running, "WriteThrottleEvents", "Sum", **of_index)
        db.update_table(**change(Delete={"IndexName": "slow"}))
        running.advance("1s")
        db.update_table(**create("slow"))
        running.advance("1s")
        assert described() == ("ACTIVE", [("CREATING", True)])
        db.update_table(**change(Delete={"IndexName": "slow"}))
        running.advance("2s")
        assert described() == ("ACTIVE", [])


def test_without_limits_an_index_is_filled_at_once() -> None:
    """Because whoever switched capacity off does not want to wait; what it costs is counted all the same."""
    with Running(services=[CloudWatch, DynamoDb], capacity_unlimited=True) as running:
        db: Any = running.client("dynamodb")
        table = make_table(running, BillingMode="PROVISIONED", ProvisionedThroughput=units(1))
        for start in range(0, 325, 25):
            db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s(str(number)), "g": s("g")}}} for number in range(start, start + 25)]})
        create = {**index("at-once", "g"), "ProvisionedThroughput": units(1)}
        db.update_table(TableName=table, AttributeDefinitions=ATTRIBUTES, GlobalSecondaryIndexUpdates=[{"Create": create}])
        running.advance("1s")
        assert db.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
        assert collected(running, "OnlineIndexConsumedWriteCapacity", "Sum", TableName=table, GlobalSecondaryIndexName="at-once") == [325]
