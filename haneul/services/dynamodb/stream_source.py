"""What the streams' own API reads: streams and their records, straight from the store."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.services.dynamodb.billing.metrics import STREAM_READS
from haneul.services.dynamodb.changes import ChangeLog
from haneul.services.dynamodb.lifecycle import TRANSITION
from haneul.services.dynamodb.shards import NUMBERS_MAX, children_after, in_one_shard, named_shard, shard, shards_after
from haneul.services.dynamodb.streams import (
    RETENTION,
    Lane,
    StreamRecord,
    change_body,
    change_time,
    lane_prefix,
    last_sequence,
    sequence_of,
    sequence_text,
    stream_key,
)
from haneul.services.dynamodb.tables import STREAM_SPACE
from haneul.store.keys import after, pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode


class StoredStreams:
    """Streams by account, region, table and label. Sequence numbers are the internal ones; `text` and `number` turn them into the API's and back."""

    def __init__(self, cloud: Cloud, changes: ChangeLog) -> None:
        self._changes = changes
        self._store = cloud.store
        self._clock = cloud.clock
        self._usage = cloud.usage

    def find(self, account: str, region: str, table: str, label: str) -> dict[str, Any] | None:
        """A stream's description, or None. Times in nanoseconds."""
        raw = self._store.get(stream_key(account, region, table, label))
        return _describe(decode(raw, StreamRecord), self._clock.now()) if raw is not None else None

    def page(self, account: str, region: str, table: str | None, after_place: tuple[str, str] | None, limit: int) -> list[dict[str, Any]]:
        """Streams in order of table and label, behind a (table, label)."""
        prefix = pack((STREAM_SPACE, account, region) if table is None else (STREAM_SPACE, account, region, table))
        start, end = prefix_range(prefix)
        if after_place is not None:
            start = max(start, after(pack((STREAM_SPACE, account, region, *after_place))))
        if start >= end:
            return []
        now = self._clock.now()
        return [_describe(decode(value, StreamRecord), now) for _, value in self._store.range(start, end, limit)]

    def shards(self, stream: dict[str, Any], start: str, parent: str | None, limit: int) -> list[dict[str, Any]]:
        """The shards of a stream that was found, parents before their children, at most `limit` behind the id `start`; only those of one parent, if one is given."""
        record, now = stream["record"], self._clock.now()
        newest = self._newest_of(record, now)
        found = shards_after(record, record.lanes, start, now, newest) if parent is None else children_after(record, parent, start, now, newest)
        return [one._asdict() for one in islice(found, limit)]

    def named_shard(self, stream: dict[str, Any], shard_id: str) -> dict[str, Any] | None:
        """The shard of a stream that has this id; None when it is not there, or nothing of it is kept any more."""
        record, now = stream["record"], self._clock.now()
        found = named_shard(record, shard_id, now, self._newest_of(record, now))
        return found._asdict() if found is not None else None

    def shard(self, stream: dict[str, Any], lane: int, number: int) -> dict[str, Any] | None:
        """One shard by its lane and number, also when it is not kept any more; None when nothing of its lane is."""
        record, now = stream["record"], self._clock.now()
        for one in record.lanes:
            if one.id == lane and number < NUMBERS_MAX:
                return shard(record, one, number, now, self._newest_of(record, now)(one))._asdict()
        return None

    def newest(self, stream: dict[str, Any], shard: dict[str, Any]) -> int:
        """The sequence number of the newest record in a shard's lane; 0 when there is none."""
        return self._newest(stream["id"], shard["lane"])

    def count_read(self, account: str, region: str, table: str) -> None:
        """A reader that is paid for has asked for records of a table's stream."""
        self._usage.add(account, region, "dynamodb", STREAM_READS, table)

    def _newest(self, stream_id: str, lane: int) -> int:
        return last_sequence(self._store, stream_id, lane)

    def _newest_of(self, stream: StreamRecord, now: int) -> Callable[[Lane], int]:
        """What tells the newest sequence number in a lane to those who ask which shards there are. As long as no number is in a later shard than the clock, that does not matter (0)."""
        last = self._changes.last(stream.id) if stream.enabled else None

        def newest(lane: Lane) -> int:
            if lane.until or (last is not None and (last <= now or in_one_shard(lane, last, now))):
                return 0
            return self._newest(stream.id, lane.id)

        return newest

    def trimmed(self, sequence: int) -> bool:
        """Whether a record with this number is no longer kept. A record's number is never below its time."""
        return sequence <= self._clock.now() - RETENTION

    def lost(self, stream: dict[str, Any], shard: dict[str, Any], sequence: int, since: int) -> bool:
        """Whether a record of a shard from a sequence number on was still kept at a time (nanoseconds, at most `ITERATOR_LIFE` ago) and is not any more."""
        horizon = self._clock.now() - RETENTION
        if sequence > horizon:
            return False
        for _, value in self._store.iterate(*_rows(stream, shard, max(sequence, since - RETENTION))):
            made = change_time(value)
            if made > since - RETENTION:
                return made <= horizon
        return False

    def since(self, stream: dict[str, Any], shard: dict[str, Any], time: int) -> int | None:
        """The number of a shard's first record whose ApproximateCreationDateTime, which has whole seconds, is at or after `time` (nanoseconds); None where there is none."""
        first_second = -(-time // SECOND) * SECOND
        for key, value in self._store.iterate(*_rows(stream, shard, max(first_second, shard["first"]))):
            if change_time(value) >= first_second:
                return int(unpack(key)[-1])
        return None

    async def ended(self, stream: dict[str, Any], shard: dict[str, Any], sequence: int) -> bool:
        """Whether nothing of a closed shard from a sequence number on will ever be read: what is on its way to the disk counts, what only lies there still does not."""
        start, end = _rows(stream, shard, max(sequence, self._clock.now() - RETENTION + 1))
        if start >= end:
            return True

        def work(tx: Transaction) -> bool:
            return not tx.range(start, end, 1)

        return await self._store.transact(work)

    def records(self, stream: dict[str, Any], shard: dict[str, Any], first: int, limit: int, bytes_max: int) -> list[tuple[int, int, bytes]]:
        """Records of a shard from a sequence number on, as (sequence number, time in nanoseconds, JSON), as many as fit; those past their retention are skipped."""
        horizon = self._clock.now() - RETENTION
        first = max(first, horizon + 1)  # What is no longer kept has a smaller number, or will be skipped, and may be much.
        found: list[tuple[int, int, bytes]] = []
        size = 0
        for key, value in self._store.iterate(*_rows(stream, shard, first)):
            made = change_time(value)
            if made <= horizon:
                continue
            body = change_body(value)
            size += len(body)
            if found and size > bytes_max:
                break
            found.append((int(unpack(key)[-1]), made, body))
            if len(found) == limit:
                break
        return found

    @staticmethod
    def text(sequence: int) -> str:
        return sequence_text(sequence)

    @staticmethod
    def number(text: str) -> int | None:
        return sequence_of(text)

    @staticmethod
    def parsed(body: bytes) -> dict[str, Any]:
        """A record for a caller inside: times in nanoseconds."""
        record: dict[str, Any] = orjson.loads(body)
        record["dynamodb"]["ApproximateCreationDateTime"] *= SECOND
        return record


def _rows(stream: dict[str, Any], shard: dict[str, Any], first: int) -> tuple[bytes, bytes]:
    """Where a shard's records from a sequence number on lie: the first key, and the one behind the last."""
    prefix = lane_prefix(stream["id"], shard["lane"])
    return prefix + pack((min(first, shard["end"]),)), prefix + pack((shard["end"],))


def _describe(stream: StreamRecord, now: int) -> dict[str, Any]:
    if stream.enabled:
        status = "ENABLING" if now < stream.created_at + TRANSITION else "ENABLED"
    else:
        status = "DISABLING" if now < stream.disabled_at + TRANSITION else "DISABLED"
    return {
        "record": stream,
        "id": stream.id,
        "arn": stream.arn,
        "label": stream.label,
        "table": stream.table_name,
        "view_type": stream.view_type,
        "created_at": stream.created_at,
        "status": status,
        "key": [name for name in (stream.hash_name, stream.range_name) if name],
    }
