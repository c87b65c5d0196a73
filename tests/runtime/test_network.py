"""What functions reach outside the cloud: everything that their machine reaches but itself and one another; with `none` nothing."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.runtime import Runtime
from tests.runtime.conftest import CREDENTIALS, ISOLATING_DRIVERS, Functions

REACH = """
import socket
def handler(places, c):
    out = []
    for address, port in places:
        with socket.socket() as s:
            s.settimeout(5)
            try:
                s.connect((address, port))
                out.append(s.recv(5).decode())
            except OSError as error:
                out.append(error.errno)
    return out
"""


def own_address() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


@pytest_asyncio.fixture(params=ISOLATING_DRIVERS)
async def functions(request: pytest.FixtureRequest, plain_directory: Path) -> AsyncIterator[Functions]:
    """Functions with a way out. Skips where the machine has none to give."""
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    directory = plain_directory / f"network-{request.param}"
    driver = make_driver(request.param, str(directory / "runtime"), outbound=True)
    assert isinstance(driver, NamespaceDriver)
    runtime = Runtime(str(directory / "runtime"), driver=driver)
    await runtime.start()
    if not driver.properties["outbound"]:
        await runtime.stop()
        pytest.skip(driver.properties["no_outbound"])
    (directory / "code").mkdir(parents=True, exist_ok=True)
    yield Functions(runtime, directory / "code")
    await runtime.stop()
    shutil.rmtree(directory, ignore_errors=True)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()


async def test_the_outside_is_reached_and_the_machine_itself_is_not(functions: Functions) -> None:
    """A server on an address of the machine's network answers; its loopback, the gateway that stands for it, and a cloud's metadata do not."""
    outside = await asyncio.start_server(_greet, own_address(), 0)
    inside = await asyncio.start_server(_greet, "127.0.0.1", 0)
    port, hidden = outside.sockets[0].getsockname()[1], inside.sockets[0].getsockname()[1]
    found = await functions.result(REACH, [(own_address(), port), ("127.0.0.1", hidden), ("198.18.0.2", hidden), ("169.254.169.254", 80)])
    outside.close()
    inside.close()
    assert found[0] == "hello" and found[1] == 111 and found[2] in (101, 111, 113) and found[3] == 113


async def test_functions_do_not_reach_one_another(functions: Functions) -> None:
    """One listens on all its addresses; the other, told its address, does not get there."""
    listens = """
import socket, threading
server = socket.create_server(('0.0.0.0', 8080))
def serve():
    while True:
        server.accept()[0].sendall(b'hello')
threading.Thread(target=serve, daemon=True).start()
def handler(e, c):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(('192.0.2.1', 9))
        return probe.getsockname()[0]
"""
    first = await functions.create(listens)
    address = (await functions.invoke(first)).payload.decode().strip('"')
    assert address.startswith("198.18.")
    reach = REACH.replace("settimeout(5)", "settimeout(0.5)")
    found = await functions.result(reach, [(address, 8080)])
    assert found[0] != "hello"


async def test_the_first_connection_of_many(functions: Functions) -> None:
    """Because the uplink answers for each new sandbox at once: who asks it waits for no more than a second, and remembers no more than sixteen answers."""
    outside = await asyncio.start_server(_greet, own_address(), 0)
    place = (own_address(), outside.sockets[0].getsockname()[1])
    for _ in range(2):
        made = [await functions.create(REACH) for _ in range(20)]
        assert [(await functions.invoke(environment, [place])).payload for environment in made] == [b'["hello"]'] * 20
        for environment in made:
            await environment.destroy()
    outside.close()


async def test_names_are_looked_up_by_the_machines_server(functions: Functions) -> None:
    """The file that names it says so."""
    assert "nameserver 198.18.0.3" in await functions.result("def handler(e, c):\n    return open('/etc/resolv.conf').read()")


async def test_restored_environments_have_a_way_out_too(functions: Functions) -> None:
    """Though those who make them have no right to lay it."""
    if not functions.runtime.driver.snapshots:
        pytest.skip("this driver has no snapshots")
    outside = await asyncio.start_server(_greet, own_address(), 0)
    port = outside.sockets[0].getsockname()[1]
    origin = await functions.runtime.snapshot(functions.spec(REACH), CREDENTIALS, "stream", functions.lines.extend)
    assert await origin.prepared()
    for _ in range(2):
        restored = await functions.runtime.restore(origin, origin.spec, CREDENTIALS, "stream", functions.lines.extend)
        assert (await functions.invoke(restored, [(own_address(), port)])).payload == b'["hello"]'
    outside.close()
