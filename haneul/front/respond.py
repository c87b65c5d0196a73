"""Responses as bytes on a connection."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from haneul.core.http import FileBody, HttpResponse

if TYPE_CHECKING:
    from haneul.front.connection import Connection

_FILE_CHUNK_BYTES = 1 << 18
_SENDFILE_BYTES = 1 << 22
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
    text = "\r\n".join(map(": ".join, headers.items()))
    breaks = len(headers) - 1 if headers else 0
    if text.count("\n") != breaks or text.count("\r") != breaks:
        raise ValueError("a header would break the response apart")
    if length is None:
        end = "\r\nTransfer-Encoding: chunked"
    elif "Content-Length" in headers or "content-length" in headers or response.status in NO_BODY:
        end = ""
    else:
        end = f"\r\nContent-Length: {length}"
    if not keep_alive:
        end += "\r\nConnection: close"
    head = f"{status_line(response.status)}Date: {date}{end}\r\n{text}\r\n\r\n" if headers else f"{status_line(response.status)}Date: {date}{end}\r\n\r\n"
    try:
        return head.encode("ascii")
    except UnicodeEncodeError:
        return head.encode("utf-8", "replace")


async def send_file(connection: Connection, head: bytes, body: FileBody) -> None:
    """Send a part of a file: by sendfile on a plain socket, in chunks under TLS."""
    file = os.open(body.path, os.O_RDONLY)
    try:
        sock = connection.plain_socket()
        if sock is None:
            connection.write(head)
            offset, left = body.offset, body.length
            while left:
                data = os.pread(file, min(left, _FILE_CHUNK_BYTES), offset)
                if not data:
                    raise ConnectionError("the file is shorter than announced")
                connection.write(data)
                offset += len(data)
                left -= len(data)
                await connection.drain()
            return
        await connection.flush()
        # The transport owns the descriptor; a duplicate lets the loop watch it for us while the transport has nothing to write.
        duplicate = os.dup(sock.fileno())
        try:
            await _send_all(duplicate, head)
            await _sendfile(duplicate, file, body.offset, body.length)
        finally:
            os.close(duplicate)
    finally:
        os.close(file)


async def _send_all(descriptor: int, data: bytes) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        while data:
            try:
                data = data[sock.send(data, socket.MSG_MORE if hasattr(socket, "MSG_MORE") else 0) :]
            except BlockingIOError:
                await _writable(descriptor)


async def _sendfile(descriptor: int, file: int, offset: int, left: int) -> None:
    while left:
        try:
            sent = os.sendfile(descriptor, file, offset, min(left, _SENDFILE_BYTES))
        except BlockingIOError:
            await _writable(descriptor)
            continue
        if sent == 0:
            raise ConnectionError("the file is shorter than announced")
        offset += sent
        left -= sent


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        loop.remove_writer(descriptor)


async def send_stream(connection: Connection, parts: AsyncIterator[bytes], chunked: bool) -> None:
    """Send what an iterator yields, chunk by chunk, no faster than the client reads."""
    async for part in parts:
        if not part:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await connection.drain()
    if chunked:
        connection.write(b"0\r\n\r\n")
