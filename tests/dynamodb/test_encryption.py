"""Tables under the key that KMS keeps for DynamoDB: what the API says of it, and what is really on the disk."""

from __future__ import annotations

import re
from typing import Any

import apsw
import pytest
from botocore.exceptions import ClientError

from haneul.store.layout import STORE
from tests.dynamodb.support import failure, index, invalid, make_table, n, s, stream_records
from tests.dynamodb.test_pitr import everything, recover
from tests.support.running import ACCOUNT, REGION, Running

SECRET = "the crown jewels"
KMS = {"Enabled": True, "SSEType": "KMS"}
HEAD = "One or more parameter values were invalid: "
OWN_KEY = re.compile(rf"arn:aws:kms:{REGION}:{ACCOUNT}:key/[0-9a-f-]{{36}}")


def sse(cloud: Running, table: str, region: str = REGION) -> Any:
    """The SSEDescription of a table, None where it has none."""
    return cloud.client("dynamodb", region=region).describe_table(TableName=table)["Table"].get("SSEDescription")


def rows_with(cloud: Running, text: str, space: str = "") -> int:
    """How many rows of the store's file have a text in them, as they lie there."""
    cloud.run(cloud.app.cloud.store.settle())
    connection = apsw.Connection(str(cloud.data_dir / STORE), flags=apsw.SQLITE_OPEN_READONLY)
    found = sum(text.encode() in value for key, value in connection.execute("SELECT k, v FROM kv") if space.encode() in key)
    connection.close()
    return found


def change(cloud: Running, table: str, wanted: dict[str, Any]) -> Any:
    return cloud.client("dynamodb").update_table(TableName=table, SSESpecification=wanted)["TableDescription"].get("SSEDescription")


