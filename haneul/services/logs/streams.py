"""Log streams: create, delete, describe."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.logs.access import find_group, find_stream, named_group, on_group, on_stream, place_of, stream_arn
from haneul.services.logs.errors import invalid_parameter, invalid_token
from haneul.services.logs.records import MINUTE_MS, Group, Place, Stream, oldest_key, recent_key, recent_prefix, stream_key, streams_prefix
from haneul.services.logs.retention import forget_stream
from haneul.store.keys import after, pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_DESCRIBED_MAX = 50

Named = tuple[str, Stream]


@operation("logs:CreateLogStream", resource=on_stream)
async def create_log_stream(call: Call, request: Shape) -> None:
    """Make a stream in a group. ResourceAlreadyExistsException when the group has one of this name."""
    place, name = place_of(call), request["logStreamName"]
    stream = Stream(id=int.from_bytes(call.cloud.ids.bytes(6), "big"), created_ms=call.now // MILLISECOND)

    def work(tx: Transaction) -> None:
        group = find_group(tx, place, request["logGroupName"])
        key = stream_key(place, group.id, name)
        if tx.get(key) is not None:
            raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists", 400)
        tx.put(key, encode(stream))
        tx.put(recent_key(place, group.id, -1, name), b"")

    await call.cloud.store.transact(work)


@operation("logs:DeleteLogStream", resource=on_stream)
async def delete_log_stream(call: Call, request: Shape) -> None:
    """Delete a stream and its events."""
    place, name = place_of(call), request["logStreamName"]

    def work(tx: Transaction) -> None:
        group = find_group(tx, place, request["logGroupName"])
        stream = find_stream(tx, place, group, name)
        tx.delete(stream_key(place, group.id, name))
        tx.delete(recent_key(place, group.id, stream.last_event_ms, name))
        tx.delete(oldest_key(place, group.id, stream.first_event_ms, name))
        forget_stream(call.cloud, tx, place, group, stream)

    await call.cloud.store.transact(work)


@operation("logs:DescribeLogStreams", resource=on_group)
async def describe_log_streams(call: Call, request: Shape) -> Shape:
    """List a group's streams by name, or by the time of their last event (API reference: DescribeLogStreams)."""
    place, store = place_of(call), call.cloud.store
    prefix, descending, by_time = request.get("logStreamNamePrefix"), request.get("descending", False), request.get("orderBy") == "LastEventTime"
    if by_time and prefix is not None:
        raise invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    name = named_group(call, request)
    group = find_group(store, place, name)
    position = None
    if "nextToken" in request:
        position = read_token(request["nextToken"])
        if position is None:
            raise invalid_token()
    limit = request.get("limit", _DESCRIBED_MAX)
    if by_time:
        found = streams_by_time(store, place, group, descending, _time_position(position))
    else:
        found = streams_by_name(store, place, group, prefix or "", descending, None if position is None else position.decode("utf-8", "replace"))
    page = list(islice(found, limit + 1))
    result: Shape = {"logStreams": [_described(call, name, one, stream) for one, stream in page[:limit]]}
    if len(page) > limit:
        last_name, last = page[limit - 1]
        result["nextToken"] = make_token((f"{last.last_event_ms}/{last_name}" if by_time else last_name).encode())
    return result


def _time_position(position: bytes | None) -> tuple[int, str] | None:
    if position is None:
        return None
    time, _, name = position.decode("utf-8", "replace").partition("/")
    if not name or not time.lstrip("-").isdigit():
        raise invalid_token()
    return int(time), name


def _described(call: Call, group: str, name: str, stream: Stream) -> Shape:
    shape: Shape = {
        "logStreamName": name,
        "creationTime": stream.created_ms,
        "arn": stream_arn(call, group, name),
        "storedBytes": 0,  # The service itself has answered 0 here since 2019; the group's figure is the true one.
        "uploadSequenceToken": f"{stream.sequence:056d}",
    }
    for member, value in (("firstEventTimestamp", stream.first_event_ms), ("lastEventTimestamp", stream.last_event_ms), ("lastIngestionTime", stream.last_ingestion_ms)):
        if value >= 0:
            shape[member] = value
    return shape


def streams_by_name(reader: Reader, place: Place, group: Group, prefix: str, descending: bool = False, behind: str | None = None) -> Iterator[Named]:
    """A group's streams by name, those that begin with `prefix`, behind the name `behind` in the direction taken."""
    start = stream_key(place, group.id, prefix)[:-1]
    end = after(start) if prefix else prefix_range(streams_prefix(place, group.id))[1]
    if behind is not None:
        if descending:
            end = min(end, stream_key(place, group.id, behind))
        else:
            start = max(start, stream_key(place, group.id, behind) + b"\x00")
    for key, value in reader.iterate(start, end, descending):
        yield str(unpack(key)[-1]), decode(value, Stream)


def streams_by_time(reader: Reader, place: Place, group: Group, descending: bool, behind: tuple[int, str] | None = None) -> Iterator[Named]:
    """A group's streams by the time of their last event, behind a position. The index knows minutes; inside a minute they are sorted here."""
    start, end = prefix_range(recent_prefix(place, group.id))
    if behind is not None:
        minute = max(behind[0], 0) // MINUTE_MS
        if descending:
            end = recent_prefix(place, group.id) + pack((minute + 1,))
        else:
            start = recent_prefix(place, group.id, minute)
    for _, keys in groupby((key for key, _ in reader.iterate(start, end, descending)), key=lambda key: unpack(key)[-2]):
        streams = []
        for key in keys:
            name = str(unpack(key)[-1])
            value = reader.get(stream_key(place, group.id, name))
            if value is not None:
                streams.append((name, decode(value, Stream)))
        streams.sort(key=_by_time, reverse=descending)
        for named in streams:
            if behind is None or (_by_time(named) < behind if descending else _by_time(named) > behind):
                yield named


def _by_time(named: Named) -> tuple[int, str]:
    return named[1].last_event_ms, named[0]
