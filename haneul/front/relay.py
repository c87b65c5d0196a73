"""Requests passed on to another process of this cloud over a Unix socket, and its answers back: streams both ways, nothing of them kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httptools

from haneul.core.http import BodyStream, HttpRequest, HttpResponse
from haneul.front.body import Unanswerable
from haneul.front.head import NO_BODY

CLIENT_HEADER = "x-haneul-client"
"""Who the client is, as the process that relays saw it: address, and 1 for TLS or 0. Counts on the private socket only."""

_OWN_HEADERS = frozenset((b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"transfer-encoding", CLIENT_HEADER.encode()))
_HOP_HEADERS = frozenset((b"connection", b"date", b"keep-alive", b"transfer-encoding"))
_HIGH_BYTES = 1 << 20
_IDLE_SECONDS_MAX = 30.0
_SWEEP_SECONDS = 0.25


class Relay:
    """Passes requests on to the socket at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[_Upstream] = []
        self._waiting: dict[_Upstream, HttpRequest] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def forward(self, request: HttpRequest) -> HttpResponse:
        """The other process's answer. Raises Unanswerable when it goes away before it has answered."""
        upstream = await self._connection()
        upstream.begin(request.method)
        self._waiting[upstream] = request
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        stream = request.stream
        sending: asyncio.Future[None] | None = None
        if stream is None:
            upstream.transport.write(_head(request, len(request.body)) + request.body)
        else:
            upstream.transport.write(_head(request, stream.length))
            sending = asyncio.ensure_future(_send(upstream, stream))
        await upstream.wait_for_head()
        if not upstream.status:
            self._done(upstream, sending)
            raise Unanswerable
        headers, repeated = upstream.take_headers()
        if upstream.complete:
            body = upstream.take_body()
            self._done(upstream, sending)
            if request.method != "HEAD" and upstream.status not in NO_BODY:
                headers.pop("Content-Length", None)
            return HttpResponse(upstream.status, headers, body, repeated)
        return HttpResponse(upstream.status, headers, self._rest(upstream, sending), repeated)

    async def send(self, path: str, body: bytes) -> bytes:
        """Post a message to the other process itself; its answer's body. Raises Unanswerable when there is none."""
        response = await self.forward(HttpRequest("POST", path, headers={"host": "haneul"}, body=body))
        if response.status != 200:
            raise Unanswerable(f"the writing process answered {response.status}")
        return response.body if isinstance(response.body, bytes) else b"".join([part async for part in cast(AsyncIterator[bytes], response.body)])

    async def _connection(self) -> _Upstream:
        loop = asyncio.get_running_loop()
        while self._idle:
            found = self._idle.pop()
            if not found.lost and loop.time() - found.idle_since < _IDLE_SECONDS_MAX:
                return found
            found.transport.close()
        try:
            _, protocol = await loop.create_unix_connection(_Upstream, self._path)
        except OSError:
            raise Unanswerable from None
        return protocol

    def _done(self, upstream: _Upstream, sending: asyncio.Future[None] | None) -> None:
        self._waiting.pop(upstream, None)
        whole = sending is None or sending.done()
        if sending is not None:
            sending.cancel()
        if upstream.complete and upstream.reusable and whole and not upstream.lost:
            upstream.idle_since = asyncio.get_running_loop().time()
            self._idle.append(upstream)
        else:
            upstream.transport.close()

    async def _rest(self, upstream: _Upstream, sending: asyncio.Future[None] | None) -> AsyncIterator[bytes]:
        """An answer's body as it comes in. One that breaks off breaks this side's off, too."""
        try:
            while True:
                if (part := upstream.take_body()) or not upstream.complete:
                    if part:
                        yield part
                        continue
                    if upstream.lost:
                        raise ConnectionError("the answer of the writing process broke off")
                    await upstream.wait_for_more()
                else:
                    return
        finally:
            self._done(upstream, sending)

    def _sweep(self) -> None:
        """Clients that have gone away take their requests with them."""
        for upstream, request in list(self._waiting.items()):
            if request.disconnected:
                upstream.transport.close()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep) if self._waiting else None

    def close(self) -> None:
        """Let go of idle connections."""
        for upstream in self._idle:
            upstream.transport.close()
        if self._sweeper is not None:
            self._sweeper.cancel()


