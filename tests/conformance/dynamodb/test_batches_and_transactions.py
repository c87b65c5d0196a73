"""Batches and transactions. (API Reference: "BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems")"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.dynamodb.world import World, failure, invalid, n, s


@pytest.mark.parametrize("count", [1, 2, 25])
def test_batches_write_and_read(db: Any, simple: str, world: World, count: int) -> None:
    """Up to 25 puts at once, up to 100 reads."""
    keys = [world.new_key() for _ in range(count)]
    answer = db.batch_write_item(RequestItems={simple: [{"PutRequest": {"Item": {"pk": key, "v": n(1)}}} for key in keys]})
    assert answer["UnprocessedItems"] == {}
    found = db.batch_get_item(RequestItems={simple: {"Keys": [{"pk": key} for key in keys], "ConsistentRead": True}})
    assert sorted(item["pk"]["S"] for item in found["Responses"][simple]) == sorted(key["S"] for key in keys)
    db.batch_write_item(RequestItems={simple: [{"DeleteRequest": {"Key": {"pk": key}}} for key in keys]})
    assert db.batch_get_item(RequestItems={simple: {"Keys": [{"pk": key} for key in keys], "ConsistentRead": True}})["Responses"] == {simple: []}


def puts(count: int) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": {"pk": s(f"b{number}")}}} for number in range(count)]


BATCH_WRITES: list[tuple[list[Any], str, str]] = [
    ([*puts(1), *puts(1)], "Provided list of item keys contains duplicates", "an item once"),
    ([*puts(1), {"DeleteRequest": {"Key": {"pk": s("b0")}}}], "Provided list of item keys contains duplicates", "put or deleted"),
    ([{"PutRequest": {"Item": {"v": n(1)}}}], "The provided key element does not match the schema", "no key"),
    ([{"PutRequest": {"Item": {"pk": n(1)}}}], "The provided key element does not match the schema", "of another type"),
    ([{"DeleteRequest": {"Key": {"pk": s("a"), "x": s("b")}}}], "The provided key element does not match the schema", "more than the key"),
    ([{"PutRequest": {"Item": {"pk": s("a"), "v": {"SS": []}}}}], "One or more parameter values were invalid: An string set  may not be empty", "a wrong value"),
    ([{"PutRequest": {"Item": {"pk": s("a"), "v": s("x" * 410_000)}}}], "Item size has exceeded the maximum allowed size", "too large"),
]


@pytest.mark.parametrize(("requests", "message", "why"), BATCH_WRITES, ids=[one[2] for one in BATCH_WRITES])
def test_batch_writes_that_are_refused(db: Any, simple: str, requests: list[Any], message: str, why: str) -> None:
    """One mistake refuses the batch."""
    assert invalid(db.batch_write_item, RequestItems={simple: requests}) == message, why


BATCH_READS: list[tuple[dict[str, Any], str, str]] = [
    ({"Keys": [{"pk": s("a")}, {"pk": s("a")}]}, "Provided list of item keys contains duplicates", "an item once"),
    ({"Keys": [{"pk": n(1)}]}, "The provided key element does not match the schema", "of another type"),
    ({"Keys": [{"x": s("a")}]}, "The provided key element does not match the schema", "no key"),
    ({"Keys": [{"pk": s("a")}], "ProjectionExpression": "a,"}, 'Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","', "a wrong projection"),
    (
        {"Keys": [{"pk": s("a")}], "ProjectionExpression": "a", "AttributesToGet": ["a"]},
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        "old and new",
    ),
]


@pytest.mark.parametrize(("part", "message", "why"), BATCH_READS, ids=[one[2] for one in BATCH_READS])
def test_batch_reads_that_are_refused(db: Any, simple: str, part: dict[str, Any], message: str, why: str) -> None:
    """One mistake refuses the batch."""
    assert invalid(db.batch_get_item, RequestItems={simple: part}) == message, why


def test_batches_end_at_16_mb(db: Any, simple: str, world: World) -> None:
    """What goes beyond comes back as unprocessed."""
    keys = [world.new_key() for _ in range(45)]
    for key in keys:
        db.put_item(TableName=simple, Item={"pk": key, "v": s("x" * 390_000)})
    answer = db.batch_get_item(RequestItems={simple: {"Keys": [{"pk": key} for key in keys], "ConsistentRead": True}})
    read, left = len(answer["Responses"][simple]), len(answer["UnprocessedKeys"][simple]["Keys"])
    assert read + left == 45 and 40 <= read <= 43
    assert answer["UnprocessedKeys"][simple]["ConsistentRead"] is True


# ---- transactions


def action(kind: str, table: str, key: dict[str, Any], holds: bool) -> dict[str, Any]:
    """One action on an item, whose condition holds for one that is not there, or does not."""
    target: dict[str, Any] = {"Item": {"pk": key, "v": n(1)}} if kind == "Put" else {"Key": {"pk": key}}
    if kind == "Update":
        target.update(UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": n(1)})
    return {kind: {"TableName": table, **target, "ConditionExpression": "attribute_not_exists(pk)" if holds else "attribute_exists(pk)"}}


KINDS = ["Put", "Update", "Delete", "ConditionCheck"]


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize(("holds_first", "holds_second"), [(True, True), (True, False), (False, True), (False, False)])
def test_all_or_none(db: Any, simple: str, world: World, first: str, second: str, holds_first: bool, holds_second: bool) -> None:
    """Two actions on two items: both are done, or neither; each has its reason."""
    one, two = world.new_key(), world.new_key()
    items = [action(first, simple, one, holds_first), action(second, simple, two, holds_second)]
    done = holds_first and holds_second
    if done:
        db.transact_write_items(TransactItems=items)
    else:
        with pytest.raises(ClientError) as caught:
            db.transact_write_items(TransactItems=items)
        codes = ["None" if holds else "ConditionalCheckFailed" for holds in (holds_first, holds_second)]
        assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == codes
        assert caught.value.response["Error"]["Message"] == f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    answer = db.transact_get_items(TransactItems=[{"Get": {"TableName": simple, "Key": {"pk": key}}} for key in (one, two)])
    there = ["Item" in response for response in answer["Responses"]]
    assert there == [done and kind in ("Put", "Update") for kind in (first, second)]


MISMATCH = "The provided key element does not match the schema"
REASONS: list[tuple[dict[str, Any], str, str]] = [
    ({"Put": {"Item": {"pk": n(5)}}}, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N", "a key of another type"),
    ({"Put": {"Item": {"pk": {"L": []}}}}, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: L", "of no key type"),
    ({"Put": {"Item": {"v": n(5)}}}, "One or more parameter values were invalid: Missing the key pk in the item", "none"),
    ({"Delete": {"Key": {"pk": n(5)}}}, MISMATCH, "in a delete"),
    ({"Delete": {"Key": {"x": s("a")}}}, MISMATCH, "another attribute"),
    ({"ConditionCheck": {"Key": {"pk": n(5)}, "ConditionExpression": "attribute_exists(pk)"}}, MISMATCH, "in a check"),
    ({"Update": {"Key": {"pk": n(5)}, "UpdateExpression": "REMOVE a"}}, MISMATCH, "in an update"),
    (
        {"Update": {"Key": {"pk": s("tx")}, "UpdateExpression": "REMOVE pk"}},
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        "keys stay",
    ),
    ({"Update": {"Key": {"pk": s("tx")}, "UpdateExpression": "SET a = b"}}, "The provided expression refers to an attribute that does not exist in the item", "nothing there"),
    ({"Update": {"Key": {"pk": s("tx")}, "UpdateExpression": "REMOVE a.b"}}, "The document path provided in the update expression is invalid for update", "no map"),
]


@pytest.mark.parametrize(("part", "message", "why"), REASONS, ids=[one[2] for one in REASONS])
@pytest.mark.parametrize("place", [0, 1])
def test_what_does_not_fit_cancels(db: Any, simple: str, world: World, part: dict[str, Any], message: str, why: str, place: int) -> None:
    """Actions that do not fit the table or item are reasons, at their place."""
    ((kind, body),) = part.items()
    other = {"Put": {"TableName": simple, "Item": {"pk": world.new_key()}}}
    items = [other, other]
    items[place] = {kind: {"TableName": simple, **body}}
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=items)
    reasons = caught.value.response["CancellationReasons"]
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert (reasons[place]["Code"], reasons[place]["Message"]) == ("ValidationError", message), why
    assert reasons[1 - place] == {"Code": "None"}


TWO_KINDS: list[tuple[dict[str, Any], str, str]] = [
    ({"Put": {"Item": {"pk": n(5)}}}, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N", "what does not fit the table"),
    ({"Update": {"UpdateExpression": "SET a = b"}}, "The provided expression refers to an attribute that does not exist in the item", "what does not fit the item"),
]


@pytest.mark.parametrize(("part", "message", "why"), TWO_KINDS, ids=[one[2] for one in TWO_KINDS])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_action_has_its_own_reason(db: Any, simple: str, world: World, part: dict[str, Any], message: str, why: str, place: int) -> None:
    """One that does not fit hides no condition that does not hold, and the other way round; the rest has no reason."""
    ((kind, body),) = part.items()
    unfit = {kind: {"TableName": simple, **({} if kind == "Put" else {"Key": {"pk": world.new_key()}}), **body}}
    unmet = action("ConditionCheck", simple, world.new_key(), holds=False)
    fresh = world.new_key()
    items = [unmet, {"Put": {"TableName": simple, "Item": {"pk": fresh}}}]
    items.insert(place, unfit)
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=items)
    expected: list[dict[str, Any]] = [{"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}, {"Code": "None"}]
    expected.insert(place, {"Code": "ValidationError", "Message": message})
    assert caught.value.response["CancellationReasons"] == expected, why
    codes = ", ".join(reason["Code"] for reason in expected)
    assert caught.value.response["Error"]["Message"] == f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    assert "Item" not in db.get_item(TableName=simple, Key={"pk": fresh}, ConsistentRead=True)


def test_every_read_has_its_own_reason(db: Any, simple: str, world: World) -> None:
    """Reads that do not fit the table do not hide one another."""
    gets = [{"Get": {"TableName": simple, "Key": {"pk": key}}} for key in (n(1), world.new_key(), n(2))]
    with pytest.raises(ClientError) as caught:
        db.transact_get_items(TransactItems=gets)
    mismatch = {"Code": "ValidationError", "Message": MISMATCH}
    assert caught.value.response["CancellationReasons"] == [mismatch, {"Code": "None"}, mismatch]


EMPTY_INDEX_KEY = "A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value."
EMPTY_UPDATE = (
    "The update expression attempted to update a secondary index key to a value that is not supported. "
    "The AttributeValue for a key attribute cannot contain an empty string value."
)


def test_empty_index_keys_refuse(db: Any, indexed: str, world: World) -> None:
    """A key of an index without content is wrong in itself as one of the table is: it is no reason, but an error of the request."""
    key = {"pk": world.new_key(), "sk": s("a")}
    put = {"TableName": indexed, "Item": {**key, "l": s("")}}
    update = {"TableName": indexed, "Key": key, "UpdateExpression": "SET l = :v", "ExpressionAttributeValues": {":v": s("")}}
    refused = f"One or more parameter values are not valid. {EMPTY_INDEX_KEY} IndexName: l-all, IndexKey: l"
    assert invalid(db.transact_write_items, TransactItems=[{"Put": put}]) == invalid(db.put_item, **put) == refused
    updated = f"One or more parameter values are not valid. {EMPTY_UPDATE}"
    assert invalid(db.transact_write_items, TransactItems=[{"Update": update}]) == invalid(db.update_item, **update) == updated


EMPTY = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"
UP_FRONT: list[tuple[dict[str, Any], str, str]] = [
    ({"Put": {"Item": {"pk": s("a")}, "ConditionExpression": "a = "}}, 'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="', "expressions"),
    ({"Put": {"Item": {"pk": s("a"), "v": {"SS": []}}}}, "One or more parameter values were invalid: An string set  may not be empty", "values"),
    ({"Put": {"Item": {"pk": s("")}}}, EMPTY, "an empty key in a put"),
    ({"Update": {"Key": {"pk": s("")}, "UpdateExpression": "REMOVE a"}}, EMPTY, "in an update"),
    ({"Delete": {"Key": {"pk": s("")}}}, EMPTY, "in a delete"),
    ({"ConditionCheck": {"Key": {"pk": s("")}, "ConditionExpression": "attribute_exists(pk)"}}, EMPTY, "in a check"),
]


@pytest.mark.parametrize(("part", "message", "why"), UP_FRONT, ids=[one[2] for one in UP_FRONT])
def test_what_is_wrong_in_itself_refuses(db: Any, simple: str, part: dict[str, Any], message: str, why: str) -> None:
    """What no table could take is no reason but an error of the request."""
    ((kind, body),) = part.items()
    assert invalid(db.transact_write_items, TransactItems=[{kind: {"TableName": simple, **body}}]) == message, why


def test_an_item_once(db: Any, simple: str, world: World) -> None:
    """A transaction does one thing with an item."""
    key = world.new_key()
    items = [{"Put": {"TableName": simple, "Item": {"pk": key}}}, {"Delete": {"TableName": simple, "Key": {"pk": key}}}]
    message = "Transaction request cannot include multiple operations on one item"
    assert invalid(db.transact_write_items, TransactItems=items) == message
    gets = [{"Get": {"TableName": simple, "Key": {"pk": key}}}] * 2
    assert invalid(db.transact_get_items, TransactItems=gets) == message


def test_an_item_once_whatever_its_table_is_called(db: Any, simple: str, world: World) -> None:
    """A table's name and its ARN are two names of one table: an item that is named under both is named twice."""
    arn = db.describe_table(TableName=simple)["Table"]["TableArn"]
    one, two = {"pk": world.new_key()}, {"pk": world.new_key()}
    put, delete = {"PutRequest": {"Item": one}}, {"DeleteRequest": {"Key": one}}
    twice = "Provided list of item keys contains duplicates"
    assert invalid(db.batch_write_item, RequestItems={simple: [put], arn: [delete]}) == twice
    assert invalid(db.batch_get_item, RequestItems={simple: {"Keys": [two, one]}, arn: {"Keys": [one]}}) == twice
    several = "Transaction request cannot include multiple operations on one item"
    items = [{"Put": {"TableName": simple, "Item": one}}, {"Delete": {"TableName": arn, "Key": one}}]
    assert invalid(db.transact_write_items, TransactItems=items) == several
    assert invalid(db.transact_get_items, TransactItems=[{"Get": {"TableName": name, "Key": one}} for name in (simple, arn)]) == several


