"""HTTP/1.1 as the processes inside a sandbox speak it to port 9001: one request after the other, bodies with Content-Length or chunked.

Nothing is trusted: whoever speaks here is the function, or an extension of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import dataclass
from typing import Any, Protocol, cast

from haneul.runtime.port import RESPONSE_BYTES_MAX

_HEADER_BYTES_MAX = 32_768
_DISCARDED_BYTES_MAX = 16 * RESPONSE_BYTES_MAX
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
}


@dataclass(slots=True)
class Request:
    """One request; `headers` have lower-case names, `too_large` means that the body was over the limit and has been thrown away."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    too_large: bool = False


class BodyTaker(Protocol):
    """Takes a body while it arrives."""

    def feed(self, data: bytes) -> None: ...

    def finish(self, trailers: dict[str, str]) -> None:
        """The body is complete; the connection is to be answered."""

    def cut_off(self) -> None:
        """The connection ended before the body did."""


class Handler(Protocol):
    """What connections give their requests to."""

    def connected(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection) -> None: ...

    def body_taker(self, connection: Connection, request: Request) -> BodyTaker | None:
        """Called once the head is there: something to give the body to as it arrives, or None for a body in one piece."""

    def handle(self, connection: Connection, request: Request) -> None:
        """The request is complete. `connection` is to be answered, now or later."""


class _Body:
    """Takes a body's bytes from what arrives. ValueError for what is no HTTP."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.done = False
        self.trailers: dict[str, str] = {}
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = 0 if self._chunked else int(headers.get("content-length", "0"))
        self._in_trailers = False
        if self._left < 0:
            raise ValueError(self._left)

    def take(self, data: bytearray) -> bytes:
        """Remove from `data` what belongs to the body and return its content."""
        if self._chunked:
            return self._take_chunks(data)
        content = bytes(data[: self._left])
        del data[: len(content)]
        self._left -= len(content)
        self.done = self._left == 0
        return content

    def _take_chunks(self, data: bytearray) -> bytes:
        out = bytearray()
        while not self.done:
            if self._left > 2:  # The chunk's content, and the line's end after it.
                content = data[: self._left - 2]
                out += content
                del data[: len(content)]
                self._left -= len(content)
            if self._left:
                if len(data) < 2 or self._left > 2:
                    break
                del data[:2]
                self._left = 0
            end = data.find(b"\r\n")
            if end < 0:
                if len(data) > _HEADER_BYTES_MAX:
                    raise ValueError("an endless line")
                break
            line = bytes(data[:end])
            del data[: end + 2]
            self._take_line(line)
        return bytes(out)

    def _take_line(self, line: bytes) -> None:
        if not self._in_trailers:
            size = int(line.partition(b";")[0], 16)
            if size < 0:
                raise ValueError(size)
            self._left = size + 2 if size else 0
            self._in_trailers = size == 0
        elif not line:
            self.done = True
        elif len(self.trailers) < 64:
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._body = _Body({})
        self._taker: BodyTaker | None = None
        self._content = bytearray()
        self._content_bytes = 0
        self._answering = False
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class.
        self._handler.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._taker is not None:
            taker, self._taker = self._taker, None
            taker.cut_off()
        self._handler.lost(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def take_over(self) -> socket.socket | None:
        """The socket behind it, for other use once the request under way has been answered: with that the connection ends for the other side."""
        if self._transport is None:
            return None
        self._close_after = True
        return socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno()))

    def pause(self) -> None:
        """Take nothing for a while."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._answering:
            self._parse()
        elif len(self._data) > _HEADER_BYTES_MAX:
            self.abort()

    # ---- out

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
        lines += [f"{name}: {_one_line(value)}" for name, value in (headers or {}).items()]
        if self._close_after:
            lines.append("Connection: close")
        self._transport.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("utf-8") + body)
        if self._close_after:
            self._transport.close()
            return
        self._answering = False
        if self._data:
            self._parse()

    def answer_json(self, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        self.answer(status, body, {"Content-Type": "application/json", **(headers or {})})

    def refuse(self, status: int, kind: str, message: str) -> None:
        """Answer with an error document."""
        self.answer_json(status, {"errorMessage": message, "errorType": kind})

    def refuse_transition(self, state: str, target: str) -> None:
        message = f"State transition from {state} to {target} failed for runtime. Error: State transition is not allowed"
        self.refuse(403, "InvalidStateTransition", message)

    # ---- in

    def _parse(self) -> None:
        try:
            while not self._answering and (self._request is not None or self._data):
                if self._request is None and not self._parse_head():
                    return
                if not self._parse_body():
                    return
        except ValueError:
            self.abort()

    def _parse_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _HEADER_BYTES_MAX:
                raise ValueError("an endless head")
            return False
        request_line, *header_lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
        words = request_line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise ValueError(request_line)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
        del self._data[: end + 4]
        self._body = _Body(headers)
        self._request = Request(words[0], words[1], headers)
        self._content = bytearray()
        self._content_bytes = 0
        self._close_after = words[2] == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        if "100-continue" in headers.get("expect", "").lower() and not self._data and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._taker = self._handler.body_taker(self, self._request)
        return True

    def _parse_body(self) -> bool:
        """Whether the request is complete, and has been given on."""
        assert self._request is not None
        content = self._body.take(self._data)
        if self._taker is not None:
            if content:
                self._taker.feed(content)
            if not self._body.done:
                return False
            taker, self._taker, self._request = self._taker, None, None
            self._answering = True
            taker.finish(self._body.trailers)
            return True
        self._content_bytes += len(content)
        if self._content_bytes <= RESPONSE_BYTES_MAX:
            self._content += content
        else:  # Read to the end, so that the client gets to see the answer, but keep nothing.
            self._content.clear()
        if not self._body.done and self._content_bytes <= _DISCARDED_BYTES_MAX:
            return False
        request, self._request = self._request, None
        request.body = bytes(self._content)
        request.too_large = self._content_bytes > RESPONSE_BYTES_MAX
        self._close_after = self._close_after or request.too_large
        self._answering = True
        self._handler.handle(self, request)
        return True


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
