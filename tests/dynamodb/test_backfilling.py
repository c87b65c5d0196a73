"""Indexes that are made online: what can be done while they are filled, and what never gets into them (Developer Guide: "Managing global secondary indexes")."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from haneul.clock import Clock
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.service import DynamoDb
from haneul.store.layout import STORE
from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.dynamodb.test_concurrency import call
from tests.store.crashed import copy_as_crashed
from tests.support.running import Running
from tests.support.stores import Overlaid

UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
MORE_UNITS = {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9}
DEFINED = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "o", "g", "r")]
CREATE = {"Create": {**index("by-g", "g", "r"), "ProvisionedThroughput": UNITS}}
ITEMS: dict[str, dict[str, Any]] = {f"in-{number:02}": {"g": s("g"), "r": s(f"{number:02}")} for number in range(20)}
VIOLATING: dict[str, dict[str, Any]] = {
    "wrong type": {"g": n(1), "r": s("1")},
    "empty partition key": {"g": s(""), "r": s("1")},
    "empty sort key": {"g": s("g"), "r": s("")},
    "large partition key": {"g": s("ü" * 1025), "r": s("1")},
    "large sort key": {"g": s("g"), "r": s("x" * 1025)},
}


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    """A table with one index, and items of which some would violate the next one's key."""
    name = make_table(
        cloud, more={"o": "S"}, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS, GlobalSecondaryIndexes=[{**index("by-o", "o"), "ProvisionedThroughput": UNITS}]
    )
    for key, attributes in (ITEMS | VIOLATING).items():
        cloud.client("dynamodb").put_item(TableName=name, Item={"pk": s(key), **attributes})
    return name


def while_filling(cloud: Running, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[None]]) -> None:
    """Let time pass, and `act` once, when the first few items are in the index that is being made."""
    store, met = cloud.app.cloud.store, False

    async def transact(work: Any) -> Any:
        nonlocal met
        result = await store.transact(work)
        if getattr(work, "__qualname__", "") == "fill.<locals>.work" and not met:
            met = True
            await act()
        return result

    monkeypatch.setattr(lifecycle, "_CHUNK", 4)
    monkeypatch.setattr(cloud.app.cloud, "store", Overlaid(store, transact=transact))
    cloud.advance("1s")
    monkeypatch.undo()
    assert met


def described(cloud: Running, table: str) -> tuple[str, dict[str, Any]]:
    """The table's status, and the indexes by name."""
    found = cloud.client("dynamodb").describe_table(TableName=table)["Table"]
    return found["TableStatus"], {one["IndexName"]: one for one in found["GlobalSecondaryIndexes"]}


