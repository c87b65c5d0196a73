"""Keeps environments warm between invocations, and the machine from being overfilled."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from haneul.clock import HOUR, MINUTE, SECOND, Clock, Ids, Timer
from haneul.runtime.environment import Environment
from haneul.runtime.port import Credentials, FunctionSpec, OnLog, SnapshotFailed
from haneul.runtime.runtime import Runtime

_OVERCOMMIT = 4
_CHARGE_MB_MIN = 32

MakeCredentials = Callable[[], Awaitable[Credentials]]
OpenLog = Callable[[str], OnLog]
"""Given an environment's log stream name, returns what takes its lines."""


class PoolFull(Exception):
    """The machine has no room for another environment, and none became free in time. AWS answers 429 TooManyRequestsException."""


@dataclass
class _Entry:
    environment: Environment
    created_at: int
    idle_since: int | None = None
    stale: bool = False


class Pool:
    """Environments by `FunctionSpec.key`.

    An idle one is destroyed after `idle_ns` of the clock, and none is reused when older than `lifetime_ns` (its credentials expire). An
    environment is charged a quarter of its memory size (few use all of it at once), and the sum stays below `memory_budget_mb`, by default 80%
    of the machine's memory: when that is reached the longest idle are destroyed; when none is idle, `acquire` waits `wait_seconds` (real ones,
    as functions run in real time). At most `creations_max` sandboxes are set up at a time.
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
        creations_max: int = 8,
        wait_seconds: float = 10.0,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._ids = ids
        self._idle_ns = idle_ns
        self._lifetime_ns = lifetime_ns
        self._budget_mb = memory_budget_mb if memory_budget_mb is not None else _machine_memory_mb() * 8 // 10
        self._wait_seconds = wait_seconds
        self._creating = asyncio.Semaphore(creations_max)
        self._idle: dict[str, list[_Entry]] = {}
        self._entries: dict[Environment, _Entry] = {}
        self._reserved_mb = 0
        self._origins: dict[str, asyncio.Task[Environment]] = {}
        self._waiters: dict[str, deque[asyncio.Future[None]]] = {}
        self._timer: Timer | None = None
        self._stopped = False

    async def acquire(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None = None) -> Environment:
        """A warm environment of `spec.key`, or a new one. Give it back with `release`. Raises PoolFull and RuntimeUnavailable."""
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        charge = _charge_mb(spec.memory_mb)
        while True:
            if (entry := self._take_idle(spec.key)) is not None:
                return entry.environment
            if await self._make_room(charge):
                return await self._create(spec, charge, make_credentials, open_log)
            await self._wait(spec.key, deadline)

    async def release(self, environment: Environment) -> None:
        """Give back an environment after its invocation. One that has died, or was invalidated meanwhile, is destroyed."""
        entry = self._entries.get(environment)
        if entry is None:
            return
        if not environment.alive or entry.stale or self._stopped:
            await self._destroy(entry)
            return
        entry.idle_since = self._clock.now()
        self._idle.setdefault(environment.key, []).append(entry)
        self._arm()
        self._wake(environment.key)

    async def snapshot(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None = None) -> None:
        """Initialise a function whose `initialization_type` is `snap-start`; its environments are restored from that. Done when the hooks for
        before the snapshot have run. A snapshot lives in memory: after a restart `acquire` takes it anew. Raises SnapshotFailed and
        RuntimeUnavailable."""
        await self._origin(spec, make_credentials, open_log)

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
        self._idle.clear()
        await asyncio.gather(*(self._destroy(entry) for entry in list(self._entries.values())))
        while self._origins:
            await _end(self._origins.popitem()[1])

    def count(self, key: str) -> tuple[int, int]:
        """How many environments of `key` there are: (busy, idle)."""
        idle = len(self._idle.get(key, ()))
        return sum(1 for entry in self._entries.values() if entry.environment.key == key) - idle, idle

    # ---- making and unmaking

    async def _create(self, spec: FunctionSpec, charge: int, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        self._reserved_mb += charge
        try:
            async with self._creating:
                if (entry := self._take_idle(spec.key)) is not None:  # One was released while this waited its turn.
                    return entry.environment
                if spec.initialization_type == "snap-start":
                    environment = await self._restore(spec, make_credentials, open_log)
                else:
                    stream = self._stream_name(spec.function_version)
                    environment = await self._runtime.create(spec, await make_credentials(), stream, open_log(stream) if open_log is not None else None)
                self._entries[environment] = _Entry(environment, self._clock.now())
        finally:
            self._reserved_mb -= charge
        return environment

    async def _restore(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        origin = await self._origin(spec, make_credentials, open_log)
        stream = self._stream_name(spec.function_version)
        return await self._runtime.restore(origin, spec, await make_credentials(), stream, open_log(stream) if open_log is not None else None)

    async def _origin(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        """The one process that the environments of `spec` are forked off: whoever comes first has it made."""
        task = self._origins.get(spec.key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None or not task.result().alive)):
            task = self._origins[spec.key] = asyncio.ensure_future(self._take(spec, make_credentials, open_log))
        return await asyncio.shield(task)

    async def _take(self, spec: FunctionSpec, make_credentials: MakeCredentials, open_log: OpenLog | None) -> Environment:
        stream = self._stream_name(spec.function_version)
        origin = await self._runtime.snapshot(spec, await make_credentials(), stream, open_log(stream) if open_log is not None else None)
        if not await origin.prepared():
            await origin.destroy()
            raise SnapshotFailed(origin.init_failure)
        return origin

    def _stream_name(self, version: str) -> str:
        """`2026/11/23/[$LATEST]` and 32 hexadecimal digits, as on AWS."""
        day = datetime.fromtimestamp(self._clock.seconds(), UTC)
        return f"{day:%Y/%m/%d}/[{version}]{self._ids.hex(32)}"

    async def _destroy(self, entry: _Entry) -> None:
        self._entries.pop(entry.environment, None)
        await entry.environment.destroy()
        self._wake(None)

    def _take_idle(self, key: str) -> _Entry | None:
        """The environment that was used last: the others may then go in time."""
        entries = self._idle.get(key)
        while entries:
            entry = entries.pop()
            if not entries:
                del self._idle[key]
            entry.idle_since = None
            if entry.environment.alive and self._clock.now() - entry.created_at < self._lifetime_ns:
                return entry
            self._clock.run(self._destroy(entry), "destroy an environment that is too old")
        return None

    async def _make_room(self, charge: int) -> bool:
        """Whether there is room for `charge` more, after the longest idle environments have made way if need be."""
        while self._used_mb() + charge > self._budget_mb:
            idle = [entry for entries in self._idle.values() for entry in entries]
            if not idle:
                return not self._entries and not self._reserved_mb  # A function larger than the budget runs alone.
            oldest = min(idle, key=lambda entry: entry.idle_since or 0)
            self._remove_idle(oldest)
            await self._destroy(oldest)
        return True

    def _used_mb(self) -> int:
        origins = sum(_charge_mb(task.result().memory_mb) for task in self._origins.values() if task.done() and not task.cancelled() and not task.exception())
        return self._reserved_mb + origins + sum(_charge_mb(environment.memory_mb) for environment in self._entries)

    def _remove_idle(self, entry: _Entry) -> None:
        entries = self._idle[entry.environment.key]
        entries.remove(entry)
        if not entries:
            del self._idle[entry.environment.key]
        entry.idle_since = None

    # ---- waiting for room

    async def _wait(self, key: str, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        waiters = self._waiters.setdefault(key, deque())
        waiters.append(future)
        try:
            async with asyncio.timeout_at(deadline):
                await future
        except TimeoutError:
            raise PoolFull("No execution environment became free in time, and the machine has no room for another.") from None
        finally:
            with contextlib.suppress(ValueError):
                waiters.remove(future)
            if not waiters and self._waiters.get(key) is waiters:
                del self._waiters[key]

    def _wake(self, key: str | None) -> None:
        """Something became free: wake a waiter of `key` if there is one, else the first of the function whose turn it is."""
        if key is None or key not in self._waiters:
            key = next(iter(self._waiters), None)
        if key is None:
            return
        waiters = self._waiters.pop(key)
        future = waiters.popleft()
        if waiters:
            self._waiters[key] = waiters  # To the end: functions take turns.
        if not future.done():
            future.set_result(None)

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


async def _end(origin: asyncio.Task[Environment]) -> None:
    """End a snapshot's process, if it was made."""
    origin.cancel()
    await asyncio.wait([origin])
    if not origin.cancelled() and origin.exception() is None:
        await origin.result().destroy()


def _charge_mb(memory_mb: int) -> int:
    return max(_CHARGE_MB_MIN, memory_mb // _OVERCOMMIT)


def _machine_memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)

