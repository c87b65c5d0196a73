"""What comes after an invocation's answer: its environment is not free before the runtime and every extension ask for what is next.

The client has its answer by then. What extensions do meanwhile counts towards the invocation's duration and time-out (AWS Lambda Developer Guide,
"Understanding the Lambda execution environment lifecycle", Invoke phase).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from haneul.runtime import errors
from haneul.runtime.answers import Answering, Result
from haneul.runtime.companions import Companions
from haneul.runtime.drivers.port import Sandbox
from haneul.runtime.extensions import ShutdownReason
from haneul.runtime.freezer import Freezer
from haneul.runtime.logs import LogReader
from haneul.runtime.port import FunctionSpec, Invocation, Outcome
from haneul.runtime.surroundings import Surroundings


@dataclass(slots=True)
class Answered:
    """An invocation that has its answer, and when it began."""

    invocation: Invocation
    outcome: Outcome
    begun_ns: int


class Aftermath:
    """Of an invocation, `answered`, or of nothing: then the runtime has stopped waiting for one. `attended`: there are extensions, and so the invocation
    is not over yet, which `Outcome.whole` says. After `seconds` it `on_timeout` is called."""

    def __init__(self, answered: Answered | None, attended: bool, seconds: float, on_timeout: Callable[[Aftermath], None]) -> None:
        loop = asyncio.get_running_loop()
        self.answered = answered
        self.over: asyncio.Future[None] = loop.create_future()
        self.concluded = False
        self._failure: Result | None = None
        self._whole: asyncio.Future[Outcome] | None = None
        if answered is not None and attended:
            self._whole = answered.outcome.whole = loop.create_future()
        self._timer = loop.call_later(max(0.0, seconds), on_timeout, self)

    def fail(self, result: Result) -> None:
        """Something went wrong after the answer. The first to say so is right."""
        self._failure = self._failure or result

    def conclude(self, duration_ns: int, peak_bytes: int, log: bytes) -> Outcome:
        """What is reported in the end. Without extensions that is what was answered."""
        assert self.answered is not None
        self.concluded = True
        if self._whole is None:
            return self.answered.outcome
        whole = replace(self.answered.outcome, duration_ns=duration_ns, max_memory_bytes=peak_bytes, log=log, whole=None)
        if self._failure is not None and whole.status == "success":
            whole.status, whole.error_type = self._failure.status or "success", self._failure.error_type
        self._whole.set_result(whole)
        return whole

    def end(self) -> None:
        """The environment is free, or gone."""
        self._timer.cancel()
        self.over.set_result(None)


class Lingering(Answering):
    """The part of an environment that knows when it is free: not while it lingers over an invocation that has been answered."""

    alive: bool
    spec: FunctionSpec
    _after: Aftermath | None
    _around: Surroundings
    _companions: Companions
    _freezer: Freezer
    _logs: LogReader
    _ready: bool
    _sandbox: Sandbox | None

    def _give_up(self, reason: ShutdownReason) -> None:
        raise NotImplementedError

    @property
    def lingers(self) -> bool:
        """Whether its last invocation has been answered, but runtime or extensions are not done with it, or are just ending."""
        return self._after is not None

    def when_free(self, callback: Callable[[], None]) -> None:
        """Call `callback` once: when this one, which `lingers`, does no more, or is gone."""
        if self._after is not None:
            self._after.over.add_done_callback(lambda _: callback())

    async def free_within(self, seconds: float) -> bool:
        """Wait so long for runtime and extensions to ask for what is next; whether they do, and another invocation would not wait."""
        if self._after is not None:
            await asyncio.wait([self._after.over], timeout=seconds)
        return self.alive and self._after is None

    def asks(self) -> None:
        """The runtime asks for its next invocation."""
        self._asks = True
        self._perhaps_free()

    def stopped_asking(self) -> None:
        """The runtime does not wait for an invocation any more, without having been given one: most probably it is ending."""
        self._asks = False
        if self._ready and self.alive and self._current is None:
            self._linger(self.spec.timeout_ms)

    @property
    def _wants_more(self) -> bool:
        """Whether the runtime, and every extension, waits for what is next."""
        return self._asks and (not self._companions or self._companions.extensions.all_ready)

    def _linger(self, timeout_ms: int, answered: Answered | None = None) -> None:
        """It cannot be invoked again yet; when the function's time is up it is ended."""
        if self._sandbox is None or self._after is not None:
            return
        spent_ns = self._around.monotonic_ns() - answered.begun_ns if answered is not None else 0
        self._freezer.busy()
        self._after = Aftermath(answered, bool(self._companions), timeout_ms / 1000 - spent_ns / 1e9, self._out_of_time)

    def _out_of_time(self, after: Aftermath) -> None:
        if after.answered is not None:
            invocation = after.answered.invocation
            kind, payload = errors.timed_out(invocation.request_id, invocation.timeout_ms or self.spec.timeout_ms)
            after.fail(Result("timeout", payload, kind))
            self._conclude(after)
        self._give_up("timeout")

    def _perhaps_free(self) -> None:
        """Runtime or extensions have asked for what is next."""
        if self._after is not None and self.alive and self._wants_more:
            self._end_aftermath()

    def _end_aftermath(self) -> None:
        after, self._after = self._after, None
        if after is None:
            return
        self._conclude(after)
        if self._current is None:
            self._rest()
        after.end()

    def _conclude(self, after: Aftermath) -> None:
        """What there is to report of an invocation is known."""
        if after.answered is None or after.concluded:
            return
        self._logs.drain()
        duration_ns = self._around.monotonic_ns() - after.answered.begun_ns
        self._reported(after.answered.invocation, after.conclude(duration_ns, self._peak(), self._logs.tail()))

    def _reported(self, invocation: Invocation, outcome: Outcome) -> Outcome:
        """This is the last that there is to say of an invocation."""
        if self._companions:
            self._companions.report(invocation.request_id, outcome)
        return outcome

    def _peak(self) -> int:
        """The most memory used so far, in bytes."""
        self._peak_bytes = max(self._peak_bytes, self._sandbox.peak_bytes() if self._sandbox is not None else 0)
        return self._peak_bytes

    def _rest(self) -> None:
        """There is nothing to do until the next invocation."""
        if self.alive and self._ready and self._sandbox is not None:
            self._freezer.idle(self._sandbox)

    def _fail(self, result: Result) -> None:
        """Something has gone wrong during an invocation, or after it."""
        if self._after is not None:
            self._after.fail(result)
        else:
            self._settle(result)
