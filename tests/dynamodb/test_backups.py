"""On-demand backups: consistent as of the request, made while the table is written on, kept until they are deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.services.dynamodb.history import backup_work
from tests.dynamodb.support import failure, index, make_table, n, s
from tests.dynamodb.test_pitr import break_after_steps, everything, recover, rows
from tests.support.running import ACCOUNT, Running


def fill(cloud: Running, table: str, count: int, **more: Any) -> None:
    """Items 0 … count - 1 of one partition."""
    for start in range(0, count, 25):
        writes = [{"PutRequest": {"Item": {"pk": s("p"), "sk": n(k), **more}}} for k in range(start, min(start + 25, count))]
        cloud.client("dynamodb").batch_write_item(RequestItems={table: writes})


def back_up(cloud: Running, table: str, name: str = "backup") -> str:
    """The ARN of a backup that is begun."""
    return str(cloud.client("dynamodb").create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"])


def test_a_backup_shows_the_moment_of_its_request(fresh_cloud: Running) -> None:
    """Items that are changed, removed or added while the backup is CREATING are in it as they were when it was asked for."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, range_type="N", more={"v": "N"}, GlobalSecondaryIndexes=[index("by-v", "v")])
    fill(cloud, table, 300, v=n(1))
    held = everything(cloud, table)
    details = client.create_backup(TableName=table, BackupName="first")["BackupDetails"]
    assert (details["BackupStatus"], details["BackupType"], details["BackupName"]) == ("CREATING", "USER", "first")
    for k in range(0, 300, 7):
        client.put_item(TableName=table, Item={"pk": s("p"), "sk": n(k), "v": n(2)})
        client.delete_item(TableName=table, Key={"pk": s("p"), "sk": n(k + 1)})
    client.put_item(TableName=table, Item={"pk": s("new"), "sk": n(1)})
    cloud.advance("1s")
    found = client.describe_backup(BackupArn=details["BackupArn"])["BackupDescription"]
    assert found["BackupDetails"]["BackupStatus"] == "AVAILABLE" and found["BackupDetails"]["BackupSizeBytes"] > 0
    assert found["SourceTableDetails"]["ItemCount"] == 300 and found["SourceTableDetails"]["TableName"] == table
    assert found["SourceTableFeatureDetails"]["GlobalSecondaryIndexes"][0]["IndexName"] == "by-v"
    # The log was only on for the backup.
    assert rows(cloud, "dynamodb-log") == rows(cloud, "dynamodb-hold") == 0
    answer = client.restore_table_from_backup(TargetTableName="restored", BackupArn=details["BackupArn"])["TableDescription"]
    assert answer["RestoreSummary"]["SourceBackupArn"] == details["BackupArn"] and answer["TableStatus"] == "CREATING"
    cloud.advance("1s")
    assert everything(cloud, "restored") == held
    assert client.scan(TableName="restored", IndexName="by-v", Select="COUNT")["Count"] == 300


