"""Requests passed on to another process of this cloud over a Unix socket, and its answers back: streams both ways, nothing of them kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast

import httptools

from haneul.core.errors import ClientGone
from haneul.core.http import BodyStream, HttpRequest, HttpResponse
from haneul.front.body import Unanswerable
from haneul.front.head import NO_BODY
from haneul.front.incoming import Incoming

CLIENT_HEADER = "x-haneul-client"
"""Who the client is, as the process that relays saw it: address, and 1 for TLS or 0. Counts on the private socket only."""

_OWN_HEADERS = frozenset((b"connection", b"content-length", b"host", b"keep-alive", b"transfer-encoding", CLIENT_HEADER.encode()))
_HOP_HEADERS = frozenset((b"connection", b"keep-alive", b"transfer-encoding"))
_HIGH_BYTES = 1 << 20
_IDLE_SECONDS_MAX = 30.0
_IDLE_MAX = 64
_SWEEP_SECONDS = 0.25
_TRIES_MAX, _TRY_AGAIN_SECONDS = 4_000, 0.005


class Relay:
    """Passes requests on to the socket at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[_Upstream] = []
        self._waiting: dict[_Upstream, HttpRequest] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def forward(self, request: HttpRequest, more: Mapping[str, str] | None = None) -> HttpResponse:
        """The other process's answer. `more` are headers that only it may see. Raises Unanswerable when it goes away before it has answered."""
        upstream = await self._connection()
        upstream.begin(request.method)
        self._waiting[upstream] = request
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        stream = request.stream
        if stream is None:
            upstream.transport.write(_head(request, len(request.body), more or {}) + request.body)
        else:
            upstream.transport.write(_head(request, stream.length, more or {}))
            if isinstance(request, Incoming) and request.expects_continue:  # Only the process that answers knows whether it wants the body.
                await upstream.wait_for_head(or_continue=True)
            if not upstream.status and not upstream.lost:
                upstream.sending = asyncio.ensure_future(_send(upstream, stream))
        await upstream.wait_for_head()
        if not upstream.status:
            self._done(upstream)
            raise Unanswerable
        if not upstream.keeps_alive and isinstance(request, Incoming):
            request.keep_alive = False
        headers, repeated = upstream.take_headers()
        no_body = upstream.status in NO_BODY
        if upstream.complete and (request.method != "HEAD" or no_body or "Content-Length" in headers):
            body = upstream.take_body()
            self._done(upstream)
            if request.method != "HEAD" and not no_body:
                headers.pop("Content-Length", None)
            return HttpResponse(upstream.status, headers, body, repeated)
        return HttpResponse(upstream.status, headers, _Rest(upstream, self._done), repeated)

    async def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Post a message to the other process itself; its answer's body. Raises Unanswerable when there is none."""
        response = await self.forward(HttpRequest("POST", path, headers={"host": "haneul"}, body=body), headers)
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
        for _ in range(_TRIES_MAX):
            try:
                _, protocol = await loop.create_unix_connection(_Upstream, self._path)
            except BlockingIOError:  # As many wait already as the other process lets wait.
                await pause(_TRY_AGAIN_SECONDS)
            except OSError:
                break
            else:
                return protocol
        raise Unanswerable

    def _done(self, upstream: _Upstream) -> None:
        if self._waiting.pop(upstream, None) is None:
            return
        sending = upstream.sending
        whole = sending is None or sending.done()
        if sending is not None:
            sending.cancel()
        if upstream.complete and upstream.keeps_alive and not upstream.bodiless and whole and not upstream.lost and not upstream.ended and len(self._idle) < _IDLE_MAX:
            upstream.idle_since = asyncio.get_running_loop().time()
            self._idle.append(upstream)
        else:
            upstream.transport.close()

    def _sweep(self) -> None:
        """A client that sends no more, or has gone away, does so to the other process: what that does then is its own affair."""
        for upstream, request in self._waiting.items():
            if request.disconnected and (upstream.sending is None or upstream.sending.done()):
                upstream.end()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep) if self._waiting else None

    def close(self) -> None:
        """Let go of idle connections."""
        for upstream in self._idle:
            upstream.transport.close()
        if self._sweeper is not None:
            self._sweeper.cancel()


