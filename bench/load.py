"""A load generator: a fixed number of keep-alive connections, each sending prepared requests one after another, on one core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httptools

from bench.quiet import QUIET
from bench.servers import SERVER_CORE

T = TypeVar("T")


@dataclass
class Result:
    """Requests per second, and latency percentiles in microseconds."""

    rate: float
    p50_us: float
    p99_us: float
    bytes_per_second: float
    failures: int


class Client(asyncio.Protocol):
    """One connection. A subclass reads the answers, and calls `answered` at the end of each."""

    def __init__(self, load: _Load, at: int) -> None:
        self.load = load
        self.at = at
        self.began = 0.0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.load.begun:
            self.send()

    def send(self) -> None:
        requests = self.load.requests
        self.began = time.perf_counter()
        self.transport.write(requests[self.at % len(requests)])  # type: ignore[attr-defined]
        self.at += self.load.connections
        self.waiting = True

    def answered(self, *, failed: bool, keep: bool = True) -> None:
        now = time.perf_counter()
        self.load.latencies.append(now - self.began)
        self.load.failures += failed
        self.waiting = False
        if keep and self.load.goes_on(self):
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost(self)


class HttpClient(Client):
    """HTTP/1.1, keeping the connection as long as the server does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.parser = httptools.HttpResponseParser(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.load.bytes += len(data)
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.answered(failed=self.parser.get_status_code() >= 300, keep=self.parser.should_keep_alive())


class RedisClient(Client):
    """Redis, for commands that are answered with one line."""

    def data_received(self, data: bytes) -> None:
        self.load.bytes += len(data)
        if data.endswith(b"\n"):
            self.answered(failed=not data.startswith(b"+"))


class _Load:
    def __init__(self, requests: Sequence[bytes], connections: int, seconds: float, address: tuple[str, int], once: bool) -> None:
        self.requests = requests
        self.connections = connections
        self.latencies: list[float] = []
        self.failures = 0
        self.bytes = 0
        self.seconds = seconds
        self.begun = 0.0
        self.deadline = 0.0
        self.address = address
        self.once = once
        self.open = connections
        self.done = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, clients: Sequence[Client]) -> None:
        """Send the first request on each of the connections, now that they are all there."""
        self.begun = time.perf_counter()
        self.deadline = self.begun + self.seconds
        for client in clients:
            if hasattr(client, "transport"):
                client.send()

    async def connect(self, client: Client) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: client, *self.address)
        except OSError:
            self.failures += 1
            self.end()

    def goes_on(self, client: Client) -> bool:
        """Whether a connection has more to send: until the time is over, or each request has been sent once."""
        return client.at < len(self.requests) if self.once else time.perf_counter() < self.deadline

    def lost(self, client: Client) -> None:
        """The server closed a connection, or the load is over."""
        self.failures += client.waiting
        if self.goes_on(client):
            task = asyncio.ensure_future(self.connect(client))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            self.end()

    def end(self) -> None:
        self.open -= 1
        if not self.open:
            self.done.set()


async def load(
    port: int, requests: Sequence[bytes], *, connections: int = 64, seconds: float = 3.0, host: str = "127.0.0.1", kind: type[Client] = HttpClient, once: bool = False
) -> Result:
    """Send `requests` in turn over `connections` connections for `seconds`, or each of them `once`."""
    state = _Load(requests, connections, seconds, (host, port), once)
    clients = [kind(state, i) for i in range(connections)]
    for client in clients:
        await state.connect(client)
    state.begin(clients)
    await state.done.wait()
    elapsed = time.perf_counter() - state.begun
    ordered = sorted(state.latencies)
    count = len(ordered)
    return Result(count / elapsed, ordered[count // 2] * 1e6, ordered[min(count - 1, count * 99 // 100)] * 1e6, state.bytes / elapsed, state.failures)


def take_turns(ours: Callable[[float], T], theirs: Callable[[float], T], seconds: float, turns: int = 8) -> list[tuple[T, T]]:
    """What two sides give that are measured one after the other, again and again, in short turns of the same length: a machine that others use too
    does not stay as fast as it was a minute ago. Turns in which it was slow are left out where there are others."""
    return QUIET.turns(lambda: (ours(seconds / turns), theirs(seconds / turns)), turns, SERVER_CORE)
