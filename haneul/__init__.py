"""Haneul: a serverless cloud that its users own, speaking the AWS protocols."""

import json
import os
from hashlib import sha256

__version__ = "0.1.0"


def _check_compiled() -> None:
    """Refuse to run when a compiled module's source has changed since: Python would run the old one. (See scripts/compile.py.)"""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        with open(os.path.join(folder, "compiled.json"), "rb") as file:
            sources = json.load(file)["sources"]
    except FileNotFoundError:
        return
    for path, (changed_at, digest) in sources.items():
        source = os.path.join(os.path.dirname(folder), path)
        if os.stat(source).st_mtime_ns == changed_at:
            continue
        with open(source, "rb") as file:  # Perhaps only written anew, by a checkout for instance.
            same = sha256(file.read()).hexdigest() == digest
        if not same:
            raise ImportError(f"{path} has changed since it was compiled: run `make setup` (or `make interpreted`, to work on it)")


_check_compiled()
