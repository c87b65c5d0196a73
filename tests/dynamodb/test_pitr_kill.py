"""A process that is killed in the middle of everything: what was begun goes on in the next one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from haneul.services.dynamodb.history import backup_work, export_work, import_work, restore_work
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from haneul.services.s3.service import S3
from tests.dynamodb.support import make_table, n, s
from tests.dynamodb.test_backups import fill
from tests.dynamodb.test_pitr import break_after_steps, everything, recover, rows
from tests.support.running import Running

SERVICES: list[type] = [DynamoDb, Iam, S3, Logs]


def test_killed_in_the_middle_of_all_four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data directory of a process that never stopped, opened by another one: backup, restore, export and import come to their true ends."""
    with Running(data_dir=tmp_path / "first", services=SERVICES) as cloud:
        client = cloud.client("dynamodb")
        for bucket in ("exports", "imports"):
            cloud.client("s3").create_bucket(Bucket=bucket)
        content = b"".join(json.dumps({"Item": {"pk": s("i"), "sk": n(k)}}).encode() + b"\n" for k in range(100))
        cloud.client("s3").put_object(Bucket="imports", Key="data", Body=content)
        table = make_table(cloud, range_type="N")
        recover(cloud, table)
        fill(cloud, table, 100)
        held = everything(cloud, table)
        arn = client.describe_table(TableName=table)["Table"]["TableArn"]
        cloud.advance("6m")
        backup = client.create_backup(TableName=table, BackupName="backup")["BackupDetails"]["BackupArn"]
        client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="restored", UseLatestRestorableTime=True)
        export = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports")["ExportDescription"]["ExportArn"]
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        types = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}]
        imported = client.import_table(
            S3BucketSource={"S3Bucket": "imports"},
            InputFormat="DYNAMODB_JSON",
            TableCreationParameters={"TableName": "imported", "KeySchema": keys, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"},
        )["ImportTableDescription"]["ImportArn"]
        with monkeypatch.context() as patched:
            for module in (backup_work, restore_work, export_work):
                break_after_steps(patched, module, 3)
            patched.setattr(import_work, "STEP_ITEMS", 10)
            break_taking(patched, 3)
            cloud.advance("60ms")
        for key in list(held)[::2]:
            client.delete_item(TableName=table, Key={"pk": held[key]["pk"], "sk": held[key]["sk"]})
        shutil.copytree(tmp_path / "first", tmp_path / "second")
        now = cloud.clock.now()
    monkeypatch.setattr(import_work, "STEP_ITEMS", 10)
    second = Running(data_dir=tmp_path / "second", services=SERVICES)
    second.clock = type(second.clock)(frozen_at=now)
    with second as cloud:
        client = cloud.client("dynamodb")
        statuses = {name: client.describe_table(TableName=name)["Table"]["TableStatus"] for name in ("restored", "imported")}
        assert statuses == {"restored": "CREATING", "imported": "CREATING"}
        assert client.describe_backup(BackupArn=backup)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "CREATING"
        cloud.advance("10s")
        assert everything(cloud, "restored") == held
        assert len(everything(cloud, "imported")) == 100
        assert client.describe_import(ImportArn=imported)["ImportTableDescription"]["ImportedItemCount"] == 100
        done = client.describe_export(ExportArn=export)["ExportDescription"]
        assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 100)
        client.restore_table_from_backup(TargetTableName="from-backup", BackupArn=backup)
        cloud.advance("1s")
        assert everything(cloud, "from-backup") == held
        assert len(everything(cloud, table)) == 50 and rows(cloud, "dynamodb-hold") == 0


def break_taking(patched: pytest.MonkeyPatch, steps: int) -> None:
    """Make imports break after some steps."""
    take, counted = import_work.take, iter(range(steps))

    def broken(items: Any, count: int) -> Any:
        if next(counted, None) is None:
            raise RuntimeError("the process ends here")
        return take(items, count)

    patched.setattr(import_work, "take", broken)
