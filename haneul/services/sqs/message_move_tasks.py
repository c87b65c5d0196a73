"""StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks."""

from __future__ import annotations

import orjson

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import AccessDenied
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.sqs import errors
from haneul.services.sqs.box import Box
from haneul.services.sqs.dead_letters import has_sources, sources
from haneul.services.sqs.message_moves import CANCELLED, MOVE, RUNNING, TASKS_KEPT, MoveTask, find_task, task_key, tasks_of
from haneul.services.sqs.queues import Place, Queue, place_of_arn
from haneul.services.sqs.service import Sqs
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

RATE_MAX = 500
_SOURCES_CHECKED_MAX = 100
_NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."
_NO_DESTINATION = "The resource that you specified for the DestinationArn parameter doesn't exist."


def _place(call: Call, arn: str | None, parameter: str) -> Place:
    if not arn:
        raise errors.missing(parameter)
    place = place_of_arn(arn)
    if place is None:
        raise errors.invalid(f"Value for parameter {parameter} is invalid.")
    if place.account != call.account:
        raise AccessDenied(f"User: {call.caller.arn or 'anonymous'} is not authorized to perform: {call.operation.action} on resource: {arn}")
    return place


def _source_arn(call: Call, request: Shape) -> str:
    return _place(call, request.get("SourceArn"), "SourceArn").arn


def _source_queue(call: Call, place: Place) -> Queue:
    queue = call.service(Sqs).find(place) if place.region == call.region else None
    if queue is None:
        raise errors.resource_missing(_NO_SOURCE)
    return queue


@operation("sqs:StartMessageMoveTask", action="sqs:startmessagemovetask", resource=_source_arn, authorized_inside=True)
async def start_message_move_task(call: Call, request: Shape) -> Shape:
    """Begin to move the messages of a dead-letter queue back to where they came from, or to one queue.

    The caller needs to be allowed to receive and delete at the source and to send at the destinations, as the Developer Guide has it.
    """
    source = _place(call, request.get("SourceArn"), "SourceArn")
    for action in ("sqs:startmessagemovetask", "sqs:receivemessage", "sqs:deletemessage", "sqs:getqueueattributes"):
        call.authorize(action, source.arn)
    queue = _source_queue(call, source)
    store = call.cloud.store
    rate = request.get("MaxNumberOfMessagesPerSecond")
    if rate is not None and not 1 <= rate <= RATE_MAX:
        raise errors.invalid_value(rate, "MaxNumberOfMessagesPerSecond", f"Must be between 1 and {RATE_MAX}, if provided.")
    if not has_sources(store, source):
        raise errors.invalid("Source queue must be configured as a Dead Letter Queue.")
    arn = request.get("DestinationArn") or ""
    targets = sources(store, source, _SOURCES_CHECKED_MAX)
    if arn:
        targets = [_place(call, arn, "DestinationArn")]
        if targets[0].region != call.region or call.service(Sqs).find(targets[0]) is None:
            raise errors.resource_missing(_NO_DESTINATION)
        if targets[0].name.endswith(".fifo") != queue.fifo:
            raise errors.invalid("Source queue and destination queue must be of the same type.")
        if targets[0] == source:
            raise errors.invalid("Source queue and destination queue cannot be the same.")
    for target in targets:
        call.authorize("sqs:sendmessage", target.arn)
    task = MoveTask(id=call.cloud.ids.uuid(), source=source.arn, destination=arn, rate=rate or 0, started_at=call.now, total=0)
    await call.service(Sqs).change(queue, lambda box: _begin(box, task), call)
    return {"TaskHandle": _handle(task)}


def _begin(box: Box, task: MoveTask) -> None:
    tx, place = box.tx, box.queue.place
    rows = tasks_of(tx, place, TASKS_KEPT + 1)
    if any(decode(row, MoveTask).status == RUNNING for _, row in rows):
        raise errors.invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
    for key, _ in rows[TASKS_KEPT - 1 :]:
        tx.delete(key)
    box.settle()
    task.total = box.counters.total - box.counters.in_flight - box.delayed()
    tx.put(task_key(place, task.started_at, task.id), encode(task))
    box.session.cloud.outbox.put(tx, MOVE, {**place._asdict(), "task": task.id})


def _handle(task: MoveTask) -> str:
    return make_token(orjson.dumps({"taskId": task.id, "sourceArn": task.source}))


def _task_place(call: Call, request: Shape) -> tuple[Place, str]:
    handle = request.get("TaskHandle")
    if not handle:
        raise errors.missing("TaskHandle")
    raw = read_token(handle)
    try:
        parts = orjson.loads(raw or b"")
        place, task_id = place_of_arn(parts["sourceArn"]), parts["taskId"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        place, task_id = None, None
    if place is None or not isinstance(task_id, str):
        raise errors.invalid("Value for parameter TaskHandle is invalid.")
    return _place(call, place.arn, "SourceArn"), task_id


def _task_arn(call: Call, request: Shape) -> str:
    return _task_place(call, request)[0].arn


@operation("sqs:CancelMessageMoveTask", action="sqs:cancelmessagemovetask", resource=_task_arn)
async def cancel_message_move_task(call: Call, request: Shape) -> Shape:
    """Stop a running task; what it has moved stays moved."""
    place, task_id = _task_place(call, request)
    _source_queue(call, place)

    def work(tx: Transaction) -> int:
        found = find_task(tx, place, task_id)
        if found is None:
            raise errors.resource_missing("Task does not exist.")
        key, task = found
        if task.status != RUNNING:
            raise errors.unsupported("Only active tasks can be cancelled.")
        task.status = CANCELLED
        tx.put(key, encode(task))
        return task.moved

    return {"ApproximateNumberOfMessagesMoved": await call.cloud.store.transact(work)}


@operation("sqs:ListMessageMoveTasks", action="sqs:listmessagemovetasks", resource=_source_arn)
async def list_message_move_tasks(call: Call, request: Shape) -> Shape:
    """The newest tasks of a source queue, at most ten; one unless MaxResults says more."""
    place = _place(call, request.get("SourceArn"), "SourceArn")
    _source_queue(call, place)
    limit = request.get("MaxResults")
    if limit is not None and not 1 <= limit <= TASKS_KEPT:
        raise errors.invalid_value(limit, "MaxResults", f"Must be between 1 and {TASKS_KEPT}, if provided.")
    return {"Results": [_render(decode(row, MoveTask)) for _, row in tasks_of(call.cloud.store, place, limit or 1)]}


def _render(task: MoveTask) -> Shape:
    result: Shape = {
        "Status": task.status,
        "SourceArn": task.source,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.total,
        "StartedTimestamp": task.started_at // MILLISECOND,
    }
    if task.status == RUNNING:
        result["TaskHandle"] = _handle(task)
    if task.destination:
        result["DestinationArn"] = task.destination
    if task.rate:
        result["MaxNumberOfMessagesPerSecond"] = task.rate
    if task.failure:
        result["FailureReason"] = task.failure
    return result
