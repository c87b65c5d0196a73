"""One clock: what is due happens, in order, and is finished when `advance` returns."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.clock import HOUR, SECOND, Clock, Ids
from haneul.clock.durations import parse_duration


async def test_timers_fire_in_order_of_their_time_then_of_their_setting() -> None:
    """Two runs of the same program must see the same order."""
    clock = Clock(frozen_at=0)
    fired: list[str] = []
    clock.call_at(20, lambda: fired.append("c"))
    clock.call_at(10, lambda: fired.append("a"))
    clock.call_at(10, lambda: fired.append("b"))
    clock.call_at(99, lambda: fired.append("later"))
    await clock.advance(50)
    assert fired == ["a", "b", "c"]
    assert clock.now() == 50


async def test_time_is_the_timer_s_own_while_it_fires() -> None:
    """Advancing a day at once must look, from inside, like a day that passed."""
    clock = Clock(frozen_at=0)
    seen: list[int] = []
    clock.call_at(7 * HOUR, lambda: seen.append(clock.now()))
    await clock.advance(24 * HOUR)
    assert seen == [7 * HOUR]


async def test_advance_waits_for_the_work_it_set_off_and_what_that_sleeps_for() -> None:
    """After `advance`, nothing that was due is still under way, chains of sleeps included."""
    clock = Clock(frozen_at=0)
    done: list[int] = []

    async def work() -> None:
        for _ in range(3):
            await clock.sleep(SECOND)
            await asyncio.sleep(0.001)  # Real work takes a real moment.
        done.append(clock.now())

    clock.run(work())
    await clock.advance(10 * SECOND)
    assert done == [3 * SECOND]


async def test_a_running_clock_can_be_moved_forward() -> None:
    """The same `advance` works on the clock of a real server."""
    clock = Clock()
    fired: list[bool] = []
    clock.call_later(HOUR, lambda: fired.append(True))
    before = clock.now()
    await clock.advance(2 * HOUR)
    assert fired == [True]
    assert clock.now() - before >= 2 * HOUR
    assert clock.offset > 0


async def test_wait_for_ends_with_the_future_or_the_time() -> None:
    """Long polls end at whichever comes first."""
    clock = Clock(frozen_at=0)
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(clock.wait_for(future, 5 * SECOND))
    await asyncio.sleep(0)
    await clock.advance(6 * SECOND)
    assert await waiting is False
    future.set_result(None)
    assert await clock.wait_for(future, 5 * SECOND) is True


async def test_cancelled_work_does_not_hold_up_time() -> None:
    """A sleeper that is cancelled must leave the count of busy work right."""
    clock = Clock(frozen_at=0)
    task = clock.run(clock.sleep(HOUR))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.wait_for(clock.advance(SECOND), 5)
    assert clock._busy == 0


def test_seeded_ids_repeat_and_random_ones_do_not() -> None:
    """A run can be repeated by its seed."""
    assert Ids(7).uuid() == Ids(7).uuid()
    assert Ids().uuid() != Ids().uuid()
    assert len({Ids(3).unique_id("AIDA"), Ids(4).unique_id("AIDA")}) == 2
    assert len(Ids().secret_key()) == 40


@given(st.integers(0, 10_000), st.integers(0, 50), st.integers(0, 50))
def test_durations_add_up(days: int, hours: int, minutes: int) -> None:
    """`35d`, `1h30m` and plain seconds are how people write durations."""
    assert parse_duration(f"{days}d{hours}h{minutes}m") == (days * 86_400 + hours * 3_600 + minutes * 60) * SECOND
    assert parse_duration(str(days)) == days * SECOND


@pytest.mark.parametrize("text", ["", "x", "5", "-1h", "1h-", "1 h", "h", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A typing mistake must not move the clock."""
    if text == "5":
        assert parse_duration(text) == 5 * SECOND
        return
    with pytest.raises(ValueError):
        parse_duration(text)


async def test_a_clock_knows_what_it_showed_at_a_time_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What clients outside have dated by the machine's time is compared with this clock's, also after it was moved."""
    machine = [1_000 * SECOND]
    monkeypatch.setattr("time.time_ns", lambda: machine[0])
    clock = Clock(frozen_at=5_000 * SECOND)
    machine[0] = 1_010 * SECOND
    await clock.advance(100 * SECOND)
    assert [clock.at_machine(at * SECOND) // SECOND for at in (990, 1_000, 1_009, 1_010, 2_000)] == [4_990, 5_000, 5_000, 5_100, 5_100]
