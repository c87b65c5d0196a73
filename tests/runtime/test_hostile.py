"""Functions that try to get out, to look around, or to outlive their environment. Each is refused what it tries, or harms only itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.conftest import CREDENTIALS, ISOLATING_DRIVERS, Functions

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("driver", ISOLATING_DRIVERS)]

_EPERM, _ENOENT, _EACCES, _ENOSYS = 1, 2, 13, 38

ATTEMPT = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return ctypes.get_errno() if result < 0 else 0
def read(path):
    try:
        with open(path, 'rb') as file:
            return file.read(100).hex()
    except OSError as error:
        return error.errno
"""


async def test_system_calls(functions: Functions) -> None:
    """What could change the system, look into other processes, or make new namespaces is refused with EPERM (clone3: ENOSYS, so that the C
    library falls back to what can be checked)."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers below are x86_64's")
    source = (
        ATTEMPT
        + """
import tempfile
def handler(e, c):
    return {
        'ptrace': call(101, 0, 0, 0, 0), 'mount': call(165, b'x', b'/tmp', b'tmpfs', 0, 0), 'umount2': call(166, b'/proc', 2), 'pivot_root': call(155, b'.', b'.'),
        'chroot': call(161, b'/tmp'), 'unshare user': call(272, 0x10000000), 'unshare mount': call(272, 0x20000), 'setns': call(308, 0, 0),
        'clone newuser': call(56, 0x10000011, 0, 0, 0, 0), 'keyctl': call(250, 0), 'bpf': call(321, 0, 0, 0), 'perf': call(298, 0, 0, 0, 0, 0),
        'userfaultfd': call(323, 0), 'io_uring': call(425, 1, 0), 'open_by_handle_at': call(304, 0, 0, 0), 'reboot': call(169, 0, 0, 0, 0),
        'kexec': call(246, 0, 0, 0, 0), 'swapon': call(167, b'/tmp/x', 0), 'init_module': call(175, 0, 0, 0), 'process_vm_readv': call(310, 1, 0, 0, 0, 0, 0),
        'settimeofday': call(164, 0, 0), 'sethostname': call(170, b'x', 1), 'open_tree': call(428, -100, b'/', 1), 'fsopen': call(430, b'tmpfs', 0),
        'vsock': call(41, 40, 1, 0), 'packet': call(41, 17, 3, 0), 'pidfd_getfd': call(438, 3, 0, 0),
    }, call(435, 0, 0)
"""
    )
    denied, clone3 = await functions.result(source)
    assert {name: code for name, code in denied.items() if code != _EPERM} == {}
    assert clone3 == _ENOSYS


async def test_host_files(functions: Functions, plain_directory: Path) -> None:
    """No path of the host's is there but what every function shares: not its password file, nor any data directory, nor devices."""
    secret = plain_directory / "secret"
    secret.write_text("secret")
    source = (
        ATTEMPT
        + """
def handler(paths, c):
    return {path: read(path) for path in paths}
"""
    )
    paths = [str(secret), "/etc/shadow", "/root/.bashrc", "/proc/1/root" + str(secret), "/proc/1/cwd/etc/shadow", "/sys/kernel/version", "/dev/kmsg", "/dev/mem"]
    paths += ["/dev/vda", "/dev/loop0", "/proc/kcore", "/proc/1/root/etc/shadow", "/../etc/shadow", "/proc/self/root/etc/shadow", "/var/task/../../etc/shadow"]
    paths += [str(Path(__file__)), "/run/systemd", "/home/" + os.environ.get("USER", "nobody"), "/proc/sys/kernel/../../sysrq-trigger"]
    found = await functions.result(source, paths)
    assert {path: what for path, what in found.items() if isinstance(what, str) and what} == {}


