"""Point-in-time recovery: any second of the period, while writes go on."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from haneul.clock import SECOND
from haneul.services.dynamodb.history import restore_work
from haneul.services.dynamodb.history.past import read_chunk
from haneul.store.keys import pack, prefix_range
from tests.dynamodb.support import failure, index, invalid, make_table, n, s
from tests.support.running import Running


def moment(cloud: Running) -> datetime:
    """The next whole second (clients send no finer times): what was written until now is in it, what is written a second from now is not."""
    return datetime.fromtimestamp(cloud.clock.now() // SECOND + 1, UTC)


def recover(cloud: Running, table: str, **more: Any) -> dict[str, Any]:
    answer = cloud.client("dynamodb").update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, **more}
    )
    return dict(answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"])


def everything(cloud: Running, table: str) -> dict[str, Any]:
    """All items by key."""
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {item["pk"]["S"] + item.get("sk", {"N": ""})["N"]: item for page in pages for item in page["Items"]}


def restore(cloud: Running, table: str, target: str, **parameters: Any) -> dict[str, Any]:
    """Restore and wait."""
    cloud.client("dynamodb").restore_table_to_point_in_time(SourceTableName=table, TargetTableName=target, **parameters)
    cloud.advance("1s")
    return dict(cloud.client("dynamodb").describe_table(TableName=target)["Table"])


def test_a_new_table_has_backups_but_no_recovery(cloud: Running) -> None:
    """Continuous backups are always on; the moments of point-in-time recovery have to be asked for."""
    found = cloud.client("dynamodb").describe_continuous_backups(TableName=make_table(cloud))["ContinuousBackupsDescription"]
    assert found == {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}


def test_the_period_is_35_days_unless_it_is_said(cloud: Running) -> None:
    """Recovery keeps 35 days; 1 to 35 may be asked for, and nothing else."""
    table = make_table(cloud)
    assert recover(cloud, table)["RecoveryPeriodInDays"] == 35
    assert recover(cloud, table, RecoveryPeriodInDays=7)["RecoveryPeriodInDays"] == 7
    assert recover(cloud, table)["RecoveryPeriodInDays"] == 35  # "If no value is provided, the value will default to 35", the API Reference says.
    for days in (0, 36):
        with pytest.raises(Exception, match=r"RecoveryPeriodInDays|recoveryPeriodInDays"):
            recover(cloud, table, RecoveryPeriodInDays=days)


def test_errors_of_tables_that_are_not_there(cloud: Running) -> None:
    """Operations on history have errors of their own for missing tables."""
    client = cloud.client("dynamodb")
    assert failure(client.describe_continuous_backups, TableName="absent") == ("TableNotFoundException", "Table not found: absent")
    assert failure(client.create_backup, TableName="absent", BackupName="one")[0] == "TableNotFoundException"
    assert failure(client.restore_table_to_point_in_time, SourceTableName="absent", TargetTableName="new", UseLatestRestorableTime=True)[0] == (
        "TableNotFoundException"
    )


def test_restoring_needs_recovery_and_a_free_name(cloud: Running) -> None:
    """Without recovery there is no past, and a restore never writes into a table that exists."""
    client, table = cloud.client("dynamodb"), make_table(cloud)
    call = {"SourceTableName": table, "TargetTableName": "restored", "UseLatestRestorableTime": True}
    assert failure(client.restore_table_to_point_in_time, **call) == (
        "PointInTimeRecoveryUnavailableException",
        f"Point in time recovery is not enabled for table '{table}'",
    )
    recover(cloud, table)
    assert failure(client.restore_table_to_point_in_time, **{**call, "TargetTableName": table})[0] == "TableAlreadyExistsException"
    assert "must be specified" in invalid(client.restore_table_to_point_in_time, SourceTableName=table, TargetTableName="restored")


def test_moments_outside_of_what_is_restorable(fresh_cloud: Running) -> None:
    """The latest moment lies five minutes back, the earliest is when recovery began (the only one for five minutes, as a whole second) or the period's beginning."""
    cloud = fresh_cloud
    client, table = cloud.client("dynamodb"), make_table(cloud)
    begun = moment(cloud)
    found = recover(cloud, table, RecoveryPeriodInDays=1)
    assert (begun - found["EarliestRestorableDateTime"]).total_seconds() == 1 and found["EarliestRestorableDateTime"] == found["LatestRestorableDateTime"]
    cloud.advance("3m")
    assert recover(cloud, table, RecoveryPeriodInDays=1) == found
    restore(cloud, table, "at-the-beginning", RestoreDateTime=found["EarliestRestorableDateTime"])
    cloud.advance("57m")
    found = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert abs((found["EarliestRestorableDateTime"] - begun).total_seconds()) <= 1
    assert 300 <= (moment(cloud) - found["LatestRestorableDateTime"]).total_seconds() <= 301
    for wrong in (moment(cloud), datetime.fromtimestamp(begun.timestamp() - 2, UTC)):
        code, _ = failure(client.restore_table_to_point_in_time, SourceTableName=table, TargetTableName="restored", RestoreDateTime=wrong)
        assert code == "InvalidRestoreTimeException"
    cloud.advance("3d")
    found = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert 86_400 <= (moment(cloud) - found["EarliestRestorableDateTime"]).total_seconds() <= 86_401


