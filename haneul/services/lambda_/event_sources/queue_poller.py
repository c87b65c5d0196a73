"""Queues to functions: receives batches, and deletes what has been processed.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source".
"""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.errors import AccessDenied, ServiceError
from haneul.services.lambda_.destinations import queue_url
from haneul.services.lambda_.event_sources.payloads import encode_event, failed_items, sqs_record
from haneul.services.lambda_.event_sources.source import Poller
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX

_RECEIVED_AT_ONCE = 10
_CONCURRENCY_DEFAULT = 10
Message = dict[str, Any]


class QueuePoller(Poller):
    """Follows one queue. Batches run beside each other, up to the mapping's maximum concurrency."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._url = queue_url(self.mapping.source_arn)
        self._concurrency = self.mapping.concurrency_max or _CONCURRENCY_DEFAULT
        self._running = 0
        self._gathered: list[Message] = []
        self._gathered_bytes = 0
        self._gather_until = 0

    def topic(self) -> str:
        return f"queue:{self.mapping.source_arn}"

    async def look(self) -> None:
        """Receive until the queue is empty or as many batches run as may."""
        while self._running < self._concurrency and not self.stopped:
            room = self.mapping.batch_size - len(self._gathered)
            received = await self._receive(min(room, _RECEIVED_AT_ONCE)) if room > 0 else []
            self._gather(received)
            full = len(self._gathered) >= self.mapping.batch_size or self._gathered_bytes >= PAYLOAD_BYTES_MAX // 2
            if received and not full:
                continue  # There may be more of them for this batch.
            if not self._gathered:
                return
            if not full and self.cloud.clock.now() < self._gather_until:
                self.wake_at(self._gather_until)
                return
            self._begin()

    async def _receive(self, count: int) -> list[Message]:
        params = {"QueueUrl": self._url, "MaxNumberOfMessages": count, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "WaitTimeSeconds": 0}
        answer = await self.call("sqs:ReceiveMessage", params)
        messages: list[Message] = answer.get("Messages", [])
        if not messages or not self.filters:
            return messages
        passed = [message for message in messages if self._passes(message)]
        dropped = [message for message in messages if message not in passed]
        await self._delete(dropped)  # A message that no filter wants is done with, as on AWS.
        if not passed:
            self.wake()
        return passed

    def _passes(self, message: Message) -> bool:
        """A body that is JSON is compared as such; patterns for plain texts see it as it is."""
        record = sqs_record(message, self.mapping.source_arn, self.mapping.region)
        if self.wanted(record):
            return True
        try:
            record["body"] = orjson.loads(message["Body"])
        except orjson.JSONDecodeError:
            return False
        return self.wanted(record)

    def _gather(self, messages: list[Message]) -> None:
        if messages and not self._gathered:
            self._gather_until = self.cloud.clock.now() + self.mapping.window_seconds * SECOND
        self._gathered += messages
        self._gathered_bytes += sum(len(message["Body"]) for message in messages)

    def _begin(self) -> None:
        batch, self._gathered, self._gathered_bytes = self._gathered, [], 0
        self._running += 1
        self.cloud.clock.run(self._process(batch), f"queue batch {self.mapping.uuid}")

    async def _process(self, batch: list[Message]) -> None:
        """Run the function over a batch. What is not deleted afterwards becomes visible again, and in the end a dead letter, by the queue's own rules."""
        try:
            records = [sqs_record(message, self.mapping.source_arn, self.mapping.region) for message in batch]
            _, invoked = await self.invoke(encode_event(records))
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
            await self._delete([message for message in batch if message["MessageId"] not in failed])
            self.report("OK" if not failed else "PROBLEM: Function reported batch item failures")
        except (ServiceError, AccessDenied) as error:
            self.report(f"PROBLEM: {error.message}")
        finally:
            self._running -= 1
            self.wake()

    async def _delete(self, messages: list[Message]) -> None:
        for at in range(0, len(messages), _RECEIVED_AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages[at : at + _RECEIVED_AT_ONCE])
            ]
            await self.call("sqs:DeleteMessageBatch", {"QueueUrl": self._url, "Entries": entries})
