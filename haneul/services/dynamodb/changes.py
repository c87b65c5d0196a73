"""Stream records, written with the changes that they tell of."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from typing import cast

import orjson

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.ports import lane_topic, shards_topic
from haneul.services.dynamodb.rows import row_body
from haneul.services.dynamodb.shards import lane_mark, split_lanes
from haneul.services.dynamodb.streams import STORED_VERSION, StreamRecord, lane_prefix, last_sequence, sequence_text, stream_key
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import CHANGE_SPACE
from haneul.services.dynamodb.values import Item, item_size
from haneul.store.keys import pack, unpack
from haneul.store.port import Reader, StoreError, Transaction
from haneul.store.records import decode, encode

_log = logging.getLogger("haneul")


class _Open:
    """A stream as it is written to: `last` is the last sequence number that was given out, `partitions` how many its table had when the lanes were compared with them. It was made of
    the record `raw`, which is not safely in the store yet unless `settled`.
    """

    __slots__ = ("last", "lows", "partitions", "prefixes", "raw", "settled")

    def __init__(self, reader: Reader, raw: bytes, *, settled: bool) -> None:
        self.raw = raw
        self.settled = settled
        stream = decode(raw, StreamRecord)
        lanes = stream.open_lanes
        self.lows = [lane.low for lane in lanes[1:]]
        self.prefixes = [lane_prefix(stream.id, lane.id) for lane in lanes]
        self.last = max(max(lane.since - 1, last_sequence(reader, stream.id, lane.id)) for lane in lanes)
        self.partitions = 0

    def prefix(self, place: bytes) -> bytes:
        """Where the records of an item go. `place` begins with the hash of its partition key."""
        return self.prefixes[bisect_right(self.lows, place)] if self.lows else self.prefixes[0]


class ChangeLog:
    """Writes the records of a running service's streams. What is open is remembered, and found in the store after a restart."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ids = cloud.ids
        self._open: dict[str, _Open] = {}
        cloud.store.watch(pack((CHANGE_SPACE,)), self._written)

    def _written(self, keys: Sequence[bytes]) -> None:
        """Wake who waits for the lanes that have new records."""
        for place in {unpack(key)[1:3] for key in keys}:
            stream, lane = cast("tuple[int, int]", place)
            self._cloud.signals.notify(lane_topic(lane_mark(f"{stream:016x}", lane)))

    def write(
        self, tx: Transaction, table: Table, row: bytes, old_row: bytes | None, old: Item | None, new_row: bytes | None, new: Item | None, now: int, by: bytes | None
    ) -> None:
        """Tell of a change from `old` to `new` (None for no item) at `row`. Nothing is told when nothing changed. `by` is the JSON of a user identity."""
        if old == new:
            return
        stream, record = table.stream, table.record
        assert stream is not None
        known = self._open.get(stream.id)
        if known is None or not known.settled:
            known = self._find(tx, table, known)
        if table.meters is not None and known.partitions != len(table.meters.table.partitions):
            self._follow(table, known)
        sequence = known.last = max(known.last + 1, now)
        item = new if new is not None else old
        assert item is not None
        keys = table.key.take(item)
        size = item_size(keys)
        images = b""
        for name, view, image in ((b"NewImage", "NEW_IMAGE", new_row), (b"OldImage", "OLD_IMAGE", old_row)):
            if image is not None and stream.view_type in (view, "NEW_AND_OLD_IMAGES"):
                images += b',"%b":%b' % (name, row_body(image))
                size += int.from_bytes(image[1:5], "big")
        body = b'{"eventID":"%b","eventName":"%b","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"%b","dynamodb":%b%b}' % (
            self._ids.hex(32).encode(),
            b"INSERT" if old is None else b"REMOVE" if new is None else b"MODIFY",
            record.region.encode(),
            b'{"ApproximateCreationDateTime":%d,"Keys":%b%b,"SequenceNumber":"%b","SizeBytes":%d,"StreamViewType":"%b"}'
            % (now // SECOND, orjson.dumps(keys), images, sequence_text(sequence).encode(), size, stream.view_type.encode()),
            b"" if by is None else b',"userIdentity":' + by,
        )
        table.put(tx, known.prefix(row[len(table.prefix) :]) + pack((sequence,)), STORED_VERSION + now.to_bytes(8, "big") + body)

    def _find(self, tx: Transaction, table: Table, known: _Open | None) -> _Open:
        """The stream as the transaction sees it. What it sees may never come to the disk: until it has, each write looks again, so that none goes to a lane that is not there."""
        place = _place_of(table)
        raw = tx.get(place)
        assert raw is not None and table.stream is not None  # It outlives its being written to.
        settled = not self._cloud.store.under_way(place)
        if known is None or known.raw != raw:
            known = self._open[table.stream.id] = _Open(tx, raw, settled=settled)
        known.settled = settled
        return known

    def last(self, stream_id: str) -> int | None:
        """The last sequence number that this process has given out in a stream; None when it does not know."""
        known = self._open.get(stream_id)
        return known.last if known is not None else None

    def forget(self, stream_id: str) -> None:
        """A stream is gone, or may be another than it was taken for."""
        self._open.pop(stream_id, None)

    def _follow(self, table: Table, known: _Open) -> None:
        """The table has other partitions than when its stream was last compared with them: where one was split, its lane is to be split, too."""
        assert table.meters is not None and table.stream is not None
        partitions = table.meters.table.partitions
        known.partitions = len(partitions)
        lows = partitions.lows()
        if not set(lows) <= set(known.lows):
            self._cloud.clock.run(self._split(table, lows), name="shards")

    async def _split(self, table: Table, lows: Sequence[bytes]) -> None:
        def work(tx: Transaction) -> bool:
            stored = tx.get(_place_of(table))
            if stored is None:
                return False
            stream = decode(stored, StreamRecord)
            if not stream.enabled:
                return False
            known = self._open.get(stream.id) or _Open(tx, stored, settled=False)
            if not split_lanes(stream, lows, max(known.last + 1, self._cloud.clock.now())):
                return False
            tx.put(_place_of(table), encode(stream))
            self.forget(stream.id)  # Whoever writes next finds the new lanes.
            return True

        assert table.stream is not None
        try:
            split = await self._cloud.store.transact(work)
        except StoreError as error:
            _log.warning("the shards of %s are not split: %s", table.record.stream_arn, error)
            self.forget(table.stream.id)  # Whoever writes next has them split again.
            return
        if split:  # Who follows the stream finds that shards have ended, and others begin.
            self._cloud.signals.notify(shards_topic(table.record.stream_arn))


def _place_of(table: Table) -> bytes:
    """Where the record of a table's stream lies."""
    record, stream = table.record, table.stream
    assert stream is not None
    return stream_key(record.account, record.region, record.name, stream.label)
