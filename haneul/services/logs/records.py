"""What the service keeps in the store, and under which keys.

For an account and region:

- `group`, name → `Group`
- `stream`, group id, stream name → `Stream`
- `event`, group id, stream id, timestamp (ms), sequence → an event: version byte, ingestion time (ms, 6 bytes), message
- `recent`, group id, minute of the last event, stream name: streams by the time of their last event
- `bytes`, group id → the bytes that its events take, as digits
- `oldest`, group id, hour of the first event, stream name: streams by what retention will remove first

Group and stream ids are numbers, so that a group of the same name begun anew shares nothing with the one deleted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec

from haneul.store.keys import pack, unpack
from haneul.store.port import Transaction

SPACE = "logs"
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_EVENT_VERSION = b"\x01"
EVENT_HEAD_BYTES = 7
_KEYS_CACHED = 4096  # Functions write to the same few streams again and again.


class MetricFilter(msgspec.Struct):
    """A metric filter; `transformation` as in the API."""

    pattern: str
    transformation: dict[str, object]
    created_ms: int


class Subscription(msgspec.Struct):
    """A subscription filter that sends matching events to a function."""

    pattern: str
    destination_arn: str
    created_ms: int
    distribution: str = "ByLogStream"


class Group(msgspec.Struct):
    """A log group. `expiry_due_ms` is when retention looks at it next; 0 when nothing is waiting to expire."""

    id: int
    name: str
    created_ms: int
    group_class: str = "STANDARD"
    retention_days: int = 0
    deletion_protection: bool = False
    tags: dict[str, str] = {}
    expiry_due_ms: int = 0
    metric_filters: dict[str, MetricFilter] = {}
    subscriptions: dict[str, Subscription] = {}


class Stream(msgspec.Struct, array_like=True):
    """A log stream; times are milliseconds, -1 while there are no events. `sequence` is the number of the last event taken in."""

    id: int
    created_ms: int
    first_event_ms: int = -1
    last_event_ms: int = -1
    last_ingestion_ms: int = -1
    stored_bytes: int = 0
    sequence: int = 0


class Place(NamedTuple):
    """The account and region whose logs are meant."""

    account: str
    region: str


@lru_cache(maxsize=_KEYS_CACHED)
def group_key(place: Place, name: str) -> bytes:
    return pack((SPACE, *place, "group", name))


def groups_prefix(place: Place) -> bytes:
    return pack((SPACE, *place, "group"))


@lru_cache(maxsize=_KEYS_CACHED)
def stream_key(place: Place, group_id: int, name: str) -> bytes:
    return pack((SPACE, *place, "stream", group_id, name))


def streams_prefix(place: Place, group_id: int) -> bytes:
    return pack((SPACE, *place, "stream", group_id))


@lru_cache(maxsize=_KEYS_CACHED)
def events_prefix(place: Place, group_id: int, stream_id: int | None = None) -> bytes:
    """Where the events of a group, or of one of its streams, begin."""
    return pack((SPACE, *place, "event", group_id) if stream_id is None else (SPACE, *place, "event", group_id, stream_id))


def count_bytes(tx: Transaction, place: Place, group_id: int, change: int) -> None:
    """Add to (or take from) what a group's events take up."""
    key = bytes_key(place, group_id)
    tx.put(key, b"%d" % (int(tx.get(key) or b"0") + change))


def recent_key(place: Place, group_id: int, last_event_ms: int, name: str) -> bytes:
    return pack((SPACE, *place, "recent", group_id, last_event_ms // MINUTE_MS if last_event_ms > 0 else 0, name))


def recent_prefix(place: Place, group_id: int, minute: int | None = None) -> bytes:
    return pack((SPACE, *place, "recent", group_id) if minute is None else (SPACE, *place, "recent", group_id, minute))


@lru_cache(maxsize=_KEYS_CACHED)
def bytes_key(place: Place, group_id: int) -> bytes:
    return pack((SPACE, *place, "bytes", group_id))


def oldest_key(place: Place, group_id: int, first_event_ms: int, name: str) -> bytes:
    return pack((SPACE, *place, "oldest", group_id, first_event_ms // HOUR_MS, name))


def oldest_prefix(place: Place, group_id: int) -> bytes:
    return pack((SPACE, *place, "oldest", group_id))


def event_position(key: bytes, prefix: bytes) -> tuple[int, int]:
    """The timestamp (ms) and sequence in an event's key, `prefix` being its stream's."""
    timestamp, sequence = unpack(key[len(prefix) :])
    assert isinstance(timestamp, int) and isinstance(sequence, int)
    return timestamp, sequence


def encode_ingestion(ingestion_ms: int) -> bytes:
    """The head of every event that was taken in at one moment; the message follows it."""
    return _EVENT_VERSION + ingestion_ms.to_bytes(6, "big")


def decode_event(value: bytes) -> tuple[int, str]:
    """The ingestion time (ms) and message of a stored event."""
    if value[:1] != _EVENT_VERSION:
        raise ValueError(f"a log event of version {value[0]} cannot be read here")
    return int.from_bytes(value[1:7], "big"), value[7:].decode("utf-8", "surrogatepass")


def event_id(timestamp: int, stream_id: int, sequence: int) -> str:
    """The 56 digits that name an event, sorting by time."""
    return f"{(timestamp << 144) | ((stream_id & ((1 << 72) - 1)) << 72) | sequence:056d}"


def position_of_event_id(digits: str) -> tuple[int, int] | None:
    """Timestamp and sequence in an event's id; None for digits that name none."""
    if len(digits) != 56 or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number >> 144, number & ((1 << 72) - 1)
