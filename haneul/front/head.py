"""The head of a response as bytes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from haneul.core.http import HttpResponse

NO_BODY: Final = frozenset((204, 304))
AS_LONG_AS_IT_IS: Final = -1
"""The length of a body that ends with its connection: HTTP/1.0 knows no chunks (RFC 9112, 6.1)."""


_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} Unknown\r\n"


def head_bytes(response: HttpResponse, length: int | None, date: str, keep_alive: bool) -> bytes:
    """Status line and headers. `length` None announces a chunked body."""
    headers = response.headers
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    lines = len(headers)
    if response.repeated:
        text += "".join([f"{name}: {value}\r\n" for name, value in response.repeated])
        lines += len(response.repeated)
    if text.count("\n") != lines or text.count("\r") != lines:
        raise ValueError("a header would break the response apart")
    status = response.status
    line = _STATUS_LINES.get(status) or _status_line(status)
    if length is None:
        end = "\r\nTransfer-Encoding: chunked"
    elif length == AS_LONG_AS_IT_IS or "Content-Length" in headers or "content-length" in headers or status in NO_BODY:
        end = ""
    else:
        end = f"\r\nContent-Length: {length}"
    if not keep_alive:
        end += "\r\nConnection: close"
    head = f"{line}Date: {date}{end}\r\n{text}\r\n"
    try:
        return head.encode("ascii")
    except UnicodeEncodeError:
        return head.encode("utf-8", "replace")
