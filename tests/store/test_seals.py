"""Rows that are sealed: opened for everybody who reads through the store, and nothing of them on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from haneul.clock import Ids
from haneul.store import seals as seals_module
from haneul.store.embedded import EmbeddedStore
from haneul.store.following import FollowingStore
from haneul.store.port import StoreError
from haneul.store.seals import MARK, RowSeals
from haneul.store.shared import SharedMemory
from haneul.store.vault import Damaged, Vault

SECRET = b"what nobody is to read"
KEY = bytes(range(32))
OWNER, OTHER = b"one", b"other"


def open_store(path: Path, key: bytes = KEY) -> EmbeddedStore:
    store = EmbeddedStore(path / "rows.db")
    store.seals = RowSeals(Vault(key, Ids()))
    return store


def everything_in(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.iterdir() if file.is_file())


def put(rows: dict[bytes, bytes], owner: bytes = OWNER) -> Any:
    def work(tx: Any) -> None:
        for key, value in rows.items():
            tx.put_sealed(key, value, owner)

    return work


def reads(reader: Any) -> Iterator[list[bytes]]:
    """The values of all rows below `r`, in each way that a reader gives them."""
    yield [reader.get(key) for key in (b"r1", b"r2", b"r3") if reader.get(key) is not None]
    yield [value for _, value in reader.range(b"r", b"s")]
    yield [value for _, value in reader.range(b"r", b"s", None, True)][::-1]
    yield reader.values(b"r", b"s")
    yield [value for _, value in reader.iterate(b"r", b"s", page=1)]


async def test_every_way_of_reading_opens_what_is_sealed(tmp_path: Path) -> None:
    """In the transaction itself, on its way to the disk, from the log's layers, from the file, and after a restart; among rows that lie in the clear."""
    store = open_store(tmp_path)
    expected = [SECRET + b"1", b"in the clear", SECRET + b"3"]

    def work(tx: Any) -> list[list[bytes]]:
        put({b"r1": expected[0], b"r3": expected[2]})(tx)
        tx.put(b"r2", expected[1])
        return list(reads(tx))

    assert await store.transact(work) == [expected] * 5
    gathering = store.transact(put({b"other": SECRET}, OTHER))  # Two batches under way: one sees the other.
    inside = store.transact(lambda tx: (list(reads(tx)), tx.get(b"other")))
    await gathering
    assert await inside == ([expected] * 5, SECRET)
    assert list(reads(store)) == [expected] * 5
    assert SECRET not in everything_in(tmp_path)
    await store.settle()
    assert list(reads(store)) == [expected] * 5
    await store.close()
    assert SECRET not in everything_in(tmp_path)
    again = open_store(tmp_path)
    assert list(reads(again)) == [expected] * 5 and again.get(b"other") == SECRET
    await again.transact(put({b"r1": b"new"}))
    assert again.values(b"r", b"s") == [b"new", *expected[1:]]
    await again.close()


async def test_who_follows_opens_them_too(tmp_path: Path) -> None:
    """The log says them sealed, and the file has them sealed."""
    leader, memory = open_store(tmp_path), SharedMemory()
    leader.share(memory)
    follower = FollowingStore(tmp_path / "rows.db", SharedMemory(memory.descriptor))
    follower.seals = RowSeals(Vault(KEY, Ids()))
    await leader.transact(put({b"r1": SECRET}))
    follower.follow()
    assert list(reads(follower)) == [[SECRET]] * 5
    await leader.settle()
    follower.follow()
    assert list(reads(follower)) == [[SECRET]] * 5
    await follower.close()
    await leader.close()


async def test_a_seal_opens_in_its_place_only(tmp_path: Path) -> None:
    """What was moved or changed on the disk, or sealed by another vault, is damaged; without a vault nothing is opened or sealed."""
    store = open_store(tmp_path)
    await store.transact(put({b"r1": SECRET, b"r2": SECRET}))
    await store.close()
    file = apsw.Connection(str(tmp_path / "rows.db"))
    [(first,), (second,)] = file.execute("SELECT v FROM kv WHERE k IN (?, ?) ORDER BY k", (b"r1", b"r2"))
    assert first.startswith(MARK) and first != second and len(first) == len(SECRET) + 42
    file.execute("UPDATE kv SET v = ? WHERE k = ?", (first, b"r2"))
    file.execute("INSERT INTO kv VALUES (?, ?)", (b"r3", first[:-1] + bytes((first[-1] ^ 1,))))
    file.close()
    changed = open_store(tmp_path)
    assert changed.get(b"r1") == SECRET
    for key in (b"r2", b"r3"):
        with pytest.raises(Damaged):
            changed.get(key)
    with pytest.raises(Damaged):
        changed.values(b"r", b"s")
    changed.seals = RowSeals(Vault(bytes(32), Ids()))
    with pytest.raises(Damaged):
        changed.range(b"r1", b"r2")
    changed.seals = None
    with pytest.raises(StoreError):
        changed.get(b"r1")
    with pytest.raises(StoreError):
        await changed.transact(put({b"r4": SECRET}))
    await changed.close()


def test_no_two_rows_are_sealed_alike() -> None:
    """Neither for two owners, nor twice in one place, nor after a restart: a key and a number are used once."""
    heads = set()
    for _ in range(3):
        seals = RowSeals(Vault(KEY, Ids()))
        for owner in (OWNER, OTHER):
            for _ in range(100):
                sealed = seals.seal(b"place", SECRET, owner)
                heads.add(sealed[:26])
                assert seals.open(b"place", sealed) == SECRET
    assert len(heads) == 600


def test_owners_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of them are remembered than are sealed for at a time; one that was forgotten has another key, and all that was sealed opens."""
    monkeypatch.setattr(seals_module, "_REMEMBERED_MAX", 3)
    seals = RowSeals(Vault(KEY, Ids()))
    sealed = [seals.seal(b"place", SECRET, b"owner %d" % (number % 5)) for number in range(20)]
    assert len(seals._sealing) <= 3 and len(seals._ciphers) <= 3
    assert len({one[:26] for one in sealed}) == 20
    assert {seals.open(b"place", one) for one in sealed} == {SECRET}
