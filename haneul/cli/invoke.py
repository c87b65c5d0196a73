"""`haneul invoke`."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import Trouble, colour


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser(
        "invoke",
        help="call a function",
        description="Call a function and print its result. On a terminal its log follows on standard error. Exit code 1 when the function failed.",
    )
    command.add_argument("function", help="name or ARN, with :alias or :version if wanted")
    command.add_argument("payload", nargs="?", default="{}", help="JSON, @file, or - for standard input (default: {})")
    command.add_argument("--async", dest="event", action="store_true", help="do not wait for the result")
    add_connection_options(command)
    command.set_defaults(run=invoke)


def invoke(options: argparse.Namespace) -> int:
    """Call the function."""
    payload = read_payload(options.payload)
    connection = Connection(options)
    try:
        answer = (
            connection.client("lambda")
            .invoke(FunctionName=options.function, Payload=payload, InvocationType="Event" if options.event else "RequestResponse", LogType="None" if options.event else "Tail")
        )
    except connection.failures as error:
        raise Trouble(str(error)) from error
    if options.event:
        return 0
    if sys.stderr.isatty() and answer.get("LogResult"):
        print(colour(base64.b64decode(answer["LogResult"]).decode(errors="replace"), "2"), file=sys.stderr)
    print(answer["Payload"].read().decode(errors="replace"))
    return 1 if answer.get("FunctionError") else 0


def read_payload(text: str) -> bytes:
    """The payload that an argument means."""
    if text == "-":
        data = sys.stdin.buffer.read()
    elif text.startswith("@"):
        try:
            data = Path(text[1:]).read_bytes()
        except OSError as error:
            raise Trouble(f"cannot read {text[1:]}: {error.strerror}") from error
    else:
        data = text.encode()
    try:
        json.loads(data)
    except ValueError as error:
        raise Trouble(f"the payload is no JSON: {error}") from error
    return data
