"""The table that a run prints, and docs/performance.md keeps."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.quiet import QUIET
from haneul.core import call as core_call


@dataclass
class Row:
    """One measurement: what, how much, against what, and the target."""

    name: str
    value: str
    ratio: float | None = None
    against: str = ""
    target: str = ""
    met: bool | None = None


class Table:
    """Rows, printed as they come and written as Markdown at the end."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add_limit(self, name: str, value: str, target: str, met: bool) -> None:
        """A figure with a limit of its own, against nothing else."""
        self._show(Row(name, value, None, "", target, met))

    def add(self, name: str, value: str, *, ratio: float | None = None, against: str = "", at_least: float | None = None, at_most: float | None = None) -> None:
        target, met = "", None
        if at_least is not None and ratio is not None:
            target, met = f">= {at_least:g}", ratio >= at_least
        if at_most is not None and ratio is not None:
            target, met = f"<= {at_most:g}", ratio <= at_most
        self._show(Row(name, value, ratio, against, target, met))

    def _show(self, row: Row) -> None:
        self.rows.append(row)
        shown = "" if row.ratio is None else f"{row.ratio:8.3f} x {row.against}"
        mark = {True: "ok", False: "MISSED", None: ""}[row.met]
        print(f"  {row.name:44} {row.value:>26}  {shown:40} {row.target:>9} {mark}", flush=True)

    def markdown(self) -> str:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
        lines = [
            "# Performance",
            "",
            "Made by `make bench`. One server process on one core, the load on another, 64 connections where nothing else is said; ratios are within one run, medians of turns. "
            + QUIET.told(),
            "",
            f"Machine: {os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}, Python {sys.version.split()[0]}, "
            f"hot path {'compiled' if core_call.__file__.endswith('.so') else 'interpreted'}. "
            f"Date: {datetime.now(UTC):%Y-%m-%d}. Commit: {commit}.",
            "",
            "| what | figure | ratio | against | target | |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
            mark = {True: "met", False: "**missed**", None: ""}[row.met]
            lines.append(f"| {row.name} | {row.value} | {ratio} | {row.against} | {row.target} | {mark} |")
        return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