class _Upstream(asyncio.Protocol):
    """One connection to the other process, with one request on it at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.lost = False
        self.idle_since = 0.0
        self._writable = asyncio.Event()
        self._writable.set()
        self.begin("")

    def begin(self, method: str) -> None:
        """A new request."""
        self.status = 0
        self.complete = False
        self.reusable = False
        self._bodiless = method == "HEAD"
        self._parser = httptools.HttpResponseParser(self)
        self._raw: list[tuple[bytes, bytes]] = []
        self._parts: deque[bytes] = deque()
        self._held_bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    # ---- for the relay

    async def wait_for_head(self) -> None:
        while not self.status and not self.lost:
            await self.wait_for_more()

    async def wait_for_more(self) -> None:
        if not self.lost:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def take_headers(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        headers: dict[str, str] = {}
        repeated = []
        for raw_name, raw_value in self._raw:
            if raw_name.lower() in _HOP_HEADERS:
                continue
            name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
            if name in headers:
                repeated.append((name, value))
            else:
                headers[name] = value
        return headers, repeated

    def take_body(self) -> bytes:
        parts = b"".join(self._parts)
        self._parts.clear()
        self._held_bytes = 0
        if self._paused and not self.lost:
            self._paused = False
            self.transport.resume_reading()
        return parts

    async def write(self, data: bytes) -> None:
        await self._writable.wait()
        if self.lost:
            raise ConnectionError("the writing process is gone")
        self.transport.write(data)

    # ---- transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._writable.set()
        self._wake()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()
            self.lost = True
        if self._held_bytes > _HIGH_BYTES and not self._paused and not self.complete:
            self._paused = True
            self.transport.pause_reading()
        if self.status:
            self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- parser callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self._bodiless:  # The parser would wait for the body that the headers speak of.
            self.complete = True

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._held_bytes += len(data)

    def on_message_complete(self) -> None:
        self.complete = True
        self.reusable = self._parser.should_keep_alive() and not self._bodiless


def _head(request: HttpRequest, length: int | None) -> bytes:
    target = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
    raw = request.raw_headers or [(name.encode(), value.encode()) for name, value in request.headers.items()]
    lines = [f"{request.method} {target} HTTP/1.1\r\n".encode("latin-1")]
    lines += [name + b": " + value + b"\r\n" for name, value in raw if name.lower() not in _OWN_HEADERS]
    # A target in absolute form has replaced the host that the headers named.
    lines.append(f"host: {request.host}\r\n{CLIENT_HEADER}: {request.remote} {int(request.secure)}\r\n".encode())
    lines.append(b"Transfer-Encoding: chunked\r\n\r\n" if length is None else b"Content-Length: %d\r\n\r\n" % length)
    return b"".join(lines)


def take_client(request: HttpRequest) -> None:
    """On the private socket: the request as the process that relays it saw it."""
    remote, _, secure = request.headers.pop(CLIENT_HEADER, "").partition(" ")
    request.remote, request.secure = remote, secure == "1"
    request.raw_headers = [(name, value) for name, value in request.raw_headers if name.lower() != CLIENT_HEADER.encode()]


async def _send(upstream: _Upstream, stream: BodyStream) -> None:
    """Pass a body on as it comes in, no faster than the other process takes it. One that breaks off ends the connection."""
    chunked = stream.length is None
    try:
        async for part in stream:
            await upstream.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            await upstream.write(b"0\r\n\r\n")
    except Exception:
        upstream.transport.close()
