"""Tags, resource policies, and the account's own answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dynamodb.support import ONE_PARTITION, failure, index, invalid, make_table, n, s
from tests.support.running import Running

HASH = [{"AttributeName": "pk", "KeyType": "HASH"}]


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def arn_of(table: str) -> str:
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}"


def test_tags(cloud: Running, db: Any) -> None:
    """Added, replaced, removed, listed all at once, at most fifty and 10 KB, counted with those that are there; a token says nothing. Not found while the table is made."""
    table = make_table(cloud)
    arn, tags = arn_of(table), [{"Key": f"k{number:02}", "Value": "v"} for number in range(50)]
    db.tag_resource(ResourceArn=arn, Tags=tags)
    cloud.advance("1s")
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "k00", "Value": "w"}])
    cloud.advance("1s")
    many = ("ValidationException", "Number of Tags exceed the current limit for the provided ResourceArn")
    assert failure(db.tag_resource, ResourceArn=arn, Tags=[{"Key": "k00", "Value": "x"}, {"Key": "more", "Value": ""}]) == many
    assert failure(db.untag_resource, ResourceArn=arn, TagKeys=[f"x{number}" for number in range(51)]) == many
    found = db.list_tags_of_resource(ResourceArn=arn, NextToken="anything")
    assert found["Tags"] == [{"Key": "k00", "Value": "w"}, *tags[1:]] and "NextToken" not in found
    db.untag_resource(ResourceArn=arn, TagKeys=[tag["Key"] for tag in tags])
    cloud.advance("1s")
    large = [{"Key": f"{number:0128}", "Value": "v" * 256} for number in range(26)]
    db.tag_resource(ResourceArn=arn, Tags=large)
    cloud.advance("1s")
    assert invalid(db.tag_resource, ResourceArn=arn, Tags=[{"Key": "é", "Value": "v" * 255}]) == "Tag set size 10241 bytes is above max size limit of 10240 bytes"
    definition: dict[str, Any] = {"KeySchema": HASH, "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "BillingMode": "PAY_PER_REQUEST"}
    db.create_table(TableName="unready-tags", Tags=tags, **definition)
    absent = arn_of("unready-tags")
    for call, asked in ((db.list_tags_of_resource, {}), (db.tag_resource, {"Tags": tags}), (db.untag_resource, {"TagKeys": ["k"]})):
        assert failure(call, ResourceArn=absent, **asked) == ("ResourceNotFoundException", f"Requested resource not found: ResourceArn: {absent} not found")
    cloud.advance("1s")
    assert db.list_tags_of_resource(ResourceArn=absent)["Tags"] == tags


def test_what_is_no_tag(cloud: Running) -> None:
    """Length, absence and repetition have words of their own, whether the tags are put, taken or come with a new table, which is not made then; nothing of the request is done."""
    db = cloud.client("dynamodb", parameter_validation=False)
    arn = arn_of(make_table(cloud))
    definition: dict[str, Any] = {"KeySchema": HASH, "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "BillingMode": "PAY_PER_REQUEST"}
    good = {"Key": "k" * 128, "Value": "v" * 256}
    for wrong, message in (
        ({}, "The Tag Key provided is invalid, Key: null"),
        ({"Value": "v"}, "The Tag Key provided is invalid, Key: null"),
        ({"Key": "", "Value": ""}, "The Tag Key provided is invalid, Key: "),
        ({"Key": "k" * 129, "Value": ""}, "The Tag Key provided is invalid, Key: " + "k" * 129),
        ({"Key": "k"}, "The Tag Value provided is invalid, Value: null"),
        ({"Key": "k", "Value": "v" * 257}, "The Tag Value provided is invalid, Value: " + "v" * 257),
        (good, f"Duplicate Tag Keys provided as input: Duplicate Tag Key found {good['Key']}"),
    ):
        assert invalid(db.tag_resource, ResourceArn=arn, Tags=[good, wrong]) == message
        assert invalid(db.create_table, TableName="wrong-tags", Tags=[good, wrong], **definition) == message
    assert invalid(db.tag_resource, ResourceArn=arn, Tags=[]) == "Atleast one Tag needs to be provided as Input."
    assert invalid(db.untag_resource, ResourceArn=arn, TagKeys=[]) == "Atleast one Tag Key needs to be provided as Input."
    for key in ("", "k" * 129):
        assert invalid(db.untag_resource, ResourceArn=arn, TagKeys=[key]) == f"The Tag Key provided is invalid, Key: {key}"
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == []
    assert failure(db.describe_table, TableName="wrong-tags")[0] == "ResourceNotFoundException"
    db.create_table(TableName="no-tags", Tags=[], **definition)


def test_one_change_of_tags_at_a_time(cloud: Running, db: Any) -> None:
    """While tags are being changed, a table is not deleted and takes only a request that sets the same tags, too; what changes nothing makes nobody wait. A table that is being deleted takes no change."""
    table = make_table(cloud)
    arn = arn_of(table)

    def of(*pairs: str) -> list[dict[str, str]]:
        return [{"Key": pair[0], "Value": pair[1:]} for pair in pairs]

    waits = ("LimitExceededException", f"Subscriber limit exceeded: Table tags are being updated: {table}")
    db.untag_resource(ResourceArn=arn, TagKeys=["a"])
    db.tag_resource(ResourceArn=arn, Tags=of("a1"))
    cloud.advance("1s")
    db.tag_resource(ResourceArn=arn, Tags=of("a1"))
    db.tag_resource(ResourceArn=arn, Tags=of("b1"))
    db.tag_resource(ResourceArn=arn, Tags=of("b1"))
    for other in (of("a1"), of("b2"), of("c1")):
        assert failure(db.tag_resource, ResourceArn=arn, Tags=other) == waits
    assert failure(db.untag_resource, ResourceArn=arn, TagKeys=["never"]) == waits
    in_use, start = "ResourceInUseException", "Attempt to change a resource which is still in use: "
    assert failure(db.delete_table, TableName=table) == (in_use, f"{start}Table tags are being updated: {table}")
    db.update_table(TableName=table, DeletionProtectionEnabled=False)
    db.tag_resource(ResourceArn=arn, Tags=of("a1", "b1", "c1"))
    cloud.advance("1s")
    db.untag_resource(ResourceArn=arn, TagKeys=["c"])
    assert failure(db.tag_resource, ResourceArn=arn, Tags=of("c1")) == waits
    cloud.advance("1s")
    db.delete_table(TableName=table)
    db.tag_resource(ResourceArn=arn, Tags=of("a1"))
    for call, asked in ((db.tag_resource, {"Tags": of("a2")}), (db.untag_resource, {"TagKeys": ["a"]})):
        assert failure(call, ResourceArn=arn, **asked) == (in_use, f"{start}Table is being deleted: {table}")
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == of("a1", "b1")


def test_what_has_tags(cloud: Running, db: Any) -> None:
    """Tables, and streams for themselves; not indexes nor backups. What an ARN has wrong is said in the order of its parts."""
    table = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn, stream = arn_of(table), db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    db.tag_resource(ResourceArn=stream, Tags=[{"Key": "k", "Value": "v"}])
    assert [len(db.list_tags_of_resource(ResourceArn=one)["Tags"]) for one in (arn, stream)] == [0, 1]
    start = "One or more parameter values were invalid: "
    for wrong, message in (
        (table, f"{start}ARNs must start with 'arn:': {table}"),
        (f"{arn}/backup/01", f"{start}Provided Arn is not a DynamoDB resource arn: {arn}/backup/01"),
        (f"{arn}/index/i", f"{start}Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}/index/i"),
        *((one, f"Invalid TableArn: Invalid ResourceArn provided as input {one}") for one in (arn.replace("us-east-1", "us-west-2"), arn.replace(":aws:", ":aws-cn:"))),
    ):
        assert invalid(db.list_tags_of_resource, ResourceArn=wrong) == message
    absent = f"{arn}/stream/2026-01-01T00:00:00.000"
    assert failure(db.list_tags_of_resource, ResourceArn=absent) == ("ResourceNotFoundException", f"Requested resource not found: ResourceArn: {absent} not found")


def user(cloud: Running, name: str, *statements: dict[str, Any]) -> Any:
    """A client for a new IAM user with an inline policy of these statements."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def denied(call: Any, **parameters: Any) -> str:
    code, message = failure(call, **parameters)
    assert code == "AccessDeniedException"
    return message


