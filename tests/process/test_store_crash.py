"""The store alone under kill -9 and on a full disk: a child process writes and says what was acknowledged."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from haneul.clock import Ids
from haneul.store.embedded import EmbeddedStore
from haneul.store.keys import pack, prefix_range, unpack

pytestmark = pytest.mark.process

_ROUNDS = 25

# Eight writers: each transaction writes a pair that must stay a pair, and counts; a line goes out only after the acknowledgement.
# In small layers the log turns all the time, so that it is killed while rows are brought from there to the file.
_WRITER = """
import asyncio, os, sys
from pathlib import Path
from haneul.store import layers
from haneul.store.embedded import EmbeddedStore
from haneul.store.keys import pack

async def main():
    layers._LAYER_ROWS = int(sys.argv[3])
    store = EmbeddedStore(Path(sys.argv[1]))
    first = int(sys.argv[2])

    async def write(lane):
        number = first
        while True:
            value = b"%d:" % number + bytes(200 + number % 7000)
            def work(tx, number=number, value=value):
                tx.put(pack(("left", lane, number)), value)
                tx.put(pack(("right", lane, number)), value)
                tx.delete(pack(("left", lane, number - 5)))
                tx.delete(pack(("right", lane, number - 5)))
                tx.put(pack(("last", lane)), b"%d" % number)
            await store.transact(work)
            os.write(1, b"%d %d\\n" % (lane, number))
            number += 1

    await asyncio.gather(*(write(lane) for lane in range(8)))

asyncio.run(main())
"""


def write_and_die(path: Path, first: int, lines: int, layer: int) -> dict[int, int]:
    """Let a child write until it has said so many lines, kill it, and take what it said: lane → last number."""
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(first), str(layer)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = b""
    while said.count(b"\n") < lines:
        ready, _, _ = select.select([child.stdout], [], [], 20)
        part = os.read(child.stdout.fileno(), 65536) if ready else b""
        assert part, "the child ended by itself"
        said += part
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read()
    child.wait()
    child.stdout.close()
    whole = said[: said.rindex(b"\n")].split(b"\n")
    last: dict[int, int] = {}
    for line in whole:
        lane, number = map(int, line.split())
        last[lane] = number
    return last


async def test_kill_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Because acknowledged means fsynced, a transaction is there whole or not at all, and the next start needs no repair."""
    path = tmp_path / "store.db"
    chance = Ids(7)
    first = 1
    for turn in range(_ROUNDS):
        last = write_and_die(path, first, 1 + chance.below(400), 60 if turn % 2 else 32_768)
        store = EmbeddedStore(path)
        for lane, number in last.items():
            found = int(store.get(pack(("last", lane))) or b"0")
            assert found >= number, "an acknowledged transaction is gone"
        pairs: list[dict[tuple[object, ...], bytes]] = []
        for side in ("left", "right"):
            pairs.append({tuple(unpack(key)[1:]): value for key, value in store.iterate(*prefix_range(pack((side,))))})
        assert pairs[0] == pairs[1], "a transaction is torn"
        for (lane, number), value in pairs[0].items():
            assert value == b"%d:" % number + bytes(200 + int(str(number)) % 7000), (lane, number)
            assert int(str(number)) > int(store.get(pack(("last", lane))) or b"0") - 5  # type: ignore[list-item]
        first = 1 + max(int(value) for _, value in store.iterate(*prefix_range(pack(("last",)))))
        await store.close()


# Fills the disk by a limit on the size of files, again and again, and lifts it again.
_FULL = """
import asyncio, resource, sys
from pathlib import Path
from haneul.store.embedded import EmbeddedStore
from haneul.store.port import StoreError

async def main():
    path = Path(sys.argv[1])
    store = EmbeddedStore(path)
    number, refused = 0, 0
    kept = {}
    for turn in range(4):
        size = max(one.stat().st_size for one in path.parent.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, resource.RLIM_INFINITY))
        while True:
            async def pair(n):
                def work(tx):
                    tx.put(b"a%08d" % n, bytes([n % 251]) * 30_000)
                    tx.put(b"b%08d" % n, bytes([n % 251]) * 30_000)
                await store.transact(work)
                kept[n] = True
            numbers = range(number, number + 4)
            number += 4
            results = await asyncio.gather(*(pair(n) for n in numbers), return_exceptions=True)
            problems = [one for one in results if one is not None]
            assert all(isinstance(one, StoreError) for one in problems), problems
            if problems:
                refused += len(problems)
                break
        assert store.get(b"a00000000") is not None, "reads go on"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.transact(lambda tx: tx.put(b"after%d" % turn, b"x"))
    await store.close()
    store = EmbeddedStore(path)
    rows = store.range(b"a0", b"b:")
    found = {key[:1] + b"%d" % int(key[1:]): value for key, value in rows if key[:1] in b"ab" and key[1:2].isdigit()}
    for n in range(number):
        left, right = found.get(b"a%d" % n), found.get(b"b%d" % n)
        assert left == right, "torn"
        assert (left is not None) == (n in kept), "what was refused is not there, what was acknowledged is"
    assert refused >= 4 and len(kept) > 0
    assert all(store.get(b"after%d" % turn) == b"x" for turn in range(4))
    await store.close()
    print("fine", len(kept), refused)

asyncio.run(main())
"""


def test_a_full_disk_is_answered_and_outlived(tmp_path: Path) -> None:
    """Because disks fill: the writer hears of it, nothing is half done, reads go on, and writes go on when there is room again."""
    done = subprocess.run([sys.executable, "-c", _FULL, str(tmp_path / "s" / "store.db")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout.startswith("fine"), done.stderr
    assert "Traceback" not in done.stderr
