"""After the answer: an environment is free once its runtime and its extensions ask for what is next (AWS Lambda Developer Guide, "Understanding the
Lambda execution environment lifecycle", Invoke phase)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from haneul.clock import Clock, Ids
from haneul.runtime.environment import Environment
from haneul.runtime.pool import Pool
from haneul.runtime.port import Credentials, FunctionSpec, Invocation, Outcome
from tests.runtime.conftest import CREDENTIALS, Functions
from tests.runtime.test_extensions import ECHO, EXTENSION
from tests.runtime.test_runtime_api import provided

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="the custom runtimes below are scripts for /usr/bin/python3"),
]

DIES_AFTER_AN_ERROR = """
import time
_, headers, body = call('GET', 'invocation/next')
call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/error", '{"errorType": "Mine", "errorMessage": "no"}')
time.sleep(0.01)
os._exit(1)
"""
TIMERS = {
    "a timer that throws": "exports.handler = async () => { setTimeout(() => { throw new Error('late'); }, 30); return process.pid; };",
    "a timer that exits": "exports.handler = async () => { setTimeout(() => process.exit(3), 30); return process.pid; };",
}
PROMISES = {
    "a promise that nobody looks at": "exports.handler = async () => { Promise.reject(new Error('lost')); return process.pid; };",
    "one at the next turn": "exports.handler = async () => { setImmediate(() => Promise.reject(new Error('lost'))); return process.pid; };",
}


async def credentials() -> Credentials:
    return CREDENTIALS


@pytest_asyncio.fixture(loop_scope="session")
async def pool(functions: Functions) -> AsyncIterator[Pool]:
    made = Pool(functions.runtime, Clock(frozen_at=1_800_000_000_000_000_000), Ids(1))
    yield made
    await made.stop()


async def invoke(pool: Pool, spec: FunctionSpec, request_id: str) -> tuple[Environment, Outcome]:
    """As the service does it."""
    environment = await pool.acquire(spec, credentials)
    outcome = await environment.invoke(Invocation(request_id, b"1", "arn"))
    await pool.release(environment)
    return environment, outcome


async def test_a_custom_runtime_that_dies_after_its_answer(pool: Pool, functions: Functions) -> None:
    """The next invocation is not given to a process that will never ask for it."""
    spec = functions.spec(files=provided(DIES_AFTER_AN_ERROR), runtime="provided.al2023")
    outcomes = [(await invoke(pool, spec, str(number)))[1] for number in range(5)]
    assert [(outcome.status, outcome.error_type) for outcome in outcomes] == [("error", "Mine")] * 5


@pytest.mark.parametrize(
    ("source", "pause"), [*((source, pause) for source in TIMERS.values() for pause in (0.004, 0.05)), *((source, pause) for source in PROMISES.values() for pause in (0, 0.001, 0.004, 0.03))]
)
async def test_a_node_function_that_dies_after_its_answer(pool: Pool, functions: Functions, source: str, pause: float) -> None:
    """What a function leaves undone may end its process at any moment; no invocation that it has not taken fails by that."""
    spec = functions.spec(source, runtime=next(name for name in functions.runtime.available_runtimes() if name.startswith("nodejs")))
    for number in range(4):
        environment, outcome = await invoke(pool, spec, str(number))
        assert outcome.status == "success", outcome
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(environment.ended(), pause)


async def test_who_calls_again_at_once_meets_the_same_environment(pool: Pool, functions: Functions) -> None:
    """The moment between an answer and the runtime's next request is worth waiting for: no other environment is made."""
    source = """
import time
while True:
    _, headers, body = call('GET', 'invocation/next')
    call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", str(os.getpid()))
    time.sleep(0.002)
"""
    spec = functions.spec(files=provided(source), runtime="provided.al2023")
    assert len({id((await invoke(pool, spec, str(number)))[0]) for number in range(20)}) == 1


async def test_extensions_do_not_hold_up_the_answer(pool: Pool, functions: Functions) -> None:
    """The client has its answer when the function has given it; the environment is another's only when the extension is done, and so long it is billed."""
    layer = functions.code(extensions__slow=EXTENSION + "me, _ = register('INVOKE')\nwhile True:\n    next(me)\n    time.sleep(0.4)\n")
    spec = functions.spec(ECHO, layer_dirs=(layer,))
    first, outcome = await invoke(pool, spec, "one")
    assert outcome.payload == b"1" and outcome.duration_ns < 300e6 and first.lingers and outcome.whole is not None
    second, other = await invoke(pool, spec, "two")
    assert second is not first and other.payload == b"1"
    whole = await outcome.whole
    assert whole.status == "success" and whole.duration_ns > 390e6 and not first.lingers
    assert await pool.acquire(spec, credentials) is first


async def test_extensions_have_the_functions_time(functions: Functions) -> None:
    """What is left of the time-out after the answer; then the environment is ended, and the report says so."""
    layer = functions.code(extensions__slow=EXTENSION + "me, _ = register('INVOKE')\nwhile True:\n    next(me)\n    time.sleep(30)\n")
    environment = await functions.create(ECHO, layer_dirs=(layer,), timeout_ms=400)
    outcome = await functions.invoke(environment, 1)
    assert outcome.payload == b"1" and outcome.whole is not None
    whole = await outcome.whole
    assert (whole.status, whole.error_type) == ("timeout", "Sandbox.Timedout") and 400e6 <= whole.duration_ns < 900e6 and not environment.alive