def play(cloud: Running, table: str, chance: random.Random, steps: int, model: dict[str, Any]) -> list[tuple[datetime, dict[str, Any]]]:
    """Random writes; after each step of time, when it was and what the table held."""
    client = cloud.client("dynamodb")
    history = []
    for step in range(steps):
        writes = []
        for key in chance.sample(range(40), chance.randint(1, 12)):
            name = f"item-{key}"
            if chance.random() < 0.25:
                model.pop(name, None)
                writes.append({"DeleteRequest": {"Key": {"pk": s(name)}}})
            else:
                model[name] = {"pk": s(name), "step": n(step), "group": s(f"g{chance.randint(0, 3)}")}
                writes.append({"PutRequest": {"Item": model[name]}})
        client.batch_write_item(RequestItems={table: writes})
        history.append((moment(cloud), dict(model)))
        cloud.advance(f"{chance.choice([1, 5, 3600, 40000])}s")
    return history


def test_any_second_comes_back_exactly_while_writes_go_on(fresh_cloud: Running) -> None:
    """Restored tables hold what a dictionary held at that second, over several days, with writes between the request and its end."""
    cloud, chance = fresh_cloud, random.Random(7)
    table = make_table(cloud, more={"group": "S"}, GlobalSecondaryIndexes=[index("by-group", "group")])
    client, model = cloud.client("dynamodb"), {}
    play(cloud, table, chance, 3, model)
    recover(cloud, table)
    cloud.advance("1s")
    history = play(cloud, table, chance, 40, model)
    cloud.advance("10m")
    for at, (when, held) in enumerate(chance.sample(history, 12)):
        target = f"restored-{at}"
        described = client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=target, RestoreDateTime=when)["TableDescription"]
        assert described["TableStatus"] == "CREATING" and described["RestoreSummary"]["RestoreInProgress"] is True
        play(cloud, table, chance, 1, model)
        cloud.advance("1s")
        assert everything(cloud, target) == held
        described = client.describe_table(TableName=target)["Table"]
        assert (described["TableStatus"], described["ItemCount"]) == ("ACTIVE", len(held))
        assert "RestoreSummary" not in described  # Nothing says any more where the table came from.
        found = client.query(
            TableName=target, IndexName="by-group", KeyConditionExpression="#g = :g", ExpressionAttributeNames={"#g": "group"},
            ExpressionAttributeValues={":g": s("g1")},
        )["Items"]
        assert sorted(one["pk"]["S"] for one in found) == sorted(name for name, item in held.items() if item["group"] == s("g1"))


