"""`haneul logs`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from typing import Any

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import Trouble, colour

_POLL_SECONDS = 0.5
_PREFIX = "/aws/lambda/"
_HUES = ("36", "35", "34", "33", "32", "31")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser("logs", help="show or follow what functions log", description="Show what functions logged; all functions when none is named.")
    command.add_argument("functions", nargs="*", metavar="FUNCTION", help="function names, or log group names beginning with /")
    command.add_argument("-f", "--follow", action="store_true", help="go on as more comes")
    command.add_argument("--since", type=float, default=3600.0, metavar="SECONDS", help="how far back to begin (default: 3600)")
    add_connection_options(command)
    command.set_defaults(run=logs)


def logs(options: argparse.Namespace) -> int:
    """Print events of the groups in order of their time."""
    connection = Connection(options)
    client = connection.client("logs")
    begin = int((connection.admin("GET", "clock")["now"] - options.since) * 1000)
    seen: set[str] = set()
    newest: dict[str, int] = {}
    try:
        while True:
            groups = [name if name.startswith("/") else _PREFIX + name for name in options.functions] or _all_groups(client)
            events = [event for group in groups for event in _new_events(client, group, newest.get(group, begin), seen, bool(options.functions) and not options.follow)]
            for event in sorted(events, key=lambda one: (one["timestamp"], one["eventId"])):
                newest[event["group"]] = max(newest.get(event["group"], 0), event["timestamp"])
                _print(event)
            if not options.follow:
                return 0
            sys.stdout.flush()
            time.sleep(_POLL_SECONDS)
    except connection.failures as error:
        raise Trouble(str(error)) from error


def _all_groups(client: Any) -> list[str]:
    pages = client.get_paginator("describe_log_groups").paginate()
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _new_events(client: Any, group: str, since: int, seen: set[str], must_exist: bool) -> list[dict[str, Any]]:
    found = []
    try:
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    found.append({**event, "group": group})
    except client.exceptions.ResourceNotFoundException:
        if must_exist:
            raise
    return found


def _print(event: dict[str, Any]) -> None:
    name = event["group"].removeprefix(_PREFIX)
    if not sys.stdout.isatty():
        print(json.dumps({"time": event["timestamp"], "group": event["group"], "stream": event["logStreamName"], "message": event["message"].rstrip("\n")}))
        return
    when = datetime.fromtimestamp(event["timestamp"] / 1000).strftime("%H:%M:%S.%f")[:-3]
    hue = _HUES[sum(name.encode()) % len(_HUES)]
    print(f"{colour(when, '2')} {colour(name, hue)} {event['message'].rstrip()}")
