"""Amazon SQS: queues in the store, receivers that wait in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, TypeVar

from haneul.clock import Timer
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Shape
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.sqs import errors, message_moves, upkeep
from haneul.services.sqs.box import EXPIRE, Box
from haneul.services.sqs.counters import NEVER, Counters
from haneul.services.sqs.fifo import FifoBox
from haneul.services.sqs.meters import Meters
from haneul.services.sqs.queues import QUEUES, Place, Queue, QueueRecord, place_of, place_of_arn
from haneul.services.sqs.quirks import SQS
from haneul.services.sqs.standard import StandardBox
from haneul.services.sqs.waiting import Waiters
from haneul.store.keys import pack, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode

T = TypeVar("T")
_CACHED_MAX: Final = 10_000


class QueueSession:
    """A transaction over one queue, and over those that its dead letters go to. Writes each queue's counters at the end."""

    def __init__(self, service: Sqs, tx: Transaction, call: Call | None) -> None:
        self.cloud = service.cloud
        self.tx = tx
        self.now = service.cloud.clock.now()
        self._service = service
        self._call = call
        self._opened: list[tuple[Box, bytes]] = []

    def open(self, queue: Queue) -> Box:
        """The queue as it is in this transaction, which may be newer than the cached one; QueueMissing when it is gone."""
        row = self.tx.get(queue.counters_key)
        if row is None:
            found = self.tx.get(queue.place.key)
            if found is None:
                raise errors.queue_missing(self._call) if self._call is not None else errors.QueueMissing()
            queue = Queue(queue.place, decode(found, QueueRecord))
            row = self.tx.get(queue.counters_key)
            assert row is not None
        box = (FifoBox if queue.fifo else StandardBox)(self, queue, Counters.decode(row))
        self._opened.append((box, row))
        return box

    def other(self, place: Place) -> Box | None:
        for box, _ in self._opened:
            if box.queue.place == place:
                return box
        queue = self._service.find(place)
        if queue is None:
            return None
        try:
            return self.open(queue)
        except errors.QueueMissing:
            return None

    def finish(self) -> list[Box]:
        """Write the counters that changed; the queues that were opened. The session lets go of them: boxes know it, too, and what is a
        ring of references is freed only by the collector, which took a fifth of SendMessage's time.
        """
        opened, self._opened = self._opened, []
        for box, row in opened:
            changed = box.counters.encode()
            if changed != row:
                self.tx.put(box.queue.counters_key, changed)
        return [box for box, _ in opened]


class Sqs(Service):
    """The service. In memory it keeps parsed queues, receivers that wait, and a timer for each queue whose next message becomes visible later."""

    name: ClassVar[str] = "sqs"
    quirks: ClassVar[Quirks] = SQS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.waiters = Waiters()
        self.meters = Meters(cloud)
        self.stopping = False
        self._queues: dict[Place, Queue] = {}
        self._by_arn: dict[str, Queue] = {}
        self._alarms: dict[str, Timer] = {}
        cloud.store.watch(pack((QUEUES,)), self._forget)
        cloud.outbox.handle(upkeep.SWEEP, lambda payload: upkeep.sweep(cloud, payload))
        cloud.outbox.handle(upkeep.FORGET_NAME, lambda payload: upkeep.forget_name(cloud, payload))
        cloud.outbox.handle(EXPIRE, self._expire)
        cloud.outbox.handle(message_moves.MOVE, lambda payload: message_moves.move(self, payload))

    async def start(self) -> None:
        self.stopping = False

    def end_waits(self) -> None:
        self.stopping = True
        self.waiters.wake_all()

    async def stop(self) -> None:
        self.end_waits()
        for timer in self._alarms.values():
            timer.cancel()
        self._alarms.clear()
        self.meters.stop()

    def resource_policy(self, call: Call, arn: str) -> str | None:
        queue = self._by_arn.get(arn) or self._find_arn(arn)
        return queue.record.attributes.get("Policy") if queue is not None else None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        queue = self._find_arn(arn)
        return queue.record.tags if queue is not None else None

    def _find_arn(self, arn: str) -> Queue | None:
        place = place_of_arn(arn)
        return self.find(place) if place is not None else None

    # ---- queues

    def find(self, place: Place) -> Queue | None:
        """The queue at a place, as last committed."""
        queue = self._queues.get(place)
        if queue is None:
            row = self.cloud.store.get(place.key)
            if row is None:
                return None
            if len(self._queues) >= _CACHED_MAX:
                self._queues.clear()
                self._by_arn.clear()
            queue = self._queues[place] = Queue(place, decode(row, QueueRecord))
            self._by_arn[queue.arn] = queue
        return queue

    def queue_of(self, call: Call, request: Shape) -> Queue:
        """The queue that a request's QueueUrl names."""
        queue = self.find(place_of(call, request))
        if queue is None:
            raise errors.queue_missing(call)
        return queue

    def _forget(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            _, account, region, name = unpack(key)
            queue = self._queues.pop(Place(str(account), str(region), str(name)), None)
            if queue is not None:
                del self._by_arn[queue.arn]

    # ---- changes

    async def change(self, queue: Queue, work: Callable[[Box], T], call: Call | None = None) -> T:
        """Do something to a queue in one transaction, then tell those who wait for what became visible by it."""

        def run(tx: Transaction) -> tuple[T, list[Box]]:
            session = QueueSession(self, tx, call)
            result = work(session.open(queue))
            return result, session.finish()

        result, boxes = await self.cloud.store.transact(run)
        for box in boxes:
            self.announce(box)
        return result

    def announce(self, box: Box) -> None:
        """After the commit: wake who waits for what is visible now, and set the alarm for what will be."""
        queue = box.queue
        if box.released:
            self.wake(queue)
        due = box.counters.waiting_from[0]
        if due != NEVER:
            alarm = self._alarms.get(queue.id)
            if alarm is None or due < alarm.when:
                if alarm is not None:
                    alarm.cancel()
                self._alarms[queue.id] = self.cloud.clock.call_at(due, lambda: self._ring(queue))

    def wake(self, queue: Queue) -> None:
        """Messages of the queue may be received: tell one waiting receiver and everybody who follows the queue's topic."""
        self.waiters.wake(queue.id)
        self.cloud.signals.notify(queue.topic)

    def _ring(self, queue: Queue) -> None:
        self._alarms.pop(queue.id, None)
        if not self.stopping:
            self.cloud.clock.run(self.settle(queue), name=f"sqs alarm {queue.place.name}")

    async def settle(self, queue: Queue) -> None:
        """Count as visible what has become so; receivers are woken and the next alarm is set."""
        try:
            while not await self.change(queue, lambda box: box.settle()):
                pass
        except errors.QueueMissing:
            return

    async def _expire(self, payload: Shape) -> None:
        """A queue's expiry timer: remove what is too old, a bounded number in each transaction."""
        queue = self.find(Place(payload["account"], payload["region"], payload["name"]))
        if queue is None or queue.id != payload["id"]:
            return
        try:
            while not await self.change(queue, lambda box: box.expire(upkeep.REMOVED_PER_TRANSACTION)):
                pass
        except errors.QueueMissing:
            return
