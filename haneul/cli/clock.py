"""`haneul clock`."""

from __future__ import annotations

import argparse

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import Trouble, show


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser(
        "clock",
        help="show the cloud's clock, or let time pass",
        description="Show the cloud's clock, or move it forward: everything due on the way happens, in order.",
    )
    command.add_argument("action", nargs="?", choices=["show", "advance"], default="show")
    command.add_argument("duration", nargs="?", help="how far: 90s, 15m, 12h, 35d, 1h30m")
    add_connection_options(command)
    command.set_defaults(run=clock)


def clock(options: argparse.Namespace) -> int:
    """Show or advance."""
    connection = Connection(options)
    if options.action == "advance":
        if not options.duration:
            raise Trouble("say how far, as in `haneul clock advance 35d`")
        show(connection.admin("POST", "clock", {"advance": options.duration}))
    else:
        show(connection.admin("GET", "clock"))
    return 0