async def test_keeper_is_out_of_reach(functions: Functions) -> None:
    """Process 1 has the same user: neither its environment nor its memory can be read, and signals do not touch it."""
    source = (
        ATTEMPT
        + """
def handler(e, c):
    out = [read('/proc/1/environ'), read('/proc/1/mem'), read('/proc/1/maps')]
    for number in (9, 15, 10, 12, 19):
        try: os.kill(1, number)
        except PermissionError: pass
    return out + [read(f'/proc/1/{what}') for what in ('fd/0', 'fd/1', 'fd/2', 'fd/3', 'root/etc/passwd', 'stack')]
"""
    )
    environment = await functions.create(source)
    outcome = await functions.invoke(environment)
    assert outcome.status == "success", outcome
    assert set(json.loads(outcome.payload)) <= {_EPERM, _EACCES, _ENOENT}
    assert (await functions.invoke(environment)).status == "success"


async def test_only_own_processes(functions: Functions) -> None:
    """Of all the machine's processes a function sees its own and the keeper; a signal to everyone reaches no one else."""
    bystander = await functions.create("def handler(e, c):\n    return 'untouched'")
    await functions.invoke(bystander)
    source = """
import os, signal
def handler(e, c):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for target in (-1, 0, -os.getpgid(0)):
        try: os.kill(target, signal.SIGTERM)
        except OSError: pass
    return sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
"""
    assert await functions.result(source) == [1, 2]
    assert (await functions.invoke(bystander)).payload == b'"untouched"'


async def test_own_tmp(functions: Functions) -> None:
    """Each environment has a /tmp of its own, empty at first; nothing of it is seen by another, nor left behind."""
    source = "import os\ndef handler(e, c):\n    before = os.listdir('/tmp')\n    open('/tmp/mine', 'w').write('x')\n    os.symlink('/etc/shadow', '/tmp/link')\n    return before"
    assert await functions.result(source) == []
    assert await functions.result(source) == []
    assert not os.path.exists("/tmp/mine")


async def test_links_in_code(functions: Functions, plain_directory: Path) -> None:
    """A symbolic link in a function's code leads to the sandbox's files, never the host's."""
    (plain_directory / "outside").write_text("secret")
    directory = functions.code(app_dot_py="def handler(e, c):\n    try: return open('/var/task/link').read()\n    except OSError as error: return error.errno")
    os.symlink(plain_directory / "outside", f"{directory}/link")
    spec = replace(functions.spec(files={}), code_dir=directory)
    environment = await functions.runtime.create(spec, CREDENTIALS, "s")
    functions.environments.append(environment)
    assert (await functions.invoke(environment)).payload == b"2"


async def test_devices_cannot_be_made(functions: Functions) -> None:
    """mknod gives no device."""
    source = "import os, stat\ndef handler(e, c):\n    try: os.mknod('/tmp/disk', stat.S_IFBLK | 0o600, os.makedev(254, 0))\n    except OSError as error: return error.errno"
    assert await functions.result(source) == _EPERM


async def test_set_uid_programs_give_nothing(functions: Functions) -> None:
    """no_new_privs and nosuid: a set-uid program runs as the same user."""
    source = "import os, subprocess\ndef handler(e, c):\n    r = subprocess.run(['su', '-c', 'id -u'], capture_output=True)\n    return r.returncode"
    assert await functions.result(source) != 0


async def test_network_is_loopback_only(functions: Functions) -> None:
    """No interface but lo; nothing of the host's loopback is there; the outside cannot be reached."""
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    source = """
import socket
def handler(port, c):
    out = [[name for _, name in socket.if_nameindex()]]
    for address in (('127.0.0.1', port), ('169.254.169.254', 80), ('8.8.8.8', 53)):
        with socket.socket() as s:
            s.settimeout(2)
            try: s.connect(address); out.append('connected')
            except OSError as error: out.append(error.errno)
    return out
"""
    found = await functions.result(source, port)
    listening.close()
    assert found[0] == ["lo"] and found[1:] == [111, 101, 101]


async def test_abstract_sockets_are_private(functions: Functions) -> None:
    """Abstract unix sockets and System V memory belong to the environment's own namespaces."""
    source = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0haneul-test')\ndef handler(e, c):\n    return open('/proc/net/unix').read().count('@haneul-test')"
    assert [await functions.result(source), await functions.result(source)] == [1, 1]


