"""Records that come to the disk without holding up the loop: by the kernel, past its pages or through them, and by a thread."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from haneul.store import syncing
from haneul.store.log import Log, LogReader
from haneul.store.syncing import KernelSyncer, ThreadSyncer


def rows(number: int, size: int = 1_000) -> list[Any]:
    return [b"key-%d" % number, bytes([number % 251]) * size]


async def write(one: Any, log: Log, content: list[Any]) -> OSError | None:
    """As the store does it."""
    waiting: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    record = log.record(content)
    one.write(log, record, waiting.set_result)
    assert not waiting.done(), "who asks goes on first"
    error = await waiting
    if error is None:
        log.keep(len(record))
    else:
        log.take_back()
    return error


def written(path: Path) -> list[list[Any]]:
    reader = LogReader(path)
    try:
        return reader.newest(0)[0]
    finally:
        reader.close()


class Answers:
    """A context that says something else than the kernel at the end of some records."""

    def __init__(self, inner: Any, *answers: int) -> None:
        self.event = inner.event
        self.sync = inner.sync
        self.write = inner.write
        self._inner = inner
        self._answers = iter(answers)

    def result(self) -> int | None:
        found = self._inner.result()
        return next(self._answers, found) if found is not None else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.db"


@pytest.mark.parametrize("kind", [KernelSyncer, ThreadSyncer])
async def test_records_are_in_the_file(kind: Any, path: Path) -> None:
    """Small ones and large ones, larger than what is handed to the disk at once, in order and whole, when `done` is called."""
    log, one = Log(path), kind(asyncio.get_running_loop())
    expected = []
    for number in range(60):
        expected.append(rows(number, (10, 700, 5_000, 300_000, 1_500_000)[number % 5]))
        assert await write(one, log, expected[-1]) is None
        if number % 10 == 0:
            assert written(path) == expected
    assert written(path) == expected
    one.close()
    log.close()


@pytest.mark.parametrize("kind", [KernelSyncer, ThreadSyncer])
async def test_a_file_that_is_not_there(kind: Any, path: Path) -> None:
    """The error says why, and does not hinder the next record."""
    log, one = Log(path), kind(asyncio.get_running_loop())
    log.write_to_pages()
    assert await write(one, log, rows(1)) is None
    right = log.files[0]
    reading, log.files[0] = os.pipe()
    record = log.record(rows(2))
    with pytest.raises(OSError, match="Illegal seek"):
        one.write(log, record, lambda error: None)
    os.close(log.files[0])
    os.close(reading)
    log.files[0] = right
    log._broken = ""  # It could not be taken back from a pipe either.
    assert await write(one, log, rows(3)) is None
    assert written(path) == [rows(1), rows(3)]
    one.close()
    log.close()


async def test_records_go_past_the_pages_where_there_is_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the file longer is written to the kernel's pages and synced, and so is a record too long for the buffer; whatever else goes straight to the disk.
    Once others read the file, all goes through the pages."""
    log, one = Log(path), KernelSyncer(asyncio.get_running_loop())
    if log.direct(b"") < 0:
        pytest.skip("this file system has no way past its pages")
    ways: list[str] = []
    context = one._context

    class Watched(Answers):
        """Notes which way a record goes."""

        def __init__(self) -> None:
            super().__init__(context)
            self.sync = lambda file: (ways.append("pages"), context.sync(file))
            self.write = lambda file, record, offset: (ways.append("direct"), context.write(file, record, offset))

    one._context = Watched()  # type: ignore[assignment]
    sizes = [100, 100, 600_000, 600_000, 1_100_000, 100]
    for number, size in enumerate(sizes):
        assert await write(one, log, rows(number, size)) is None
    log.write_to_pages()
    assert await write(one, log, rows(6)) is None
    assert ways == ["pages", "direct", "direct", "pages", "pages", "direct", "pages"]
    assert written(path) == [*(rows(number, size) for number, size in enumerate(sizes)), rows(6)]
    one._context = context
    one.close()
    log.close()


async def test_what_the_kernel_says_at_the_end(path: Path) -> None:
    """A disk's error comes with the word that all is over, as a number below zero; a record of which only a part was written is none. Neither is found later."""
    log, one = Log(path), KernelSyncer(asyncio.get_running_loop())
    context: Any = one._context
    assert await write(one, log, rows(0)) is None
    for answer, expected in ((-errno.ENOSPC, errno.ENOSPC), (512, errno.EIO)):
        one._context = Answers(context, answer)  # type: ignore[assignment]
        error = await write(one, log, rows(1, 3_000))
        assert error is not None and error.errno == expected
        assert written(path) == [rows(0)]
    log.write_to_pages()
    one._context = Answers(context, -errno.EIO)  # type: ignore[assignment]
    error = await write(one, log, rows(2))
    assert error is not None and error.errno == errno.EIO
    assert await write(one, log, rows(3)) is None
    assert written(path) == [rows(0), rows(3)]
    one._context = context
    one.close()
    log.close()


