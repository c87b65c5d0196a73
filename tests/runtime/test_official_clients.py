"""The runtime interface clients that AWS publishes, unmodified, as programs of custom runtimes. Skipped where they are not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from haneul.runtime.port import SnapshotFailed
from tests.runtime.conftest import CREDENTIALS, Functions

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(importlib.util.find_spec("awslambdaric") is None, reason="awslambdaric is not installed (pip install awslambdaric)"),
    pytest.mark.skipif(not os.path.exists(f"/usr/bin/python3.{sys.version_info[1]}"), reason="no Python of this version in /usr/bin"),
]

BOOTSTRAP = f"""#!/bin/sh
exec /usr/bin/python3.{sys.version_info[1]} -m awslambdaric app.handler
"""


def layer(functions: Functions) -> str:
    """awslambdaric and what it imports, as a layer."""
    top = Path(functions.code(python__README="")) / "python"
    for name in ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue
        place = Path(found.origin)
        _copy(place.parent if found.submodule_search_locations else place, top)
    return str(top.parent)


def _copy(source: Path, target: Path) -> None:
    copy = target / source.name
    if source.is_dir():
        copy.mkdir(mode=0o755, exist_ok=True)
        for entry in source.iterdir():
            if entry.name != "__pycache__":
                _copy(entry, copy)
    else:
        copy.write_bytes(source.read_bytes())
        copy.chmod(0o755)


async def test_awslambdaric(functions: Functions) -> None:
    """It gets invocations with their context, and answers with results, errors and log lines."""
    source = """
import logging
def handler(event, context):
    logging.getLogger().warning('logged')
    if event == 'fail': raise ValueError('failed')
    return [event, context.aws_request_id, context.function_name, context.invoked_function_arn, 0 < context.get_remaining_time_in_millis() <= 10_000]
"""
    files = {"bootstrap": BOOTSTRAP, "app_dot_py": source}
    environment = await functions.create(files=files, runtime="provided.al2023", layer_dirs=(layer(functions),), environment={"PYTHONPATH": "/opt/python"})
    outcome = await functions.invoke(environment, {"x": 1}, "one")
    assert outcome.status == "success", outcome
    assert json.loads(outcome.payload) == [{"x": 1}, "one", "f", "arn:invoked", True]
    assert b"[WARNING]" in outcome.log and b"\tone\tlogged" in outcome.log
    outcome = await functions.invoke(environment, "fail", "two")
    assert (outcome.status, outcome.error_type, json.loads(outcome.payload)["errorMessage"]) == ("error", "ValueError", "failed")


async def test_awslambdaric_under_snapstart(functions: Functions) -> None:
    """It runs its hooks and asks to be restored by the Runtime API; one that fails after the restore fails that."""
    source = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
seen = []
register_before_snapshot(seen.append, 'before')
register_after_restore(lambda: seen.append('after') if 'FAIL' not in os.environ else 1 / 0)
def handler(event, context): return seen
"""
    for variables, expected in (({}, ["before", "after"]), ({"FAIL": "1"}, None)):
        settings = {"runtime": "provided.al2023", "layer_dirs": (layer(functions),), "initialization_type": "snap-start", "environment": {"PYTHONPATH": "/opt/python", **variables}}
        spec = functions.spec(files={"bootstrap": BOOTSTRAP, "app_dot_py": source}, **settings)
        origin = await functions.runtime.snapshot(spec, CREDENTIALS, "of-the-snapshot", functions.lines.extend)
        functions.environments.append(origin)
        assert await origin.prepared(), functions.lines
        if expected is None:
            with pytest.raises(SnapshotFailed, match="ZeroDivisionError"):
                await functions.runtime.restore(origin, spec, CREDENTIALS, "restored")
            continue
        environment = await functions.runtime.restore(origin, spec, CREDENTIALS, "restored")
        functions.environments.insert(0, environment)
        assert json.loads((await functions.invoke(environment)).payload) == expected


async def test_awslambdaric_that_cannot_import(functions: Functions) -> None:
    """It reports a module that cannot be imported as the failure of its Init phase."""
    files = {"bootstrap": BOOTSTRAP, "app_dot_py": "import nope"}
    outcome = await functions.run(files=files, runtime="provided.al2023", layer_dirs=(layer(functions),), environment={"PYTHONPATH": "/opt/python"})
    assert (outcome.status, outcome.error_type) == ("init_error", "Runtime.ImportModuleError")
