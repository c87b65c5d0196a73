"""Invoking functions on behalf of APIs, with the gateway's own time limit."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson

from haneul.clock import MILLISECOND, Clock
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.services.apigateway.plane.compiled import Function
from haneul.services.apigateway.plane.refusals import misconfigured, timed_out
from haneul.services.apigateway.records import Home

PRINCIPAL: Final = "apigateway.amazonaws.com"
SESSION_NAME: Final = "BackplaneAssumeRoleSession"
_SLOT: Final = 100 * MILLISECOND


class FunctionFailed(Exception):
    """The function ran and failed; `message` is its error message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Deadlines:
    """Time limits of many waits at once: one timer for all that end in the same tenth of a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, set[asyncio.Future[Any]]] = {}

    def add(self, future: asyncio.Future[Any], timeout: int) -> int:
        """Have `future` fail with TimeoutError after `timeout` nanoseconds; returns what `remove` wants."""
        slot = -(-(self._clock.now() + timeout) // _SLOT)
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = set()
            self._clock.call_at(slot * _SLOT, lambda: self._expire(slot))
        waiting.add(future)
        return slot

    def remove(self, slot: int, future: asyncio.Future[Any]) -> None:
        waiting = self._slots.get(slot)
        if waiting is not None:
            waiting.discard(future)

    def _expire(self, slot: int) -> None:
        for future in self._slots.pop(slot, ()):
            if not future.done():
                future.set_exception(TimeoutError())


class Invoker:
    """Invokes functions synchronously."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._deadlines = Deadlines(cloud.clock)
        self._running: set[asyncio.Task[Any]] = set()

    async def invoke(self, function: Function, payload: bytes, source_arn: str, home: Home, timeout: int) -> bytes:
        """The function's answer. FunctionFailed when it fails; a Refusal when it cannot be invoked, or takes longer than `timeout` (it then runs on)."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        task = loop.create_task(self._call(function, payload, source_arn, home))
        self._running.add(task)

        def finished(done: asyncio.Task[Any]) -> None:
            self._running.discard(done)
            error = None if done.cancelled() else done.exception()
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            elif done.cancelled():
                answer.cancel()
            else:
                answer.set_result(done.result())

        task.add_done_callback(finished)
        slot = self._deadlines.add(answer, timeout)
        try:
            result = await answer
        except TimeoutError:
            raise timed_out() from None
        except (AccessDenied, ServiceError) as error:
            if isinstance(error, NotBuilt):
                raise
            raise misconfigured() from error
        finally:
            self._deadlines.remove(slot, answer)
        body: bytes = result.get("Payload", b"")
        if result.get("FunctionError"):
            raise FunctionFailed(_error_message(body))
        return body

    async def _call(self, function: Function, payload: bytes, source_arn: str, home: Home) -> dict[str, Any]:
        params = {"FunctionName": function.arn, "Payload": payload}
        if function.role:
            return await call_as(
                self._cloud, "lambda:Invoke", params, principal=PRINCIPAL, role=function.role, session_name=SESSION_NAME, source_arn=source_arn, region=function.region, account=home.account
            )
        return await call_as(
            self._cloud,
            "lambda:Invoke",
            params,
            principal=PRINCIPAL,
            source_arn=source_arn,
            source_account=home.account,
            region=function.region,
            account=function.account,
        )


def _error_message(payload: bytes) -> str:
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ""
    return str(document.get("errorMessage", "")) if isinstance(document, dict) else ""
