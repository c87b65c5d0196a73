"""Streams of tables to functions: in order, from a checkpoint, with retries that hold the shard up until they end.

Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB" and "Retaining discarded records for a DynamoDB event source".
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from haneul.clock import HOUR, SECOND
from haneul.core.errors import AccessDenied, ServiceError
from haneul.services.lambda_.destinations import queue_url
from haneul.services.lambda_.event_sources.payloads import arrival_time, encode_event, failed_items, stream_record
from haneul.services.lambda_.event_sources.records import Checkpoint, checkpoint_key, mapping_key
from haneul.services.lambda_.event_sources.source import Poller
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.invoker import Invoked
from haneul.services.lambda_.times import iso_time
from haneul.store.port import Transaction
from haneul.store.records import encode

_RECORDS_AT_ONCE = 1000
_PAUSE_FIRST = 1 * SECOND
_PAUSE_MAX = 60 * SECOND
_STREAM_KEEPS = 24 * HOUR
Record = dict[str, Any]


@dataclass(slots=True)
class _Piece:
    """Consecutive records of a lane, and how often they have failed."""

    records: list[Record]
    attempts: int = 0


class StreamPoller(Poller):
    """Follows the shards of one stream, of which a table has one open at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._iterators: dict[str, str] = {}
        self._finished: set[str] = set()
        self._gathered: list[Record] = []
        self._gather_until = 0
        self._lanes_running = 0

    def topic(self) -> str:
        return f"stream:{self.mapping.source_arn}"

    async def look(self) -> None:
        """Process what the shards hold, up to their ends."""
        if self._lanes_running:
            return  # The last lane to finish wakes the poller.
        described = await self.call("dynamodbstreams:DescribeStream", {"StreamArn": self.mapping.source_arn})
        for shard in described["StreamDescription"].get("Shards", []):
            if shard["ShardId"] not in self._finished:
                await self._follow(shard["ShardId"])

    async def _follow(self, shard_id: str) -> None:
        while not self.stopped and not self._lanes_running:
            fresh = await self._next(shard_id)
            if fresh and not self._gathered:
                self._gather_until = self.cloud.clock.now() + self.mapping.window_seconds * SECOND
            self._gathered += fresh
            wanted = self.mapping.batch_size * self.mapping.parallelization
            full = len(self._gathered) >= wanted
            if fresh and not full and shard_id in self._iterators:
                continue
            if not self._gathered:
                return
            if not full and self.cloud.clock.now() < self._gather_until:
                self.wake_at(self._gather_until)
                return
            batch, self._gathered = self._gathered[:wanted], self._gathered[wanted:]
            await self._process(shard_id, batch)

    # ---- reading

    async def _next(self, shard_id: str) -> list[Record]:
        """The next records of a shard, filters applied; none when it has no more for now, or is closed and read to its end."""
        if shard_id in self._finished:
            return []
        while not self.stopped:
            iterator = self._iterators.get(shard_id) or await self._position(shard_id)
            try:
                answer = await self.call("dynamodbstreams:GetRecords", {"ShardIterator": iterator, "Limit": self._room()})
            except ServiceError as error:
                if error.code != "ExpiredIteratorException":
                    raise
                self._iterators.pop(shard_id, None)
                if self._gathered:  # They are read again from the checkpoint on.
                    self._gathered = []
                continue
            following = answer.get("NextShardIterator")
            if following is None:
                self._finished.add(shard_id)
                self._iterators.pop(shard_id, None)
            else:
                self._iterators[shard_id] = following
            records: list[Record] = answer.get("Records", [])
            if not records:
                return []
            kept = [one for one in records if self._is_meant(one)]
            if kept:
                return kept
            if not self._gathered:
                await self._note(shard_id, records[-1])
            if following is None:
                return []
        return []

    def _room(self) -> int:
        return max(1, min(_RECORDS_AT_ONCE, self.mapping.batch_size * self.mapping.parallelization - len(self._gathered)))

    def _is_meant(self, record: Record) -> bool:
        """Whether a record comes after the mapping's beginning and passes its filters."""
        if self.mapping.starting_position == "LATEST" and arrival_time(record) < self.mapping.created_at // SECOND * SECOND:
            return False
        return not self.filters or self.wanted(orjson.loads(encode_event([stream_record(record, self.mapping.source_arn)]))["Records"][0])

    async def _position(self, shard_id: str) -> str:
        """An iterator behind the checkpoint, or at the mapping's starting position."""
        arn = self.mapping.source_arn
        known = read(self.cloud.store, checkpoint_key(self.mapping, shard_id), Checkpoint)
        wanted: dict[str, Any] = {"StreamArn": arn, "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
        if known is not None:
            try:
                after = {**wanted, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": known.sequence_number}
                answer = await self.call("dynamodbstreams:GetShardIterator", after)
                return str(answer["ShardIterator"])
            except ServiceError as error:
                if error.code != "TrimmedDataAccessException":
                    raise
        answer = await self.call("dynamodbstreams:GetShardIterator", wanted)
        return str(answer["ShardIterator"])

    async def _note(self, shard_id: str, record: Record) -> None:
        """Everything up to `record` is done with. A mapping that was deleted meanwhile leaves no trace."""
        mapping = self.mapping
        value = encode(Checkpoint(record["dynamodb"]["SequenceNumber"]))

        def work(tx: Transaction) -> None:
            if tx.get(mapping_key(mapping.space, mapping.uuid)) is not None:
                tx.put(checkpoint_key(mapping, shard_id), value)

        await self.cloud.store.transact(work)

    # ---- processing

    async def _process(self, shard_id: str, batch: list[Record]) -> None:
        """Records of one item stay in order; with a parallelization factor those of different items run beside each other."""
        size = self.mapping.batch_size
        if self.mapping.parallelization == 1:
            await self._run_lane(shard_id, deque([_Piece(batch)]), checkpoints=True)
            if not self.stopped:
                await self._note(shard_id, batch[-1])
            return
        lanes: dict[int, list[Record]] = {}
        for record in batch:
            number = zlib.crc32(encode_event([record["dynamodb"]["Keys"]])) % self.mapping.parallelization
            lanes.setdefault(number, []).append(record)
        self._lanes_running = len(lanes)
        for lane in lanes.values():
            pieces = deque(_Piece(lane[at : at + size]) for at in range(0, len(lane), size))
            self.cloud.clock.run(self._run_beside(shard_id, pieces, batch[-1]), f"stream lane {self.mapping.uuid}")

    async def _run_beside(self, shard_id: str, pieces: deque[_Piece], last: Record) -> None:
        """One of several lanes; the last to finish sets the checkpoint behind all of them."""
        try:
            await self._run_lane(shard_id, pieces, checkpoints=False)
        finally:
            self._lanes_running -= 1
        if not self._lanes_running and not self.stopped:
            await self._note(shard_id, last)
            self.wake()

    async def _run_lane(self, shard_id: str, pieces: deque[_Piece], *, checkpoints: bool) -> None:
        while pieces and not self.stopped:
            piece = pieces[0]
            if self._too_old(piece):
                await self._discard(shard_id, piece, "RecordAgeExceeded", "", None)
                pieces.popleft()
                continue
            request_id, invoked = await self.invoke(encode_event([stream_record(one, self.mapping.source_arn) for one in piece.records]))
            done = self._done(piece, invoked)
            if done == len(piece.records):
                self.report("OK")
                pieces.popleft()
                if checkpoints and pieces:
                    await self._note(shard_id, piece.records[-1])
                continue
            self.report("PROBLEM: Function call failed")
            if done and checkpoints:
                await self._note(shard_id, piece.records[done - 1])
            if invoked is not None:
                piece.attempts += 1
            piece.records = piece.records[done:]
            if 0 <= self.mapping.retries < piece.attempts and not (self.mapping.bisect and len(piece.records) > 1):
                await self._discard(shard_id, piece, "RetryAttemptsExhausted", request_id, invoked)
                pieces.popleft()
                continue
            if self.mapping.bisect and invoked is not None and len(piece.records) > 1:
                self._bisect(pieces)
                continue
            await self.pause(min(_PAUSE_FIRST << min(max(piece.attempts - 1, 0), 10), _PAUSE_MAX))

    def _done(self, piece: _Piece, invoked: Invoked | None) -> int:
        """How many records of the piece, from its beginning, are done with."""
        if invoked is None or invoked.failed:
            return 0
        if not self.mapping.reports_item_failures:
            return len(piece.records)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in piece.records]
        failed = failed_items(invoked.outcome.payload, numbers)
        if failed is None:
            return 0
        return min((numbers.index(one) for one in failed), default=len(numbers))

    def _bisect(self, pieces: deque[_Piece]) -> None:
        """Two halves in place of a batch, so that a bad record holds up less and less. Splitting does not count as a retry."""
        piece = pieces.popleft()
        middle = len(piece.records) // 2
        attempts = max(0, piece.attempts - 1)
        pieces.appendleft(_Piece(piece.records[middle:], attempts))
        pieces.appendleft(_Piece(piece.records[:middle], attempts))

    def _too_old(self, piece: _Piece) -> bool:
        limit = self.mapping.record_age_seconds * SECOND if self.mapping.record_age_seconds >= 0 else _STREAM_KEEPS
        # The time of a record is known to the second, so a record of this second is never too old.
        return piece.attempts > 0 and self.cloud.clock.now() - arrival_time(piece.records[0]) > limit + SECOND

    async def _discard(self, shard_id: str, piece: _Piece, condition: str, request_id: str, invoked: Invoked | None) -> None:
        """Give records up; the on-failure destination learns where they are."""
        mapping = self.mapping
        self.cloud.usage.add(mapping.account, mapping.region, "lambda", "DiscardedRecords", mapping.function_name, len(piece.records))
        if not mapping.on_failure:
            return
        first, last = piece.records[0], piece.records[-1]
        document: dict[str, Any] = {
            "requestContext": {
                "requestId": request_id or self.cloud.ids.uuid(),
                "functionArn": mapping.target.qualified_arn,
                "condition": condition,
                "approximateInvokeCount": piece.attempts,
            },
            "version": "1.0",
            "timestamp": iso_time(self.cloud.clock.now()),
            "DDBStreamBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": iso_time(arrival_time(first)),
                "approximateArrivalOfLastRecord": iso_time(arrival_time(last)),
                "batchSize": len(piece.records),
                "streamArn": mapping.source_arn,
            },
        }
        if invoked is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": invoked.version}
            if invoked.failed:
                context["functionError"] = "Unhandled"
            document["responseContext"] = context
        try:
            await self.call("sqs:SendMessage", {"QueueUrl": queue_url(mapping.on_failure), "MessageBody": orjson.dumps(document).decode()})
        except (ServiceError, AccessDenied) as error:
            self.cloud.usage.add(mapping.account, mapping.region, "lambda", "DestinationDeliveryFailures", mapping.function_name)
            self.report(f"PROBLEM: {error.message}")
