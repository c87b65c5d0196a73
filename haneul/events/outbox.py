"""The outbox: work that was promised in a transaction and is carried out after it, surely and at its time.

An entry lies in the store from the transaction that put it until its handler has returned. After a crash what was not finished
is begun again, so handlers are carried out at least once; one that must not act twice makes its effect and the entry's removal one
transaction or is idempotent. Entries with a due time are the cloud's durable timers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from haneul.clock import SECOND, Clock, Ids, Timer
from haneul.core.ports import Shape
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, Transaction
from haneul.store.records import decode, encode

_QUEUE = "outbox"
_KEYED = "outbox-key"
_RETRY_FIRST = 1 * SECOND
_RETRY_MAX = 300 * SECOND
_WRITE_AGAIN_MAX = 8 * SECOND
_PAGE = 256
_IN_FLIGHT_MAX = 512
_log = logging.getLogger("haneul")

Handler = Callable[[Shape], Awaitable[None]]


class Entry(msgspec.Struct):
    """One promise. `attempts` counts the tries that failed."""

    kind: str
    payload: Shape
    lane: str = ""
    key: str = ""
    attempts: int = 0


class StoredOutbox:
    """The `Outbox` of `core/ports.py`, over the store. Keys sort by due time, so what is due costs what it is, not what waits."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._handlers: dict[str, Handler] = {}
        self._start_of_queue, self._end_of_queue = prefix_range(pack((_QUEUE,)))
        self._in_flight: set[bytes] = set()
        self._lanes: dict[str, list[bytes]] = {}
        self._timer: Timer | None = None
        self._timer_at = 0
        self._running = False
        self._sequence = 0

    def handle(self, kind: str, handler: Handler) -> None:
        if kind in self._handlers:
            raise ValueError(f"two handlers for outbox entries of kind {kind}")
        self._handlers[kind] = handler

    def put(self, tx: Transaction, kind: str, payload: Shape, *, due: int = 0, lane: str = "", key: str = "") -> str:
        due = due or self._clock.now()
        self._sequence += 1
        # The time and a counter keep the order of promises made in one instant, over restarts too.
        entry_id = f"{self._clock.machine_now():020}-{self._sequence:010}-{self._ids.hex(8)}"
        place = pack((_QUEUE, due, entry_id))
        if key:
            self.cancel(tx, kind, key)
            tx.put(pack((_KEYED, kind, key)), place)
        tx.put(place, encode(Entry(kind, payload, lane, key)))
        return entry_id

    def cancel(self, tx: Transaction, kind: str, key: str) -> None:
        pointer = pack((_KEYED, kind, key))
        place = tx.get(pointer)
        if place is not None:
            tx.delete(place)
            tx.delete(pointer)

    # ---- carrying out

    async def start(self) -> None:
        """Carry out what is due, now and from now on."""
        self._running = True
        self._unwatch = self._store.watch(pack((_QUEUE,)), self._changed)
        self._look()

    async def stop(self) -> None:
        """Begin nothing more. Entries under way stay in the store until their handlers return."""
        if self._running:
            self._running = False
            self._unwatch()
            if self._timer is not None:
                self._timer.cancel()

    def _changed(self, keys: Sequence[bytes]) -> None:
        due = unpack(keys[0])[1]
        if isinstance(due, int) and (self._timer is None or due < self._timer_at or due <= self._clock.now()):
            self._look()

    def _look(self) -> None:
        """Begin what is due and set the timer for what comes next."""
        if not self._running:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.now()
        for place, value in self._store.iterate(self._start_of_queue, self._end_of_queue, page=_PAGE):
            due = unpack(place)[1]
            assert isinstance(due, int)
            if due > now:
                self._timer_at = due
                self._timer = self._clock.call_at(due, self._look)
                return
            if len(self._in_flight) >= _IN_FLIGHT_MAX:
                return  # The next one to finish looks again.
            if place not in self._in_flight:
                self._begin(place, value)

    def _begin(self, place: bytes, value: bytes) -> None:
        entry = decode(value, Entry)
        self._in_flight.add(place)
        if entry.lane:
            waiting = self._lanes.get(entry.lane)
            if waiting is not None:
                waiting.append(place)
                return
            self._lanes[entry.lane] = []
        self._clock.run(self._carry_out(place, entry), name=f"outbox {entry.kind}")

    async def _carry_out(self, place: bytes, entry: Entry) -> None:
        handler = self._handlers.get(entry.kind)
        try:
            if handler is None:
                raise LookupError(f"nothing carries out {entry.kind}")
            await handler(entry.payload)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The promise stands: it moves behind a growing pause and is tried again.
            _log.warning("outbox: %s failed (attempt %d): %r", entry.kind, entry.attempts + 1, error)
            await self._surely(lambda tx: self._postpone(tx, place, entry))
        else:
            await self._surely(lambda tx: self._finish(tx, place, entry))
        self._in_flight.discard(place)
        self._next_of_lane(entry.lane)
        self._look()

    async def _surely(self, work: Callable[[Transaction], None]) -> None:
        """Write down what became of an entry, however long the disk is full: what has been done must not be done again because of that."""
        pause = _RETRY_FIRST
        while True:
            try:
                return await self._store.transact(work)
            except Exception as error:
                _log.warning("outbox: the store does not take what was done: %r", error)
            if not self._running:
                return  # The next run does it again.
            await self._clock.sleep(pause)
            pause = min(pause * 2, _WRITE_AGAIN_MAX)

    def _postpone(self, tx: Transaction, place: bytes, entry: Entry) -> None:
        if tx.get(place) is None:
            return
        pause = min(_RETRY_FIRST << min(entry.attempts, 20), _RETRY_MAX)
        again = pack((_QUEUE, self._clock.now() + pause, str(unpack(place)[2])))
        tx.delete(place)
        tx.put(again, encode(msgspec.structs.replace(entry, attempts=entry.attempts + 1)))
        if entry.key:
            tx.put(pack((_KEYED, entry.kind, entry.key)), again)

    def _finish(self, tx: Transaction, place: bytes, entry: Entry) -> None:
        tx.delete(place)
        if entry.key:
            pointer = pack((_KEYED, entry.kind, entry.key))
            if tx.get(pointer) == place:
                tx.delete(pointer)

    def _next_of_lane(self, lane: str) -> None:
        if not lane:
            return
        waiting = self._lanes[lane]
        while waiting:
            place = waiting.pop(0)
            value = self._store.get(place)
            if value is not None:
                self._clock.run(self._carry_out(place, decode(value, Entry)), name="outbox lane")
                return
            self._in_flight.discard(place)
        del self._lanes[lane]
