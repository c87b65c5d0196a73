"""A crowded machine: how many start at a time, who comes next, and that nobody is kept out. The environments are made by a fake."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.clock import Clock, Ids
from haneul.runtime.pool import Pool, PoolFull
from haneul.runtime.port import Credentials, FunctionSpec, RuntimeUnavailable
from haneul.runtime.turns import Turns
from tests.runtime.conftest import CREDENTIALS
from tests.support.python import PYTHON


class FakeEnvironment:
    """Starts when it is told to."""

    def __init__(self, spec: FunctionSpec, stream: str) -> None:
        self.key, self.memory_mb, self.log_stream_name, self.alive = spec.key, spec.memory_mb, stream, True
        self.lingers = False
        self._waiting: list[Callable[[], None]] = []

    def when_initialised(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def initialise(self) -> None:
        while self._waiting:
            self._waiting.pop()()

    async def destroy(self) -> None:
        self.alive = False
        self.initialise()


class FakeRuntime:
    """Counts what is being started, and how much of it there ever was at a time."""

    def __init__(self) -> None:
        self.made: list[FakeEnvironment] = []
        self.fails = ""

    async def create(self, spec: FunctionSpec, credentials: Credentials, stream: str, on_log: object = None, on_event: object = None) -> FakeEnvironment:
        await asyncio.sleep(0)
        if spec.key == self.fails:
            raise RuntimeUnavailable("no")
        self.made.append(FakeEnvironment(spec, stream))
        return self.made[-1]

    @property
    def alive(self) -> list[FakeEnvironment]:
        return [one for one in self.made if one.alive]

    def starting(self) -> Counter[str]:
        return Counter(one.key for one in self.alive if one._waiting)


class Machine:
    """A pool over the fake, and functions by name."""

    def __init__(self, *, budget_mb: int = 1 << 20, starts_max: int = 8, wait_seconds: float = 30.0) -> None:
        self.runtime = FakeRuntime()
        self.pool = Pool(self.runtime, Clock(frozen_at=0), Ids(1), memory_budget_mb=budget_mb, starts_max=starts_max, wait_seconds=wait_seconds)  # type: ignore[arg-type]

    def ask(self, name: str, memory_mb: int = 128) -> asyncio.Task[FakeEnvironment]:
        spec = FunctionSpec(name, name, "$LATEST", name, PYTHON, "h", "/", memory_mb=memory_mb)
        return asyncio.ensure_future(self.pool.acquire(spec, _credentials))  # type: ignore[arg-type]

    async def given(self, name: str, memory_mb: int = 128) -> FakeEnvironment:
        """An environment that has started."""
        asked = self.ask(name, memory_mb)
        environment = await asked
        environment.initialise()
        return environment

    @property
    def held_mb(self) -> int:
        return self.pool._turns.used_mb


async def _credentials() -> Credentials:
    return CREDENTIALS


async def calm() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_backlog_starts_no_more_than_the_machine_can() -> None:
    """Because a thousand Init phases at once would leave the machine to none of them; every request gets its environment in the end."""
    machine = Machine(starts_max=8)
    asked = [machine.ask(f"f{number % 3}") for number in range(1000)]
    most = 0
    while not all(one.done() for one in asked):
        await calm()
        starting = machine.runtime.starting()
        most = max(most, starting.total())
        for environment in machine.runtime.alive:
            environment.initialise()
    assert most == 8 and len(machine.runtime.made) == 1000


async def test_a_function_with_a_backlog_leaves_starts_to_the_others() -> None:
    """Because its Init phases may be slow: one that has nothing yet must not wait for them."""
    machine = Machine(starts_max=8)
    for _ in range(100):
        machine.ask("greedy")
    await calm()
    assert machine.runtime.starting() == {"greedy": 6}
    assert (await machine.given("modest")).key == "modest"
    machine.runtime.alive[0].initialise()
    waits = [machine.ask("second"), machine.ask("third")]
    await calm()
    assert all(one.done() for one in waits), "those with the least come first"
    await machine.pool.stop()


async def test_who_waits_too_long_is_refused_and_leaves_nothing() -> None:
    """Because a caller had better try again later than hang: it becomes a 429."""
    machine = Machine(starts_max=2, wait_seconds=0.01)
    asked = [machine.ask("slow") for _ in range(50)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, PoolFull) for one in results) == 48 and machine.held_mb == 64
    for environment in machine.runtime.alive:
        environment.initialise()
    assert (await machine.given("slow")).alive


async def test_what_is_released_goes_to_who_waits_for_it() -> None:
    """Because a warm environment now is better than a cold one later."""
    machine = Machine(starts_max=1)
    first = await machine.given("f")
    starting = await machine.ask("other")
    waits = machine.ask("f")
    await calm()
    await machine.pool.release(first)  # type: ignore[arg-type]
    assert await waits is first and starting.alive and len(machine.runtime.made) == 2


async def test_a_full_machine_is_shared() -> None:
    """Because a function that keeps all of it busy would keep all others out for ever: what it releases goes to who has nothing."""
    machine = Machine(budget_mb=8 * 32)
    greedy = [await machine.given("greedy") for _ in range(7)]
    more = [machine.ask("greedy") for _ in range(20)]
    await machine.given("newcomer")  # An eighth is for them.
    waits = machine.ask("late")
    await calm()
    assert not waits.done() and machine.held_mb == 8 * 32
    await machine.pool.release(greedy[0])  # type: ignore[arg-type]
    assert (await waits).key == "late" and not greedy[0].alive
    await machine.pool.release(greedy[1])  # type: ignore[arg-type]
    await calm()
    assert greedy[1].alive and sum(one.done() for one in more) == 1, "nobody else waits: it is the function's own again"
    await machine.pool.stop()
    await asyncio.gather(*more, return_exceptions=True)


async def test_a_large_function_gets_its_room_among_small_ones() -> None:
    """Because small ones would take each bit of memory that becomes free before it is enough."""
    machine = Machine(budget_mb=8 * 32)
    small = [await machine.given(f"small{number}") for number in range(8)]
    large = machine.ask("large", 512)
    await calm()
    later = [machine.ask(f"later{number}") for number in range(4)]
    for environment in small[:4]:
        await calm()
        assert not any(one.done() for one in later)
        await machine.pool.release(environment)  # type: ignore[arg-type]
    assert (await large).key == "large"
    await machine.pool.stop()
    await asyncio.gather(*later, return_exceptions=True)


async def test_those_behind_one_who_gives_up_come_next() -> None:
    """Because the room that was kept for it is nobody's now."""
    machine = Machine(budget_mb=8 * 32, wait_seconds=0.02)
    await machine.given("other")
    large = machine.ask("large", 8 * 128)
    await calm()
    machine.pool._wait_seconds = 30.0
    small = machine.ask("small")
    await calm()
    assert not small.done()
    with pytest.raises(PoolFull):
        await large
    assert (await small).key == "small"


