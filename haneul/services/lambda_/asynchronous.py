"""Asynchronous invocations: taken durably, run later, repeated when they fail, and reported to destinations in the end.

An event lies in the outbox from the moment that Invoke answers 202 until its function has succeeded, or has failed for good and the destination
or dead-letter queue has taken the record of it. Source: AWS Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous
invocation" and "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import logging
from typing import Any

from haneul.clock import MILLISECOND, MINUTE, SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.runtime.port import RuntimeUnavailable
from haneul.services.lambda_.destinations import Destinations
from haneul.services.lambda_.errors import is_machine_full
from haneul.services.lambda_.functions import Functions, Resolution
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.invoker import Invoker
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import InvokeConfig
from haneul.store.port import Transaction

INVOKE = "lambda-async"
RETRIES_DEFAULT = 2
AGE_SECONDS_DEFAULT = 21_600
_RETRY_PAUSES = (1 * MINUTE, 2 * MINUTE)
_THROTTLE_PAUSE_FIRST = 1 * SECOND
_THROTTLE_PAUSE_MAX = 5 * MINUTE
_RUNNING_MAX = 256
"""Events that run at once. The outbox carries out a bounded number of entries at a time. A function may have as many under way as are still free, so
that slow ones leave room for the others: alone it has half of them, beside another a third."""
_CROWDED_PAUSE_FIRST = 1 * SECOND
_CROWDED_PAUSE_MAX = 16 * SECOND
_CROWDED_PAUSE_EACH = 2 * MILLISECOND
_log = logging.getLogger("haneul")


class Asynchronous:
    """Takes and carries out events."""

    def __init__(self, cloud: Cloud, functions: Functions, invoker: Invoker, destinations: Destinations) -> None:
        self._cloud = cloud
        self._functions = functions
        self._invoker = invoker
        self._destinations = destinations
        self._running = 0
        self._running_of: dict[tuple[str, str, str], int] = {}
        self._held_back = 0
        cloud.outbox.handle(INVOKE, self._carry_out)

    async def accept(self, found: Resolution, payload: bytes, request_id: str, trace: str = "") -> None:
        """Take an event. It is on the disk when this returns. A client context is for synchronous invocations only, and not taken along."""
        self._invoker.meters.of(found).add("AsyncEventsReceived")
        entry = {
            "target": list(found.target),
            "payload": payload,
            "request_id": request_id,
            "trace": self._invoker.decided_trace(found, trace),
            "accepted_at": self._cloud.clock.now(),
            "attempts": 0,
            "throttles": 0,
        }
        await self._cloud.store.transact(lambda tx: self._cloud.outbox.put(tx, INVOKE, entry))

    async def _carry_out(self, entry: Shape) -> None:
        if entry.pop("held_back", False):
            self._held_back = max(0, self._held_back - 1)
        target = Target(*entry["target"])
        try:
            found = self._functions.choose(target)
        except ServiceError:
            return  # The function has been deleted since: its events go with it.
        config = self._functions.invoke_config(target) or InvokeConfig(0)
        age_seconds = config.age_seconds if config.age_seconds is not None else AGE_SECONDS_DEFAULT
        expires_at = entry["accepted_at"] + age_seconds * SECOND
        if self._cloud.clock.now() >= expires_at:
            await self._give_up(found, entry, config, "EventAgeExceeded", None)
            return
        if found.function.reserved_concurrency == 0:
            await self._give_up(found, entry, config, "ZeroReservedConcurrency", None)
            return
        place = target[:3]
        if self._running_of.get(place, 0) >= _RUNNING_MAX - self._running:
            await self._hold_back(entry, expires_at)
            return
        self._running += 1
        self._running_of[place] = self._running_of.get(place, 0) + 1
        try:
            await self._run(found, entry, config, expires_at)
        finally:
            self._running -= 1
            self._running_of[place] -= 1
            if not self._running_of[place]:
                del self._running_of[place]

    async def _run(self, found: Resolution, entry: Shape, config: InvokeConfig, expires_at: int) -> None:
        """Run the function, and see to what comes of it."""
        self._invoker.meters.of(found).add("AsyncEventAge", (self._cloud.clock.now() - entry["accepted_at"]) / MILLISECOND, "Milliseconds")
        try:
            invoked = await self._invoker.run(found, entry["payload"], entry["request_id"], trace_id=entry.get("trace", ""), paced=False)
        except ServiceError as error:
            if is_machine_full(error):
                await self._hold_back(entry, expires_at)
            elif error.code == "RecursiveInvocationException":
                await self._give_up(found, entry, config, "RecursiveInvocation", None)
            else:
                await self._after_throttle(found, entry, config, expires_at, error)
            return
        except (AccessDenied, RuntimeUnavailable) as error:
            await self._after_throttle(found, entry, config, expires_at, error)
            return
        entry["attempts"] += 1
        if not invoked.failed:
            await self._destinations.succeeded(found, entry, config, invoked)
            return
        retries = config.retries if config.retries is not None else RETRIES_DEFAULT
        if entry["attempts"] > retries:
            await self._give_up(found, entry, config, "RetriesExhausted", invoked)
            return
        due = self._cloud.clock.now() + _RETRY_PAUSES[min(entry["attempts"], len(_RETRY_PAUSES)) - 1]
        if due >= expires_at:
            await self._give_up(found, entry, config, "EventAgeExceeded", invoked)
            return
        await self._again(entry, due)

    async def _after_throttle(self, found: Resolution, entry: Shape, config: InvokeConfig, expires_at: int, error: Exception | None) -> None:
        """The function could not run (throttled, or Lambda's own trouble): tried again with growing pauses until the event is too old."""
        pause = min(_THROTTLE_PAUSE_FIRST << min(entry["throttles"], 20), _THROTTLE_PAUSE_MAX)
        due = self._cloud.clock.now() + pause
        entry["throttles"] += 1
        _log.debug("asynchronous event %s waits: %s", entry["request_id"], error)
        if due >= expires_at:
            due = expires_at
        await self._again(entry, due)

    async def _hold_back(self, entry: Shape, expires_at: int) -> None:
        """The machine has enough to do. Events that wait come back the later the more of them there are, and spread, so that there is always one at
        hand when something becomes free, and looking at them is not what keeps the machine busy."""
        pause = min(max(_CROWDED_PAUSE_FIRST, self._held_back * _CROWDED_PAUSE_EACH), _CROWDED_PAUSE_MAX)
        spread = pause // 2 + pause * int(self._cloud.ids.hex(4), 16) // 0x10000
        self._held_back += 1
        entry["throttles"] += 1
        entry["held_back"] = True
        await self._again(entry, min(self._cloud.clock.now() + spread, expires_at))

    async def _again(self, entry: dict[str, Any], due: int) -> None:
        """Put the event back for later. The handler's own entry is removed when it returns, so between the two the event exists twice, never not."""

        def work(tx: Transaction) -> None:
            self._cloud.outbox.put(tx, INVOKE, entry, due=due, key=f"{entry['request_id']} {entry['attempts']} {entry['throttles']}")

        await self._cloud.store.transact(work)

    async def _give_up(self, found: Resolution, entry: Shape, config: InvokeConfig, condition: str, invoked: Invoked | None) -> None:
        self._invoker.meters.count(found.target, "AsyncEventsDropped")
        await self._destinations.failed(found, entry, config, condition, invoked)
