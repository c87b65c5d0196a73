"""Start-up time and idle memory."""

from __future__ import annotations

import os
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
    start = statistics.median(_start_fresh() for _ in range(_RUNS))
    table.add_limit("start to first answer", f"{start * 1000:.0f} ms (median of {_RUNS})", "<= 600 ms", start <= 0.6)
    with haneul() as target:
        urllib.request.urlopen(f"http://127.0.0.1:{target.port}/_haneul/health").read()
        memory = tree_pss(target.pid) / 1024
        table.add_limit("idle memory (PSS of the server and its children)", f"{memory:.0f} MB", "<= 80 MB", memory <= 80)


def _start_fresh() -> float:
    with tempfile.TemporaryDirectory(prefix="haneul-bench-", ignore_cleanup_errors=True) as folder:
        return start_once(Path(folder))


def start_once(folder: Path) -> float:
    """Seconds from the command to the first answer, on a data directory."""
    port = free_port()
    began = time.perf_counter()
    server = subprocess.Popen([Path(sys.executable).parent / "haneul", "start", "--port", str(port), "--data-dir", str(folder)], stdout=subprocess.DEVNULL)
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


def tree_pss(pid: int, kind: str = "Pss") -> int:
    """Kilobytes of memory of a process and all its descendants, shared pages counted by their share. `Pss_Anon` leaves out what is mapped from files."""
    return pss(pid, kind) + sum(tree_pss(child, kind) for child in children(pid))


def tree_cpu_seconds(pid: int) -> float:
    """Processor time that a process, those of its descendants that run and those that it has seen end have used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK") + sum(tree_cpu_seconds(child) for child in children(pid))
    except OSError:
        return 0.0  # It has ended meanwhile.


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(number) for number in task.read_text().split()]
    return found


def pss(pid: int, kind: str = "Pss") -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    return 0
