"""The embedded store's two halves: rows in the log, layers over the file, and how they get there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.store import embedded, log
from haneul.store.aside import committed_row
from haneul.store.embedded import EmbeddedStore
from haneul.store.log import Log, is_empty, log_files
from haneul.store.port import StoreError
from tests.store.crashed import copy_as_crashed


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path / "s" / "rows.db")
    yield opened
    await opened.close()


def logs_open(folder: Path) -> int:
    """How many of this process's descriptors are of files of a log."""
    files = []
    for one in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # The listing's own.
            files.append(os.readlink(one))
    return len([name for name in files if name.startswith(str(folder)) and "-log" in name])


async def put(store: EmbeddedStore, rows: dict[bytes, bytes | None]) -> None:
    def work(tx: Any) -> None:
        for key, value in rows.items():
            if value is None:
                tx.delete(key)
            else:
                tx.put(key, value)

    await store.transact(work)


def in_the_file(path: Path) -> list[tuple[bytes, bytes]]:
    """What SQLite has, without the log."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute("SELECT k, v FROM kv ORDER BY k"))
    finally:
        connection.close()


async def test_rows_are_in_the_log_first_and_then_in_the_file(store: EmbeddedStore, tmp_path: Path) -> None:
    """They are seen in the same way before, while and after they are brought over."""
    path = tmp_path / "s" / "rows.db"
    await put(store, {b"a": b"1", b"b": b"2"})
    await put(store, {b"a": None, b"c": b"3"})
    assert in_the_file(path) == []
    assert store.range(b"", b"z") == [(b"b", b"2"), (b"c", b"3")]
    await store.settle()
    assert in_the_file(path) == [(b"b", b"2"), (b"c", b"3")]
    assert store.range(b"", b"z") == [(b"b", b"2"), (b"c", b"3")]
    assert not store._layers


async def test_it_is_brought_over_without_being_asked(store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment of quiet, so that readers soon have one place to look at."""
    monkeypatch.setattr(embedded, "_SETTLE_SECONDS", 0.001)
    await put(store, {b"a": b"1"})
    settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    store._settle_waiters.append(settled)
    await settled
    assert in_the_file(tmp_path / "s" / "rows.db") == [(b"a", b"1")]


KEYS = st.integers(0, 40).map(lambda number: b"k%02d" % number)
STEPS = st.one_of(
    st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=3)), min_size=1, max_size=25),
    st.tuples(st.sampled_from(("take", "freeze", "settle", "crash")), st.integers(1, 40)),
)


@given(st.lists(STEPS, min_size=1, max_size=20), KEYS, KEYS, st.one_of(st.none(), st.integers(0, 4)), st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_is_one_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], start: bytes, end: bytes, limit: int | None, reverse: bool
) -> None:
    """Writes, removals at the front of a range, settling at any moment and crashes: whatever is asked, inside a transaction or not, one sorted dict answers."""
    folder = tmp_path_factory.mktemp("s")
    path, model, crashes = folder / "0" / "rows.db", dict[bytes, bytes](), 0
    store = EmbeddedStore(path)
    for step in steps:
        if isinstance(step, dict):
            await put(store, step)
            model = {key: value for key, value in {**model, **step}.items() if value is not None}
        elif step[0] == "take":
            for key, _ in store.range(b"k", b"l", step[1]):
                await put(store, {key: None})
                del model[key]
                assert store.range(b"k", b"l", 1) == sorted(model.items())[:1]
        elif step[0] == "freeze":
            store._settle_soon()
        elif step[0] == "settle":
            await store.settle()
        else:
            crashes += 1
            path = folder / str(crashes) / "rows.db"
            copy_as_crashed(folder / str(crashes - 1) / "rows.db", path)
            await store.close()
            store = EmbeddedStore(path)
        expected = sorted(((key, value) for key, value in model.items() if start <= key < end), reverse=reverse)[:limit]
        for reader in (store, await store.transact(lambda tx: tx)):
            assert reader.range(start, end, limit, reverse) == expected
            assert reader.values(start, end, limit, reverse) == [value for _, value in expected]
            assert list(reader.iterate(b"k", b"l", page=5)) == sorted(model.items())
            assert reader.get(start) == model.get(start)
    await store.close()
    assert in_the_file(path) == sorted(model.items())


