"""`haneul status --keys` without development keys: whoever may read the data directory is told root's key, and nobody else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.process.haneul_process import Process, client, command

pytestmark = pytest.mark.process


def keys(data_dir: Path, **more: str) -> dict[str, str]:
    found = command("status", "--keys", data_dir=data_dir, **more)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def test_root_gets_in_on_a_fresh_directory(tmp_path: Path) -> None:
    """Because root's secret is random: without it, a cloud that takes no development keys would be locked for ever."""
    with Process(tmp_path, "--no-dev-keys") as process:
        facts = keys(tmp_path)
        assert facts["endpoint"] == process.endpoint and facts["development_keys"] is False
        root = (facts["root_access_key_id"], facts["root_secret_access_key"])
        assert client("sts", process.endpoint, keys=root).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
        assert command("status", data_dir=tmp_path).returncode == 1
        assert process.stop() == 0
    stopped = keys(tmp_path)
    assert stopped["status"] == "stopped" and (stopped["root_access_key_id"], stopped["root_secret_access_key"]) == root


def test_after_a_kill_the_keys_are_still_to_be_had(tmp_path: Path) -> None:
    """Because a process that was killed leaves the note of where it was, and rows that are in the log only."""
    with Process(tmp_path) as process:
        running = keys(tmp_path)
        process.kill()
    killed = keys(tmp_path)
    assert killed["status"] == "stopped" and killed["root_secret_access_key"] == running["root_secret_access_key"]
    with Process(tmp_path) as process:
        assert keys(tmp_path)["root_access_key_id"] == running["root_access_key_id"]


def test_another_cloud_is_asked_itself(tmp_path: Path) -> None:
    """Because the data directory's key is not that of a cloud elsewhere."""
    with Process(tmp_path / "one") as one, Process(tmp_path / "other") as other:
        assert keys(one.data_dir, HANEUL_ENDPOINT=other.endpoint)["root_access_key_id"] == keys(other.data_dir)["root_access_key_id"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_who_may_not_read_the_directory_is_told_nothing(tmp_path: Path) -> None:
    """Because the key is its owner's: then only a request that root signed shows it."""
    with Process(tmp_path, "--no-dev-keys"):
        (tmp_path / "vault.key").chmod(0)
        found = command("status", "--keys", data_dir=tmp_path)
        assert found.returncode == 1 and "secret" not in found.stdout


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    """Because a wrong --data-dir must not look like a cloud without keys."""
    (tmp_path / "vault.key").write_bytes(bytes(32))
    found = command("status", "--keys", data_dir=tmp_path)
    assert found.returncode == 1 and "haneul.db cannot be read" in found.stderr and "Traceback" not in found.stderr
    nowhere = command("status", "--keys", data_dir=tmp_path / "nowhere", HANEUL_ENDPOINT="http://127.0.0.1:1")
    assert nowhere.returncode == 1 and "no cloud answers" in nowhere.stderr
