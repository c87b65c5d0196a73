"""SnapStart: environments are forked off a process that has initialised the function once, each into a sandbox of its own.

AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", "Lambda SnapStart runtime hooks for Python", "Handling uniqueness".
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from haneul.clock import Clock, Ids
from haneul.runtime.environment import Environment
from haneul.runtime.pool import Pool
from haneul.runtime.port import Credentials, LogOutlet, RuntimeUnavailable, SnapshotFailed
from tests.runtime.conftest import CREDENTIALS, Functions
from tests.runtime.test_extensions import EXTENSION
from tests.runtime.test_runtime_api import provided

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def take(functions: Functions, source: str, **settings: Any) -> Environment:
    spec = functions.spec(source, initialization_type="snap-start", **settings)
    origin = await functions.runtime.snapshot(spec, CREDENTIALS, "of-the-snapshot", functions.lines.extend)
    functions.environments.append(origin)
    return origin


async def restore(functions: Functions, origin: Environment, stream: str = "restored") -> Environment:
    environment = await functions.runtime.restore(origin, origin.spec, CREDENTIALS, stream, functions.lines.extend)
    functions.environments.insert(0, environment)
    return environment


async def test_initialised_once(functions: Functions) -> None:
    """The Init phase runs when the snapshot is taken; each environment begins with its state, and from then on has its own."""
    origin = await take(functions, "import os\nprint('init')\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return [n, c.log_stream_name, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]")
    assert await origin.prepared()
    first, second = await restore(functions, origin, "one"), await restore(functions, origin, "two")
    assert json.loads((await functions.invoke(first)).payload) == [1, "one", "snap-start"]
    outcome = await functions.invoke(second)
    assert json.loads(outcome.payload) == [1, "two", "snap-start"]
    assert outcome.init_duration_ns is None and outcome.restore_duration_ns is not None and outcome.restore_duration_ns > 0
    assert json.loads((await functions.invoke(first)).payload)[0] == 2
    assert [line.text for line in functions.lines] == [b"init"]


async def test_many_at_once(functions: Functions) -> None:
    """A burst of restores from one snapshot."""
    origin = await take(functions, "import threading\ndef handler(e, c):\n    return e")
    assert await origin.prepared()
    made = await asyncio.gather(*(restore(functions, origin) for _ in range(12)))
    outcomes = await asyncio.gather(*(functions.invoke(environment, number) for number, environment in enumerate(made)))
    assert [outcome.payload for outcome in outcomes] == [str(number).encode() for number in range(12)]


async def test_hooks(functions: Functions) -> None:
    """Hooks for before the snapshot run in the opposite order of their registration, those for after the restore in its order, in each."""
    source = """