def test_permissions_are_by_table_and_action(cloud: Running) -> None:
    """A user may do what a policy allows, and nothing else."""
    table, other = make_table(cloud), make_table(cloud)
    db = user(cloud, "reader", {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": arn_of(table)})
    key = {"pk": s("x")}
    db.get_item(TableName=table, Key=key)
    assert denied(db.put_item, TableName=table, Item=key) == (
        "User: arn:aws:iam::000000000000:user/reader is not authorized to perform: dynamodb:PutItem on resource: "
        f"{arn_of(table)} because no identity-based policy allows the dynamodb:PutItem action"
    )
    denied(db.get_item, TableName=other, Key=key)
    denied(db.batch_get_item, RequestItems={table: {"Keys": [key]}})
    denied(db.transact_write_items, TransactItems=[{"Put": {"TableName": table, "Item": key}}])
    db.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}}])


def test_a_condition_check_has_its_own_permission(cloud: Running) -> None:
    """Each action of a transaction is allowed or not by itself."""
    table = make_table(cloud)
    db = user(cloud, "checker", {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": arn_of(table)})
    put = {"Put": {"TableName": table, "Item": {"pk": s("x")}}}
    check = {"ConditionCheck": {"TableName": table, "Key": {"pk": s("y")}, "ConditionExpression": "attribute_not_exists(pk)"}}
    db.transact_write_items(TransactItems=[put])
    assert "dynamodb:ConditionCheckItem" in denied(db.transact_write_items, TransactItems=[put, check])


def test_fine_grained_access(cloud: Running) -> None:
    """A user who may only see items whose partition key is his name, and only certain attributes."""
    table = make_table(cloud, range_type="S")
    root = cloud.client("dynamodb")
    root.put_item(TableName=table, Item={"pk": s("ann"), "sk": s("1"), "visible": s("p"), "concealed": s("s")})
    db = user(
        cloud,
        "ann",
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:Scan"],
            "Resource": arn_of(table),
            "Condition": {
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"], "dynamodb:Attributes": ["pk", "sk", "visible"]},
                "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
    )
    key = {"pk": s("ann"), "sk": s("1")}
    assert db.get_item(TableName=table, Key=key, ProjectionExpression="visible")["Item"] == {"visible": s("p")}
    denied(db.get_item, TableName=table, Key=key, ProjectionExpression="concealed")
    denied(db.get_item, TableName=table, Key={"pk": s("bob"), "sk": s("1")}, ProjectionExpression="visible")
    query: dict[str, Any] = {"TableName": table, "KeyConditionExpression": "#k = :p", "ExpressionAttributeNames": {"#k": "pk"}, "ProjectionExpression": "visible"}
    assert db.query(**query, ExpressionAttributeValues={":p": s("ann")})["Count"] == 1
    denied(db.query, **query, ExpressionAttributeValues={":p": s("bob")})
    denied(db.scan, TableName=table, ProjectionExpression="visible")
    denied(db.batch_get_item, RequestItems={table: {"Keys": [key, {"pk": s("bob"), "sk": s("1")}], "ProjectionExpression": "visible"}})


def test_reads_of_all_attributes_can_be_denied(cloud: Running, db: Any) -> None:
    """The documentation's example of a policy that limits attributes: Select always has a value, ALL_ATTRIBUTES where nothing is said, so nobody sees the rest."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    key = {"pk": s("x")}
    db.put_item(TableName=table, Item={**key, "g": s("y"), "concealed": s("z")})
    limits = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "g"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]},
    }
    actions = [f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "Query", "Scan", "UpdateItem")]
    allowed = {"Effect": "Allow", "Action": actions, "Resource": [arn_of(table), f"{arn_of(table)}/index/*"], "Condition": limits}
    some = user(cloud, "some", allowed)
    shown, query = {"ProjectionExpression": "g"}, {"KeyConditionExpression": "pk = :k", "ExpressionAttributeValues": {":k": s("x")}}
    of_index = {"IndexName": "by-g", "KeyConditionExpression": "g = :k", "ExpressionAttributeValues": {":k": s("y")}}
    for call, asked in (
        (some.get_item, {"Key": key}),
        (some.query, query),
        (some.query, of_index),
        (some.scan, {}),
    ):
        call(TableName=table, **asked, **shown)
        denied(call, TableName=table, **asked)
    some.batch_get_item(RequestItems={table: {"Keys": [key], **shown}})
    denied(some.batch_get_item, RequestItems={table: {"Keys": [key]}})
    some.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key, **shown}}])
    denied(some.transact_get_items, TransactItems=[{"Get": {"TableName": table, "Key": key}}])
    some.update_item(TableName=table, Key=key)
    denied(some.update_item, TableName=table, Key=key, ReturnValues="ALL_NEW")
    writer = user(cloud, "writer", {**allowed, "Action": "dynamodb:*", "Condition": {"StringEquals": {"dynamodb:ReturnValues": "NONE"}}})
    writer.update_item(TableName=table, Key=key)
    denied(writer.get_item, TableName=table, Key=key)


def test_numbers_as_leading_keys_are_plain(cloud: Running, db: Any) -> None:
    """However a number is written in a request, a policy that denies it meets it."""
    table = make_table(cloud, "N")
    only_others = {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["10"]}}
    some = user(cloud, "not-ten", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": only_others})
    some.get_item(TableName=table, Key={"pk": n(11)})
    for ten in ("10", "10.0", "1e1", "+010"):
        denied(some.get_item, TableName=table, Key={"pk": n(ten)})
        denied(some.query, TableName=table, KeyConditionExpression="pk = :k", ExpressionAttributeValues={":k": n(ten)})
    assert "cannot be converted to a numeric value" in invalid(some.get_item, TableName=table, Key={"pk": n("ten")})


def test_each_attribute_of_a_partition_key_has_a_condition_key(cloud: Running) -> None:
    """FirstPartitionKeyValues is another name for LeadingKeys; what follows is there for indexes on several attributes."""
    keys = [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "h", "KeyType": "HASH"}]
    several = {"IndexName": "by-both", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    table = make_table(cloud, more={"g": "S", "h": "N"}, GlobalSecondaryIndexes=[several])
    values = {"dynamodb:FirstPartitionKeyValues": ["ann"], "dynamodb:SecondPartitionKeyValues": ["1"]}
    resources = [arn_of(table), f"{arn_of(table)}/index/*"]
    db = user(cloud, "first", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": resources, "Condition": {"ForAllValues:StringEquals": values}})
    ann, bob = s("ann"), s("bob")
    db.put_item(TableName=table, Item={"pk": ann})
    db.batch_get_item(RequestItems={table: {"Keys": [{"pk": ann}]}})
    db.execute_statement(Statement=f"SELECT * FROM \"{table}\" WHERE pk = 'ann'")
    denied(db.put_item, TableName=table, Item={"pk": bob})
    denied(db.batch_get_item, RequestItems={table: {"Keys": [{"pk": ann}, {"pk": bob}]}})
    denied(db.execute_statement, Statement=f"SELECT * FROM \"{table}\" WHERE pk = 'bob'")
    query = {"TableName": table, "IndexName": "by-both", "KeyConditionExpression": "g = :g AND h = :h"}
    db.query(**query, ExpressionAttributeValues={":g": ann, ":h": n("1.0")})
    denied(db.query, **query, ExpressionAttributeValues={":g": ann, ":h": n(2)})
    denied(db.query, **query, ExpressionAttributeValues={":g": bob, ":h": n(1)})


def test_whether_capacity_is_shown_can_be_limited(cloud: Running) -> None:
    """dynamodb:ReturnConsumedCapacity: what a transaction says of it holds for each of its actions."""
    table = make_table(cloud)
    hidden = {"Condition": {"StringEqualsIfExists": {"dynamodb:ReturnConsumedCapacity": "NONE"}}}
    db = user(cloud, "hidden", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": arn_of(table), **hidden})
    get, put = {"TableName": table, "Key": {"pk": s("x")}}, {"TableName": table, "Item": {"pk": s("x")}}
    asked: list[tuple[Any, dict[str, Any]]] = [
        (db.get_item, get),
        (db.transact_get_items, {"TransactItems": [{"Get": get}]}),
        (db.transact_write_items, {"TransactItems": [{"Put": put}]}),
    ]
    for call, parameters in asked:
        call(**parameters)
        call(**parameters, ReturnConsumedCapacity="NONE")
        denied(call, **parameters, ReturnConsumedCapacity="TOTAL")


def test_full_table_scans_are_those_of_statements(cloud: Running) -> None:
    """dynamodb:FullTableScan is a condition key of PartiQLSelect alone (Service Authorization Reference); who means the operation Scan denies that action."""
    table = make_table(cloud)
    refused = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": {"Bool": {"dynamodb:FullTableScan": "true"}}}
    db = user(cloud, "no-full-scans", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}, refused)
    assert db.scan(TableName=table)["Count"] == 0
    denied(db.execute_statement, Statement=f'SELECT * FROM "{table}"')


def test_a_batch_is_judged_table_by_table(cloud: Running) -> None:
    """What a batch asks of one table neither forbids nor allows what it asks of another."""
    mine, common = make_table(cloud), make_table(cloud)
    read = {"Effect": "Allow", "Action": ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]}
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ann"]}, "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}}
    db = user(cloud, "owner-of-ann", {**read, "Resource": arn_of(mine), "Condition": own}, {**read, "Resource": arn_of(common)})
    ann, bob = {"pk": s("ann")}, {"pk": s("bob")}
    db.batch_write_item(RequestItems={mine: [{"PutRequest": {"Item": ann}}], common: [{"PutRequest": {"Item": bob}}]})
    denied(db.batch_write_item, RequestItems={mine: [{"DeleteRequest": {"Key": bob}}], common: [{"PutRequest": {"Item": bob}}]})
    found = db.batch_get_item(RequestItems={mine: {"Keys": [ann], "ProjectionExpression": "pk"}, common: {"Keys": [bob]}})["Responses"]
    assert found == {mine: [ann], common: [bob]}
    denied(db.batch_get_item, RequestItems={mine: {"Keys": [ann]}, common: {"Keys": [bob], "ProjectionExpression": "pk"}})


def test_resource_policies_let_other_accounts_in(cloud: Running, db: Any) -> None:
    """A table's own policy allows another account, which names the table by its ARN."""
    table = make_table(cloud)
    arn = arn_of(table)
    other = cloud.client("dynamodb", key="222222222222")
    denied(other.get_item, TableName=arn, Key={"pk": s("x")})
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": "dynamodb:GetItem", "Resource": arn}],
        }
    )
    revision = db.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    found = db.get_resource_policy(ResourceArn=arn)
    assert (json.loads(found["Policy"]), found["RevisionId"]) == (json.loads(policy), revision)
    db.put_item(TableName=table, Item={"pk": s("x")})
    assert other.get_item(TableName=arn, Key={"pk": s("x")})["Item"] == {"pk": s("x")}
    denied(other.put_item, TableName=arn, Item={"pk": s("y")})
    assert failure(db.put_resource_policy, ResourceArn=arn, Policy=policy, ExpectedRevisionId="1")[0] == "PolicyNotFoundException"
    cloud.advance("15s")
    assert db.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=revision)["RevisionId"] == revision
    assert failure(db.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    denied(other.get_item, TableName=arn, Key={"pk": s("x")})


def test_a_policy_that_was_changed_is_left_alone_for_a_while(cloud: Running, db: Any) -> None:
    """Changes of one policy are 15 seconds apart, by its revision, which is the time of the change: so who expects what he saw replaces nothing else. The same policy again
    changes nothing and is never refused; a removed one has a revision for as long as that, and its table goes when the removal has taken effect."""
    table = make_table(cloud)
    arn = arn_of(table)

    def policy(account: str) -> dict[str, str]:
        statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "dynamodb:GetItem", "Resource": arn}
        return {"ResourceArn": arn, "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}

    put, delete, start = db.put_resource_policy, db.delete_resource_policy, "Resource-based policy not found for the provided ResourceArn: "
    assert failure(db.get_resource_policy, ResourceArn=arn) == ("PolicyNotFoundException", start + arn)
    assert "RevisionId" not in delete(ResourceArn=arn)
    none = f"{start}Requested update for policy with revision id 1, but table {table} has no associated policy."
    assert failure(delete, ResourceArn=arn, ExpectedRevisionId="1") == ("PolicyNotFoundException", none)
    first = put(**policy("222222222222"), ExpectedRevisionId="NO_POLICY")["RevisionId"]
    in_use = "Attempt to change a resource which is still in use: "
    pending = ("ResourceInUseException", f"{in_use}Table is pending previous resource-based policy update: {table}")
    assert failure(put, **policy("333333333333"), ExpectedRevisionId=first) == failure(delete, ResourceArn=arn) == pending
    assert failure(db.delete_table, TableName=table) == ("ResourceInUseException", f"{in_use}Table: {table} has a pending resource-based policy update.")
    cloud.advance("14s")
    again = datetime.fromtimestamp(int(first) // 1000 + 15, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{int(first) % 1000:03}Z"
    resting = f"Resource-based policy for table {table} modified within the previous 15000 milliseconds. Please try again after {again}."
    assert failure(put, **policy("333333333333")) == failure(delete, ResourceArn=arn, ExpectedRevisionId=first) == ("ThrottlingException", resting)
    assert put(**policy("222222222222"), ExpectedRevisionId=first)["RevisionId"] == first
    for wrong in ("1", "NO_POLICY"):
        code, message = failure(put, **policy("333333333333"), ExpectedRevisionId=wrong)
        assert code == "PolicyNotFoundException" and message.startswith(f"{start}Requested update for policy with revision id {wrong}, but the policy associated to target ta")
    cloud.advance("1s")
    second = put(**policy("333333333333"), ExpectedRevisionId=first)["RevisionId"]
    assert int(second) - int(first) == 15_000
    cloud.advance("15s")
    assert delete(ResourceArn=arn)["RevisionId"] == second
    removed = delete(ResourceArn=arn)["RevisionId"]
    assert int(removed) - int(second) == 15_000
    assert failure(put, **policy("222222222222")) == pending
    assert "but the policy associated to target ta" in failure(put, **policy("222222222222"), ExpectedRevisionId=second)[1]
    cloud.advance("15s")
    assert "RevisionId" not in delete(ResourceArn=arn)
    assert failure(put, **policy("222222222222"), ExpectedRevisionId=second)[1].endswith(f"but table {table} has no associated policy.")
    put(**policy("222222222222"))
    cloud.advance("1s")
    db.delete_table(TableName=table)
    assert put(**policy("222222222222")) and db.get_resource_policy(ResourceArn=arn)
    gone = ("ResourceInUseException", f"{in_use}Table is being deleted: {table}")
    assert failure(put, **policy("333333333333")) == failure(delete, ResourceArn=arn) == gone
    cloud.advance("1s")
    missing = ("ResourceNotFoundException", f"Requested resource not found: Table: {table} not found")
    assert failure(put, **policy("222222222222")) == failure(delete, ResourceArn=arn) == failure(db.get_resource_policy, ResourceArn=arn) == missing


def test_which_arns_policies_are_asked_by(cloud: Running, db: Any) -> None:
    """Those of tables and streams here; an index has its table's policy. What is another account's is not for this one, whatever it may do."""
    table = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn, invalid_values = arn_of(table), "One or more parameter values were invalid: "
    for wrong, message in (
        (table, f"{invalid_values}ARNs must start with 'arn:': {table}"),
        (arn.replace("000000000000", "222222222222"), "This action is only supported by accounts that match the resource owner\u2019s account."),
        (arn.replace("us-east-1", "us-west-2"), f"{invalid_values}Invalid resource Arn: {arn.replace('us-east-1', 'us-west-2')}"),
        (arn.replace("arn:aws:", "arn:aws-cn:"), f"{invalid_values}Invalid resource Arn: {arn.replace('arn:aws:', 'arn:aws-cn:')}"),
        (f"{arn}/index/x", f"{invalid_values}Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}/index/x"),
        (f"{arn}/backup/0170", f"{invalid_values}Provided Arn is not a DynamoDB resource arn: {arn}/backup/0170"),
    ):
        for call in (db.get_resource_policy, db.delete_resource_policy):
            assert failure(call, ResourceArn=wrong) == ("ValidationException", message)
    missing = ("ResourceNotFoundException", f"Requested resource not found: Stream: 2000-01-01T00:00:00.000 not found for Table: {table}")
    assert failure(db.get_resource_policy, ResourceArn=f"{arn}/stream/2000-01-01T00:00:00.000") == missing
    statement = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "dynamodb:GetItem", "Resource": "*"}
    key = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    policy = json.dumps({"Statement": [statement]})
    db.create_table(TableName="policy-from-the-start", BillingMode="PAY_PER_REQUEST", ResourcePolicy=policy, **key)
    new = arn_of("policy-from-the-start")
    assert json.loads(db.get_resource_policy(ResourceArn=new)["Policy"])["Version"] == "2008-10-17"
    absent = ("ResourceNotFoundException", "Requested resource not found: Table: policy-from-the-start not found")
    assert failure(db.put_resource_policy, ResourceArn=new, Policy=policy) == failure(db.delete_resource_policy, ResourceArn=new) == absent


def test_the_form_of_policies(cloud: Running, db: Any) -> None:
    """Whatever the spaces and the order of what is sent, one form comes back, and by it the same policy is known again; only a version that was not sent is no part of it."""
    arn = arn_of(make_table(cloud))
    root = f"arn:aws:iam::{'2' * 12}:root"
    sent = {
        "Statement": {
            "Resource": [f"{arn}/index/*", arn],
            "Condition": {"StringEquals": {"aws:PrincipalAccount": ["222222222222"]}},
            "Action": ["dynamodb:query"],
            "Principal": {"AWS": ["222222222222", root]},
            "Effect": "allow",
            "Sid": "Read",
        },
        "Version": "2012-10-17",
    }
    expected = (
        f'{{"Version":"2012-10-17","Statement":[{{"Sid":"Read","Effect":"Allow","Principal":{{"AWS":"{root}"}},"Action":"dynamodb:query","Resource":["{arn}/index/*","{arn}"],'
        '"Condition":{"StringEquals":{"aws:PrincipalAccount":"222222222222"}}}]}'
    )
    revision = db.put_resource_policy(ResourceArn=arn, Policy=json.dumps(sent, indent=3).replace("Read", "\\u0052ead"))["RevisionId"]
    assert db.get_resource_policy(ResourceArn=arn)["Policy"] == expected
    twice = sent["Statement"] | {"Action": ["dynamodb:Query", "dynamodb:Query"]}
    assert db.put_resource_policy(ResourceArn=arn, Policy=expected)["RevisionId"] == revision
    cloud.advance("15s")
    unversioned = json.dumps({"Statement": [twice]})
    third = db.put_resource_policy(ResourceArn=arn, Policy=unversioned)["RevisionId"]
    shown = db.get_resource_policy(ResourceArn=arn)["Policy"]
    assert shown.startswith('{"Version":"2008-10-17","Statement":[') and json.loads(shown)["Statement"][0]["Action"] == ["dynamodb:Query", "dynamodb:Query"]
    assert db.put_resource_policy(ResourceArn=arn, Policy=unversioned)["RevisionId"] == third
    assert failure(db.put_resource_policy, ResourceArn=arn, Policy=shown)[0] == "ResourceInUseException"


def test_a_table_made_with_a_policy_needs_both_permissions(cloud: Running) -> None:
    """Who may make tables may not let others, or himself, in by a policy that comes with one, unless he may put policies too."""
    name = "made-with-policy"
    arn = arn_of(name)
    maker = {"Effect": "Allow", "Action": "dynamodb:CreateTable", "Resource": "*"}
    statement = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "dynamodb:*", "Resource": arn}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    key = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    make: dict[str, Any] = {"TableName": name, **key, "BillingMode": "PAY_PER_REQUEST", "ResourcePolicy": json.dumps(document)}
    assert f"dynamodb:PutResourcePolicy on resource: {arn}" in denied(user(cloud, "maker", maker).create_table, **make)
    user(cloud, "policy-maker", maker, {**maker, "Action": "dynamodb:PutResourcePolicy"}).create_table(**make)


