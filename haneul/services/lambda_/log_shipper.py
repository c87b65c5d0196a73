"""What functions write goes to CloudWatch Logs, as the function's own role: no permission, no logs, and the function runs all the same.

Nothing waits for it: lines gather for each environment and are written behind, one batch after another, within bounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from haneul.clock import MILLISECOND, SECOND
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.runtime.port import LogLine

_PRINCIPAL = "lambda.amazonaws.com"
_EVENT_OVERHEAD_BYTES = 26
_BATCH_BYTES_MAX = 1_048_576
_BATCH_EVENTS_MAX = 10_000
_WAITING_BYTES_MAX = 16 * 1024 * 1024
_TROUBLE_PAUSE = 5 * SECOND
_WRITES_APART = 250 * MILLISECOND
"""An environment that runs again and again writes its lines (or tries to) this far apart, so that logging costs a busy cloud little."""
_log = logging.getLogger("haneul")


class LogShipper:
    """Writes batches of lines."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._writers: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.Task[None]] = set()
        self.stopping = False

    def start(self) -> None:
        self.stopping = False

    async def stop(self) -> None:
        """Write what waits, without pauses."""
        self.stopping = True
        for task in self._pausing:
            task.cancel()
        while self._writers:
            await asyncio.wait(self._writers)

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Carry out one log's writing in the background."""
        task = self.cloud.clock.run(work, "function log")
        self._writers.add(task)
        task.add_done_callback(self._writers.discard)

    async def pause(self, duration: int) -> None:
        """Let time pass between two writes, unless the cloud stops."""
        task = asyncio.current_task()
        if task is None or self.stopping:
            return
        self._pausing.add(task)
        try:
            await self.cloud.clock.sleep(duration)
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            task.uncancel()
        finally:
            self._pausing.discard(task)

    async def create(self, log: EnvironmentLog) -> None:
        """Make the group and the stream where they are missing."""
        try:
            await self._call(log, "logs:CreateLogStream", {"logGroupName": log.group, "logStreamName": log.stream})
        except ServiceError as error:
            if error.code == "ResourceAlreadyExistsException":
                return
            if error.code != "ResourceNotFoundException":
                raise
            try:
                await self._call(log, "logs:CreateLogGroup", {"logGroupName": log.group})
            except ServiceError as group_error:
                if group_error.code != "ResourceAlreadyExistsException":
                    raise
            await self._call(log, "logs:CreateLogStream", {"logGroupName": log.group, "logStreamName": log.stream})

    async def write(self, log: EnvironmentLog, events: list[tuple[int, str]]) -> None:
        """Write one batch, in order of time."""
        shown = [{"timestamp": at, "message": text} for at, text in events]
        await self._call(log, "logs:PutLogEvents", {"logGroupName": log.group, "logStreamName": log.stream, "logEvents": shown})

    async def _call(self, log: EnvironmentLog, operation: str, params: dict[str, object]) -> None:
        await call_as(
            self.cloud,
            operation,
            params,
            region=log.region,
            account=log.account,
            role=log.role,
            principal=_PRINCIPAL,
            session_name=log.function_name,
        )


class EnvironmentLog:
    """The log stream of one environment: what waits to be written, and the task that writes it."""

    def __init__(self, shipper: LogShipper, role: str, function_name: str, region: str, account: str, group: str, stream: str) -> None:
        self.role = role
        self.function_name = function_name
        self.region = region
        self.account = account
        self.group = group
        self.stream = stream
        self.busy = False
        self.conclude: Callable[[], None] | None = None
        """Writes the end of an invocation whose extensions were still at work when it was answered."""
        self._shipper = shipper
        self._created = False
        self._waiting: list[tuple[int, str]] = []
        self._waiting_bytes = 0
        self._lost = 0
        self._writing = False
        self._written_at = 0

    def take(self, lines: list[LogLine]) -> None:
        """Lines from the function, as they arrive. Between invocations they are written with the next one, or when many have gathered."""
        for line in lines:
            self.add(line.text.decode("utf-8", "replace"))
        if not self.busy and lines:
            self.flush()

    def add(self, text: str) -> None:
        """One line, at the cloud's time."""
        if not text:
            return
        self._waiting_bytes += len(text) + _EVENT_OVERHEAD_BYTES
        if self._waiting_bytes > _WAITING_BYTES_MAX:
            self._lost += 1
            self._waiting_bytes -= len(text) + _EVENT_OVERHEAD_BYTES
            return
        self._waiting.append((self._shipper.cloud.clock.now() // MILLISECOND, text))
        if self._waiting_bytes > _BATCH_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered, behind the back of whoever calls."""
        if self._waiting and not self._writing:
            self._writing = True
            self._shipper.run(self._write())

    async def _write(self) -> None:
        clock = self._shipper.cloud.clock
        try:
            while self._waiting:
                pause = self._written_at + _WRITES_APART - clock.now()
                if pause > 0 and not clock.frozen:  # Where time stands still nothing is busy.
                    await self._shipper.pause(pause)
                if not self._created:
                    await self._patiently(lambda: self._shipper.create(self))
                    self._created = True
                batch = self._next_batch()
                await self._patiently(lambda: self._shipper.write(self, batch))  # noqa: B023 - done with before the next batch is taken
                self._written_at = clock.now()
        except (ServiceError, AccessDenied) as error:
            # The role may be given the permission later, so it is tried again; what could not be written is gone, as on AWS.
            _log.debug("the log of %s could not be written: %s", self.function_name, error)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._written_at = clock.now()
        finally:
            self._writing = False

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something with the log's service; while that is in trouble (a full disk) wait, as long as there is room for more lines."""
        while True:
            try:
                return await act()
            except ServiceError as error:
                if error.status != 500 or self._shipper.stopping or self._lost:
                    raise
            await self._shipper.pause(_TROUBLE_PAUSE)

    def _next_batch(self) -> list[tuple[int, str]]:
        batch: list[tuple[int, str]] = []
        size = 0
        for at, text in self._waiting[:_BATCH_EVENTS_MAX]:
            # A character is at most four bytes of UTF-8; measuring exactly matters only near the limit.
            cost = (len(text) if text.isascii() else len(text.encode("utf-8", "replace"))) + _EVENT_OVERHEAD_BYTES
            if batch and size + cost > _BATCH_BYTES_MAX:
                break
            batch.append((at, text))
            size += cost
        del self._waiting[: len(batch)]
        self._waiting_bytes = max(0, self._waiting_bytes - size) if self._waiting else 0
        if self._lost and not self._waiting:
            _log.warning("the log of %s grew faster than it could be written: %d lines were lost", self.function_name, self._lost)
            self._lost = 0
        return batch
