"""Streams: what is kept of them, and the records of changes.

A stream's records lie in the order of their sequence numbers, written in the transaction of the change that they tell of. Which shard they are in is
told by `shards.py`.
(Developer Guide: "Change data capture for DynamoDB Streams"; API Reference: "StreamRecord".)
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec
import orjson

from haneul.clock import HOUR, MILLISECOND, SECOND, Ids
from haneul.core.arn import parse_arn
from haneul.services.dynamodb.rows import row_body
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import CHANGE_SPACE, STREAM_SPACE, StreamSettings, TableRecord, new_id, rows_of
from haneul.services.dynamodb.values import Item, item_size
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

RETENTION = 24 * HOUR
SHARD_LIFE = 4 * HOUR
# Sequence numbers have 21 digits: this and the internal number, which grows with the time in nanoseconds.
_SEQUENCE_BASE = 10**20
_VERSION = b"\x01"
_BODY_AT = 9
EXPIRED_BY_SERVICE = b'{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}'


class StreamRecord(msgspec.Struct):
    """A stream. It outlives its table, and its being switched off, by the time that its records are kept. Times in nanoseconds.

    `shard_id` is its first shard's.
    """

    id: str
    label: str
    account: str
    region: str
    table_name: str
    view_type: str
    created_at: int
    shard_id: str
    first_sequence: int
    hash_name: str
    range_name: str | None
    enabled: bool = True
    disabled_at: int = 0
    last_sequence: int = 0
    policy: str = ""
    policy_revision: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.table_name}/stream/{self.label}"


def stream_key(account: str, region: str, table_name: str, label: str) -> bytes:
    """Where a stream's record lies."""
    return pack((STREAM_SPACE, account, region, table_name, label))


@lru_cache(maxsize=4096)
def stream_place(arn: str) -> tuple[str, str, str, str] | None:
    """Account, region, table and label in a stream's ARN; None for another one."""
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None and found.service == "dynamodb" else []
    return (found.account, found.region, parts[1], parts[3]) if found is not None and len(parts) == 4 and (parts[0], parts[2]) == ("table", "stream") else None


def changes_prefix(stream_id: str) -> bytes:
    """What the keys of a stream's records begin with; the sequence number follows."""
    return rows_of(CHANGE_SPACE, stream_id)


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


class Sequences:
    """Gives out sequence numbers. Remembers the last one of each stream, and finds it in the store after a restart."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, reader: Reader, stream_id: str, prefix: bytes, now: int) -> int:
        last = self._last.get(stream_id)
        if last is None:
            last = last_sequence(reader, prefix)
        sequence = self._last[stream_id] = max(last + 1, now)
        return sequence


def last_sequence(reader: Reader, prefix: bytes) -> int:
    """The newest record's number; 0 when there is none."""
    rows = reader.range(*prefix_range(prefix), 1, True)
    return int(unpack(rows[0][0])[-1]) if rows else 0


class ChangeLog:
    """Writes the records of a running service's streams."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._sequences = Sequences()

    def write(
        self, tx: Transaction, table: Table, old_row: bytes | None, old: Item | None, new_row: bytes | None, new: Item | None, now: int, by: bytes | None
    ) -> None:
        """Tell of a change from `old` to `new` (None for no item). Nothing is told when nothing changed. `by` is the JSON of a user identity."""
        if old == new:
            return
        stream, record = table.stream, table.record
        assert stream is not None and table.stream_prefix is not None
        sequence = self._sequences.next(tx, stream.id, table.stream_prefix, now)
        item = new if new is not None else old
        assert item is not None
        keys = table.key.take(item)
        size = item_size(keys)
        images = b""
        for name, view, row in ((b"NewImage", "NEW_IMAGE", new_row), (b"OldImage", "OLD_IMAGE", old_row)):
            if row is not None and stream.view_type in (view, "NEW_AND_OLD_IMAGES"):
                images += b',"%b":%b' % (name, row_body(row))
                size += int.from_bytes(row[1:5], "big")
        body = b'{"eventID":"%b","eventName":"%b","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"%b","dynamodb":%b%b}' % (
            self._ids.hex(32).encode(),
            b"INSERT" if old is None else b"REMOVE" if new is None else b"MODIFY",
            record.region.encode(),
            b'{"ApproximateCreationDateTime":%d,"Keys":%b%b,"SequenceNumber":"%b","SizeBytes":%d,"StreamViewType":"%b"}'
            % (now // SECOND, orjson.dumps(keys), images, sequence_text(sequence).encode(), size, stream.view_type.encode()),
            b"" if by is None else b',"userIdentity":' + by,
        )
        tx.put(table.stream_prefix + pack((sequence,)), _VERSION + now.to_bytes(8, "big") + body)


def enable_stream(tx: Transaction, record: TableRecord, view_type: str, now: int, ids: Ids) -> StreamRecord:
    """Begin a new stream of a table."""
    label = _label(now)
    while tx.get(stream_key(record.account, record.region, record.name, label)) is not None:  # Streams of one table differ in their label only.
        now += MILLISECOND
        label = _label(now)
    stream = StreamRecord(
        id=new_id(ids),
        label=label,
        account=record.account,
        region=record.region,
        table_name=record.name,
        view_type=view_type,
        created_at=now,
        shard_id=f"shardId-{now // MILLISECOND:020}-{ids.hex(8)}",
        first_sequence=now,
        hash_name=record.hash_name,
        range_name=record.range_name,
    )
    tx.put(stream_key(record.account, record.region, record.name, label), encode(stream))
    record.stream = StreamSettings(stream.id, label, view_type)
    return stream


def _label(now: int) -> str:
    """A stream's label is the time when it began."""
    return f"{datetime.fromtimestamp(now // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{now % SECOND // MILLISECOND:03}"


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
    stream.last_sequence = max(last_sequence(tx, changes_prefix(stream.id)), stream.first_sequence)
    tx.put(key, encode(stream))
    return stream