def test_what_the_account_is_told(cloud: Running, db: Any) -> None:
    """Tools ask for limits, endpoints and backups, and get the truth."""
    table = make_table(cloud)
    assert db.describe_limits()["TableMaxReadCapacityUnits"] == 40_000
    assert db.describe_endpoints()["Endpoints"][0]["Address"] == f"127.0.0.1:{cloud.port}"
    backups = db.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert failure(db.describe_continuous_backups, TableName="none")[0] == "TableNotFoundException"


def test_who_may_list_tables(cloud: Running) -> None:
    """The action is about the account's tables in the region, all together."""
    action = {"Effect": "Allow", "Action": "dynamodb:ListTables"}
    one = user(cloud, "list-one", {**action, "Resource": arn_of("one")})
    with pytest.raises(one.exceptions.ClientError, match=r"is not authorized to perform: dynamodb:ListTables on resource: arn:aws:dynamodb:us-east-1:000000000000:table/\* because"):
        one.list_tables()
    user(cloud, "list-all", {**action, "Resource": arn_of("*")}).list_tables()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Effect": "Maybe"}, "Invalid effect: Maybe"),
        ({"Action": None}, "Missing required field Action"),
        ({"Foo": "bar"}, "Unknown field Foo"),
        ({"Action": ["dynamodb:GetItem", "s3:GetObject"]}, 'The following action names are invalid: "s3:GetObject"'),
        ({"Action": "dynamodb:ListTables"}, 'The following action names are invalid: "dynamodb:ListTables"'),
        ({"Resource": None}, "Invalid policy document: Missing required field Resource"),
        ({"Resource": f"{arn_of('x')}/stream/y"}, f'Invalid policy document: The relative-id "table/x/stream/y" is invalid for ARN "{arn_of("x")}/stream/y"'),
        ({"Principal": {"AWS": "arn:aws:iam::000000000000:user/nobody-at-all"}}, "values were invalid: Invalid principal in policy document."),
        ({"Sid": " " * 20480}, "One or more parameter values were invalid: Maximum policy size of 20480 bytes exceeded"),
    ],
)
def test_policies_that_nobody_could_judge_by(cloud: Running, db: Any, change: dict[str, Any], problem: str) -> None:
    """Because what cannot be read must not be kept: it would deny everything to everybody."""
    table = make_table(cloud)
    statement = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "dynamodb:GetItem", "Resource": arn_of(table), **change}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{name: value for name, value in statement.items() if value is not None}]})
    assert problem in invalid(db.put_resource_policy, ResourceArn=arn_of(table), Policy=policy)
    assert failure(db.get_resource_policy, ResourceArn=arn_of(table))[0] == "PolicyNotFoundException"
    db.put_item(TableName=table, Item={"pk": s("a")})


