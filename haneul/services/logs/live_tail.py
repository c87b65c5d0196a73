"""StartLiveTail."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from haneul.clock import HOUR, SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.logs.access import check_standard, find_group, group_arn, group_of_identifier, place_of
from haneul.services.logs.errors import invalid_parameter
from haneul.services.logs.patterns import Pattern
from haneul.services.logs.records import Group, Stream, decode_event, events_prefix, streams_prefix
from haneul.services.logs.service import Logs
from haneul.store.keys import prefix_range, unpack
from haneul.store.records import decode

_SESSION_MAX = 3 * HOUR
_UPDATE_EVERY = SECOND
_EVENTS_PER_UPDATE_MAX = 500
_BUFFERED_MAX = 5_000


def _tailed_groups(call: Call, request: Shape) -> tuple[str, ...]:
    return tuple(group_arn(call, group_of_identifier(call, one)) for one in request["logGroupIdentifiers"])


class _Tail:
    """What one session follows: keys of new events gather here from the store's change feed until the next update takes them."""

    def __init__(self, call: Call, request: Shape, groups: list[Group], pattern: Pattern) -> None:
        self.call = call
        self.place = place_of(call)
        self.pattern = pattern
        self.names = frozenset(request.get("logStreamNames", ()))
        self.prefixes = tuple(request.get("logStreamNamePrefixes", ()))
        self.groups = {group.id: group for group in groups}
        self.waiting: deque[bytes] = deque(maxlen=_BUFFERED_MAX)
        self.stream_names: dict[tuple[int, int], str] = {}
        self.topic = f"logs:tail:{call.request_id}"
        self._ends: list[Callable[[], None]] = []

    def open(self) -> None:
        """Begin to listen. Only a session whose answer is being sent listens, for only that one is sure to close again."""
        self._ends = [self.call.cloud.store.watch(events_prefix(self.place, group_id), self._changed) for group_id in self.groups]

    def _changed(self, keys: Sequence[bytes]) -> None:
        self.waiting.extend(keys)
        self.call.cloud.signals.notify(self.topic)

    def close(self) -> None:
        for end in self._ends:
            end()

    def take(self) -> list[Shape]:
        """The next events that match, at most as many as one update holds."""
        results: list[Shape] = []
        while self.waiting and len(results) < _EVENTS_PER_UPDATE_MAX:
            key = self.waiting.popleft()
            value = self.call.cloud.store.get(key)
            if value is None:  # Removed, not added.
                continue
            *_, group_id, stream_id, timestamp, _ = unpack(key)
            assert isinstance(group_id, int) and isinstance(stream_id, int)
            name = self._stream_name(group_id, stream_id)
            if name is None or not self._wanted(name):
                continue
            ingestion_ms, message = decode_event(value)
            if self.pattern.matches(message):
                group = self.groups[group_id]
                results.append(
                    {
                        "logStreamName": name,
                        "logGroupIdentifier": f"{self.place.account}:{group.name}",
                        "message": message,
                        "timestamp": timestamp,
                        "ingestionTime": ingestion_ms,
                    }
                )
        return results

    def _wanted(self, name: str) -> bool:
        if self.names:
            return name in self.names
        return not self.prefixes or name.startswith(self.prefixes)

    def _stream_name(self, group_id: int, stream_id: int) -> str | None:
        """Events carry their stream's id; a name that is not known yet is looked up among the group's streams."""
        name = self.stream_names.get((group_id, stream_id))
        if name is None:
            for key, value in self.call.cloud.store.iterate(*prefix_range(streams_prefix(self.place, group_id))):
                self.stream_names[group_id, decode(value, Stream).id] = str(unpack(key)[-1])
            name = self.stream_names.get((group_id, stream_id))
        return name


@operation("logs:StartLiveTail", resource=_tailed_groups)
async def start_live_tail(call: Call, request: Shape) -> Shape:
    """Follow up to ten groups: every second an update with the events that came in, for up to three hours (API reference: StartLiveTail)."""
    identifiers = request["logGroupIdentifiers"]
    if ("logStreamNames" in request or "logStreamNamePrefixes" in request) and len(identifiers) > 1:
        raise invalid_parameter("logStreamNames and logStreamNamePrefixes can be used only with one log group")
    if "logStreamNames" in request and "logStreamNamePrefixes" in request:
        raise invalid_parameter("logStreamNames and logStreamNamePrefixes cannot be used together")
    pattern = call.service(Logs).pattern(request.get("logEventFilterPattern", ""))
    groups = [find_group(call.cloud.store, place_of(call), group_of_identifier(call, one)) for one in identifiers]
    for group in groups:
        check_standard(group)
    start: Shape = {
        "requestId": call.request_id,
        "sessionId": call.cloud.ids.uuid(),
        "logGroupIdentifiers": identifiers,
        "logStreamNames": request.get("logStreamNames", []),
        "logStreamNamePrefixes": request.get("logStreamNamePrefixes", []),
        "logEventFilterPattern": request.get("logEventFilterPattern", ""),
    }
    tail = _Tail(call, request, groups, pattern)
    return {"responseStream": _session(call, start, tail)}


async def _session(call: Call, start: Shape, tail: _Tail) -> AsyncIterator[Shape]:
    clock = call.cloud.clock
    end = clock.now() + _SESSION_MAX
    try:
        tail.open()
        yield {"sessionStart": start}
        while clock.now() < end:
            if call.http is not None and call.http.disconnected:
                return
            if not tail.waiting:
                await call.cloud.signals.wait(tail.topic, clock, _UPDATE_EVERY)
            sampled = len(tail.waiting) > _EVENTS_PER_UPDATE_MAX
            next_update = clock.now() + _UPDATE_EVERY
            results = tail.take()
            yield {"sessionUpdate": {"sessionMetadata": {"sampled": sampled}, "sessionResults": results}}
            if results:  # What comes in after a quiet time is shown at once, a steady stream once a second.
                await clock.sleep_until(next_update)
        raise ServiceError("SessionTimeoutException", "Your Live Tail session has reached its maximum duration of 3 hours.", 400)
    finally:
        tail.close()
