"""Syncs that do not hold up the loop: by the kernel, and by a thread."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from haneul.store import syncing
from haneul.store.syncing import KernelSyncer, ThreadSyncer, syncer


async def outcome(one: Any, file: int) -> OSError | None:
    waiting: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    one.sync(file, waiting.set_result)
    assert not waiting.done(), "who asks goes on first"
    return await waiting


@pytest.mark.parametrize("kind", [KernelSyncer, ThreadSyncer])
async def test_syncs_and_their_errors(kind: Any, tmp_path: Path) -> None:
    """A file is synced as often as one likes; what cannot be synced is an error with its reason, and does not hinder the next one."""
    one = kind(asyncio.get_running_loop())
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    read, write = os.pipe()
    for number in range(50):
        os.pwrite(file, b"x" * 5_000, number * 5_000)
        assert await outcome(one, file) is None
    assert re.search("Invalid argument|EINVAL", str(await outcome(one, write)))  # A pipe has nothing to sync.
    assert await outcome(one, file) is None
    os.close(file)
    assert re.search("Bad file descriptor|EBADF", str(await outcome(one, file)))
    one.close()
    os.close(read)
    os.close(write)


async def test_what_the_kernel_says_at_the_end() -> None:
    """A disk's error comes with the word that the sync is over, as a number."""
    one = KernelSyncer(asyncio.get_running_loop())
    told: list[OSError | None] = []
    one._done = told.append
    one._result((1 << 64) - errno.ENOSPC)
    one._done = told.append
    one._result(0)
    assert isinstance(told[0], OSError)
    assert told[0].errno == errno.ENOSPC
    assert told[1] is None
    one.close()


async def test_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system allows no more, or the calls are forbidden, or there are none: a thread does it."""
    loop = asyncio.get_running_loop()

    class Forbidden:
        def Context(self, **_: Any) -> Any:
            raise SystemError(1, "Operation not permitted")

    monkeypatch.setattr(syncing, "_spare", [])
    for have in (Forbidden(), None):
        monkeypatch.setattr(syncing, "linux_aio", have)
        assert isinstance(syncer(loop), ThreadSyncer)