def test_root_can_mend_a_policy_that_locks_everybody_out(cloud: Running, db: Any) -> None:
    """Even one that denies it (API Reference, "DeleteResourcePolicy"); a user cannot. A table's policy is not that of its streams."""
    table = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn = arn_of(table)
    deny = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": [arn, f"{arn}/*"]}]})
    db.put_resource_policy(ResourceArn=arn, Policy=deny)
    everything = user(cloud, "everything", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    denied(db.put_item, TableName=table, Item={"pk": s("a")})
    denied(everything.delete_resource_policy, ResourceArn=arn)
    assert json.loads(db.get_resource_policy(ResourceArn=arn)["Policy"]) == json.loads(deny)
    cloud.advance("15s")
    db.delete_resource_policy(ResourceArn=arn)
    cloud.advance("15s")
    stream = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    db.put_resource_policy(ResourceArn=arn, Policy=deny)
    assert cloud.client("dynamodbstreams").describe_stream(StreamArn=stream)["StreamDescription"]["StreamArn"] == stream


def test_policies_of_streams(cloud: Running, db: Any) -> None:
    """A stream's own policy lets another account read it and nothing else, and stays when the stream is switched off and its table deleted."""
    table = make_table(cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}, **ONE_PARTITION)
    stream = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": ["dynamodb:DescribeStream", "dynamodb:Get*"], "Resource": stream}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    other = cloud.client("dynamodbstreams", key="222222222222")
    denied(other.describe_stream, StreamArn=stream)
    assert failure(db.get_resource_policy, ResourceArn=stream)[0] == "PolicyNotFoundException"
    for change, problem in (
        ({"Action": "dynamodb:Scan"}, 'action names are invalid: "dynamodb:Scan"'),
        ({"Principal": "*"}, "grants unbounded access"),
        ({"Resource": arn_of(table)}, f'The relative-id "table/{table}" is invalid for ARN "{arn_of(table)}"'),
    ):
        assert problem in invalid(db.put_resource_policy, ResourceArn=stream, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **change}]}))
    revision = db.put_resource_policy(ResourceArn=stream, Policy=policy)["RevisionId"]
    db.put_item(TableName=table, Item={"pk": s("x")})
    described = other.describe_stream(StreamArn=stream)["StreamDescription"]
    iterator = other.get_shard_iterator(StreamArn=stream, ShardId=described["Shards"][0]["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert other.get_records(ShardIterator=iterator)["Records"][0]["dynamodb"]["NewImage"] == {"pk": s("x")}
    denied(cloud.client("dynamodb", key="222222222222").get_item, TableName=arn_of(table), Key={"pk": s("x")})
    assert "accounts that match" in invalid(cloud.client("dynamodb", key="222222222222").put_resource_policy, ResourceArn=stream, Policy=policy)
    label = stream.rpartition("/")[2]
    assert failure(db.delete_resource_policy, ResourceArn=stream)[1].endswith(f"Stream is pending previous resource-based policy update: {label}")
    db.put_resource_policy(ResourceArn=arn_of(table), Policy=json.dumps({"Statement": [{**statement, "Action": "dynamodb:GetItem", "Resource": arn_of(table)}]}))
    cloud.advance("1s")
    assert failure(db.delete_resource_policy, ResourceArn=stream)[1].startswith(f"Resource-based policy for stream {label} modified within")
    db.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    cloud.advance("1s")
    db.delete_table(TableName=table)
    cloud.advance("1s")
    assert failure(db.put_resource_policy, ResourceArn=stream, Policy=policy, ExpectedRevisionId="NO_POLICY")[0] == "PolicyNotFoundException"
    assert db.get_resource_policy(ResourceArn=stream)["RevisionId"] == revision
    cloud.advance("15s")
    assert other.describe_stream(StreamArn=stream)["StreamDescription"]["StreamStatus"] == "DISABLED"
    assert db.delete_resource_policy(ResourceArn=stream)["RevisionId"] == revision
    denied(other.get_records, ShardIterator=iterator)
    missing = stream.rpartition("/")[0] + "/2020-01-01T00:00:00.000"
    assert failure(db.put_resource_policy, ResourceArn=missing, Policy=policy)[0] == "ResourceNotFoundException"


def test_a_policy_that_shuts_its_author_out_has_to_be_confirmed(cloud: Running) -> None:
    """Who could not change the policy afterwards has to say that it is meant; then it is so, but for the root user."""
    arn = arn_of(make_table(cloud))
    author = user(cloud, "author", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})
    statement = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutResourcePolicy", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    message = "The new resource policy will not allow you to update the resource policy in the future."
    assert denied(author.put_resource_policy, ResourceArn=arn, Policy=policy) == message
    assert failure(author.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    author.put_resource_policy(ResourceArn=arn, Policy=policy, ConfirmRemoveSelfResourceAccess=True)
    denied(author.put_resource_policy, ResourceArn=arn, Policy=policy, ConfirmRemoveSelfResourceAccess=True)
    cloud.client("dynamodb").put_resource_policy(ResourceArn=arn, Policy=policy)


@pytest.mark.parametrize("text", ["bad#char", "100%", "a,b", "it's", "(x)", "a&b", "a*b", "🔑"])
def test_characters_of_tags(db: Any, cloud: Running, text: str) -> None:
    """Letters and digits of any script, spaces and + - = . _ : / @, as the Developer Guide has it; nothing of the request is done otherwise."""
    arn = arn_of(make_table(cloud))
    good = {"Key": "ключ é 表+-=._:/@", "Value": "a b+c-d=e.f_g:h/i@j"}
    assert failure(db.tag_resource, ResourceArn=arn, Tags=[good, {"Key": text, "Value": "v"}]) == (
        "ValidationException",
        f"The Tag Key provided is invalid, Key: {text}",
    )
    assert failure(db.tag_resource, ResourceArn=arn, Tags=[good, {"Key": "k", "Value": text}])[1] == f"The Tag Value provided is invalid, Value: {text}"
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == []
    db.tag_resource(ResourceArn=arn, Tags=[good])
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [good]


def test_tags_that_belong_to_the_service(db: Any, cloud: Running) -> None:
    """Keys that begin with aws: are the service's, in whatever case, to remove too; a key is given once."""
    arn = arn_of(make_table(cloud))
    for key in ("aws:x", "AWS:x"):
        message = f"Tag Key cannot be prefixed with aws:, Key: {key}"
        assert failure(db.tag_resource, ResourceArn=arn, Tags=[{"Key": key, "Value": ""}]) == ("ValidationException", message)
        assert failure(db.untag_resource, ResourceArn=arn, TagKeys=[key]) == ("ValidationException", message)
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert failure(db.tag_resource, ResourceArn=arn, Tags=twice)[1] == "Duplicate Tag Keys provided as input: Duplicate Tag Key found k"


@pytest.mark.parametrize(
    ("change", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": ["222222222222", "*"]}}, True),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::222222222222:user/John"}}}, False),
        ({"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:user/*"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-1"]}}}, False),
        ({"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:SourceVpc": ["vpc-1"]}}}, True),
        ({"Principal": "*", "Condition": {"Bool": {"aws:PrincipalIsAWSService": "true"}}}, False),
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_policies_for_everybody(cloud: Running, db: Any, change: dict[str, Any], public: bool) -> None:
    """No policy lets in anybody at all; a condition on who asks makes it one for some."""
    arn = arn_of(make_table(cloud))
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": arn, **change}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    if public:
        code, message = failure(db.put_resource_policy, ResourceArn=arn, Policy=policy)
        assert code == "ValidationException" and message.startswith("Resource-based policy grants unbounded access")
    else:
        db.put_resource_policy(ResourceArn=arn, Policy=policy)
