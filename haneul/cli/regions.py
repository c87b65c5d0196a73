"""`haneul regions`."""

from __future__ import annotations

import argparse

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import Trouble, show


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser(
        "regions",
        help="cut a region off the others, or heal it",
        description="Show which regions are cut off, cut one off from all others (or from one other), or heal what was cut. "
        "Requests still reach a region that is cut off; what replicates between regions (global tables) waits.",
    )
    command.add_argument("action", nargs="?", choices=["show", "cut", "heal"], default="show")
    command.add_argument("target", nargs="?", metavar="region", help="the region; `all` heals everything")
    command.add_argument("--from", dest="other", help="only the way between the region and this one")
    add_connection_options(command)
    command.set_defaults(run=regions)


def regions(options: argparse.Namespace) -> int:
    """Show, cut or heal."""
    connection = Connection(options)
    if options.action == "show":
        show(connection.admin("GET", "regions"))
        return 0
    if not options.target:
        raise Trouble(f"say which region, as in `haneul regions {options.action} eu-west-1`")
    wish = {options.action: options.target, **({"from": options.other} if options.other else {})}
    show(connection.admin("POST", "regions", wish))
    return 0
