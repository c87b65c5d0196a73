"""Items of a transaction that is under way belong to it until its writes are on the disk (Developer Guide: "Transaction conflict handling in DynamoDB")."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from haneul.core.errors import ServiceError
from haneul.store.syncing import KernelSyncer
from tests.dynamodb.support import make_table, n, s
from tests.dynamodb.test_concurrency import call
from tests.support.running import Running

ONGOING = "Transaction is ongoing for the item"
CONFLICT = {"Code": "TransactionConflict", "Message": ONGOING}


def put(table: str, name: str, value: int) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": {"pk": s(name), "v": n(value)}}}


def at_once(cloud: Running, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Answers or errors of calls each of which begins before any other is durable."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*[call(cloud, operation, **parameters) for operation, parameters in calls], return_exceptions=True)

    found: list[Any] = cloud.run(all_of_them())
    return found


def value(cloud: Running, table: str, name: str) -> Any:
    item = cloud.client("dynamodb").get_item(TableName=table, Key={"pk": s(name)}).get("Item")
    return int(item["v"]["N"]) if item else None


@pytest.fixture
def table(cloud: Running) -> str:
    return make_table(cloud)


def test_two_transactions_on_one_item(cloud: Running, table: str) -> None:
    """The second is cancelled as a whole, and says which of its items was taken; when the first is done it succeeds."""
    second = {"TransactItems": [put(table, "own", 2), put(table, "shared", 2)]}
    won, lost = at_once(cloud, ("TransactWriteItems", {"TransactItems": [put(table, "shared", 1), put(table, "other", 1)]}), ("TransactWriteItems", second))
    assert won == {}
    assert isinstance(lost, ServiceError) and lost.code == "TransactionCanceledException"
    assert lost.message == "Transaction cancelled, please refer cancellation reasons for specific reasons [None, TransactionConflict]"
    assert lost.fields["CancellationReasons"] == [{"Code": "None"}, CONFLICT]
    assert [value(cloud, table, name) for name in ("shared", "other", "own")] == [1, 1, None]
    assert at_once(cloud, ("TransactWriteItems", second)) == [{}]
    assert [value(cloud, table, name) for name in ("shared", "other", "own")] == [2, 1, 2]


def test_transactions_on_different_items_do_not_meet(cloud: Running, table: str) -> None:
    """What conflicts is the item, not the table or the partition."""
    assert at_once(cloud, *[("TransactWriteItems", {"TransactItems": [put(table, f"{kind}-{at}", at) for kind in "ab"]}) for at in range(20)]) == [{}] * 20
    assert [value(cloud, table, f"b-{at}") for at in range(20)] == list(range(20))


WRITES = {
    "PutItem": {"Item": {"pk": s("x"), "v": n(2)}},
    "UpdateItem": {"Key": {"pk": s("x")}, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": n(2)}},
    "DeleteItem": {"Key": {"pk": s("x")}},
}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("conditional", [False, True])
def test_plain_writes_of_its_items(cloud: Running, table: str, operation: str, conditional: bool) -> None:
    """They are refused whatever their condition says, since nobody knows yet what it would be about."""
    guard = {"ConditionExpression": "attribute_exists(nothing)"} if conditional else {}
    done, refused, elsewhere = at_once(
        cloud,
        ("TransactWriteItems", {"TransactItems": [put(table, "x", 1)]}),
        (operation, {"TableName": table, **WRITES[operation], **guard}),
        ("PutItem", {"TableName": table, "Item": {"pk": s("y"), "v": n(3)}}),
    )
    assert done == elsewhere == {}
    assert isinstance(refused, ServiceError) and (refused.code, refused.message, refused.status) == ("TransactionConflictException", ONGOING, 400)
    assert value(cloud, table, "x") == 1
    assert at_once(cloud, (operation, {"TableName": table, **WRITES[operation]})) == [{}]
    assert value(cloud, table, "x") == (None if operation == "DeleteItem" else 2)


def test_statements_on_its_items(cloud: Running, table: str) -> None:
    """PartiQL's statements are the same writes: one by one, in a batch with an error for each, in a transaction with a reason for each."""
    change = f'UPDATE "{table}" SET v = 2 WHERE pk = \'x\''
    other = f"INSERT INTO \"{table}\" VALUE {{'pk': 'z', 'v': 4}}"
    cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s("x"), "v": n(0)})
    first = ("TransactWriteItems", {"TransactItems": [put(table, "x", 1)]})
    _, refused = at_once(cloud, first, ("ExecuteStatement", {"Statement": change}))
    assert isinstance(refused, ServiceError) and refused.code == "TransactionConflictException"
    _, batch = at_once(cloud, first, ("BatchExecuteStatement", {"Statements": [{"Statement": change}, {"Statement": other}]}))
    assert batch["Responses"] == [{"TableName": table, "Error": CONFLICT}, {"TableName": table}]
    _, cancelled = at_once(cloud, first, ("ExecuteTransaction", {"TransactStatements": [{"Statement": change}]}))
    assert isinstance(cancelled, ServiceError) and cancelled.fields["CancellationReasons"] == [CONFLICT]
    assert [value(cloud, table, name) for name in "xz"] == [1, 4]