from snapshot_restore_py import register_after_restore, register_before_snapshot
seen = []
@register_before_snapshot
def first(): seen.append('before 1')
register_before_snapshot(seen.append, 'before 2')
register_after_restore(seen.append, 'after 1')
@register_after_restore
def last(): seen.append('after 2')
def handler(e, c): return seen
"""
    origin = await take(functions, source)
    assert await origin.prepared()
    for _ in range(2):
        outcome = await functions.invoke(await restore(functions, origin))
        assert json.loads(outcome.payload) == ["before 2", "before 1", "after 1", "after 2"]


async def test_hooks_that_fail(functions: Functions) -> None:
    """A hook that raises fails the snapshot, or the environment that it is restored into."""
    hook = "from snapshot_restore_py import *\n@register_{}\ndef hook(): raise ValueError('no')\ndef handler(e, c): return 1"
    assert not await (await take(functions, hook.format("before_snapshot"))).prepared()
    origin = await take(functions, hook.format("after_restore"))
    assert await origin.prepared()
    with pytest.raises(SnapshotFailed, match="ValueError"):
        await restore(functions, origin)
    assert b"ValueError: no" in b"".join(line.text for line in functions.lines)


async def test_uniqueness(functions: Functions) -> None:
    """What chance gives differs between environments of one snapshot, although it was imported, and used, before it was taken."""
    source = "import random, uuid, secrets, ssl, os\nrandom.random()\nuuid.uuid4()\ndef handler(e, c):\n    return [random.random(), str(uuid.uuid4()), secrets.token_hex(8), ssl.RAND_bytes(8).hex()]"
    origin = await take(functions, source)
    assert await origin.prepared()
    first, second = [json.loads((await functions.invoke(await restore(functions, origin))).payload) for _ in range(2)]
    assert not set(first) & set(second)


async def test_isolation(functions: Functions) -> None:
    """A restored environment has its own /tmp, processes and loopback, no capability, and none of the calls that any other is refused."""
    source = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return ctypes.get_errno() if result < 0 else 0
def handler(e, c):
    before = os.listdir('/tmp')
    open('/tmp/mine', 'w').close()
    server = socket.create_server(('127.0.0.1', 7777))
    status = dict(line.split(':', 1) for line in open('/proc/self/status'))
    own = os.open('/proc/self/ns/user', os.O_RDONLY)
    return {
        'tmp': before, 'processes': sorted(int(name) for name in os.listdir('/proc') if name.isdigit()), 'uid': os.getuid(),
        'capabilities': [status[name].strip() for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')], 'no_new_privs': status['NoNewPrivs'].strip(),
        'calls': [call(101, 0, 0, 0, 0), call(165, b'x', b'/tmp', b'tmpfs', 0, 0), call(166, b'/proc', 2), call(272, 0x10000000), call(161, b'/tmp'), call(56, 0x10000011, 0, 0, 0, 0)],
        'setns': [call(308, own, 0), call(308, os.open('/proc/self/ns/pid', 0), 0), call(308, os.open('/proc/self/ns/net', 0), 0)],
        'netfilter': call(41, 16, 3, 12), 'unreadable': [call_open('/proc/1/mem'), call_open('/proc/1/environ'), call_open('/etc/shadow')],
    }
def call_open(path):
    try: open(path).close()
    except OSError as error: return error.errno
"""
    origin = await take(functions, source)
    assert await origin.prepared()
    for _ in range(2):
        outcome = await functions.invoke(await restore(functions, origin))
        assert outcome.status == "success", outcome
        found = json.loads(outcome.payload)
        # Process 2, the one that forked the function's, has ended; its parent, the snapshot's keeper, may not have taken note of it yet.
        assert (found["tmp"], set(found["processes"]) - {2}, found["uid"], found["no_new_privs"]) == ([], {1, 3}, 993, "1")
        assert set(found["capabilities"]) == {"0000000000000000"}
        assert set(found["calls"]) == {1} and all(code in (1, 22) for code in found["setns"]) and found["netfilter"] == 1
        assert all(code in (1, 2, 13) for code in found["unreadable"])


async def test_limits_and_ends(functions: Functions) -> None:
    """A restored environment is frozen when idle, ends at its time-out with all it has started, and its siblings and the snapshot live on."""
    source = "import os, time\ndef handler(e, c):\n    if e == 'sleep':\n        os.fork()\n        time.sleep(60)\n    if e == 'exit': os._exit(4)\n    if e == 'eat':\n        kept = []\n        while True: kept.append(bytearray(1 << 20))\n    return 1"
    origin = await take(functions, source, timeout_ms=20_000, memory_mb=256)
    assert await origin.prepared()
    sibling = await restore(functions, origin)
    for event, status in (("sleep", "timeout"), ("exit", "exited"), ("eat", "out_of_memory")):
        environment = await restore(functions, origin)
        outcome = await functions.invoke(environment, event, timeout_ms=300 if event == "sleep" else None)
        assert outcome.status == status, outcome
        await environment.ended()
    assert (await functions.invoke(sibling)).payload == b"1" and origin.alive
    assert (await functions.invoke(sibling)).payload == b"1"


async def test_without_the_snapshot(functions: Functions) -> None:
    """When the snapshot's process is gone its environments end, too, and nothing can be restored; nobody waits for it."""
    origin = await take(functions, "def handler(e, c):\n    return 1")
    assert await origin.prepared()
    environment = await restore(functions, origin)
    await origin.destroy()
    async with asyncio.timeout(30):
        await environment.ended()
        with pytest.raises(RuntimeUnavailable, match="snapshot is gone"):
            await restore(functions, origin)


