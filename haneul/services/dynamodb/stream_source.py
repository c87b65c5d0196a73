"""What the streams' own API reads: streams and their records, straight from the store."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.services.dynamodb.streams import (
    RETENTION,
    StreamRecord,
    change_body,
    change_time,
    changes_prefix,
    last_sequence,
    sequence_of,
    sequence_text,
    stream_key,
)
from haneul.services.dynamodb.tables import STREAM_SPACE
from haneul.store.keys import after, pack, prefix_range, unpack
from haneul.store.records import decode


class StoredStreams:
    """Streams by account, region, table and label. Sequence numbers are the internal ones; `text` and `number` turn them into the API's and back."""

    def __init__(self, cloud: Cloud) -> None:
        self._store = cloud.store
        self._clock = cloud.clock

    def find(self, account: str, region: str, table: str, label: str) -> dict[str, Any] | None:
        """A stream's description, or None. Times in nanoseconds."""
        raw = self._store.get(stream_key(account, region, table, label))
        return _describe(decode(raw, StreamRecord)) if raw is not None else None

    def page(self, account: str, region: str, table: str | None, after_place: tuple[str, str] | None, limit: int) -> list[dict[str, Any]]:
        """Streams in order of table and label, behind a (table, label)."""
        prefix = pack((STREAM_SPACE, account, region) if table is None else (STREAM_SPACE, account, region, table))
        start, end = prefix_range(prefix)
        if after_place is not None:
            start = max(start, after(pack((STREAM_SPACE, account, region, *after_place))))
        if start >= end:
            return []
        return [_describe(decode(value, StreamRecord)) for _, value in self._store.range(start, end, limit)]

    def newest(self, account: str, region: str, stream_id: str) -> int:
        """The sequence number of the newest record; 0 when there is none."""
        return last_sequence(self._store, changes_prefix(account, region, stream_id))

    def oldest(self, account: str, region: str, stream_id: str) -> int:
        """The sequence number of the oldest record that is still kept; 0 when there is none."""
        horizon = self._clock.now() - RETENTION
        prefix = changes_prefix(account, region, stream_id)
        for key, value in self._store.iterate(prefix + pack((max(horizon, 0),)), after(prefix)):
            if change_time(value) > horizon:
                return int(unpack(key)[-1])
        return 0

    def since(self, account: str, region: str, stream_id: str, time: int) -> int:
        """The sequence number of the first record whose ApproximateCreationDateTime, which has whole seconds, is at or after `time` (nanoseconds); that of the next one
        to come where there is none yet.
        """
        first_second = -(-time // SECOND) * SECOND
        prefix = changes_prefix(account, region, stream_id)
        # A record's number is never below its time.
        for key, value in self._store.iterate(prefix + pack((max(first_second, 0),)), after(prefix)):
            if change_time(value) >= first_second:
                return int(unpack(key)[-1])
        return self.newest(account, region, stream_id) + 1

    def records(self, account: str, region: str, stream_id: str, from_sequence: int, limit: int, bytes_max: int) -> list[tuple[int, int, bytes]]:
        """Records from a sequence number on, as (sequence number, time in nanoseconds, JSON), as many as fit; those past their retention are skipped."""
        horizon = self._clock.now() - RETENTION
        prefix = changes_prefix(account, region, stream_id)
        found: list[tuple[int, int, bytes]] = []
        size = 0
        for key, value in self._store.iterate(prefix + pack((from_sequence,)), after(prefix)):
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


def _describe(stream: StreamRecord) -> dict[str, Any]:
    return {
        "id": stream.id,
        "arn": stream.arn,
        "label": stream.label,
        "table": stream.table_name,
        "view_type": stream.view_type,
        "created_at": stream.created_at,
        "shard_id": stream.shard_id,
        "first_sequence": stream.first_sequence,
        "enabled": stream.enabled,
        "last_sequence": stream.last_sequence,
        "key": [name for name in (stream.hash_name, stream.range_name) if name],
    }
