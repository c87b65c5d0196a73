"""Runs a function once, whoever asked for it: concurrency, environment, log, metering."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from haneul.clock.buckets import Buckets
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.runtime.port import Invocation, Outcome, ResponseStream, RuntimeUnavailable
from haneul.services.lambda_.environments import Environments, Lease
from haneul.services.lambda_.errors import throttled
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.invoked import Invoked, StreamedAnswer
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY_MIN
from haneul.services.lambda_.meters import Meters
from haneul.services.lambda_.platform_log import end_lines, start_line
from haneul.services.lambda_.provisioned_environments import ProvisionedEnvironments
from haneul.services.lambda_.rates import Rates
from haneul.services.lambda_.records import reserved_key
from haneul.services.lambda_.snap_start import check_active
from haneul.services.lambda_.traces import LOOPS_MAX, fields_of, hash_of, loops, passed_on, recursive, with_fields

_ATTEMPTS = 3
_SAMPLED_BEYOND = 0.05


class Invoker:
    """Counts what runs at once (in this process, where the environments are) and runs it."""

    def __init__(self, cloud: Cloud, functions: Functions, environments: Environments, provisioned: ProvisionedEnvironments, meters: Meters, rates: Rates) -> None:
        self._cloud = cloud
        self._provisioned = provisioned
        self.meters = meters
        self._functions = functions
        self._environments = environments
        self._rates = rates
        self._sampled = Buckets(cloud.clock)
        self.stopping = False
        self._running: dict[tuple[str, str, str], int] = {}
        self._unreserved: dict[tuple[str, str], int] = {}

    async def run(
        self, found: Resolution, payload: bytes, request_id: str, *, client_context: str | None = None, with_log: bool = False, trace_id: str = "", paced: bool = True
    ) -> Invoked:
        """Run the version that `found` names. A function's failure is an outcome; TooManyRequestsException, RecursiveInvocationException (by the
        lineage in `trace_id`) and what keeps it from running are raised. Not `paced` are asynchronous events: their rate is not limited."""
        check_active(found)
        trace_id = self._trace(found, trace_id)
        self._enter(found, paced=paced)
        try:
            invocation = Invocation(request_id, payload, found.arn, client_context, None, trace_id)
            for attempt in range(_ATTEMPTS):
                lease = await self._lease(found)
                try:
                    self._begin_log(lease, found, invocation)
                    outcome = await lease.environment.invoke(invocation)
                    if outcome.whole is None:
                        return self._conclude(lease, found, invocation, outcome, with_log)
                    return await self._answered(lease, found, invocation, outcome, outcome.whole, with_log)
                except RuntimeUnavailable:
                    # The environment ended between acquiring and using it (the sandbox was restarted): another one will do.
                    if self.stopping or attempt == _ATTEMPTS - 1:
                        raise
                finally:
                    await self._give_back(lease)
            raise AssertionError("unreachable")
        finally:
            self._leave(found)

    async def open_stream(
        self, found: Resolution, payload: bytes, request_id: str, *, client_context: str | None = None, with_log: bool = False, trace_id: str = ""
    ) -> StreamedAnswer:
        """As `run`, with the answer read while the function makes it. The answer has begun, or the invocation is over, when this returns."""
        check_active(found)
        invocation = Invocation(request_id, payload, found.arn, client_context, None, self._trace(found, trace_id))
        for attempt in range(_ATTEMPTS):
            self._enter(found)
            try:
                lease = await self._lease(found)
            except BaseException:
                self._leave(found)
                raise
            self._begin_log(lease, found, invocation)
            stream = lease.environment.stream(invocation)
            answer = StreamedAnswer(self._cloud.clock, stream, found.version.qualifier, self._ending(stream, lease, found, invocation, with_log))
            try:
                answer.begun = await stream.begins()
                if not answer.begun:
                    await answer.invoked()
                return answer
            except RuntimeUnavailable:
                if self.stopping or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _ending(self, stream: ResponseStream, lease: Lease, found: Resolution, invocation: Invocation, with_log: bool) -> Callable[[], Awaitable[Invoked]]:
        """What concludes a streamed invocation, to be awaited once."""

        async def end() -> Invoked:
            try:
                outcome = await stream.outcome()
                if outcome.whole is None:
                    return self._conclude(lease, found, invocation, outcome, with_log)
                return await self._answered(lease, found, invocation, outcome, outcome.whole, with_log)
            finally:
                await self._give_back(lease)
                self._leave(found)

        return end

    # ---- environments

    async def _lease(self, found: Resolution) -> Lease:
        """A provisioned environment if there is a free one, else one of the function's others."""
        if self._provisioned.any and (lease := await self._provisioned.lease(found)) is not None:
            return lease
        try:
            return await self._environments.acquire(found)
        except ServiceError as error:
            if error.code == "TooManyRequestsException":
                self.meters.throttled(found)
            raise

    async def _give_back(self, lease: Lease) -> None:
        if not lease.environment.lingers:
            lease.log.busy = False
        if not self._provisioned.take_back(lease):
            await self._environments.release(lease)

    # ---- concurrency

    def _enter(self, found: Resolution, *, paced: bool = True) -> None:
        """Count an invocation in, or refuse it. Only what is not refused for want of concurrency counts for the rate."""
        account, region, name, _ = found.target
        place, area = (account, region, name), (account, region)
        running = self._running.get(place, 0)
        limit, together = found.function.reserved_concurrency, self._unreserved.get(area, 0)
        if limit is not None:
            if running >= limit:
                self._throttle(found, "ReservedFunctionConcurrentInvocationLimitExceeded")
        # The account's limit less what is reserved; the sum is read only when it can matter.
        elif together >= UNRESERVED_CONCURRENCY_MIN and together >= ACCOUNT_CONCURRENCY - (read(self._cloud.store, reserved_key(found.target.space), int) or 0):
            self._throttle(found, "ConcurrentInvocationLimitExceeded")
        if paced and (reason := self._rates.refuses(found)):
            self._throttle(found, reason)
        if limit is None:
            self._unreserved[area] = together + 1
            self.meters.unreserved(area, together + 1)
        running += 1
        self._running[place] = running
        self.meters.of(found).concurrency.add(running)

    def _leave(self, found: Resolution) -> None:
        """`found` is the very one that `_enter` saw, so that what was counted as reserved leaves as reserved."""
        account, region, name, _ = found.target
        place = (account, region, name)
        self._running[place] -= 1
        if not self._running[place]:
            del self._running[place]
        if found.function.reserved_concurrency is None:
            self._unreserved[account, region] -= 1

    def _throttle(self, found: Resolution, reason: str) -> None:
        self.meters.throttled(found)
        raise throttled(reason)

    def _trace(self, found: Resolution, given: str) -> str:
        """The trace header for an invocation; RecursiveInvocationException when the event has come round too often."""
        arn = found.target.arn
        if not given:
            return f"{self._traced(found, self.new_trace(found))};Lineage={hash_of(arn)}:1"
        if found.function.recursive_loop == "Terminate" and loops(given, arn) >= LOOPS_MAX:
            self.meters.count(found.target, "RecursiveInvocationsDropped")
            raise recursive(found.target.name)
        return self._traced(found, passed_on(self.decided_trace(found, given), arn))

    def new_trace(self, found: Resolution) -> str:
        """An X-Ray header for an invocation with which a trace begins. With active tracing the first in a second is sampled, and some of the others."""
        digits = self._cloud.ids.hex(40)
        return f"Root=1-{self._cloud.clock.seconds():08x}-{digits[:24]};Parent={digits[24:]};Sampled={self._decision(found)}"

    def decided_trace(self, found: Resolution, given: str) -> str:
        """The X-Ray header of an event, a new one where none came. With active tracing a decision that was left open is made now, for good."""
        if not given:
            return self.new_trace(found)
        if found.version.tracing != "Active":
            return given
        fields = fields_of(given)
        if "Root" not in fields:
            return with_fields(self.new_trace(found), **fields)
        return given if fields.get("Sampled") in ("0", "1") else with_fields(given, Sampled=self._decision(found))

    def _decision(self, found: Resolution) -> str:
        """`1` when a trace that begins here is sampled. X-Ray's rule: one request a second, and 5 % of those beyond ("Visualize Lambda function invocations
        using AWS X-Ray"). A function without active tracing begins none."""
        if found.version.tracing != "Active":
            return "0"
        return "1" if self._sampled.take(found.target[:3], 1, 1) or self._cloud.ids.random() < _SAMPLED_BEYOND else "0"

    def _traced(self, found: Resolution, header: str) -> str:
        """With active tracing a sampled invocation is a segment of its own, and what the function calls are its children. Without, the header goes through."""
        if found.version.tracing != "Active" or "Sampled=1" not in header:
            return header
        return with_fields(header, Parent=self._cloud.ids.hex(16))

    # ---- log and meters

    def _begin_log(self, lease: Lease, found: Resolution, invocation: Invocation) -> None:
        """The first line; while the environment is still in its Init phase it waits for the end of that."""
        if lease.log.conclude is not None:  # The environment was free before the last invocation's end came to be written.
            lease.log.conclude()
        lease.log.busy = True
        environment = lease.environment
        if environment.alive and environment.is_initialised:
            self._start(lease, found, invocation)
        else:
            lease.first_line = ""
            environment.on_begin = lambda: self._start(lease, found, invocation)

    def _start(self, lease: Lease, found: Resolution, invocation: Invocation) -> None:
        lease.first_line = start_line(found.version, invocation.request_id, self._cloud.clock.now())
        lease.log.add(lease.first_line)

    async def _answered(
        self, lease: Lease, found: Resolution, invocation: Invocation, outcome: Outcome, whole: asyncio.Future[Outcome], with_log: bool
    ) -> Invoked:
        """The function has answered; extensions are still at work. They do not hold up the answer, but the log's last lines, and so its tail."""
        if with_log:
            invoked = self._conclude(lease, found, invocation, await asyncio.shield(whole), with_log)
            return Invoked(outcome, invoked.version, invoked.log)
        log = lease.log

        def conclude() -> None:
            if log.conclude is conclude and whole.done():
                log.conclude = None
                self._conclude_later(lease, found, invocation, whole.result())

        log.conclude = conclude
        whole.add_done_callback(lambda done: conclude())
        return Invoked(outcome, found.version.qualifier, "")

    def _conclude_later(self, lease: Lease, found: Resolution, invocation: Invocation, whole: Outcome) -> None:
        with contextlib.suppress(RuntimeUnavailable):  # The cloud is stopping; it has been answered.
            self._conclude(lease, found, invocation, whole, with_log=False)

    def _conclude(self, lease: Lease, found: Resolution, invocation: Invocation, outcome: Outcome, with_log: bool) -> Invoked:
        """Write the log's last lines and meter what ran."""
        log = lease.log
        log.busy = False
        if self.stopping and outcome.status == "exited":
            # It is the cloud that ends, not the function that failed: an asynchronous event must not lose an attempt by it.
            raise RuntimeUnavailable("The cloud is stopping.")
        last = end_lines(found.version, invocation.request_id, outcome, self._cloud.clock.now(), invocation.trace_id)
        for line in last:
            log.add(line)
        log.flush()
        self.meters.ran(found, outcome)
        text = _text(outcome.init_log) + lease.first_line + _text(outcome.log) + "".join(last) if with_log else ""
        return Invoked(outcome, found.version.qualifier, text)


def _text(log: bytes) -> str:
    return log.decode("utf-8", "replace")
