"""Start-up time and idle memory."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.servers import free_port, haneul
from bench.table import Table

_RUNS = 5


def run(table: Table) -> None:
    """Measure the process as a whole."""
    print("process")
    table.add("start to first answer", f"{statistics.median(_start_once() for _ in range(_RUNS)) * 1000:.0f} ms (median of {_RUNS})")
    table.rows[-1].target = "<= 600 ms"
    with haneul() as target:
        urllib.request.urlopen(f"http://127.0.0.1:{target.port}/_haneul/health").read()
        table.add("idle memory (PSS of the server and its children)", f"{tree_pss(target.pid) / 1024:.0f} MB")
        table.rows[-1].target = "<= 80 MB"


def _start_once() -> float:
    folder, port = tempfile.mkdtemp(prefix="haneul-bench-"), free_port()
    began = time.perf_counter()
    server = subprocess.Popen([Path(sys.executable).parent / "haneul", "start", "--port", str(port), "--data-dir", folder], stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_haneul/health", timeout=1).read()
                return time.perf_counter() - began
            except OSError:
                time.sleep(0.002)
    finally:
        server.terminate()
        server.wait(15)
        shutil.rmtree(folder, ignore_errors=True)


def tree_pss(pid: int) -> int:
    """Kilobytes of memory of a process and all its descendants, shared pages counted by their share."""
    total = pss(pid)
    for child in children(pid):
        total += tree_pss(child)
    return total


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(number) for number in task.read_text().split()]
    return found


def pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
