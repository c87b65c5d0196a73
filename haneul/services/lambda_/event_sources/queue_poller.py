"""Queues to functions: receives batches, and deletes what has been processed.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source".
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.errors import AccessDenied, ServiceError
from haneul.services.lambda_.destinations import queue_url
from haneul.services.lambda_.event_sources.payloads import encode_event, failed_items, sqs_record
from haneul.services.lambda_.event_sources.source import Poller
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX
from haneul.services.lambda_.traces import LOOPS_MAX, joined, loops

_RECEIVED_AT_ONCE = 10
_CONCURRENCY_FIRST = 5
_CONCURRENCY_MAX = 1250
_CONCURRENCY_MORE_PER_SECOND = 5
Message = dict[str, Any]


class QueuePoller(Poller):
    """Follows one queue. Batches run beside each other: five at first, three hundred more a minute while messages wait, up to the mapping's maximum.

    A FIFO queue gives out no message of a group while an earlier one is being processed, so that its groups run beside each other and in order.
    Source: AWS Lambda Developer Guide, "Configuring scaling behavior for SQS event source mappings".
    """

    data_key = "body"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._url = queue_url(self.mapping.source_arn)
        self._concurrency_max = self.mapping.concurrency_max or _CONCURRENCY_MAX
        self._busy_since: int | None = None
        self._running = 0
        self._gathered: list[Message] = []
        self._gathered_bytes = 0
        self._gather_until = 0

    def topic(self) -> str:
        return f"queue:{self.mapping.source_arn}"

    async def look(self) -> None:
        """Receive until the queue is empty or as many batches run as may."""
        while not self.stopped:
            if self._running >= self._concurrency():
                if self._running < self._concurrency_max:
                    self.wake_at(self.cloud.clock.now() + SECOND)
                return
            room = self.mapping.batch_size - len(self._gathered)
            received = await self._receive(min(room, _RECEIVED_AT_ONCE)) if room > 0 else []
            self._gather(received)
            full = len(self._gathered) >= self.mapping.batch_size or self._gathered_bytes >= PAYLOAD_BYTES_MAX // 2
            if received and not full:
                continue  # There may be more of them for this batch.
            if not self._gathered:
                if not self._running:
                    self._busy_since = None
                return
            if not full and self.cloud.clock.now() < self._gather_until:
                self.wake_at(self._gather_until)
                return
            self._begin()

    def _concurrency(self) -> int:
        """How many batches may run now."""
        now = self.cloud.clock.now()
        if self._busy_since is None:
            self._busy_since = now
        more = (now - self._busy_since) // SECOND * _CONCURRENCY_MORE_PER_SECOND
        return min(_CONCURRENCY_FIRST + more, self._concurrency_max)

    async def _receive(self, count: int) -> list[Message]:
        params = {"QueueUrl": self._url, "MaxNumberOfMessages": count, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "WaitTimeSeconds": 0}
        answer = await self.call("sqs:ReceiveMessage", params)
        messages: list[Message] = answer.get("Messages", [])
        self.count("PolledEventCount", len(messages))
        if not messages or not self.filters:
            return messages
        passed = [message for message in messages if self._passes(message)]
        dropped = [message for message in messages if message not in passed]
        self.count("FilteredOutEventCount", len(dropped))
        await self._delete(dropped)  # A message that no filter wants is done with, as on AWS.
        if not passed:
            self.wake()
        return passed

    def _passes(self, message: Message) -> bool:
        """A body that is JSON is compared as such, and fits patterns for JSON only; a number, word or text alone is plain text, as everything else is."""
        record = sqs_record(message, self.mapping.source_arn, self.mapping.region)
        if message["Body"].lstrip(" \t\r\n")[:1] in ("{", "["):
            with suppress(orjson.JSONDecodeError):  # It may only begin like JSON.
                record["body"] = orjson.loads(message["Body"])
        return self.wanted(record)

    def _gather(self, messages: list[Message]) -> None:
        if messages and not self._gathered:
            self._gather_until = self.cloud.clock.now() + self.mapping.window_seconds * SECOND
        self._gathered += messages
        self._gathered_bytes += sum(len(message["Body"]) for message in messages)

    def _begin(self) -> None:
        batch, self._gathered, self._gathered_bytes = self._gathered, [], 0
        batch = self._without_loops(batch)
        if not batch:
            return
        self._running += 1
        self.cloud.clock.run(self._run(batch), f"queue batch {self.mapping.uuid}")

    def _without_loops(self, batch: list[Message]) -> list[Message]:
        """Messages that have not gone round in circles. The others stay in the queue, which in the end makes dead letters of them, as on AWS."""
        found = self.resolve()
        if found.function.recursive_loop != "Terminate":
            return batch
        fresh = [message for message in batch if loops(message.get("Attributes", {}).get("AWSTraceHeader", ""), found.target.arn) < LOOPS_MAX]
        if len(fresh) < len(batch):
            self.invoker.meters.count(found.target, "RecursiveInvocationsDropped", len(batch) - len(fresh))
            self.count("FailedInvokeEventCount", len(batch) - len(fresh))
            self.report("PROBLEM: Function call failed: a recursive loop was stopped")
        return fresh

    async def _run(self, batch: list[Message]) -> None:
        try:
            await self._process(batch)
        except (ServiceError, AccessDenied) as error:
            self.report(f"PROBLEM: {error.message}")
        finally:
            self._running -= 1
            self.wake()

    async def _process(self, batch: list[Message]) -> None:
        """Run the function over a batch. What is not deleted afterwards becomes visible again, and in the end a dead letter, by the queue's own rules."""
        payload = encode_event([sqs_record(message, self.mapping.source_arn, self.mapping.region) for message in batch])
        if len(payload) > PAYLOAD_BYTES_MAX and len(batch) > 1:  # Messages of a megabyte: ten of them are more than an event can hold.
            await self._process(batch[: len(batch) // 2])
            await self._process(batch[len(batch) // 2 :])
            return
        trace = joined(header for message in batch if (header := message.get("Attributes", {}).get("AWSTraceHeader")))
        _, invoked = await self.invoke(payload, len(batch), trace)
        if invoked is None:
            self.report("PROBLEM: Function could not be invoked.")
            return
        failed: set[str] | None = set()
        if invoked.failed:
            failed = None
        elif self.mapping.reports_item_failures:
            failed = failed_items(invoked.outcome.payload, [message["MessageId"] for message in batch])
        if failed is None:
            self.report("PROBLEM: Function call failed")
            return
        done = [message for message in batch if message["MessageId"] not in failed]
        await self._delete(done)
        self.count("DeletedEventCount", len(done))
        self.report("OK" if not failed else "PROBLEM: Function reported batch item failures")

    async def _delete(self, messages: list[Message]) -> None:
        for at in range(0, len(messages), _RECEIVED_AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages[at : at + _RECEIVED_AT_ONCE])
            ]
            await self.call("sqs:DeleteMessageBatch", {"QueueUrl": self._url, "Entries": entries})
