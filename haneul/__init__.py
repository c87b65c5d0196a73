"""Haneul: a serverless cloud that its users own, speaking the AWS protocols."""

import json
import os

__version__ = "0.1.0"


def _check_compiled() -> None:
    """Refuse to run when a compiled module's source has changed since: Python would run the old one. (See scripts/compile.py.)"""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        with open(os.path.join(folder, "compiled.json"), "rb") as file:
            sources = json.load(file)["sources"]
    except FileNotFoundError:
        return
    for path, (changed, size) in sources.items():
        found = os.stat(os.path.join(os.path.dirname(folder), path))
        if (found.st_mtime_ns, found.st_size) != (changed, size):
            raise ImportError(f"{path} has changed since it was compiled: run `make setup` (or `make interpreted`, to work on it)")


_check_compiled()
