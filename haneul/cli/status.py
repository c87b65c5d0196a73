"""`haneul status`."""

from __future__ import annotations

import argparse

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import show


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser("status", help="say whether the cloud runs, and what is in it", description="Say whether the cloud runs, where, and which services it has.")
    add_connection_options(command)
    command.add_argument("--keys", action="store_true", help="show root's own key and its secret too")
    command.set_defaults(run=status)


def status(options: argparse.Namespace) -> int:
    """Show the server's facts."""
    connection = Connection(options)
    facts = connection.admin("GET", "status")
    if options.keys:
        facts.update(connection.admin("GET", "root-key"))
    show({"endpoint": connection.endpoint, **facts})
    return 0
