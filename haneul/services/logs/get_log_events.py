"""GetLogEvents."""

from __future__ import annotations

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.logs.access import check_unmask, find_group, find_stream, named_group, on_stream, place_of
from haneul.services.logs.errors import invalid_parameter, invalid_token
from haneul.services.logs.records import decode_event, event_id, event_position, events_prefix, position_of_event_id
from haneul.services.logs.retention import EVENT_OVERHEAD_BYTES, oldest_kept_ms
from haneul.store.keys import pack

EVENTS_MAX = 10_000
PAGE_BYTES_MAX = 1_048_576
_END_MS = 1 << 48


@operation("logs:GetLogEvents", resource=on_stream)
async def get_log_events(call: Call, request: Shape) -> Shape:
    """One page of a stream's events in the order of their times (API reference: GetLogEvents).

    Tokens are `f/` or `b/` and an event's id: forward goes on behind it, backward before it. At an end the same token comes back.
    """
    check_unmask(call, request, on_stream(call, request))
    place, store = place_of(call), call.cloud.store
    group = find_group(store, place, named_group(call, request))
    stream = find_stream(store, place, group, request["logStreamName"])
    start_ms = max(request.get("startTime", 0), oldest_kept_ms(group, call.now // MILLISECOND))
    end_ms = request.get("endTime", _END_MS)
    if "startTime" in request and "endTime" in request and request["endTime"] < request["startTime"]:
        raise invalid_parameter("endTime cannot be before startTime")
    prefix = events_prefix(place, group.id, stream.id)
    start, end = prefix + pack((start_ms,)), prefix + pack((min(end_ms, _END_MS),))
    backward = not request.get("startFromHead", False)
    position = None
    if "nextToken" in request:
        direction, position = _read_token(request["nextToken"])
        backward = direction == "b"
        if backward:
            end = min(end, prefix + pack(position))
        else:
            start = max(start, prefix + pack(position) + b"\x00")
    limit = request.get("limit", EVENTS_MAX)
    events: list[Shape] = []
    positions: list[tuple[int, int]] = []
    size = 0
    for key, value in store.iterate(start, end, backward) if start < end else ():
        size += len(value) + EVENT_OVERHEAD_BYTES
        if len(events) == limit or (size > PAGE_BYTES_MAX and events):
            break
        ingestion_ms, message = decode_event(value)
        positions.append(event_position(key, prefix))
        events.append({"timestamp": positions[-1][0], "message": message, "ingestionTime": ingestion_ms})
    if backward:
        events.reverse()
        positions.reverse()
    first, last = (positions[0], positions[-1]) if positions else (position or (0, 0),) * 2
    return {
        "events": events,
        "nextForwardToken": f"f/{event_id(last[0], stream.id, last[1])}/s",
        "nextBackwardToken": f"b/{event_id(first[0], stream.id, first[1])}/s",
    }


def _read_token(token: str) -> tuple[str, tuple[int, int]]:
    direction, _, rest = token.partition("/")
    position = position_of_event_id(rest.removesuffix("/s"))
    if direction not in ("f", "b") or position is None or position[0] > _END_MS:
        raise invalid_token()
    return direction, position
