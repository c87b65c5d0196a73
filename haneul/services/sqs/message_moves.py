"""Message move tasks ("DLQ redrive"): their records, and the work, which goes on over restarts from the outbox.

Key: `("sqs-move", account, region, source queue's name, started at, task id)` → `MoveTask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from haneul.clock import SECOND
from haneul.core.operation import Shape
from haneul.services.sqs import errors
from haneul.services.sqs.box import Box
from haneul.services.sqs.contents import Content
from haneul.services.sqs.messages import State
from haneul.services.sqs.queues import Place, place_of_arn
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Row, Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.sqs.service import Sqs

MOVE = "sqs:move"
TASKS = "sqs-move"
RUNNING, COMPLETED, CANCELLED, FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"
TASKS_KEPT = 10
_MOVED_PER_TRANSACTION = 100


class MoveTask(msgspec.Struct):
    """One task. `destination` and `failure` are empty for none, `rate` is messages a second, 0 for as fast as can be."""

    id: str
    source: str
    destination: str
    rate: int
    started_at: int
    total: int
    status: str = RUNNING
    moved: int = 0
    failure: str = ""


def task_key(source: Place, started_at: int, task_id: str) -> bytes:
    return pack((TASKS, *source, started_at, task_id))


def tasks_of(reader: Reader, source: Place, limit: int) -> list[Row]:
    """The tasks of a source queue, newest first."""
    return reader.range(*prefix_range(pack((TASKS, *source))), limit, reverse=True)


def find_task(reader: Reader, source: Place, task_id: str) -> tuple[bytes, MoveTask] | None:
    for key, row in tasks_of(reader, source, TASKS_KEPT + 1):
        if unpack(key)[5] == task_id:
            return key, decode(row, MoveTask)
    return None


async def move(service: Sqs, payload: Shape) -> None:
    """One step of a task: some messages, in one transaction with the task's progress and the promise of the next step.

    So a crash repeats nothing: either the step happened and the next one is promised, or it did not.
    """
    source = Place(payload["account"], payload["region"], payload["name"])
    queue = service.find(source)

    def fail_without_source(tx: Transaction) -> None:
        found = find_task(tx, source, payload["task"])
        if found is not None and found[1].status == RUNNING:
            found[1].status, found[1].failure = FAILED, "AWS.SimpleQueueService.NonExistentQueue"
            tx.put(found[0], encode(found[1]))

    if queue is None:
        await service.cloud.store.transact(fail_without_source)
        return
    try:
        await service.change(queue, lambda box: _step(box, payload))
    except errors.QueueMissing:
        await service.cloud.store.transact(fail_without_source)


def _step(box: Box, payload: Shape) -> None:
    found = find_task(box.tx, box.queue.place, payload["task"])
    if found is None or found[1].status != RUNNING:
        return
    key, task = found
    mover = _Mover(box, task)
    empty = box.take(min(task.rate or _MOVED_PER_TRANSACTION, _MOVED_PER_TRANSACTION * 5), mover.accept)
    if task.status == RUNNING:
        if empty or task.moved >= task.total:
            task.status = COMPLETED
        else:
            due = box.now + SECOND if task.rate else 0
            box.session.cloud.outbox.put(box.tx, MOVE, payload, due=due)
    box.tx.put(key, encode(task))


class _Mover:
    """Takes messages over into their destination. A message that was redriven is a new one: new id, new age, never received."""

    def __init__(self, box: Box, task: MoveTask) -> None:
        self._box = box
        self._task = task

    def accept(self, content: Content) -> bool:
        """Put one message where it belongs; False, with the task failed, when there is no such place."""
        task, box = self._task, self._box
        if task.moved >= task.total:
            return False  # What came in since the task began is not its business.
        target = place_of_arn(task.destination or content.source or "")
        if target is None:
            return self._fail("CouldNotDetermineMessageSource")
        destination = box.session.other(target)
        if destination is None:
            return self._fail("AWS.SimpleQueueService.NonExistentQueue")
        content.id = box.session.cloud.ids.uuid()
        content.source = None
        content.number = 0
        delay = 0 if destination.queue.fifo else box.now + destination.queue.delay
        destination.put(content, State(box.now, delay))
        task.moved += 1
        return True

    def _fail(self, reason: str) -> bool:
        self._task.status, self._task.failure = FAILED, reason
        return False
