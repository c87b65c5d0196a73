"""PutLogEvents."""

from __future__ import annotations

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.logs.access import find_group, find_stream, group_arn, on_stream, place_of
from haneul.services.logs.delivery import Ingested, hand_on
from haneul.services.logs.errors import invalid_parameter
from haneul.services.logs.records import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Group,
    Place,
    Stream,
    count_bytes,
    encode_ingestion,
    events_prefix,
    group_key,
    oldest_key,
    recent_key,
    stream_key,
)
from haneul.services.logs.retention import EVENT_OVERHEAD_BYTES, oldest_kept_ms, schedule_expiry
from haneul.services.logs.service import Logs
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import encode

BATCH_BYTES_MAX = 1_048_576
EVENT_BYTES_MAX = 1_048_576
_SPAN_MAX_MS = DAY_MS
_FUTURE_MAX_MS = 2 * HOUR_MS
_PAST_MAX_MS = 14 * DAY_MS


@operation("logs:PutLogEvents", resource=on_stream, partial="entity is refused")
async def put_log_events(call: Call, request: Shape) -> Shape:
    """Take a batch of events into a stream, in one transaction (API reference: PutLogEvents).

    Timestamps are milliseconds. Events too old, expired or too far in the future are left out and reported; a batch that is out of order,
    too large or spans more than a day is refused whole. Sequence tokens are ignored, as the service has done since 2023.
    """
    if "entity" in request:
        raise NotBuilt("the parameter entity of logs:PutLogEvents")
    events = request["logEvents"]
    messages = _checked_messages(events)
    place, now_ms = place_of(call), call.now // MILLISECOND
    group_name, stream_name = request["logGroupName"], request["logStreamName"]
    service = call.service(Logs)
    rejected: dict[str, int] = {}
    taken = taken_bytes = 0
    sequence = 0

    def work(tx: Transaction) -> None:
        nonlocal rejected, taken, taken_bytes, sequence
        group = find_group(tx, place, group_name)
        stream = find_stream(tx, place, group, stream_name)
        first, end, rejected = _accepted(events, group, now_ms)
        if first < end:
            taken = end - first
            taken_bytes = _store_events(call, tx, place, group, stream_name, stream, events[first:end], messages[first:end], now_ms)
            if group.subscriptions or group.metric_filters:
                batch = Ingested(place, group, stream_name, stream, events[first:end])
                hand_on(call.cloud, tx, service.pattern, batch)
        sequence = stream.sequence

    await call.cloud.store.transact(work)
    if taken_bytes:
        call.cloud.signals.notify(f"logs:{group_arn(call, group_name)}")
        call.cloud.usage.add(place.account, place.region, "logs", "IncomingBytes", group_name, taken_bytes)
        call.cloud.usage.add(place.account, place.region, "logs", "IncomingLogEvents", group_name, taken)
    result: Shape = {"nextSequenceToken": f"{sequence:056d}"}
    if rejected:
        result["rejectedLogEventsInfo"] = rejected
    return result


def _checked_messages(events: list[Shape]) -> list[bytes]:
    """The messages as UTF-8, if the batch as a whole is acceptable."""
    messages: list[bytes] = []
    size, before = 0, 0
    for event in events:
        message = event["message"].encode("utf-8", "surrogatepass")
        if len(message) > EVENT_BYTES_MAX:
            raise invalid_parameter(f"Log event too large: {len(message) + EVENT_OVERHEAD_BYTES} bytes exceeds limit of {EVENT_BYTES_MAX}")
        timestamp = event["timestamp"]
        if timestamp < before:
            raise invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.")
        before = timestamp
        size += len(message) + EVENT_OVERHEAD_BYTES
        messages.append(message)
    if size > BATCH_BYTES_MAX:
        raise invalid_parameter(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES_MAX}")
    return messages


def _accepted(events: list[Shape], group: Group, now_ms: int) -> tuple[int, int, dict[str, int]]:
    """The part of the batch that is neither too old nor too new (first, end), and what to report of the rest."""
    too_old_before, expired_before, too_new_after = now_ms - _PAST_MAX_MS, oldest_kept_ms(group, now_ms), now_ms + _FUTURE_MAX_MS
    count = len(events)
    rejected: dict[str, int] = {}
    first, end = 0, count
    if events[0]["timestamp"] < max(too_old_before, expired_before):
        too_old = next((at for at, event in enumerate(events) if event["timestamp"] >= too_old_before), count)
        first = next((at for at, event in enumerate(events) if event["timestamp"] >= max(too_old_before, expired_before)), count)
        if too_old:
            rejected["tooOldLogEventEndIndex"] = too_old
        if first > too_old:
            rejected["expiredLogEventEndIndex"] = first
    if events[-1]["timestamp"] > too_new_after:
        end = next(at for at, event in enumerate(events) if event["timestamp"] > too_new_after)
        rejected["tooNewLogEventStartIndex"] = end
    if first < end and events[end - 1]["timestamp"] - events[first]["timestamp"] > _SPAN_MAX_MS:
        raise invalid_parameter("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    return first, end, rejected


def _store_events(
    call: Call, tx: Transaction, place: Place, group: Group, name: str, stream: Stream, events: list[Shape], messages: list[bytes], now_ms: int
) -> int:
    """Write the events, the stream's new figures and, where they changed, its places in the indexes. Returns the bytes taken in."""
    prefix = events_prefix(place, group.id, stream.id)
    head = encode_ingestion(now_ms)
    sequence, size = stream.sequence, 0
    moment, stem = -1, b""
    for event, message in zip(events, messages):
        sequence += 1
        if event["timestamp"] != moment:
            moment = event["timestamp"]
            stem = prefix + pack((moment,))
        tx.put(stem + pack((sequence,)), head + message)
        size += len(message) + EVENT_OVERHEAD_BYTES
    first_ms, last_ms = events[0]["timestamp"], events[-1]["timestamp"]
    known_first, known_last = stream.first_event_ms, stream.last_event_ms
    if last_ms > known_last:
        if last_ms // MINUTE_MS != max(known_last, 0) // MINUTE_MS:
            tx.delete(recent_key(place, group.id, known_last, name))
            tx.put(recent_key(place, group.id, last_ms, name), b"")
        stream.last_event_ms = last_ms
    if known_first < 0 or first_ms < known_first:
        if known_first < 0 or first_ms // HOUR_MS != known_first // HOUR_MS:
            if known_first >= 0:
                tx.delete(oldest_key(place, group.id, known_first, name))
            tx.put(oldest_key(place, group.id, first_ms, name), b"")
            if group.retention_days:
                _expire_in_time(call, tx, place, group, first_ms)
        stream.first_event_ms = first_ms
    stream.last_ingestion_ms = now_ms
    stream.stored_bytes += size
    stream.sequence = sequence
    tx.put(stream_key(place, group.id, name), encode(stream))
    count_bytes(tx, place, group.id, size)
    return size


def _expire_in_time(call: Call, tx: Transaction, place: Place, group: Group, first_ms: int) -> None:
    """Bring the group's expiry forward when these events are due before what is waited for."""
    due_ms = (first_ms // HOUR_MS + 1) * HOUR_MS + group.retention_days * DAY_MS
    if not group.expiry_due_ms or due_ms < group.expiry_due_ms:
        schedule_expiry(call.cloud, tx, place, group)
        tx.put(group_key(place, group.name), encode(group))
