"""A disk that fails now and then, at any step: what was promised is there, what was refused is not, now and after a crash."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from haneul.store import layers
from haneul.store.embedded import EmbeddedStore
from haneul.store.port import StoreError
from haneul.store.syncing import ThreadSyncer
from tests.store.crashed import copy_as_crashed

_SIZES = (1, 300, 5_000, 90_000, 700_000, 1_200_000)


class Disk:
    """Every so often it has no room, writes a part only, or says that it does not know. A record that is taken back it takes back: what is refused can be told from the rest."""

    def __init__(self, chance: random.Random, patched: pytest.MonkeyPatch) -> None:
        self._chance = chance
        self._write, self._sync = os.pwrite, os.fdatasync
        self._takes_back = False
        patched.setattr(os, "pwrite", self.pwrite)
        patched.setattr(os, "fdatasync", self.fdatasync)

    def fails(self) -> bool:
        return self._chance.random() < 0.05

    def pwrite(self, file: int, data: bytes, offset: int) -> int:
        self._takes_back = len(data) < 512
        if self._takes_back or not self.fails():
            return self._write(file, data, offset)
        written = self._write(file, data[: self._chance.randrange(1, len(data) + 1)], offset)
        if self._chance.random() < 0.5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    def fdatasync(self, file: int) -> None:
        self._sync(file)
        if not self._takes_back and self.fails():
            raise OSError(errno.EIO, "Input/output error")


class Context:
    """The kernel's asynchronous calls to such a disk."""

    def __init__(self, inner: Any, disk: Disk) -> None:
        self._inner, self._disk, self.event = inner, disk, inner.event

    def sync(self, file: int) -> None:
        self._begin()
        self._inner.sync(file)

    def write(self, file: int, record: bytes, offset: int) -> None:
        self._begin()
        self._inner.write(file, record, offset)

    def _begin(self) -> None:
        if self._disk.fails():
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    def result(self) -> int | None:
        found: int | None = self._inner.result()
        return -errno.EIO if found is not None and self._disk.fails() else found


@pytest.mark.parametrize("kind", ["past the pages", "through the pages", "by a thread"])
async def test_errors_at_any_step(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six writers, of records small and larger than what goes to the disk at once, while the log turns; then a crash in the middle of it, again and again."""
    monkeypatch.setattr(layers, "_LAYER_ROWS", 40)
    chance, kept, refusals = random.Random(5), dict[bytes, bytes](), 0
    path = tmp_path / "0" / "rows.db"
    for turn in range(1, 4):
        store = EmbeddedStore(path)
        assert dict(store.range(b"", b"z")) == kept
        asked: dict[bytes, bytes] = {}
        with monkeypatch.context() as patched:
            disk, inner = Disk(chance, patched), store._syncer
            if kind == "by a thread":
                patched.setattr(store, "_syncer", ThreadSyncer(asyncio.get_running_loop()))
            elif hasattr(inner, "_context"):
                patched.setattr(inner, "_context", Context(inner._context, disk))
                if kind == "through the pages":
                    store._log.write_to_pages()

            async def writer(lane: int, store: EmbeddedStore = store, asked: dict[bytes, bytes] = asked, turn: int = turn) -> None:
                nonlocal refusals
                for number in range(40):
                    key, value = b"%d-%d" % (lane, number % 7), b"%d-%d-" % (turn, number) + bytes(chance.choice(_SIZES) if chance.random() < 0.1 else 20)
                    asked[key] = value
                    try:
                        await store.transact(lambda tx, key=key, value=value: tx.put(key, value))  # type: ignore[misc]
                        kept[key] = value
                    except StoreError:
                        refusals += 1
                    del asked[key]
                    assert store.get(key) == kept.get(key)

            writers = [asyncio.ensure_future(writer(lane)) for lane in range(6)]
            await writers[turn]
            path = tmp_path / str(turn) / "rows.db"
            copy_as_crashed(path.parent.parent / str(turn - 1) / "rows.db", path)
            at_the_crash, under_way = dict(kept), dict(asked)
            await asyncio.gather(*writers)
        await store.close()
        closed = EmbeddedStore(path.parent.parent / str(turn - 1) / "rows.db")
        assert dict(closed.range(b"", b"z")) == kept
        await closed.close()
        crashed = EmbeddedStore(path)
        found = dict(crashed.range(b"", b"z"))
        await crashed.close()
        # Who had no answer yet may find his row, or not.
        assert {key: value for key, value in found.items() if under_way.get(key) != value} == {key: value for key, value in at_the_crash.items() if found.get(key) != under_way.get(key, b"")}
        kept.clear()
        kept.update(found)
    assert refusals > 20
