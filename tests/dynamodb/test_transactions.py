"""Transactions: all or nothing, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.support.running import Running


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    return make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])


def key(name: str) -> dict[str, Any]:
    return {"pk": s(name)}


def reasons(caught: pytest.ExceptionInfo[ClientError]) -> list[dict[str, Any]]:
    return list(caught.value.response["CancellationReasons"])


def test_all_kinds_of_actions_together(db: Any, table: str) -> None:
    """A put, an update, a delete and a check on four items."""
    db.put_item(TableName=table, Item={**key("t-del"), "v": n(1)})
    db.put_item(TableName=table, Item={**key("t-check"), "v": n(1)})
    answer = db.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": table, "Item": {**key("t-put"), "g": s("x")}}},
            {
                "Update": {
                    "TableName": table,
                    "Key": key("t-up"),
                    "UpdateExpression": "ADD c :o",
                    "ExpressionAttributeValues": {":o": n(1)},
                }
            },
            {"Delete": {"TableName": table, "Key": key("t-del"), "ConditionExpression": "attribute_exists(v)"}},
            {"ConditionCheck": {"TableName": table, "Key": key("t-check"), "ConditionExpression": "attribute_exists(pk)"}},
        ],
        ReturnConsumedCapacity="INDEXES",
    )
    assert answer["ConsumedCapacity"] == [
        {
            "TableName": table,
            "CapacityUnits": 9.0,
            "WriteCapacityUnits": 9.0,
            "Table": {"CapacityUnits": 8.0, "WriteCapacityUnits": 8.0},
            "GlobalSecondaryIndexes": {"by-g": {"CapacityUnits": 1.0, "WriteCapacityUnits": 1.0}},  # The items are written twice, entries of indexes once.
        }
    ]
    got = db.transact_get_items(
        TransactItems=[{"Get": {"TableName": table, "Key": key(name)}} for name in ("t-put", "t-up", "t-del")], ReturnConsumedCapacity="TOTAL"
    )
    assert got["Responses"] == [{"Item": {**key("t-put"), "g": s("x")}}, {"Item": {**key("t-up"), "c": n(1)}}, {}]
    assert got["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0}]


def test_one_failed_condition_cancels_everything(db: Any, table: str) -> None:
    """The caller learns of each action what became of it, and sees the item if it asked to."""
    db.put_item(TableName=table, Item={**key("c1"), "v": n(1)})
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": key("c2")}},
                {
                    "Put": {
                        "TableName": table,
                        "Item": key("c1"),
                        "ConditionExpression": "attribute_not_exists(pk)",
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                {"ConditionCheck": {"TableName": table, "Key": key("c3"), "ConditionExpression": "attribute_exists(pk)"}},
            ]
        )
    assert caught.value.response["Error"] == {
        "Code": "TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed]",
    }
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    assert reasons(caught) == [{"Code": "None"}, {**failed, "Item": {**key("c1"), "v": n(1)}}, failed]
    assert "Item" not in db.get_item(TableName=table, Key=key("c2"))


def test_an_update_that_does_not_fit_cancels(db: Any, table: str) -> None:
    """What goes wrong while it is carried out takes everything back."""
    db.put_item(TableName=table, Item={**key("v1"), "v": s("text")})
    update = {"TableName": table, "Key": key("v1"), "UpdateExpression": "ADD v :o", "ExpressionAttributeValues": {":o": n(1)}}
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": key("v2")}}, {"Update": update}])
    assert reasons(caught)[1] == {"Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type"}
    assert "Item" not in db.get_item(TableName=table, Key=key("v2"))
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": {"pk": n(1)}}}])
    assert reasons(caught)[0]["Code"] == "ValidationError"


def test_tokens_make_a_transaction_happen_once(fresh_cloud: Running) -> None:
    """A client that did not hear the answer asks again, within ten minutes."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    update = {"TableName": table, "Key": key("once"), "UpdateExpression": "ADD c :o", "ExpressionAttributeValues": {":o": n(1)}}
    call: dict[str, Any] = {"TransactItems": [{"Update": update}], "ClientRequestToken": "token-1", "ReturnConsumedCapacity": "TOTAL"}

    def count() -> str:
        return str(db.get_item(TableName=table, Key=key("once"))["Item"]["c"]["N"])

    assert "WriteCapacityUnits" in db.transact_write_items(**call)["ConsumedCapacity"][0]
    assert db.transact_write_items(**call)["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]
    assert count() == "1"
    other = {**call, "TransactItems": [{"Put": {"TableName": table, "Item": key("other")}}]}
    assert failure(db.transact_write_items, **other)[0] == "IdempotentParameterMismatchException"
    fresh_cloud.stop()
    fresh_cloud.start()
    db = fresh_cloud.client("dynamodb")
    db.transact_write_items(**call)
    assert count() == "1"
    fresh_cloud.advance("9m")
    db.transact_write_items(**call)
    assert count() == "1"
    fresh_cloud.advance("2m")
    db.transact_write_items(**call)
    assert count() == "2"
    fresh_cloud.advance("20m")
    tokens = fresh_cloud.app.cloud.store.range(b"\x02dynamodb-token", b"\x02dynamodb-token\xff")
    assert tokens == []


def test_what_a_repetition_costs(cloud: Running, db: Any) -> None:
    """The reading of the items as large as they were in the transaction, whatever became of them; tokens of other operations are other tokens."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    db.put_item(TableName=table, Item={**key("gone"), "d": s("x" * 9000)})
    actions = [
        {"Delete": {"TableName": table, "Key": key("gone")}},
        {"Put": {"TableName": table, "Item": {**key("new"), "g": s("a"), "d": s("x" * 1500)}}},
        {"ConditionCheck": {"TableName": table, "Key": key("nothing"), "ConditionExpression": "attribute_not_exists(pk)"}},
    ]
    call = {"TransactItems": actions, "ClientRequestToken": "shared", "ReturnConsumedCapacity": "INDEXES"}
    (first,) = db.transact_write_items(**call)["ConsumedCapacity"]
    assert (first["Table"]["WriteCapacityUnits"], first["GlobalSecondaryIndexes"]["by-g"]["WriteCapacityUnits"]) == (2 * (9 + 2 + 1), 2.0)
    db.delete_item(TableName=table, Key=key("new"))
    (second,) = db.transact_write_items(**call)["ConsumedCapacity"]
    spent = {"CapacityUnits": 10.0, "ReadCapacityUnits": 10.0}  # 3, 1 and 1 blocks of 4 KB, twice.
    assert second == {"TableName": table, **spent, "Table": spent}
    statement = {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': 'partiql'}}"}
    db.execute_transaction(TransactStatements=[statement], ClientRequestToken="shared")
    assert "Item" in db.get_item(TableName=table, Key=key("partiql"))


def test_transactions_that_are_refused(db: Any, table: str) -> None:
    """One action an item, one kind an action, at most a hundred."""
    put = {"Put": {"TableName": table, "Item": key("d")}}
    delete = {"Delete": {"TableName": table, "Key": key("d")}}
    assert invalid(db.transact_write_items, TransactItems=[put, delete]) == "Transaction request cannot include multiple operations on one item"
    assert invalid(db.transact_write_items, TransactItems=[{**put, **delete}]) == "TransactItems can only contain one of Check, Put, Update or Delete"
    assert invalid(db.transact_write_items, TransactItems=[{}]) == "TransactItems can only contain one of Check, Put, Update or Delete"
    many = [{"Put": {"TableName": table, "Item": key(f"m{number}")}} for number in range(101)]
    assert "Member must have length less than or equal to 100" in invalid(db.transact_write_items, TransactItems=many)
    missing = [{"Put": {"TableName": "no-table", "Item": key("x")}}]
    assert failure(db.transact_write_items, TransactItems=missing)[0] == "ResourceNotFoundException"
    db.transact_write_items(TransactItems=many[:100])
    assert db.scan(TableName=table, FilterExpression="begins_with(pk, :m)", ExpressionAttributeValues={":m": s("m")}, Select="COUNT")["Count"] == 100


def test_what_updates_bring_counts_too(db: Any, table: str) -> None:
    """4 MB for a whole transaction, in either language: values that an update puts into items are no smaller than items."""
    value = s("x" * 399_000)
    sets = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": value}}
    updates = [{"Update": {"TableName": table, "Key": key(f"large-{number}"), **sets}} for number in range(11)]
    statements = [{"Statement": f"UPDATE \"{table}\" SET v = ? WHERE pk = 'large-{number}'", "Parameters": [value]} for number in range(11)]
    wanted = "The aggregate size of the items in the transaction exceeds 4 MB"
    assert invalid(db.transact_write_items, TransactItems=updates) == invalid(db.execute_transaction, TransactStatements=statements) == wanted


def test_tables_of_one_account(cloud: Running, db: Any, table: str) -> None:
    """It may be another account's, whose tables' policies allow it, but not that and one's own (API Reference: "TransactWriteItems", "TransactGetItems")."""
    theirs = cloud.client("dynamodb", key="222222222222")
    schema = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    arn = theirs.create_table(TableName="theirs", BillingMode="PAY_PER_REQUEST", **schema)["TableDescription"]["TableArn"]
    cloud.advance("1s")
    statement = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": ["dynamodb:PutItem", "dynamodb:GetItem"], "Resource": arn}
    theirs.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    mixed = [table, arn, table]
    expected = ["None", "ValidationError", "None"]
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": key(f"mixed{at}")}} for at, name in enumerate(mixed)])
    assert [reason["Code"] for reason in reasons(caught)] == expected
    with pytest.raises(ClientError) as caught:
        db.transact_get_items(TransactItems=[{"Get": {"TableName": name, "Key": key(f"mixed{at}")}} for at, name in enumerate(mixed)])
    assert [reason["Code"] for reason in reasons(caught)] == expected
    assert "Item" not in db.get_item(TableName=table, Key=key("mixed0"))
    db.transact_write_items(TransactItems=[{"Put": {"TableName": arn, "Item": key(name)}} for name in "ab"])
    answer = db.transact_get_items(TransactItems=[{"Get": {"TableName": arn, "Key": key(name)}} for name in "ab"])
    assert answer["Responses"] == [{"Item": key(name)} for name in "ab"]
