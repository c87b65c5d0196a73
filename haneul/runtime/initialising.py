"""The Init phase of an environment, which is over when the runtime and every extension ask for what is next.

It may take ten seconds. One that fails, or takes longer, is repeated within the first invocation, as a part of that and of its time-out (AWS Lambda
Developer Guide, "Understanding the Lambda execution environment lifecycle", Init phase).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from haneul.runtime import errors, platform
from haneul.runtime.aftermath import Lingering
from haneul.runtime.answers import Result, error_type
from haneul.runtime.drivers.port import Ending, Plan
from haneul.runtime.interpreters import Kind
from haneul.runtime.port import Invocation, OnEvent


class Initialising(Lingering):
    """The part of an environment that waits for its runtime to be ready."""

    log_stream_name: str
    on_begin: Callable[[], None] | None
    """Called once, at the beginning of an invocation that has waited for the end of the Init phase."""
    on_event: OnEvent | None
    _destroyed: bool
    _ended: asyncio.Future[None]
    _kind: Kind
    _launched_ns: int
    _loop: asyncio.AbstractEventLoop
    _plan: Plan

    def _begin_initialising(self) -> None:
        self._ready = False
        self._runtime_ready = False
        self._phase = "init"
        self._initialised: asyncio.Future[Result] = self._loop.create_future()
        self._init_duration_ns: int | None = None
        self._init_log = b""
        self._told = False

    async def _again(self) -> None:
        raise NotImplementedError

    # ---- for its users

    @property
    def init_failure(self) -> bytes:
        """The error document of an Init phase that has failed, if the function gave one."""
        result = self._initialised.result() if self._initialised.done() else None
        return result.payload if result is not None else b""

    async def prepared(self) -> bool:
        """Wait for the end of the Init phase, as long as it may take; whether it succeeded, so that a first invocation will not wait."""
        result = await self._init_within(self._around.init_timeout_ns / 1e9)
        return result is not None and result.status is None and self.alive

    def when_initialised(self, callback: Callable[[], None]) -> None:
        """Call `callback` once: when the Init phase is over, or has been given up with its sandbox."""
        waiting = [callback]

        def over(_: object) -> None:
            if waiting:
                waiting.pop()()

        self._initialised.add_done_callback(over)
        self._ended.add_done_callback(over)

    # ---- for the first invocation

    async def _await_init(self, invocation: Invocation, timeout_ms: int) -> tuple[Result, int | None]:
        """Wait for the Init phase; what came of it, and when it began anew if it was repeated."""
        left = self._launched_ns + self._around.init_timeout_ns - self._around.monotonic_ns()
        result = await self._init_within(left / 1e9)
        if result is not None and (result.status is None or self._destroyed):
            return result, None
        if result is None:
            self._tell_init("timeout", None)
        await self._again()
        self._current = invocation
        return await self._await_init_again(invocation, timeout_ms), self._launched_ns

    async def _await_init_again(self, invocation: Invocation, timeout_ms: int) -> Result:
        result = await self._init_within(timeout_ms / 1000)
        if result is None:
            self._tell_init("timeout", None)
            self._give_up("timeout")
            kind, payload = errors.timed_out(invocation.request_id, timeout_ms)
            return Result("init_timeout", payload, kind)
        if result.status == "init_error" and not result.payload:
            kind, payload = errors.failed_start(invocation.request_id, result.ending or Ending(), self._kind.candidates)
            return Result("init_error", payload, kind)
        if result.status == "init_error":
            self._give_up("failure")
            result.payload = errors.with_request(invocation.request_id, result.error_type, result.payload)
        return result

    async def _init_within(self, seconds: float) -> Result | None:
        await asyncio.wait([self._initialised], timeout=max(0.0, seconds))
        return self._initialised.result() if self._initialised.done() else None

    def _begins(self) -> None:
        """The Init phase is over, and the invocation begins: what was written until now belongs to the former."""
        self._logs.drain()
        self._init_log = self._logs.tail()
        self._logs.begin()
        if self.on_begin is not None:
            on_begin, self.on_begin = self.on_begin, None
            on_begin()

    # ---- how it ends

    def initialised(self) -> None:
        """The Init phase is over: the runtime asks for its first invocation."""
        if self._ready or self._initialised.done():
            return
        self._runtime_ready = self._asks = True
        if not self._companions.extensions.all_ready:
            return  # The last of them to get ready leads here again.
        self._ready = True
        self._companions.initialised()
        self._init_over(Result(None))
        self._companions.subscriptions_close()
        if self._sandbox is not None:
            self._sandbox.throttle()
            if self._current is None:
                self._freezer.idle(self._sandbox)

    @property
    def is_initialised(self) -> bool:
        return self._ready

    def _fail_init(self, payload: bytes) -> None:
        if not self._initialised.done() and payload:
            self._init_over(Result("init_error", payload, error_type(payload)))

    def _init_over(self, result: Result) -> None:
        self._init_duration_ns = self._around.monotonic_ns() - self._launched_ns
        self._initialised.set_result(result)
        self._tell_init("success" if result.status is None else "error", result.error_type)

    # ---- what is told of it

    def _tell_launch(self) -> tuple[str, dict[str, Any]]:
        """What is to be known of the beginning. One that is repeated is no news to the log."""
        event = platform.launched(self.spec, self._plan.restored, self.log_stream_name.rpartition("]")[2], self._phase)
        if self.on_event is not None and self._phase == "init":
            self.on_event(*event)
        return event

    def _tell_init(self, status: str, kind: str | None) -> None:
        if self._told or (self.on_event is None and self._companions.telemetry is None):
            return
        self._told = True
        self._logs.drain()  # What was written before comes before.
        duration_ns = self._around.monotonic_ns() - self._launched_ns
        for event in platform.init_over(self.spec, self._plan.restored, self._phase, status, kind, duration_ns):
            self._companions.tell(*event)
            if self.on_event is not None:
                self.on_event(*event)
