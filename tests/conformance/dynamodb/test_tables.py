"""Tables: what may be made, tags, time to live, streams. (API Reference: "CreateTable" … ; Developer Guide: "Change data capture", "TTL")"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, failure, index, invalid, key_schema, n, s

DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
INVALID = "One or more parameter values were invalid: "


def attributes(**kinds: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]


UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
CREATIONS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(other="S"), **DEMAND},
        INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: [other]",
        "a key without a definition",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S", other="S"), **DEMAND},
        INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        "a definition without a key",
    ),
    (
        {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}], "AttributeDefinitions": attributes(pk="S"), **DEMAND},
        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        "no partition key",
    ),
    (
        {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "HASH"}],
            "AttributeDefinitions": attributes(pk="S", sk="S"),
            **DEMAND,
        },
        "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        "two partition keys",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S")},
        INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        "provisioned without capacity",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), **DEMAND, "ProvisionedThroughput": UNITS},
        INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        "on demand with capacity",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", l="S"),
            "LocalSecondaryIndexes": [index("the-l", "pk", "l")],
            **DEMAND,
        },
        INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        "a local index needs a sort key",
    ),
    (
        {
            "KeySchema": key_schema("pk", "sk"),
            "AttributeDefinitions": attributes(pk="S", sk="S", l="S"),
            "LocalSecondaryIndexes": [index("same", "pk", "l"), index("same", "pk", "l")],
            **DEMAND,
        },
        INVALID + "Duplicate index name: same",
        "each name once",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", g="S", h="S"),
            "GlobalSecondaryIndexes": [index("same", "g"), index("same", "h")],
            **DEMAND,
        },
        INVALID + "Duplicate index name: same",
        "among global ones too",
    ),
    (
        {
            "KeySchema": key_schema("pk", "sk"),
            "AttributeDefinitions": attributes(pk="S", sk="S", l="S"),
            "LocalSecondaryIndexes": [index("the-l", "l", "sk")],
            **DEMAND,
        },
        INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: the-l. index hash key: l, table hash key: pk",
        "a local index has the table's partitions",
    ),
    (
        {
            "KeySchema": key_schema("pk", "sk"),
            "AttributeDefinitions": attributes(pk="S", sk="S"),
            "LocalSecondaryIndexes": [index("the-l", "pk")],
            **DEMAND,
        },
        INVALID + "Index KeySchema does not have a range key for index: the-l",
        "and a sort key of its own",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", g="S"),
            "GlobalSecondaryIndexes": [{**index("the-g", "g"), "Projection": {"ProjectionType": "ALL", "NonKeyAttributes": ["a"]}}],
            **DEMAND,
        },
        INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
        "all or some",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", g="S"),
            "GlobalSecondaryIndexes": [{**index("the-g", "g"), "Projection": {"ProjectionType": "INCLUDE"}}],
            **DEMAND,
        },
        INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        "which ones?",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", g="S"),
            "GlobalSecondaryIndexes": [{**index("the-g", "g"), "Projection": {}}],
            **DEMAND,
        },
        INVALID + "Unknown ProjectionType: null",
        "what is projected?",
    ),
    (
        {
            "KeySchema": key_schema("pk"),
            "AttributeDefinitions": attributes(pk="S", **{f"g{number}": "S" for number in range(21)}),
            "GlobalSecondaryIndexes": [index(f"the-g{number}", f"g{number}") for number in range(21)],
            **DEMAND,
        },
        INVALID + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        "twenty global indexes",
    ),
    (
        {
            "KeySchema": key_schema("pk", "sk"),
            "AttributeDefinitions": attributes(pk="S", sk="S", **{f"l{number}": "S" for number in range(6)}),
            "LocalSecondaryIndexes": [index(f"the-l{number}", "pk", f"l{number}") for number in range(6)],
            **DEMAND,
        },
        INVALID + "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        "five local ones",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "LocalSecondaryIndexes": [], **DEMAND},
        INVALID + "List of LocalSecondaryIndexes is empty",
        "no empty lists",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "GlobalSecondaryIndexes": [], **DEMAND},
        INVALID + "List of GlobalSecondaryIndexes is empty",
        "of either kind",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "StreamSpecification": {"StreamEnabled": True}, **DEMAND},
        INVALID + "Table is being created with a stream enabled, UpdateViewType is required",
        "a stream of what?",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "SSESpecification": {"Enabled": False, "SSEType": "KMS"}, **DEMAND},
        "SSEType can not be specified if Enabled is false",
        "a type of no encryption",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "SSESpecification": {"Enabled": False, "KMSMasterKeyId": "alias/aws/dynamodb"}, **DEMAND},
        "KMSMasterKeyId can not be specified if Enabled is false",
        "a key for no encryption",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "SSESpecification": {"Enabled": True, "SSEType": "AES256"}, **DEMAND},
        "SSEType AES256 is not supported",
        "a type that is the model's only",
    ),
    (
        {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "SSESpecification": {"Enabled": True, "KMSMasterKeyId": "alias/aws/dynamodb"}, **DEMAND},
        "SSEType KMS is required if KMSMasterKeyId is specified",
        "a key without its type",
    ),
]


@pytest.mark.parametrize(("definition", "message", "why"), CREATIONS, ids=[one[2] for one in CREATIONS])
def test_tables_that_are_refused(db: Any, world: World, definition: dict[str, Any], message: str, why: str) -> None:
    """What is no table."""
    found = invalid(db.create_table, TableName=world.new_name(), **definition)
    # Since keys may have several attributes, some of these messages have more to say behind their beginning.
    assert message in found or found.split(".")[0].split(":")[:2] == message.split(".")[0].split(":")[:2], (why, found)


@pytest.mark.parametrize("name", ["a" * 256, "has space", "slash/name", "ümlaut"])
def test_names_of_tables(db: Any, name: str) -> None:
    """3 to 255 letters, digits, `_`, `-` and `.`."""
    found = failure(db.create_table, TableName=name, KeySchema=key_schema("pk"), AttributeDefinitions=attributes(pk="S"), **DEMAND)
    assert found[0] == "ValidationException"


def test_a_table_and_its_description(db: Any, world: World) -> None:
    """What is described is what was made."""
    name = world.make_table({"pk": "S", "sk": "N"}, more={"g": "B"}, GlobalSecondaryIndexes=[index("the-g", "g", projection="KEYS_ONLY")])
    table = db.describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE" and table["KeySchema"] == key_schema("pk", "sk")
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]} == {"pk": "S", "sk": "N", "g": "B"}
    (found,) = table["GlobalSecondaryIndexes"]
    assert (found["IndexName"], found["IndexStatus"], found["Projection"]) == ("the-g", "ACTIVE", {"ProjectionType": "KEYS_ONLY"})
    assert table["TableArn"].endswith(f":table/{name}") and table["ItemCount"] == 0


def test_tables_that_are_there_or_not(db: Any, simple: str, world: World) -> None:
    """Made once, found by name."""
    call = {"TableName": simple, "KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), **DEMAND}
    assert failure(db.create_table, **call) == ("ResourceInUseException", f"Table already exists: {simple}")
    absent = world.new_name()
    message = f"Requested resource not found: Table: {absent} not found"
    assert failure(db.describe_table, TableName=absent) == ("ResourceNotFoundException", message)
    assert failure(db.delete_table, TableName=absent) == ("ResourceNotFoundException", message)
    assert failure(db.update_table, TableName=absent, DeletionProtectionEnabled=True)[0] == "ResourceNotFoundException"


def test_deletion_protection(db: Any, world: World) -> None:
    """A protected table is not deleted."""
    name = world.make_table({"pk": "S"}, DeletionProtectionEnabled=True)
    code, message = failure(db.delete_table, TableName=name)
    assert code == "ValidationException" and "deletion protection" in message.lower()
    db.update_table(TableName=name, DeletionProtectionEnabled=False)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_lists_of_tables(db: Any, world: World, simple: str, texts: str, limit: int) -> None:
    """Names in order, in pages."""
    names: list[str] = []
    start: dict[str, Any] = {}
    while True:
        page = db.list_tables(Limit=limit, **start)
        names.extend(page["TableNames"])
        if "LastEvaluatedTableName" not in page:
            break
        start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}
    assert names == sorted(names) and {simple, texts} <= set(names)


# ---- tags


def test_tags(db: Any, world: World) -> None:
    """Set, replaced, removed."""
    name = world.make_table({"pk": "S"}, Tags=[{"Key": "a", "Value": "1"}])
    arn = db.describe_table(TableName=name)["Table"]["TableArn"]
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}])
    world.pass_time("4s")
    assert {tag["Key"]: tag["Value"] for tag in db.list_tags_of_resource(ResourceArn=arn)["Tags"]} == {"a": "2", "b": ""}
    db.untag_resource(ResourceArn=arn, TagKeys=["a", "not there"])
    world.pass_time("4s")
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": ""}]


TAGS: list[tuple[list[dict[str, str]], str]] = [
    ([{"Key": "aws:x", "Value": "1"}], "reserved for AWS"),
    ([{"Key": "k" * 129, "Value": "1"}], "128 characters"),
    ([{"Key": "k", "Value": "v" * 257}], "256 characters"),
    ([{"Key": f"k{number}", "Value": ""} for number in range(51)], "fifty of them"),
]


@pytest.mark.parametrize(("tags", "why"), TAGS, ids=[one[1] for one in TAGS])
def test_tags_that_are_refused(db: Any, simple: str, tags: list[dict[str, str]], why: str) -> None:
    """Limits of tags."""
    arn = db.describe_table(TableName=simple)["Table"]["TableArn"]
    assert failure(db.tag_resource, ResourceArn=arn, Tags=tags)[0] == "ValidationException", why


# ---- time to live


def test_time_to_live(db: Any, world: World) -> None:
    """Items go after their time; numbers in seconds only, and none that are older than five years."""
    name = world.make_table({"pk": "S"})
    assert db.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    db.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "at"})
    world.pass_time("1h")
    assert db.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "at"}
    now = int(db.describe_table(TableName=name)["Table"]["CreationDateTime"].timestamp())
    for key, value in {"soon": n(now + 7200), "text": s(str(now)), "old": n(now - 200_000_000), "later": n(now + 10**8)}.items():
        db.put_item(TableName=name, Item={"pk": s(key), "at": value})
    world.pass_time("3d")
    assert sorted(item["pk"]["S"] for item in db.scan(TableName=name)["Items"]) == ["later", "old", "text"]


TTL: list[tuple[dict[str, Any], str]] = [
    ({"Enabled": False, "AttributeName": "at"}, "TimeToLive is already disabled"),
    ({"Enabled": True, "AttributeName": "x" * 256}, ""),
]


@pytest.mark.parametrize(("specification", "message"), TTL)
def test_time_to_live_that_is_refused(db: Any, simple: str, specification: dict[str, Any], message: str) -> None:
    """Switched off twice; names beyond 255 characters."""
    found = invalid(db.update_time_to_live, TableName=simple, TimeToLiveSpecification=specification)
    assert not message or found == message


# ---- streams

IMAGES = {"KEYS_ONLY": set(), "NEW_IMAGE": {"NewImage"}, "OLD_IMAGE": {"OldImage"}, "NEW_AND_OLD_IMAGES": {"NewImage", "OldImage"}}


@pytest.mark.parametrize("view", IMAGES)
def test_streams(db: Any, world: World, view: str) -> None:
    """A record for each change, with the images that were asked for; none for a write that changes nothing."""
    name = world.make_table({"pk": "S"}, StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    key = {"pk": s("k")}
    db.put_item(TableName=name, Item={**key, "v": n(1)})
    db.put_item(TableName=name, Item={**key, "v": n(1)})
    db.update_item(TableName=name, Key=key, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": n(2)})
    db.execute_statement(Statement=f"UPDATE \"{name}\" SET v = 3 WHERE pk = 'k'")
    db.delete_item(TableName=name, Key=key)
    db.delete_item(TableName=name, Key=key)
    streams = world.client("dynamodbstreams")
    arn = db.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    records: list[Any] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records.extend(streams.get_records(ShardIterator=iterator)["Records"])
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "MODIFY", "REMOVE"]
    for record, (old, new) in zip(records, [(None, 1), (1, 2), (2, 3), (3, None)]):
        change = record["dynamodb"]
        assert change["Keys"] == key and change["StreamViewType"] == view
        for image, value in (("OldImage", old), ("NewImage", new)):
            if value is not None and image in IMAGES[view]:
                assert change[image] == {**key, "v": n(value)}
            else:
                assert image not in change
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(numbers)
