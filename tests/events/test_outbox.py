"""Promises are kept: once, in order, at their time, and after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from haneul.clock import HOUR, SECOND, Clock, Ids
from haneul.events.outbox import StoredOutbox
from haneul.events.signals import Hub
from haneul.store.embedded import EmbeddedStore
from haneul.store.keys import pack, prefix_range
from tests.support.stores import Overlaid


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Any]:
    store, clock = EmbeddedStore(tmp_path / "haneul.db"), Clock(frozen_at=10**18)
    yield store, clock, StoredOutbox(store, clock, Ids(1))
    await store.close()


def waiting(store: EmbeddedStore) -> int:
    return len(store.range(*prefix_range(pack(("outbox",))))) + len(store.range(*prefix_range(pack(("outbox-key",)))))


async def test_an_entry_is_carried_out_once_and_forgotten(parts: Any) -> None:
    """What was promised in a committed transaction happens right after it."""
    store, clock, outbox = parts
    seen: list[Any] = []

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(payload)

    outbox.handle("greet", handler)
    await outbox.start()
    await store.transact(lambda tx: outbox.put(tx, "greet", {"name": "a"}))
    await clock.settle()
    assert seen == [{"name": "a"}]
    assert waiting(store) == 0


async def test_nothing_is_promised_by_a_transaction_that_failed(parts: Any) -> None:
    """No effect without its cause."""
    store, clock, outbox = parts
    seen: list[Any] = []

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(payload)

    outbox.handle("greet", handler)
    await outbox.start()

    def work(tx: Any) -> None:
        outbox.put(tx, "greet", {})
        raise KeyError

    with pytest.raises(KeyError):
        await store.transact(work)
    await clock.settle()
    assert seen == [] and waiting(store) == 0


async def test_an_entry_waits_for_its_time(parts: Any) -> None:
    """A due time makes an entry a durable timer of the virtual clock."""
    store, clock, outbox = parts
    seen: list[int] = []

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(clock.now())

    outbox.handle("ring", handler)
    await outbox.start()
    due = clock.now() + 2 * HOUR
    await store.transact(lambda tx: outbox.put(tx, "ring", {}, due=due))
    await clock.advance(HOUR)
    assert seen == []
    await clock.advance(2 * HOUR)
    assert seen == [due]


async def test_a_keyed_entry_is_replaced_and_can_be_cancelled(parts: Any) -> None:
    """Setting a timer again moves it; cancelling it leaves nothing behind."""
    store, clock, outbox = parts
    seen: list[Any] = []

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(payload["n"])

    outbox.handle("ring", handler)
    await outbox.start()
    for n in (1, 2):
        await store.transact(lambda tx, n=n: outbox.put(tx, "ring", {"n": n}, due=clock.now() + n * HOUR, key="alarm"))
    await store.transact(lambda tx: outbox.put(tx, "ring", {"n": 3}, due=clock.now() + HOUR, key="other"))
    await store.transact(lambda tx: outbox.cancel(tx, "ring", "other"))
    await clock.advance(5 * HOUR)
    assert seen == [2] and waiting(store) == 0


async def test_a_failing_handler_is_tried_again_with_growing_pauses(parts: Any) -> None:
    """A destination that is away for a while gets its event when it is back."""
    store, clock, outbox = parts
    times: list[int] = []

    async def handler(payload: dict[str, Any]) -> None:
        times.append(clock.now())
        if len(times) < 4:
            raise RuntimeError("away")

    outbox.handle("send", handler)
    await outbox.start()
    await store.transact(lambda tx: outbox.put(tx, "send", {}))
    await clock.advance(60 * SECOND)
    pauses = [(b - a) // SECOND for a, b in pairwise(times)]
    assert pauses == [1, 2, 4] and waiting(store) == 0


async def test_entries_of_a_lane_keep_their_order_and_do_not_overlap(parts: Any) -> None:
    """A lane is for effects whose order matters (changes of one object, records of one shard)."""
    store, clock, outbox = parts
    seen: list[int] = []
    running: set[str] = set()

    async def handler(payload: dict[str, Any]) -> None:
        assert payload["lane"] not in running
        running.add(payload["lane"])
        await asyncio.sleep(0)
        seen.append(payload["n"])
        running.discard(payload["lane"])

    outbox.handle("step", handler)
    await outbox.start()

    def work(tx: Any) -> None:
        for n in range(20):
            outbox.put(tx, "step", {"n": n, "lane": str(n % 2)}, lane=str(n % 2))

    await store.transact(work)
    await clock.settle()
    assert [n for n in seen if n % 2 == 0] == list(range(0, 20, 2))
    assert [n for n in seen if n % 2] == list(range(1, 20, 2))


async def test_what_was_not_finished_is_carried_on_after_a_restart(parts: Any) -> None:
    """An outbox that died in the middle of its work is carried on by the next one."""
    store, clock, outbox = parts
    started = asyncio.Event()

    async def never(payload: dict[str, Any]) -> None:
        started.set()
        await asyncio.Event().wait()

    outbox.handle("send", never)
    await outbox.start()
    await store.transact(lambda tx: outbox.put(tx, "send", {"n": 1}))
    await started.wait()
    await outbox.stop()
    seen: list[Any] = []

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(payload)

    second_clock = Clock(frozen_at=clock.now())
    second = StoredOutbox(store, second_clock, Ids(2))
    second.handle("send", handler)
    await second.start()
    await second_clock.settle()
    assert seen == [{"n": 1}] and waiting(store) == 0


async def test_a_signal_wakes_its_waiters_and_times_out() -> None:
    """Long polls end at the signal or at their time."""
    clock, hub = Clock(frozen_at=0), Hub()
    waiter = asyncio.ensure_future(hub.wait("queue", clock, 20 * SECOND))
    other = asyncio.ensure_future(hub.wait("other", clock, 5 * SECOND))
    await asyncio.sleep(0)
    hub.notify("queue")
    assert await waiter is True
    await clock.advance(10 * SECOND)
    assert await other is False


async def test_a_full_disk_neither_repeats_nor_forgets_what_was_done(tmp_path: Path) -> None:
    """Handlers act outside of the store: that their entry cannot be removed just now is no reason to act again, nor to let go of the others."""
    inner, clock = EmbeddedStore(tmp_path / "haneul.db"), Clock(frozen_at=10**18)
    full, seen = True, []

    async def transact(work: Any) -> Any:
        if full:
            raise OSError("disk full")
        return await inner.transact(work)

    outbox = StoredOutbox(Overlaid(inner, transact=transact), clock, Ids(1))

    async def handler(payload: dict[str, Any]) -> None:
        seen.append(payload["name"])
        if payload["name"] == "fails" and seen.count("fails") == 1:
            raise RuntimeError("at first")

    outbox.handle("greet", handler)
    await outbox.start()
    for name in ("works", "fails"):
        await inner.transact(lambda tx, name=name: outbox.put(tx, "greet", {"name": name}))
    await clock.settle()
    await clock.advance(60 * SECOND)
    assert sorted(seen) == ["fails", "works"] and waiting(inner) == 2
    full = False
    await clock.advance(60 * SECOND)
    assert sorted(seen) == ["fails", "fails", "works"] and waiting(inner) == 0
    await outbox.stop()
    await inner.close()
