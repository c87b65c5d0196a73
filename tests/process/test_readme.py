"""The screen of use in README.md, and what `haneul start` says to try next, word by word against a running cloud."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.haneul_process import HANEUL, Process, environment

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
SCREEN = (ROOT / "README.md").read_text().partition("## One screen of use")[2].partition("\n## ")[0]
SNIPPETS = re.findall(r"```(\w*)\n(.*?)```", SCREEN, re.DOTALL)
ENDPOINT = "http://localhost:4566"


def test_the_readme_works_word_by_word(tmp_path: Path) -> None:
    """Because it is what everybody tries first. Only the port differs, and the terminal in which `logs -f` goes on is closed when it has shown the log."""
    assert SNIPPETS[0] == ("", ".venv/bin/haneul start\n")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with Process(tmp_path / "data") as process:
        script = ""
        for kind, text in SNIPPETS[1:]:
            script += f"python - <<'SNIPPET'\n{text}SNIPPET\n" if kind == "python" else text
        assert ENDPOINT in script and "haneul logs -f" in script
        script = "set -e\n" + script.replace(ENDPOINT, process.endpoint)
        plain = environment(PATH="/usr/bin:/bin", HANEUL_DATA_DIR=str(process.data_dir), HOME=str(tmp_path))
        shell = subprocess.Popen(["/bin/bash", "-c", script], cwd=tmp_path, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        shown = ""
        assert shell.stdout is not None
        try:
            for line in shell.stdout:
                shown += line
                if "REPORT RequestId" in line:
                    break
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
            shell.stdout.close()
    assert "REPORT RequestId" in shown, shown
    for word in ("make_bucket: hello", '"QueueUrl"', '"TableDescription"', "'text': 'hello'", "hello from hello", "lambda-url"):
        assert word in shown, shown


def banner(*options: str) -> str:
    """What a person sees at the start."""
    control, terminal = pty.openpty()
    process = subprocess.Popen([str(HANEUL), "start", "--port", "0", *options], env=environment(), stdout=terminal, stderr=terminal, stdin=subprocess.DEVNULL)
    os.close(terminal)
    shown = b""
    while b"Ctrl-C" not in shown:
        shown += os.read(control, 65536)
    process.terminate()
    assert process.wait(20) == 0
    os.close(control)
    return shown.decode()


def test_what_the_start_says_to_try_is_true(tmp_path: Path) -> None:
    """Because it is copied: the SDKs' two names of the region, the way to the commands, and the way to a key that this cloud takes."""
    shown = banner("--data-dir", str(tmp_path / "a b"), "--region", "eu-west-1")
    assert "AWS_ACCESS_KEY_ID=test " in shown and "AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1" in shown
    assert f". {sys.prefix}/bin/activate" in shown
    assert f"`haneul status --keys --data-dir '{tmp_path}/a b'`" in shown
    strict = banner("--data-dir", str(tmp_path / "strict"), "--no-dev-keys")
    assert "development keys are off" in strict and "=test" not in strict and re.search(r"AWS_ACCESS_KEY_ID=AKIA\w{16} ", strict)
