"""A request while it comes in, and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from haneul.core.http import HttpRequest
from haneul.front.body import IncomingBody

if TYPE_CHECKING:
    from haneul.front.connection import Connection

HEADER_BYTES_MAX: Final = 64 * 1024
_WAITING_BYTES_MAX: Final = 1 << 20
_NAMES_REMEMBERED: Final = 2048
_NAME_REMEMBERED_BYTES_MAX: Final = 64
_ONCE_ONLY: Final = frozenset(("host", "content-length", "authorization", "content-type", "x-amz-target", "x-amz-date", "x-amz-content-sha256"))


class Refused(Exception):
    """A request that is answered with a bare status and ends its connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def too_large(url: bytes) -> Refused:
    """Why a head that is too large is refused."""
    return Refused(414, "URI Too Long") if len(url) > HEADER_BYTES_MAX // 2 else Refused(431, "Request Header Fields Too Large")


def refuse_coding(coding: str, length: str | None) -> None:
    """Raise `Refused` for a Transfer-Encoding that is not just `chunked` (RFC 9112, 6.1 and 6.3): bodies are not decompressed, and one of unknown length has no end."""
    if coding.lower() == "chunked" and length is None:
        return
    if length is not None:
        raise Refused(400, "Bad Request: both Content-Length and Transfer-Encoding")
    *first, last = [one.strip().lower() for one in coding.split(",")]
    if last != "chunked" or "chunked" in first:
        raise Refused(400, "Bad Request: chunked comes last in Transfer-Encoding, and once")
    raise Refused(501, f"Not Implemented: Transfer-Encoding {', '.join(first)}")


class HeaderNames(dict[bytes, str]):
    """Header names in lower case, remembered: the same few come with every request."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1").lower()
        if len(name) <= _NAME_REMEMBERED_BYTES_MAX:
            if len(self) >= _NAMES_REMEMBERED:  # Of somebody who makes them up: the usual ones come back.
                self.clear()
            self[name] = text
        return text


def headers_of(raw: list[bytes], names: HeaderNames) -> dict[str, str]:
    """Headers, given as names and values in turn; raises Refused for those that may not come twice."""
    try:
        headers = {names[raw[at]]: raw[at + 1].decode() for at in range(0, len(raw), 2)}
    except UnicodeDecodeError:
        headers = {names[raw[at]]: raw[at + 1].decode("latin-1") for at in range(0, len(raw), 2)}
    return headers if 2 * len(headers) == len(raw) else _joined(raw, names)


def _joined(raw: list[bytes], names: HeaderNames) -> dict[str, str]:
    """Headers some of which come more than once: joined by commas, unless a second one could deceive somebody (then Refused)."""
    headers: dict[str, str] = {}
    for name, value in zip(raw[::2], raw[1::2], strict=True):
        key, text = names[name], value.decode("utf-8", "replace")
        if key not in headers:
            headers[key] = text
        elif key in _ONCE_ONLY:
            raise Refused(400, f"Bad Request: more than one {key} header")
        else:
            headers[key] = f"{headers[key]}{'; ' if key == 'cookie' else ','}{text}"  # RFC 6265, 5.4.
    return headers


def path_of_absolute(target: str, headers: dict[str, str]) -> str:
    """The path of a request target in absolute form (RFC 9112, 3.2.2); its host counts, and replaces the one in `headers`."""
    if target == "*":
        return "/*"
    scheme, found, rest = target.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise Refused(400, "Bad Request")
    host, slash, path = rest.partition("/")
    headers["host"] = host
    return slash + path if slash else "/"


class _Methods(dict[bytes, str]):
    def __missing__(self, name: bytes) -> str:
        return name.decode("latin-1")


METHODS: Final = _Methods({name.encode(): name for name in ("GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH")})


class Incoming(HttpRequest):
    """A request, and how its connection goes on after it."""

    __slots__ = ("expects_continue", "incoming", "keep_alive")
    keep_alive: bool
    expects_continue: bool

    def __init__(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, stream: IncomingBody | None, connection: Connection, raw: list[bytes], keep_alive: bool, expects_continue: bool
    ) -> None:
        # Set one by one: this runs for every request, and a chain of constructors would cost as much as parsing its headers.
        self.method = method
        self.path = self.raw_path = path
        self.query = query
        self.headers = headers
        self.raw = raw
        self.host = headers["host"] if "host" in headers else ""  # noqa: SIM401
        self.body = body
        self.stream = stream  # May be replaced by one that verifies itself; `incoming` stays the connection's own.
        self.incoming = stream
        self.remote = connection.remote
        self.secure = connection.secure
        self.disconnected = False
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue


def crowded(waiting: list[Incoming], most: int) -> bool:
    """Whether more than `most` requests wait for their turn on a connection, or bodies that are large together."""
    return len(waiting) > most or (len(waiting) > 1 and sum([len(one.body) for one in waiting]) > _WAITING_BYTES_MAX)
