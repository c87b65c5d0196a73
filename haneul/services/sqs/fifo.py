"""FIFO queues: messages in the order of their numbers, one message group at a time to one receiver.

Rows below `("sqs-data", account, region, id, generation)`:

- `("m", number)` → the message; `("b", number)` → the content of a large one.
- `("g", group, number)` → nothing: the order inside a group.
- `("l", group)` → how many of the group's messages are in flight. While the row exists, the group is locked.
- `("r", number of its first message, group)` → nothing: the groups that may be received from. Receiving walks these, so groups that are
  locked cost nothing.
- `("f", visible at, number)` → the group: messages in flight, by the time at which they come back.

Below generation 0, where a purge does not reach: `("d", scope, id)` → a message sent in the last five minutes; `("a", attempt)` → what a
receive attempt was given; `("e", until, key)` → nothing: when to remove those two. See the SQS Developer Guide, "FIFO queues".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from haneul.clock import MINUTE, SECOND
from haneul.services.sqs.box import IN_FLIGHT_MAX, SETTLE_MAX, Box
from haneul.services.sqs.contents import Content
from haneul.services.sqs.counters import END, NEVER
from haneul.services.sqs.fifo_records import Attempt, Sent, expires_at
from haneul.services.sqs.messages import Delivered, Handle, State, make_handle, read_content, rewrite_row, write_row
from haneul.store.keys import after, pack, prefix_range, unpack
from haneul.store.records import decode, encode

DEDUPLICATION_INTERVAL: Final = 5 * MINUTE
# Each send removes at most this many outdated rows: more than it adds, so they never pile up.
_CLEANED_PER_SEND: Final = 3
# How many groups one transaction looks at.
_GROUPS_MAX: Final = 100


class FifoBox(Box):
    """A FIFO queue inside a transaction."""

    def _key(self, kind: str, *parts: str | int) -> bytes:
        return self.queue.data_prefix + pack((kind, *parts))

    def _read(self, number: int) -> tuple[State, bytes] | None:
        row = self.tx.get(self._key("m", number))
        return (State.decode(row), row) if row is not None else None

    def _content(self, number: int, state: State, row: bytes) -> Content:
        return read_content(self.tx, self.vault, state, row, self._key("b", number))

    # ---- groups

    def _numbers(self, group: str, count: int) -> list[int]:
        prefix = self._key("g", group)
        return [int(unpack(key[len(prefix) :])[0]) for key, _ in self.tx.range(*prefix_range(prefix), count)]

    def _locks(self, group: str) -> int:
        row = self.tx.get(self._key("l", group))
        return decode(row, int) if row is not None else 0

    def _set_locks(self, group: str, count: int) -> None:
        key = self._key("l", group)
        if count:
            self.tx.put(key, encode(count))
        else:
            self.tx.delete(key)

    def _unlist(self, group: str) -> None:
        """Take a group out of those that may be received from, before its first message or its lock changes."""
        if not self._locks(group) and (first := self._numbers(group, 1)):
            self.tx.delete(self._key("r", first[0], group))

    def _list(self, group: str) -> bool:
        """Enter a group again, if it is not locked and has messages; True when it was."""
        if self._locks(group):
            return False
        first = self._numbers(group, 1)
        if not first:
            return False
        self.tx.put(self._key("r", first[0], group), b"")
        if self.queue.delay and first[0] + self.queue.delay > self.now:
            self._wake_at(first[0] + self.queue.delay)
        return True

    def _release(self, group: str) -> None:
        """Enter a group again and have waiting receivers told of it."""
        if self._list(group):
            self.released = True

    def _wake_at(self, time: int) -> None:
        self.counters.waiting_from = min(self.counters.waiting_from, (time, 0))

    def _remove(self, number: int, group: str, state: State) -> None:
        """Remove a message's rows. The group must be unlisted before and listed after."""
        if state.visible_at:
            self._land(number, group, state)
        self.tx.delete(self._key("m", number))
        self.tx.delete(self._key("g", group, number))
        if state.is_apart:
            self.tx.delete(self._key("b", number))
        self.counters.total -= 1

    def _launch(self, number: int, group: str, state: State) -> None:
        """Note that a message is in flight until `state.visible_at`."""
        self.tx.put(self._key("f", state.visible_at, number), encode(group))
        self.counters.in_flight += 1
        self._wake_at(state.visible_at)
        self._set_locks(group, self._locks(group) + 1)

    def _land(self, number: int, group: str, state: State) -> None:
        """Note that a message is in flight no longer."""
        self.tx.delete(self._key("f", state.visible_at, number))
        self.counters.in_flight -= 1
        self._set_locks(group, self._locks(group) - 1)
        state.visible_at = 0

    # ---- sending

    def send(self, content: Content, delay: int) -> tuple[str, int]:
        assert content.group is not None
        assert content.deduplication is not None
        scope = content.group if self.queue.deduplication_per_group else ""
        key = self.queue.deduplication_prefix + pack(("d", scope, content.deduplication))
        self._clean()
        known = self.tx.get(key)
        if known is not None:
            sent = decode(known, Sent)
            if sent.until > self.now:
                return sent.id, sent.number
        number = self.put(content, State(self.now))
        self._remember(key, encode(Sent(self.now + DEDUPLICATION_INTERVAL, content.id, number)))
        return content.id, number

    def put(self, content: Content, state: State) -> int:
        content.group = group = content.group or ""
        content.number = number = self.counters.next_number(self.now)
        row = write_row(self.tx, self.vault, self.queue, state, content, self._key("b", number))
        alone = not self._numbers(group, 1)
        self.tx.put(self._key("m", number), row)
        self.tx.put(self._key("g", group, number), b"")
        self.counters.total += 1
        if alone:
            self._release(group)
        self.arm_expiry(state.sent_at)
        return number

    def _remember(self, key: bytes, row: bytes) -> None:
        self.tx.put(key, row)
        self.tx.put(self.queue.deduplication_prefix + pack(("e", self.now + DEDUPLICATION_INTERVAL, key)), b"")

    def _clean(self) -> None:
        prefix = self.queue.deduplication_prefix
        for key, _ in self.tx.range(prefix + pack(("e",)), prefix + pack(("e", self.now + 1)), _CLEANED_PER_SEND):
            target = unpack(key[len(prefix) :])[2]
            assert isinstance(target, bytes)
            row = self.tx.get(target)
            # The id may have been used again since: then a later row will come to remove it.
            if row is not None and expires_at(row) <= self.now:
                self.tx.delete(target)
            self.tx.delete(key)

    # ---- receiving

    def settle(self) -> bool:
        if self.counters.waiting_from[0] > self.now:
            return True
        for seen, (key, row) in enumerate(self.tx.iterate(self._key("f"), after(self._key("f")))):
            _, due, number = unpack(key[len(self.queue.data_prefix) :])
            assert isinstance(due, int)
            if seen == SETTLE_MAX:
                self.counters.waiting_from = (due, 0)
                return False
            if due > self.now:
                break
            found = self._read(int(number))
            assert found is not None
            state, message = found
            group = decode(row, str)
            self._land(int(number), group, state)
            self.tx.put(self._key("m", int(number)), rewrite_row(state, message))
            self._release(group)
        coming = self.tx.range(self._key("f"), after(self._key("f")), 1)
        self.counters.waiting_from = (int(unpack(coming[0][0][len(self.queue.data_prefix) :])[1]), 0) if coming else END
        if self.queue.delay:
            # A group whose first message is still held back by the queue's delay.
            self.released = True
            later = self.tx.range(self._key("r", max(self.now - self.queue.delay + 1, 0)), after(self._key("r")), 1)
            for key, _ in later:
                self._wake_at(int(unpack(key[len(self.queue.data_prefix) :])[1]) + self.queue.delay)
        return True

    def receive(self, count: int, timeout: int, attempt: str) -> list[Delivered]:
        self.settle()
        attempt_key = self.queue.deduplication_prefix + pack(("a", attempt))
        if attempt and (again := self._receive_again(attempt_key, timeout)):
            return again
        delivered: list[Delivered] = []
        for group in self._groups():
            room = min(count - len(delivered), IN_FLIGHT_MAX - self.counters.in_flight)
            if room <= 0:
                break
            self._receive_group(group, room, timeout, delivered)
        if attempt and delivered:
            given = [(one.content.number, one.state.receives) for one in delivered]
            self._clean()
            self._remember(attempt_key, encode(Attempt(self.now + DEDUPLICATION_INTERVAL, given)))
        return delivered

    def _groups(self) -> list[str]:
        """The groups whose first message may be received, those that have waited longest first."""
        # A delay holds back what was sent after now - delay; numbers are the times of sending, give or take the odd nanosecond.
        latest = self.now - self.queue.delay + SECOND if self.queue.delay else NEVER
        rows = self.tx.range(self._key("r"), self._key("r", latest), _GROUPS_MAX)
        return [str(unpack(key[len(self.queue.data_prefix) :])[2]) for key, _ in rows]

    def _receive_group(self, group: str, room: int, timeout: int, delivered: list[Delivered]) -> None:
        self._unlist(group)
        prefix = self._key("g", group)
        most = len(delivered) + room
        budget = SETTLE_MAX  # Messages that are dropped on the way cost time, too.
        for key, _ in self.tx.iterate(*prefix_range(prefix), page=room):
            if len(delivered) == most or not budget:
                break
            budget -= 1
            number = int(unpack(key[len(prefix) :])[0])
            found = self._read(number)
            assert found is not None
            state, row = found
            if self.is_expired(state):
                self._remove(number, group, state)
                continue
            if not state.receives and state.sent_at + self.queue.delay > self.now:
                break
            content = self._content(number, state, row)
            if self.is_dead(state) and self.bury(content, state):
                self._remove(number, group, state)
                continue
            state.receive(self.now, self.now + timeout if timeout else 0)
            if timeout:
                self._launch(number, group, state)
            self.tx.put(self._key("m", number), rewrite_row(state, row))
            delivered.append(Delivered(content, state, self._handle(number, state)))
        self._list(group)

    def _handle(self, number: int, state: State) -> str:
        return make_handle(self.queue, Handle(state.sent_at, number, 0, state.receives))

    def _receive_again(self, attempt_key: bytes, timeout: int) -> list[Delivered]:
        """What this attempt was given before, if all of it is still as it was given; its visibility time-out begins anew."""
        row = self.tx.get(attempt_key)
        if row is None or (known := decode(row, Attempt)).until <= self.now:
            return []
        found: list[tuple[int, State, bytes]] = []
        for number, receives in known.given:
            one = self._read(number)
            if one is None or one[0].receives != receives or one[0].visible_at <= self.now or one[0].is_changed:
                return []
            found.append((number, *one))
        delivered = []
        for number, state, message in found:
            content = self._content(number, state, message)
            self._move(number, content.group or "", state, message, timeout)
            delivered.append(Delivered(content, state, self._handle(number, state)))
        return delivered

    def _move(self, number: int, group: str, state: State, row: bytes, timeout: int) -> None:
        """Let a message in flight come back after `timeout` from now."""
        self._land(number, group, state)
        if timeout:
            state.visible_at = self.now + timeout
            self._launch(number, group, state)
        self.tx.put(self._key("m", number), rewrite_row(state, row))
        self._release(group)

    # ---- afterwards

    def _in_flight(self, handle: Handle) -> tuple[State, bytes] | None:
        found = self._read(handle.number)
        if found is None or found[0].receives != handle.receives or found[0].visible_at <= self.now:
            return None
        return found

    def delete(self, handle: Handle) -> bool:
        if self.tx.get(self._key("m", handle.number)) is None:
            return True  # Deleted before, or purged.
        found = self._in_flight(handle)
        if found is None:
            return False
        state, row = found
        group = self._content(handle.number, state, row).group or ""
        self._remove(handle.number, group, state)
        self._release(group)
        return True

    def received_at(self, handle: Handle) -> int | None:
        found = self._in_flight(handle)
        return found[0].received_at if found is not None else None

    def change_visibility(self, handle: Handle, timeout: int) -> bool:
        found = self._in_flight(handle)
        if found is None:
            return False
        state, row = found
        state.mark_changed()
        self._move(handle.number, self._content(handle.number, state, row).group or "", state, row, timeout)
        return True

    def take(self, count: int, accept: Callable[[Content], bool]) -> bool:
        self.settle()
        taken = 0
        groups = self._groups()
        for group in groups:
            for number in self._numbers(group, count - taken):
                found = self._read(number)
                assert found is not None
                state, row = found
                if not state.receives and state.sent_at + self.queue.delay > self.now:
                    break
                if not self.is_expired(state) and not accept(self._content(number, state, row)):
                    return False
                self._unlist(group)
                self._remove(number, group, state)
                self._list(group)
                taken += 1
            if taken == count:
                return False
        return len(groups) < _GROUPS_MAX

    def remove_expired(self, count: int) -> int:
        removed = 0
        limit = max(self.now - self.queue.retention + SECOND, 0)
        for key, row in self.tx.range(self._key("m"), self._key("m", limit), count):
            state = State.decode(row)
            if not self.is_expired(state):
                break
            number = int(unpack(key[len(self.queue.data_prefix) :])[1])
            group = self._content(number, state, row).group or ""
            self._unlist(group)
            self._remove(number, group, state)
            self._release(group)
            removed += 1
        return removed

    def oldest_sent_at(self) -> int | None:
        rows = self.tx.range(self._key("m"), after(self._key("m")), 1)
        return State.decode(rows[0][1]).sent_at if rows else None

    def delayed(self) -> int:
        """A FIFO queue's delay holds for messages sent before it was changed, too, so they are counted when asked for."""
        if not self.queue.delay:
            return 0
        waiting = 0
        for _, row in self.tx.iterate(self._key("m", max(self.now - self.queue.delay, 0)), after(self._key("m"))):
            state = State.decode(row)
            waiting += not state.receives and state.sent_at + self.queue.delay > self.now
        return waiting
