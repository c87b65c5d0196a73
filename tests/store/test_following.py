"""A store that follows another process's: what it shows is never older than what anybody was told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from haneul.store import shared
from haneul.store.embedded import EmbeddedStore
from haneul.store.following import Elsewhere, FollowingStore
from haneul.store.shared import Lapped, SharedMemory


class Pair:
    """A store, and one that follows it, as another process would: over a file and memory of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows.db"
        self.leader = EmbeddedStore(self.path)
        self.memory = self.leader.shared = SharedMemory()
        self.follower = FollowingStore(self.path, SharedMemory(self.memory.descriptor))

    async def put(self, **rows: bytes | None) -> None:
        def work(tx: Any) -> None:
            for name, value in rows.items():
                if value is None:
                    tx.delete(name.encode())
                else:
                    tx.put(name.encode(), value)

        await self.leader.transact(work)


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


async def test_what_is_under_way_is_not_remembered(pair: Pair) -> None:
    """From its hand-over on a row is read from the file each time: another process may have shown the new one already."""
    await pair.put(a=b"old", b=b"old")
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"old"
    pair.memory.begin([b"a"])  # As the leader does before it commits ...
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"old"
    leader = EmbeddedStore(pair.path)  # ... which here somebody else does, without a word.
    await leader.transact(lambda tx: tx.put(b"a", b"new"))
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"new"
    pair.memory.settle()
    assert pair.follower.follow()
    assert pair.follower.get(b"a") == b"new"
    await leader.close()


async def test_watchers_hear_of_what_is_committed(pair: Pair) -> None:
    """Once it is, not when it begins; each its own prefix, in order."""
    heard: list[bytes] = []
    pair.follower.watch(b"t:", heard.extend)
    await pair.put(**{"t:2": b"x", "u:1": b"x", "t:1": b"x"})
    pair.follower.follow()
    assert heard == [b"t:1", b"t:2"]
    pair.memory.begin([b"t:3"])
    pair.follower.follow()
    assert heard == [b"t:1", b"t:2"]
    pair.memory.settle()
    pair.follower.follow()
    assert heard == [b"t:1", b"t:2", b"t:3"]
    assert not pair.follower.follow()


async def test_word_that_nobody_heard_in_time(pair: Pair) -> None:
    """Who slept while more changed than the memory holds must forget everything, and be told so; word that wraps around its end is read whole."""
    keys = [b"key-%06d" % number for number in range(100_000)]
    for _ in range(2):
        pair.memory.begin(keys)
        pair.memory.settle()
        pair.follower.follow()
    for _ in range(6):
        pair.memory.begin(keys)
        pair.memory.settle()
    with pytest.raises(Lapped):
        pair.follower.follow()
    fresh = FollowingStore(pair.path, SharedMemory(pair.memory.descriptor))
    assert not fresh.follow()
    pair.memory.begin([b"x" * (shared.RING_BYTES + 1)])
    with pytest.raises(Lapped):
        fresh.follow()
    await fresh.close()


async def test_a_follower_that_comes_in_the_middle(pair: Pair) -> None:
    """Rows that were under way when it began are not remembered either, and their commit is heard of."""
    await pair.put(a=b"1")
    pair.memory.begin([b"a"])
    late = FollowingStore(pair.path, SharedMemory(pair.memory.descriptor))
    heard: list[bytes] = []
    late.watch(b"", heard.extend)
    assert late.get(b"a") == b"1"
    assert late._recent.find(b"a") is None
    pair.memory.settle()
    late.follow()
    assert heard == [b"a"]
    await late.close()


async def test_it_changes_nothing(pair: Pair) -> None:
    """Transactions and snapshots are the other process's."""
    with pytest.raises(Elsewhere):
        await pair.follower.transact(lambda tx: tx.put(b"a", b"b"))
    with pytest.raises(Elsewhere), pair.follower.snapshot():
        pass
    assert pair.leader.get(b"a") is None


async def test_commits_that_fail_leave_what_was(pair: Pair) -> None:
    """Word of them was given too early; what was there before is read again."""
    await pair.put(a=b"1")
    pair.follower.follow()
    assert pair.follower.get(b"a") == b"1"
    pair.memory.begin([b"a"])
    pair.memory.settle()
    assert pair.follower.follow()
    assert pair.follower.get(b"a") == b"1"
