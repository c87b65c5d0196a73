"""Access keys of the root user."""

from __future__ import annotations

import csv
import io
from typing import Any

from tests.iam.identities import refused
from tests.support.running import ACCOUNT, Running

OTHER = "111111111111"


def test_a_root_key_lives_and_dies(fresh_cloud: Running) -> None:
    """Made without a user's name it is root's: two at most, usable at once, switched off and on, gone when deleted; it outlives a restart."""
    iam = fresh_cloud.client("iam", key=OTHER)
    key = iam.create_access_key()["AccessKey"]
    assert "UserName" not in key
    second = iam.create_access_key()["AccessKey"]["AccessKeyId"]
    assert refused("LimitExceeded", iam.create_access_key) == "Cannot exceed quota for AccessKeysPerUser: 2"
    fresh_cloud.stop()
    fresh_cloud.start()

    def mine(service: str) -> Any:
        return fresh_cloud.client(service, key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    assert mine("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{OTHER}:root"
    assert [one["AccessKeyId"] for one in mine("iam").list_access_keys()["AccessKeyMetadata"]] == [key["AccessKeyId"], second]
    assert fresh_cloud.client("sts").get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"] == OTHER
    iam = fresh_cloud.client("iam", key=OTHER)
    iam.update_access_key(AccessKeyId=key["AccessKeyId"], Status="Inactive")
    refused("InvalidClientTokenId", mine("sts").get_caller_identity)
    iam.update_access_key(AccessKeyId=key["AccessKeyId"], Status="Active")
    mine("iam").delete_access_key(AccessKeyId=key["AccessKeyId"])
    refused("InvalidClientTokenId", mine("sts").get_caller_identity)
    refused("NoSuchEntity", iam.delete_access_key, AccessKeyId=key["AccessKeyId"])


def test_root_keys_are_the_accounts_own(cloud: Running, iam: Any) -> None:
    """Another account's root neither sees nor touches them, and users' keys are not among them."""
    key = iam.create_access_key()["AccessKey"]["AccessKeyId"]
    other = cloud.client("iam", key=OTHER)
    assert other.list_access_keys()["AccessKeyMetadata"] == []
    refused("NoSuchEntity", other.delete_access_key, AccessKeyId=key)
    refused("AccessDenied", other.get_access_key_last_used, AccessKeyId=key)
    iam.create_user(UserName="zoe")
    users = iam.create_access_key(UserName="zoe")["AccessKey"]["AccessKeyId"]
    refused("NoSuchEntity", iam.delete_access_key, AccessKeyId=users)
    iam.delete_access_key(AccessKeyId=key)


def test_last_use_and_report(fresh_cloud: Running) -> None:
    """As with users' keys; the report has them in root's line."""
    iam = fresh_cloud.client("iam")
    key = iam.create_access_key()["AccessKey"]
    assert iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    fresh_cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).get_caller_identity()
    assert iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "sts"
    iam.generate_credential_report()
    line = next(csv.DictReader(io.StringIO(iam.get_credential_report()["Content"].decode())))
    assert (line["arn"], line["access_key_1_active"], line["access_key_1_last_used_service"], line["access_key_2_active"]) == (
        f"arn:aws:iam::{ACCOUNT}:root",
        "true",
        "sts",
        "false",
    )
