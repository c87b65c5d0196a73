"""FilterLogEvents."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from typing import NamedTuple

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.logs.access import check_unmask, find_group, find_stream, named_group, on_group, place_of
from haneul.services.logs.errors import invalid_parameter, invalid_token
from haneul.services.logs.get_log_events import EVENTS_MAX, PAGE_BYTES_MAX
from haneul.services.logs.records import (
    MINUTE_MS,
    Group,
    Place,
    Stream,
    decode_event,
    event_id,
    event_position,
    events_prefix,
    recent_prefix,
    stream_key,
)
from haneul.services.logs.retention import EVENT_OVERHEAD_BYTES, oldest_kept_ms
from haneul.services.logs.service import Logs
from haneul.services.logs.streams import Named, streams_by_name
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader
from haneul.store.records import decode

_SEARCHED_MAX = 20_000
_BREATH_EVERY = 1_000
_END_MS = 1 << 48
_FROM_TAIL_SINCE_MS = 1_704_067_200_000  # 2024-01-01: the service reads from the tail only from here on.


class Found(NamedTuple):
    """An event of a group; sorts by time, then stream, then its place in the stream."""

    timestamp: int
    stream_id: int
    sequence: int
    value: bytes
    stream_name: str


class Window(NamedTuple):
    """Which events are looked at: times with both ends included, a direction, and the event behind which to go on."""

    start_ms: int
    end_ms: int
    backward: bool
    behind: tuple[int, int, int] | None


@operation("logs:FilterLogEvents", resource=on_group)
async def filter_log_events(call: Call, request: Shape) -> Shape:
    """Events of a group's streams, interleaved by time, that match a filter pattern (API reference: FilterLogEvents).

    One call looks at a bounded number of events: a page may be short or empty and still have a `nextToken`.
    """
    place, store = place_of(call), call.cloud.store
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid_parameter("LogStreamNamePrefix and LogStreamNames cannot be used together")
    group_name = named_group(call, request)
    check_unmask(call, request, on_group(call, request))
    pattern = call.service(Logs).pattern(request.get("filterPattern", ""))
    group = find_group(store, place, group_name)
    window = _window(request, oldest_kept_ms(group, call.now // MILLISECOND))
    streams: list[Named]
    if names is not None:
        streams = [(name, find_stream(store, place, group, name)) for name in dict.fromkeys(names)]
    elif prefix is not None:
        streams = list(streams_by_name(store, place, group, prefix))
    else:
        streams = list(_streams_since(store, place, group, window.start_ms))
    limit = request.get("limit", EVENTS_MAX)
    events: list[Shape] = []
    size = 0
    last: Found | None = None
    more = False
    for searched, found in enumerate(merged(store, place, group, streams, window)):
        if len(events) == limit or searched == _SEARCHED_MAX or size > PAGE_BYTES_MAX:
            more = True
            break
        last = found
        ingestion_ms, message = decode_event(found.value)
        if pattern.matches(message):
            size += len(found.value) + EVENT_OVERHEAD_BYTES
            events.append(_event(found, ingestion_ms, message))
        if searched % _BREATH_EVERY == _BREATH_EVERY - 1:
            await asyncio.sleep(0)  # Others get their turn while a long search goes on.
    result: Shape = {"events": events, "searchedLogStreams": []}
    if more and last is not None:
        result["nextToken"] = make_token(pack((1 if window.backward else 0, last.timestamp, last.stream_id, last.sequence)))
    return result


def _event(found: Found, ingestion_ms: int, message: str) -> Shape:
    return {
        "logStreamName": found.stream_name,
        "timestamp": found.timestamp,
        "message": message,
        "ingestionTime": ingestion_ms,
        "eventId": event_id(found.timestamp, found.stream_id, found.sequence),
    }


def _window(request: Shape, kept_ms: int) -> Window:
    start_ms, end_ms = request.get("startTime", 0), request.get("endTime", _END_MS)
    if "startTime" in request and "endTime" in request and end_ms < start_ms:
        raise invalid_parameter("endTime cannot be before startTime")
    backward, behind = not request.get("startFromHead", True), None
    if "nextToken" in request:
        position = read_token(request["nextToken"])
        try:
            parts = unpack(position or b"")
        except (ValueError, IndexError):
            parts = ()
        if len(parts) != 4 or not all(isinstance(part, int) for part in parts):
            raise invalid_token()
        direction, timestamp, stream_id, sequence = (int(part) for part in parts)
        backward, behind = bool(direction), (timestamp, stream_id, sequence)
    elif backward and start_ms < _FROM_TAIL_SINCE_MS:
        raise invalid_parameter("startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC")
    return Window(max(start_ms, kept_ms), min(end_ms, _END_MS), backward, behind)


def _streams_since(reader: Reader, place: Place, group: Group, start_ms: int) -> Iterator[Named]:
    """The group's streams that have events at `start_ms` or later: a tail looks at those that are written to, not at all that ever were."""
    index = recent_prefix(place, group.id)
    start, end = prefix_range(index)
    start = max(start, index + pack((max(start_ms, MINUTE_MS) // MINUTE_MS,)))  # Minute 0 holds the streams without events.
    for key, _ in reader.iterate(start, end):
        name = str(unpack(key)[-1])
        value = reader.get(stream_key(place, group.id, name))
        if value is not None:
            yield name, decode(value, Stream)


def merged(reader: Reader, place: Place, group: Group, streams: list[Named], window: Window) -> Iterator[Found]:
    """The events of several streams in the order of their times. A stream is opened when the merge comes to its first event, not before."""
    sign = -1 if window.backward else 1
    heap: list[tuple[int, int, int, bool, str, Found | None, Iterator[Found] | None]] = []
    for name, stream in streams:
        if stream.last_event_ms < window.start_ms or stream.first_event_ms > window.end_ms or stream.last_event_ms < 0:
            continue
        edge = stream.last_event_ms if window.backward else stream.first_event_ms
        # The placeholder sorts before every event of its stream's first moment.
        heap.append((sign * edge, -(1 << 80), 0, True, name, None, _events(reader, place, group, name, stream, window)))
    heapq.heapify(heap)
    while heap:
        *_, found, events = heap[0]
        if found is not None:
            yield found
        assert events is not None
        following = next(events, None)
        if following is None:
            heapq.heappop(heap)
        else:
            entry = (sign * following.timestamp, sign * following.stream_id, sign * following.sequence, False, following.stream_name, following, events)
            heapq.heapreplace(heap, entry)


def _events(reader: Reader, place: Place, group: Group, name: str, stream: Stream, window: Window) -> Iterator[Found]:
    prefix = events_prefix(place, group.id, stream.id)
    start, end = prefix + pack((window.start_ms,)), prefix + pack((window.end_ms + 1,))
    if window.behind is not None:
        timestamp, stream_id, sequence = window.behind
        # Of the same millisecond, streams with smaller ids come first.
        if window.backward:
            edge = (timestamp,) if stream.id > stream_id else (timestamp, sequence) if stream.id == stream_id else (timestamp + 1,)
            end = min(end, prefix + pack(edge))
        else:
            edge = (timestamp + 1,) if stream.id < stream_id else (timestamp, sequence) if stream.id == stream_id else (timestamp,)
            start = max(start, prefix + pack(edge) + (b"\x00" if stream.id == stream_id else b""))
    if start >= end:
        return
    for key, value in reader.iterate(start, end, window.backward):
        timestamp, sequence = event_position(key, prefix)
        yield Found(timestamp, stream.id, sequence, value, name)
