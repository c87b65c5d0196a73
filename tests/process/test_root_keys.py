"""Root keys given to `haneul start`: they count, and nobody reads them off the running process or its children."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lambda_.build import function
from tests.process.haneul_process import Process, client, command

pytestmark = pytest.mark.process
SECRETS = {"AKIAARGUMENT": "secretofargument", "AKIAVARIABLE": "secretofvariable", "AKIAFILE": "secretoffile"}
LOOK = """
import os
def handler(event, context):
    seen = dict(os.environ)
    for name in ("environ", "cmdline"):
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                seen[process + name] = open(f"/proc/{process}/{name}", "rb").read().decode(errors="replace")
            except OSError:
                pass
    return seen
"""


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "root-keys"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("keys")
    path = key_file(folder, "# Root of another account.\n\nAKIAFILE:secretoffile:111122223333\n")
    with Process(folder / "data", "--root-key", "AKIAARGUMENT:secretofargument", "--root-key-file", str(path), HANEUL_ROOT_KEY="AKIAVARIABLE:secretofvariable") as process:
        yield process


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    below = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in read(task).split()]
    return [pid, *(one for child in below for one in tree(child))]


def read(path: Path) -> str:
    """A file of /proc; nothing, once its process has ended, or where the kernel lets nobody look (an ordinary user's sandbox, from outside)."""
    try:
        return path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


@pytest.mark.parametrize(("key", "account"), [("AKIAARGUMENT", "000000000000"), ("AKIAVARIABLE", "000000000000"), ("AKIAFILE", "111122223333")])
def test_each_way_of_giving_a_key_makes_root(running: Process, key: str, account: str) -> None:
    """Because an operator chooses the way: on the command line, in the environment, in a file."""
    sts = client("sts", running.endpoint, keys=(key, SECRETS[key]))
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"


def test_the_keys_stand_in_no_argument_and_no_environment(running: Process) -> None:
    """Because every user of the machine reads arguments with `ps`, and every child is given its parent's environment."""
    function(running, "look", LOOK)
    seen = running.client("lambda").invoke(FunctionName="look")["Payload"].read().decode()
    pids = tree(running.popen.pid)
    assert len(pids) >= 3  # The server, the spawner, and what runs functions.
    texts = [seen] + [read(Path(f"/proc/{pid}/{name}")) for pid in pids for name in ("cmdline", "environ")]
    assert len([text for text in texts if "haneul" in text]) >= 2  # What runs functions shows nothing of Haneul.
    for secret in SECRETS.values():
        assert not [text for text in texts if secret in text]
    assert "HANEUL_ROOT_KEY=" not in "".join(texts)
    assert str(running.data_dir) in Path(f"/proc/{running.popen.pid}/cmdline").read_text()  # What is no secret is still to be seen there.


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Because a root key that a group may read is not only root's."""
    path = key_file(tmp_path, "AKIAFILE:secretoffile", mode)
    found = command("start", "--port", "0", "--root-key-file", str(path), data_dir=tmp_path)
    assert found.returncode == 1 and f"(mode {mode:04o}); `chmod 600" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(("text", "words"), [("AKIA:one:two", "line 1: each line is ID:SECRET"), ("A:good\nnonsensical", "line 2: each line is ID:SECRET"), (None, "cannot be read: No such file")])
def test_a_file_that_makes_no_sense_is_named_without_its_secrets(tmp_path: Path, text: str | None, words: str) -> None:
    """Because messages end up in logs."""
    path = key_file(tmp_path, text) if text is not None else tmp_path / "missing"
    found = command("start", "--port", "0", "--root-key-file", str(path), data_dir=tmp_path)
    assert found.returncode == 1 and words in found.stderr and str(path) in found.stderr
    assert not [word for word in ("one", "good", "nonsensical") if word in found.stderr.replace(str(path), "")]


def test_more_keys_than_can_be_handed_over(tmp_path: Path) -> None:
    """Because a start that waits for ever says nothing."""
    path = key_file(tmp_path, "".join(f"AKIA{number}:{'s' * 100}\n" for number in range(2000)))
    found = command("start", "--port", "0", "--root-key-file", str(path), data_dir=tmp_path)
    assert found.returncode == 1 and "2000 root keys are too many" in found.stderr
