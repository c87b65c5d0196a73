"""The first step of a handler, and bodies that go out in parts.

Not compiled: the interpreter raises and catches a coroutine's end for a fraction of what compiled code pays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haneul.front.connection import Connection


def first_step(work: Coroutine[Any, Any, Any]) -> tuple[bool, Any]:
    """Let a coroutine run until it waits: (False, what it waits for), or (True, what it returned)."""
    try:
        return False, work.send(None)
    except StopIteration as stop:
        return True, stop.value


async def send_stream(connection: Connection, parts: AsyncIterator[bytes], chunked: bool) -> None:
    """Send what an iterator yields, chunk by chunk, no faster than the client reads."""
    async for part in parts:
        if not part:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await connection.drain()
    if chunked:
        connection.write(b"0\r\n\r\n")