def test_an_item_twice_is_said_before_any_reason(db: Any, simple: str, world: World) -> None:
    """Whatever else is wrong: a request of two actions on one item is no transaction that could be cancelled."""
    key = {"pk": world.new_key()}
    items = [{"Put": {"TableName": simple, "Item": {"pk": n(5)}}}, *({"Delete": {"TableName": simple, "Key": key}} for _ in range(2))]
    assert invalid(db.transact_write_items, TransactItems=items) == "Transaction request cannot include multiple operations on one item"


def test_transactions_end_at_4_mb(db: Any, simple: str, world: World) -> None:
    """Whether items come as puts or as values of updates."""

    def update() -> dict[str, Any]:
        values = {":v": s("x" * 380_000)}
        return {"Update": {"TableName": simple, "Key": {"pk": world.new_key()}, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": values}}

    def put() -> dict[str, Any]:
        return {"Put": {"TableName": simple, "Item": {"pk": world.new_key(), "v": s("x" * 380_000)}}}

    for kinds in ([update] * 12, [put] * 12, [update, put] * 6):
        code, _ = failure(db.transact_write_items, TransactItems=[make() for make in kinds])
        assert code == "ValidationException"
    items = [update() for _ in range(11)]
    db.transact_write_items(TransactItems=items)
    assert "Item" in db.get_item(TableName=simple, Key=items[0]["Update"]["Key"], ConsistentRead=True)


def test_one_action_an_element(db: Any, simple: str) -> None:
    """Each element of the list is one action."""
    item = {"Put": {"TableName": simple, "Item": {"pk": s("a")}}, "Delete": {"TableName": simple, "Key": {"pk": s("b")}}}
    assert invalid(db.transact_write_items, TransactItems=[item]) == "TransactItems can only contain one of Check, Put, Update or Delete"


def test_missing_tables(db: Any, simple: str) -> None:
    """A table that is not there is no reason, but an error."""
    items = [{"Put": {"TableName": f"{simple}-absent", "Item": {"pk": s("a")}}}]
    assert failure(db.transact_write_items, TransactItems=items) == ("ResourceNotFoundException", "Requested resource not found")
    gets = [{"Get": {"TableName": f"{simple}-absent", "Key": {"pk": s("a")}}}]
    assert failure(db.transact_get_items, TransactItems=gets) == ("ResourceNotFoundException", "Requested resource not found")


def test_tokens(db: Any, simple: str, world: World) -> None:
    """The same transaction under the same token is made once; another one is refused."""
    key = world.new_key()
    call: dict[str, Any] = {
        "TransactItems": [{"Update": {"TableName": simple, "Key": {"pk": key}, "UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": n(1)}}}],
        "ClientRequestToken": key["S"],
        "ReturnConsumedCapacity": "TOTAL",
    }
    first, second = db.transact_write_items(**call), db.transact_write_items(**call)
    assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
    assert second["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["v"] == n(1)
    call["TransactItems"][0]["Update"]["ExpressionAttributeValues"] = {":v": n(2)}
    assert failure(db.transact_write_items, **call)[0] == "IdempotentParameterMismatchException"


def test_tokens_end_after_ten_minutes(world: World, db: Any, simple: str) -> None:
    """Then the same call is a new transaction."""
    key = world.new_key()
    call: dict[str, Any] = {
        "TransactItems": [{"Update": {"TableName": simple, "Key": {"pk": key}, "UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": n(1)}}}],
        "ClientRequestToken": key["S"],
    }
    db.transact_write_items(**call)
    world.pass_time("11m")
    db.transact_write_items(**call)
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["v"] == n(2)


def test_the_item_that_stopped_it(db: Any, simple: str, world: World) -> None:
    """Shown in the reason, if asked."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "v": n(1)})
    item = {"Put": {"TableName": simple, "Item": {"pk": key}, "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[item])
    (reason,) = caught.value.response["CancellationReasons"]
    assert reason == {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": {"pk": key, "v": n(1)}}


@pytest.mark.parametrize(("size", "units"), [(0, 1.0), (1000, 1.0), (1025, 2.0), (4000, 4.0), (5000, 5.0)])
def test_what_things_cost(db: Any, simple: str, world: World, size: int, units: float) -> None:
    """A unit a KB to write, half a unit for 4 KB to read, twice for consistent reads, twice again for transactions."""
    key = world.new_key()
    item = {"pk": key, "v": s("x" * size)}
    show = {"ReturnConsumedCapacity": "TOTAL"}
    blocks = 2.0 if size > 4096 else 1.0
    assert db.put_item(TableName=simple, Item=item, **show)["ConsumedCapacity"]["CapacityUnits"] == units
    assert db.get_item(TableName=simple, Key={"pk": key}, **show)["ConsumedCapacity"]["CapacityUnits"] == blocks / 2
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True, **show)["ConsumedCapacity"]["CapacityUnits"] == blocks
    get = {"Get": {"TableName": simple, "Key": {"pk": key}}}
    assert db.transact_get_items(TransactItems=[get], **show)["ConsumedCapacity"][0]["CapacityUnits"] == 2 * blocks
    put = {"Put": {"TableName": simple, "Item": item}}
    assert db.transact_write_items(TransactItems=[put], **show)["ConsumedCapacity"][0]["CapacityUnits"] == 2 * units
