"""One client connection: an asyncio.Protocol over httptools.

Requests are answered one after another in the order they came (pipelining). No task is made for a handler, which would cost a durable write a tenth of its time: its
connection goes on with it when what it waits for is there. So handlers do without `asyncio.timeout`, which needs a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final, cast

import httptools

from haneul.core.errors import ClientGone
from haneul.core.http import FileBody, HttpRequest, HttpResponse
from haneul.front.body import IncomingBody, Unanswerable
from haneul.front.head import AS_LONG_AS_IT_IS, NO_BODY, head_bytes
from haneul.front.incoming import HEADER_BYTES_MAX, METHODS, Incoming, Refused, crowded, headers_of, path_of_absolute, refuse_coding, too_large
from haneul.front.respond import bound_near, driver, length_of, send_answer

if TYPE_CHECKING:
    from haneul.front.server import Server

Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]

_HEADER_COUNT_MAX: Final = 256
# What a process of ours that relays a request adds to its head.
_RELAYED_HEADERS, _RELAYED_BYTES = 4, 256
_STREAM_FROM_BYTES: Final = 1 << 20
_QUEUE_MAX: Final = 32
_JOIN_BELOW_BYTES: Final = 65_536
_BOUND_FROM_BYTES: Final = 1 << 19
_LINGER_SECONDS: Final = 5.0
_log = logging.getLogger("haneul")


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    __slots__ = (
        "_between", "_body", "_closing", "_current", "_driven", "_due", "_earlier_bytes", "_handler", "_head_bytes", "_headers", "_held", "_lingering", "_more_headers",
        "_parser", "_raw", "_read_bytes", "_reading_paused", "_ready", "_refused", "_remote_given", "_room", "_server", "_stream", "_transport",
        "_unread", "_url", "_work", "_writable", "last_progress", "remote", "request_began", "secure",
    )

    def __init__(self, server: Server, handler: Handler, remote: str | None = None) -> None:
        self._server = server
        self._handler = handler
        self._remote_given = remote
        self._more_headers = _RELAYED_HEADERS if remote is not None else 0
        self.remote = remote or ""
        self.secure = False
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)
        self._between = True  # Requests, where the next read begins with one.
        self._url = b""
        self._raw: list[bytes] = []  # Names and values in turn.
        self._headers: dict[str, str] = {}
        self._head_bytes = 0  # Of the reads that brought a head which is not complete; while a body comes, below zero: of those that brought none of it.
        self._earlier_bytes = 0  # How many of them may belong to requests before it.
        self._read_bytes = 0  # Of the read that is being parsed.
        self._body: list[bytes] = []
        self._stream: IncomingBody | None = None
        self._ready: list[Incoming] = []
        self._refused: Refused | None = None  # Why nothing more is read.
        self._current: Incoming | None = None
        self._driven: Generator[Any, Any, None] | None = None  # Runs the handler of `_current`, which waits for something.
        self._work: asyncio.Task[Any] | None = None
        self._closing = self._due = self._reading_paused = False
        self._held = b""  # Answers on their way to the transport.
        self._room = self._unread = 0
        self._lingering: asyncio.TimerHandle | None = None
        self._writable: asyncio.Event | None = None
        self.last_progress = 0.0
        self.request_began = 0.0  # Zero when none is being received.

    # ---- transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.secure = transport.get_extra_info("ssl_object") is not None
        if self._remote_given is None:
            peer = transport.get_extra_info("peername")
            self.remote = peer[0] if isinstance(peer, tuple) else ""
        self.last_progress = self._server.now
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._closing = True
        if self._lingering is not None:
            self._lingering.cancel()
        if self._stream is not None:
            self._stream.abort()
        if self._current is not None:
            self._current.disconnected = True
            if self._current.incoming is not None:
                self._current.incoming.abort()
        if self._writable is not None:
            self._writable.set()
        self._ready.clear()

    def data_received(self, data: bytes) -> None:
        self.last_progress = self._server.now
        if self._closing or self._refused is not None:
            return
        if self._between and (usual := self._server.quick_reader.read(data, self)) is not None:
            self._queue(usual)
        else:
            self._parse(data)
        if self._ready and self._current is None and not self._due:
            self._due = True
            self._server.answer_soon(self)

    def _parse(self, data: bytes) -> None:
        self._read_bytes = len(data)
        if self._head_bytes < 0:
            self._head_bytes -= len(data)
        rest = memoryview(data)
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:  # Nobody offered it: the request is answered like any other, and so is what comes behind it.
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause if isinstance(cause, Refused) else Refused(400, "Bad Request"))
                return
        if self._head_bytes >= 0 and self.request_began:
            self._head_bytes += len(data)
        if abs(self._head_bytes) - self._earlier_bytes > HEADER_BYTES_MAX + _RELAYED_BYTES * self._more_headers:
            self._refuse(too_large(self._url))

    def answer_ready(self) -> None:
        """Answer what has been received, now that the loop has read what it could from every connection."""
        self._due = False
        self._pump()

    def eof_received(self) -> bool:
        if self._stream is not None and not self._stream.finished:
            self._stream.abort()
        last = self._ready[-1] if self._ready else self._current
        if last is None:
            self.write_held()
            return False
        # Most who send no more have gone for good; one that only closed its sending half still gets its answer.
        if self._current is not None:
            self._current.disconnected = True
        last.keep_alive = False
        return True

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()

    # ---- parser callbacks

    def on_message_begin(self) -> None:
        self._between = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self.request_began = self.request_began or self.last_progress

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw += (name, value)

    def on_headers_complete(self) -> None:
        raw = self._raw
        # A head that came whole in a small read, as nearly all do, is small: only others are counted.
        if self._head_bytes + self._read_bytes > HEADER_BYTES_MAX and len(self._url) + sum([len(part) + 2 for part in raw]) > HEADER_BYTES_MAX + _RELAYED_BYTES * self._more_headers:
            raise too_large(self._url)
        if len(raw) > 2 * (_HEADER_COUNT_MAX + self._more_headers):
            raise Refused(431, "Request Header Fields Too Large")
        headers = self._headers = headers_of(raw, self._server.header_names)
        self._head_bytes = -1
        if "host" not in headers and self._parser.get_http_version() == "1.1":
            raise Refused(400, "Bad Request: no Host header")  # RFC 9112, 3.2
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return
        length = headers.get("content-length")
        if "transfer-encoding" in headers:
            refuse_coding(headers["transfer-encoding"], length)
        expects = "expect" in headers and headers["expect"].lower() == "100-continue"
        if expects or length is None or int(length) > _STREAM_FROM_BYTES:
            self._stream = IncomingBody(int(length) if length is not None else None, pause=self._pause, resume=self._resume, begin=self._begin_body)
            self._enqueue(expects and length != "0")

    def on_body(self, data: bytes) -> None:
        self._head_bytes = -1
        if self._stream is not None:
            self._stream.feed(data)
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._stream is not None:
            self._stream.finish()
            self._stream = None
        else:
            self._enqueue(False)
        self._raw = []
        self._between = self._parser.should_keep_alive()
        self.request_began = 0.0
        self._head_bytes = 0
        self._earlier_bytes = self._read_bytes

    def _enqueue(self, expects_continue: bool) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        self._url = b""
        if path[:1] != "/":
            path = path_of_absolute(path, self._headers)
        body, self._body = b"".join(self._body), []
        method = METHODS[self._parser.get_method()]
        lines = [b": ".join(self._raw[at : at + 2]) for at in range(0, len(self._raw), 2)]
        self._queue(Incoming(method, path, query, self._headers, body, self._stream, self, lines, self._parser.should_keep_alive(), expects_continue))

    def _queue(self, request: Incoming) -> None:
        self._ready.append(request)
        if crowded(self._ready, _QUEUE_MAX):
            self._pause()

    # ---- answering

    def _pump(self) -> None:
        """Answer what is ready, in order, as far as it goes without waiting."""
        while self._ready and self._current is None and not self._closing:
            if self._writable is not None and not self._writable.is_set():
                self._hold()
                return
            pending = self._current = self._ready.pop(0)
            # A body that waits for its turn goes on when it is read.
            if self._reading_paused and not crowded(self._ready, _QUEUE_MAX // 2) and (self._stream is None or not self._stream.paused):
                self._resume()
            driven = self._server.driver
            try:
                outcome = driven.send(self._handler(pending))
            except BaseException as error:
                self._server.driver = driver()
                outcome = self._broken(error)
            if isinstance(outcome, HttpResponse):
                self._answer(pending, outcome)
            else:
                spare = self._server.spare_drivers
                self._server.driver = spare.pop() if spare else driver()
                self._driven = driven
                self._wait_for(outcome)
        if self._refused is not None and self._current is None and not self._closing:
            self._refuse(self._refused)

    def _wait_for(self, waiting: Any) -> None:
        """Go on with the handler when a future is done, or, where it only lets others go first, in the loop's next round."""
        if waiting is None:
            asyncio.get_running_loop().call_soon(self._go_on)
        else:
            waiting._asyncio_future_blocking = False  # As a task tells a future that it has understood.
            waiting.add_done_callback(self._go_on)

    def _go_on(self, done: asyncio.Future[Any] | None = None) -> None:
        """What the handler waits for is there."""
        driven, pending = self._driven, self._current
        assert driven is not None and pending is not None
        try:
            outcome = driven.send(None)
            if not isinstance(outcome, HttpResponse):
                self._wait_for(outcome)
                return
            self._server.spare_drivers.append(driven)
        except BaseException as error:
            outcome = self._broken(error)
        self._driven = None
        self._answer(pending, outcome)
        self._pump()

    def _broken(self, error: BaseException) -> HttpResponse:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        if isinstance(error, Unanswerable):
            self.abort()
        elif not isinstance(error, ClientGone):
            _log.error("a request failed inside", exc_info=error)
        return HttpResponse(500, {"Content-Type": "text/plain"}, b"Internal Server Error\n")

    def _answer(self, pending: Incoming, response: HttpResponse) -> None:
        if self._closing:
            self._current = None
            self._let_go(response.body)
            return
        server = self._server
        if server.stopping:
            pending.keep_alive = False
        stream = pending.incoming
        if stream is not None and not stream.finished:
            pending.keep_alive = pending.keep_alive and stream.started
            stream.discard()
        body = response.body
        if not isinstance(body, bytes):
            self._answer_at_length(pending, response, body)
            return
        try:
            head = head_bytes(response, len(body), server.date, pending.keep_alive)
        except ValueError:
            head, body = self._withheld(pending), b""
        if not body or pending.method == "HEAD" or response.status in NO_BODY:
            self._write_soon(head)
        elif len(body) < _JOIN_BELOW_BYTES:
            self._write_soon(head + body)
        else:
            self._write_large(head, body)
        self._current = None
        if not pending.keep_alive:
            self._end()

    def _write_soon(self, data: bytes) -> None:
        """Write an answer together with those of other connections."""
        if not self._held:
            self._held = data
            self._server.write_soon(self)
            return
        self._held += data
        if len(self._held) > _JOIN_BELOW_BYTES:
            self.write_held()

    def write_held(self) -> None:
        """Write what `_write_soon` was given."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def _write_large(self, head: bytes, body: bytes) -> None:
        """Write a body that is in memory and stays there: it goes out with what others have to say, not between their answers."""
        if len(body) > self._room:
            if len(body) >= _BOUND_FROM_BYTES > self._room:
                bound_near(self._transport)
            self._room = len(body)
            self._transport.set_write_buffer_limits(high=len(head) + len(body) + _JOIN_BELOW_BYTES)
        self.write_held()
        self._transport.writelines((head, body))

    def _answer_at_length(self, pending: Incoming, response: HttpResponse, body: FileBody | AsyncIterator[bytes]) -> None:
        """Answer with a file or a stream, which takes a task."""
        length = length_of(response, body)
        chunked = length is None and self._parser.get_http_version() != "1.0"
        if length is None and not chunked:
            length, pending.keep_alive = AS_LONG_AS_IT_IS, False
        try:
            head = head_bytes(response, length, self._server.date, pending.keep_alive)
        except ValueError:
            self.write(self._withheld(pending))
            self._let_go(body)
            self._done(pending)
            return
        if self._room:
            self._room = 0
            self._transport.set_write_buffer_limits()
        bound_near(self._transport)
        self._work = asyncio.get_running_loop().create_task(self._send(pending, head, body, chunked))

    def _let_go(self, body: bytes | FileBody | AsyncIterator[bytes]) -> None:
        """Nobody will be sent a body."""
        if not isinstance(body, bytes | FileBody) and hasattr(body, "aclose"):
            self._work = asyncio.get_running_loop().create_task(body.aclose())

    def _withheld(self, pending: Incoming) -> bytes:
        _log.error("a response had a line break in a header and was withheld")
        return head_bytes(HttpResponse(500), 0, self._server.date, pending.keep_alive)

    def _hold(self) -> None:
        """The client does not read: answer no more until it does."""
        pending = self._current = Incoming("", "", "", {}, b"", None, self, [], True, False)

        async def wait() -> None:
            with contextlib.suppress(ConnectionError):  # One that went away is answered nothing more: `_closing` says so.
                await self.drain()
            if self._current is pending:
                self._current = self._work = None
                self._pump()

        self._work = asyncio.get_running_loop().create_task(wait())

    async def _send(self, pending: Incoming, head: bytes, body: FileBody | AsyncIterator[bytes], chunked: bool) -> None:
        await send_answer(self, head, body, chunked, whole=pending.method != "HEAD")
        self._work = None
        self._done(pending)
        self._pump()

    def _done(self, pending: Incoming) -> None:
        self._current = None
        self.last_progress = self._server.now
        if not pending.keep_alive:
            self._end()

    def _refuse(self, refused: Refused) -> None:
        """Answer a request that cannot be read, after those before it; the connection ends with it."""
        self._refused = refused
        now = self._stream is not None and not self._ready  # It is the one that is being answered.
        if self._stream is not None:
            self._stream.abort()
            self._stream = None
            del self._ready[-1:]
        if not now and (self._ready or self._current is not None):
            self.request_began, self._head_bytes = 0.0, 0
            return
        body = (refused.message + "\n").encode()
        self.write(head_bytes(HttpResponse(refused.status, {"Content-Type": "text/plain"}), len(body), self._server.date, False) + body)
        self._end()

    def _end(self) -> None:
        """Close, once the client has taken its answer.

        Closing on a client that is still sending resets the connection, and it would never see why (RFC 9112, 9.6): what it sends
        is thrown away for a while.
        """
        self._closing = True
        self.write_held()
        if not self.request_began and self._refused is None:
            self._transport.close()
            return
        self.request_began, self._head_bytes = 0.0, 0
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()
        self._lingering = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.close)

    # ---- used by the server and the senders

    @property
    def idle(self) -> bool:
        """No request is being received or answered."""
        return self._lingering is not None or (self._current is None and not self._ready and self.request_began == 0.0)

    @property
    def receiving_body(self) -> bool:
        return self._head_bytes < 0

    @property
    def answering(self) -> bool:
        return self._current is not None

    def write(self, data: bytes) -> None:
        if self._closing and self._transport.is_closing():
            raise ConnectionError("the client went away")
        self.write_held()
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        self.last_progress = self._server.now
        if self._writable is not None and not self._writable.is_set():
            await self._writable.wait()
        if self._transport.is_closing():
            raise ConnectionError("the client went away")

    def is_deaf(self, timeout: float) -> bool:
        """Whether the client has taken nothing of what waits for it for `timeout` seconds. To be asked again and again."""
        unread = self._transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread = unread
            self.last_progress = self._server.now
        return unread > 0 and self._server.now - self.last_progress > timeout

    def close(self) -> None:
        self._closing = True
        self.write_held()
        self._transport.close()

    def abort(self) -> None:
        self._closing = True
        self.write_held()
        self._transport.abort()

    def time_out(self) -> None:
        """The client is too slow."""
        if self._stream is not None and not self._ready and self._current is not None:  # Of the request that is being answered.
            self.abort()
        else:
            self._refuse(Refused(408, "Request Timeout"))

    def _pause(self) -> None:
        if not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._reading_paused and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def _begin_body(self) -> None:
        if self._current is not None and self._current.expects_continue:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
