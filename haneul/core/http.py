"""HTTP requests and responses as the rest of Haneul sees them, free of any transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class BodyStream(Protocol):
    """A request body that has not been read into memory."""

    @property
    def length(self) -> int | None:
        """Bytes announced by Content-Length; None for a chunked body."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class HttpRequest:
    """One request. Header names are lower case, values of repeated headers are joined by a comma; path and query are as sent (still percent-encoded). Routing may rewrite `path` (a bucket from the host name); `raw_path` stays what was sent.
    `raw` are the headers as they came, as lines (`Name: value`, in the client's own case), for those who hand them on (empty for a request made inside).

    `body` holds the whole body, unless `stream` is given: then the body is still to be read from it (large uploads). `disconnected` turns
    True when the client goes away, for those who would wait long for its sake.
    """

    __slots__ = ("body", "disconnected", "headers", "host", "method", "path", "query", "raw", "raw_path", "remote", "secure", "stream")

    def __init__(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        stream: BodyStream | None = None,
        remote: str = "127.0.0.1",
        secure: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.raw_path = path
        self.query = query
        self.headers = headers if headers is not None else {}
        self.raw: list[bytes] = []
        self.body = body
        self.stream = stream
        self.remote = remote
        self.secure = secure
        self.disconnected = False
        self.host = self.headers.get("host", "")

    def raw_headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Names and values of the headers as they came; of a request made inside, as it was made."""
        if self.raw:
            return [(name, value.lstrip()) for name, _, value in [line.partition(b":") for line in self.raw]]
        return [(name.encode(), value.encode()) for name, value in self.headers.items()]


class StoredFile(Protocol):
    """A file open for reading, which closes when nobody refers to it any more."""

    def read(self, offset: int, length: int) -> bytes:
        """Blocking: exactly these bytes, or an error."""


@dataclass(slots=True)
class FileBody:
    """A part of a file. `begun` are its first bytes, where they have been read already."""

    file: StoredFile
    offset: int
    length: int
    begun: bytes = b""


class HttpResponse:
    """One response: bytes, a part of a file, or a stream of chunks (sent chunked unless a Content-Length header stands). `repeated` are headers whose names stand in `headers` already."""

    __slots__ = ("body", "headers", "repeated", "status")

    def __init__(
        self,
        status: int = 200,
        headers: dict[str, str] | None = None,
        body: bytes | FileBody | AsyncIterator[bytes] = b"",
        repeated: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.status = status
        self.headers = headers if headers is not None else {}
        self.body = body
        self.repeated = repeated
