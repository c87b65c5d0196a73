"""The listener: connections, their time-outs, and a shutdown that finishes what is in flight."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from email.utils import formatdate
from typing import Any, Final, Literal, cast

from haneul.clock import SECOND, Clock
from haneul.front.connection import Connection, Handler
from haneul.front.incoming import HeaderNames
from haneul.front.quick import QuickReader
from haneul.front.respond import driver

_BACKLOG: Final = 4096
_WRITTEN_TOGETHER: Final = 16
_TLS_SHUTDOWN_SECONDS: Final = 1.0  # How long a client may take to say goodbye.


class Server:
    """Serves `handler` on any number of listening sockets.

    Time-outs are real seconds: `header_timeout` for a request's head, `body_timeout` without a byte of its body or without one of its answer being taken, `idle_timeout` between requests.
    """

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        *,
        header_timeout_seconds: float = 20.0,
        body_timeout_seconds: float = 60.0,
        idle_timeout_seconds: float = 120.0,
        tick_seconds: float = 1.0,
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._header_timeout = header_timeout_seconds
        self._body_timeout = body_timeout_seconds
        self._idle_timeout = idle_timeout_seconds
        self._tick_seconds = tick_seconds
        self.connections: set[Connection] = set()
        self.header_names = HeaderNames()
        self.quick_reader = QuickReader(self.header_names)
        self.driver = driver()
        self.spare_drivers: list[Generator[Any, Any, None]] = []
        self.stopping = False
        self.now = 1.0
        self._servers: list[asyncio.Server] = []
        self.date = self._http_date()
        self._ticker: asyncio.TimerHandle | None = None
        self._due: list[Connection] = []
        self._answering = False
        self._held: list[Connection] = []

    def answer_soon(self, connection: Connection) -> None:
        """Let a connection answer what it has received once the loop has read from all that are ready.

        Reading from all first, then answering all, keeps what each does in the processor's caches: a system call between two answers costs
        more than itself.
        """
        if not self._due:
            asyncio.get_running_loop().call_soon(self._answer_due)
        self._due.append(connection)

    def _answer_due(self) -> None:
        due, self._due = self._due, []
        self._answering = True
        try:
            for connection in due:
                connection.answer_ready()
        finally:
            self._answering = False
        self._write_held()

    def write_soon(self, connection: Connection) -> None:
        """Let a connection write what it holds, together with others.

        A client that waits on another processor core is woken by an interrupt, which costs the server several microseconds; clients that have their answers at about the same time
        are often one process, and it is awake for the second.
        """
        held = self._held
        held.append(connection)
        if len(held) >= _WRITTEN_TOGETHER:
            self._write_held()
        elif len(held) == 1 and not self._answering:
            asyncio.get_running_loop().call_soon(self._write_held)

    def _write_held(self) -> None:
        held, self._held = self._held, []
        for connection in held:
            connection.write_held()

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None, *, shared: Literal["no", "first", "further"] = "no") -> int:
        """Listen on an address; returns the port (chosen by the system when `port` is 0).

        `shared`: further processes of the same cloud listen there, too, and each gets a share of the connections; the first sees that nobody else does.
        """
        more: dict[str, Any] = {"ssl": tls, "ssl_handshake_timeout": self._header_timeout, "ssl_shutdown_timeout": _TLS_SHUTDOWN_SECONDS} if tls is not None else {}
        if shared == "first":
            probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
            probe.close()
            await probe.wait_closed()
        if shared != "no":
            more["reuse_port"] = True
        server = await asyncio.get_running_loop().create_server(lambda: Connection(self, self._handler), host, port, backlog=_BACKLOG, **more)
        self._servers.append(server)
        self._tick()
        sockets: Sequence[Any] = cast(Any, server).sockets  # uvloop's is a list.
        return int(sockets[0].getsockname()[1])

    async def adopt(self, sock: socket.socket, remote: str, handler: Handler | None = None) -> Callable[[], None]:
        """Serve a socket that is already listening, as one inside a function's sandbox is. `remote` names its clients. Returns what ends it."""
        server = await asyncio.get_running_loop().create_server(lambda: Connection(self, handler or self._handler, remote), sock=sock, backlog=_BACKLOG)
        self._tick()
        return server.close

    def _http_date(self) -> str:
        """The clock's time as a Date header has it, as of the last tick."""
        return formatdate(self._clock.now() // SECOND, usegmt=True)

    def take_time(self) -> None:
        """The clock has been moved: Date headers follow at once."""
        self.date = self._http_date()

    def _tick(self) -> None:
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(self._tick_seconds, self._sweep)

    def _sweep(self) -> None:
        self._ticker = None
        if not self.stopping:
            self._tick()
        self.now += self._tick_seconds
        self.take_time()
        for connection in tuple(self.connections):
            silent = self.now - connection.last_progress
            if connection.receiving_body:
                if silent > self._body_timeout:
                    connection.time_out()
            elif connection.request_began:
                if self.now - connection.request_began > self._header_timeout:
                    connection.time_out()
            elif connection.is_deaf(self._body_timeout):
                connection.abort()
            elif not connection.answering and silent > self._idle_timeout:
                connection.close()

    def refuse_new(self) -> None:
        """Accept no more connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Accept nothing new, answer what has arrived, then close. What is not done after `grace_seconds` is cut off."""
        self.stopping = True
        self.refuse_new()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_seconds
        while True:
            for connection in tuple(self.connections):
                if connection.idle:
                    connection.close()
            if not self.connections or loop.time() > deadline:
                break
            await asyncio.sleep(0.01)
        for connection in tuple(self.connections):
            connection.abort()
        if self._ticker is not None:
            self._ticker.cancel()
