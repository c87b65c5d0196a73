"""The Runtime API, version 2018-06-01, on 127.0.0.1:9001 inside a sandbox (AWS Lambda Developer Guide, "Using the Lambda runtime API").

One `RuntimeApi` listens for one environment. What belongs to extensions it gives to `haneul.runtime.extensions`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
from dataclasses import dataclass
from typing import Literal, Protocol

from haneul.runtime.inside_http import BodyTaker, Connection, Request
from haneul.runtime.port import RESPONSE_BYTES_MAX, Invocation
from haneul.runtime.streaming import Source

_PREFIX = "/2018-06-01/runtime/"
_CONNECTIONS_MAX = 64
_NOT_FOUND = (404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


@dataclass(frozen=True)
class Submission:
    """What a runtime posted: a response, an error, or the failure of its Init phase."""

    kind: Literal["response", "error", "init_error", "too_large"]
    payload: bytes = b""
    error_type: str | None = None
    content_type: str = "application/json"


class StreamedAnswer(Protocol):
    """An answer under way, on the environment's side."""

    def feed(self, data: bytes) -> None: ...

    def finish(self, kind: str | None, error: bytes) -> None: ...


class Served(Protocol):
    """The environment behind the API."""

    @property
    def current_request_id(self) -> str | None: ...
    @property
    def is_initialised(self) -> bool: ...
    @property
    def uses_channel(self) -> bool: ...
    @property
    def restores(self) -> bool | None: ...
    def initialised(self) -> None: ...
    def asks(self) -> None: ...
    def stopped_asking(self) -> None: ...
    def submit(self, submission: Submission) -> None: ...
    def begin_stream(self, content_type: str, source: Source) -> StreamedAnswer: ...


class Routes(Protocol):
    """Serves the paths that are not the Runtime API's."""

    def handle(self, connection: Connection, request: Request) -> bool:
        """Whether the path was its own, and has been or will be answered."""

    def lost(self, connection: Connection) -> None: ...


class RuntimeApi:
    """Accepts connections as they come, and knows which of them waits for the next invocation."""

    def __init__(self, listener: socket.socket, environment: Served, others: Routes) -> None:
        self._listener = listener
        self.environment = environment
        self._others = others
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

    @property
    def untaken(self) -> bool:
        """Whether an invocation was offered that nobody has asked for."""
        return self._offered is not None

    def close(self) -> None:
        if self._listener.fileno() >= 0:
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
            self.environment.stopped_asking()
        self._others.lost(connection)

    def body_taker(self, connection: Connection, request: Request) -> BodyTaker | None:
        """A streamed response to the invocation under way is passed on as it comes; everything else is taken whole."""
        parts = _parts(request.path)
        if request.headers.get("lambda-runtime-function-response-mode") != "streaming" or request.method != "POST":
            return None
        if parts is None or len(parts) != 3 or parts[2] != "response" or self._offered is not None:
            return None
        if parts[1] != self.environment.current_request_id:
            return None
        content_type = request.headers.get("content-type", "application/octet-stream")
        return _Streamed(connection, self.environment.begin_stream(content_type, connection))

    def handle(self, connection: Connection, request: Request) -> None:
        parts = _parts(request.path)
        if parts is None:
            if not self._others.handle(connection, request):
                connection.answer(*_NOT_FOUND)
            return
        expected = "GET" if parts in (["invocation", "next"], ["restore", "next"]) else "POST"
        known = parts in (["invocation", "next"], ["init", "error"], ["restore", "next"], ["restore", "error"]) or (len(parts) == 3 and parts[0] == "invocation" and parts[2] in ("response", "error"))
        if not known:
            connection.answer(*_NOT_FOUND)
        elif request.method != expected:
            connection.answer(405, b"")
        elif parts == ["restore", "next"]:
            self._restore_next(connection)
        elif parts[1] == "next":
            self._next(connection)
        elif parts[0] in ("init", "restore"):
            self._init_error(connection, request, parts[0])
        else:
            self._result(connection, parts[1], parts[2], request)

    def _next(self, connection: Connection) -> None:
        environment = self.environment
        if environment.uses_channel or self._waiting is not None or (environment.current_request_id is not None and self._offered is None):
            connection.refuse_transition("Running" if environment.current_request_id is not None else "Ready", "Ready")
            return
        self._waiting = connection
        environment.initialised()
        environment.asks()
        self._give()

    def _restore_next(self, connection: Connection) -> None:
        """A runtime with SnapStart has initialised the function, and run the hooks for it: a snapshot may be taken. The answer comes in what is restored."""
        environment = self.environment
        if environment.uses_channel or environment.is_initialised or environment.restores is None:
            connection.refuse_transition("Ready" if environment.is_initialised else "Started", "Restoring")
        elif environment.restores:
            connection.answer_json(200, {})
        else:
            environment.initialised()

    def _init_error(self, connection: Connection, request: Request, phase: str) -> None:
        if self.environment.is_initialised or (phase == "restore" and not self.environment.restores):
            state = "Running" if self.environment.current_request_id is not None else "Ready" if self.environment.is_initialised else "Started"
            connection.refuse_transition(state, "InitError" if phase == "init" else "RestoreError")
            return
        self.environment.submit(Submission("init_error", request.body, request.headers.get("lambda-runtime-function-error-type")))
        connection.answer_json(202, {"status": "OK"})

    def _result(self, connection: Connection, request_id: str, what: str, request: Request) -> None:
        current = self.environment.current_request_id
        target = "InvocationResponse" if what == "response" else "InvocationErrorResponse"
        if current is None or self._offered is not None:
            connection.refuse_transition("Ready" if self.environment.is_initialised else "Started", target)
        elif request_id != current:
            connection.refuse(400, "InvalidRequestID", "Invalid request ID")
        elif request.headers.get("lambda-runtime-function-response-mode", "").lower() not in ("", "buffered", "streaming"):
            connection.refuse(400, "InvalidFunctionResponseMode", "Invalid function response mode")
        elif request.too_large:
            self.environment.submit(Submission("too_large"))
            connection.refuse(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).")
        else:
            kind: Literal["response", "error"] = "response" if what == "response" else "error"
            error_type = request.headers.get("lambda-runtime-function-error-type")
            self.environment.submit(Submission(kind, request.body, error_type, request.headers.get("content-type", "application/json")))
            connection.answer_json(202, {"status": "OK"})


class _Streamed:
    """Takes a streamed response: its chunks, and in the trailers the error that ended it early, if one did."""

    def __init__(self, connection: Connection, answer: StreamedAnswer) -> None:
        self._connection = connection
        self._answer = answer

    def feed(self, data: bytes) -> None:
        self._answer.feed(data)

    def finish(self, trailers: dict[str, str]) -> None:
        error_type = trailers.get("lambda-runtime-function-error-type")
        error = b""
        try:
            error = base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""), validate=True)
        except binascii.Error:
            error_type = error_type or "Runtime.Unknown"
        self._answer.finish(error_type, error)
        self._connection.answer_json(202, {"status": "OK"})

    def cut_off(self) -> None:
        self._answer.finish("Runtime.TruncatedResponse", b"")


def _parts(path: str) -> list[str] | None:
    """The elements of a path below the Runtime API's own."""
    if not path.startswith(_PREFIX):
        return None
    return path.removeprefix(_PREFIX).partition("?")[0].split("/")