def test_no_moment_lies_within_a_transaction(fresh_cloud: Running) -> None:
    """All of it is restored or nothing, in all of its tables, also where it was made just at the moment that is wanted."""
    cloud = fresh_cloud
    client, tables = cloud.client("dynamodb"), [make_table(cloud), make_table(cloud)]
    for table in tables:
        recover(cloud, table)
    client.put_item(TableName=tables[0], Item={"pk": s("a"), "v": n(1)})
    cloud.run(cloud.app.cloud.clock.advance(SECOND - cloud.clock.now() % SECOND))
    when = datetime.fromtimestamp(cloud.clock.now() // SECOND, UTC)
    client.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": {"pk": s(key), "v": n(2)}}} for table in tables for key in "abc"])
    client.put_item(TableName=tables[1], Item={"pk": s("later")})
    cloud.advance("10m")
    for table in tables:
        restore(cloud, table, f"{table}-restored", RestoreDateTime=when)
        assert everything(cloud, f"{table}-restored") == {key: {"pk": s(key), "v": n(2)} for key in "abc"}


def test_hot_items_and_many_items_in_steps(fresh_cloud: Running) -> None:
    """More items than one step holds, and one item with more changes than are read one by one."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, "S", "N")
    recover(cloud, table)
    for start in range(0, 450, 25):
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s("many"), "sk": n(k)}}} for k in range(start, start + 25)]})
    client.put_item(TableName=table, Item={"pk": s("hot"), "sk": n(0), "v": n(0)})
    before = everything(cloud, table)
    cloud.advance("2s")
    when = moment(cloud)
    cloud.advance("2s")
    for value in range(50):
        client.put_item(TableName=table, Item={"pk": s("hot"), "sk": n(0), "v": n(value + 1)})
    for k in range(0, 450, 9):
        client.delete_item(TableName=table, Key={"pk": s("many"), "sk": n(k)})
    cloud.advance("6m")
    restore(cloud, table, "then", RestoreDateTime=when)
    assert everything(cloud, "then") == before
    restore(cloud, table, "latest", UseLatestRestorableTime=True)
    assert everything(cloud, "latest") == everything(cloud, table)


def test_switching_off_forgets(fresh_cloud: Running) -> None:
    """Once recovery is off the log is gone, and switching on again does not bring the past back."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    recover(cloud, table)
    cloud.advance("1h")
    when = moment(cloud)
    client.put_item(TableName=table, Item={"pk": s("one")})
    assert rows(cloud, "dynamodb-log") == 1
    cloud.advance("1m")
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})
    cloud.settle()
    client.put_item(TableName=table, Item={"pk": s("two")})
    assert rows(cloud, "dynamodb-log") == 0
    recover(cloud, table)
    cloud.advance("1h")
    assert failure(client.restore_table_to_point_in_time, SourceTableName=table, TargetTableName="gone", RestoreDateTime=when)[0] == (
        "InvalidRestoreTimeException"
    )


def rows(cloud: Running, space: str) -> int:
    """How many rows the store holds in a space."""
    from_, to = prefix_range(pack((space,)))
    return len(cloud.app.cloud.store.range(from_, to))


def test_the_log_ends_with_the_period(fresh_cloud: Running) -> None:
    """What lies wholly before the period is removed by the clock; an idle table keeps nothing."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    recover(cloud, table, RecoveryPeriodInDays=2)
    for day in range(6):
        client.put_item(TableName=table, Item={"pk": s("one"), "day": n(day)})
        cloud.advance("24h")
    assert 2 <= rows(cloud, "dynamodb-log") <= 4
    when = moment(cloud)
    cloud.advance("47h")
    restore(cloud, table, "then", RestoreDateTime=when)
    assert everything(cloud, "then")["one"]["day"] == n(5)
    cloud.advance("3d")
    assert rows(cloud, "dynamodb-log") == 0


def test_writes_cost_nothing_without_recovery_and_one_row_with_it(fresh_cloud: Running) -> None:
    """The log has exactly one row for each write, only while it is on."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    client.put_item(TableName=table, Item={"pk": s("one")})
    assert rows(cloud, "dynamodb-log") == 0
    recover(cloud, table)
    for value in range(3):
        client.put_item(TableName=table, Item={"pk": s("one"), "v": n(value)})
    assert rows(cloud, "dynamodb-log") == 3