async def refusal(cloud: Running, operation: str, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await call(cloud, operation, **parameters)
    return caught.value.code, caught.value.message


def test_changes_while_an_index_is_filled(cloud: Running, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its capacity may change, to make it faster, and so may the table's; no other index comes or goes, and the table stays. What violates its key stays out, and can only be deleted."""
    db = cloud.client("dynamodb")

    async def act() -> None:
        found = (await call(cloud, "DescribeTable", TableName=table))["Table"]
        made = found["GlobalSecondaryIndexes"][1]
        assert (found["TableStatus"], made["IndexStatus"], made["Backfilling"], made["ItemCount"] > 0) == ("ACTIVE", "CREATING", True, True)
        one_at_once = ("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
        again = {"Create": {**CREATE["Create"], "IndexName": "by-g-too"}}
        assert await refusal(cloud, "UpdateTable", TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=[again]) == one_at_once
        assert await refusal(cloud, "UpdateTable", TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-o"}}]) == one_at_once
        assert (await refusal(cloud, "DeleteTable", TableName=table))[0] == "ResourceInUseException"
        update = {"Update": {"IndexName": "by-g", "ProvisionedThroughput": MORE_UNITS}}
        made = (await call(cloud, "UpdateTable", TableName=table, GlobalSecondaryIndexUpdates=[update]))["TableDescription"]["GlobalSecondaryIndexes"][1]
        assert (made["IndexStatus"], made["Backfilling"]) == ("UPDATING", True)
        assert (await call(cloud, "UpdateTable", TableName=table, ProvisionedThroughput=MORE_UNITS))["TableDescription"]["TableStatus"] == "UPDATING"
        assert await refusal(cloud, "Scan", TableName=table, IndexName="by-g") == ("ValidationException", "Cannot read from backfilling global secondary index: by-g")

    both = [CREATE, {"Delete": {"IndexName": "by-o"}}]
    assert failure(db.update_table, TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=both)[0] == "LimitExceededException"
    db.update_table(TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=[CREATE])
    while_filling(cloud, monkeypatch, act)
    status, indexes = described(cloud, table)
    made = indexes["by-g"]
    assert (status, made["IndexStatus"], "Backfilling" in made) == ("ACTIVE", "ACTIVE", False)
    assert {name: made["ProvisionedThroughput"][name] for name in UNITS} == MORE_UNITS
    assert [item["pk"]["S"] for item in db.scan(TableName=table, IndexName="by-g")["Items"]] == list(ITEMS)
    for key in VIOLATING:
        update: dict[str, Any] = {"TableName": table, "Key": {"pk": s(key)}, "UpdateExpression": "SET o = :o", "ExpressionAttributeValues": {":o": s("o")}}
        assert invalid(db.update_item, **update)
        db.delete_item(TableName=table, Key={"pk": s(key)})
    assert described(cloud, table)[1]["by-g"]["ItemCount"] == len(ITEMS)


def test_an_index_is_given_up_while_it_is_filled(cloud: Running, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it is being filled; then it goes, with what is in it, and may be made again."""
    db = cloud.client("dynamodb")
    delete: dict[str, Any] = {"TableName": table, "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-g"}}]}

    async def act() -> None:
        made = (await call(cloud, "UpdateTable", **delete))["TableDescription"]["GlobalSecondaryIndexes"][1]
        assert (made["IndexStatus"], "Backfilling" in made) == ("DELETING", False)
        await call(cloud, "PutItem", TableName=table, Item={"pk": s("later"), "g": n(1)})

    db.update_table(**delete)
    cloud.advance("1s")
    db.update_table(TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=[CREATE])
    while_filling(cloud, monkeypatch, act)
    assert (status := described(cloud, table))[0] == "ACTIVE" and list(status[1]) == ["by-o"]
    db.update_table(TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=[CREATE])
    cloud.advance("1s")
    assert described(cloud, table)[1]["by-g"]["ItemCount"] == len(db.scan(TableName=table, IndexName="by-g")["Items"]) == len(ITEMS)


def test_writes_and_a_crash_while_an_index_is_filled(cloud: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items that the filling has met, and others, change, go and come; whether it goes on or begins again in the next process, the index agrees with its table."""
    table = make_table(cloud, more={"o": "S"}, GlobalSecondaryIndexes=[index("by-o", "o")])
    db = cloud.client("dynamodb")
    db.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s(key), **attributes}}} for key, attributes in ITEMS.items()]})

    async def act() -> None:
        for number, key in enumerate(ITEMS):
            place = {"TableName": table, "Key": {"pk": s(key)}}
            if number % 4 == 0:
                await call(cloud, "DeleteItem", **place)
            elif number % 4 == 1:
                await call(cloud, "UpdateItem", **place, UpdateExpression="SET r = :r", ExpressionAttributeValues={":r": s(f"moved-{number}")})
            elif number % 4 == 2:
                await call(cloud, "UpdateItem", **place, UpdateExpression="REMOVE g")
        puts = [{"Put": {"TableName": table, "Item": {"pk": s(f"new-{number}"), "g": s("g"), "r": s("r")}}} for number in range(5)]
        await call(cloud, "TransactWriteItems", TransactItems=puts)
        copy_as_crashed(cloud.data_dir / STORE, tmp_path / STORE)
        shutil.copy(cloud.data_dir / "vault.key", tmp_path)

    db.update_table(TableName=table, AttributeDefinitions=DEFINED, GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g", "r")}])
    while_filling(cloud, monkeypatch, act)
    crashed = Running(data_dir=tmp_path, services=[DynamoDb])
    crashed.clock = Clock(frozen_at=cloud.clock.now())
    with crashed:
        crashed.advance("1s")
        for one in (cloud, crashed):
            rows = one.client("dynamodb").scan(TableName=table)["Items"]
            entries = one.client("dynamodb").scan(TableName=table, IndexName="by-g")["Items"]
            wanted = [row for row in rows if "g" in row]
            assert len(rows) == 20 and len(entries) == len(wanted) == 15 == described(one, table)[1]["by-g"]["ItemCount"]
            assert all(row in entries for row in wanted)
