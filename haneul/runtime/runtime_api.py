"""The Runtime API, version 2018-06-01, on 127.0.0.1:9001 inside a sandbox (AWS Lambda Developer Guide, "Using the Lambda runtime API").

One `RuntimeApi` listens for one environment. Nothing is trusted: whoever speaks here is the function.
"""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Literal, Protocol

from haneul.runtime.port import RESPONSE_BYTES_MAX, Invocation

_PREFIX = "/2018-06-01/runtime/"
_HEADER_BYTES_MAX = 32_768
_CONNECTIONS_MAX = 64
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 413: "Request Entity Too Large"}


@dataclass(frozen=True)
class Submission:
    """What a runtime posted: a response, an error, or the failure of its Init phase."""

    kind: Literal["response", "error", "init_error", "too_large"]
    payload: bytes = b""
    error_type: str | None = None
    content_type: str = "application/json"


class Served(Protocol):
    """The environment behind the API."""

    @property
    def current_request_id(self) -> str | None: ...
    @property
    def is_initialised(self) -> bool: ...
    @property
    def uses_channel(self) -> bool: ...
    def initialised(self) -> None: ...
    def submit(self, submission: Submission) -> None: ...


class RuntimeApi:
    """Accepts connections as they come, and knows which of them waits for the next invocation."""

    def __init__(self, listener: socket.socket, environment: Served) -> None:
        self._listener = listener
        self.environment = environment
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._waiting: Connection | None = None
        self._offered: tuple[Invocation, int] | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._loop.add_reader(listener.fileno(), self._accept)

    def offer(self, invocation: Invocation, deadline_ms: int) -> None:
        """Give the invocation to the connection that waits for one, or keep it for the next that asks. `deadline_ms` is since the epoch."""
        self._offered = (invocation, deadline_ms)
        self._give()

    def close(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for connection in list(self._connections):
            connection.abort()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:  # It went away again, or descriptors are short just now.
            return
        if len(self._connections) >= _CONNECTIONS_MAX:
            accepted.close()
            return
        task: asyncio.Task[object] = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self), accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give(self) -> None:
        if self._waiting is None or self._offered is None:
            return
        connection, (invocation, deadline_ms) = self._waiting, self._offered
        self._waiting = self._offered = None
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.invoked_function_arn,
        }
        if invocation.trace_id:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace_id
        if invocation.client_context:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        if invocation.cognito_identity:
            headers["Lambda-Runtime-Cognito-Identity"] = invocation.cognito_identity
        connection.answer(200, invocation.payload, headers)

    # ---- called by connections

    def connected(self, connection: Connection) -> None:
        self._connections.add(connection)

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._waiting is connection:
            self._waiting = None

    def handle(self, connection: Connection, method: str, path: str, headers: dict[str, str], body: bytes, too_large: bool) -> None:
        if not path.startswith(_PREFIX):
            connection.answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
            return
        parts = path.removeprefix(_PREFIX).partition("?")[0].split("/")
        expected = "GET" if parts == ["invocation", "next"] else "POST"
        known = parts in (["invocation", "next"], ["init", "error"]) or (len(parts) == 3 and parts[0] == "invocation" and parts[2] in ("response", "error"))
        if not known:
            connection.answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        elif method != expected:
            connection.answer(405, b"")
        elif parts[1] == "next":
            self._next(connection)
        elif parts[0] == "init":
            self._init_error(connection, headers, body)
        else:
            self._result(connection, parts[1], parts[2], headers, body, too_large)

    def _next(self, connection: Connection) -> None:
        environment = self.environment
        if environment.uses_channel or self._waiting is not None or (environment.current_request_id is not None and self._offered is None):
            connection.refuse_transition("Running" if environment.current_request_id is not None else "Ready", "Ready")
            return
        self._waiting = connection
        environment.initialised()
        self._give()

    def _init_error(self, connection: Connection, headers: dict[str, str], body: bytes) -> None:
        if self.environment.is_initialised:
            connection.refuse_transition("Running" if self.environment.current_request_id is not None else "Ready", "InitError")
            return
        self.environment.submit(Submission("init_error", body, headers.get("lambda-runtime-function-error-type")))
        connection.answer_json(202, {"status": "OK"})

    def _result(self, connection: Connection, request_id: str, what: str, headers: dict[str, str], body: bytes, too_large: bool) -> None:
        current = self.environment.current_request_id
        target = "InvocationResponse" if what == "response" else "InvocationErrorResponse"
        if current is None or self._offered is not None:
            connection.refuse_transition("Ready" if self.environment.is_initialised else "Started", target)
        elif request_id != current:
            connection.answer_json(400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"})
        elif too_large:
            self.environment.submit(Submission("too_large"))
            message = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            connection.answer_json(413, {"errorMessage": message, "errorType": "RequestEntityTooLarge"})
        else:
            kind: Literal["response", "error"] = "response" if what == "response" else "error"
            error_type = headers.get("lambda-runtime-function-error-type")
            self.environment.submit(Submission(kind, body, error_type, headers.get("content-type", "application/json")))
            connection.answer_json(202, {"status": "OK"})


class Connection(asyncio.Protocol):
    """HTTP/1.1 as runtime clients speak it: one request after the other, bodies with Content-Length or chunked."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answering = False
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._api.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._api.lost(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

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

    def answer_json(self, status: int, document: dict[str, str]) -> None:
        self.answer(status, json.dumps(document, separators=(",", ":")).encode() + b"\n", {"Content-Type": "application/json"})

    def refuse_transition(self, state: str, target: str) -> None:
        message = f"State transition from {state} to {target} failed for runtime. Error: State transition is not allowed"
        self.answer_json(403, {"errorMessage": message, "errorType": "InvalidStateTransition"})

    # ---- in

    def _parse(self) -> None:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _HEADER_BYTES_MAX:
                self.abort()
            return
        request_line, *header_lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
        words = request_line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self.abort()
            return
        if "100-continue" in headers.get("expect", "").lower() and self._transport is not None and len(self._data) == end + 4:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            del headers["expect"]
        try:
            body = self._body(end + 4, headers)
        except ValueError:
            self.abort()
            return
        if body is None:
            return
        content, consumed, too_large = body
        del self._data[:consumed]
        self._close_after = words[2] == "HTTP/1.0" or headers.get("connection", "").lower() == "close" or too_large
        self._answering = True
        self._api.handle(self, words[0], words[1], headers, content, too_large)

    def _body(self, start: int, headers: dict[str, str]) -> tuple[bytes, int, bool] | None:
        """The body, where it ends, and whether it is too large to be taken; None while it is incomplete."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(start)
        length = int(headers.get("content-length", "0"))
        if length < 0:
            raise ValueError(length)
        have = len(self._data) - start
        if length > RESPONSE_BYTES_MAX:  # Read to the end, so that the client gets to see the answer, but keep nothing.
            if have < length:
                if have > RESPONSE_BYTES_MAX and length > 16 * RESPONSE_BYTES_MAX:
                    return b"", len(self._data), True
                return None
            return b"", start + length, True
        if have < length:
            return None
        return bytes(self._data[start : start + length]), start + length, False

    def _chunks(self, start: int) -> tuple[bytes, int, bool] | None:
        out = bytearray()
        at = start
        while (line_end := self._data.find(b"\r\n", at)) >= 0:
            size = int(bytes(self._data[at:line_end]).partition(b";")[0], 16)
            at = line_end + 2
            if size == 0:
                trailer_end = self._data.find(b"\r\n", at)
                while trailer_end > at:
                    at = trailer_end + 2
                    trailer_end = self._data.find(b"\r\n", at)
                if trailer_end < 0:
                    return None
                return (b"", trailer_end + 2, True) if len(out) > RESPONSE_BYTES_MAX else (bytes(out), trailer_end + 2, False)
            if size < 0 or len(out) + size > 4 * RESPONSE_BYTES_MAX:
                return b"", len(self._data), True
            if len(self._data) < at + size + 2:
                return None
            out += self._data[at : at + size]
            at += size + 2
        return None


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