def test_settings_that_come_back_and_those_that_do_not(fresh_cloud: Running) -> None:
    """Indexes, capacity and billing come from the source or the request; stream, time to live, tags, protection and recovery do not."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    global_index = {**index("by-other", "other"), "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 3}}
    table = make_table(
        cloud,
        range_type="N",
        more={"other": "S", "third": "S"},
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 4, "WriteCapacityUnits": 5},
        GlobalSecondaryIndexes=[global_index],
        LocalSecondaryIndexes=[index("local", "pk", "third")],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        Tags=[{"Key": "a", "Value": "b"}],
        DeletionProtectionEnabled=True,
    )
    client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    recover(cloud, table)
    cloud.advance("10m")
    found = restore(cloud, table, "same", UseLatestRestorableTime=True)
    assert found["ProvisionedThroughput"]["WriteCapacityUnits"] == 5
    assert found["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 2
    assert found["LocalSecondaryIndexes"][0]["IndexName"] == "local"
    assert "StreamSpecification" not in found and found["DeletionProtectionEnabled"] is False
    assert client.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"] == []
    assert client.describe_time_to_live(TableName="same")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    recovery = client.describe_continuous_backups(TableName="same")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "DISABLED"
    found = restore(
        cloud, table, "other", UseLatestRestorableTime=True, BillingModeOverride="PAY_PER_REQUEST", GlobalSecondaryIndexOverride=[]
    )
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST" and "GlobalSecondaryIndexes" not in found
    message = invalid(
        client.restore_table_to_point_in_time, SourceTableName=table, TargetTableName="third", UseLatestRestorableTime=True,
        LocalSecondaryIndexOverride=[index("unknown", "pk", "third", "KEYS_ONLY")],
    )
    assert message == "Invalid Request: Index unknown does not match a secondary index that existed in the source table and cannot be created during the restore operation"


def test_the_table_class_is_not_restored(fresh_cloud: Running) -> None:
    """A restored table is of the standard class, whatever its source was, as it has none of what the documentation does not list."""
    table = make_table(fresh_cloud, TableClass="STANDARD_INFREQUENT_ACCESS")
    recover(fresh_cloud, table)
    assert "TableClassSummary" not in restore(fresh_cloud, table, "restored", UseLatestRestorableTime=True)


def test_restores_that_say_too_much_or_too_little(fresh_cloud: Running) -> None:
    """A request names its source once, and an ARN is one; a wrong moment is answered with the right ones."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    recover(cloud, table)
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    call = {"TargetTableName": "restored", "UseLatestRestorableTime": True}
    again = client.restore_table_to_point_in_time
    assert failure(again, SourceTableName=table, SourceTableArn=arn, **call)[1] == "Must provide exactly one of: sourceTableArn, sourceTableName"
    assert failure(again, **call) == ("ValidationException", "The parameter 'TableName' is required but was not present in the request")
    assert invalid(again, SourceTableArn="nonsense", **call) == "One or more parameter values were invalid: ARNs must start with 'arn:': nonsense"
    assert invalid(again, SourceTableArn="arn:aws:dynamodb", **call) == "sourceTableArn is not a valid ARN"
    assert failure(again, SourceTableArn=arn + "-absent", **call) == ("TableNotFoundException", "Table not found")
    foreign = invalid(again, SourceTableArn=arn.replace("000000000000", "111111111111"), **call)
    assert foreign == "This action is only supported by accounts that match the resource owner\u2019s account."
    # That it names one moment is looked at first, and its target's name last.
    assert "must be specified, but not both" in invalid(again, TargetTableName=table, UseLatestRestorableTime=False)
    assert "Both RestoreDateTime and" in invalid(again, SourceTableName="absent", RestoreDateTime=1, **call)
    assert failure(again, SourceTableName=table, TargetTableName=table, RestoreDateTime=1)[0] == "InvalidRestoreTimeException"
    warm = {**index("by-g", "g"), "WarmThroughput": {"ReadUnitsPerSecond": 13_000}}  # It is in the shape, and not in restores (API Reference).
    assert "WarmThroughput is not supported" in invalid(again, SourceTableName=table, GlobalSecondaryIndexOverride=[warm], **call)
    code, message = failure(again, SourceTableName=table, TargetTableName="restored", RestoreDateTime=1_000_000)
    assert code == "InvalidRestoreTimeException" and message.startswith("RestoreDateTime '1970-01-12T13:46:40Z' must be within EarliestRestorableDateTime '2")


