"""One runtime for a whole run, and a short way to try a function in it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.environment import Environment
from haneul.runtime.port import Credentials, FunctionSpec, Invocation, LogLine, Outcome
from haneul.runtime.runtime import Runtime
from tests.support.python import PYTHON

ISOLATING_DRIVERS = ("namespaces", "bubblewrap")
DRIVERS = (*ISOLATING_DRIVERS, "none")
CREDENTIALS = Credentials("ASIATESTTESTTESTTEST", "the-secret-key", "the-session-token")


class Functions:
    """Makes functions from sources and invokes them."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        self.runtime = runtime
        self.directory = directory
        self.environments: list[Environment] = []
        self.lines: list[LogLine] = []
        self._count = 0

    def code(self, **files: str) -> str:
        """A code directory that everyone may read, as Lambda demands of the files in a zip. `__` in a name is a slash, `_dot_` a dot."""
        self._count += 1
        top = self.directory / f"code{self._count}"
        top.mkdir()
        for name, text in files.items():
            path = top / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        return str(top)

    def spec(self, source: str = "", *, files: dict[str, str] | None = None, runtime: str = PYTHON, **settings: Any) -> FunctionSpec:
        if files is None:
            files = {"app_dot_py" if runtime.startswith("python") else "app_dot_js": source}
        defaults: dict[str, Any] = {"memory_mb": 512, "timeout_ms": 10_000, "handler": "app.handler"}
        return FunctionSpec("key", "f", "$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:f", runtime, code_dir=self.code(**files), **{**defaults, **settings})

    async def create(self, source: str = "", **settings: Any) -> Environment:
        environment = await self.runtime.create(self.spec(source, **settings), CREDENTIALS, "2026/01/01/[$LATEST]0123", self.lines.extend)
        self.environments.append(environment)
        return environment

    async def invoke(self, environment: Environment, event: Any = None, request_id: str = "id-1", **fields: Any) -> Outcome:
        return await environment.invoke(Invocation(request_id, json.dumps(event).encode(), "arn:invoked", **fields))

    async def run(self, source: str = "", event: Any = None, **settings: Any) -> Outcome:
        """One invocation in a new environment."""
        return await self.invoke(await self.create(source, **settings), event)

    async def result(self, source: str = "", event: Any = None, **settings: Any) -> Any:
        """What a function returns; fails when it did not succeed."""
        outcome = await self.run(source, event, **settings)
        assert outcome.status == "success", (outcome.status, outcome.payload, outcome.log)
        return json.loads(outcome.payload)


@pytest.fixture(scope="session")
def plain_directory() -> Iterator[Path]:
    """A directory that everyone can enter (pytest's own are the owner's alone)."""
    with tempfile.TemporaryDirectory(prefix="haneul-test-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture
def place() -> Iterator[Path]:
    """The same for one test."""
    with tempfile.TemporaryDirectory(prefix="haneul-test-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


class Runtimes:
    """One runtime for each driver, started when a test first wants it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, Runtime] = {}

    async def of(self, driver: str) -> Runtime:
        """Skips the test where the driver does not work."""
        if driver == "bubblewrap" and shutil.which("bwrap") is None:
            pytest.skip("bubblewrap is not installed")
        if driver not in self._made:
            directory = str(self._directory / f"runtime-{driver}")
            made = Runtime(directory, driver=make_driver(driver, directory))
            await made.start()
            self._made[driver] = made
        return self._made[driver]

    async def stop(self) -> None:
        while self._made:
            await self._made.popitem()[1].stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def runtimes(plain_directory: Path) -> AsyncIterator[Runtimes]:
    made = Runtimes(plain_directory)
    yield made
    await made.stop()


@pytest.fixture
def driver() -> str:
    """The driver that `functions` run under; tests of several drivers parametrise it."""
    return "namespaces"


@pytest_asyncio.fixture(loop_scope="session")
async def runtime(runtimes: Runtimes, driver: str) -> Runtime:
    return await runtimes.of(driver)


@pytest_asyncio.fixture(loop_scope="session")
async def functions(runtime: Runtime, plain_directory: Path) -> AsyncIterator[Functions]:
    made = Functions(runtime, Path(tempfile.mkdtemp(dir=plain_directory)))
    made.directory.chmod(0o755)
    yield made
    for environment in made.environments:
        await environment.destroy()
