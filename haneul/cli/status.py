"""`haneul status`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from haneul.cli.connection import Connection, Unreachable, add_connection_options
from haneul.cli.output import Trouble, show


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser("status", help="say whether the cloud runs, and what is in it", description="Say whether the cloud runs, where, and which services it has.")
    add_connection_options(command)
    command.add_argument("--keys", action="store_true", help="show root's own key and its secret too; read from the data directory where this user may, also while the cloud is stopped")
    command.set_defaults(run=status)


def status(options: argparse.Namespace) -> int:
    """Show the server's facts."""
    connection = Connection(options)
    if not options.keys:
        show({"endpoint": connection.endpoint, **connection.admin("GET", "status")})
        return 0
    here = options.endpoint is None or options.endpoint == connection.facts.get("endpoint")
    keys = _keys_on_disk(options.data_dir) if here else {}
    if not keys:
        show({"endpoint": connection.endpoint, **connection.admin("GET", "status"), **connection.admin("GET", "root-key")})
        return 0
    connection.sign_with(keys["root_access_key_id"], keys["root_secret_access_key"])
    facts: dict[str, Any] = {"status": "stopped", "data_dir": str(options.data_dir)}
    if connection.facts:
        try:
            facts = {"endpoint": connection.endpoint, **connection.admin("GET", "status")}
        except Unreachable:
            pass  # It ended without taking its note away.
    show({**facts, **keys})
    return 0


def _keys_on_disk(data_dir: Path) -> dict[str, str]:
    """Root's own key, read by whoever may read the data directory without asking the cloud, which answers root only; nothing where that cannot be done."""
    if not os.access(data_dir / "vault.key", os.R_OK):
        return {}
    reader = subprocess.run([sys.executable, "-m", "haneul", json.dumps({"root_key_of": str(data_dir)})], capture_output=True, text=True, check=False)
    if reader.returncode:
        raise Trouble(f"the root key in {data_dir} cannot be read: {reader.stderr.strip()}")
    return dict(json.loads(reader.stdout))
