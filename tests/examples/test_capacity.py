"""The capacity example: throttling, and scaling that follows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "capacity"


def test_the_demonstration_sees_throttling_and_scaling() -> None:
    """Because the example promises it: an abrupt rise throttles, the scaling follows minutes later, on demand takes the same load."""
    done = subprocess.run([sys.executable, str(EXAMPLE / "demo.py")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything was seen." in done.stdout and "  NO " not in done.stdout
