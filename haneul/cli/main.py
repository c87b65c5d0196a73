"""The `haneul` command: a client of the public HTTP API, and the way to start the server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from haneul.cli import bill, clock, deploy, invoke, logs, regions, start, status
from haneul.cli.environment import Parser
from haneul.cli.output import Trouble

_DESCRIPTION = """\
Haneul: a serverless cloud that you own, speaking the AWS protocols.

Start it with `haneul start`, point any AWS SDK, CLI or deployment tool at http://localhost:4566
(AWS_ENDPOINT_URL), and use it. Every option can also be given as an environment variable:
--data-dir as HANEUL_DATA_DIR, --port as HANEUL_PORT, and so on (switches as 1; what may be given
several times separated by spaces)."""

_EPILOG = """\
examples:
  haneul start                           run the cloud on port 4566 until Ctrl-C
  haneul deploy handler.py --url         make a function with a URL out of one file
  haneul invoke handler '{"a": 1}'       call it
  haneul logs -f handler                 follow what it logs
  haneul bill                            what was used, and what it would have cost on AWS
  haneul clock advance 35d               let 35 days pass
  haneul regions cut eu-west-1           take a region off the others
  haneul stop                            finish what is in flight and stop"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="haneul", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (start, status, logs, invoke, deploy, bill, clock, regions):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 it could not be done (the reason is on standard error), 2 wrong usage, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        code = options.run(options)
        return int(code or 0)
    except Trouble as trouble:
        print(f"haneul: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