def test_a_restore_into_a_table_that_goes(fresh_cloud: Running) -> None:
    """The name of a table that is being deleted, or made, is taken; only one that is being restored is in use."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, other = make_table(cloud), make_table(cloud)
    recover(cloud, table)
    call = {"SourceTableName": table, "TargetTableName": other, "UseLatestRestorableTime": True}
    client.delete_table(TableName=other)
    assert failure(client.restore_table_to_point_in_time, **call) == ("TableAlreadyExistsException", f"Table already exists: {other}")
    cloud.advance("1s")
    client.restore_table_to_point_in_time(**call)
    assert failure(client.restore_table_to_point_in_time, **call)[0] == "TableInUseException"


def test_a_table_that_is_being_restored_is_not_there_yet(fresh_cloud: Running) -> None:
    """Until it is filled DescribeTable alone shows it, with where it comes from and with indexes of no status; its name is taken all the same."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    source = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    backup = client.create_backup(TableName=source, BackupName="one")["BackupDetails"]["BackupArn"]
    cloud.advance("1s")
    again = {"TargetTableName": "target", "BackupArn": backup}
    arn = client.restore_table_from_backup(**again)["TableDescription"]["TableArn"]
    shown = client.describe_table(TableName="target")["Table"]
    assert shown["TableStatus"] == "CREATING" and shown["RestoreSummary"]["RestoreInProgress"] is True
    assert "IndexStatus" not in shown["GlobalSecondaryIndexes"][0]
    tags, by_name = {"Tags": [{"Key": "a", "Value": "b"}]}, {"TableName": "target"}
    policy = f'{{"Statement": [{{"Effect": "Allow", "Principal": {{"AWS": "000000000000"}}, "Action": "dynamodb:GetItem", "Resource": "{arn}"}}]}}'
    expiry = {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    absent = ("ResourceNotFoundException", "Requested resource not found: Table: target not found")
    for call, more in (
        (client.update_table, stream),
        (client.update_table, {"DeletionProtectionEnabled": True}),
        (client.update_table, {"ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]}),
        (client.update_time_to_live, expiry),
        (client.describe_time_to_live, {}),
        (client.describe_contributor_insights, {}),
    ):
        assert failure(call, **by_name, **more) == absent
    for call, more in (
        (client.tag_resource, tags), (client.list_tags_of_resource, {}), (client.get_resource_policy, {}), (client.put_resource_policy, {"Policy": policy}),
    ):
        assert failure(call, ResourceArn=arn, **more)[0] == "ResourceNotFoundException"
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    for call, more in ((client.describe_continuous_backups, {}), (client.update_continuous_backups, recovery), (client.create_backup, {"BackupName": "two"})):
        assert failure(call, **by_name, **more) == ("TableNotFoundException", "Table not found: target")
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    used = ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being used: target")
    assert failure(client.create_table, **by_name, BillingMode="PAY_PER_REQUEST", **key) == used
    assert failure(client.delete_table, **by_name)[0] == "ResourceInUseException"
    # The name is looked at before the backup, which is in use as well.
    taken = ("TableInUseException", f"Table: target is already being restored from backup: {backup}")
    assert failure(client.restore_table_from_backup, **again) == taken
    assert failure(client.delete_backup, BackupArn=backup) == ("BackupInUseException", f"Backup is being used to restore table: {backup}")
    cloud.advance("1s")
    client.tag_resource(ResourceArn=arn, **tags)
    client.update_time_to_live(**by_name, **expiry)
    client.update_continuous_backups(**by_name, **recovery)
    shown = client.update_table(**by_name, **stream)["TableDescription"]
    assert "RestoreSummary" not in shown and shown["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"


def test_overrides_that_do_not_fit(fresh_cloud: Running) -> None:
    """Capacity goes with the mode that the table will have; indexes are told by keys and projection, so that they can be renamed, and each lists its capacity."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    units = {"ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}
    by_g, local = index("by-g", "g"), index("local", "pk", "l")
    table = make_table(
        cloud, range_type="S", more={"g": "S", "l": "S"}, BillingMode="PROVISIONED", **units,
        GlobalSecondaryIndexes=[{**by_g, **units}], LocalSecondaryIndexes=[local],
    )
    sources = [client.create_backup(TableName=one, BackupName="one")["BackupDetails"]["BackupArn"] for one in (table, make_table(cloud))]
    cloud.advance("1s")
    more, on_demand, one = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 7}, {"BillingModeOverride": "PAY_PER_REQUEST"}, {"MaxReadRequestUnits": 1}
    unlike = "Index {} does not match a secondary index that existed in the source table and cannot be created during the restore operation"
    wrong: list[tuple[int, dict[str, Any], str]] = [
        (0, {**on_demand, "ProvisionedThroughputOverride": more}, "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST"),
        (1, {"ProvisionedThroughputOverride": more}, "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED"),
        (1, {"BillingModeOverride": "PROVISIONED"}, "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED"),
        (0, {"OnDemandThroughputOverride": one}, "Cannot override MaxReadRequestUnits for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST"),
        (1, {"OnDemandThroughputOverride": {"MaxWriteRequestUnits": 0}}, "Requested MaxWriteRequestUnits for OnDemandThroughput is outside of valid range"),
        (0, {"GlobalSecondaryIndexOverride": [by_g]}, "Must specify provisioned throughput for index by-g"),
        (0, {**on_demand, "GlobalSecondaryIndexOverride": [{**by_g, **units}]},
         "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index by-g"),
        (0, {"GlobalSecondaryIndexOverride": [{**index("by-g", "l"), **units}]}, unlike.format("by-g")),
        (0, {"GlobalSecondaryIndexOverride": [{**by_g, **units}, {**index("twice", "g"), **units}]}, unlike.format("twice")),
        (0, {"LocalSecondaryIndexOverride": [index("local", "pk", "l", "KEYS_ONLY")]}, unlike.format("local")),
    ]
    for source, overrides, message in wrong:
        assert invalid(client.restore_table_from_backup, TargetTableName="wrong", BackupArn=sources[source], **overrides) == f"Invalid Request: {message}"
    eights = {"ProvisionedThroughput": {"ReadCapacityUnits": 8, "WriteCapacityUnits": 8}}
    renamed = {"GlobalSecondaryIndexOverride": [{**by_g, **eights, "IndexName": "new"}], "LocalSecondaryIndexOverride": [{**local, "IndexName": "own"}]}
    for name, overrides, reads in (("with-new", renamed, [5, 8]), ("with-more", {"ProvisionedThroughputOverride": more}, [7, 5]), ("on-demand", on_demand, [0, 0])):
        client.restore_table_from_backup(TargetTableName=name, BackupArn=sources[0], **overrides)
        cloud.advance("1s")
        found = client.describe_table(TableName=name)["Table"]
        assert [holder["ProvisionedThroughput"]["ReadCapacityUnits"] for holder in (found, *found["GlobalSecondaryIndexes"])] == reads
        names = [one["IndexName"] for title in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes") for one in found[title]]
        assert names == (["new", "own"] if name == "with-new" else ["by-g", "local"])


def test_no_period_for_what_is_switched_off(cloud: Running) -> None:
    """A period says how far recovery reaches; it cannot be given together with the end of recovery."""
    table = make_table(cloud)
    off = {"PointInTimeRecoveryEnabled": False, "RecoveryPeriodInDays": 7}
    message = invalid(cloud.client("dynamodb").update_continuous_backups, TableName=table, PointInTimeRecoverySpecification=off)
    assert message == "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery."


def test_a_deleted_table_leaves_a_system_backup(fresh_cloud: Running) -> None:
    """A table with recovery that is deleted can be had back for 35 days, as it was at its end, and costs no copy."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    recover(cloud, table)
    client.put_item(TableName=table, Item={"pk": s("last"), "v": n(1)})
    client.delete_table(TableName=table)
    cloud.advance("1s")
    assert client.list_backups(TableName=table)["BackupSummaries"] == []
    (summary,) = client.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"]
    assert summary["BackupName"] == f"{table}$DeletedTableBackup" and summary["BackupType"] == "SYSTEM"
    assert summary["BackupArn"].endswith("-00000000")
    assert (summary["BackupExpiryDateTime"] - summary["BackupCreationDateTime"]).days == 35
    assert "It will automatically expire on 20" in invalid(client.delete_backup, BackupArn=summary["BackupArn"])
    client.restore_table_from_backup(TargetTableName=table, BackupArn=summary["BackupArn"])
    cloud.advance("1s")
    assert everything(cloud, table) == {"last": {"pk": s("last"), "v": n(1)}}
    assert rows(cloud, "dynamodb-item") == 2
    cloud.advance("36d")
    assert client.list_backups(BackupType="ALL")["BackupSummaries"] == []
    assert rows(cloud, "dynamodb-item") == 1
    assert rows(cloud, "dynamodb-log") == 0


def test_what_is_asked_of_a_table_while_it_is_deleted(fresh_cloud: Running) -> None:
    """Until it is gone it can be backed up and restored; recovery switched on then leaves a system backup, and none when it is switched off; names do not inherit."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    on, off, never = make_table(cloud), make_table(cloud), make_table(cloud)
    for table in (on, off):
        recover(cloud, table)
    for table in (on, off, never):
        client.put_item(TableName=table, Item={"pk": s(table)})
    cloud.advance("10m")
    for table in (on, off, never):
        client.delete_table(TableName=table)
        client.create_backup(TableName=table, BackupName="last")
    client.restore_table_to_point_in_time(SourceTableName=on, TargetTableName="restored", UseLatestRestorableTime=True)
    client.update_continuous_backups(TableName=off, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})
    assert recover(cloud, never)["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = {"TableName": never, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    client.update_time_to_live(**expiry)
    assert invalid(client.update_time_to_live, **expiry) == "TimeToLive is already enabled"
    assert invalid(client.describe_time_to_live, TableName=never) == "Cannot describe time to live while table is in DELETING state: Current table state is DELETING"
    assert client.update_contributor_insights(TableName=never, ContributorInsightsAction="ENABLE")["ContributorInsightsStatus"] == "ENABLING"
    cloud.advance("2s")
    kept = {table: [one["BackupArn"] for one in client.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"]] for table in (on, off, never)}
    assert [len(kept[table]) for table in (on, off, never)] == [1, 0, 1]
    assert list(everything(cloud, "restored")) == [on]
    for table in (on, off, never):
        (made,) = client.list_backups(TableName=table)["BackupSummaries"]
        assert made["BackupStatus"] == "AVAILABLE"
        for at, backup in enumerate((made["BackupArn"], *kept[table])):
            client.restore_table_from_backup(TargetTableName=f"{table}-{at}", BackupArn=backup)
            cloud.advance("1s")
            assert list(everything(cloud, f"{table}-{at}")) == [table]
    assert rows(cloud, "dynamodb-log") == rows(cloud, "dynamodb-orphan") == rows(cloud, "dynamodb-hold") == rows(cloud, "dynamodb-expiry") == 0
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    client.create_table(TableName=never, BillingMode="PAY_PER_REQUEST", **key)
    found = client.describe_continuous_backups(TableName=never)["ContinuousBackupsDescription"]
    assert found == {"ContinuousBackupsStatus": "DISABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}
    assert failure(client.update_time_to_live, **expiry) == (
        "ResourceInUseException", f"Attempt to change a resource which is still in use: Table {never} is being created"
    )
    assert "while table is in CREATING state: Current table state is CREATING" in invalid(client.describe_time_to_live, TableName=never)
    cloud.advance("1s")
    assert client.describe_time_to_live(TableName=never)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    assert client.describe_contributor_insights(TableName=never)["ContributorInsightsStatus"] == "DISABLED"


def test_a_restore_outlives_its_source(fresh_cloud: Running) -> None:
    """Recovery that is switched off, or a source that is deleted, does not take the past away from a restore that has begun."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    recover(cloud, table)
    client.put_item(TableName=table, Item={"pk": s("one"), "v": n(1)})
    cloud.advance("10m")
    client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="restored", UseLatestRestorableTime=True)
    client.put_item(TableName=table, Item={"pk": s("one"), "v": n(2)})
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})
    client.delete_table(TableName=table)
    cloud.advance("5s")
    assert everything(cloud, "restored") == {"one": {"pk": s("one"), "v": n(1)}}
    assert rows(cloud, "dynamodb-log") == rows(cloud, "dynamodb-orphan") == rows(cloud, "dynamodb-hold") == 0
    assert rows(cloud, "dynamodb-item") == 1


def test_a_restart_in_the_middle_of_a_restore(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore that was cut off in the middle goes on where it was."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud, range_type="N")
    recover(cloud, table)
    for start in range(0, 100, 25):
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"pk": s("many"), "sk": n(k)}}} for k in range(start, start + 25)]})
    held = everything(cloud, table)
    cloud.advance("10m")
    client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="restored", UseLatestRestorableTime=True)
    with monkeypatch.context() as patched:
        break_after_steps(patched, restore_work, 3)
        cloud.advance("60ms")
    partly = rows(cloud, "dynamodb-item") - 100
    assert 0 < partly < 100
    cloud.stop()
    cloud.start()
    client = cloud.client("dynamodb")
    assert client.describe_table(TableName="restored")["Table"]["TableStatus"] == "CREATING"
    client.delete_item(TableName=table, Key={"pk": s("many"), "sk": n(99)})
    cloud.advance("10s")
    assert everything(cloud, "restored") == held
    assert client.describe_table(TableName="restored")["Table"]["ItemCount"] == 100


def break_after_steps(patched: pytest.MonkeyPatch, module: Any, steps: int) -> None:
    """Make a module's work read small steps, and break after some of them, as a crash does."""
    counted = iter(range(steps))

    def read(store: Any, past: Any, behind: bytes, **bounds: bytes) -> Any:
        if next(counted, None) is None:
            raise RuntimeError("the process ends here")
        return read_chunk(store, past, behind, 10, **bounds)

    patched.setattr(module, "read_chunk", read)