async def test_where_it_is_not_there(functions: Functions) -> None:
    """Runtimes that could not be asked for it, and functions whose variables need an interpreter of their own, are refused."""
    with pytest.raises(RuntimeUnavailable, match="SnapStart"):
        await take(functions, "", runtime=next(name for name in functions.runtime.available_runtimes() if name.startswith("nodejs")))
    with pytest.raises(RuntimeUnavailable, match="SnapStart"):
        await take(functions, "", environment={"PYTHONHASHSEED": "0"})


RESTORED = """
import sys
status, _, body = call('GET', 'restore/next')
print('restored', status, body.decode().strip(), flush=True)
if os.environ['_HANDLER'] == 'fails':
    print(call('POST', 'restore/error', '{"errorType": "Hook", "errorMessage": "no"}')[0], flush=True)
    sys.exit(1)
while True:
    _, headers, body = call('GET', 'invocation/next')
    late = call('POST', 'restore/error', '{}')[0], call('GET', 'restore/next')[0]
    call('POST', f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response", json.dumps(late))
"""


async def test_a_runtime_that_asks_to_be_restored(functions: Functions) -> None:
    """By the Runtime API, as AWS's own clients do: what waits there in the snapshot goes on in what is restored."""
    origin = await take(functions, "", files=provided(RESTORED), runtime="provided.al2023")
    assert await origin.prepared() and functions.lines == []
    environment = await restore(functions, origin)
    outcome = await functions.invoke(environment)
    assert json.loads(outcome.payload) == [403, 403] and outcome.restore_duration_ns is not None and outcome.init_duration_ns is None
    assert [line.text for line in functions.lines] == [b"restored 200 {}"]


async def test_a_runtime_that_cannot_be_restored(functions: Functions) -> None:
    """Its error fails the restore; and without SnapStart there is nothing to be restored from."""
    origin = await take(functions, "", files=provided(RESTORED), runtime="provided.al2023", handler="fails")
    assert await origin.prepared()
    with pytest.raises(SnapshotFailed, match="Hook"):
        await restore(functions, origin)
    environment = await functions.create(files=provided(RESTORED), runtime="provided.al2023")
    assert (await functions.invoke(environment)).status == "success"
    assert [line.text.split()[:2] for line in functions.lines][-1] == [b"restored", b"403"]


async def test_external_extensions_under_snapstart(functions: Functions) -> None:
    """They are processes of each environment, which is initialised with them: none is a fork."""
    layer = functions.code(extensions__watcher=EXTENSION + "me, _ = register('INVOKE')\nwhile True: say(next(me)['requestId'])\n")
    source = "from snapshot_restore_py import register_after_restore, register_before_snapshot\nseen = []\nregister_before_snapshot(seen.append, 'before')\nregister_after_restore(seen.append, 'after')\ndef handler(e, c): return seen"
    origin = await take(functions, source, layer_dirs=(layer,))
    assert await origin.prepared()
    environment = await restore(functions, origin)
    outcome = await functions.invoke(environment, request_id="one")
    assert json.loads(outcome.payload) == ["before", "after"]
    assert await environment.free_within(30) and b"one" in [line.text for line in functions.lines]


async def test_pool(functions: Functions) -> None:
    """The pool takes one snapshot, when told to or when first needed, restores from it, takes another when it is lost, and tells why it cannot."""
    pool = Pool(functions.runtime, Clock(frozen_at=0), Ids(1))
    spec = functions.spec("print('init')\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n", initialization_type="snap-start")

    async def credentials() -> Credentials:
        return CREDENTIALS

    def open_log(stream: str) -> LogOutlet:
        return LogOutlet(functions.lines.extend)

    await pool.snapshot(spec, credentials, open_log)
    made = await asyncio.gather(*(pool.acquire(spec, credentials, open_log) for _ in range(3)))
    assert [(await functions.invoke(environment)).payload for environment in made] == [b"1"] * 3 and len(functions.lines) == 1
    await pool.release(made[0])
    assert await pool.acquire(spec, credentials, open_log) is made[0]
    await pool.invalidate(spec.key)
    again = await pool.acquire(spec, credentials, open_log)
    assert (await functions.invoke(again)).payload == b"1" and len(functions.lines) == 2
    broken = functions.spec("import nope", initialization_type="snap-start")
    with pytest.raises(SnapshotFailed, match="No module named 'nope'"):
        await pool.snapshot(replace(broken, key="broken"), credentials)
    await pool.stop()
