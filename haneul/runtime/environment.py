"""One execution environment, from the server's side: its life cycle, its invocations, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator

from haneul.runtime import errors
from haneul.runtime.aftermath import Answered
from haneul.runtime.answers import Result
from haneul.runtime.channel import Channel, invocation_body
from haneul.runtime.companions import Companions, failure_document
from haneul.runtime.drivers.port import Ending, Plan, Sandbox
from haneul.runtime.extensions import ShutdownReason
from haneul.runtime.freezer import Freezer
from haneul.runtime.initialising import Initialising
from haneul.runtime.interpreters import Kind
from haneul.runtime.logs import LogReader
from haneul.runtime.port import (
    FunctionSpec,
    Invocation,
    LogLine,
    OnEvent,
    OnLog,
    Outcome,
    ResponseStream,
    RuntimeUnavailable,
)
from haneul.runtime.runtime_api import RuntimeApi
from haneul.runtime.streaming import AnswerStream
from haneul.runtime.surroundings import Surroundings

_LAST_WORDS_SECONDS = 0.25
_SANDBOXES_OF_AN_INVOCATION = 3
"""An invocation that no runtime has taken, because it ended just then, is given to so many, one after the other."""
_log = logging.getLogger(__name__)


class Environment(Initialising):
    """Serves one invocation at a time. Made by `Runtime.create`.

    `alive` turns False when the sandbox is gone: after a time-out, an exit, running out of memory, or `destroy`. An invocation is answered before
    its environment is free for another: only once the runtime, and every extension, asks for what is next. Then every process inside is stopped.
    """

    def __init__(self, kind: Kind, plan: Plan, spec: FunctionSpec, surroundings: Surroundings, on_log: OnLog | None, on_event: OnEvent | None = None) -> None:
        self.key = spec.key
        self.spec = spec
        self.alive = False
        self.memory_mb = plan.memory_mb
        self.log_stream_name: str = plan.configuration["environment"].get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.on_log = on_log
        self.on_event = on_event
        self.on_begin: Callable[[], None] | None = None
        self.restores_in_place = False
        """Of a snapshot's process: whether it cannot be forked whole, because of threads or of extensions. What is restored is then initialised anew."""
        self._kind = kind
        self._plan = plan
        self._around = surroundings
        self._loop = asyncio.get_running_loop()
        self._destroyed = False
        self._restores = 0
        self._sandbox: Sandbox | None = None
        self._stop_listening: Callable[[], None] | None = None
        self._reset()

    def _reset(self) -> None:
        """Everything that belongs to one sandbox and not to its successor."""
        self._channel: Channel | None = None
        self._status_text = b""
        self._begin_initialising()
        self._cold = True
        self._begin_answering()
        self._ending = Ending()
        self._companions = Companions(self.spec, self, self._around.wall_ns, self._around.new_id)
        self._after = None
        self._freezer = Freezer()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    @property
    def frozen(self) -> bool:
        """Whether the processes inside are stopped."""
        return self._freezer.frozen

    @property
    def busy(self) -> bool:
        """Whether an invocation is under way."""
        return self._current is not None

    # ---- life

    async def launch(self) -> None:
        """Make the sandbox and start the function's process; the Init phase goes on behind. Raises RuntimeUnavailable."""
        begun_ns = self._around.monotonic_ns()
        try:
            sandbox = await self._around.driver.launch(self._plan)
        except BaseException:
            self._ended.set_result(None)  # Whoever waits for an end that will never be must not wait for ever.
            raise
        self._around.began(self)
        # The Init phase does not include making the sandbox, but a restore is nothing else.
        self._launched_ns = begun_ns if self._plan.restored else sandbox.made_ns or self._around.monotonic_ns()
        self._sandbox = sandbox
        self.alive = True
        self._logs = LogReader(sandbox.log, self._around.wall_ns, self._lines)
        loop = self._loop
        self._channel = Channel(sandbox.channel, self._on_frame, self._on_channel_end)
        loop.add_reader(sandbox.log, self._on_log_pipe)
        loop.add_reader(sandbox.status, self._on_status_pipe)
        self._api = RuntimeApi(sandbox.api, self, self._companions) if sandbox.api is not None else None
        self._companions.attend(sandbox, self._tell_launch())
        if sandbox.endpoint is not None and self._around.adopt_listener is not None:
            self._stop_listening = self._around.adopt_listener(sandbox.endpoint, self.spec)
            sandbox.endpoint = None
        if self._destroyed:  # While the sandbox was made.
            self._kill()

    async def destroy(self) -> None:
        """End everything inside and wait until it is gone. Extensions are told and given their time; without any all is killed at once."""
        self._destroyed = True
        if self.alive:
            if self._companions and self._sandbox is not None:
                await self._shut_down(self._sandbox, "spindown")
            self._kill()
        if self._sandbox is not None:  # Alive until now, or on its way out already: a time-out, or want of memory.
            await self.ended()

    async def ended(self) -> None:
        """Wait until the sandbox is gone, whoever ends it."""
        await asyncio.shield(self._ended)

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the sandbox is gone."""
        self._ended.add_done_callback(lambda _: callback())

    def _kill(self) -> None:
        self.alive = False
        if self._sandbox is not None:
            self._sandbox.kill()

    async def _again(self) -> None:
        """A second sandbox in place of one that did not get through its Init phase (a suppressed init)."""
        if self.alive and self._companions and self._sandbox is not None:
            await self._shut_down(self._sandbox, "failure")
        if self.alive:
            self._kill()
        await self._ended
        self._reset()
        self._phase = "invoke"
        await self.launch()

    @contextlib.contextmanager
    def restoring(self) -> Iterator[Sandbox]:
        """While another environment is forked off this one, whose sandbox is given, it must not be frozen. Raises RuntimeUnavailable."""
        if not self.alive or self._sandbox is None:
            raise RuntimeUnavailable("The snapshot is gone.")
        self._restores += 1
        self._freezer.busy()
        try:
            yield self._sandbox
        finally:
            self._restores -= 1
            if not self._restores and self.alive and self._sandbox is not None:
                self._freezer.idle(self._sandbox)

    # ---- invocation

    def stream(self, invocation: Invocation) -> ResponseStream:
        """Run the function once, giving its answer on while it is made."""
        answer = AnswerStream()
        answer.run(self.invoke(invocation, answer))
        return answer

    async def invoke(self, invocation: Invocation, stream: AnswerStream | None = None) -> Outcome:
        """Run the function once. Every failure of the function is an Outcome; raises RuntimeUnavailable when the environment was destroyed
        or cannot be made anew. With `stream` the answer goes there (see `stream`, which callers use)."""
        while self._after is not None:
            await asyncio.wait([self._after.over])
        if self._current is not None:
            raise RuntimeError("an environment serves one invocation at a time")
        self._current = invocation
        try:
            for sandboxes_left in reversed(range(_SANDBOXES_OF_AN_INVOCATION)):
                if self._destroyed:
                    raise RuntimeUnavailable("The environment was destroyed.")
                if not self.alive:
                    await self._ended
                    self._reset()
                    self._current = invocation
                    await self.launch()
                self._freezer.busy()
                self._logs.begin()
                self._init_log = b""
                self._stream = stream
                outcome = await self._run(invocation)
                if outcome.status != "exited" or not self._untaken or not sandboxes_left or self._destroyed:
                    return outcome
            raise AssertionError("unreachable")
        finally:
            self._current = self._answer = self._stream = self._incoming = None
            if self._after is None:
                self._rest()

    async def _run(self, invocation: Invocation) -> Outcome:
        timeout_ms = invocation.timeout_ms or self.spec.timeout_ms
        now = self._around.monotonic_ns
        start, left_ms = now(), timeout_ms
        if not self._ready:
            result, repeated_ns = await self._await_init(invocation, timeout_ms)
            if result.status is None and not self.alive:  # It ended in the moment after its Init phase.
                await self._ended
                result = Result("exited", errors.exited(invocation.request_id, self._ending)[1], "Runtime.ExitError")
            self._begins()
            if result.status is not None:
                duration = timeout_ms * 1_000_000 if result.status == "init_timeout" else now() - (repeated_ns or start)
                return self._reported(invocation, self._outcome(result, duration))
            start = repeated_ns or now()
            if repeated_ns is not None:
                left_ms = max(1, timeout_ms - (now() - start) // 1_000_000)
        answer: asyncio.Future[Result] = self._loop.create_future()
        self._answer = answer
        timer = self._loop.call_later(left_ms / 1000, self._time_out, invocation.request_id, timeout_ms)
        self._deliver(invocation, left_ms)
        try:
            result = await answer
        finally:
            timer.cancel()
        duration = now() - start
        if self._companions:
            self._companions.runtime_done(invocation, result.status or "success", duration, len(result.payload))
        if self._stream is not None and result.status == "success" and not self._stream.begun:  # The function does not stream.
            self._stream.begin(result.content_type)
            self._stream.feed(result.payload)
            result.payload = b""
        if result.status == "timeout":
            duration = timeout_ms * 1_000_000
        outcome = self._outcome(result, duration)
        if self._sandbox is not None and self.alive and not self._wants_more:
            self._linger(timeout_ms, Answered(invocation, outcome, start))
            return outcome
        return self._reported(invocation, outcome)

    def _outcome(self, result: Result, duration_ns: int) -> Outcome:
        # An Init phase that was repeated within the invocation is a part of its duration.
        first, self._cold = (self._init_duration_ns if self._cold and self._phase == "init" else None), False
        init_duration, restore_duration = (None, first) if self._plan.restored else (first, None)
        self._logs.drain()
        return Outcome(
            result.status or "success", result.payload, result.error_type, duration_ns, init_duration, self._peak(), self._logs.tail(), result.content_type, restore_duration,
            init_log=self._init_log,
        )  # fmt: skip

    def _deliver(self, invocation: Invocation, timeout_ms: int) -> None:
        self._asks = False
        if self._companions:
            self._companions.invocation_begins(invocation, timeout_ms)
        if not self._kind.channel:
            assert self._api is not None
            self._api.offer(invocation, self._around.wall_ns() // 1_000_000 + timeout_ms)
            return
        if self._channel is not None:
            self._channel.send(b"N", invocation_body(invocation, timeout_ms))

    def _time_out(self, request_id: str, timeout_ms: int) -> None:
        if self._answer is not None and not self._answer.done():
            kind, payload = errors.timed_out(request_id, timeout_ms)
            self._answer.set_result(Result("timeout", payload, kind))
            self._give_up("timeout")

    # ---- what comes from our own bootstraps

    def _on_frame(self, kind: bytes, body: bytes) -> None:
        if kind == b"I":
            self.restores_in_place = self.restores_in_place or body == b"threads"
            self.initialised()
        elif kind == b"T":
            self._companions.started(body)
        elif kind == b"X":
            self._fail_init(body)
        else:
            self._on_answer(kind, body)

    def _on_channel_end(self, garbage: bool) -> None:
        """What closes its channel is ending, and the keeper will say how; one that has only closed its channel is of no use any more."""
        sandbox = self._sandbox
        if sandbox is None or not (garbage or self._kind.channel):
            return
        self.stopped_asking()
        if garbage:
            self._loop.call_soon(sandbox.kill)
        else:
            self._loop.call_later(_LAST_WORDS_SECONDS, self._without_runtime, sandbox)

    def _without_runtime(self, sandbox: Sandbox) -> None:
        """The runtime has gone, or will not be of use; its extensions still have their Shutdown phase."""
        if self._sandbox is sandbox:
            self._give_up("failure")

    # ---- what the Runtime API calls

    @property
    def uses_channel(self) -> bool:
        return self._kind.channel

    @property
    def restores(self) -> bool | None:
        """Whether it has been restored from a snapshot, or one was to be taken of it; None without SnapStart."""
        return self._plan.restored if self.spec.initialization_type == "snap-start" else None

    # ---- what its companions tell

    def start_runtime(self) -> None:
        if self._channel is not None:
            self._channel.send(b"G", b"")

    def companions_ready(self) -> None:
        if self._runtime_ready and not self._ready:
            self.initialised()
        self._perhaps_free()

    def companion_failed(self, kind: str, message: str) -> None:
        payload = failure_document(kind, self._current.request_id if self._current is not None else "", message)
        if not self._ready:
            self._fail_init(payload)
        else:
            self._fail(Result("exited", payload, kind))
        self._give_up("failure")

    def runtime_ended(self) -> None:
        self._give_up("failure")

    def _give_up(self, reason: ShutdownReason) -> None:
        """This sandbox serves no more."""
        if self.alive and self._sandbox is not None:  # Once it is gone nobody can tell.
            self._note_peak(self._sandbox.function_peak_bytes())
        if not self._companions or self._sandbox is None:
            self._kill()
        elif self.alive:
            self.alive = False
            self._shutting_down = self._loop.create_task(self._shut_down(self._sandbox, reason))

    async def _shut_down(self, sandbox: Sandbox, reason: ShutdownReason) -> None:
        self._freezer.busy()
        await self._companions.shut_down(sandbox, self._ended, reason)

    # ---- log and end

    def _lines(self, lines: list[LogLine]) -> None:
        if self._companions:
            self._companions.function_lines(lines)
        if self.on_log is None:
            return
        try:
            self.on_log(lines)
        except Exception:  # What a listener makes of lines must not keep the environment from ending.
            _log.exception("the log of %s could not be taken", self.spec.function_name)

    def _on_log_pipe(self) -> None:
        if not self._logs.read():
            self._loop.remove_reader(self._logs.fd)

    def _on_status_pipe(self) -> None:
        assert self._sandbox is not None
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._sandbox.status, 4096)
            if data:
                self._status_text = (self._status_text + data)[:8192]
                self._companions.on_status(data.decode("utf-8", "replace"))
                return
            self._loop.remove_reader(self._sandbox.status)
            self._ending_task = self._loop.create_task(self._end())

    async def _end(self) -> None:
        """The sandbox is gone: learn why, answer whoever waits, let go of everything."""
        sandbox = self._sandbox
        assert sandbox is not None
        self.alive = False
        self._freezer.stop()
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        if self._api is not None:
            self._api.close()
        self._peak()
        ending = Ending()
        try:
            ending = await sandbox.ending(self._status_text)
        except (OSError, ValueError):
            _log.exception("how the sandbox of %s ended cannot be told", self.spec.function_name)
        self._note_peak(self.memory_mb << 20 if ending.out_of_memory else ending.peak_bytes)
        self._drain_rest()
        if self._channel is not None:
            self._untaken = self._untaken or (self._channel.unread if self._kind.channel else self._api is not None and self._api.untaken)
            self._channel.close()
        sandbox.close()
        self._sandbox = None
        self._ending = ending
        if not self._initialised.done():
            self._init_over(Result("init_error", error_type=errors.exited("", ending)[0], ending=ending))
        invocation = self._after.answered.invocation if self._after is not None and self._after.answered is not None else self._current
        if invocation is not None:
            kind, payload = errors.exited(invocation.request_id, ending)
            self._fail(Result("out_of_memory" if ending.out_of_memory else "exited", payload, kind))
        self._ended.set_result(None)
        self._end_aftermath()
        self._around.ended(self)

    def _drain_rest(self) -> None:
        self._companions.close()
        self._loop.remove_reader(self._logs.fd)
        for _ in range(2):  # A pipe that has been emptied says so the first time, that it has ended the second.
            self._logs.read(rounds=1024)
        self._logs.close()