@pytest.mark.parametrize("answer", [errno.EINVAL, errno.EOPNOTSUPP])
async def test_a_disk_with_blocks_of_another_size(path: Path, answer: int) -> None:
    """It takes no such records (or the system no such writes): this one and all later ones go through the pages."""
    log, one = Log(path), KernelSyncer(asyncio.get_running_loop())
    if log.direct(b"") < 0:
        pytest.skip("this file system has no way past its pages")
    context: Any = one._context
    assert await write(one, log, rows(0)) is None
    assert log.direct(b"") >= 0
    one._context = Answers(context, -answer)  # type: ignore[assignment]
    assert await write(one, log, rows(1)) is None
    assert log.direct(b"") == -1
    assert await write(one, log, rows(2)) is None
    assert written(path) == [rows(0), rows(1), rows(2)]
    one._context = context
    one.close()
    log.close()


@pytest.mark.parametrize("late", [False, True])
async def test_a_kernel_that_does_not_sync(path: Path, late: bool) -> None:
    """Linux before 4.18 says so to each sync, at once: a thread does it, for this record and all others that go through the pages."""
    log, one = Log(path), KernelSyncer(asyncio.get_running_loop())
    context: Any = one._context
    refusing: Any = Answers(context, -errno.EINVAL)

    def refuse(file: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    if not late:
        refusing.sync, refusing._answers = refuse, iter(())
    one._context = refusing
    sizes = (100, 100, 1_100_000, 100)  # Through the pages, past them, through them, past them.
    for number, size in enumerate(sizes):
        assert await write(one, log, rows(number, size)) is None
    assert one._threads is not None
    assert written(path) == [rows(number, size) for number, size in enumerate(sizes)]
    one._context = context
    one.close()
    log.close()


async def test_a_process_that_may_have_no_more_threads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is refused before it is synced, and not found later."""
    loop = asyncio.get_running_loop()
    log, one = Log(path), ThreadSyncer(loop)
    assert await write(one, log, rows(0)) is None

    def refuse(*asked: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(one, "_loop", type("Loop", (), {"run_in_executor": refuse})())
        with pytest.raises(OSError, match="can't start new thread"):
            one.write(log, log.record(rows(1)), lambda error: None)
    assert written(path) == [rows(0)]
    assert await write(one, log, rows(2)) is None
    assert written(path) == [rows(0), rows(2)]
    log.close()


def test_a_child_has_contexts_of_its_own() -> None:
    """The kernel knows the parent's no more there, and what both would write to is one memory."""
    syncing._spare.append(syncing._Context())
    if (child := os.fork()) == 0:
        os._exit(len(syncing._spare))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert syncing._spare


async def test_a_file_system_that_has_only_pages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file cannot be opened so, or the system does not know of it, records go through the pages."""
    opened = os.open

    def refuse(name: Any, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    log, one = Log(path), KernelSyncer(asyncio.get_running_loop())
    for number in range(3):
        assert await write(one, log, rows(number)) is None
        assert log.direct(b"") == -1
    assert written(path) == [rows(number) for number in range(3)]
    one.close()
    log.close()


async def test_a_thread_whose_sync_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes with its reason, the record is not found, and the next one is."""
    log, one = Log(path), ThreadSyncer(asyncio.get_running_loop())
    sync, answers = os.fdatasync, iter((OSError(errno.EIO, "Input/output error"),))

    def fdatasync(file: int) -> None:
        if (problem := next(answers, None)) is not None:
            raise problem
        sync(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    error = await write(one, log, rows(0))
    assert error is not None and error.errno == errno.EIO
    assert written(path) == []
    assert await write(one, log, rows(1)) is None
    assert written(path) == [rows(1)]
    one.close()
    log.close()


@pytest.mark.parametrize("problem", [PermissionError(errno.EPERM, "Operation not permitted"), KeyError("riscv64")])
async def test_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    """The system allows no more, the calls are forbidden, or not known: a thread does it."""

    def refuse(loop: Any) -> Any:
        raise problem

    monkeypatch.setattr(syncing, "KernelSyncer", refuse)
    assert isinstance(syncing.syncer(asyncio.get_running_loop()), ThreadSyncer)


@pytest.mark.parametrize(("system", "machine", "word"), [("Darwin", "x86_64", 8), ("Linux", "riscv64", 8), ("Linux", "x86_64", 4)])
async def test_numbers_of_calls_count_where_they_are_known(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, word: int) -> None:
    """Another system, another processor, or a process of 32 bits, has other calls under the same numbers: none is made there."""
    monkeypatch.setattr(syncing, "calcsize", lambda kind: word)
    monkeypatch.setattr(syncing, "_spare", [])
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert isinstance(syncing.syncer(asyncio.get_running_loop()), ThreadSyncer)
