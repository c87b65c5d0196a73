"""The runtime that functions of the tests run on: the Python that runs the tests is there on every machine."""

from __future__ import annotations

import sys

PYTHON = f"python3.{sys.version_info.minor}"
