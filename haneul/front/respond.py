"""What drives handlers, and bodies that go out in parts.

Not compiled: the interpreter hands on what a coroutine returns without an exception, which costs compiled code more than the coroutine.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import TYPE_CHECKING, Any, cast

from haneul.core.http import HttpResponse

if TYPE_CHECKING:
    from haneul.front.connection import Connection

Work = Coroutine[Any, Any, HttpResponse]


@types.coroutine
def _rounds() -> Generator[Any, Any, None]:
    outcome: Any = None
    while True:
        work = yield outcome
        outcome = yield from work


def driver() -> Generator[Any, Any, None]:
    """What runs handlers, one after another: `send` it a handler's coroutine, and it gives the response, or what the handler waits for.

    From then on it belongs to that handler: whatever comes of what it waits for is sent to it, until it gives the response. It ends with an error of the handler.
    """
    made = cast(Generator[Any, Any, None], _rounds())
    made.send(None)
    return made


@types.coroutine
def _continue(driven: Generator[Any, Any, None], waiting: Any) -> Generator[Any, Any, HttpResponse]:
    while not isinstance(waiting, HttpResponse):
        try:
            value = yield waiting
        except BaseException as error:
            waiting = driven.throw(error)
        else:
            waiting = driven.send(value)
    return waiting


async def drive_on(driven: Generator[Any, Any, None], waiting: Any) -> HttpResponse:
    """What a handler answers that waits for `waiting`."""
    return await _continue(driven, waiting)


async def send_stream(connection: Connection, parts: AsyncIterator[bytes], chunked: bool) -> None:
    """Send what an iterator yields, chunk by chunk, no faster than the client reads."""
    async for part in parts:
        if not part:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        await connection.drain()
    if chunked:
        connection.write(b"0\r\n\r\n")
