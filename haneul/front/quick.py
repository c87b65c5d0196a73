"""Usual requests, read without the parser.

Clients send the same lines again and again, but for a signature and a length. A request that comes whole in one read, and whose lines are all of the plainest form, is taken
apart at its line ends, and lines that came before are known. Everything else is left to the parser, as is every name that it has not read yet: what is read here is exactly what
it would have read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from haneul.front.incoming import METHODS, HeaderNames, Incoming

if TYPE_CHECKING:
    from haneul.front.connection import Connection

_HEAD_BYTES_MAX: Final = 16 * 1024
_HEADERS_MAX: Final = 64
_LENGTH_DIGITS_MAX: Final = 9
_LINE: Final = b"\r\n"
_END: Final = b"\r\n\r\n"
_SPACE: Final = 32
_VALUE: Final = bytes(range(_SPACE, 127))
_TARGET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%?&=+,:;@!$'()*"
# What may say that the body, or the connection, is not as usual.
_UNUSUAL: Final = frozenset(("transfer-encoding", "expect", "upgrade", "proxy-connection", "http2-settings"))
# Another one with each request, the secrets among them.
_FORGOTTEN: Final = frozenset(("authorization", "amz-sdk-invocation-id", "x-amz-security-token", "x-amz-content-sha256", "content-md5", "cookie", "x-api-key"))
# What else may be a secret: keys that a client encrypts with, one-time codes, whatever an API's authorizer asks for.
_SECRET: Final = re.compile("auth|key|token|secret|cookie|pass|cred|sign|session|mfa")
_REMEMBERED_MAX: Final = 4096
_REMEMBERED_BYTES_MAX: Final = 256


class QuickReader:
    """Reads requests of all connections of a server. `names` are those that the parser has read."""

    def __init__(self, names: HeaderNames) -> None:
        self._names = names
        self._lines: dict[bytes, tuple[str, str]] = {}
        self._starts: dict[bytes, tuple[str, str, str]] = {}

    def read(self, data: bytes, connection: Connection) -> Incoming | None:
        """The request that `data` is, the whole of it and nothing more; None leaves it to the parser."""
        end = data.find(_END)
        if end < 0 or end > _HEAD_BYTES_MAX:
            return None
        lines = data[:end].split(_LINE)
        start = self._starts.get(lines[0])
        if start is None:
            start = self._read_start(lines[0])
            if start is None:
                return None
        del lines[0]
        headers: dict[str, str] = {}
        known = self._lines
        for line in lines:
            header = known.get(line) if len(line) <= _REMEMBERED_BYTES_MAX else None
            if header is None:
                header = self._read_line(line)
                if header is None:
                    return None
            headers[header[0]] = header[1]
        body = data[end + 4 :]
        length = headers.get("content-length")
        if (len(body) if length is None else abs(len(body) - int(length))) or len(headers) != len(lines) or len(lines) > _HEADERS_MAX or "host" not in headers:
            return None
        return Incoming(start[0], start[1], start[2], headers, body, None, connection, lines, True, False)

    def _read_start(self, line: bytes) -> tuple[str, str, str] | None:
        """Method, path and query of a request line."""
        parts = line.split(b" ")
        if len(parts) != 3 or parts[2] != b"HTTP/1.1" or parts[0] not in METHODS:
            return None
        target = parts[1]
        if target[:1] != b"/" or target.translate(None, _TARGET):
            return None
        path, _, query = target.decode("ascii").partition("?")
        start = (METHODS[parts[0]], path, query)
        if not query and len(line) <= _REMEMBERED_BYTES_MAX:  # A query may sign its request.
            if len(self._starts) >= _REMEMBERED_MAX:
                self._starts.clear()
            self._starts[line] = start
        return start

    def _read_line(self, line: bytes) -> tuple[str, str] | None:
        """Name and value of a header."""
        at = line.find(b": ")
        name = self._names.get(line[:at]) if at > 0 else None
        if name is None or name in _UNUSUAL:
            return None
        value = line[at + 2 :]
        if not value or value[0] == _SPACE or value[-1] == _SPACE or value.translate(None, _VALUE):
            return None
        text = value.decode("ascii")
        if (name == "connection" and text.lower() != "keep-alive") or (name == "content-length" and not (text.isdigit() and len(text) <= _LENGTH_DIGITS_MAX)):
            return None
        header = (name, text)
        if len(line) <= _REMEMBERED_BYTES_MAX and name not in _FORGOTTEN and _SECRET.search(name) is None:
            if len(self._lines) >= _REMEMBERED_MAX:
                self._lines.clear()
            self._lines[line] = header
        return header
