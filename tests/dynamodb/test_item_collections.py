"""Item collections: their size, and its limit."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.services.dynamodb import item_collections
from haneul.services.dynamodb.service import DynamoDb
from haneul.store.keys import prefix_range
from tests.dynamodb.support import failure, index, invalid, make_table, s
from tests.support.running import Running

BIG = "x" * 990


@pytest.fixture
def table(cloud: Running) -> str:
    return make_table(cloud, range_type="S", more={"l": "S"}, LocalSecondaryIndexes=[index("local", "pk", "l", projection="KEYS_ONLY")])


def test_a_collection_has_a_limit(cloud: Running, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items and entries of local indexes count together; what shrinks it is always taken, and other keys are not concerned."""
    monkeypatch.setattr(item_collections, "COLLECTION_BYTES_MAX", 3000)
    db = cloud.client("dynamodb")
    item = {"pk": s("p"), "d": s(BIG)}
    for number in range(2):
        db.put_item(TableName=table, Item={**item, "sk": s(str(number)), "l": s("l")})
    code, message = failure(db.put_item, TableName=table, Item={**item, "sk": s("2")})
    assert (code, message) == ("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": {**item, "sk": s("2")}}}])
    answer: Any = caught.value.response
    assert answer["CancellationReasons"][0]["Code"] == "ItemCollectionSizeLimitExceeded"
    assert "Item" not in db.get_item(TableName=table, Key={"pk": s("p"), "sk": s("2")})
    db.put_item(TableName=table, Item={**item, "pk": s("other"), "sk": s("2")})
    db.put_item(TableName=table, Item={"pk": s("p"), "sk": s("0")})
    db.put_item(TableName=table, Item={**item, "sk": s("2")})


def test_an_item_and_its_local_entries_share_400_kb(cloud: Running) -> None:
    """The limit of an item is that of it and its entries in all local indexes together, whatever writes it; global indexes have entries of their own."""
    db = cloud.client("dynamodb")
    local = [index("all", "pk", "l"), index("some", "pk", "m", "INCLUDE", ["d"]), index("keys", "pk", "n", "KEYS_ONLY")]
    more = {name: "S" for name in "glmn"}
    name = make_table(cloud, range_type="S", more=more, LocalSecondaryIndexes=local, GlobalSecondaryIndexes=[index("global", "g")])
    message = "Item size has exceeded the maximum allowed size"
    key = {"pk": s("p"), "sk": s("1")}
    largest = 200 * 1024 - (2 + 1 + 2 + 1) - (1 + 1 + 1 + 1) - 1  # The entry in `all` is as large as the item.
    item = {**key, "g": s("g"), "l": s("l"), "d": s("x" * largest)}
    db.put_item(TableName=name, Item=item)
    over = {**item, "d": s("x" * (largest + 1))}
    assert invalid(db.put_item, TableName=name, Item=over) == message
    assert invalid(db.batch_write_item, RequestItems={name: [{"PutRequest": {"Item": over}}]}) == message
    assert invalid(db.update_item, TableName=name, Key=key, UpdateExpression="SET m = l") == message
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": over}}])
    answer: Any = caught.value.response
    assert answer["CancellationReasons"] == [{"Code": "ValidationError", "Message": message}]
    assert db.get_item(TableName=name, Key=key)["Item"] == item
    db.update_item(TableName=name, Key=key, UpdateExpression="REMOVE l SET d = :d", ExpressionAttributeValues={":d": s("x" * 400_000)})


def test_the_estimate_is_exact_and_ends_at_nothing(cloud: Running, table: str) -> None:
    """After updates and deletions the kept size is what is there, and a collection without items leaves nothing behind."""
    db = cloud.client("dynamodb")
    key = {"pk": s("p"), "sk": s("1")}
    answer = db.put_item(TableName=table, Item={**key, "l": s("l"), "d": s(BIG)}, ReturnItemCollectionMetrics="SIZE")
    assert answer["ItemCollectionMetrics"] == {"ItemCollectionKey": {"pk": s("p")}, "SizeEstimateRangeGB": [0.0, 1.0]}
    store = cloud.app.cloud.store
    found = cloud.app.cloud.service(DynamoDb).stored_table("000000000000", "us-east-1", table)
    assert found is not None and found.collections is not None
    kept = [value for _, value in store.iterate(*prefix_range(found.collections))]
    assert [int.from_bytes(value[1:], "big") for value in kept] == [(2 + 1 + 2 + 1 + 1 + 1 + 1 + len(BIG)) + (2 + 1 + 2 + 1 + 1 + 1)]
    db.update_item(TableName=table, Key=key, UpdateExpression="REMOVE l, d")
    db.delete_item(TableName=table, Key=key)
    assert not list(store.iterate(*prefix_range(found.collections)))


def test_collections_of_what_is_modified(cloud: Running, table: str) -> None:
    """Batches and transactions tell of each collection once, under the name that the request calls its table by, and not of those that are only looked at."""
    db = cloud.client("dynamodb")
    arn = db.describe_table(TableName=table)["Table"]["TableArn"]
    keys = [{"pk": s(pk), "sk": s(sk)} for pk, sk in ("a1", "a2", "b1")]
    known = {"ItemCollectionKey": {"pk": s("a")}, "SizeEstimateRangeGB": [0.0, 1.0]}
    batch = db.batch_write_item(RequestItems={arn: [{"PutRequest": {"Item": key}} for key in keys[:2]]}, ReturnItemCollectionMetrics="SIZE")
    assert batch["ItemCollectionMetrics"] == {arn: [known]}
    check = {"ConditionCheck": {"TableName": arn, "Key": keys[2], "ConditionExpression": "attribute_not_exists(pk)"}}
    deletes = [{"Delete": {"TableName": name, "Key": key}} for name, key in zip((arn, table), keys)]
    answer = db.transact_write_items(TransactItems=[check, *deletes], ReturnItemCollectionMetrics="SIZE")
    assert answer["ItemCollectionMetrics"] == {arn: [known], table: [known]}
    assert "ItemCollectionMetrics" not in db.transact_write_items(TransactItems=[check], ReturnItemCollectionMetrics="SIZE")
