"""A store that follows another process's: what it shows is never older than what anybody was told."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from haneul.store import layers
from haneul.store.embedded import EmbeddedStore
from haneul.store.following import Elsewhere, FollowingStore
from haneul.store.log import Gap
from haneul.store.shared import SharedMemory


class Pair:
    """A store, and one that follows it, as another process would: over a file and memory of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows.db"
        self.leader = EmbeddedStore(self.path)
        self.memory = SharedMemory()
        self.leader.share(self.memory)
        self.follower = self.another()

    def another(self) -> FollowingStore:
        return FollowingStore(self.path, SharedMemory(self.memory.descriptor))

    async def put(self, **rows: bytes | None) -> None:
        def work(tx: Any) -> None:
            for name, value in rows.items():
                if value is None:
                    tx.delete(name.encode())
                else:
                    tx.put(name.encode(), value)

        await self.leader.transact(work)


@pytest.fixture(autouse=True, params=[32_768, 3])
def layer_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All once more where the log turns, and rows go into the file, after every few writes."""
    monkeypatch.setattr(layers, "_LAYER_ROWS", request.param)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    yield made
    await made.follower.close()
    await made.leader.close()


async def test_each_read_shows_what_was_answered_before(pair: Pair) -> None:
    """Rows that are remembered, and ranges, after each of many changes."""
    chance, oracle = random.Random(3), dict[bytes, bytes]()
    for number in range(300):
        name = f"k{chance.randrange(12)}"
        if chance.random() < 0.5:
            value = None if chance.random() < 0.3 else str(number).encode()
            await pair.put(**{name: value})
            oracle = {key: one for key, one in {**oracle, name.encode(): value}.items() if one is not None}
        pair.follower.follow()
        assert pair.follower.get(name.encode()) == oracle.get(name.encode())
        if number % 20 == 0:
            assert pair.follower.range(b"k", b"l") == sorted(oracle.items())
            assert list(pair.follower.iterate(b"k", b"l", reverse=True)) == sorted(oracle.items(), reverse=True)


async def test_one_that_comes_later(pair: Pair) -> None:
    """It finds what is in the file, what is in the log only, and hears what comes."""
    await pair.put(a=b"1", b=b"1")
    await pair.leader.settle()
    await pair.put(b=b"2", c=b"2")
    late = pair.another()
    heard: list[bytes] = []
    late.watch(b"", heard.extend)
    assert late.range(b"a", b"z") == [(b"a", b"1"), (b"b", b"2"), (b"c", b"2")]
    assert not late.follow()
    await pair.put(d=b"3", c=None)
    assert late.follow()
    assert heard == [b"c", b"d"]
    assert late.values(b"a", b"z") == [b"1", b"2", b"3"]
    await late.close()


async def test_watchers_hear_of_what_is_committed(pair: Pair) -> None:
    """Each its own prefix, in order, when the new rows can be read."""
    heard: list[tuple[bytes, bytes | None]] = []
    pair.follower.watch(b"t:", lambda keys: heard.extend((key, pair.follower.get(key)) for key in keys))
    await pair.put(**{"t:2": b"x", "u:1": b"x", "t:1": b"y"})
    pair.follower.follow()
    assert heard == [(b"t:1", b"y"), (b"t:2", b"x")]
    assert not pair.follower.follow()


async def test_what_is_not_committed_is_not_shown(pair: Pair) -> None:
    """The log may have more than the writing process has said: a crash could take that back."""
    await pair.put(a=b"old")
    pair.follower.follow()
    log = pair.leader._log
    record = log.record([b"a", b"new"])
    log.write(record)
    log.keep(len(record))
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"old"
    late = pair.another()
    assert late.get(b"a") == b"old"
    await late.close()
    pair.memory.commit(log.position)
    assert pair.follower.follow()
    assert pair.follower.get(b"a") == b"new"


async def test_layers_go_when_their_rows_are_in_the_file(pair: Pair) -> None:
    """What follows has no more of them than what writes, and remembers what was in use."""
    for number in range(10):
        await pair.put(a=b"%d" % number, **{f"k{number}": b"x"})
        pair.follower.follow()
    await pair.leader.settle()
    assert pair.follower.follow()
    assert not pair.follower._layers
    assert pair.follower.get(b"a") == b"9"
    assert len(pair.follower.range(b"k", b"l")) == 10


async def test_layers_that_go_together(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was in use and is in several of them: what is remembered of it is what the newest says."""
    await pair.put(a=b"1")
    await pair.leader.settle()
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"1"
    for number in range(2, 8):
        monkeypatch.setattr(layers, "_LAYER_ROWS", 32_768)  # The one that writes has all of it in one layer,
        await pair.put(a=b"%d" % number, **{f"k{number}": b"x", f"l{number}": b"x"})
        monkeypatch.setattr(layers, "_LAYER_ROWS", 3)  # the one that follows in one for each write.
        pair.follower.follow()
    assert len(pair.follower._layers) == 6
    await pair.leader.settle()
    pair.follower.follow()
    assert not pair.follower._layers
    assert pair.follower.get(b"a") == b"7"


async def test_one_that_slept_too_long(pair: Pair) -> None:
    """The log has been written over since: it must forget everything, and is told so; one made anew knows all."""
    await pair.put(a=b"1")
    pair.follower.follow()
    for number in range(6):
        await pair.put(a=b"%d" % number)
        await pair.leader.settle()
    files = pair.follower._log.files
    with pytest.raises(Gap):
        pair.follower.follow()
    for file in files:  # It may be read for a while, by whoever has not finished; the log will not be.
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)
    fresh = pair.another()
    assert fresh.get(b"a") == b"5"
    assert not fresh.follow()
    await fresh.close()


def test_numbers_are_seen_whole() -> None:
    """A reader that saw half of a position, or none while it is written, would miss rows of which somebody has been told."""
    memory, numbers = SharedMemory(), (0x1FE00, 0x20000)
    memory.commit(numbers[0])
    if (writer := os.fork()) == 0:
        for _ in range(20_000):
            memory.commit(numbers[1])
            memory.commit(numbers[0])
        os._exit(0)
    seen = {memory.committed for _ in range(20_000)}
    os.waitpid(writer, 0)
    assert seen <= set(numbers)
    memory.set_clock(-5)
    memory.settle(1 << 62)
    assert (memory.committed, memory.settled, memory.clock) == (numbers[0], 1 << 62, -5)
    memory.close()


async def test_it_changes_nothing(pair: Pair) -> None:
    """Transactions and snapshots are the other process's."""
    with pytest.raises(Elsewhere):
        await pair.follower.transact(lambda tx: tx.put(b"a", b"b"))
    with pytest.raises(Elsewhere), pair.follower.snapshot():
        pass
    assert pair.leader.get(b"a") is None
