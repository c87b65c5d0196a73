"""The processes that only read, seen from the one that writes: started, heard, and started again when they die."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from typing import Any

from haneul.clock import Ids
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.pipeline import buffer
from haneul.front.relay import pause, take_client
from haneul.store.shared import SharedMemory
from haneul.workers.messages import REPORT_PATH, SECRET_HEADER, add_metrics, add_usage, pack, socket_path, unpack

_REPORT_BYTES_MAX = 256 << 20
_STOP_SECONDS = 15.0
_PAUSE_SECONDS = 0.5
_log = logging.getLogger("haneul")


class Crew:
    """`size` processes beside this one. `tls`: the files that the listener serves with, if it does."""

    def __init__(
        self, cloud: Cloud, memory: SharedMemory, answer: Callable[[HttpRequest], Awaitable[HttpResponse]], size: int, tls: dict[str, str] | None
    ) -> None:
        self._cloud = cloud
        self._memory = memory
        self._answer = answer
        self._size = size
        self._tls = tls
        self._processes: set[Process] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        # Known to the readers only: whoever else asks for the path of reports is a client like any other.
        self._secret = Ids().secret_key()
        self._path = socket_path(cloud.settings.data_dir)
        self._end_listening: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Listen for the others, start them, and return when all of them answer requests."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if os.path.exists(self._path):  # Of a process that was killed.
            os.unlink(self._path)
        before = os.umask(0o177)
        try:
            listener.bind(self._path)
        finally:
            os.umask(before)
        self._end_listening = await self._cloud.adopt_listener(listener, "", self._hear)
        ready = [asyncio.get_running_loop().create_future() for _ in range(self._size)]
        self._keepers = [asyncio.get_running_loop().create_task(self._keep(one)) for one in ready]
        await asyncio.gather(*ready)

    async def stop(self) -> None:
        """Let them finish what is in flight; those that do not in time are killed."""
        self._stopping = True
        for process in tuple(self._processes):
            process.terminate()
            process.send_signal(signal.SIGCONT)  # One that was stopped would not hear of it.
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=_STOP_SECONDS)
            for process in tuple(self._processes):
                process.kill()
            if late:
                await asyncio.wait(late)
        self._end_listening()
        os.unlink(self._path)

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        """One of them, and after its death the next."""
        while not self._stopping:
            process = await self._begin()
            assert process.stdout is not None
            if await process.stdout.readline() and not ready.done():
                ready.set_result(None)
            code = await process.wait()
            self._processes.discard(process)
            if self._stopping:
                break
            if not ready.done():
                ready.set_exception(ChildProcessError(f"a process that was to read ended with code {code} before it could"))
                return
            _log.warning("a process that reads ended with code %s; another one takes its place", code)
            await pause(_PAUSE_SECONDS)

    async def _begin(self) -> Process:
        settings = dataclasses.asdict(self._cloud.settings) | {"data_dir": str(self._cloud.settings.data_dir), "extra": {}}
        descriptor = self._memory.descriptor
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "haneul", "reader", str(descriptor), stdin=PIPE, stdout=PIPE, pass_fds=(descriptor,), start_new_session=True
        )
        self._processes.add(process)
        assert process.stdin is not None
        # It has root's keys in it, so it is no argument. While it stays open, this process lives.
        process.stdin.write(pack({"settings": settings, "tls": self._tls, "secret": self._secret}).hex().encode() + b"\n")
        await process.stdin.drain()
        return process

    # ---- what they say

    async def _hear(self, request: HttpRequest) -> HttpResponse:
        if request.path == REPORT_PATH and hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()):
            if request.stream is not None:
                await buffer(request, _REPORT_BYTES_MAX)
            return HttpResponse(200, {"Content-Type": "application/vnd.msgpack"}, pack(await self._take_report(unpack(request.body))))
        take_client(request)
        return await self._answer(request)

    async def _take_report(self, report: dict[str, Any]) -> dict[str, Any]:
        cloud = self._cloud
        add_usage(cloud.usage, report["usage"])
        await add_metrics(cloud.metrics, cloud.clock.now(), report["metrics"])
        answers = {name: cloud.services[name].take_in(collected) for name, collected in report["services"].items()}
        return {name: answer for name, answer in answers.items() if answer is not None}
