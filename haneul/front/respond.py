"""Bodies that go out in parts: files and streams."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from haneul.core.bodies import chunks_of
from haneul.core.http import FileBody

if TYPE_CHECKING:
    from haneul.front.connection import Connection

_SENDFILE_BYTES = 1 << 22


async def send_file(connection: Connection, head: bytes, body: FileBody) -> None:
    """Send a part of a file: by sendfile, where its bytes lie as they are to be sent and the socket is a plain one; in chunks otherwise."""
    sock = connection.plain_socket()
    file = body.file.descriptor
    if sock is None or file is None:
        connection.write(head)
        await send_stream(connection, chunks_of(body), chunked=False)
        return
    await connection.flush()
    # The transport owns the descriptor; a duplicate lets the loop watch it for us while the transport has nothing to write.
    duplicate = os.dup(sock.fileno())
    try:
        await _send_all(duplicate, head)
        await _sendfile(duplicate, file, body.offset, body.length)
    finally:
        os.close(duplicate)


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
