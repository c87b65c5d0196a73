"""Standard queues: messages in the order of the time at which they are visible.

Rows below `("sqs-data", account, region, id, generation)`:

- `("v", visible at, number)` → the message. What can be received is a range that ends now, however much is delayed or in flight.
- `("p", sent at, number)` → visible at, for messages whose place is not the time they were sent at (delayed, received, moved). With it a receipt
  handle finds its message after a change of visibility, and old messages are found by age: those without such a row lie at their age in "v".
- `("b", number)` → the content of a large message.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from haneul.services.sqs.box import IN_FLIGHT_MAX, SETTLE_MAX, Box, Session
from haneul.services.sqs.contents import Content
from haneul.services.sqs.counters import BEGINNING, END, Counters, Position
from haneul.services.sqs.messages import Delivered, Handle, State, make_handle, read_content, rewrite_row, write_row
from haneul.services.sqs.queues import Queue

# `pack` writes an integer of eight bytes as 0x1c and the bytes; times and numbers always have eight, so this is what it would write.
_INT: Final = 0x1C
_TWO: Final = struct.Struct(">BQBQ")
_ONE: Final = struct.Struct(">BQ")
_V, _P, _B = b"\x02v\x00", b"\x02p\x00", b"\x02b\x00"


class StandardBox(Box):
    """A standard queue inside a transaction."""

    def __init__(self, session: Session, queue: Queue, counters: Counters) -> None:
        super().__init__(session, queue, counters)
        self._v = queue.data_prefix + _V

    def _place(self, position: Position) -> bytes:
        return self._v + _TWO.pack(_INT, position[0], _INT, position[1])

    def _position(self, key: bytes) -> Position:
        _, visible_at, _, number = _TWO.unpack_from(key, len(self._v))
        return (visible_at, number)

    def _pointer(self, sent_at: int, number: int) -> bytes:
        return self.queue.data_prefix + _P + _TWO.pack(_INT, sent_at, _INT, number)

    def _apart(self, number: int) -> bytes:
        return self.queue.data_prefix + _B + _ONE.pack(_INT, number)

    # ---- the two ways a row comes and goes

    def _lay(self, position: Position, state: State, row: bytes) -> None:
        counters = self.counters
        self.tx.put(self._place(position), row)
        if position[0] > self.now or position >= counters.waiting_from:
            if state.receives:
                counters.in_flight += 1
            else:
                counters.delayed += 1
            if position < counters.waiting_from:
                counters.waiting_from = position
        else:
            if position < counters.ready_from:
                counters.ready_from = position
            self.released = True
        if position[0] != state.sent_at:
            self.tx.put(self._pointer(state.sent_at, position[1]), _ONE.pack(_INT, position[0]))

    def _lift(self, position: Position, state: State) -> None:
        counters = self.counters
        self.tx.delete(self._place(position))
        if position >= counters.waiting_from:
            if state.receives:
                counters.in_flight -= 1
            else:
                counters.delayed -= 1

    def _drop(self, position: Position, state: State) -> None:
        self._lift(position, state)
        self.counters.total -= 1
        if position[0] != state.sent_at:
            self.tx.delete(self._pointer(state.sent_at, position[1]))
        if state.is_apart:
            self.tx.delete(self._apart(position[1]))

    # ---- what a box does

    def send(self, content: Content, delay: int) -> tuple[str, int]:
        self.put(content, State(self.now, self.now + delay))
        return content.id, 0

    def put(self, content: Content, state: State) -> int:
        number = self.counters.next_number(self.now)
        row = write_row(self.tx, self.vault, self.queue, state, content, self._apart(number))
        self.counters.total += 1
        self._lay((state.visible_at, number), state, row)
        self.arm_expiry(state.sent_at)
        return number

    def settle(self) -> bool:
        counters, now = self.counters, self.now
        if counters.waiting_from[0] > now:
            return True
        waiting = self.tx.iterate(self._place(counters.waiting_from), self._place(END))
        for seen, (key, row) in enumerate(waiting):
            position = self._position(key)
            if position[0] > now or seen == SETTLE_MAX:
                counters.waiting_from = position
                return position[0] > now
            self.released = True
            if State.decode(row).receives:
                counters.in_flight -= 1
            else:
                counters.delayed -= 1
        counters.waiting_from = END
        return True

    def receive(self, count: int, timeout: int, attempt: str) -> list[Delivered]:
        self.settle()
        counters, tx, queue, now = self.counters, self.tx, self.queue, self.now
        end = self._place(min((now + 1, 0), counters.waiting_from))
        room = min(count, IN_FLIGHT_MAX - counters.in_flight)
        delivered: list[Delivered] = []
        again: list[Position] = []  # Messages that stay visible (time-out 0) come back behind this receive, not in it.
        cursor = counters.ready_from
        budget = SETTLE_MAX  # Messages that are dropped on the way cost time, too.
        while len(delivered) < room and budget > 0:
            rows = tx.range(self._place(cursor), end, room - len(delivered))
            if not rows:
                break
            budget -= len(rows)
            for key, row in rows:
                position = self._position(key)
                cursor = (position[0], position[1] + 1)
                if position in again:
                    continue
                state = State.decode(row)
                if self.is_expired(state):
                    self._drop(position, state)
                    continue
                content = read_content(tx, self.vault, state, row, self._apart(position[1]))
                if self.is_dead(state) and self.bury(content, state):
                    self._drop(position, state)
                    continue
                moved = (now + timeout, position[1])
                self._lift(position, state)
                state.receive(now, moved[0])
                self._lay(moved, state, rewrite_row(state, row))
                if not timeout:
                    again.append(moved)
                handle = make_handle(queue, Handle(state.sent_at, position[1], moved[0], state.receives))
                delivered.append(Delivered(content, state, handle))
        counters.ready_from = min([cursor, *again])
        return delivered

    def _find(self, handle: Handle) -> tuple[Position, State, bytes] | None:
        """The message of a handle, unless it is gone or has been received again."""
        position = (handle.visible_at, handle.number)
        row = self.tx.get(self._place(position))
        if row is None:
            # Its visibility was changed since: the pointer knows where it is, and without one it lies at the time it was sent at.
            pointer = self.tx.get(self._pointer(handle.sent_at, handle.number))
            position = (handle.sent_at if pointer is None else _ONE.unpack(pointer)[1], handle.number)
            row = self.tx.get(self._place(position))
            if row is None:
                return None
        state = State.decode(row)
        return (position, state, row) if state.receives == handle.receives else None

    def delete(self, handle: Handle) -> bool:
        found = self._find(handle)
        if found is not None:
            self._drop(found[0], found[1])
        return True

    def received_at(self, handle: Handle) -> int | None:
        found = self._find(handle)
        return found[1].received_at if found is not None else None

    def change_visibility(self, handle: Handle, timeout: int) -> bool:
        found = self._find(handle)
        if found is None:
            return False
        position, state, row = found
        if position[0] <= self.now:
            return True  # Its time is over and it is there for everybody again: that succeeds, and hides nothing.
        self._lift(position, state)
        if position[0] != state.sent_at == self.now + timeout:
            self.tx.delete(self._pointer(state.sent_at, position[1]))
        state.visible_at = self.now + timeout
        self._lay((state.visible_at, position[1]), state, rewrite_row(state, row))
        return True

    def take(self, count: int, accept: Callable[[Content], bool]) -> bool:
        self.settle()
        start, end = self._place(self.counters.ready_from), self._place(min((self.now + 1, 0), self.counters.waiting_from))
        rows = self.tx.range(start, end, count + 1)
        for key, row in rows[:count]:
            position, state = self._position(key), State.decode(row)
            if not self.is_expired(state) and not accept(read_content(self.tx, self.vault, state, row, self._apart(position[1]))):
                return False
            self._drop(position, state)
            self.counters.ready_from = (position[0], position[1] + 1)
        return len(rows) <= count

    def remove_expired(self, count: int) -> int:
        self.settle()
        tx, limit = self.tx, self.now - self.queue.retention + 1
        removed = 0
        for key, pointer in tx.range(self._pointer(0, 0), self._pointer(max(limit, 0), 0), count):
            _, _, _, number = _TWO.unpack_from(key, len(key) - _TWO.size)
            self._remove_at((_ONE.unpack(pointer)[1], number))
            tx.delete(key)
            removed += 1
        if removed < count:
            for key, _ in tx.range(self._place(BEGINNING), self._place((max(limit, 0), 0)), count - removed):
                self._remove_at(self._position(key))
                removed += 1
        return removed

    def _remove_at(self, position: Position) -> None:
        row = self.tx.get(self._place(position))
        if row is not None:
            self._drop(position, State.decode(row))

    def oldest_sent_at(self) -> int | None:
        # A message with a pointer was sent before the time at which it lies, so the smaller of both firsts is the oldest.
        moved = self.tx.range(self._pointer(0, 0), self._pointer(END[0], 0), 1)
        first = self.tx.range(self._place(BEGINNING), self._place(END), 1)
        times = [_TWO.unpack_from(key, len(key) - _TWO.size)[1] for key, _ in moved] + [self._position(key)[0] for key, _ in first]
        return min(times, default=None)