def test_nothing_of_an_encrypted_table_lies_in_the_clear(fresh_cloud: Running) -> None:
    """Items, entries of indexes, stream records, the past and backups are unreadable in the files, and right for those who ask; what is restored is encrypted alike."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    plain = make_table(cloud)
    client.put_item(TableName=plain, Item={"pk": s("a"), "v": s(SECRET)})
    assert rows_with(cloud, SECRET) == 1  # So it would be seen.
    client.delete_item(TableName=plain, Key={"pk": s("a")})
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    indexes = [index("by-kind", "kind"), index("some", "kind", projection="INCLUDE", included=["v"])]
    table = make_table(cloud, range_type="N", more={"kind": "S"}, GlobalSecondaryIndexes=indexes, StreamSpecification=stream, SSESpecification=KMS)
    described = sse(cloud, table)
    assert (described["Status"], described["SSEType"]) == ("ENABLED", "KMS") and OWN_KEY.fullmatch(described["KMSMasterKeyArn"])
    recover(cloud, table)
    for k in range(30):
        client.put_item(TableName=table, Item={"pk": s("p"), "sk": n(k), "kind": s(f"kind {k % 3}"), "v": s(SECRET)})
    cloud.advance("1m")
    moment = cloud.clock.now() // 10**9
    backup = client.create_backup(TableName=table, BackupName="sealed")["BackupDetails"]["BackupArn"]
    cloud.advance("1s")
    client.update_item(TableName=table, Key={"pk": s("p"), "sk": n(1)}, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": s(f"not {SECRET}")})
    client.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": {"pk": s("p"), "sk": n(2)}}}])
    held = everything(cloud, table)
    assert len(held) == 29 and sum(item["v"] == s(SECRET) for item in held.values()) == 28
    assert client.query(TableName=table, IndexName="some", KeyConditionExpression="kind = :k", ExpressionAttributeValues={":k": s("kind 0")})["Count"] == 10
    streams, arn = cloud.client("dynamodbstreams"), client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    records = stream_records(streams, arn)
    assert len(records) == 32 and records[-1]["dynamodb"]["OldImage"]["v"] == s(SECRET)
    features = client.describe_backup(BackupArn=backup)["BackupDescription"]["SourceTableFeatureDetails"]
    assert features["SSEDescription"] == described
    assert client.restore_table_from_backup(TargetTableName="from-backup", BackupArn=backup)["TableDescription"]["SSEDescription"] == described
    cloud.advance("1s")
    cloud.advance("10m")
    past = {"SourceTableName": table, "TargetTableName": "past", "RestoreDateTime": moment}
    client.restore_table_to_point_in_time(**past)
    cloud.advance("1s")
    for restored in ("from-backup", "past"):
        items = everything(cloud, restored).values()
        assert len(items) == 30 and all(item["v"] == s(SECRET) for item in items) and sse(cloud, restored) == described
    assert rows_with(cloud, SECRET) == 0
    client.restore_table_from_backup(TargetTableName="plain", BackupArn=backup, SSESpecificationOverride={"Enabled": False})
    cloud.advance("1s")
    assert sse(cloud, "plain") is None and rows_with(cloud, SECRET) == 90  # Items, and entries of two indexes.
    # A table that is gone leaves a backup, which needs nothing of the table to be opened.
    client.delete_table(TableName=table)
    cloud.advance("1s")
    [system] = [one for one in client.list_backups(TableName=table, BackupType="ALL")["BackupSummaries"] if one["BackupType"] == "SYSTEM"]
    cloud.stop()
    cloud.start()
    client = cloud.client("dynamodb")
    client.restore_table_from_backup(TargetTableName="last", BackupArn=system["BackupArn"])
    cloud.advance("1s")
    assert everything(cloud, "last") == held and stream_records(cloud.client("dynamodbstreams"), arn) == records


def test_what_a_specification_may_say(cloud: Running) -> None:
    """Members that exclude one another, and the one key that there is under all its names; a key of KMS's customers is told to be missing, by its name."""
    client = cloud.client("dynamodb")
    table = make_table(cloud)
    given: dict[str, Any] = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    given["BillingMode"] = "PAY_PER_REQUEST"
    for wrong, message in (
        ({"Enabled": False, "SSEType": "KMS"}, "SSEType can not be specified if Enabled is false"),
        ({"Enabled": False, "SSEType": "AES256", "KMSMasterKeyId": "x"}, "SSEType can not be specified if Enabled is false"),
        ({"Enabled": False, "KMSMasterKeyId": "x"}, "KMSMasterKeyId can not be specified if Enabled is false"),
        ({"Enabled": True, "SSEType": "AES256"}, "SSEType AES256 is not supported"),
        ({"Enabled": True, "KMSMasterKeyId": "alias/aws/dynamodb"}, "SSEType KMS is required if KMSMasterKeyId is specified"),
    ):
        assert invalid(client.create_table, TableName="never", **given, SSESpecification=wrong) == HEAD + message
        assert invalid(client.update_table, TableName=table, SSESpecification=wrong) == HEAD + message
    for nothing in ({}, {"Enabled": False}):
        made = make_table(cloud, SSESpecification=nothing)
        assert sse(cloud, made) is None
        assert invalid(client.update_table, TableName=made, SSESpecification=nothing) == HEAD + "Table is already encrypted by default"
    first = sse(cloud, make_table(cloud, SSESpecification={"Enabled": True}))
    arn = first["KMSMasterKeyArn"]
    names = ("alias/aws/dynamodb", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/dynamodb", arn, arn.rpartition("/")[2])
    for wanted in ({"SSEType": "KMS"}, KMS, *({**KMS, "KMSMasterKeyId": name} for name in names)):
        assert sse(cloud, make_table(cloud, SSESpecification=wanted)) == first  # One key in a region.
    for unknown in ("alias/mine", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"):
        for call in (lambda wanted: client.create_table(TableName="never", **given, SSESpecification=wanted), lambda wanted: change(cloud, table, wanted)):
            with pytest.raises(ClientError) as caught:
                call({**KMS, "KMSMasterKeyId": unknown})
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501 and unknown in str(caught.value)
    assert failure(client.describe_table, TableName="never")[0] == "ResourceNotFoundException"
    assert "must be the only operation" in invalid(client.update_table, TableName=table, SSESpecification=KMS, DeletionProtectionEnabled=True)


def test_a_change_goes_on_beside_the_table(fresh_cloud: Running) -> None:
    """The table stays ACTIVE, its encryption is UPDATING under the old key and the new one, older rows are sealed behind it; and back, where what is written stays sealed."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    table = make_table(cloud, range_type="N", more={"kind": "S"}, GlobalSecondaryIndexes=[index("by-kind", "kind")], StreamSpecification=stream)
    recover(cloud, table)
    for k in range(40):
        client.put_item(TableName=table, Item={"pk": s("p"), "sk": n(k), "kind": s("k"), "v": s(SECRET), "fill": s("x" * (60_000 if k < 30 else 1))})
        if k % 10 == 9:
            cloud.advance("1s")
    client.delete_item(TableName=table, Key={"pk": s("p"), "sk": n(0)})
    held = everything(cloud, table)
    assert rows_with(cloud, SECRET) == 39 + 39 + 40 + 1
    assert change(cloud, table, KMS) == {"Status": "UPDATING"}
    assert change(cloud, table, {"Enabled": True}) == {"Status": "UPDATING"}  # The same again is no other change.
    busy = "Attempt to change a resource which is still in use: "
    assert failure(client.update_table, TableName=table, SSESpecification={"Enabled": False}) == ("ResourceInUseException", busy + "Server-Side Encryption is still being updated")
    assert failure(client.delete_table, TableName=table) == ("ResourceInUseException", f"{busy}Table: {table} is in the process of being updated.")
    assert client.update_table(TableName=table, DeletionProtectionEnabled=True)["TableDescription"]["TableStatus"] == "ACTIVE"
    client.update_table(TableName=table, TableClass="STANDARD_INFREQUENT_ACCESS")
    cloud.advance("60ms")
    between = sse(cloud, table)
    assert between["Status"] == "UPDATING" and OWN_KEY.fullmatch(between["KMSMasterKeyArn"])
    client.put_item(TableName=table, Item={"pk": s("q"), "sk": n(1), "v": s(SECRET)})
    cloud.advance("60ms")
    assert sse(cloud, table) == {**between, "Status": "ENABLED"}
    assert rows_with(cloud, SECRET) == 0
    arn = client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    added = everything(cloud, table)
    assert added.pop("q1")["v"] == s(SECRET) and added == held and len(stream_records(cloud.client("dynamodbstreams"), arn)) == 42
    assert change(cloud, table, {"Enabled": False}) == between
    cloud.advance("60ms")
    assert sse(cloud, table) == {"Status": "UPDATING"}
    cloud.advance("60ms")
    assert sse(cloud, table) is None and len(everything(cloud, table)) == 40
    assert invalid(client.update_table, TableName=table, SSESpecification={"Enabled": False}) == HEAD + "Table is already encrypted by default"


def test_encryption_changes_four_times_in_a_day_and_then_each_six_hours(fresh_cloud: Running) -> None:
    """The day begins with the first change; to name the key that there is by its ARN is none, and to name it otherwise is one."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, SSESpecification=KMS)
    arn = sse(cloud, table)["KMSMasterKeyArn"]
    same = HEAD + "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key"
    assert invalid(client.update_table, TableName=table, SSESpecification={**KMS, "KMSMasterKeyId": arn}) == same
    for wanted in ({"Enabled": True}, {**KMS, "KMSMasterKeyId": "alias/aws/dynamodb"}, {"Enabled": False}, KMS):
        assert change(cloud, table, wanted)["Status"] == "UPDATING"
        cloud.advance("1h")
    code, message = failure(client.update_table, TableName=table, SSESpecification=KMS)
    assert code == "LimitExceededException" and "After the first 4 change, each subsequent change" in message
    assert re.search(r"ending at \S+T\S+Z\. .* every 21600 seconds\. Number of updates today: 4\. Last change at \S+T\S+Z$", message)
    cloud.advance("5h")
    change(cloud, table, {"Enabled": False})
    cloud.advance("5h")
    assert failure(client.update_table, TableName=table, SSESpecification=KMS)[0] == "LimitExceededException"
    cloud.advance("10h")  # 24 hours after the first.
    for wanted in (KMS, {"Enabled": False}, KMS, {"Enabled": False}):
        change(cloud, table, wanted)
        cloud.advance("1m")
    assert failure(client.update_table, TableName=table, SSESpecification=KMS)[0] == "LimitExceededException"


def test_replicas_have_the_keys_of_their_regions(fresh_cloud: Running) -> None:
    """The kind of encryption is one for a global table; each replica shows its own key, new ones are made with it, and none takes one of another kind."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    far = "eu-west-1"
    table = make_table(cloud)
    client.put_item(TableName=table, Item={"pk": s("a"), "v": s(SECRET)})
    create: dict[str, Any] = {"Create": {"RegionName": far, "KMSMasterKeyId": "alias/aws/dynamodb"}}
    needed = HEAD + "KMSMasterKeyId must be specified for each replica."
    assert invalid(client.update_table, TableName=table, ReplicaUpdates=[create]) == needed
    client.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": far}}])
    cloud.advance("1m")
    update = {"Update": {"RegionName": far, "KMSMasterKeyId": "alias/aws/dynamodb"}}
    assert invalid(client.update_table, TableName=table, ReplicaUpdates=[update]) == needed
    change(cloud, table, KMS)
    assert sse(cloud, table, far) == {"Status": "UPDATING"}
    message = invalid(client.update_table, TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    assert message.startswith("Operation cannot be performed while replica server-side encryption status is in UPDATING state.")
    cloud.advance("1m")
    client.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "us-west-2", "KMSMasterKeyId": "alias/aws/dynamodb"}}])
    cloud.advance("1m")
    described = client.describe_table(TableName=table)["Table"]
    keys = {one["RegionName"]: one["KMSMasterKeyId"] for one in described["Replicas"]}
    assert keys == {region: sse(cloud, table, region)["KMSMasterKeyArn"] for region in (far, "us-west-2")}
    assert keys[far].startswith(f"arn:aws:kms:{far}:") and len({*keys.values(), described["SSEDescription"]["KMSMasterKeyArn"]}) == 3
    cloud.client("dynamodb", region=far).put_item(TableName=table, Item={"pk": s("b"), "v": s(SECRET)})
    cloud.advance("1m")
    for region in (REGION, far, "us-west-2"):
        assert cloud.client("dynamodb", region=region).scan(TableName=table)["Count"] == 2
    assert rows_with(cloud, SECRET) == 0
