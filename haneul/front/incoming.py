"""A request while it comes in, and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.core.http import HttpRequest
from haneul.front.body import IncomingBody

if TYPE_CHECKING:
    from haneul.front.connection import Connection

_NAMES_REMEMBERED = 2048


class Refused(Exception):
    """A request that is answered with a bare status and ends its connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class HeaderNames(dict[bytes, str]):
    """Header names in lower case, remembered: the same few come with every request."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1").lower()
        if len(self) < _NAMES_REMEMBERED:
            self[name] = text
        return text


class _Methods(dict[bytes, str]):
    def __missing__(self, name: bytes) -> str:
        return name.decode("latin-1")


METHODS = _Methods({name.encode(): name for name in ("GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH")})


class Incoming(HttpRequest):
    """A request, and how its connection goes on after it."""

    __slots__ = ("expects_continue", "incoming", "keep_alive")
    keep_alive: bool
    expects_continue: bool

    def __init__(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, stream: IncomingBody | None, connection: Connection, keep_alive: bool, expects_continue: bool
    ) -> None:
        # Set one by one: this runs for every request, and a chain of constructors would cost as much as parsing its headers.
        self.method = method
        self.path = self.raw_path = path
        self.query = query
        self.headers = headers
        self.raw_headers = connection._raw
        self.host = headers["host"] if "host" in headers else ""  # noqa: SIM401
        self.body = body
        self.stream = stream  # May be replaced by one that verifies itself; `incoming` stays the connection's own.
        self.incoming = stream
        self.remote = connection.remote
        self.secure = connection.secure
        self.disconnected = False
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
