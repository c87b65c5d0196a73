"""Runs a function once, whoever asked for it: concurrency, environment, log, metering."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from haneul.core.cloud import Cloud
from haneul.runtime.port import Invocation, Outcome, RuntimeUnavailable
from haneul.services.lambda_.environments import Environments, Lease
from haneul.services.lambda_.errors import throttled
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, LOG_TAIL_BYTES_MAX
from haneul.services.lambda_.meters import Meters
from haneul.services.lambda_.platform_log import end_lines, start_line
from haneul.services.lambda_.records import reserved_key
from haneul.services.lambda_.traces import LOOPS_MAX, loops, passed_on, recursive

_ATTEMPTS = 3


@dataclass(slots=True)
class Invoked:
    """What came of an invocation. `log_tail` is the last 4 KB of its log, in base64."""

    outcome: Outcome
    version: str
    log: str

    @property
    def failed(self) -> bool:
        return self.outcome.status != "success"

    @property
    def log_tail(self) -> str:
        return b64encode(self.log.encode("utf-8", "replace")[-LOG_TAIL_BYTES_MAX:]).decode()


class Invoker:
    """Counts what runs at once (in this process, where the environments are) and runs it."""

    def __init__(self, cloud: Cloud, functions: Functions, environments: Environments, meters: Meters) -> None:
        self._cloud = cloud
        self.meters = meters
        self._functions = functions
        self._environments = environments
        self.stopping = False
        self._running: dict[tuple[str, str, str], int] = {}
        self._unreserved: dict[tuple[str, str], int] = {}

    async def run(
        self, found: Resolution, payload: bytes, request_id: str, *, client_context: str | None = None, with_log: bool = False, trace_id: str = ""
    ) -> Invoked:
        """Run the version that `found` names. A function's failure is an outcome; TooManyRequestsException, RecursiveInvocationException (by the
        lineage in `trace_id`) and what keeps it from running are raised."""
        account, region, name, _ = found.target
        place, area = (account, region, name), (account, region)
        trace_id = self._trace(found, trace_id)
        reserved = found.function.reserved_concurrency is not None
        self._enter(found, place, area, reserved)
        try:
            return await self._run(found, payload, request_id, client_context, with_log, trace_id)
        finally:
            self._running[place] -= 1
            if not self._running[place]:
                del self._running[place]
            if not reserved:
                self._unreserved[area] -= 1

    def _enter(self, found: Resolution, place: tuple[str, str, str], area: tuple[str, str], reserved: bool) -> None:
        running = self._running.get(place, 0)
        limit = found.function.reserved_concurrency
        if limit is not None:
            if running >= limit:
                self._throttle(found, "ReservedFunctionConcurrentInvocationLimitExceeded")
        else:
            together = self._unreserved.get(area, 0)
            # The account's limit less what is reserved; the sum is read only when it can matter.
            if together >= 100 and together >= ACCOUNT_CONCURRENCY - (read(self._cloud.store, reserved_key(found.target.space), int) or 0):
                self._throttle(found, "ConcurrentInvocationLimitExceeded")
            self._unreserved[area] = together + 1
        running += 1
        self._running[place] = running
        self.meters.of(found).concurrency.add(running)
        if limit is None:
            self.meters.account(*area, "UnreservedConcurrentExecutions", self._unreserved[area])

    def _throttle(self, found: Resolution, reason: str) -> None:
        self.meters.throttled(found)
        raise throttled(reason)

    def _trace(self, found: Resolution, given: str) -> str:
        """The trace header for an invocation; RecursiveInvocationException when the event has come round too often."""
        arn = found.target.arn
        if given and found.function.recursive_loop == "Terminate" and loops(given, arn) >= LOOPS_MAX:
            self.meters.count(found.target, "RecursiveInvocationsDropped")
            raise recursive(found.target.name)
        return passed_on(given or self.new_trace(), arn)

    async def _run(self, found: Resolution, payload: bytes, request_id: str, client_context: str | None, with_log: bool, trace_id: str) -> Invoked:
        invocation = Invocation(request_id, payload, found.arn, client_context, None, trace_id)
        for attempt in range(_ATTEMPTS):
            lease = await self._environments.acquire(found)
            try:
                return await self._run_in(lease, found, invocation, with_log)
            except RuntimeUnavailable:
                # The environment ended between acquiring and using it (the sandbox was restarted): another one will do.
                if self.stopping or attempt == _ATTEMPTS - 1:
                    raise
            finally:
                await self._environments.release(lease)
        raise AssertionError("unreachable")

    def new_trace(self) -> str:
        """An X-Ray header, as every invocation has one, sampled or not."""
        digits = self._cloud.ids.hex(40)
        return f"Root=1-{self._cloud.clock.seconds():08x}-{digits[:24]};Parent={digits[24:]};Sampled=0"

    async def _run_in(self, lease: Lease, found: Resolution, invocation: Invocation, with_log: bool) -> Invoked:
        version, clock, log = found.version, self._cloud.clock, lease.log
        first = start_line(version, invocation.request_id, clock.now())
        log.busy = True
        log.add(first)
        try:
            outcome = await lease.environment.invoke(invocation)
        finally:
            log.busy = False
        if self.stopping and outcome.status == "exited":
            # It is the cloud that ends, not the function that failed: an asynchronous event must not lose an attempt by it.
            raise RuntimeUnavailable("The cloud is stopping.")
        last = end_lines(version, invocation.request_id, outcome, clock.now())
        for line in last:
            log.add(line)
        log.flush()
        self.meters.ran(found, outcome)
        text = first + outcome.log.decode("utf-8", "replace") + "".join(last) if with_log else ""
        return Invoked(outcome, version.qualifier, text)
