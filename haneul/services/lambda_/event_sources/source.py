"""What pollers have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from haneul.clock import MINUTE, Timer
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.runtime.port import RuntimeUnavailable
from haneul.services.lambda_.event_sources.patterns import Matches, compile_pattern
from haneul.services.lambda_.event_sources.records import Mapping, mapping_key
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.invoker import Invoker
from haneul.services.lambda_.meters import NAMESPACE
from haneul.store.port import StoreError, Transaction
from haneul.store.records import encode

PRINCIPAL = "lambda.amazonaws.com"
TROUBLE_PAUSE = 1 * MINUTE
_log = logging.getLogger("haneul")


class Poller:
    """Follows one source for one mapping. It is asleep, as nothing but a listener, until its source's topic is notified."""

    in_order = False
    """Whether what it takes is to be processed in order, so that no two may be at it."""
    data_key = ""
    """The member of a record that holds plain text or JSON, if there is one; filters tell them apart."""

    def __init__(self, cloud: Cloud, functions: Functions, invoker: Invoker, mapping: Mapping) -> None:
        self.cloud = cloud
        self.mapping = mapping
        self.functions = functions
        self.invoker = invoker
        self.stopped = False
        self.rested: Callable[[], None] | None = None
        """Called when a poller that was stopped has nothing under way any more."""
        self.filters: list[Matches] = [compile_pattern(one, self.data_key) for one in mapping.filters]
        self._looking = False
        self._look_again = False
        self._timer: Timer | None = None
        self._sleeping: set[asyncio.Task[Any]] = set()
        self._last_result = mapping.last_result
        self._unlisten = cloud.signals.listen(self.topic(), self.wake)

    def topic(self) -> str:
        """The topic that is notified when the source may have something."""
        raise NotImplementedError

    async def look(self) -> None:
        """Take what the source has and process it."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._looking

    def rest(self) -> None:
        """Something that was under way has ended."""
        if self.stopped and not self.busy and self.rested is not None:
            self.rested()

    def stop(self) -> None:
        """Begin nothing more. An invocation under way ends by itself, and its outcome still counts."""
        self.stopped = True
        self._unlisten()
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._sleeping):
            task.cancel()

    def wake(self) -> None:
        """Look at the source, now or after the look that is under way."""
        if self.stopped:
            return
        self._look_again = True
        if not self._looking:
            self._looking = True
            self.cloud.clock.run(self._look(), f"event source {self.mapping.uuid}")

    def wake_at(self, when: int) -> None:
        """Look again at a time of the clock."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.cloud.clock.call_at(when, self.wake)

    async def _look(self) -> None:
        try:
            while self._look_again and not self.stopped:
                self._look_again = False
                await self.look()
        except (ServiceError, AccessDenied, StoreError) as error:
            self.in_trouble(error)
        finally:
            self._looking = False
            self.rest()

    def in_trouble(self, error: Exception) -> None:
        """The source could not be read, or not be written down how far it was: try again in a while."""
        self.report(f"PROBLEM: {getattr(error, 'message', '') or error}")
        if not self.stopped:
            self.wake_at(self.cloud.clock.now() + TROUBLE_PAUSE)

    async def pause(self, duration: int) -> None:
        """Sleep, unless the poller is stopped."""
        task = asyncio.current_task()
        assert task is not None
        self._sleeping.add(task)
        try:
            await self.cloud.clock.sleep(duration)
        finally:
            self._sleeping.discard(task)

    def report(self, result: str) -> None:
        """Keep what GetEventSourceMapping shows as LastProcessingResult. Written when it changes, not for every batch."""
        if result != self._last_result:
            self._last_result = result
            self.cloud.clock.run(self._write_result(result), "event source result")

    async def _write_result(self, result: str) -> None:
        key = mapping_key(self.mapping.space, self.mapping.uuid)

        def work(tx: Transaction) -> None:
            known = read(tx, key, Mapping)
            if known is not None:
                known.last_result = result
                tx.put(key, encode(known))

        try:
            await self.cloud.store.transact(work)
        except StoreError as error:
            _log.warning("event source %s: %s", self.mapping.uuid, error)

    def resolve(self) -> Resolution:
        """The function as it is now; ServiceError when it is gone."""
        return self.functions.choose(self.mapping.target)

    async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call the source as the function's role."""
        mapping = self.mapping
        return await call_as(
            self.cloud,
            operation,
            params,
            region=mapping.region,
            account=mapping.account,
            role=self.resolve().version.role,
            principal=PRINCIPAL,
            session_name=mapping.function_name,
        )

    async def invoke(self, payload: bytes, records: int, trace: str = "") -> tuple[str, Invoked | None]:
        """Run the function once over a batch: its request id and outcome, None when it could not run (throttled)."""
        request_id = self.cloud.ids.uuid()
        try:
            invoked = await self.invoker.run(self.resolve(), payload, request_id, trace_id=trace)
            self.count("InvokedEventCount", records)
            if invoked.failed:
                self.count("FailedInvokeEventCount", records)
            return request_id, invoked
        except (ServiceError, AccessDenied, RuntimeUnavailable) as error:
            _log.debug("event source %s: the function could not run: %s", self.mapping.uuid, error)
            return request_id, None

    def count(self, metric: str, events: int) -> None:
        """Report one of the mapping's own metrics, where they are asked for."""
        if events and "EventCount" in self.mapping.metrics:
            mapping = self.mapping
            dimensions = (("EventSourceMappingUUID", mapping.uuid),)
            self.cloud.metrics.add(mapping.account, mapping.region, NAMESPACE, metric, dimensions, float(events))

    async def give_up(self, operation: str, params: dict[str, Any], events: int) -> None:
        """Tell the on-failure destination of events that are given up."""
        try:
            await self.call(operation, params)
            self.count("OnFailureDestinationDeliveredEventCount", events)
        except (ServiceError, AccessDenied) as error:
            self.invoker.meters.count(self.mapping.target, "DestinationDeliveryFailures")
            self.report(f"PROBLEM: {error.message}")

    def wanted(self, record: dict[str, Any]) -> bool:
        """Whether a record passes the filters."""
        return not self.filters or any(matches(record) for matches in self.filters)