def test_backups_outlive_their_table(fresh_cloud: Running) -> None:
    """A backup is kept until it is deleted, whatever becomes of the table; then its rows go."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, range_type="N")
    fill(cloud, table, 3)
    arn = back_up(cloud, table)
    assert failure(client.delete_table, TableName=table)[0] == "ResourceInUseException"
    cloud.advance("1s")
    client.delete_table(TableName=table)
    cloud.advance("40d")
    client.restore_table_from_backup(TargetTableName=table, BackupArn=arn)
    assert failure(client.delete_backup, BackupArn=arn)[0] == "BackupInUseException"
    cloud.advance("1s")
    assert len(everything(cloud, table)) == 3
    gone = client.delete_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]
    assert gone["BackupStatus"] == "DELETED"
    cloud.settle()
    assert rows(cloud, "dynamodb-backup-item") == rows(cloud, "dynamodb-backup") == 0
    assert failure(client.describe_backup, BackupArn=arn) == ("BackupNotFoundException", f"Backup not found: {arn}")
    assert failure(client.restore_table_from_backup, TargetTableName="again", BackupArn=arn)[0] == "BackupNotFoundException"


def test_several_backups_of_a_table_at_a_time(cloud: Running) -> None:
    """While one backup of a table is made, others can be begun, each of its own moment; it can be neither deleted nor restored from."""
    client, table = cloud.client("dynamodb"), make_table(cloud)
    arn = back_up(cloud, table)
    client.put_item(TableName=table, Item={"pk": s("between")})
    later = back_up(cloud, table)
    assert failure(client.delete_backup, BackupArn=arn)[0] == "BackupInUseException"
    assert failure(client.restore_table_from_backup, TargetTableName="target", BackupArn=arn)[0] == "BackupInUseException"
    cloud.advance("1s")
    counts = [client.describe_backup(BackupArn=one)["BackupDescription"]["SourceTableDetails"]["ItemCount"] for one in (arn, later)]
    assert counts == [0, 1] and rows(cloud, "dynamodb-hold") == 0
    assert len(client.list_backups(TableName=table)["BackupSummaries"]) == 2
    assert failure(client.restore_table_from_backup, TargetTableName=table, BackupArn=arn)[0] == "TableAlreadyExistsException"


def test_one_restore_of_a_backup_at_a_time(cloud: Running) -> None:
    """While a table is being restored from a backup, no other one can be; afterwards it can."""
    client, arn = cloud.client("dynamodb"), back_up(cloud, make_table(cloud))
    cloud.advance("1s")
    client.restore_table_from_backup(TargetTableName="one-of-two", BackupArn=arn)
    call = {"TargetTableName": "two-of-two", "BackupArn": arn}
    assert failure(client.restore_table_from_backup, **call) == ("BackupInUseException", f"Backup is being used to restore another table: {arn}")
    cloud.advance("1s")
    client.restore_table_from_backup(**call)
    cloud.advance("1s")


def test_what_a_backup_says_of_its_table(fresh_cloud: Running) -> None:
    """Only features that are on are listed; the greatest throughput on demand is part of the table."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    plain = back_up(cloud, make_table(cloud))
    assert client.describe_backup(BackupArn=plain)["BackupDescription"]["SourceTableFeatureDetails"] == {}
    limited = back_up(cloud, make_table(cloud, OnDemandThroughput={"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 20}))
    found = client.describe_backup(BackupArn=limited)["BackupDescription"]["SourceTableDetails"]
    assert found["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 20}


def test_a_table_that_is_being_made_has_no_backups_yet(cloud: Running) -> None:
    """Backups hear of a table only when it is ready; until then it is not there for them."""
    client = cloud.client("dynamodb")
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    client.create_table(TableName="unready", BillingMode="PAY_PER_REQUEST", **key)
    assert failure(client.create_backup, TableName="unready", BackupName="one") == ("TableNotFoundException", "Table not found: unready")


def test_arns_and_spans_that_are_none(cloud: Running) -> None:
    """An ARN of something else, of another account or of no region names no backup, and a span does not end before it begins."""
    client, name = cloud.client("dynamodb"), make_table(cloud)
    table, backup = client.describe_table(TableName=name)["Table"]["TableArn"], back_up(cloud, name)
    wrong = ("ValidationException", "Invalid Request: BackupArn is not valid")
    foreign = ("AccessDeniedException", "Access is denied")
    for arn, answer in (
        (table, ("ValidationException", "Invalid Backup ARN")),
        ("x" * 48, ("ValidationException", "Invalid Backup ARN")),
        (backup.replace("us-east-1", "xx-fake-1"), wrong),
        (backup.replace("arn:aws:", "arn:aws-cn:"), wrong),
        (backup.replace(":dynamodb:", ":sqs:"), wrong),
        (backup.replace(ACCOUNT, "111111111111"), foreign),
        (backup.replace("us-east-1", ""), foreign),
        (backup[:-8] + "12345678", ("BackupNotFoundException", f"Backup not found: {backup[:-8]}12345678")),
    ):
        for call, more in ((client.describe_backup, {}), (client.delete_backup, {}), (client.restore_table_from_backup, {"TargetTableName": "restored"})):
            assert failure(call, BackupArn=arn, **more) == answer
    message = "One or more parameter values were invalid: Time range lower bound must be less than or equal to upper bound"
    assert failure(client.list_backups, TimeRangeLowerBound=200, TimeRangeUpperBound=100) == ("ValidationException", message)
    swapped = backup.replace("us-east-1", "eu-west-1")
    message = "Invalid Request: The supplied ExclusiveStartBackupArn does not match the region"
    assert failure(client.list_backups, ExclusiveStartBackupArn=swapped) == ("ValidationException", message)
    assert client.list_backups(TableName=name, ExclusiveStartBackupArn=f"{table}/backup/00000000000001-12345678")["BackupSummaries"][0]["BackupArn"] == backup
    # Where an operation is called, not what the ARN says, decides on the region, and the ARN comes back as it was given.
    cloud.advance("1s")
    assert client.describe_backup(BackupArn=swapped)["BackupDescription"]["BackupDetails"]["BackupArn"] == swapped
    assert client.delete_backup(BackupArn=swapped)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "DELETED"
    assert failure(client.describe_backup, BackupArn=backup)[0] == "BackupNotFoundException"


def test_lists_by_table_time_and_page(fresh_cloud: Running) -> None:
    """Backups are listed by table and time; the last ARN of a page begins the next one."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    tables = [make_table(cloud), make_table(cloud)]
    arns = []
    for round_ in range(3):
        arns.append(back_up(cloud, tables[0], f"backup-{round_}"))
        cloud.advance("1h")
    back_up(cloud, tables[1])
    cloud.advance("1h")
    listed, start = [], {}
    while True:
        page = client.list_backups(Limit=1, **start)
        listed += page["BackupSummaries"]
        if "LastEvaluatedBackupArn" not in page:
            break
        start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}
    assert [one["TableName"] for one in listed] == [tables[0]] * 3 + [tables[1]]
    assert [one["BackupArn"] for one in listed[:3]] == arns
    second = listed[1]["BackupCreationDateTime"]
    within = client.list_backups(TableName=tables[0], TimeRangeLowerBound=second.timestamp() - 5, TimeRangeUpperBound=second.timestamp() + 5)
    assert [one["BackupArn"] for one in within["BackupSummaries"]] == [arns[1]]
    assert cloud.client("dynamodb", region="eu-west-1").list_backups()["BackupSummaries"] == []


def test_questions_after_backups_have_a_rate(fresh_cloud: Running) -> None:
    """Ten a second for a backup's description or end, five for lists, each operation of an account for itself, as the API Reference says and measurements show."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    arn = back_up(cloud, make_table(cloud))
    absent = arn[:-8] + "12345678"
    for call, rate, request, answer in (
        (client.list_backups, 5, {}, ""),
        (client.describe_backup, 10, {"BackupArn": arn}, ""),
        (client.delete_backup, 10, {"BackupArn": absent}, "BackupNotFoundException"),
    ):
        for _ in range(rate):
            assert failure(call, **request)[0] == answer if answer else call(**request)
        assert failure(call, **request) == ("ThrottlingException", "Rate exceeded")
    cloud.advance("1s")
    assert [one["BackupArn"] for one in client.list_backups()["BackupSummaries"]] == [arn]


def test_restoring_in_another_region(fresh_cloud: Running) -> None:
    """A backup, and a table's past, can be restored where the call is made, wherever they lie."""
    cloud, client, far = fresh_cloud, fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodb", region="eu-west-1")
    table = make_table(cloud, range_type="N")
    recover(cloud, table)
    fill(cloud, table, 3)
    arn = back_up(cloud, table)
    cloud.advance("10m")
    assert failure(far.describe_backup, BackupArn=arn)[0] == "BackupNotFoundException"
    source = client.describe_table(TableName=table)["Table"]["TableArn"]
    past: dict[str, Any] = {"SourceTableArn": source, "TargetTableName": "from-past", "UseLatestRestorableTime": True}
    for restore, call in ((far.restore_table_from_backup, {"TargetTableName": "x-x", "BackupArn": arn}), (far.restore_table_to_point_in_time, past)):
        # How the table is encrypted there has to be said.
        assert failure(restore, **call) == ("ValidationException", "Invalid Request: sseSpecificationOverride must be provided for cross-region restores")
    plain = {"Enabled": False}
    far.restore_table_from_backup(TargetTableName="from-backup", BackupArn=arn, SSESpecificationOverride=plain)
    far.restore_table_to_point_in_time(**past, SSESpecificationOverride=plain)
    cloud.advance("1s")
    for name in ("from-backup", "from-past"):
        assert far.scan(TableName=name)["Count"] == 3
        assert far.describe_table(TableName=name)["Table"]["TableArn"].split(":")[3] == "eu-west-1"
    assert client.list_tables()["TableNames"] == [table] and rows(cloud, "dynamodb-hold") == 0


def test_a_restart_in_the_middle_of_a_backup(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that was cut off in the middle goes on, and still shows the moment of its request."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, range_type="N")
    fill(cloud, table, 100)
    held = everything(cloud, table)
    arn = back_up(cloud, table)
    with monkeypatch.context() as patched:
        break_after_steps(patched, backup_work, 4)
        cloud.advance("60ms")
    assert rows(cloud, "dynamodb-backup-item") == 40
    cloud.stop()
    cloud.start()
    client = cloud.client("dynamodb")
    assert client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "CREATING"
    for k in range(100):
        client.delete_item(TableName=table, Key={"pk": s("p"), "sk": n(k)})
    cloud.advance("10s")
    client.restore_table_from_backup(TargetTableName="restored", BackupArn=arn)
    cloud.advance("1s")
    assert everything(cloud, "restored") == held
    assert rows(cloud, "dynamodb-log") == 0


def test_permission_is_asked_for_backup_and_table(cloud: Running) -> None:
    """A user needs the operation's permission on the backup, and for a restore those of reading and writing on the new table."""
    client, table = cloud.client("dynamodb"), make_table(cloud)
    arn = back_up(cloud, table)
    cloud.advance("1s")
    iam = cloud.client("iam")
    iam.create_user(UserName="keeper")
    key = iam.create_access_key(UserName="keeper")["AccessKey"]
    mine = cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert failure(mine.describe_backup, BackupArn=arn)[0] == "AccessDeniedException"
    document = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:DescribeBackup","dynamodb:RestoreTableFromBackup"],'
        f'"Resource":"{arn}"}}]}}'
    )
    iam.put_user_policy(UserName="keeper", PolicyName="p", PolicyDocument=document)
    assert mine.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupArn"] == arn
    restore = {"BackupArn": arn, "TargetTableName": "mine"}
    assert failure(mine.restore_table_from_backup, **restore)[0] == "AccessDeniedException"
    names = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
    for count in range(len(names) + 1):
        allowed = [f"dynamodb:{name}" for name in names[:count]] or ["dynamodb:RestoreTableFromBackup"]
        on_target = {"Effect": "Allow", "Action": allowed, "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/mine"}
        iam.put_user_policy(UserName="keeper", PolicyName="q", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [on_target]}))
        if count < len(names):
            assert f"dynamodb:{names[count]} on resource" in failure(mine.restore_table_from_backup, **restore)[1]
    mine.restore_table_from_backup(**restore)
    assert client.list_backups(TableName=table)["BackupSummaries"][0]["BackupArn"] == arn
