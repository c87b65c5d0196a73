"""Streams of tables to functions: in order, from a checkpoint, with retries that hold the shard up until they end.

Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB" and "Retaining discarded records for a DynamoDB event source".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

import orjson
from zlib_ng.zlib_ng import crc32

from haneul.clock import HOUR, MILLISECOND, SECOND
from haneul.core.errors import ServiceError
from haneul.services.lambda_.destinations import queue_message, s3_object
from haneul.services.lambda_.event_sources.payloads import arrival_time, encode_event, failed_items, stream_record
from haneul.services.lambda_.event_sources.records import Checkpoint, checkpoint_key, checkpoints_prefix, mapping_key
from haneul.services.lambda_.event_sources.shards import WINDOW_STATE_BYTES_MAX, Record, Shard, Window, state_in, window_at
from haneul.services.lambda_.event_sources.source import Poller
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX
from haneul.services.lambda_.times import iso_time
from haneul.store.keys import prefix_range
from haneul.store.port import StoreError, Transaction
from haneul.store.records import encode

_RECORDS_AT_ONCE = 1000
_PAUSE_FIRST = 1 * SECOND
_PAUSE_MAX = 60 * SECOND
_STREAM_KEEPS = 24 * HOUR


@dataclass(slots=True)
class _Piece:
    """Consecutive records of a lane, and how often they have failed. A piece without records ends a tumbling window (`final`, `early`)."""

    records: list[Record]
    attempts: int = 0
    final: bool = False
    early: bool = False


class StreamPoller(Poller):
    """Follows the shards of one stream, parents before their children."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shards: dict[str, Shard] = {}
        self._lanes_running = 0

    def topic(self) -> str:
        return f"stream:{self.mapping.source_arn}"

    async def look(self) -> None:
        """Process what the shards hold, up to their ends."""
        if self._lanes_running:
            return  # The last lane to finish wakes the poller.
        described = await self.call("dynamodbstreams:DescribeStream", {"StreamArn": self.mapping.source_arn})
        listed = described["StreamDescription"].get("Shards", [])
        known = self._shards
        self._shards = {one["ShardId"]: known.get(one["ShardId"]) or self._shard(one["ShardId"]) for one in listed}
        if self._shards.keys() != known.keys():
            await self._forget_others()
        for one in listed:
            shard, parent = self._shards[one["ShardId"]], self._shards.get(one.get("ParentShardId", ""))
            if not shard.done and (parent is None or parent.done):
                await self._follow(shard)

    def in_trouble(self, error: Exception) -> None:
        """What was taken from a shard and is not done with is read again, from the checkpoint on."""
        self._shards.clear()
        super().in_trouble(error)

    def _shard(self, shard_id: str) -> Shard:
        known = read(self.cloud.store, checkpoint_key(self.mapping, shard_id), Checkpoint)
        return Shard.from_checkpoint(shard_id, known, self.mapping.tumbling_seconds)

    async def _forget_others(self) -> None:
        """Remove the checkpoints of shards that are gone."""
        kept = {checkpoint_key(self.mapping, shard_id) for shard_id in self._shards}
        span = prefix_range(checkpoints_prefix(self.mapping))
        gone = [key for key, _ in self.cloud.store.range(*span) if key not in kept]

        def work(tx: Transaction) -> None:
            for key in gone:
                tx.delete(key)

        if gone:
            await self.cloud.store.transact(work)

    async def _follow(self, shard: Shard) -> None:
        wanted = self.mapping.batch_size * self.mapping.parallelization
        while not self.stopped and not self._lanes_running:
            fresh = await self._next(shard, max(1, min(_RECORDS_AT_ONCE, wanted - len(shard.gathered))))
            now = self.cloud.clock.now()
            if fresh and not shard.gathered:
                shard.gather_until = now + self.mapping.window_seconds * SECOND
            shard.gathered += fresh
            full = len(shard.gathered) >= wanted
            if fresh and not full and not shard.ended:
                continue
            if not shard.gathered:
                if shard.window is not None and (shard.ended or now >= shard.window.end):
                    await self._close_window(shard, shard.window)
                elif shard.window is not None:
                    self.wake_at(shard.window.end)
                return
            if not full and now < shard.gather_until:
                self.wake_at(shard.gather_until)
                return
            batch, shard.gathered = shard.gathered[:wanted], shard.gathered[wanted:]
            await self._process(shard, batch)

    # ---- reading

    async def _next(self, shard: Shard, limit: int) -> list[Record]:
        """The next records of a shard, filters applied; none when it has no more for now, or is closed and read to its end."""
        while not self.stopped and not shard.ended:
            iterator = shard.iterator or await self._position(shard)
            try:
                answer = await self.call("dynamodbstreams:GetRecords", {"ShardIterator": iterator, "Limit": limit})
            except ServiceError as error:
                if error.code != "ExpiredIteratorException":
                    raise
                # What was gathered is read again from the checkpoint on.
                shard.iterator, shard.gathered = "", []
                continue
            shard.iterator = answer.get("NextShardIterator") or ""
            shard.ended = not shard.iterator
            records: list[Record] = answer.get("Records", [])
            if not records:
                return []
            kept = [one for one in records if self._is_meant(one)]
            self.count("PolledEventCount", len(records))
            self.count("FilteredOutEventCount", len(records) - len(kept))
            if kept:
                return kept
            if not shard.gathered:
                await self._note(shard, records[-1])
        return []

    def _is_meant(self, record: Record) -> bool:
        """Whether a record passes the mapping's filters."""
        return not self.filters or self.wanted(orjson.loads(encode_event([stream_record(record, self.mapping.source_arn)]))["Records"][0])

    async def _position(self, shard: Shard) -> str:
        """An iterator behind the checkpoint, or at the mapping's starting position."""
        if shard.sequence:
            try:
                return await self._iterator(shard, "AFTER_SEQUENCE_NUMBER", SequenceNumber=shard.sequence)
            except ServiceError as error:
                if error.code != "TrimmedDataAccessException":
                    raise
        if self.mapping.starting_position == "LATEST":  # What was there before is not read at all. Times of records have whole seconds.
            return await self._iterator(shard, "AT_TIMESTAMP", Timestamp=self.mapping.created_at // SECOND * SECOND)
        return await self._iterator(shard, "TRIM_HORIZON")

    async def _iterator(self, shard: Shard, kind: str, **place: Any) -> str:
        wanted = {"StreamArn": self.mapping.source_arn, "ShardId": shard.id, "ShardIteratorType": kind, **place}
        answer = await self.call("dynamodbstreams:GetShardIterator", wanted)
        return str(answer["ShardIterator"])

    async def _note(self, shard: Shard, record: Record | None = None) -> None:
        """Everything up to `record` is done with. A mapping that was deleted meanwhile leaves no trace."""
        if record is not None:
            shard.sequence = record["dynamodb"]["SequenceNumber"]
        mapping = self.mapping
        value = encode(shard.checkpoint())

        def work(tx: Transaction) -> None:
            if tx.get(mapping_key(mapping.space, mapping.uuid)) is not None:
                tx.put(checkpoint_key(mapping, shard.id), value)

        await self.cloud.store.transact(work)

    # ---- processing

    async def _process(self, shard: Shard, batch: list[Record]) -> None:
        """Records of one item stay in order; with a parallelization factor those of different items run beside each other."""
        size = self.mapping.batch_size
        if self.mapping.tumbling_seconds:
            await self._process_windows(shard, batch)
            return
        if self.mapping.parallelization == 1:
            await self._run_lane(shard, deque([_Piece(batch)]), checkpoints=True)
            return
        lanes: dict[int, list[Record]] = {}
        for record in batch:
            number = crc32(encode_event([record["dynamodb"]["Keys"]])) % self.mapping.parallelization
            lanes.setdefault(number, []).append(record)
        self._lanes_running = len(lanes)
        for lane in lanes.values():
            pieces = deque(_Piece(lane[at : at + size]) for at in range(0, len(lane), size))
            self.cloud.clock.run(self._run_beside(shard, pieces, batch[-1]), f"stream lane {self.mapping.uuid}")

    async def _run_beside(self, shard: Shard, pieces: deque[_Piece], last: Record) -> None:
        """One of several lanes; the last to finish sets the checkpoint behind all of them."""
        try:
            await self._run_lane(shard, pieces, checkpoints=False)
        finally:
            self._lanes_running -= 1
        if self._lanes_running or self.stopped:
            return
        try:
            await self._note(shard, last)
        except StoreError as error:
            self.in_trouble(error)
        else:
            self.wake()

    async def _process_windows(self, shard: Shard, batch: list[Record]) -> None:
        """Records in the tumbling windows that their times lie in. A window ends when a record of a later one comes, or when its time is over."""
        length = self.mapping.tumbling_seconds * SECOND
        for start, records in groupby(batch, lambda record: arrival_time(record) // length * length):
            if shard.window is not None and shard.window.start != start:
                await self._close_window(shard, shard.window)
            if self.stopped:
                return
            if shard.window is None:
                shard.window = window_at(start, length)
            await self._run_lane(shard, deque([_Piece(list(records))]), checkpoints=True)

    async def _close_window(self, shard: Shard, window: Window, *, early: bool = False) -> None:
        """Let the function conclude a window. One that was ended early, because its state grew too large, goes on with an empty state."""
        await self._run_lane(shard, deque([_Piece([], final=True, early=early)]), checkpoints=False)
        if not self.stopped:
            shard.window = Window(window.start, window.length) if early else None
            await self._note(shard)

    async def _run_lane(self, shard: Shard, pieces: deque[_Piece], *, checkpoints: bool) -> None:
        while pieces and not self.stopped:
            piece = pieces[0]
            aged = self._too_old(piece)
            if aged:
                old, piece.records = _Piece(piece.records[:aged], piece.attempts), piece.records[aged:]
                if not piece.records:
                    pieces.popleft()
                await self._discard(shard, old, "RecordAgeExceeded", "", None)
                if checkpoints:
                    await self._note(shard, old.records[-1])
                continue
            payload = self._event(shard, piece)
            if len(payload) > PAYLOAD_BYTES_MAX and len(piece.records) > 1:
                self._halve(pieces, piece.attempts)
                continue
            request_id, invoked = await self._invoke(piece, payload)
            done = self._done(shard, piece, invoked)
            if done and checkpoints:
                await self._note(shard, piece.records[done - 1])
            if done is not None and done == len(piece.records):
                self.report("OK")
                pieces.popleft()
                await self._mind_state(shard, piece)
                continue
            self.report("PROBLEM: Function call failed")
            if invoked is not None:
                piece.attempts += 1
            piece.records = piece.records[done or 0 :]
            if done and self.mapping.bisect:  # Split already, where the function said.
                piece.attempts -= 1
                continue
            await self._after_failure(shard, pieces, request_id, invoked, checkpoints=checkpoints)

    async def _after_failure(self, shard: Shard, pieces: deque[_Piece], request_id: str, invoked: Invoked | None, *, checkpoints: bool) -> None:
        """Give the piece up, split it, or try it again after a pause."""
        piece = pieces[0]
        splits = self.mapping.bisect and len(piece.records) > 1
        if 0 <= self.mapping.retries < piece.attempts and not splits:
            await self._discard(shard, pieces.popleft(), "RetryAttemptsExhausted", request_id, invoked)
            if checkpoints and piece.records:
                await self._note(shard, piece.records[-1])
        elif splits and invoked is not None:
            self._halve(pieces, max(0, piece.attempts - 1))  # Splitting does not count as a retry.
        else:
            await self.pause(min(_PAUSE_FIRST << min(max(piece.attempts - 1, 0), 10), _PAUSE_MAX))

    def _event(self, shard: Shard, piece: _Piece) -> bytes:
        records = [stream_record(one, self.mapping.source_arn) for one in piece.records]
        if shard.window is None:
            return encode_event(records)
        return encode_event(records, shard.window.members(shard.id, self.mapping.source_arn, final=piece.final, early=piece.early))

    async def _invoke(self, piece: _Piece, payload: bytes) -> tuple[str, Invoked | None]:
        if piece.records:
            age = (self.cloud.clock.now() - arrival_time(piece.records[-1])) / MILLISECOND
            self.invoker.meters.of_target(self.mapping.target).add("IteratorAge", max(0.0, age), "Milliseconds")
        return await self.invoke(payload, len(piece.records))

    def _done(self, shard: Shard, piece: _Piece, invoked: Invoked | None) -> int | None:
        """How many records of the piece, from its beginning, are done with; None when the invocation as a whole failed."""
        if invoked is None or invoked.failed:
            return None
        if shard.window is not None and not piece.final:
            state = state_in(invoked.outcome.payload)
            if state is None:
                return None
            shard.window.state = state
        if not self.mapping.reports_item_failures:
            return len(piece.records)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in piece.records]
        failed = failed_items(invoked.outcome.payload, numbers)
        if failed is None:
            return None
        return min((numbers.index(one) for one in failed), default=len(numbers))

    async def _mind_state(self, shard: Shard, piece: _Piece) -> None:
        """A window whose state has grown too large is ended at once."""
        window = shard.window
        if window is not None and not piece.final and len(window.state) > WINDOW_STATE_BYTES_MAX:
            await self._close_window(shard, window, early=True)

    def _halve(self, pieces: deque[_Piece], attempts: int) -> None:
        """Two halves in place of a batch: so that a bad record holds up less and less, or because it is larger than an event can be."""
        piece = pieces.popleft()
        middle = len(piece.records) // 2
        pieces.appendleft(_Piece(piece.records[middle:], attempts))
        pieces.appendleft(_Piece(piece.records[:middle], attempts))

    def _too_old(self, piece: _Piece) -> int:
        """How many records, the first ones, are older than those that the function may still get."""
        limited = self.mapping.record_age_seconds >= 0
        limit = self.mapping.record_age_seconds * SECOND if limited else _STREAM_KEEPS
        if not limited and not piece.attempts:
            return 0
        # The time of a record is known to the second, so a record of this second is never too old.
        oldest = self.cloud.clock.now() - limit - SECOND
        return sum(1 for _ in takewhile(lambda record: arrival_time(record) < oldest, piece.records))

    async def _discard(self, shard: Shard, piece: _Piece, condition: str, request_id: str, invoked: Invoked | None) -> None:
        """Give records up; the on-failure destination learns where they are (a bucket gets the event itself too)."""
        mapping = self.mapping
        self.cloud.usage.add(mapping.account, mapping.region, "lambda", "DiscardedRecords", mapping.function_name, len(piece.records))
        self.count("DroppedEventCount", len(piece.records))
        if not mapping.on_failure or not piece.records:
            return
        now = self.cloud.clock.now()
        document = self._report_of(shard, piece, condition, request_id, invoked, now)
        service = mapping.on_failure.split(":")[2]
        if service == "s3":
            document["payload"] = self._event(shard, piece).decode()
            body = orjson.dumps(document)
            await self.give_up("s3:PutObject", s3_object(mapping.on_failure, f"aws/lambda/{mapping.uuid}/{shard.id}", body, now, self.cloud.ids.uuid()), len(piece.records))
        elif service == "sns":
            await self.give_up("sns:Publish", {"TopicArn": mapping.on_failure, "Message": orjson.dumps(document).decode()}, len(piece.records))
        else:
            await self.give_up("sqs:SendMessage", queue_message(mapping.on_failure, orjson.dumps(document).decode(), ""), len(piece.records))

    def _report_of(self, shard: Shard, piece: _Piece, condition: str, request_id: str, invoked: Invoked | None, now: int) -> dict[str, Any]:
        first, last = piece.records[0], piece.records[-1]
        document: dict[str, Any] = {
            "requestContext": {
                "requestId": request_id or self.cloud.ids.uuid(),
                "functionArn": self.mapping.target.qualified_arn,
                "condition": condition,
                "approximateInvokeCount": piece.attempts,
            },
            "version": "1.0",
            "timestamp": iso_time(now),
            "DDBStreamBatchInfo": {
                "shardId": shard.id,
                "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": iso_time(arrival_time(first)),
                "approximateArrivalOfLastRecord": iso_time(arrival_time(last)),
                "batchSize": len(piece.records),
                "streamArn": self.mapping.source_arn,
            },
        }
        if invoked is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": invoked.version}
            if invoked.failed:
                context["functionError"] = "Unhandled"
            document["responseContext"] = context
        return document
