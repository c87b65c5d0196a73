"""A load generator: a fixed number of keep-alive connections, each sending prepared requests one after another, on one core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httptools


@dataclass
class Result:
    """Requests per second, and latency percentiles in microseconds."""

    rate: float
    p50_us: float
    p99_us: float
    bytes_per_second: float
    failures: int


class _Client(asyncio.Protocol):
    def __init__(self, load: _Load, at: int) -> None:
        self.load = load
        self.at = at
        self.parser = httptools.HttpResponseParser(self)
        self.began = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        requests = self.load.requests
        self.began = time.perf_counter()
        self.transport.write(requests[self.at % len(requests)])  # type: ignore[attr-defined]
        self.at += self.load.connections

    def data_received(self, data: bytes) -> None:
        self.load.bytes += len(data)
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.load.latencies.append(now - self.began)
        if self.parser.get_status_code() >= 300:
            self.load.failures += 1
        if now < self.load.deadline:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class _Load:
    def __init__(self, requests: Sequence[bytes], connections: int, seconds: float) -> None:
        self.requests = requests
        self.connections = connections
        self.latencies: list[float] = []
        self.failures = 0
        self.bytes = 0
        self.deadline = time.perf_counter() + seconds


async def load(port: int, requests: Sequence[bytes], *, connections: int = 64, seconds: float = 3.0, host: str = "127.0.0.1") -> Result:
    """Send `requests` in turn over `connections` connections for `seconds`."""
    state = _Load(requests, connections, seconds)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(lambda i=i: _Client(state, i), host, port))[1] for i in range(connections)]
    await asyncio.gather(*[client.closed for client in clients])
    elapsed = time.perf_counter() - began
    ordered = sorted(state.latencies)
    count = len(ordered)
    return Result(count / elapsed, ordered[count // 2] * 1e6, ordered[min(count - 1, count * 99 // 100)] * 1e6, state.bytes / elapsed, state.failures)
