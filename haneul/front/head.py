"""The head of a response as bytes."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from haneul.core.http import HttpResponse

NO_BODY = frozenset((204, 304))


@lru_cache(maxsize=128)
def status_line(status: int) -> str:
    """The first line of a response."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n"


def head_bytes(response: HttpResponse, length: int | None, date: str, keep_alive: bool) -> bytes:
    """Status line and headers. `length` None announces a chunked body."""
    headers = response.headers
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise ValueError("a header would break the response apart")
    if length is None:
        end = "\r\nTransfer-Encoding: chunked"
    elif "Content-Length" in headers or "content-length" in headers or response.status in NO_BODY:
        end = ""
    else:
        end = f"\r\nContent-Length: {length}"
    if not keep_alive:
        end += "\r\nConnection: close"
    head = f"{status_line(response.status)}Date: {date}{end}\r\n{text}\r\n"
    try:
        return head.encode("ascii")
    except UnicodeEncodeError:
        return head.encode("utf-8", "replace")
