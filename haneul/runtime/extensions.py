"""The Extensions API, version 2020-01-01 (AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions").

External extensions are the programs in /opt/extensions, which the sandbox starts before the runtime; internal ones are threads of the runtime's
process. Both register, then ask for the next event again and again; an invocation is over when all have asked again.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from haneul.runtime.inside_http import Connection, Request
from haneul.runtime.port import FunctionSpec, Invocation

EXTENSIONS_MAX = 10
"""Extensions of one function (Lambda quotas)."""

SHUTDOWN_EXTERNAL_SECONDS = 2.0
SHUTDOWN_INTERNAL_SECONDS = 0.5
"""How long the Shutdown phase may take: with an external extension, and with internal ones alone."""

_PREFIX = "/2020-01-01/extension/"
_EVENTS = ("INVOKE", "SHUTDOWN")
_IDENTIFIER = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
ShutdownReason = Literal["spindown", "timeout", "failure"]


@dataclass(eq=False)
class Extension:
    """One extension. `state` has the names that the service's messages and log lines use."""

    name: str
    identifier: str
    external: bool
    state: str = "Started"
    events: list[str] = field(default_factory=list)
    waiting: Connection | None = None
    pending: deque[dict[str, Any]] = field(default_factory=deque)


class Extensions:
    """The extensions of one environment.

    `on_progress` is called whenever one has registered or is ready; `on_failure(error type, extension's name)` when one has reported an error or
    ended; `on_line` is given the lines that the service writes into the function's log.
    """

    def __init__(
        self, spec: FunctionSpec, on_progress: Callable[[], None], on_failure: Callable[[str, str], None], new_id: Callable[[], str]
    ) -> None:
        self._spec = spec
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._new_id = new_id
        self._all: dict[str, Extension] = {}
        self._ending = False
        self.closed = False
        """Set when the Init phase is over: no more extensions can register."""

    def __len__(self) -> int:
        return len(self._all)

    def expect(self, names: list[str]) -> None:
        """These external extensions have been started."""
        for name in names:
            extension = Extension(name, self._new_id(), external=True)
            self._all[extension.identifier] = extension

    @property
    def too_many(self) -> bool:
        return len(self._all) > EXTENSIONS_MAX

    @property
    def all_registered(self) -> bool:
        """Whether every external extension has registered: the runtime is started only then."""
        return all(extension.state != "Started" for extension in self._all.values())

    @property
    def all_ready(self) -> bool:
        """Whether every extension waits for its next event."""
        return all(extension.state == "Ready" and not extension.pending for extension in self._all.values())

    @property
    def want_shutdown(self) -> bool:
        """Whether any has asked to be told of the end."""
        return any("SHUTDOWN" in extension.events for extension in self._all.values())

    @property
    def shutdown_seconds(self) -> float:
        """How long these extensions may take to shut down."""
        if not self._all:
            return 0.0
        return SHUTDOWN_EXTERNAL_SECONDS if any(extension.external for extension in self._all.values()) else SHUTDOWN_INTERNAL_SECONDS

    def records(self) -> list[dict[str, Any]]:
        """What is told of them at the end of the Init phase, as `platform.extension`."""
        return [{"name": one.name, "state": one.state, "events": one.events} for one in self._all.values()]

    def name_of(self, identifier: str | None) -> str | None:
        """The name of the extension that has this identifier."""
        extension = self._all.get(identifier or "")
        return extension.name if extension is not None else None

    # ---- events

    def invoke(self, invocation: Invocation, deadline_ms: int) -> None:
        """Tell those who want to know that an invocation begins. `deadline_ms` is since the epoch."""
        event: dict[str, Any] = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.invoked_function_arn,
        }
        if invocation.trace_id:
            event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
        self._send("INVOKE", event)

    def shut_down(self, reason: ShutdownReason, deadline_ms: int) -> None:
        """Tell those who want to know that the environment ends."""
        self._ending = True
        self._send("SHUTDOWN", {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms})

    def _send(self, kind: str, event: dict[str, Any]) -> None:
        for extension in self._all.values():
            if kind in extension.events and extension.state in ("Registered", "Ready", "Running"):
                extension.pending.append(event)
                self._give(extension)

    def _give(self, extension: Extension) -> None:
        if extension.waiting is None or not extension.pending:
            return
        connection, extension.waiting = extension.waiting, None
        extension.state = "Running"
        headers = {"Lambda-Extension-Identifier": extension.identifier, "Lambda-Extension-Event-Identifier": self._new_id()}
        connection.answer_json(200, extension.pending.popleft(), headers)

    def exited(self, name: str) -> None:
        """An external extension's process has ended."""
        for extension in self._all.values():
            if extension.name == name and extension.external and extension.state not in ("InitError", "ExitError"):
                extension.state = "Exited"
                if not self._ending:
                    self._on_failure("Extension.Crash", name)

    # ---- requests

    def handle(self, connection: Connection, request: Request) -> bool:
        """Serve a request, if its path is the Extensions API's."""
        if not request.path.startswith(_PREFIX):
            return False
        what = request.path.removeprefix(_PREFIX).partition("?")[0]
        expected = {"register": "POST", "event/next": "GET", "init/error": "POST", "exit/error": "POST"}.get(what)
        if expected is None:
            connection.answer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        elif request.method != expected:
            connection.answer(405, b"")
        elif what == "register":
            self._register(connection, request)
        elif (extension := self.identify(connection, request)) is None:
            pass
        elif what == "event/next":
            self._next(connection, extension)
        else:
            self._error(connection, request, extension, what == "init/error")
        return True

    def identify(self, connection: Connection, request: Request) -> Extension | None:
        """The extension that a request comes from; a request from none is refused."""
        identifier = request.headers.get("lambda-extension-identifier", "")
        if not identifier:
            connection.refuse(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
            return None
        if not _IDENTIFIER.match(identifier):
            connection.refuse(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
            return None
        extension = self._all.get(identifier)
        if extension is None or extension.state == "Started":
            connection.refuse(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
            return None
        return extension

    def lost(self, connection: Connection) -> None:
        """A connection has ended; an event that it waited for stays for the next."""
        for extension in self._all.values():
            if extension.waiting is connection:
                extension.waiting = None

    def _register(self, connection: Connection, request: Request) -> None:
        name = request.headers.get("lambda-extension-name", "")
        if not name:
            connection.refuse(403, "Extension.InvalidExtensionName", "Empty extension name")
            return
        events = _parse_events(request.body)
        if events is None:
            connection.refuse(403, "InvalidRequestFormat", "The body is not a JSON object with a list of events.")
            return
        extension = next((one for one in self._all.values() if one.name == name and one.external), None)
        for event in events:
            if event not in _EVENTS:
                connection.refuse(403, "Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
                return
            if event == "SHUTDOWN" and extension is None:
                connection.refuse(403, "Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")
                return
        if extension is None and (extension := self._new_internal(connection, name)) is None:
            return
        if extension.state != "Started":
            self._refuse_state(connection, extension, "Registered", extension.name)
            return
        extension.state = "Registered"
        extension.events = events
        answer = {"functionName": self._spec.function_name, "functionVersion": self._spec.function_version, "handler": self._spec.handler}
        if "accountId" in [word.strip() for word in request.headers.get("lambda-extension-accept-feature", "").split(",")]:
            answer["accountId"] = self._spec.account
        connection.answer_json(200, answer, {"Lambda-Extension-Identifier": extension.identifier})
        self._on_progress()

    def _new_internal(self, connection: Connection, name: str) -> Extension | None:
        if self.closed:
            connection.refuse(403, "Extension.RegistrationClosed", "Extension registration closed already")
        elif any(one.name == name for one in self._all.values()):
            connection.refuse(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        elif len(self._all) >= EXTENSIONS_MAX:
            connection.refuse(403, "Extension.TooManyExtensions", f"Extension limit ({EXTENSIONS_MAX}) reached")
        else:
            extension = Extension(name, self._new_id(), external=False)
            self._all[extension.identifier] = extension
            return extension
        return None

    def _next(self, connection: Connection, extension: Extension) -> None:
        if extension.state not in ("Registered", "Running") and not (extension.state == "Ready" and extension.waiting is None):
            self._refuse_state(connection, extension, "Ready", extension.identifier)
            return
        extension.state = "Ready"
        extension.waiting = connection
        self._give(extension)
        self._on_progress()

    def _error(self, connection: Connection, request: Request, extension: Extension, init: bool) -> None:
        kind = request.headers.get("lambda-extension-function-error-type", "")
        target = "InitError" if init else "ExitError"
        if not kind:
            connection.refuse(403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        elif extension.state in ("InitError", "ExitError", "Exited") or (init and extension.state != "Registered"):
            self._refuse_state(connection, extension, target, extension.identifier)
        else:
            extension.state = target
            connection.answer_json(202, {"status": "OK"})
            self._on_failure(kind, extension.name)

    def _refuse_state(self, connection: Connection, extension: Extension, target: str, who: str) -> None:
        message = f"State transition from {extension.state} to {target} failed for extension {who}. Error: State transition is not allowed"
        connection.refuse(403, "Extension.InvalidExtensionState", message)


def _parse_events(body: bytes) -> list[str] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    events = document.get("events", []) if isinstance(document, dict) else None
    if events is None:
        events = []
    if not isinstance(document, dict) or not isinstance(events, list) or document.get("configurationKeys"):
        return None
    return [event for event in events if isinstance(event, str)] if all(isinstance(event, str) for event in events) else None
