"""The suite that every driver of the store's port passes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.store import layers as store_layers
from haneul.store import sqlite
from haneul.store.embedded import EmbeddedStore
from haneul.store.port import StoreError

DRIVERS: dict[str, Callable[[Path], Any]] = {"embedded": lambda folder: EmbeddedStore(folder / "haneul.db")}


@pytest.fixture(autouse=True, params=["large layers", "small layers"])
def layers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All once more where the log turns and rows are settled after every few writes."""
    if request.param == "small layers":
        monkeypatch.setattr(store_layers, "_LAYER_ROWS", 2)


@pytest.fixture(params=DRIVERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    opened = DRIVERS[request.param](tmp_path)
    yield opened
    await opened.close()


async def put(store: Any, **rows: bytes | None) -> None:
    def work(tx: Any) -> None:
        for key, value in rows.items():
            if value is None:
                tx.delete(key.encode())
            else:
                tx.put(key.encode(), value)

    await store.transact(work)


async def test_a_transaction_takes_effect_whole(store: Any) -> None:
    """Two writes of one transaction are both there when it returns."""
    await put(store, a=b"1", b=b"2")
    assert (store.get(b"a"), store.get(b"b"), store.get(b"c")) == (b"1", b"2", None)


async def test_a_transaction_that_raises_leaves_nothing(store: Any) -> None:
    """A refusal inside a transaction takes back its writes, and its error reaches the caller."""

    def work(tx: Any) -> None:
        tx.put(b"a", b"1")
        raise KeyError("no")

    with pytest.raises(KeyError):
        await store.transact(work)
    assert store.get(b"a") is None


async def test_reads_outside_see_committed_rows_only(store: Any) -> None:
    """What is not yet safe on the disk is shown to nobody: a crash could take it back."""
    first = asyncio.ensure_future(put(store, a=b"1"))
    await asyncio.sleep(0)
    seen_before = store.get(b"a")
    await first
    assert seen_before is None
    assert store.get(b"a") == b"1"


async def test_a_transaction_sees_those_before_it_and_itself(store: Any) -> None:
    """Concurrent increments lose nothing: each runs on top of the one before, committed or not."""

    def increment(tx: Any) -> int:
        value = int(tx.get(b"n") or b"0") + 1
        tx.put(b"n", str(value).encode())
        assert tx.get(b"n") == str(value).encode()
        return value

    results = await asyncio.gather(*[store.transact(increment) for _ in range(200)])
    assert sorted(results) == list(range(1, 201))
    assert store.get(b"n") == b"200"


async def test_a_refusal_that_rests_on_unsafe_writes_waits_for_them(store: Any) -> None:
    """`already exists` must not be answered before what exists is durable."""
    order: list[str] = []

    async def writer() -> None:
        await put(store, a=b"1")
        order.append("written")

    async def refused() -> None:
        def work(tx: Any) -> None:
            if tx.get(b"a") is not None:
                raise KeyError("exists")

        with pytest.raises(KeyError):
            await store.transact(work)
        order.append("refused")

    await asyncio.gather(writer(), refused())
    assert order == ["written", "refused"]


async def test_a_range_is_ordered_limited_and_reversible(store: Any) -> None:
    """Ranges are half-open and in byte order."""
    await put(store, a=b"1", b=b"2", c=b"3", d=b"4")
    assert [key for key, _ in store.range(b"a", b"d")] == [b"a", b"b", b"c"]
    assert [key for key, _ in store.range(b"a", b"d", limit=2)] == [b"a", b"b"]
    assert [key for key, _ in store.range(b"a", b"d", limit=2, reverse=True)] == [b"c", b"b"]


async def test_values_are_those_of_the_range(store: Any) -> None:
    """None, one or many of them, in a transaction as outside."""
    await put(store, a=b"1", b=b"", c=b"3", d=b"4")
    for reader in (store, await store.transact(lambda tx: tx)):
        assert reader.values(b"x", b"z") == []
        assert reader.values(b"a", b"b") == [b"1"]
        assert reader.values(b"b", b"c") == [b""]
        assert reader.values(b"a", b"d") == [b"1", b"", b"3"]
        assert reader.values(b"a", b"e", limit=2, reverse=True) == [b"4", b"3"]


async def test_iterate_gives_every_row_once_over_many_pages(store: Any) -> None:
    """Paging inside iterate neither skips nor repeats at page edges, forwards and backwards."""
    await store.transact(lambda tx: [tx.put(b"k%04d" % i, b"") for i in range(700)])
    expected = [b"k%04d" % i for i in range(700)]
    assert [key for key, _ in store.iterate(b"k", b"l", page=64)] == expected
    assert [key for key, _ in store.iterate(b"k", b"l", reverse=True, page=64)] == expected[::-1]


async def test_a_snapshot_does_not_move(store: Any) -> None:
    """Two reads of one snapshot agree even if a commit falls between them."""
    await put(store, a=b"1")
    with store.snapshot() as snapshot:
        before = snapshot.get(b"a")
        assert snapshot.get(b"a") == before


async def test_the_change_feed_names_changed_keys_after_the_commit(store: Any) -> None:
    """A cache that listens is told of its own prefix only, when the new value can be read."""
    seen: list[tuple[bytes, bytes | None]] = []
    stop = store.watch(b"x", lambda keys: seen.extend((key, store.get(key)) for key in keys))
    await put(store, x1=b"1", y=b"2", x2=b"3")
    stop()
    await put(store, x3=b"4")
    assert seen == [(b"x1", b"1"), (b"x2", b"3")]


async def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    """What was acknowledged survives a close and an open."""
    for driver in DRIVERS.values():
        opened = driver(tmp_path)
        await put(opened, a=b"1")
        await opened.close()
        opened = driver(tmp_path)
        assert opened.get(b"a") == b"1"
        await opened.close()


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    """Nothing is accepted that could not be made durable."""
    for driver in DRIVERS.values():
        opened = driver(tmp_path)
        await opened.close()
        with pytest.raises(StoreError):
            await put(opened, a=b"1")


keys = st.integers(0, 12).map(lambda i: b"%02d" % i)
writes = st.lists(st.tuples(keys, st.one_of(st.none(), st.binary(max_size=3))), max_size=6)


@given(st.lists(writes, min_size=1, max_size=6), keys, keys, st.one_of(st.none(), st.integers(1, 5)), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_ranges_inside_transactions_agree_with_a_dict(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Any], start: bytes, end: bytes, limit: int | None, reverse: bool
) -> None:
    """Own writes over gathering over committing over committed rows: merged, limited and reversed like one sorted dict."""
    for driver in DRIVERS.values():
        opened = driver(tmp_path_factory.mktemp("s"))
        model: dict[bytes, bytes] = {}
        try:

            def work(tx: Any, batch: Any, model: dict[bytes, bytes] = model) -> None:
                for key, value in batch:
                    if value is None:
                        tx.delete(key)
                        model.pop(key, None)
                    else:
                        tx.put(key, value)
                        model[key] = value
                expected = sorted(((k, v) for k, v in model.items() if start <= k < end), reverse=reverse)
                assert tx.range(start, end, limit, reverse) == expected[: limit if limit is not None else None]

            await asyncio.gather(*[opened.transact(lambda tx, batch=batch: work(tx, batch)) for batch in batches])
            assert opened.range(b"", b"\xff") == sorted(model.items())
        finally:
            await opened.close()


async def test_rows_read_lately_are_never_out_of_date(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is remembered of rows: each read gives what was committed last, also when memory is far too small for all, and beside snapshots."""
    monkeypatch.setattr(sqlite, "_CACHE_BYTES", 1_000)
    chance, oracle = random.Random(5), dict[str, bytes]()
    for number in range(400):
        key = f"k{chance.randrange(20)}"
        if chance.random() < 0.3:
            value = None if chance.random() < 0.3 else str(number).encode() * chance.randrange(1, 40)
            await put(store, **{key: value})
            if value is None:
                oracle.pop(key, None)
            else:
                oracle[key] = value
        assert store.get(key.encode()) == oracle.get(key)
        if number % 50 == 0:
            with store.snapshot() as reader:
                assert reader.get(key.encode()) == oracle.get(key)
            await put(store, **{key: b"after"})
            oracle[key] = b"after"
            assert store.get(key.encode()) == b"after"


async def test_what_a_range_has_shown_no_read_takes_back(store: Any) -> None:
    """While a commit is on the disk but not yet answered: a row that was remembered is not shown as it was when others have seen what it is."""
    await put(store, a=b"old")
    assert store.get(b"a") == b"old"
    writing = asyncio.ensure_future(put(store, a=b"new"))
    shown = b"old"
    for _ in range(1000):
        await asyncio.sleep(0)
        # Without the loop's help, which would announce the commit: the writer's thread alone goes on.
        for _ in range(2000):
            [(_, shown)] = store.range(b"a", b"b")
            if shown == b"new":
                break
        if shown == b"new":
            break
    assert shown == b"new"
    assert store.get(b"a") == b"new"
    await writing
    assert store.get(b"a") == b"new"