def test_items_that_are_only_checked(cloud: Running, table: str) -> None:
    """A condition check is of no use if the item may change before the transaction is there."""
    cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s("stock"), "v": n(1)})
    check = {"ConditionCheck": {"TableName": table, "Key": {"pk": s("stock")}, "ConditionExpression": "v > :n", "ExpressionAttributeValues": {":n": n(0)}}}
    first = ("TransactWriteItems", {"TransactItems": [check, put(table, "order", 1)]})
    done, refused, cancelled = at_once(
        cloud, first, ("DeleteItem", {"TableName": table, "Key": {"pk": s("stock")}}), ("TransactWriteItems", {"TransactItems": [check, put(table, "order2", 1)]})
    )
    assert done == {}
    assert isinstance(refused, ServiceError) and refused.code == "TransactionConflictException"
    assert isinstance(cancelled, ServiceError) and cancelled.fields["CancellationReasons"] == [CONFLICT, {"Code": "None"}]
    assert value(cloud, table, "stock") == 1


def test_batches_leave_them_unprocessed(cloud: Running, table: str) -> None:
    """A batch has no error for it: the client sends what is left again."""
    requests = [{"PutRequest": {"Item": {"pk": s(name), "v": n(2)}}} for name in "xy"]
    _, batch, nothing = at_once(
        cloud,
        ("TransactWriteItems", {"TransactItems": [put(table, "x", 1)]}),
        ("BatchWriteItem", {"RequestItems": {table: requests}}),
        ("BatchWriteItem", {"RequestItems": {table: requests[:1]}}),
    )
    assert batch["UnprocessedItems"] == nothing["UnprocessedItems"] == {table: requests[:1]}
    assert [value(cloud, table, name) for name in "xy"] == [1, 2]


@pytest.mark.parametrize("writing", ["TransactWriteItems", "PutItem", "BatchWriteItem"])
def test_reads_of_items_that_are_being_written(cloud: Running, table: str, writing: str) -> None:
    """A read in a transaction is cancelled, one outside sees what is there before."""
    cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s("x"), "v": n(1)})
    item = {"pk": s("x"), "v": n(2)}
    asked = {
        "TransactWriteItems": {"TransactItems": [{"Put": {"TableName": table, "Item": item}}]},
        "PutItem": {"TableName": table, "Item": item},
        "BatchWriteItem": {"RequestItems": {table: [{"PutRequest": {"Item": item}}]}},
    }
    gets = {"TransactItems": [{"Get": {"TableName": table, "Key": {"pk": s(name)}}} for name in ("other", "x")]}
    _, cancelled, plain = at_once(cloud, (writing, asked[writing]), ("TransactGetItems", gets), ("GetItem", {"TableName": table, "Key": {"pk": s("x")}}))
    assert isinstance(cancelled, ServiceError) and cancelled.fields["CancellationReasons"] == [{"Code": "None"}, CONFLICT]
    assert plain["Item"]["v"] == n(1)
    [answer] = at_once(cloud, ("TransactGetItems", gets))
    assert answer["Responses"] == [{}, {"Item": item}]


def test_a_transaction_after_a_plain_write_waits_for_it(cloud: Running, table: str) -> None:
    """Plain writes hold nothing: whoever comes later is later."""
    add = {"TableName": table, "Key": {"pk": s("x")}, "UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": n(1)}}
    assert at_once(cloud, ("UpdateItem", add), ("UpdateItem", add), ("TransactWriteItems", {"TransactItems": [{"Update": add}]})) == [{}] * 3
    assert value(cloud, table, "x") == 3


def test_cancelled_transactions_hold_nothing(cloud: Running, table: str) -> None:
    """They are over when they are answered."""
    never = {"Put": {"TableName": table, "Item": {"pk": s("a"), "v": n(1)}, "ConditionExpression": "attribute_exists(pk)"}}
    cancelled, done = at_once(cloud, ("TransactWriteItems", {"TransactItems": [never, put(table, "b", 1)]}), ("TransactWriteItems", {"TransactItems": [put(table, "b", 2)]}))
    assert isinstance(cancelled, ServiceError) and done == {}
    assert value(cloud, table, "b") == 2


def test_transactions_that_fail_hold_nothing(cloud: Running, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses; afterwards the items are free."""
    with monkeypatch.context() as broken:
        broken.setattr(KernelSyncer, "write", lambda self, log, record, done: self._loop.call_soon(done, OSError(5, "broken")))
        [failed] = at_once(cloud, ("TransactWriteItems", {"TransactItems": [put(table, "a", 1)]}))
        assert isinstance(failed, Exception)
    assert at_once(cloud, ("PutItem", {"TableName": table, "Item": {"pk": s("a"), "v": n(2)}})) == [{}]
    assert value(cloud, table, "a") == 2


def test_a_token_whose_transaction_is_under_way(cloud: Running, table: str) -> None:
    """A repetition that comes too early is told so, and a later one that all is done; other parameters are a mistake at any time."""
    request = {"TransactItems": [put(table, "a", 1)], "ClientRequestToken": "token"}
    other = {"TransactItems": [put(table, "b", 1)], "ClientRequestToken": "token"}
    done, early, mistaken = at_once(cloud, ("TransactWriteItems", request), ("TransactWriteItems", request), ("TransactWriteItems", other))
    assert done == {}
    assert isinstance(early, ServiceError) and (early.code, early.status) == ("TransactionInProgressException", 400)
    assert early.message == "The transaction with the given request token is already in progress."
    assert isinstance(mistaken, ServiceError) and mistaken.code == "IdempotentParameterMismatchException"
    assert at_once(cloud, ("TransactWriteItems", request), ("PutItem", {"TableName": table, "Item": {"pk": s("a"), "v": n(2)}})) == [{}, {}]
    assert value(cloud, table, "a") == 2
