"""Single items: PutItem, GetItem, DeleteItem, what they refuse and what they return."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.support.running import Running

EVERYTHING = {
    "pk": {"S": "all"},
    "n": {"N": "-12.5"},
    "b": {"B": b"\x00\xff"},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["-1", "2", "10"]},
    "bs": {"BS": [b"\x00", b"\x01\x02"]},
    "l": {"L": [{"S": ""}, {"NULL": True}, {"L": []}]},
    "m": {"M": {"x": {"BOOL": False}, "y": {"M": {}}}},
    "empty": {"S": ""},
    "nothing": {"B": b""},
}


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    return make_table(cloud)


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def test_every_type_comes_back(db: Any, table: str) -> None:
    """All ten types, empty texts and binaries included, are kept as they were."""
    db.put_item(TableName=table, Item=EVERYTHING)
    assert db.get_item(TableName=table, Key={"pk": s("all")})["Item"] == EVERYTHING


def test_numbers_and_sets_come_back_canonical(db: Any, table: str) -> None:
    """The service gives numbers without useless zeros and exponents, and sets without an order of their own."""
    db.put_item(TableName=table, Item={"pk": s("canon"), "n": n("1.50e2"), "m": {"L": [n("-0.0")]}, "ns": {"NS": ["3.0", "1E1", "2"]}})
    assert db.get_item(TableName=table, Key={"pk": s("canon")})["Item"] == {"pk": s("canon"), "n": n("150"), "m": {"L": [n("0")]}, "ns": {"NS": ["2", "3", "10"]}}


def test_a_put_replaces_the_whole_item(db: Any, table: str) -> None:
    """PutItem is no merge; ALL_OLD shows what was there."""
    db.put_item(TableName=table, Item={"pk": s("r"), "a": n(1)})
    assert "Attributes" not in db.put_item(TableName=table, Item={"pk": s("r2")}, ReturnValues="ALL_OLD")
    assert db.put_item(TableName=table, Item={"pk": s("r"), "b": n(2)}, ReturnValues="ALL_OLD")["Attributes"] == {"pk": s("r"), "a": n(1)}
    assert db.get_item(TableName=table, Key={"pk": s("r")})["Item"] == {"pk": s("r"), "b": n(2)}


def test_what_is_not_there(db: Any, table: str) -> None:
    """No item means no `Item` member; deleting nothing is no error."""
    answer = db.get_item(TableName=table, Key={"pk": s("none")}, ReturnConsumedCapacity="TOTAL")
    assert "Item" not in answer
    assert answer["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 0.5}
    assert "Attributes" not in db.delete_item(TableName=table, Key={"pk": s("none")}, ReturnValues="ALL_OLD")


def test_projection_and_attributes_to_get(db: Any, table: str) -> None:
    """Parts of an item, in the new style and the old."""
    db.put_item(TableName=table, Item={"pk": s("p"), "a": {"M": {"b": n(1), "c": n(2)}}, "d": n(3)})
    key = {"pk": s("p")}
    assert db.get_item(TableName=table, Key=key, ProjectionExpression="a.#c, d", ExpressionAttributeNames={"#c": "c"})["Item"] == {
        "a": {"M": {"c": n(2)}},
        "d": n(3),
    }
    assert db.get_item(TableName=table, Key=key, AttributesToGet=["d", "zz"])["Item"] == {"d": n(3)}
    assert "Duplicate value in attribute name: d" in invalid(db.get_item, TableName=table, Key=key, AttributesToGet=["d", "d"])
    assert invalid(db.get_item, TableName=table, Key=key, AttributesToGet=["d"], ProjectionExpression="d") == (
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
    )


def test_conditions_guard_writes(db: Any, table: str) -> None:
    """A condition that does not hold changes nothing, and shows the item when asked to."""
    db.put_item(TableName=table, Item={"pk": s("c"), "v": n(1)})
    item = {"pk": s("c"), "v": n(2)}
    with pytest.raises(ClientError) as caught:
        db.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    assert caught.value.response["Item"] == {"pk": s("c"), "v": n(1)}
    values = {":v": n(2)}
    assert failure(db.delete_item, TableName=table, Key={"pk": s("c")}, ConditionExpression="v = :v", ExpressionAttributeValues=values)[0] == (
        "ConditionalCheckFailedException"
    )
    db.delete_item(TableName=table, Key={"pk": s("c")}, ConditionExpression="v < :v", ExpressionAttributeValues=values)
    assert "Item" not in db.get_item(TableName=table, Key={"pk": s("c")})


def test_expected_is_the_older_condition(db: Any, table: str) -> None:
    """Applications from before expressions still work."""
    db.put_item(TableName=table, Item={"pk": s("e"), "v": n(1)})
    item = {"pk": s("e"), "v": n(2)}
    assert failure(db.put_item, TableName=table, Item=item, Expected={"pk": {"Exists": False}})[0] == "ConditionalCheckFailedException"
    assert failure(db.put_item, TableName=table, Item=item, Expected={"v": {"Value": n(5)}})[0] == "ConditionalCheckFailedException"
    two = {"v": {"ComparisonOperator": "GT", "AttributeValueList": [n(9)]}, "pk": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [s("e")]}}
    assert failure(db.put_item, TableName=table, Item=item, Expected=two)[0] == "ConditionalCheckFailedException"
    db.put_item(TableName=table, Item=item, Expected=two, ConditionalOperator="OR")
    assert "Value must be provided when Exists is null for Attribute: v" in invalid(db.put_item, TableName=table, Item=item, Expected={"v": {}})


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"a": n(1)}, "One or more parameter values were invalid: Missing the key pk in the item"),
        ({"pk": n(1)}, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"),
        ({"pk": s("")}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
        ({"pk": s("x" * 2049)}, "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ({"pk": s("x"), "a": {"SS": []}}, "One or more parameter values were invalid: An string set  may not be empty"),
        ({"pk": s("x"), "a": {"SS": ["b", "b"]}}, "One or more parameter values were invalid: Input collection [b, b] contains duplicates."),
        ({"pk": s("x"), "a": {"NS": ["1", "1.0"]}}, "Input collection contains duplicates"),
        ({"pk": s("x"), "a": {"NULL": False}}, "One or more parameter values were invalid: Null attribute value types must have the value of true"),
        ({"pk": s("x"), "a": n("1e200")}, "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ({"pk": s("x"), "a": s("y" * 409600)}, "Item size has exceeded the maximum allowed size"),
    ],
)
def test_items_that_are_refused(db: Any, table: str, item: dict[str, Any], message: str) -> None:
    """The service says what is wrong in these words."""
    assert invalid(db.put_item, TableName=table, Item=item) == message


def test_keys_of_indexes_and_of_queries_have_the_same_sizes(cloud: Running, db: Any) -> None:
    """2048 and 1024 bytes: values of an index's key in words of their own, and no query asks for what cannot be there."""
    table = make_table(cloud, range_type="S", more={"g": "S", "h": "B"}, GlobalSecondaryIndexes=[index("global", "g", "h")])
    key = {"pk": s("p"), "sk": s("s")}
    start = "One or more parameter values were invalid: Size limit exceeded for Index Key"
    for item, message in (
        ({"g": s("é" * 1024 + "x")}, f"{start} g Actual Size: 2049 bytes Max Size: 2048 bytes IndexName: global"),
        ({"h": {"B": b"x" * 1030}}, f"{start} h Actual Size: 1030 bytes Max Size: 1024 bytes IndexName: global"),
    ):
        assert invalid(db.put_item, TableName=table, Item={**key, **item}) == message
        ((name, value),) = item.items()
        change = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
        assert invalid(db.update_item, TableName=table, Key=key, **change) == "The update expression attempted to update the secondary index key beyond allowed size limits"
    db.put_item(TableName=table, Item={**key, "g": s("é" * 1024), "h": {"B": b"x" * 1024}})
    for values, message in (
        ({":p": s("x" * 2049), ":s": s("s")}, "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ({":p": s("p"), ":s": s("x" * 1025)}, "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"),
    ):
        assert invalid(db.query, TableName=table, KeyConditionExpression="pk = :p AND sk < :s", ExpressionAttributeValues=values) == message


def test_the_largest_item(db: Any, table: str) -> None:
    """400 KB count names and values; exactly that much is allowed."""
    item = {"pk": s("big"), "d": s("x" * (400 * 1024 - 3 - 2 - 1))}
    assert db.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 400
    item["d"]["S"] += "x"
    assert invalid(db.put_item, TableName=table, Item=item) == "Item size has exceeded the maximum allowed size"
    read = db.get_item(TableName=table, Key={"pk": s("big")}, ConsistentRead=True, ReturnConsumedCapacity="INDEXES")
    assert read["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 100.0, "Table": {"CapacityUnits": 100.0}}


def test_nesting_ends_at_32_levels(db: Any, table: str) -> None:
    """The innermost value stands on the 32nd level at most, an attribute on the first."""
    value: dict[str, Any] = {"S": "x"}
    for _ in range(31):
        value = {"L": [value]}
    db.put_item(TableName=table, Item={"pk": s("deep"), "v": value})
    assert "Nesting Levels" in invalid(db.put_item, TableName=table, Item={"pk": s("deep"), "v": {"L": [value]}})


def test_names_are_shorter_than_64_kilobytes(db: Any, table: str) -> None:
    """At the top of an item, within a map, and in values of expressions alike; in bytes, not characters."""
    refused = "1 validation error detected: Attribute name is too large, must be less than 65536 bytes"
    for name in ("n" * 65_536, "é" * 32_768):
        inside = {"M": {"deep": {"L": [{"M": {name: s("x")}}]}}}
        assert invalid(db.put_item, TableName=table, Item={"pk": s("names"), name: s("x")}) == refused
        assert invalid(db.put_item, TableName=table, Item={"pk": s("names"), "m": inside}) == refused
        update = {"UpdateExpression": "SET m = :m", "ExpressionAttributeValues": {":m": inside}}
        assert invalid(db.update_item, TableName=table, Key={"pk": s("names")}, **update) == refused
        assert "Item" not in db.get_item(TableName=table, Key={"pk": s("names")})
    db.put_item(TableName=table, Item={"pk": s("names"), "m": {"M": {"n" * 65_535: s("x")}}})


def test_names_put_in_for_placeholders_are_measured_in_bytes(db: Any, table: str) -> None:
    """The model counts characters, of which 65,535 may stand; DynamoDB itself counts bytes, in the older parameters too."""
    call: dict[str, Any] = {"TableName": table, "Key": {"pk": s("names")}}
    longest, too_long = "é" * 32_767 + "n", "é" * 32_768
    words = "Attribute name is too large, must be less than 65536 bytes"
    db.get_item(**call, ProjectionExpression="#n", ExpressionAttributeNames={"#n": longest})
    refused = invalid(db.get_item, **call, ProjectionExpression="#n", ExpressionAttributeNames={"#n": too_long})
    assert refused == f"ExpressionAttributeNames contains invalid value: {words} for key #n"
    assert invalid(db.get_item, **call, AttributesToGet=[too_long]).endswith(words)
    assert invalid(db.update_item, **call, AttributeUpdates={too_long: {"Value": s("x")}}).endswith(words)
    by_model = invalid(db.get_item, **call, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "n" * 65_536})
    assert by_model.endswith("Map value must satisfy constraint: [Member must have length less than or equal to 65535]")


def test_keys_of_requests_fit_the_schema(db: Any, table: str) -> None:
    """Exactly the key's attributes, in their types."""
    message = "The provided key element does not match the schema"
    for key in ({"pk": n(1)}, {"pk": s("a"), "more": s("b")}, {"other": s("a")}):
        assert invalid(db.get_item, TableName=table, Key=key) == message
        assert invalid(db.delete_item, TableName=table, Key=key) == message


def test_tables_that_are_not_there(cloud: Running, db: Any) -> None:
    """The table is looked for after the values are checked, and a table that is being made is not there yet."""
    item = {"pk": s("x")}
    assert failure(db.put_item, TableName="no-such-table", Item=item) == ("ResourceNotFoundException", "Requested resource not found")
    assert "empty" in invalid(db.put_item, TableName="no-such-table", Item={"pk": {"SS": []}})
    db.create_table(
        TableName="young",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert failure(db.get_item, TableName="young", Key=item)[0] == "ResourceNotFoundException"
    cloud.advance("1s")
    db.get_item(TableName="young", Key=item)


def test_tables_are_named_by_arn_too(db: Any, table: str) -> None:
    """Every operation on items takes the table's ARN in the place of its name."""
    arn = db.describe_table(TableName=table)["Table"]["TableArn"]
    db.put_item(TableName=arn, Item={"pk": s("by-arn")})
    assert db.get_item(TableName=table, Key={"pk": s("by-arn")})["Item"] == {"pk": s("by-arn")}


def test_capacity_is_shown_for_the_table_as_it_was_named(db: Any, table: str) -> None:
    """ConsumedCapacity: who has named a table by its ARN sees the ARN."""
    arn = db.describe_table(TableName=table)["Table"]["TableArn"]
    item = {"pk": s("by-arn")}
    shown: dict[str, Any] = {"ReturnConsumedCapacity": "TOTAL"}
    query = {"KeyConditionExpression": "pk = :k", "ExpressionAttributeValues": {":k": s("by-arn")}}
    put = {"Put": {"TableName": arn, "Item": item}}
    for name in (table, arn):
        put["Put"]["TableName"] = name
        answers = [
            db.put_item(TableName=name, Item=item, **shown),
            db.get_item(TableName=name, Key=item, **shown),
            db.update_item(TableName=name, Key=item, **shown),
            db.delete_item(TableName=name, Key=item, **shown),
            db.query(TableName=name, **query, **shown),
            db.scan(TableName=name, **shown),
            db.execute_statement(Statement=f"SELECT * FROM \"{name}\" WHERE pk = 'x'", **shown),
            db.batch_get_item(RequestItems={name: {"Keys": [item]}}, **shown),
            db.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": item}}]}, **shown),
            db.transact_get_items(TransactItems=[{"Get": {"TableName": name, "Key": item}}], **shown),
            db.transact_write_items(TransactItems=[put], ClientRequestToken=name[-20:], **shown),
            db.transact_write_items(TransactItems=[put], ClientRequestToken=name[-20:], **shown),
        ]
        capacities = [answer["ConsumedCapacity"] for answer in answers]
        assert [one["TableName"] for found in capacities for one in (found if isinstance(found, list) else [found])] == [name] * len(answers)


def test_return_values_that_make_no_sense(db: Any, table: str) -> None:
    """A put shows nothing new."""
    assert invalid(db.put_item, TableName=table, Item={"pk": s("x")}, ReturnValues="ALL_NEW") == "ReturnValues can only be ALL_OLD or NONE"


def test_placeholders_must_be_used_and_well_formed(db: Any, table: str) -> None:
    """What is given and not used is most likely a mistake, and treated as one."""
    call: dict[str, Any] = {"TableName": table, "Item": {"pk": s("x")}}
    assert invalid(db.put_item, **call, ExpressionAttributeNames={"#a": "a"}) == "ExpressionAttributeNames can only be specified when using expressions"
    assert invalid(db.put_item, **call, ExpressionAttributeValues={":a": s("a")}) == (
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    )
    call["ConditionExpression"] = "attribute_exists(pk)"
    assert invalid(db.put_item, **call, ExpressionAttributeNames={"#a": "a", "#b": "b"}) == (
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    )
    assert invalid(db.put_item, **call, ExpressionAttributeValues={":a": s("a")}) == (
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"
    )
    assert invalid(db.put_item, **call, ExpressionAttributeNames={}) == "ExpressionAttributeNames must not be empty"
    assert invalid(db.put_item, **call, ExpressionAttributeNames={"a": "a"}) == (
        'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"'
    )
    assert invalid(db.put_item, **call, ExpressionAttributeValues={":a": {"SS": []}}) == (
        "ExpressionAttributeValues contains invalid value: One or more parameter values were invalid: An string set  may not be empty for key :a"
    )


def test_writes_cost_the_larger_of_old_and_new(db: Any, table: str) -> None:
    """One unit for each KB begun, of the item before or after, whichever is larger."""
    key = {"pk": s("cost")}
    assert db.put_item(TableName=table, Item={**key, "d": s("x" * 1100)}, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 2
    assert db.put_item(TableName=table, Item=key, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 2
    assert db.put_item(TableName=table, Item=key, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 1
    assert db.delete_item(TableName=table, Key=key, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 1
