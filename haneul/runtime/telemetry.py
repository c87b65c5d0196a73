"""The Telemetry API (2022-07-01) and the older Logs API (2020-08-15): extensions subscribe to what happens in their environment.

AWS Lambda Developer Guide, "Accessing real-time telemetry data for extensions using the Telemetry API". A subscriber listens inside the sandbox,
at sandbox.localdomain; it is reached through a socket that was made there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from haneul.runtime.inside import linux
from haneul.runtime.inside_http import Connection, Request
from haneul.runtime.port import LogLine

_TELEMETRY_PATH = "/2022-07-01/telemetry"
_LOGS_PATH = "/2020-08-15/logs"
_TYPES = ("platform", "function", "extension")
_SCHEMAS = {_TELEMETRY_PATH: ("2022-07-01", "2022-12-13", "2025-01-29"), _LOGS_PATH: ("2020-08-15", "2021-03-18")}
_HISTORY_MAX = 1000
_QUEUE_BYTES_MAX = 8 << 20
_DELIVERY_SECONDS_MAX = 5.0
_TRIES = 3
_HTTP_URI = re.compile(r"^http://(?:sandbox\.localdomain|sandbox)(?::(\d{1,5}))?(/[!-~]*)?$")
_BUFFERING = {"maxItems": (1000, 10_000, 10_000), "maxBytes": (262_144, 1_048_576, 262_144), "timeoutMs": (25, 30_000, 1000)}
"""Of each limit its least and greatest value, and what it is when the subscriber says nothing."""
_LOGS_API_EVENTS = {
    "platform.start": ("requestId", "version"),
    "platform.runtimeDone": ("requestId", "status"),
    "platform.report": ("requestId", "metrics"),
    "platform.extension": ("name", "state", "events"),
    "platform.logsDropped": ("reason", "droppedRecords", "droppedBytes"),
}
"""The platform events that the Logs API has, too, and what of their records it shows."""
_log = logging.getLogger(__name__)


@dataclass
class _Subscription:
    name: str
    path: str
    types: list[str]
    port: int
    target: str | None
    """The path to post to; None for a plain TCP subscriber."""
    items_max: int
    bytes_max: int
    timeout_ms: int
    buffer: list[bytes] = field(default_factory=list)
    buffer_bytes: int = 0
    timer: asyncio.TimerHandle | None = None


class Telemetry:
    """The subscriptions of one environment. `outlet` is a socket made inside the sandbox, not connected yet; `wall_ns` tells the time."""

    def __init__(self, outlet: socket.socket, wall_ns: Callable[[], int], on_subscription: Callable[[str, dict[str, Any]], None]) -> None:
        self._outlet = outlet
        self._wall_ns = wall_ns
        self._on_subscription = on_subscription
        self._loop = asyncio.get_running_loop()
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}
        self._history: list[tuple[str, dict[str, Any]]] | None = []
        self._queue: deque[tuple[_Subscription, list[bytes]]] = deque()
        self._queue_bytes = 0
        self._connected: tuple[int, bool] | None = None
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            if subscription.timer is not None:
                subscription.timer.cancel()
        if self._task is not None:
            self._task.cancel()
            # At once: the socket is about to be closed, and its number may mean something else by the time that the task hears of it.
            self._loop.remove_reader(self._outlet.fileno())
            self._loop.remove_writer(self._outlet.fileno())

    async def finish(self) -> None:
        """Send what waits in the buffers, if the subscribers take it."""
        for subscription in self._subscriptions.values():
            self._flush(subscription)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_DELIVERY_SECONDS_MAX)

    # ---- events

    def platform(self, kind: str, record: dict[str, Any], time_ns: int | None = None) -> None:
        """Something happened to the environment, such as `platform.start`, now or at another time."""
        self._publish("platform", {"time": _iso(time_ns or self._wall_ns()), "type": kind, "record": record})

    def lines(self, kind: str, lines: list[LogLine], parse: bool) -> None:
        """What the `function` or an `extension` has written; JSON lines as objects if `parse`."""
        for line in lines:
            text = line.text.decode("utf-8", "replace") + "\n"
            record: Any = text
            if parse:
                with contextlib.suppress(ValueError):
                    found = json.loads(text)
                    record = found if isinstance(found, dict) else text
            self._publish(kind, {"time": _iso(line.time), "type": kind, "record": record})

    def initialised(self) -> None:
        """The Init phase is over: nobody can subscribe any more who would have to be told what happened in it."""
        self._history = None

    def _publish(self, category: str, event: dict[str, Any]) -> None:
        if self._history is not None and len(self._history) < _HISTORY_MAX:
            self._history.append((category, event))
        for subscription in self._subscriptions.values():
            if category in subscription.types:
                self._buffer(subscription, event)

    def _buffer(self, subscription: _Subscription, event: dict[str, Any]) -> None:
        if subscription.path == _LOGS_PATH and event["type"].startswith("platform."):
            fields = _LOGS_API_EVENTS.get(event["type"])
            if fields is None:
                return
            event = {**event, "record": {name: value for name, value in event["record"].items() if name in fields}}
        data = json.dumps(event, separators=(",", ":")).encode()
        if self._queue_bytes + subscription.buffer_bytes + len(data) > _QUEUE_BYTES_MAX:
            return  # Its subscriber does not keep up; the service drops records then, too.
        subscription.buffer.append(data)
        subscription.buffer_bytes += len(data)
        if len(subscription.buffer) >= subscription.items_max or subscription.buffer_bytes >= subscription.bytes_max:
            self._flush(subscription)
        elif subscription.timer is None:
            subscription.timer = self._loop.call_later(subscription.timeout_ms / 1000, self._flush, subscription)

    # ---- delivery

    def _flush(self, subscription: _Subscription) -> None:
        if subscription.timer is not None:
            subscription.timer.cancel()
            subscription.timer = None
        if not subscription.buffer:
            return
        self._queue.append((subscription, subscription.buffer))
        self._queue_bytes += subscription.buffer_bytes
        subscription.buffer, subscription.buffer_bytes = [], 0
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._deliver())

    async def _deliver(self) -> None:
        while self._queue:
            subscription, events = self._queue.popleft()
            for attempt in range(_TRIES):
                try:
                    async with asyncio.timeout(_DELIVERY_SECONDS_MAX):
                        await self._send(subscription, events)
                    break
                except (OSError, TimeoutError, ValueError) as error:
                    self._connected = None
                    if attempt == _TRIES - 1:
                        _log.debug("telemetry for %s could not be delivered: %s", subscription.name, error)
            self._queue_bytes -= sum(map(len, events))

    async def _send(self, subscription: _Subscription, events: list[bytes]) -> None:
        plain = subscription.target is None
        if self._connected != (subscription.port, plain):
            linux.disconnect(self._outlet.fileno())
            self._outlet.setblocking(False)
            await self._loop.sock_connect(self._outlet, ("127.0.0.1", subscription.port))
            self._connected = (subscription.port, plain)
        if plain:
            await self._loop.sock_sendall(self._outlet, b"".join(event + b"\n" for event in events))
            return
        body = b"[" + b",".join(events) + b"]"
        head = f"POST {subscription.target} HTTP/1.1\r\nHost: sandbox.localdomain:{subscription.port}\r\nContent-Type: application/json\r\n"
        await self._loop.sock_sendall(self._outlet, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await self._loop.sock_recv(self._outlet, 65536)
            if not data or len(answer) > 65536:
                raise OSError("the subscriber hung up")
            answer += data
        self._connected = None  # Whatever else it says, the next delivery begins anew.
        if not answer.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
            raise OSError(f"the subscriber answered {answer[:40]!r}")

    # ---- subscribing

    @staticmethod
    def owns(path: str) -> bool:
        """Whether a path belongs to one of the two APIs."""
        return path.partition("?")[0] in _SCHEMAS

    def subscribe(self, connection: Connection, request: Request, name: str) -> None:
        """A request of the extension `name` for a subscription."""
        path = request.path.partition("?")[0]
        if request.method != "PUT":
            connection.answer(405, b"")
            return
        if self._history is None:
            which = "Telemetry" if path == _TELEMETRY_PATH else "Logs"
            connection.refuse(403, f"{which}.ServiceClosed", f"{which} API subscription is closed already")
            return
        try:
            subscription = _parse(name, path, request.body)
        except (ValueError, TypeError, AttributeError) as error:
            connection.refuse(400, "ValidationError", str(error))
            return
        self._subscriptions[name, path] = subscription
        kind = "platform.telemetrySubscription" if path == _TELEMETRY_PATH else "platform.logsSubscription"
        record = {"name": name, "state": "Subscribed", "types": subscription.types}
        self._on_subscription(kind, record)
        connection.answer(200, b"OK", {"Content-Type": "text/plain; charset=utf-8"})
        for category, event in self._history:
            if category in subscription.types:
                self._buffer(subscription, event)
        self.platform(kind, record)


def _parse(name: str, path: str, body: bytes) -> _Subscription:
    """Raises ValueError with what is wrong with the subscription."""
    document = json.loads(body)
    if document.get("schemaVersion", _SCHEMAS[path][0]) not in _SCHEMAS[path]:
        raise ValueError("schemaVersion is not supported")
    types = document.get("types")
    if not types or not isinstance(types, list) or any(kind not in _TYPES for kind in types):
        raise ValueError(f"types must be a list of some of {', '.join(_TYPES)}")
    limits = []
    for limit, (least, greatest, default) in _BUFFERING.items():
        value = document.get("buffering", {}).get(limit, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= greatest:
            raise ValueError(f"buffering.{limit} must be between {least} and {greatest}")
        limits.append(value)
    destination = document.get("destination")
    if not isinstance(destination, dict):
        raise ValueError("destination is missing")
    if destination.get("protocol") == "TCP":
        port, target = destination.get("port"), None
        if not isinstance(port, int):
            raise ValueError("destination.port must be a number")
    elif destination.get("protocol") == "HTTP":
        found = _HTTP_URI.match(str(destination.get("URI", "")))
        if found is None:
            raise ValueError("destination.URI must be an address of sandbox.localdomain")
        port, target = int(found[1] or 80), found[2] or "/"
    else:
        raise ValueError("destination.protocol must be HTTP or TCP")
    if not 0 < port < 65536 or port == 9001:
        raise ValueError("the destination's port cannot be used")
    return _Subscription(name, path, types, port, target, limits[0], limits[1], limits[2])


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ns // 1_000_000 % 1000:03}Z"
