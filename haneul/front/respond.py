"""What drives handlers, and bodies that go out in parts.

Not compiled: the interpreter hands on what a coroutine returns without an exception, which costs compiled code more than the coroutine.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import types
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any, cast

from haneul.core.bodies import chunks_of
from haneul.core.errors import ClientGone
from haneul.core.http import FileBody, HttpResponse

if TYPE_CHECKING:
    from haneul.front.connection import Connection

_log = logging.getLogger("haneul")


@types.coroutine
def _rounds() -> Generator[Any, Any, None]:
    work = yield None
    while True:
        work = yield (yield from work)  # The response is in no variable: a driver that waits for its next handler keeps nothing of the last.


def driver() -> Generator[Any, Any, None]:
    """What runs handlers, one after another: `send` it a handler's coroutine, and it gives the response, or what the handler waits for.

    From then on it belongs to that handler, and is sent None whenever that has come, until it gives the response. An error of the handler ends it.
    """
    made = cast(Generator[Any, Any, None], _rounds())
    made.send(None)
    return made


# Linux doubles what it is asked for, for its own records: a body of a megabyte does not quite fit.
_NEAR_BYTES = 480 * 1024


def bound_near(transport: asyncio.BaseTransport) -> None:
    """Before a large body goes to a client on this machine: bound what the system takes of it at once.

    It takes up to 4 MB otherwise. What 64 clients have not read yet then fills the processor's cache, and each that has read all there is sleeps until more comes,
    several times a body. Clients elsewhere need what the system gives them, as it fills the time that a packet is under way.
    """
    ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and ours[0] == theirs[0]:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NEAR_BYTES)


def length_of(response: HttpResponse, body: FileBody | AsyncIterator[bytes]) -> int | None:
    """How long a body that comes in parts will be, 0 where the headers say so themselves; None where nobody knows."""
    if isinstance(body, FileBody):
        return body.length
    return 0 if any(name.lower() == "content-length" for name in response.headers) else None


async def send_answer(connection: Connection, head: bytes, body: FileBody | AsyncIterator[bytes], chunked: bool, *, whole: bool) -> None:
    """Send an answer whose body comes in parts; without the body if it is not to be `whole`. Where that fails, the connection is cut."""
    try:
        connection.write(head)
        if whole:
            await _send_stream(connection, chunks_of(body) if isinstance(body, FileBody) else body, chunked)
    except (ConnectionError, ClientGone, BrokenPipeError):
        connection.abort()
    except Exception:
        # The head is out: all that can be told now is that the body ends too early.
        _log.exception("a response failed while it was being sent")
        connection.abort()
    finally:
        if not isinstance(body, FileBody) and hasattr(body, "aclose"):
            await body.aclose()


async def _send_stream(connection: Connection, parts: AsyncIterator[bytes], chunked: bool) -> None:
    """Send what an iterator yields, chunk by chunk, no faster than the client reads."""
    async for part in parts:
        if not part:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await connection.drain()
    if chunked:
        connection.write(b"0\r\n\r\n")
