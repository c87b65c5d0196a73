"""Syncs that do not hold up the loop: by the kernel, and by a thread."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from haneul.store import syncing
from haneul.store.syncing import KernelSyncer, ThreadSyncer


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
    assert "Invalid argument" in str(await outcome(one, write))  # A pipe has nothing to sync.
    assert await outcome(one, file) is None
    os.close(file)
    assert "Bad file descriptor" in str(await outcome(one, file))
    one.close()
    os.close(read)
    os.close(write)


async def test_what_the_kernel_says_at_the_end(tmp_path: Path) -> None:
    """A disk's error comes with the word that the sync is over, as a number below zero."""
    one = KernelSyncer(asyncio.get_running_loop())
    inner = one._context

    class Full:
        """A context whose syncs end with an error."""

        event = inner.event
        begin = inner.begin

        def result(self) -> int | None:
            return -errno.ENOSPC if inner.result() == 0 else None

    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    told: list[int | None] = []
    for context in (Full(), inner):
        one._context = context  # type: ignore[assignment]
        error = await outcome(one, file)
        told.append(error.errno if error is not None else None)
    assert told == [errno.ENOSPC, None]
    os.close(file)
    one.close()


@pytest.mark.parametrize("problem", [PermissionError(errno.EPERM, "Operation not permitted"), KeyError("riscv64")])
async def test_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    """The system allows no more, the calls are forbidden, or not known: a thread does it."""

    def refuse(loop: Any) -> Any:
        raise problem

    monkeypatch.setattr(syncing, "KernelSyncer", refuse)
    assert isinstance(syncing.syncer(asyncio.get_running_loop()), ThreadSyncer)


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "x86_64"), ("Linux", "riscv64")])
async def test_numbers_of_calls_count_where_they_are_known(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    """Another system, or another processor, has other calls under the same numbers: none is made there."""
    monkeypatch.setattr(syncing, "_spare", [])
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert isinstance(syncing.syncer(asyncio.get_running_loop()), ThreadSyncer)
