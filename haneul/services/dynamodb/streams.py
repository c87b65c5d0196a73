"""Streams: what is kept of them, and the records of changes.

A stream has lanes, one for each partition of its table, and in each lane its records lie in the order of their sequence numbers, written in the
transaction of the change that they tell of. The shards that clients see are made of lanes (`shards.py`).
(Developer Guide: "Change data capture for DynamoDB Streams"; API Reference: "StreamRecord".)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from haneul.clock import HOUR, MILLISECOND, MINUTE, Ids
from haneul.core.arn import parse_arn
from haneul.services.dynamodb.errors import timestamp
from haneul.services.dynamodb.tables import CHANGE_SPACE, STREAM_SPACE, StreamSettings, TableRecord, Tagging, new_id, rows_of
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

RETENTION = 24 * HOUR
# A record that nobody is shown any more lies there as long as an iterator may come to it, so that who has one is told.
LYING = RETENTION + 15 * MINUTE
# Sequence numbers have 21 digits: this and the internal number, which grows with the time in nanoseconds.
_SEQUENCE_BASE = 10**20
STORED_VERSION = b"\x01"
"""What a stored record begins with; its time follows, and its JSON."""
_BODY_AT = 9
EXPIRED_BY_SERVICE = b'{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}'


class Lane(msgspec.Struct, array_like=True):
    """The part of a stream that tells of the items whose partition keys' hashes begin at `low`, up to the next lane's. It is written to from the sequence number `since` to before
    `until` (0: it still is). `parent` is the id of the shard that it came out of, "" for none.
    """

    id: int
    low: bytes
    since: int
    until: int = 0
    parent: str = ""


class StreamRecord(msgspec.Struct):
    """A stream. It outlives its table, and its being switched off, by the time that its records are kept. Times in nanoseconds."""

    id: str
    label: str
    account: str
    region: str
    table_name: str
    view_type: str
    created_at: int
    lanes: list[Lane]
    hash_name: str
    range_name: str | None
    enabled: bool = True
    disabled_at: int = 0
    last_sequence: int = 0
    policy: str = ""
    policy_revision: str = ""
    tags: dict[str, str] = {}
    tagging: Tagging = msgspec.field(default_factory=Tagging)

    @property
    def arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.table_name}/stream/{self.label}"

    @property
    def open_lanes(self) -> list[Lane]:
        """Those that are written to, in the order of their hashes."""
        return sorted((lane for lane in self.lanes if not lane.until), key=lambda lane: lane.low)


def stream_key(account: str, region: str, table_name: str, label: str) -> bytes:
    """Where a stream's record lies."""
    return pack((STREAM_SPACE, account, region, table_name, label))


@lru_cache(maxsize=4096)
def stream_place(arn: str) -> tuple[str, str, str, str] | None:
    """Account, region, table and label in a stream's ARN; None for another one."""
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None and found.service == "dynamodb" else []
    return (found.account, found.region, parts[1], parts[3]) if found is not None and len(parts) == 4 and (parts[0], parts[2]) == ("table", "stream") else None


def lane_prefix(stream_id: str, lane: int) -> bytes:
    """What the keys of a lane's records begin with; the sequence number follows."""
    return rows_of(CHANGE_SPACE, stream_id) + pack((lane,))


def sequence_text(sequence: int) -> str:
    """A sequence number as clients see it."""
    return str(_SEQUENCE_BASE + sequence)


def sequence_of(text: str) -> int | None:
    """The internal number, or None for a text that is no sequence number."""
    return int(text) - _SEQUENCE_BASE if text.isdigit() and text.isascii() and len(text) <= 40 else None


def change_time(value: bytes) -> int:
    """When a stored record was made."""
    return int.from_bytes(value[1:_BODY_AT], "big")


def change_body(value: bytes) -> bytes:
    """A stored record's JSON."""
    return value[_BODY_AT:]


def last_sequence(reader: Reader, stream_id: str, lane: int) -> int:
    """The number of a lane's newest record; 0 when there is none."""
    rows = reader.range(*prefix_range(lane_prefix(stream_id, lane)), 1, True)
    return int(unpack(rows[0][0])[-1]) if rows else 0


def enable_stream(tx: Transaction, record: TableRecord, lows: Sequence[bytes], view_type: str, now: int, ids: Ids) -> StreamRecord:
    """Begin a new stream of a table, whose partitions but the first begin at the hashes `lows`."""
    label = timestamp(now)  # A stream's label is the time when it began.
    while tx.get(stream_key(record.account, record.region, record.name, label)) is not None:  # Streams of one table differ in their label only.
        now += MILLISECOND
        label = timestamp(now)
    stream = StreamRecord(
        id=new_id(ids),
        label=label,
        account=record.account,
        region=record.region,
        table_name=record.name,
        view_type=view_type,
        created_at=now,
        lanes=[Lane(number, low, now) for number, low in enumerate((b"", *lows))],
        hash_name=record.hash_name,
        range_name=record.range_name,
    )
    tx.put(stream_key(record.account, record.region, record.name, label), encode(stream))
    record.stream = StreamSettings(stream.id, label, view_type)
    return stream


def disable_stream(tx: Transaction, record: TableRecord, now: int) -> StreamRecord | None:
    """Close a table's stream, if it writes to one. What it holds stays readable as long as records are kept."""
    if record.stream is None or not record.stream.enabled:
        return None
    key = stream_key(record.account, record.region, record.name, record.stream.label)
    raw = tx.get(key)
    record.stream.enabled = False
    if raw is None:
        return None
    stream = decode(raw, StreamRecord)
    stream.enabled = False
    stream.disabled_at = now
    stream.last_sequence = max(max(last_sequence(tx, stream.id, lane.id), lane.since) for lane in stream.open_lanes)
    tx.put(key, encode(stream))
    return stream