async def pause(seconds: float) -> None:
    """Let others go first for a moment of real time: what is waited for is another process of this machine."""
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, waiting.set_result, None)
    await waiting


class _Rest:
    """An answer's body as it comes in. Its end, and being let go before, gives the connection back."""

    def __init__(self, upstream: _Upstream, done: Callable[[_Upstream], None]) -> None:
        self._upstream = upstream
        self._done = done

    def __aiter__(self) -> _Rest:
        return self

    async def __anext__(self) -> bytes:
        upstream = self._upstream
        while True:
            if part := upstream.take_body():
                return part
            if upstream.complete:
                self._done(upstream)
                raise StopAsyncIteration
            if upstream.lost:
                self._done(upstream)
                raise ConnectionError("the answer of the writing process broke off")
            await upstream.wait_for_more()

    async def aclose(self) -> None:
        self._done(self._upstream)


class _Upstream(asyncio.Protocol):
    """One connection to the other process, with one request on it at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.lost = False
        self.ended = False
        self.idle_since = 0.0
        self._writable = asyncio.Event()
        self._writable.set()
        self.begin("")

    def begin(self, method: str) -> None:
        """A new request."""
        self.status = 0
        self.complete = False
        self.keeps_alive = False
        self.sending: asyncio.Future[None] | None = None
        self._continued = False
        self._informational = False
        self.bodiless = method == "HEAD"
        self._parser = httptools.HttpResponseParser(self)
        self._raw: list[tuple[bytes, bytes]] = []
        self._parts: deque[bytes] = deque()
        self._held_bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    # ---- for the relay

    async def wait_for_head(self, *, or_continue: bool = False) -> None:
        while not self.status and not self.lost and not (or_continue and self._continued):
            await self.wait_for_more()

    def end(self) -> None:
        """Send nothing more."""
        if not self.ended and not self.lost:
            self.ended = True
            self.transport.write_eof()

    async def wait_for_more(self) -> None:
        if not self.lost:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def take_headers(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        headers: dict[str, str] = {}
        repeated = []
        dated = False
        for raw_name, raw_value in self._raw:
            if raw_name.lower() in _HOP_HEADERS:
                continue
            if raw_name.lower() == b"date" and not dated:  # The front's own, which the front here writes, too.
                dated = True
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
        if self.status or self._continued:
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
        status = self._parser.get_status_code()
        if status == 100:
            self._continued = self._informational = True
            return
        self.status = status
        self.keeps_alive = self._parser.should_keep_alive()
        if self.bodiless:  # The parser would wait for the body that the headers speak of.
            self.complete = True

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._held_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._informational:
            self._informational = False
            self._raw = []
        else:
            self.complete = True


def _head(request: HttpRequest, length: int | None, more: Mapping[str, str]) -> bytes:
    target = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
    lines = [f"{request.method} {target} HTTP/1.1\r\n".encode("latin-1")]
    lines += [name + b": " + value + b"\r\n" for name, value in request.raw_headers() if name.lower() not in _OWN_HEADERS]
    # A target in absolute form has replaced the host that the headers named.
    lines.append(f"host: {request.host}\r\n{CLIENT_HEADER}: {request.remote} {int(request.secure)}\r\n".encode())
    lines += [f"{name}: {value}\r\n".encode() for name, value in more.items()]
    lines.append(b"Transfer-Encoding: chunked\r\n\r\n" if length is None else b"Content-Length: %d\r\n\r\n" % length)
    return b"".join(lines)


def take_client(request: HttpRequest) -> None:
    """On the private socket: the request as the process that relays it saw it."""
    remote, _, secure = request.headers.pop(CLIENT_HEADER, "").partition(" ")
    request.remote, request.secure = remote, secure == "1"
    request.raw = [line for line in request.raw if not line.lower().startswith(CLIENT_HEADER.encode() + b":")]


async def _send(upstream: _Upstream, stream: BodyStream) -> None:
    """Pass a body on as it comes in, no faster than the other process takes it. One that breaks off ends the connection."""
    chunked = stream.length is None
    try:
        async for part in stream:
            await upstream.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            await upstream.write(b"0\r\n\r\n")
    except ClientGone:
        upstream.end()
    except ConnectionError:
        pass  # Whoever waits for the answer sees it, too.
