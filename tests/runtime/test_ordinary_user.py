"""The same tests, run by a user without privileges: then everything rests on user namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TESTS = ("test_hostile", "test_every_driver", "test_limits", "test_python", "test_node", "test_runtime_api", "test_snapshots", "test_crash", "test_images", "test_images_unpack")


def _interpreter() -> str | None:
    """A Python of this version that everyone may run: a root user's own installation often is not."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return next((path for path in (f"/usr/bin/{name}", f"/usr/local/bin/{name}") if os.path.exists(path)), None)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv to become another user with")
@pytest.mark.skipif(_interpreter() is None, reason="no Python of this version that an ordinary user may run")
@pytest.mark.skipif(not (_ROOT.stat().st_mode & 0o005), reason="the source tree cannot be read by an ordinary user")
def test_as_nobody() -> None:
    """Isolation and limits hold without root, control groups or loop devices."""
    interpreter = _interpreter()
    assert interpreter is not None
    files = [f"tests/runtime/{name}.py" for name in _TESTS]
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", interpreter, "-B", "-m", "pytest", *files, "-v", "-n0", "-o", "faulthandler_timeout=100"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{_ROOT}:{sysconfig.get_paths()['purelib']}", "HOME": "/nonexistent"}
    with tempfile.TemporaryFile() as output:
        try:
            status = subprocess.run(command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=180, check=False).returncode
        except subprocess.TimeoutExpired:
            status = -1
        output.seek(0)
        assert status == 0, output.read().decode()[-9000:]
