"""Whatever goes wrong in making and ending sandboxes, nobody waits for ever: each wait has an end, and an honest one."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.port import RuntimeUnavailable
from haneul.runtime.runtime import Runtime
from tests.runtime.conftest import CREDENTIALS, Functions
from tests.runtime.test_crash import children, gone

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

ENOUGH_SECONDS = 30
"""Far more than any of this takes; a wait without an end fails by it."""


async def test_environment_that_cannot_be_made_again(functions: Functions) -> None:
    """When the sandbox cannot be set up a second time each further invocation is told so, and none waits for an end that never comes."""
    environment = await functions.create("import os\ndef handler(e, c):\n    os._exit(1)")
    async with asyncio.timeout(ENOUGH_SECONDS):
        assert (await functions.invoke(environment)).status == "exited"
        await environment.ended()
        os.rename(environment.spec.code_dir, environment.spec.code_dir + "-gone")
        for _ in range(2):
            with pytest.raises(RuntimeUnavailable, match="No such file"):
                await functions.invoke(environment)
        await environment.ended()
        os.rename(environment.spec.code_dir + "-gone", environment.spec.code_dir)
        assert (await functions.invoke(environment)).status == "exited"


async def test_destroyed_while_it_is_made(functions: Functions) -> None:
    """An environment that is destroyed while its sandbox is set up again does not outlive that."""
    environment = await functions.create("import os\ndef handler(e, c):\n    os._exit(1)")
    async with asyncio.timeout(ENOUGH_SECONDS):
        await functions.invoke(environment)
        await environment.ended()
        again = asyncio.ensure_future(functions.invoke(environment))
        await asyncio.sleep(0)
        await environment.destroy()
        await asyncio.wait([again])
        await environment.ended()
    assert not environment.alive
    assert isinstance(again.exception(), RuntimeUnavailable) or again.result().status in ("exited", "init_error")


async def test_log_listener_that_fails(functions: Functions) -> None:
    """A listener that raises costs its own lines at most, never the environment's end."""

    def fail(_: object) -> None:
        raise ValueError("no")

    environment = await functions.runtime.create(functions.spec("def handler(e, c):\n    print('x')\n    return 1"), CREDENTIALS, "s", fail)
    async with asyncio.timeout(ENOUGH_SECONDS):
        assert (await functions.invoke(environment)).payload == b"1"
        await environment.destroy()


async def test_stopped_spawner_and_zygote(place: Path) -> None:
    """A spawner that stops answering does not keep the runtime from ending: it is killed, and everything below it goes as well."""
    driver = NamespaceDriver(str(place / "runtime"), end_seconds_max=0.2)
    runtime = Runtime(str(place / "runtime"), driver=driver)
    await runtime.start()
    functions = Functions(runtime, place)
    environment = await functions.create("def handler(e, c):\n    return 1")
    await functions.invoke(environment)
    assert driver.spawner_pid is not None
    below = children(driver.spawner_pid)
    os.kill(driver.spawner_pid, signal.SIGSTOP)
    async with asyncio.timeout(ENOUGH_SECONDS):
        await environment.destroy()
        await runtime.stop()
        await gone(below)


async def test_spawner_that_does_not_answer(place: Path) -> None:
    """A sandbox that nobody makes is refused after a while; the next works once the spawner does."""
    driver = NamespaceDriver(str(place / "runtime"), end_seconds_max=0.2)
    runtime = Runtime(str(place / "runtime"), driver=driver)
    await runtime.start()
    driver.set_up_seconds_max = 0.3
    functions = Functions(runtime, place)
    assert driver.spawner_pid is not None
    os.kill(driver.spawner_pid, signal.SIGSTOP)
    async with asyncio.timeout(ENOUGH_SECONDS):
        with pytest.raises(RuntimeUnavailable, match="could not be set up within"):
            await functions.create("def handler(e, c):\n    return 1")
        os.kill(driver.spawner_pid, signal.SIGCONT)
        driver.set_up_seconds_max = ENOUGH_SECONDS
        assert (await functions.run("def handler(e, c):\n    return 2")).payload == b"2"
        await runtime.stop()


async def test_right_after_the_spawner_died(place: Path) -> None:
    """Whoever asks in the moment after the spawner's death waits for the new one instead of being refused."""
    runtime = Runtime(str(place / "runtime"))
    await runtime.start()
    functions = Functions(runtime, place)
    driver = runtime.driver
    assert isinstance(driver, NamespaceDriver) and driver.spawner_pid is not None
    spec = functions.spec("def handler(e, c):\n    return 3")
    async with asyncio.timeout(ENOUGH_SECONDS):
        os.kill(driver.spawner_pid, signal.SIGKILL)
        made = await asyncio.gather(*(runtime.create(replace(spec, key=str(number)), CREDENTIALS, "s") for number in range(4)))
        assert [(await functions.invoke(environment)).payload for environment in made] == [b"3"] * 4
        await runtime.stop()


async def test_zygote_without_processes_lives_on(functions: Functions) -> None:
    """The environments of a zygote that cannot fork just now are not lost: it tries again later. (A fork bomb brings it near that.)"""
    bomb = await functions.create("import os\ndef handler(e, c):\n    while True:\n        try: os.fork()\n        except OSError: pass", timeout_ms=300, memory_mb=512)
    async with asyncio.timeout(4 * ENOUGH_SECONDS):
        outcomes = asyncio.ensure_future(functions.invoke(bomb))
        assert (await functions.run("def handler(e, c):\n    return 4", timeout_ms=60_000)).payload == b"4"
        await outcomes
        await bomb.destroy()
