"""Keeps environments warm between invocations, and the machine from being overfilled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from haneul.clock import HOUR, MINUTE, SECOND, Clock, Ids, Timer
from haneul.runtime.environment import Environment
from haneul.runtime.port import Credentials, FunctionSpec, LogOutlet, SnapshotFailed
from haneul.runtime.runtime import Runtime
from haneul.runtime.turns import Crowded, Turns

_OVERCOMMIT = 4
_CHARGE_MB_MIN = 32
_STARTS_OF_A_CORE = 4
_STARTS_MIN = 8
_MEMORY_OF_A_START_MB = 256

MOMENT_SECONDS = 0.025
"""An environment that has answered asks for its next invocation in far less; one that does not is still at work, and another is made sooner than it is free."""

MakeCredentials = Callable[[], Awaitable[Credentials]]
OpenLog = Callable[[str], LogOutlet]
"""Given an environment's log stream name, returns what takes its lines."""


class PoolFull(Exception):
    """The machine has no room for another environment, and none became free in time. AWS answers 429 TooManyRequestsException."""


@dataclass(eq=False)
class _Entry:
    environment: Environment
    created_at: int
    charge_mb: int
    idle_since: int | None = None
    stale: bool = False


class Pool:
    """Environments by `FunctionSpec.key`.

    An idle one is destroyed after `idle_ns` of the clock, and none is reused when older than `lifetime_ns` (its credentials expire). An
    environment is charged a quarter of its memory size (few use all of it at once), and the sum stays below `memory_budget_mb`, by default 80%
    of the machine's memory: when that is reached the longest idle are destroyed. At most `starts_max` environments are made at a time, counted
    from the sandbox to the end of the Init phase; by default four for each core, as most of an Init phase is waiting, and fewer where memory is
    short. Who finds neither room nor a start waits `wait_seconds` (real ones, as functions run in real time), in the order that `Turns` keeps.
    """

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        ids: Ids,
        *,
        idle_ns: int = 10 * MINUTE,
        lifetime_ns: int = 2 * HOUR,
        memory_budget_mb: int | None = None,
        starts_max: int | None = None,
        wait_seconds: float = 10.0,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._ids = ids
        self._idle_ns = idle_ns
        self._lifetime_ns = lifetime_ns
        budget_mb = memory_budget_mb if memory_budget_mb is not None else _machine_memory_mb() * 8 // 10
        self._wait_seconds = wait_seconds
        self._idle: dict[str, list[_Entry]] = {}
        self._idle_mb = 0
        self._entries: dict[Environment, _Entry] = {}
        self._lingering: dict[str, list[_Entry]] = {}
        self._origins: dict[str, asyncio.Task[Environment]] = {}
        self._turns: Turns[_Entry] = Turns(budget_mb, starts_max or _starts_of(budget_mb), lambda: self._idle_mb, self._rest)
        self._timer: Timer | None = None
        self._stopped = False

    async def acquire(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None = None) -> Environment:
        """A warm environment of `spec.key`, or a new one. Give it back with `release`. Raises PoolFull and RuntimeUnavailable."""
        if (entry := self._take_idle(spec.key)) is not None:
            return entry.environment
        if spec.key in self._lingering and (environment := await self._take_lingering(spec.key)) is not None:
            return environment
        charge = _charge_mb(spec.memory_mb)
        if (entry := await self._turn(spec.key, charge)) is not None:
            return entry.environment
        try:
            environment = await self._create(spec, charge, make_credentials, open_log)
        except BaseException:
            self._turns.started(spec.key)
            self._turns.let_go(spec.key, charge)
            raise
        environment.when_initialised(lambda: self._turns.started(spec.key))
        return environment

    async def release(self, environment: Environment) -> None:
        """Give back an environment after its invocation has been answered. One that has died, or was invalidated meanwhile, is destroyed; one that is
        not free yet comes back by itself."""
        entry = self._entries.get(environment)
        if entry is None:
            return
        if environment.lingers and environment.alive:
            self._lingering.setdefault(environment.key, []).append(entry)
            environment.when_free(lambda: self._lingered(entry))
            return
        if not environment.alive or entry.stale or self._stopped:
            await self._destroy(entry)
            return
        if not self._turns.waiting:
            self._rest(entry)
        elif self._turns.covets(environment.key, entry.charge_mb):
            await self._destroy(entry)
        elif not self._turns.hand_over(environment.key, entry):
            self._rest(entry)
            self._turns.next()

    def _lingered(self, entry: _Entry) -> None:
        """An environment is free, or gone."""
        if not self._leave_lingering(entry):
            return  # Somebody waits for it, or has given it back again.
        if entry.environment.alive and not (entry.environment.lingers or entry.stale or self._stopped or self._turns.waiting):
            self._rest(entry)
        else:
            self._clock.run(self.release(entry.environment), "take back an environment")

    def _leave_lingering(self, entry: _Entry) -> bool:
        entries = self._lingering.get(entry.environment.key, [])
        if entry not in entries:
            return False
        entries.remove(entry)
        if not entries:
            del self._lingering[entry.environment.key]
        return True

    async def _take_lingering(self, key: str) -> Environment | None:
        """The environment of `key` that has answered last, if it is free in a moment: whoever calls again at once need not have another made."""
        entry = self._lingering[key][-1]
        self._leave_lingering(entry)
        try:
            free = await entry.environment.free_within(MOMENT_SECONDS)
        except BaseException:
            self._clock.run(self.release(entry.environment), "take back an environment")
            raise
        if free and not entry.stale and not self._stopped and self._clock.now() - entry.created_at < self._lifetime_ns:
            return entry.environment
        await self.release(entry.environment)
        idle = self._take_idle(key)
        return idle.environment if idle is not None else None

    async def snapshot(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None = None) -> None:
        """Initialise a function whose `initialization_type` is `snap-start`; its environments are restored from that. Done when the hooks for
        before the snapshot have run. A snapshot lives in memory: after a restart `acquire` takes it anew. Raises SnapshotFailed and
        RuntimeUnavailable."""
        charge = _charge_mb(spec.memory_mb)
        if (entry := await self._turn(spec.key, charge)) is not None:  # There is a snapshot already, and somebody has just returned a copy.
            self._rest(entry)
            return
        try:
            await self._origin(spec, make_credentials, open_log)
        finally:
            self._turns.started(spec.key)
            self._turns.let_go(spec.key, charge)

    async def invalidate(self, key: str) -> None:
        """The function has changed: destroy the idle environments of `key` now, and the busy ones when they are released. Its snapshot goes at
        once, and with it what was restored from it."""
        for entry in [entry for entry in self._entries.values() if entry.environment.key == key]:
            entry.stale = True
            if entry.idle_since is not None:
                self._remove_idle(entry)
                await self._destroy(entry)
        if (origin := self._origins.pop(key, None)) is not None:
            await _end(origin)

    async def stop(self) -> None:
        """Destroy every environment."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._turns.stop()
        self._idle.clear()
        self._idle_mb = 0
        await asyncio.gather(*(self._destroy(entry) for entry in list(self._entries.values())))
        while self._origins:
            await _end(self._origins.popitem()[1])

    def count(self, key: str) -> tuple[int, int]:
        """How many environments of `key` there are: (busy, idle)."""
        idle = len(self._idle.get(key, ()))
        return sum(1 for entry in self._entries.values() if entry.environment.key == key) - idle, idle

    # ---- making and unmaking

    async def _turn(self, key: str, charge: int) -> _Entry | None:
        """Wait until an environment may be made (None), for which room and a start are taken then, or one of `key` is released."""
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        if not self._turns.begin(key, charge):
            try:
                if (entry := await self._turns.wait(key, charge, deadline)) is not None:
                    return entry
            except Crowded:
                raise PoolFull("No execution environment became free in time, and the machine has no room for another.") from None
        try:
            await self._make_room()
        except BaseException:
            self._turns.started(key)
            self._turns.let_go(key, charge)
            raise
        return None

    async def _create(self, spec: FunctionSpec, charge: int, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        if spec.initialization_type == "snap-start":
            environment = await self._restore(spec, make_credentials, open_log)
        else:
            stream = self._stream_name(spec.function_version)
            environment = await self._runtime.create(spec, await make_credentials(), stream, *_opened(open_log, stream))
        self._entries[environment] = _Entry(environment, self._clock.now(), charge)
        return environment

    async def _restore(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        origin = await self._origin(spec, make_credentials, open_log)
        stream = self._stream_name(spec.function_version)
        return await self._runtime.restore(origin, spec, await make_credentials(), stream, *_opened(open_log, stream))

    async def _origin(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        """The one process that the environments of `spec` are forked off: whoever comes first has it made."""
        task = self._origins.get(spec.key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None or not task.result().alive)):
            task = self._origins[spec.key] = asyncio.ensure_future(self._take(spec, make_credentials, open_log))
        return await asyncio.shield(task)

    async def _take(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        stream = self._stream_name(spec.function_version)
        origin = await self._runtime.snapshot(spec, await make_credentials(), stream, *_opened(open_log, stream))
        if not await origin.prepared():
            await origin.destroy()
            raise SnapshotFailed(origin.init_failure)
        charge = _charge_mb(spec.memory_mb)
        self._turns.hold(spec.key, charge)
        origin.when_ended(lambda: self._turns.let_go(spec.key, charge))
        return origin

    def _stream_name(self, version: str) -> str:
        """`2026/11/23/[$LATEST]` and 32 hexadecimal digits, as on AWS."""
        day = datetime.fromtimestamp(self._clock.seconds(), UTC)
        return f"{day:%Y/%m/%d}/[{version}]{self._ids.hex(32)}"

    async def _destroy(self, entry: _Entry) -> None:
        known = self._entries.pop(entry.environment, None)
        await entry.environment.destroy()
        if known is not None:
            self._turns.let_go(entry.environment.key, entry.charge_mb)

    def _rest(self, entry: _Entry) -> None:
        """Nobody needs an environment just now."""
        entry.idle_since = self._clock.now()
        self._idle.setdefault(entry.environment.key, []).append(entry)
        self._idle_mb += entry.charge_mb
        self._arm()

    def _take_idle(self, key: str) -> _Entry | None:
        """The environment that was used last: the others may then go in time."""
        entries = self._idle.get(key)
        while entries:
            entry = entries.pop()
            if not entries:
                del self._idle[key]
            entry.idle_since = None
            self._idle_mb -= entry.charge_mb
            if entry.environment.alive and not entry.environment.lingers and self._clock.now() - entry.created_at < self._lifetime_ns:
                return entry
            self._clock.run(self._destroy(entry), "destroy an environment that is too old")
        return None

    async def _make_room(self) -> None:
        """Let the longest idle environments make way for what is taken already."""
        while self._turns.used_mb > self._turns.budget_mb and self._idle:
            oldest = min((entry for entries in self._idle.values() for entry in entries), key=lambda entry: entry.idle_since or 0)
            self._remove_idle(oldest)
            await self._destroy(oldest)

    def _remove_idle(self, entry: _Entry) -> None:
        entries = self._idle[entry.environment.key]
        entries.remove(entry)
        if not entries:
            del self._idle[entry.environment.key]
        entry.idle_since = None
        self._idle_mb -= entry.charge_mb

    # ---- reclaiming

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(self._idle_ns, self._reclaim)

    def _reclaim(self) -> None:
        self._timer = None
        now = self._clock.now()
        oldest = now
        for entry in [entry for entries in self._idle.values() for entry in entries]:
            since = entry.idle_since if entry.idle_since is not None else now
            if now - since >= self._idle_ns:
                self._remove_idle(entry)
                self._clock.run(self._destroy(entry), "destroy an idle environment")
            else:
                oldest = min(oldest, since)
        if self._idle:
            self._timer = self._clock.call_at(max(oldest + self._idle_ns, now + SECOND), self._reclaim)


def _opened(open_log: OpenLog | None, stream: str) -> LogOutlet:
    return open_log(stream) if open_log is not None else LogOutlet()


async def _end(origin: asyncio.Task[Environment]) -> None:
    """End a snapshot's process, if it was made."""
    origin.cancel()
    await asyncio.wait([origin])
    if not origin.cancelled() and origin.exception() is None:
        await origin.result().destroy()


def _charge_mb(memory_mb: int) -> int:
    return max(_CHARGE_MB_MIN, memory_mb // _OVERCOMMIT)


def _starts_of(memory_mb: int) -> int:
    """How many Init phases this machine can run at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, min(max(_STARTS_MIN, cores * _STARTS_OF_A_CORE), memory_mb // _MEMORY_OF_A_START_MB))


def _machine_memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)

