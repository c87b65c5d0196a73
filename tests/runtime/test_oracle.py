"""bubblewrap as the oracle: the same hostile program in its sandbox and in ours. Whatever bubblewrap refuses ours must refuse, too."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.runtime.conftest import Functions

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
    pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="no Python for the oracle in /usr/bin"),
]

PROBES = """
import ctypes, json, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def works(attempt):
    try:
        return bool(attempt())
    except (OSError, subprocess.SubprocessError):
        return False
def call(number, *arguments):
    return libc.syscall(number, *arguments) >= 0
def connects(*address):
    with socket.socket() as s:
        s.settimeout(2)
        s.connect(address)
    return True
def reads(path):
    return lambda: os.close(os.open(path, os.O_RDONLY)) is None
def writes(path):
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)) is None
def kills():
    os.kill(HOST_PID, 0)
    return True
def probe():
    found = {f'read {path}': works(reads(path)) for path in (SECRET, '/etc/shadow', '/root/.bashrc', '/dev/mem', '/dev/kmsg', '/dev/vda', '/dev/loop0', '/proc/1/root' + SECRET)}
    found |= {f'write {path}': works(writes(path)) for path in ('/usr/x', '/etc/x', '/lib/x', '/x')}
    found |= {
        'mount': works(lambda: call(165, b'x', b'/tmp', b'tmpfs', 0, 0)), 'pivot_root': works(lambda: call(155, b'.', b'.')),
        'chroot': works(lambda: call(161, b'/tmp')), 'settimeofday': works(lambda: call(164, 0, 0)), 'reboot': works(lambda: call(169, 0, 0, 0, 0)),
        'init_module': works(lambda: call(175, 0, 0, 0)), 'swapon': works(lambda: call(167, b'/tmp/x', 0)), 'sethostname': works(lambda: call(170, b'x', 1)),
        'block device': works(lambda: os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0)) is None), 'raw socket': works(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        'packet socket': works(lambda: socket.socket(17, socket.SOCK_RAW)), "host's loopback": works(lambda: connects('127.0.0.1', PORT)),
        'outside': works(lambda: connects('1.1.1.1', 53)), "signal to a host's process": works(kills), "host's abstract socket": works(lambda: socket.socket(socket.AF_UNIX).connect(ABSTRACT) is None),
        "host's shared memory": works(lambda: libc.shmat(SEGMENT, None, 0o10000) != -1), 'set-uid root': works(lambda: (os.setuid(0), os.getuid() == 0)[1]),
        'many processes seen': len([name for name in os.listdir('/proc') if name.isdigit()]) > 6,
        'capabilities': any(int(line.split()[1], 16) for line in open('/proc/self/status') if line[:6] in ('CapEff', 'CapPrm', 'CapBnd')),
    }
    return found
"""
BUBBLEWRAP = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--uid", "993", "--gid", "990", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
BUBBLEWRAP += [word for name in ("/usr", "/lib", "/lib64", "/bin", "/sbin") if os.path.exists(name) for word in ("--ro-bind", name, name)]


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, str]]:
    """A TCP port of the machine's loopback and an abstract unix socket, which no sandbox may reach."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        name = f"\0haneul-oracle-{os.getpid()}"
        abstract.bind(name)
        abstract.listen()
        yield server.getsockname()[1], name


@pytest.fixture
def bystander() -> Iterator[int]:
    """The pid of a process outside, of another user's where we are root."""
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def in_bubblewrap(source: str) -> dict[str, bool]:
    """What the probes find in bubblewrap's sandbox."""
    answer = subprocess.run([*BUBBLEWRAP, "/usr/bin/python3", "-c", source + "print(json.dumps(probe()))"], capture_output=True, timeout=60, check=False)
    if answer.returncode != 0:
        pytest.skip(f"bubblewrap does not work here: {answer.stderr.decode()[-200:]}")
    found: dict[str, bool] = json.loads(answer.stdout)
    return found


async def test_nothing_more_than_in_bubblewrap(functions: Functions, bystander: int) -> None:
    """Files, devices, processes, sockets, shared memory, system calls, capabilities: an independent sandbox says what must not work."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as secret, listening() as (port, abstract):
        os.chmod(secret.name, 0o644)
        constants = {"SECRET": secret.name, "PORT": port, "ABSTRACT": abstract, "HOST_PID": bystander, "SEGMENT": 0}
        source = "".join(f"{name} = {value!r}\n" for name, value in constants.items()) + PROBES
        expected = in_bubblewrap(source)
        ours = await functions.result(source + "def handler(e, c):\n    return probe()", timeout_ms=30_000)
    assert [name for name, allowed in ours.items() if allowed and not expected[name]] == []
    assert set(ours) == set(expected) and not ours[f"read {secret.name}"]
