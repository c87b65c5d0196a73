"""Tables: their making, changing and end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.support.running import Running

HASH = [{"AttributeName": "pk", "KeyType": "HASH"}]
BOTH = [*HASH, {"AttributeName": "sk", "KeyType": "RANGE"}]


def defined(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def several(kinds: str, names: str = "abcdef") -> tuple[dict[str, Any]]:
    """Parameters for an index whose key has several attributes, of the kinds H and R."""
    words = {"H": "HASH", "R": "RANGE"}
    keys = [{"AttributeName": name, "KeyType": words[kind]} for name, kind in zip(names, kinds)]
    attributes = defined("pk", *dict.fromkeys(one["AttributeName"] for one in keys))
    return ({"AttributeDefinitions": attributes, "GlobalSecondaryIndexes": [{**index("one", "pk"), "KeySchema": keys}]},)


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def described(db: Any, table: str) -> dict[str, Any]:
    return dict(db.describe_table(TableName=table)["Table"])


def test_a_table_is_creating_then_active(cloud: Running, db: Any) -> None:
    """Waiters rely on the states, and on the answer's shape. A name that is taken is said to be so unless its table is being made, also by one that is being deleted."""
    made = db.create_table(
        TableName="life",
        KeySchema=BOTH,
        AttributeDefinitions=defined("pk", "sk", "g"),
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 2},
        GlobalSecondaryIndexes=[{**index("by-g", "g"), "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}],
        Tags=[{"Key": "team", "Value": "sky"}],
    )["TableDescription"]
    assert made["TableStatus"] == "CREATING" and made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    again: dict[str, Any] = {"TableName": "life", "KeySchema": HASH, "AttributeDefinitions": defined("pk"), "BillingMode": "PAY_PER_REQUEST"}
    in_use, start = "ResourceInUseException", "Attempt to change a resource which is still in use: Table is being "
    for call, asked in ((db.create_table, again), (db.delete_table, {"TableName": "life"}), (db.update_table, {"TableName": "life", "DeletionProtectionEnabled": True})):
        assert failure(call, **asked) == (in_use, f"{start}created: life")
    assert "The first KeySchemaElement is not a HASH" in invalid(db.create_table, **{**again, "KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]})
    cloud.advance("1s")
    table = described(db, "life")
    assert table["TableStatus"] == "ACTIVE" and table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert table["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/life"
    assert table["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 3, "WriteCapacityUnits": 2}
    assert "BillingModeSummary" not in table and table["KeySchema"] == BOTH
    assert db.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "team", "Value": "sky"}]
    assert failure(db.create_table, **again) == (in_use, "Table already exists: life")
    db.delete_table(TableName="life")
    assert failure(db.create_table, **again) == (in_use, "Table already exists: life")
    for call, asked in ((db.delete_table, {}), (db.update_table, {"DeletionProtectionEnabled": True})):
        assert failure(call, TableName="life", **asked) == (in_use, f"{start}deleted: life")


def test_a_deleted_table_leaves_nothing(fresh_cloud: Running) -> None:
    """A table made anew under the same name is empty, and the old rows are gone from the store."""
    db = fresh_cloud.client("dynamodb")
    parameters: dict[str, Any] = {
        "TableName": "again",
        "KeySchema": HASH,
        "AttributeDefinitions": defined("pk", "g"),
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [index("by-g", "g")],
    }
    db.create_table(**parameters)
    fresh_cloud.advance("1s")
    for start in range(0, 600, 25):
        puts = [{"PutRequest": {"Item": {"pk": s(str(number)), "g": s("g")}}} for number in range(start, start + 25)]
        db.batch_write_item(RequestItems={"again": puts})
    assert described(db, "again")["ItemCount"] == 600
    assert db.delete_table(TableName="again")["TableDescription"]["TableStatus"] == "DELETING"
    assert failure(db.get_item, TableName="again", Key={"pk": s("1")})[0] == "ResourceNotFoundException"
    assert described(db, "again")["TableStatus"] == "DELETING"
    fresh_cloud.advance("1s")
    assert failure(db.describe_table, TableName="again") == ("ResourceNotFoundException", "Requested resource not found: Table: again not found")
    store = fresh_cloud.app.cloud.store
    assert not [key for key, _ in store.iterate(b"\x02dynamodb-", b"\x02dynamodb.")]
    db.create_table(**parameters)
    fresh_cloud.advance("1s")
    assert db.scan(TableName="again")["Count"] == 0 and described(db, "again")["ItemCount"] == 0


def test_counts_are_exact(cloud: Running, db: Any) -> None:
    """Items and bytes of table and indexes, after puts, replacements and deletions."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g", projection="KEYS_ONLY")])
    for key, extra in (("a", {"g": s("x")}), ("b", {"d": s("12345")}), ("a", {"g": s("xy"), "d": s("1")}), ("c", {})):
        db.put_item(TableName=table, Item={"pk": s(key), **extra})
    db.delete_item(TableName=table, Key={"pk": s("c")})
    found = described(db, table)
    assert (found["ItemCount"], found["TableSizeBytes"]) == (2, (3 + 3 + 2) + (3 + 6))
    assert (found["GlobalSecondaryIndexes"][0]["ItemCount"], found["GlobalSecondaryIndexes"][0]["IndexSizeBytes"]) == (1, 6)


def test_lists_of_tables_come_in_pages(fresh_cloud: Running) -> None:
    """Names in order, a page at a time; other regions and accounts have their own."""
    db = fresh_cloud.client("dynamodb")
    for name in ("ccc", "aaa", "bbb"):
        db.create_table(TableName=name, KeySchema=HASH, AttributeDefinitions=defined("pk"), BillingMode="PAY_PER_REQUEST")
    first = db.list_tables(Limit=2)
    assert first["TableNames"] == ["aaa", "bbb"] and first["LastEvaluatedTableName"] == "bbb"
    assert db.list_tables(ExclusiveStartTableName="bbb")["TableNames"] == ["ccc"]
    assert fresh_cloud.client("dynamodb", region="eu-west-1").list_tables()["TableNames"] == []
    assert fresh_cloud.client("dynamodb", key="111111111111").list_tables()["TableNames"] == []


def test_tables_are_named_by_name_or_arn(cloud: Running) -> None:
    """A name is as long and of such characters as it must be, an ARN of this region, and of a table; both are said as the service's framework says it. Answers have the name alone."""
    db = cloud.client("dynamodb", parameter_validation=False)
    table = make_table(cloud)
    arn = described(db, table)["TableArn"]
    west, tag, other, absent = (arn.replace(*change) for change in (("us-east-1", "us-west-2"), (":table", ":tag"), (":aws:", ":aws-cn:"), (table, "absent")))
    short, letters = "Member must have length greater than or equal to 3", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    for wrong, problems in (("", (short, letters)), ("ab", (short,)), ("a" * 256, ("Member must have length less than or equal to 255",)), ("a b", (letters,))):
        found = "; ".join(f"Value '{wrong}' at 'tableName' failed to satisfy constraint: {problem}" for problem in problems)
        message = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: {found}"
        for call in (db.describe_table, db.update_table, db.describe_time_to_live, db.scan):
            assert invalid(call, TableName=wrong) == message
    for wrong, what in ((west, "AWS region"), (other, "AWS partition"), (tag, "resource type")):
        for call in (db.describe_table, db.describe_contributor_insights, db.scan):
            assert invalid(call, TableName=wrong) == f"1 validation error detected: Invalid {what} in '{wrong}'"
    assert failure(db.describe_table, TableName=absent) == ("ResourceNotFoundException", "Requested resource not found: Table: absent not found")
    assert "exclusiveStartTableName" in invalid(db.list_tables, ExclusiveStartTableName=arn)
    upper = table.upper()
    db.create_table(TableName=upper, KeySchema=HASH, AttributeDefinitions=defined("pk"), BillingMode="PAY_PER_REQUEST")
    assert db.list_tables(ExclusiveStartTableName=upper[:-1], Limit=1)["TableNames"] == [upper]
    assert db.update_table(TableName=arn, DeletionProtectionEnabled=False)["TableDescription"]["TableName"] == table
    assert db.delete_table(TableName=arn)["TableDescription"]["TableName"] == table


PREFIX = "One or more parameter values were invalid: "


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BillingMode": "PROVISIONED"}, PREFIX + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
            PREFIX + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        ({"TableName": "ab"}, "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"),
        (
            {"TableName": "a/b/c"},
            "1 validation error detected: Value 'a/b/c' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        ({"AttributeDefinitions": defined("pk", "sk")}, PREFIX + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
        (
            {"AttributeDefinitions": defined("other")},
            PREFIX + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: [other]",
        ),
        ({"KeySchema": BOTH}, "Invalid KeySchema: Some index key attribute have no definition"),
        ({"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]}, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (
            {"LocalSecondaryIndexes": [index("local", "pk", "x")], "AttributeDefinitions": defined("pk", "x")},
            PREFIX + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        ({"GlobalSecondaryIndexes": []}, PREFIX + "List of GlobalSecondaryIndexes is empty"),
        (
            {"GlobalSecondaryIndexes": [index("one", "pk"), index("one", "pk")]},
            PREFIX + "Duplicate index name: one",
        ),
        (
            {"GlobalSecondaryIndexes": [index(f"index-{number}", "pk") for number in range(21)]},
            PREFIX + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            {"GlobalSecondaryIndexes": [{**index("one", "pk"), "Projection": {"ProjectionType": "ALL", "NonKeyAttributes": ["a"]}}]},
            PREFIX + "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            {"GlobalSecondaryIndexes": [{**index("one", "pk"), "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a", "b", "a"]}}]},
            PREFIX + "Duplicate element in NonKeyAttributes: a",
        ),
        (
            # What is defined without need is said first, whatever else is wrong.
            {"AttributeDefinitions": defined("pk", "x"), "GlobalSecondaryIndexes": [{**index("one", "pk"), "Projection": {}}]},
            PREFIX + "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, x], keys used: [pk]",
        ),
        ({"AttributeDefinitions": defined("pk", "pk")}, "Attribute Name is duplicated: pk"),
        (*several("HRH"), PREFIX + "All HASH key attributes must precede RANGE key attributes in the KeySchema"),
        (*several("HHHHH"), PREFIX + "The KeySchema exceeds the maximum allowed number of HASH key attributes"),
        (*several("HRRRRR"), PREFIX + "The KeySchema exceeds the maximum allowed number of RANGE key attributes"),
        (*several("HHR", "aba"), "The KeySchema contains multiple key attributes with the same name"),
        ({"TableClass": "COLD"}, "Invalid table-class parameter provided. Please try again with a valid table-class value: [STANDARD, STANDARD_INFREQUENT_ACCESS]."),
        (
            {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "X"}]},
            "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [B, N, S]",
        ),
        ({"StreamSpecification": {"StreamEnabled": True}}, PREFIX + "Table is being created with a stream enabled, UpdateViewType is required"),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            PREFIX + "Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        ({"KeySchema": None}, "1 validation error detected: Value null at 'keySchema' failed to satisfy constraint: Member must not be null"),
        ({"AttributeDefinitions": None}, "1 validation error detected: Value null at 'attributeDefinitions' failed to satisfy constraint: Member must not be null"),
    ],
)
def test_tables_that_are_refused(db: Any, changes: dict[str, Any], message: str) -> None:
    """What is wrong is said before anything is made."""
    wanted = {"TableName": "refused", "KeySchema": HASH, "AttributeDefinitions": defined("pk"), "BillingMode": "PAY_PER_REQUEST", **changes}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    assert invalid(db.create_table, **parameters) == message
    assert failure(db.describe_table, TableName="refused")[0] == "ResourceNotFoundException"


def test_local_indexes_share_the_tables_partition_key(db: Any) -> None:
    """They are another order of the same partition."""
    parameters: dict[str, Any] = {"TableName": "local", "KeySchema": BOTH, "AttributeDefinitions": defined("pk", "sk", "x"), "BillingMode": "PAY_PER_REQUEST"}
    assert "does not have the same leading hash key" in invalid(db.create_table, **parameters, LocalSecondaryIndexes=[index("local", "x", "sk")])
    both = [index("local", "pk"), index("other", "pk", "x")]
    assert "does not have a range key for index: local" in invalid(db.create_table, **parameters, LocalSecondaryIndexes=both)


def test_capacity_changes(cloud: Running, db: Any) -> None:
    """Up and down, to on demand and back, with the dates of it."""
    table = make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    same = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    assert "will not change" in invalid(db.update_table, TableName=table, ProvisionedThroughput=same)
    updated = db.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 2, "WriteCapacityUnits": 9})["TableDescription"]
    assert updated["TableStatus"] == "UPDATING"
    assert failure(db.update_table, TableName=table, ProvisionedThroughput=same)[0] == "ResourceInUseException"
    db.put_item(TableName=table, Item={"pk": s("served meanwhile")})
    cloud.advance("1s")
    throughput = described(db, table)["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"], throughput["NumberOfDecreasesToday"]) == (2, 9, 1)
    assert {"LastIncreaseDateTime", "LastDecreaseDateTime"} <= set(throughput)
    db.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    cloud.advance("1s")
    found = described(db, table)
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST" and found["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert "ProvisionedThroughput must be specified" in invalid(db.update_table, TableName=table, BillingMode="PROVISIONED")
    db.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=same)
    cloud.advance("1s")
    assert described(db, table)["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert "At least one of" in invalid(db.update_table, TableName=table)


def test_deletion_protection(cloud: Running, db: Any) -> None:
    """A protected table stays until the protection is taken away."""
    table = make_table(cloud, DeletionProtectionEnabled=True)
    assert "currently protected against deletion" in invalid(db.delete_table, TableName=table)
    assert db.update_table(TableName=table, DeletionProtectionEnabled=False)["TableDescription"]["DeletionProtectionEnabled"] is False
    db.delete_table(TableName=table)


def test_an_index_is_filled_and_kept(fresh_cloud: Running) -> None:
    """A new index gets what was there before it and what is written while it is made; wrong types stay out; then it can be deleted and made again."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    for start in range(0, 600, 25):
        puts = [{"PutRequest": {"Item": {"pk": s(str(number)), "g": s(f"g{number % 2}")}}} for number in range(start, start + 25)]
        db.batch_write_item(RequestItems={table: puts})
    db.put_item(TableName=table, Item={"pk": s("wrong"), "g": n(1)})
    create: dict[str, Any] = {
        "TableName": table,
        "AttributeDefinitions": defined("pk", "g"),
        "GlobalSecondaryIndexUpdates": [{"Create": index("by-g", "g")}],
    }
    made = db.update_table(**create)["TableDescription"]
    assert made["TableStatus"] == "UPDATING" and made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    query: dict[str, Any] = {"TableName": table, "IndexName": "by-g", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": s("g1")}}
    assert "backfilling" in invalid(db.query, **query)
    db.put_item(TableName=table, Item={"pk": s("new"), "g": s("g1")})
    db.delete_item(TableName=table, Key={"pk": s("1")})
    fresh_cloud.advance("1s")
    found = described(db, table)
    assert found["TableStatus"] == "ACTIVE" and found["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert found["GlobalSecondaryIndexes"][0]["ItemCount"] == 600
    keys = {item["pk"]["S"] for item in db.query(**query)["Items"]}
    assert keys == {str(number) for number in range(3, 600, 2)} | {"new"}
    assert "Type mismatch for Index Key g" in invalid(db.put_item, TableName=table, Item={"pk": s("x"), "g": n(1)})
    db.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    assert described(db, table)["GlobalSecondaryIndexes"][0]["IndexStatus"] == "DELETING"
    fresh_cloud.advance("1s")
    found = described(db, table)
    assert "GlobalSecondaryIndexes" not in found and found["AttributeDefinitions"] == defined("pk")
    db.put_item(TableName=table, Item={"pk": s("x"), "g": n(1)})
    db.update_table(**create)
    fresh_cloud.advance("1s")
    assert described(db, table)["GlobalSecondaryIndexes"][0]["ItemCount"] == 600


def test_a_table_survives_a_restart_in_any_state(fresh_cloud: Running) -> None:
    """What was under way goes on after it."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    db.put_item(TableName=table, Item={"pk": s("kept"), "v": n(1)})
    db.create_table(TableName="half", KeySchema=HASH, AttributeDefinitions=defined("pk"), BillingMode="PAY_PER_REQUEST")
    fresh_cloud.stop()
    fresh_cloud.start()
    db = fresh_cloud.client("dynamodb")
    assert db.get_item(TableName=table, Key={"pk": s("kept")})["Item"] == {"pk": s("kept"), "v": n(1)}
    assert described(db, "half")["TableStatus"] == "CREATING"
    fresh_cloud.advance("1s")
    assert described(db, "half")["TableStatus"] == "ACTIVE"


def test_local_indexes_are_not_updated(cloud: Running, db: Any) -> None:
    """UpdateTable is about global indexes; local ones are as the table was made with them."""
    table = make_table(cloud, range_type="S", more={"l": "S"}, LocalSecondaryIndexes=[index("local", "pk", "l")])
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    definitions = [{"AttributeName": "l", "AttributeType": "S"}]
    for change, message in (
        ({"Delete": {"IndexName": "local"}}, "Cannot delete an index that is not a GlobalSecondaryIndex: local"),
        ({"Update": {"IndexName": "local", "ProvisionedThroughput": units}}, "Cannot update an index that is not a GlobalSecondaryIndex: local"),
        ({"Create": index("local", "l")}, "Attempting to create an index which already exists"),
    ):
        assert failure(db.update_table, TableName=table, AttributeDefinitions=definitions, GlobalSecondaryIndexUpdates=[change]) == ("ValidationException", message)


def test_a_new_index_is_defined_by_its_request(cloud: Running, db: Any) -> None:
    """Also where the table's own key is part of the index's; the rest of the table's key need not be said again."""
    table = make_table(cloud, range_type="S")
    create = {"TableName": table, "GlobalSecondaryIndexUpdates": [{"Create": index("turned", "sk", "g")}]}
    none = "One or more parameter values were invalid: AttributeDefinitions is not specified for index: turned"
    few = "Invalid KeySchema: Some index key attribute have no definition"
    other = "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [sk, g], AttributeDefinitions: [pk, g]"
    for given, message in (({}, none), ({"AttributeDefinitions": defined("g")}, few), ({"AttributeDefinitions": defined("pk", "g")}, other)):
        assert invalid(db.update_table, **create, **given) == message
    made = db.update_table(**create, AttributeDefinitions=defined("sk", "g"))["TableDescription"]
    assert made["AttributeDefinitions"] == defined("g", "pk", "sk")


def test_several_new_indexes_are_defined_at_once(cloud: Running, db: Any) -> None:
    """As Terraform does it: index after index, each time with the attributes of all of them. What no key is made of is not kept."""
    table = make_table(cloud)
    shown = []
    for name in ("g", "h"):
        create = {"Create": index(f"by-{name}", name)}
        db.update_table(TableName=table, AttributeDefinitions=defined("pk", "g", "h"), GlobalSecondaryIndexUpdates=[create])
        cloud.advance("1s")
        shown.append(described(db, table)["AttributeDefinitions"])
    assert shown == [defined("g", "pk"), defined("g", "h", "pk")]
