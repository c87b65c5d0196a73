"""What accompanies the runtime in an environment: its extensions and their telemetry, seen from the environment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from haneul.runtime import errors, platform
from haneul.runtime.drivers.port import Sandbox
from haneul.runtime.extensions import Extensions, ShutdownReason
from haneul.runtime.inside_http import Connection, Request
from haneul.runtime.logs import LogReader
from haneul.runtime.port import FunctionSpec, Invocation, LogLine, OnEvent, OnLog, Outcome
from haneul.runtime.telemetry import Telemetry

_RUNTIME_END_SECONDS = 0.3
"""What a runtime has for ending after SIGTERM (Lambda execution environment lifecycle, Shutdown phase)."""


class Accompanied(Protocol):
    """The environment."""

    on_log: OnLog | None
    on_event: OnEvent | None

    def start_runtime(self) -> None:
        """The external extensions have all registered: the sandbox may go on to the runtime."""

    def companions_ready(self) -> None:
        """Every extension waits for its next event."""

    def companion_failed(self, kind: str, message: str) -> None:
        """An extension has ended, or reported that it cannot go on: so ends the environment."""

    def runtime_ended(self) -> None:
        """The runtime's process has ended, while extensions still run."""


class Companions:
    """The extensions of one sandbox."""

    def __init__(self, spec: FunctionSpec, environment: Accompanied, wall_ns: Callable[[], int], new_id: Callable[[], str]) -> None:
        self._spec = spec
        self._environment = environment
        self._wall_ns = wall_ns
        self._loop = asyncio.get_running_loop()
        self.extensions = Extensions(spec, self._progress, self._failed, new_id)
        self.telemetry: Telemetry | None = None
        self._logs: LogReader | None = None
        self._sandbox: Sandbox | None = None
        self._launched: tuple[str, dict[str, Any], int] = ("", {}, 0)
        self._ended_early: list[str] = []
        self._runtime_waits = False
        self._shutting_down = False

    def __bool__(self) -> bool:
        return len(self.extensions) > 0

    def attend(self, sandbox: Sandbox, launched: tuple[str, dict[str, Any]]) -> None:
        """There is a sandbox, of which `launched` tells; if it has a folder with extensions in it, also a log for them and a way in."""
        self._sandbox = sandbox
        self._launched = (*launched, self._wall_ns())
        if sandbox.outlet is None:
            return
        self.telemetry = Telemetry(sandbox.outlet, self._wall_ns, self._write)
        self.telemetry.platform(*self._launched)
        self._logs = logs = LogReader(sandbox.extension_log, self._wall_ns, self._lines)
        sandbox.extension_log = -1

        def read() -> None:
            if not logs.read():
                self._loop.remove_reader(logs.fd)

        self._loop.add_reader(logs.fd, read)

    def close(self) -> None:
        """The sandbox is gone."""
        if self.telemetry is not None:
            self.telemetry.close()
        if self._logs is not None and self._logs.fd >= 0:
            self._loop.remove_reader(self._logs.fd)
            self._logs.read(rounds=1024)
            self._logs.close()

    # ---- what the sandbox tells

    def started(self, body: bytes) -> None:
        """It has started the external extensions whose names `body` lists, and waits with the runtime until all have registered."""
        if self:
            return
        self._runtime_waits = True
        self.extensions.expect([str(name) for name in json.loads(body)])
        if self.extensions.too_many:
            self._environment.companion_failed("Extension.TooManyExtensions", "Too many extensions")
        self._progress()
        while self._ended_early:
            self.extensions.exited(self._ended_early.pop())

    def on_status(self, text: str) -> None:
        """Lines of the keeper's: an extension has ended, or the runtime while extensions still run."""
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "extension" and not self:  # Its start is told by another way, and has not arrived yet.
                self._ended_early.append(rest)
            elif word == "extension":
                self.extensions.exited(rest)
            elif self and not self._shutting_down:
                self._environment.runtime_ended()

    # ---- requests on port 9001 that are not the Runtime API's

    def handle(self, connection: Connection, request: Request) -> bool:
        if not Telemetry.owns(request.path):
            return self.extensions.handle(connection, request)
        extension = self.extensions.identify(connection, request)
        if extension is not None and self.telemetry is not None:
            self.telemetry.subscribe(connection, request, extension.name)
        elif extension is not None:
            self._subscribe_internal(connection, request, extension.name)
        return True

    def _subscribe_internal(self, connection: Connection, request: Request, name: str) -> None:
        """A function without a folder for extensions has an internal one. Nothing but this very connection leads into its sandbox: so, once answered, it is
        turned into one to the subscriber."""
        outlet = connection.take_over()
        if self._sandbox is None or outlet is None:
            connection.answer_json(202, {"errorMessage": "Telemetry API is not supported", "errorType": "Telemetry.NotSupported"})
            return
        self._sandbox.outlet = outlet
        self.telemetry = Telemetry(outlet, self._wall_ns, self._write)
        self.telemetry.platform(*self._launched)
        if self.extensions.closed:
            self.telemetry.initialised()
        self.telemetry.subscribe(connection, request, name)

    def lost(self, connection: Connection) -> None:
        self.extensions.lost(connection)

    # ---- phases

    def initialised(self) -> None:
        """The Init phase is over."""
        self.extensions.closed = True
        for record in self.extensions.records():
            self.tell("platform.extension", record)
            self._write("platform.extension", record)

    def tell(self, kind: str, record: dict[str, Any]) -> None:
        """Something has happened to the environment."""
        if self.telemetry is not None:
            self.telemetry.platform(kind, record)

    def subscriptions_close(self) -> None:
        """What there was to say of the Init phase has been said."""
        if self.telemetry is not None:
            self.telemetry.initialised()

    def invocation_begins(self, invocation: Invocation, timeout_ms: int) -> None:
        self.extensions.invoke(invocation, self._wall_ns() // 1_000_000 + timeout_ms)
        if self.telemetry is not None:
            self.telemetry.platform("platform.start", platform.start(invocation, self._spec))

    def runtime_done(self, invocation: Invocation, status: str, duration_ns: int, produced_bytes: int) -> None:
        if self.telemetry is not None:
            self.telemetry.platform("platform.runtimeDone", platform.runtime_done(invocation, status, duration_ns, produced_bytes))

    def report(self, request_id: str, outcome: Outcome) -> None:
        if self.telemetry is not None:
            self.telemetry.platform("platform.report", platform.report(request_id, self._spec, outcome))

    def function_lines(self, lines: list[LogLine]) -> None:
        if self.telemetry is not None:
            self.telemetry.lines("function", lines, self._spec.log_format == "JSON")

    async def shut_down(self, sandbox: Sandbox, ended: asyncio.Future[None], reason: ShutdownReason) -> None:
        """The Shutdown phase: the runtime is asked to end, the extensions are told, and what is left in the end is killed."""
        if self._shutting_down:
            return
        self._shutting_down = True
        sandbox.terminate()
        seconds = self.extensions.shutdown_seconds if self.extensions.want_shutdown else _RUNTIME_END_SECONDS
        self.extensions.shut_down(reason, self._wall_ns() // 1_000_000 + int(seconds * 1000))
        if self.telemetry is not None:
            finishing = asyncio.ensure_future(self.telemetry.finish())
            await asyncio.wait([ended, finishing], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finishing.cancel()
        await asyncio.wait([ended], timeout=seconds)
        sandbox.kill()

    # ---- own

    def _progress(self) -> None:
        if self._runtime_waits and self.extensions.all_registered:
            self._runtime_waits = False
            self._environment.start_runtime()
        if self.extensions.all_ready:
            self._environment.companions_ready()

    def _failed(self, kind: str, name: str) -> None:
        self._environment.companion_failed(kind, f"extension {name} failed")

    def _write(self, kind: str, record: dict[str, Any]) -> None:
        """What the service itself has to say of an extension, in the function's log."""
        if self._environment.on_event is not None:
            self._environment.on_event(kind, record)
        else:
            self._give([LogLine(self._wall_ns(), platform.line_of(kind, record).encode())])

    def _lines(self, lines: list[LogLine]) -> None:
        if self.telemetry is not None:
            self.telemetry.lines("extension", lines, False)
        self._give(lines)

    def _give(self, lines: list[LogLine]) -> None:
        if self._environment.on_log is not None:
            self._environment.on_log(lines)


def failure_document(kind: str, request_id: str, message: str) -> bytes:
    """The error document of an invocation whose environment ended by an extension's fault."""
    return errors.document(kind, f"RequestId: {request_id} Error: {message}")
