"""One shard of a table's stream to a function: in order, from a checkpoint, with retries that hold the shard up until they end.

Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB" and "Retaining discarded records for a DynamoDB event source".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

import orjson
from zlib_ng.zlib_ng import crc32

from haneul.clock import HOUR, MILLISECOND, SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.ports import lane_topic
from haneul.services.lambda_.destinations import queue_message, s3_object
from haneul.services.lambda_.event_sources.payloads import arrival_time, encode_event, failed_items, stream_record
from haneul.services.lambda_.event_sources.records import Checkpoint, Mapping, checkpoint_key, mapping_key
from haneul.services.lambda_.event_sources.shards import WINDOW_STATE_BYTES_MAX, Record, Shard, Window, state_in, window_at
from haneul.services.lambda_.event_sources.source import TROUBLE_PAUSE, Poller
from haneul.services.lambda_.functions import Functions, read
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.invoker import Invoker
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX
from haneul.services.lambda_.times import iso_time
from haneul.store.port import StoreError, Transaction
from haneul.store.records import encode

_RECORDS_AT_ONCE = 1000
_PAUSE_FIRST = 1 * SECOND
_PAUSE_MAX = 60 * SECOND
_STREAM_KEEPS = 24 * HOUR
# Said of an iterator that has to be asked for anew.
_ITERATOR_IS_OLD = ("ExpiredIteratorException", "TrimmedDataAccessException")


@dataclass(slots=True)
class _Piece:
    """Consecutive records of a lane, how often they have failed, and whether they were tried at all, which a throttled function does not get to see. A piece without records ends a
    tumbling window (`final`, `early`)."""

    records: list[Record]
    attempts: int = 0
    tried: bool = False
    final: bool = False
    early: bool = False


class ShardPoller(Poller):
    """Follows one shard until it is closed and everything in it is done with. It tells `on_done` its id then, and `on_result` what comes of its batches."""

    def __init__(
        self,
        cloud: Cloud,
        functions: Functions,
        invoker: Invoker,
        mapping: Mapping,
        shard_id: str,
        on_done: Callable[[str], None],
        on_result: Callable[[str], None],
    ) -> None:
        # The last part of a shard's id names its lane, whose topic is notified of new records.
        self._topic = lane_topic(shard_id.rpartition("-")[2])
        super().__init__(cloud, functions, invoker, mapping)
        self._on_done = on_done
        self._on_result = on_result
        self._lanes_running = 0
        self.done = False
        """Whether nothing of the shard is left to be done, so that its children may be processed."""
        self.shard = self._restored(shard_id)

    def topic(self) -> str:
        return self._topic

    @property
    def busy(self) -> bool:
        return super().busy or self._lanes_running > 0

    def report(self, result: str) -> None:
        """A mapping shows the last result of all shards."""
        self._on_result(result)

    def _restored(self, shard_id: str) -> Shard:
        """The shard as the checkpoint says."""
        known = read(self.cloud.store, checkpoint_key(self.mapping, shard_id), Checkpoint)
        return Shard.from_checkpoint(shard_id, known, self.mapping.tumbling_seconds)

    def in_trouble(self, error: Exception) -> None:
        """What was taken from the shard and is not done with is read again, from the checkpoint on."""
        self.shard = self._restored(self.shard.id)
        super().in_trouble(error)

    async def look(self) -> None:
        """Process what the shard holds, up to its end."""
        if not self._lanes_running:  # The last lane to finish wakes the poller.
            await self._follow(self.shard)
        if self.shard.done and not self._lanes_running and not self.stopped:
            self.done = True
            self.stop()
            self._on_done(self.shard.id)

    async def _follow(self, shard: Shard) -> None:
        wanted = self.mapping.batch_size * self.mapping.parallelization
        bytes_wanted = PAYLOAD_BYTES_MAX * self.mapping.parallelization  # More would be split, and what waits for its window lies in memory.
        while not self.stopped and not self._lanes_running:
            fresh = await self._next(max(1, min(_RECORDS_AT_ONCE, wanted - len(shard.gathered))))
            now = self.cloud.clock.now()
            if fresh and not shard.gathered:
                shard.gather_until = now + self.mapping.window_seconds * SECOND
            shard.gather(fresh, sum(len(encode_event([stream_record(one, self.mapping.source_arn)])) for one in fresh))
            full = len(shard.gathered) >= wanted or shard.gathered_bytes >= bytes_wanted
            if fresh and not full and not shard.ended:
                continue
            if not shard.gathered:
                if shard.window is not None and (shard.ended or now >= shard.window.end):
                    await self._close_window(shard.window)
                elif shard.window is not None:
                    self.wake_at(shard.window.end)
                return
            if not full and now < shard.gather_until:
                self.wake_at(shard.gather_until)
                return
            await self._process(shard.take())

    # ---- reading

    async def _next(self, limit: int) -> list[Record]:
        """The next records of the shard, filters applied; none when it has no more for now, or is closed and read to its end."""
        while not self.stopped and not self.shard.ended:
            self.resolve()  # A function that is not there is no shard that is not there.
            try:
                iterator = self.shard.iterator or await self._position()
                answer = await self.call("dynamodbstreams:GetRecords", {"ShardIterator": iterator, "Limit": limit})
            except ServiceError as error:
                if error.code == "ResourceNotFoundException":
                    self.shard.ended = True
                    return []
                if error.code not in _ITERATOR_IS_OLD:
                    raise
                self.shard.iterator = ""
                self.shard.take()  # It is read again from the checkpoint on.
                continue
            self.shard.iterator = answer.get("NextShardIterator") or ""
            self.shard.ended = not self.shard.iterator
            records: list[Record] = answer.get("Records", [])
            if not records:
                return []
            kept = [one for one in records if self._is_meant(one)]
            self.count("PolledEventCount", len(records))
            self.count("FilteredOutEventCount", len(records) - len(kept))
            if kept:
                return kept
            if not self.shard.gathered:
                await self._note(records[-1])
        return []

    def _is_meant(self, record: Record) -> bool:
        """Whether a record passes the mapping's filters."""
        return not self.filters or self.wanted(orjson.loads(encode_event([stream_record(record, self.mapping.source_arn)]))["Records"][0])

    async def _position(self) -> str:
        """An iterator behind the checkpoint, or at the mapping's starting position."""
        if self.shard.sequence:
            try:
                return await self._iterator("AFTER_SEQUENCE_NUMBER", SequenceNumber=self.shard.sequence)
            except ServiceError as error:
                if error.code != "TrimmedDataAccessException":
                    raise
        if self.mapping.starting_position == "LATEST":  # What was there before is not read at all. Times of records have whole seconds.
            return await self._iterator("AT_TIMESTAMP", Timestamp=self.mapping.created_at // SECOND * SECOND)
        return await self._iterator("TRIM_HORIZON")

    async def _iterator(self, kind: str, **place: Any) -> str:
        wanted = {"StreamArn": self.mapping.source_arn, "ShardId": self.shard.id, "ShardIteratorType": kind, **place}
        answer = await self.call("dynamodbstreams:GetShardIterator", wanted)
        return str(answer["ShardIterator"])

    async def _note(self, record: Record | None = None) -> None:
        """Everything up to `record` is done with. A mapping that was deleted meanwhile leaves no trace."""
        if record is not None:
            self.shard.sequence = record["dynamodb"]["SequenceNumber"]
        mapping = self.mapping
        value = encode(self.shard.checkpoint())

        def work(tx: Transaction) -> None:
            if tx.get(mapping_key(mapping.space, mapping.uuid)) is not None:
                tx.put(checkpoint_key(mapping, self.shard.id), value)

        # While it cannot be written down, the shard waits, rather than have the function do again what is done.
        while not await self._written(work) and not self.stopped:
            await self.pause(TROUBLE_PAUSE)

    async def _written(self, work: Callable[[Transaction], None]) -> bool:
        try:
            await self.cloud.store.transact(work)
        except StoreError as error:
            self.report(f"PROBLEM: {error}")
            return False
        return True

    # ---- processing

    async def _process(self, batch: list[Record]) -> None:
        """Records of one item stay in order; with a parallelization factor those of different items run beside each other."""
        size = self.mapping.batch_size
        if self.mapping.tumbling_seconds:
            await self._process_windows(batch)
            return
        if self.mapping.parallelization == 1:
            await self._run_lane(deque([_Piece(batch)]), checkpoints=True)
            return
        lanes: dict[int, list[Record]] = {}
        for record in batch:
            number = crc32(encode_event([record["dynamodb"]["Keys"]])) % self.mapping.parallelization
            lanes.setdefault(number, []).append(record)
        beside = [deque(_Piece(lane[at : at + size]) for at in range(0, len(lane), size)) for lane in lanes.values()]
        self._lanes_running = len(beside)
        for pieces in beside:
            self.cloud.clock.run(self._run_beside(pieces, beside, batch), f"stream lane {self.mapping.uuid}")

    async def _run_beside(self, pieces: deque[_Piece], beside: list[deque[_Piece]], batch: list[Record]) -> None:
        """One of several lanes, `beside` each other; the last to finish sets the checkpoint."""
        try:
            try:
                await self._run_lane(pieces, checkpoints=False)
            finally:
                if self._lanes_running == 1:
                    await self._conclude(beside, batch)
        finally:
            self._lanes_running -= 1
            if not self._lanes_running:
                self.wake()
                self.rest()

    async def _conclude(self, beside: list[deque[_Piece]], batch: list[Record]) -> None:
        """Note what the lanes have done: all of it, unless the poller was stopped meanwhile, or one of them had an accident. The rest is read again then."""
        left = {id(record) for pieces in beside for piece in pieces for record in piece.records}
        done = list(takewhile(lambda record: id(record) not in left, batch))
        if done:
            await self._note(done[-1])
        if left:
            self.shard = self._restored(self.shard.id)

    async def _process_windows(self, batch: list[Record]) -> None:
        """Records in the tumbling windows that their times lie in. A window ends when a record of a later one comes, or when its time is over."""
        length = self.mapping.tumbling_seconds * SECOND
        for start, records in groupby(batch, lambda record: arrival_time(record) // length * length):
            if self.shard.window is not None and self.shard.window.start != start:
                await self._close_window(self.shard.window)
            if self.stopped:
                return
            if self.shard.window is None:
                self.shard.window = window_at(start, length)
            await self._run_lane(deque([_Piece(list(records))]), checkpoints=True)

    async def _close_window(self, window: Window, *, early: bool = False) -> None:
        """Let the function conclude a window. One that was ended early, because its state grew too large, goes on with an empty state."""
        await self._run_lane(deque([_Piece([], final=True, early=early)]), checkpoints=False)
        if not self.stopped:
            self.shard.window = Window(window.start, window.length) if early else None
            await self._note()

    async def _run_lane(self, pieces: deque[_Piece], *, checkpoints: bool) -> None:
        while pieces and not self.stopped:
            piece = pieces[0]
            aged = self._too_old(piece)
            if aged:
                old, piece.records = _Piece(piece.records[:aged], piece.attempts), piece.records[aged:]
                if not piece.records:
                    pieces.popleft()
                await self._discard(old, "RecordAgeExceeded", "", None)
                if checkpoints:
                    await self._note(old.records[-1])
                continue
            payload = self._event(piece)
            if len(payload) > PAYLOAD_BYTES_MAX and len(piece.records) > 1:
                self._halve(pieces, piece.attempts)
                continue
            piece.tried = True
            request_id, invoked = await self._invoke(piece, payload)
            done = self._done(piece, invoked)
            if done and checkpoints:
                await self._note(piece.records[done - 1])
            if done is not None and done == len(piece.records):
                self.report("OK")
                pieces.popleft()
                await self._mind_state(piece)
                continue
            self.report("PROBLEM: Function call failed")
            if invoked is not None:
                piece.attempts += 1
            piece.records = piece.records[done or 0 :]
            if done and self.mapping.bisect:  # Split already, where the function said.
                piece.attempts -= 1
                continue
            await self._after_failure(pieces, request_id, invoked, checkpoints=checkpoints)

    async def _after_failure(self, pieces: deque[_Piece], request_id: str, invoked: Invoked | None, *, checkpoints: bool) -> None:
        """Give the piece up, split it, or try it again after a pause. What ends a window is never given up: nothing goes on until the function has concluded it."""
        piece = pieces[0]
        splits = self.mapping.bisect and len(piece.records) > 1
        if 0 <= self.mapping.retries < piece.attempts and piece.records and not splits:
            await self._discard(pieces.popleft(), "RetryAttemptsExhausted", request_id, invoked)
            if checkpoints:
                await self._note(piece.records[-1])
        elif splits and invoked is not None:
            self._halve(pieces, max(0, piece.attempts - 1))  # Splitting does not count as a retry.
        else:
            await self.pause(min(_PAUSE_FIRST << min(max(piece.attempts - 1, 0), 10), _PAUSE_MAX))

    def _event(self, piece: _Piece) -> bytes:
        records = [stream_record(one, self.mapping.source_arn) for one in piece.records]
        if self.shard.window is None:
            return encode_event(records)
        return encode_event(records, self.shard.window.members(self.shard.id, self.mapping.source_arn, final=piece.final, early=piece.early))

    async def _invoke(self, piece: _Piece, payload: bytes) -> tuple[str, Invoked | None]:
        if piece.records:
            age = (self.cloud.clock.now() - arrival_time(piece.records[-1])) / MILLISECOND
            self.invoker.meters.of_target(self.mapping.target).add("IteratorAge", max(0.0, age), "Milliseconds")
        return await self.invoke(payload, len(piece.records))

    def _done(self, piece: _Piece, invoked: Invoked | None) -> int | None:
        """How many records of the piece, from its beginning, are done with; None when the invocation as a whole failed."""
        if invoked is None or invoked.failed:
            return None
        if self.shard.window is not None and not piece.final:
            state = state_in(invoked.outcome.payload)
            if state is None:
                return None
            self.shard.window.state = state
        if not self.mapping.reports_item_failures:
            return len(piece.records)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in piece.records]
        failed = failed_items(invoked.outcome.payload, numbers)
        if failed is None:
            return None
        return min((numbers.index(one) for one in failed), default=len(numbers))

    async def _mind_state(self, piece: _Piece) -> None:
        """A window whose state has grown too large is ended at once."""
        window = self.shard.window
        if window is not None and not piece.final and len(window.state) > WINDOW_STATE_BYTES_MAX:
            await self._close_window(window, early=True)

    def _halve(self, pieces: deque[_Piece], attempts: int) -> None:
        """Two halves in place of a batch: so that a bad record holds up less and less, or because it is larger than an event can be."""
        piece = pieces.popleft()
        middle = len(piece.records) // 2
        pieces.appendleft(_Piece(piece.records[middle:], attempts, piece.tried))
        pieces.appendleft(_Piece(piece.records[:middle], attempts, piece.tried))

    def _too_old(self, piece: _Piece) -> int:
        """How many records, the first ones, are older than those that the function may still get. Without a limit they are tried until they expire, also while the function is throttled."""
        limited = self.mapping.record_age_seconds >= 0
        limit = self.mapping.record_age_seconds * SECOND if limited else _STREAM_KEEPS
        if not limited and not piece.tried:
            return 0
        # The time of a record is known to the second, so a record of this second is never too old.
        oldest = self.cloud.clock.now() - limit - SECOND
        return sum(1 for _ in takewhile(lambda record: arrival_time(record) < oldest, piece.records))

    async def _discard(self, piece: _Piece, condition: str, request_id: str, invoked: Invoked | None) -> None:
        """Give records up; the on-failure destination learns where they are (a bucket gets the event itself too)."""
        mapping = self.mapping
        self.cloud.usage.add(mapping.account, mapping.region, "lambda", "DiscardedRecords", mapping.function_name, len(piece.records))
        self.count("DroppedEventCount", len(piece.records))
        if not mapping.on_failure:
            return
        now = self.cloud.clock.now()
        document = self._report_of(piece, condition, request_id, invoked, now)
        service = mapping.on_failure.split(":")[2]
        if service == "s3":
            document["payload"] = self._event(piece).decode()
            body = orjson.dumps(document)
            await self.give_up("s3:PutObject", s3_object(mapping.on_failure, f"aws/lambda/{mapping.uuid}/{self.shard.id}", body, now, self.cloud.ids.uuid()), len(piece.records))
        elif service == "sns":
            await self.give_up("sns:Publish", {"TopicArn": mapping.on_failure, "Message": orjson.dumps(document).decode()}, len(piece.records))
        else:
            await self.give_up("sqs:SendMessage", queue_message(mapping.on_failure, orjson.dumps(document).decode(), ""), len(piece.records))

    def _report_of(self, piece: _Piece, condition: str, request_id: str, invoked: Invoked | None, now: int) -> dict[str, Any]:
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
                "shardId": self.shard.id,
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