async def test_what_could_not_be_made_makes_room_at_once() -> None:
    """Because the next one may succeed."""
    machine = Machine(budget_mb=32, starts_max=1)
    machine.runtime.fails = "broken"
    first, second = machine.ask("broken"), machine.ask("works")
    with pytest.raises(RuntimeUnavailable):
        await first
    assert (await second).key == "works"
    await machine.pool.stop()
    assert machine.held_mb == 0


async def test_one_who_goes_away_loses_nothing_for_the_others() -> None:
    """Because clients give up in the very moment in which their turn comes."""
    machine = Machine(starts_max=1)
    first = await machine.ask("a")
    leaves, stays = machine.ask("b"), machine.ask("c")
    await calm()
    first.initialise()  # The turn is b's now, which has not run yet.
    leaves.cancel()
    assert (await stays).key == "c"
    await machine.pool.stop()
    assert machine.held_mb == 0 and machine.pool._turns.starts == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([32, 64, 256]), st.integers(0, 30)), max_size=60), st.integers(1, 6))
def test_neither_room_nor_starts_are_ever_given_twice(steps: list[tuple[str, int, int]], starts_max: int) -> None:
    """Because the budget is all that stands between functions and the machine's last memory; and all who wait are served in the end."""

    async def run() -> None:
        turns: Turns[object] = Turns(256, starts_max, lambda: 0, lambda _: None)
        waiting: list[tuple[str, int, asyncio.Task[object | None]]] = []
        held: list[tuple[str, int]] = []

        def check() -> None:
            assert turns.starts <= starts_max and (turns.used_mb <= 256 or len(held) <= 1)

        async def end(at: int) -> None:
            key, charge = held.pop(at % len(held))
            turns.started(key)
            turns.let_go(key, charge)
            await collect()

        async def collect() -> None:
            await calm()
            for one in [one for one in waiting if one[2].done()]:
                waiting.remove(one)
                held.append(one[:2])
            check()

        for key, charge, at in steps:
            if at % 3 == 0 and held:
                await end(at)
            elif turns.begin(key, charge):
                held.append((key, charge))
            else:
                waiting.append((key, charge, asyncio.ensure_future(turns.wait(key, charge, asyncio.get_running_loop().time() + 60))))
                await collect()
            check()
        while held:
            await end(0)
        assert not waiting and turns.used_mb == 0 and turns.starts == 0

    asyncio.run(run())
