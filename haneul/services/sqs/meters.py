"""The metrics of queues (SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS").

What is done to a queue is counted as it happens. How many messages lie in it is looked up once a minute, for queues that were used lately or
hold messages; ApproximateAgeOfOldestMessage is not reported.
"""

from __future__ import annotations

from typing import Final

from haneul.clock import HOUR, MINUTE, Clock, Timer
from haneul.core.cloud import Cloud
from haneul.metering.metrics import Series
from haneul.services.sqs.counters import Counters
from haneul.services.sqs.queues import Queue

_NAMESPACE: Final = "AWS/SQS"
_REMEMBERED_MAX: Final = 10_000
# How long after its last use an empty queue, and one with messages, are still reported.
_EMPTY_FOR: Final = 15 * MINUTE
_FILLED_FOR: Final = 6 * HOUR


class QueueMeter:
    """One queue's metrics."""

    __slots__ = ("delayed", "deleted", "empty_receives", "in_flight", "queue", "received", "sent", "size", "used_at", "visible")

    def __init__(self, cloud: Cloud, queue: Queue) -> None:
        def series(name: str, unit: str = "Count") -> Series:
            return cloud.metrics.series(queue.place.account, queue.place.region, _NAMESPACE, name, (("QueueName", queue.place.name),), unit)

        self.queue = queue
        self.used_at = 0
        self.sent = series("NumberOfMessagesSent")
        self.size = series("SentMessageSize", "Bytes")
        self.received = series("NumberOfMessagesReceived")
        self.empty_receives = series("NumberOfEmptyReceives")
        self.deleted = series("NumberOfMessagesDeleted")
        self.visible = series("ApproximateNumberOfMessagesVisible")
        self.in_flight = series("ApproximateNumberOfMessagesNotVisible")
        self.delayed = series("ApproximateNumberOfMessagesDelayed")


class Meters:
    """The metrics of all queues in use."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._clock: Clock = cloud.clock
        self._meters: dict[str, QueueMeter] = {}
        self._timer: Timer | None = None

    def sent(self, queue: Queue, size: int) -> None:
        """A message of `size` bytes was put into a queue."""
        meter = self._used(queue)
        meter.sent.add(1.0)
        meter.size.add(float(size))

    def received(self, queue: Queue, count: int) -> None:
        """A receiver got `count` messages; none counts as an empty receive."""
        meter = self._used(queue)
        if count:
            meter.received.add(1.0, count)
        else:
            meter.empty_receives.add(1.0)

    def deleted(self, queue: Queue, count: int) -> None:
        """So many messages were deleted."""
        if count:
            self._used(queue).deleted.add(1.0, count)

    def stop(self) -> None:
        """Report nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._meters.clear()

    def _used(self, queue: Queue) -> QueueMeter:
        meter = self._meters.get(queue.id)
        if meter is None:
            if len(self._meters) >= _REMEMBERED_MAX:
                self._meters.clear()
            meter = self._meters[queue.id] = QueueMeter(self._cloud, queue)
        meter.queue = queue
        meter.used_at = self._clock.now()
        if self._timer is None:
            # A moment before the minute ends, so that what is found belongs to it.
            self._timer = self._clock.call_at((meter.used_at // MINUTE + 1) * MINUTE - 2, self._look)
        return meter

    def _look(self) -> None:
        """Report how full the queues are."""
        now = self._clock.now()
        for queue_id, meter in list(self._meters.items()):
            row = self._cloud.store.get(meter.queue.counters_key)
            if row is None:
                del self._meters[queue_id]
                continue
            counters = Counters.decode(row)
            meter.visible.add(float(counters.visible))
            meter.in_flight.add(float(counters.in_flight))
            meter.delayed.add(float(counters.delayed))
            if now - meter.used_at > (_FILLED_FOR if counters.total else _EMPTY_FOR):
                del self._meters[queue_id]
        self._timer = self._clock.call_at((now // MINUTE + 2) * MINUTE - 2, self._look) if self._meters else None
