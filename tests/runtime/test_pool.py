"""Warm environments: reuse, reclaim by the clock, room, invalidation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from haneul.clock import HOUR, MINUTE, Clock, Ids
from haneul.runtime.pool import Pool, PoolFull
from haneul.runtime.port import Credentials, FunctionSpec
from tests.runtime.conftest import CREDENTIALS, Functions

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def credentials() -> Credentials:
    return CREDENTIALS


@pytest.fixture
def clock() -> Clock:
    return Clock(frozen_at=1_800_000_000_000_000_000)


@pytest_asyncio.fixture(loop_scope="session")
async def pool(functions: Functions, clock: Clock) -> AsyncIterator[Pool]:
    made = Pool(functions.runtime, clock, Ids(1), idle_ns=5 * MINUTE, memory_budget_mb=296, wait_seconds=0.05)
    yield made
    await made.stop()


@pytest.fixture
def spec(functions: Functions) -> FunctionSpec:
    return functions.spec("def handler(e, c):\n    return c.log_stream_name")


async def test_reuse(pool: Pool, spec: FunctionSpec, functions: Functions) -> None:
    """A released environment serves the next invocation; two at a time need two. The stream's name has day, version and a random part."""
    first = await pool.acquire(spec, credentials)
    second = await pool.acquire(spec, credentials)
    assert first is not second and pool.count("key") == (2, 0)
    assert first.log_stream_name.startswith("2027/01/15/[$LATEST]") and len(first.log_stream_name) == 20 + 32
    assert (await functions.invoke(first)).payload == f'"{first.log_stream_name}"'.encode()
    await pool.release(first)
    assert await pool.acquire(spec, credentials) is first
    assert pool.count("key") == (2, 0)


async def test_idle_ones_go(pool: Pool, spec: FunctionSpec, clock: Clock) -> None:
    """After the idle time of the clock an environment is destroyed, not before."""
    environment = await pool.acquire(spec, credentials)
    await pool.release(environment)
    await clock.advance(5 * MINUTE - 1)
    assert environment.alive
    await clock.advance(MINUTE)
    assert not environment.alive and pool.count("key") == (0, 0)


async def test_old_ones_are_not_reused(pool: Pool, spec: FunctionSpec, clock: Clock) -> None:
    """An environment whose credentials may have expired serves no more."""
    environment = await pool.acquire(spec, credentials)
    await clock.advance(3 * HOUR)
    await pool.release(environment)
    assert await pool.acquire(spec, credentials) is not environment


async def test_invalidate(pool: Pool, spec: FunctionSpec) -> None:
    """After a change of the function no environment of the old code serves: idle ones go now, busy ones when they are released."""
    busy, idle = await pool.acquire(spec, credentials), await pool.acquire(spec, credentials)
    await pool.release(idle)
    await pool.invalidate("key")
    assert not idle.alive and busy.alive
    await pool.release(busy)
    assert not busy.alive


async def test_dead_ones_are_not_kept(pool: Pool, functions: Functions) -> None:
    """An environment that a function has ended is not given out again."""
    spec = functions.spec("import os\ndef handler(e, c):\n    os._exit(1)")
    environment = await pool.acquire(spec, credentials)
    await functions.invoke(environment)
    await pool.release(environment)
    assert pool.count("key") == (0, 0)


async def test_full(pool: Pool, functions: Functions, spec: FunctionSpec) -> None:
    """When there is no room idle environments of others make way; with none idle, a request waits for one to be released, and then fails."""
    other = functions.spec("def handler(e, c): pass")
    first = await pool.acquire(spec, credentials)
    await pool.release(await pool.acquire(other, credentials))
    second = await pool.acquire(spec, credentials)
    with pytest.raises(PoolFull):
        await pool.acquire(spec, credentials)
    waiting = asyncio.ensure_future(pool.acquire(spec, credentials))
    await asyncio.sleep(0)
    await pool.release(first)
    assert await waiting is first and second.alive