async def test_leftovers_die_with_the_environment(functions: Functions) -> None:
    """Processes that a function leaves behind, detached or not, end with its environment."""
    marker = f"86399.{os.getpid()}"  # The same test may run a second time on this machine at this moment.
    source = f"""
import subprocess
def handler(e, c):
    subprocess.Popen(['sleep', '{marker}'], start_new_session=True)
    subprocess.Popen(['sh', '-c', 'trap "" TERM HUP INT; sleep {marker} & setsid sleep {marker}'])
"""
    environment = await functions.create(source)
    assert (await functions.invoke(environment)).status == "success"
    await environment.destroy()
    assert _processes_with(marker) == []


async def test_fork_bomb_dies_at_the_time_out(functions: Functions) -> None:
    """A fork bomb is gone, whole, when its time is over."""
    marker = f"bomb{os.getpid()}"
    source = f"import os\ndef handler(e, c):\n    open('/proc/self/comm', 'w').write('{marker}')\n    while True:\n        try: os.fork()\n        except OSError: pass"
    environment = await functions.create(source, timeout_ms=500, memory_mb=256)
    outcome = await functions.invoke(environment)
    assert outcome.status in ("timeout", "out_of_memory", "exited")
    await environment.destroy()
    assert _processes_called(marker) == []


async def test_closing_every_descriptor(functions: Functions) -> None:
    """A function that closes its channel has exited as far as anyone can tell."""
    outcome = await functions.run("import os, time\ndef handler(e, c):\n    os.closerange(0, 1024)\n    time.sleep(60)")
    assert outcome.status == "exited"


async def test_garbage_on_the_channel(functions: Functions) -> None:
    """Bytes that are no frame, or a frame that announces gigabytes, end the environment and nothing else."""
    for garbage in ("b'R' + b'\\xff' * 64", "b'?' * 10", "b'R\\0\\0\\0\\1x' * 5000"):
        outcome = await functions.run(f"import os\ndef handler(e, c):\n    os.write(3, {garbage})\n    return 1")
        assert outcome.status in ("success", "exited", "timeout"), garbage


async def test_double_response(functions: Functions) -> None:
    """A second answer to an invocation is ignored, and does not answer the next."""
    source = """
import os
def handler(e, c):
    body = c.aws_request_id.encode() + b'\\n0\\n"forged"'
    os.write(3, (b'R' + len(body).to_bytes(4, 'big') + body) * 3)
    return 'real'
"""
    environment = await functions.create(source)
    first = await functions.invoke(environment, request_id="one")
    second = await functions.invoke(environment, request_id="two")
    assert first.payload in (b'"forged"', b'"real"') and second.payload in (b'"forged"', b'"real"')
    assert (await functions.invoke(environment, request_id="three")).status == "success"


async def test_forged_log_frames(functions: Functions) -> None:
    """Broken telemetry frames cost a function its own log at most."""
    source = "import os\ndef handler(e, c):\n    os.write(2, b'\\xa5\\x5a\\x00\\x03\\xff\\xff\\xff\\xff' + b'x' * 50 + b'\\n')\n    print('after')\n    return 1"
    outcome = await functions.run(source)
    assert outcome.status == "success" and outcome.log.endswith(b"after\n")


async def test_stopping_itself(functions: Functions) -> None:
    """A function that stops its own process runs into its time-out like any other that does nothing."""
    outcome = await functions.run("import os, signal\ndef handler(e, c):\n    os.kill(os.getpid(), signal.SIGSTOP)", timeout_ms=300)
    assert outcome.status == "timeout"


def _processes_called(name: str) -> list[str]:
    """The states of the processes that have this name, which forks keep."""
    found = []
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if directory.name.isdigit() and (directory / "comm").read_text().strip() == name:
                found.append((directory / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def _processes_with(text: str) -> list[str]:
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if text in command and "pytest" not in command:
                found.append(command)
    return found