async def test_the_front_of_a_queue(store: EmbeddedStore) -> None:
    """Rows that were taken away and are not settled yet are not read again by each who looks for the first one; what comes in before it is found."""
    await put(store, {b"q%04d" % number: b"x" for number in range(1000)})
    await store.settle()
    for number in range(500):
        await put(store, {b"q%04d" % number: None})
    assert store.range(b"q", b"r", 1) == [(b"q0500", b"x")]
    assert store._bare == {b"q": b"q0500"}
    await put(store, {b"q0500": None})
    assert store.range(b"q", b"r", 2) == [(b"q0501", b"x"), (b"q0502", b"x")]
    await put(store, {b"q0100": b"y", b"q0200": b"y"})
    assert store.range(b"q", b"r", 3) == [(b"q0100", b"y"), (b"q0200", b"y"), (b"q0501", b"x")]
    assert store.range(b"q", b"q0050") == []
    assert store.range(b"q", b"r", 1, reverse=True) == [(b"q0999", b"x")]
    await store.settle()
    assert not store._bare
    assert store.range(b"q", b"r", 1) == [(b"q0100", b"y")]


async def test_a_file_that_has_no_room(store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What is in the log counts as long as the file cannot take it in; when the log may not grow further, writes are refused; then all goes on by itself."""
    monkeypatch.setattr(log, "_BYTES_MAX", 20_000)
    path = tmp_path / "s" / "rows.db"
    blocker = apsw.Connection(str(path))
    blocker.execute("CREATE TRIGGER no_room BEFORE INSERT ON kv BEGIN SELECT RAISE(ABORT, 'no room'); END")
    kept = {}
    with caplog.at_level(logging.WARNING), pytest.raises(StoreError, match="no room"):
        for number in range(100):
            await put(store, {b"k%02d" % number: b"x" * 1_000})
            kept[b"k%02d" % number] = b"x" * 1_000
            if number == 3:
                await store.settle()
    assert 15 < len(kept) < 100
    assert store.range(b"", b"z") == sorted(kept.items())
    assert [record.message for record in caplog.records] == ["the store could not write: no room; the log keeps it"]
    copy_as_crashed(path, tmp_path / "c" / "rows.db")
    blocker.execute("DROP TRIGGER no_room")
    blocker.close()
    await store.settle()
    await put(store, {b"z": b"after"})
    await store.settle()
    assert in_the_file(path) == sorted({**kept, b"z": b"after"}.items())


class FailsOnce:
    """A syncer whose first record fails, after a while."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.close = inner.close
        self.failures = iter((OSError(errno.EIO, "Input/output error"),))

    def write(self, log: Log, record: bytes, done: Any) -> None:
        self.inner.write(log, record, lambda error: done(error or next(self.failures, None)))


async def test_a_sync_that_fails(store: EmbeddedStore, tmp_path: Path) -> None:
    """Who waited for it is told, and so is who had written on top of it; neither is there, now or after a crash. The next write succeeds."""
    await put(store, {b"a": b"1"})
    store._syncer = FailsOnce(store._syncer)
    first = asyncio.ensure_future(put(store, {b"a": b"2"}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store._committing is not None
    second = asyncio.ensure_future(put(store, {b"b": b"3"}))
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["the store could not write: [Errno 5] Input/output error"] * 2
    assert store.range(b"", b"z") == [(b"a", b"1")]
    path = tmp_path / "s" / "rows.db"
    copy_as_crashed(path, tmp_path / "c" / "rows.db")
    await put(store, {b"c": b"4"})
    copy_as_crashed(path, tmp_path / "d" / "rows.db")
    for folder, expected in (("c", [(b"a", b"1")]), ("d", [(b"a", b"1"), (b"c", b"4")])):
        copied = EmbeddedStore(tmp_path / folder / "rows.db")
        assert copied.range(b"", b"z") == expected
        await copied.close()


async def test_one_who_watches_and_fails(store: EmbeddedStore, caplog: pytest.LogCaptureFixture) -> None:
    """A row that he could not read, for instance: whoever wrote is answered, and all others hear of it."""
    heard: list[bytes] = []

    def fail(keys: Any) -> None:
        raise apsw.IOError("disk I/O error")

    store.watch(b"a", fail)
    store.watch(b"", heard.extend)
    writing = asyncio.ensure_future(put(store, {b"a": b"1", b"b": b"2"}))
    await asyncio.wait([writing], timeout=5)
    assert writing.done()
    assert heard == [b"a", b"b"]
    assert [record.message for record in caplog.records] == ["one who watches for changes failed"]


async def test_a_store_that_closes_while_a_write_fails(tmp_path: Path) -> None:
    """The one who wrote is told; the store closes all the same, and nothing is left for the next start to read."""
    path = tmp_path / "s" / "rows.db"
    store = EmbeddedStore(path)
    await put(store, {b"a": b"1"})
    store._syncer = FailsOnce(store._syncer)
    writing = asyncio.ensure_future(put(store, {b"a": b"2"}))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreError, match="Input/output"):
        await writing
    assert is_empty(path)
    assert in_the_file(path) == [(b"a", b"1")]
    assert logs_open(tmp_path) == 0


async def test_after_a_crash_writes_wait_for_what_the_log_had(tmp_path: Path) -> None:
    """Neither file of the log is written over before its rows are settled; a crash while they are loses nothing."""
    first = EmbeddedStore(tmp_path / "0" / "rows.db")
    for number in range(20):
        await put(first, {b"k%02d" % number: b"%d" % number})
        if number == 10:
            first._settle_soon()
    copy_as_crashed(tmp_path / "0" / "rows.db", tmp_path / "1" / "rows.db")
    await first.close()
    second = EmbeddedStore(tmp_path / "1" / "rows.db")
    writing = asyncio.ensure_future(put(second, {b"k00": b"new"}))
    assert second.get(b"k19") == b"19"
    await writing
    copy_as_crashed(tmp_path / "1" / "rows.db", tmp_path / "2" / "rows.db")
    third = EmbeddedStore(tmp_path / "2" / "rows.db")
    expected = [(b"k00", b"new"), *((b"k%02d" % number, b"%d" % number) for number in range(1, 20))]
    assert third.range(b"", b"z") == second.range(b"", b"z") == expected
    await second.close()
    await third.close()


async def test_a_log_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Rows that were acknowledged are missing: better no start than one without them."""
    path = tmp_path / "s" / "rows.db"
    store = EmbeddedStore(path)
    await put(store, {b"a": b"1"})
    store._settle_soon()
    await put(store, {b"b": b"2"})
    await put(store, {b"c": b"3"})
    copy_as_crashed(path, tmp_path / "c" / "rows.db")
    await store.close()
    empty = apsw.Connection(str(tmp_path / "c" / "rows.db"))
    empty.execute("DELETE FROM kv; UPDATE settled SET position = 0")
    empty.close()
    log_files(tmp_path / "c" / "rows.db")[0].write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be opened: the log has rows of a later time"):
        EmbeddedStore(tmp_path / "c" / "rows.db")
    assert logs_open(tmp_path) == 0


@pytest.mark.parametrize(("version", "whose"), [(1, "an older Haneul"), (3, "an older Haneul"), (6, "a newer Haneul")])
async def test_a_file_of_another_format(tmp_path: Path, version: int, whose: str) -> None:
    """It is left as it is, and the refusal says whose it is."""
    other = apsw.Connection(str(tmp_path / "rows.db"))
    other.execute("CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID")
    other.execute("INSERT INTO kv VALUES (?, ?)", (b"a", b"1"))
    other.pragma("user_version", version)
    with pytest.raises(StoreError, match=f"written by {whose} \\(format {version}\\)"):
        EmbeddedStore(tmp_path / "rows.db")
    assert (other.pragma("user_version"), list(other.execute("SELECT k, v FROM kv"))) == (version, [(b"a", b"1")])
    other.close()


async def test_a_file_whose_log_was_of_another_format(tmp_path: Path) -> None:
    """Format 4 differs in its log only: after a stop there is none, and it is read; after a crash the older Haneul has to read it once."""
    path = tmp_path / "rows.db"
    store = EmbeddedStore(path)
    await put(store, {b"a": b"1"})
    copy_as_crashed(path, tmp_path / "c" / "rows.db")
    await store.close()
    for one in (path, tmp_path / "c" / "rows.db"):
        with apsw.Connection(str(one)) as older:
            older.pragma("user_version", 4)
        older.close()
    for reads in (EmbeddedStore, lambda crashed: committed_row(crashed, b"a")):  # Who only looks into it would take an old row, or none, for the newest.
        with pytest.raises(StoreError, match="format 4\\), which was not stopped: start and stop that one once"):
            reads(tmp_path / "c" / "rows.db")
    assert committed_row(path, b"a") == b"1"
    again = EmbeddedStore(path)
    assert again.range(b"", b"z") == [(b"a", b"1")]
    await again.close()
