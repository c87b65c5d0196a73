"""`haneul bill`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any
from urllib.parse import urlencode

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import colour

_DESCRIPTION = """\
Show what an account has used and what it would have cost on AWS: by service, region and resource, at list
prices of US East (N. Virginia) in every region, without the free tier and without reserved capacity.
What was used and has no price here is listed too; it is not in the total."""

_EPILOG = """\
examples:
  haneul bill                                     this month, up to now
  haneul bill --from 2026-10 --to 2026-11         October
  haneul bill --from 2026-11-30T10:00:00Z         since then
  haneul bill | jq -r .total                      one number: JSON when piped"""

_HEADINGS = ("service", "region", "resource", "what", "quantity", "unit", "price", "cost")
_TO_THE_RIGHT = frozenset(("quantity", "price", "cost", "other cost"))


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser(
        "bill", help="show what was used and what it costs", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--account", metavar="ID", help="whose bill (default: the cloud's own account)")
    command.add_argument("--from", dest="start", metavar="TIME", help="since when: a month, a day or a time in UTC (default: the beginning of the cloud's month)")
    command.add_argument("--to", dest="end", metavar="TIME", help="until when, that moment not included (default: now, by the cloud's clock)")
    add_connection_options(command)
    command.set_defaults(run=bill)


def bill(options: argparse.Namespace) -> int:
    """Show the bill."""
    wish = {"account": options.account, "from": options.start, "to": options.end}
    query = urlencode({name: value for name, value in wish.items() if value is not None})
    found = Connection(options).admin("GET", f"bill?{query}" if query else "bill")
    print("\n".join(_readable(found)) if sys.stdout.isatty() else json.dumps(found))
    return 0


def _readable(found: dict[str, Any]) -> list[str]:
    text = [f"Account {found['account']}, {found['from']} to {found['to']}", ""]
    text += _table(_HEADINGS, found["lines"]) if found["lines"] else ["Nothing that has a price was used."]
    text += ["", f"Total  {colour(found['total'] + ' ' + found['currency'], '1')}"]
    if found["alternatives"]:
        rows = [{**one, "as it is": one["choice"], "the other": one["other_choice"], "other cost": one["other_cost"]} for one in found["alternatives"]]
        text += ["", "What the same usage of a table would have cost in the other table class:", ""]
        text += _table(("service", "region", "resource", "as it is", "cost", "the other", "other cost"), rows)
    if found["not_priced"]:
        text += ["", "Used, but not priced here, and not in the total:", ""]
        text += _table(("service", "region", "what", "quantity"), found["not_priced"])
    if found["sources"]:
        text += ["", *(f"Prices of {service}: {source}" for service, source in found["sources"].items())]
    return text


def _table(headings: tuple[str, ...], rows: list[dict[str, str]]) -> list[str]:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in headings}

    def line(row: dict[str, str]) -> str:
        return "  ".join(row[name].rjust(widths[name]) if name in _TO_THE_RIGHT else row[name].ljust(widths[name]) for name in headings).rstrip()

    return [colour(line({name: name for name in headings}), "2"), *map(line, rows)]
