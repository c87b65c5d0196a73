"""Bodies that go out in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haneul.front.connection import Connection


async def send_stream(connection: Connection, parts: AsyncIterator[bytes], chunked: bool) -> None:
    """Send what an iterator yields, chunk by chunk, no faster than the client reads."""
    async for part in parts:
        if not part:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await connection.drain()
    if chunked:
        connection.write(b"0\r\n\r\n")
