"""The front alone, in a process set up like the cloud's, with a handler that echoes the body."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from haneul.assembly import calm_collector
from haneul.clock import Clock
from haneul.core.http import HttpRequest, HttpResponse
from haneul.front.server import Server


async def handle(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {"Content-Type": "application/x-amz-json-1.0"}, request.body or b"{}")


async def main() -> None:
    server = Server(handle, Clock())
    calm_collector()
    print(await server.listen("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
