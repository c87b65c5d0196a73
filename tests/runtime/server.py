"""A small server for the crash tests: makes environments with a driver, in a directory (its arguments), prints a line when they run, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.port import Credentials, FunctionSpec, Invocation
from haneul.runtime.runtime import Runtime
from tests.support.python import PYTHON


async def main(driver: str, directory: Path) -> None:
    code = directory / "code"
    code.mkdir(mode=0o755, exist_ok=True)
    (code / "app.py").write_text("import subprocess\ndef handler(e, c):\n    subprocess.Popen(['sleep', e])")
    runtime = Runtime(str(directory / "runtime"), driver=make_driver(driver, str(directory / "runtime")))
    await runtime.start()
    spec = FunctionSpec("k", "f", "1", "arn", PYTHON, "app.handler", str(code))
    for _ in range(3):
        environment = await runtime.create(spec, Credentials("a", "b", "c"), "s")
        await environment.invoke(Invocation("id", f'"{int.from_bytes(directory.name[-8:].encode())}"'.encode(), "arn"))
    assert isinstance(runtime.driver, NamespaceDriver) and runtime.driver.spawner_pid is not None
    print(runtime.driver.spawner_pid, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
