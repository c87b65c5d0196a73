"""`make bench`: every figure of Haneul's promises, as ratios in one run."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import contest, data_plane, functions, process, size, starts, workers
from bench.quiet import QUIET
from bench.servers import SERVER_CORE, pin_load
from bench.table import Table

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load lasts (default: 3)")
    parser.add_argument("--only", choices=["data", "functions", "process", "peers", "size", "workers"], help="one part only; docs/performance.md is then left alone")
    parser.add_argument("--peers", action="store_true", help="measure other servers too, where they can be installed (as --only peers does)")
    parser.add_argument("--items", type=int, default=1_000_000, help="how many items `--only size` loads (default: 1,000,000; the promise is about 10,000,000)")
    options = parser.parse_args()
    table = Table()
    if options.only in (None, "process"):
        process.run(table)
    pin_load()
    QUIET.learn(SERVER_CORE)
    if options.only in (None, "data"):
        data_plane.run(table, options.seconds)
    if options.only in (None, "workers"):
        workers.run(table, options.seconds)
    if options.only in (None, "functions"):
        functions.run(table, options.seconds)
        starts.run(table, options.seconds)
    if options.peers or options.only == "peers":
        contest.run(table, options.seconds)
    if options.only == "size":
        size.run(table, options.seconds, options.items)
    if options.only is None:
        PAGE.write_text(table.markdown())
        print(f"\nwrote {PAGE.name}")


if __name__ == "__main__":
    main()
