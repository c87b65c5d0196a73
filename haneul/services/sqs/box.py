"""One queue inside one transaction, and the transaction's session that opens queues.

`StandardBox` and `FifoBox` lay messages out differently; what they share is here: counters, the expiry timer, dead letters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.services.sqs.contents import Content
from haneul.services.sqs.counters import Counters
from haneul.services.sqs.messages import Delivered, Handle, State
from haneul.services.sqs.queues import Place, Queue
from haneul.store.port import Transaction

EXPIRE: Final = "sqs:expire"
IN_FLIGHT_MAX = 120_000
# How many messages one transaction moves on because their time has come: it bounds how long others wait.
SETTLE_MAX: Final = 1_000


class Session(Protocol):
    """A transaction over queues (`service.py`)."""

    cloud: Cloud
    tx: Transaction
    now: int

    def other(self, place: Place) -> Box | None:
        """Another queue in the same transaction, or None when there is none."""


class Box:
    """The shared part of both kinds of queue."""

    def __init__(self, session: Session, queue: Queue, counters: Counters) -> None:
        self.session = session
        self.tx = session.tx
        self.now = session.now
        self.vault = session.cloud.vault
        self.queue = queue
        self.counters = counters
        self.released = False  # Whether messages became visible, so that waiting receivers must be told.

    # ---- what each kind does in its own way

    def send(self, content: Content, delay: int) -> tuple[str, int]:
        """Add a message, visible after `delay` nanoseconds; returns its id and sequence number (FIFO). A duplicate gets those of its original."""
        raise NotImplementedError

    def put(self, content: Content, state: State) -> int:
        """Lay down a message that is visible at `state.visible_at` (standard queues); returns its number."""
        raise NotImplementedError

    def receive(self, count: int, timeout: int, attempt: str) -> list[Delivered]:
        """Hand out up to `count` messages and hide them for `timeout` nanoseconds."""
        raise NotImplementedError

    def delete(self, handle: Handle) -> bool:
        """Remove the message if the handle is its newest; False when the handle has expired (FIFO only)."""
        raise NotImplementedError

    def received_at(self, handle: Handle) -> int | None:
        """When the message of a handle was received; None when the handle is not its newest (or, in a FIFO queue, has expired)."""
        raise NotImplementedError

    def change_visibility(self, handle: Handle, timeout: int) -> bool:
        """Hide a received message for another `timeout` from now; False when the handle is not its newest."""
        raise NotImplementedError

    def take(self, count: int, accept: Callable[[Content], bool]) -> bool:
        """Offer up to `count` visible messages to `accept` and remove those that it accepts; stops at the first it does not. True when none were left."""
        raise NotImplementedError

    def settle(self) -> bool:
        """Count as visible what has become visible by now (at most SETTLE_MAX messages); True when that is all of it."""
        raise NotImplementedError

    def remove_expired(self, count: int) -> int:
        """Remove up to `count` messages older than the retention period; returns how many were."""
        raise NotImplementedError

    def oldest_sent_at(self) -> int | None:
        """When the oldest message was sent."""
        raise NotImplementedError

    def delayed(self) -> int:
        """How many messages have not been visible yet."""
        return self.counters.delayed

    # ---- what they share

    def is_expired(self, state: State) -> bool:
        return state.sent_at + self.queue.retention <= self.now

    def arm_expiry(self, sent_at: int) -> None:
        """Make sure that a timer removes a message sent at `sent_at` when its retention ends.

        One timer a queue: it goes off when the oldest message is due and is then set for the next, so it costs what it removes.
        """
        # In whole seconds, so that the messages of one second do not set it again and again.
        due = -(-max(sent_at + self.queue.retention, self.now + 1) // SECOND) * SECOND
        if self.counters.expiry_due and self.counters.expiry_due <= due:
            return
        self.counters.expiry_due = due
        self.session.cloud.outbox.put(self.tx, EXPIRE, {**self.queue.place._asdict(), "id": self.queue.id}, due=due, key=self.queue.id)

    def expire(self, count: int) -> bool:
        """Remove up to `count` expired messages and set the timer for the rest; True when none are left for now."""
        removed = self.remove_expired(count)
        self.counters.expiry_due = 0
        if removed == count:
            return False
        oldest = self.oldest_sent_at()
        if oldest is not None:
            self.arm_expiry(oldest)
        return True

    def is_dead(self, state: State) -> bool:
        """Whether a message has been received in vain as often as the redrive policy allows."""
        redrive = self.queue.redrive
        return redrive is not None and state.receives >= redrive.receives_max

    def bury(self, content: Content, state: State) -> bool:
        """Put a message into the dead-letter queue; False when there is none, so that it stays where it is.

        In a standard queue it keeps the time it was sent at, in a FIFO queue it counts as new (SQS Developer Guide, "Using dead-letter queues").
        """
        redrive = self.queue.redrive
        grave = self.session.other(redrive.target) if redrive is not None else None
        if grave is None or grave.queue.fifo != self.queue.fifo or grave is self:
            return False
        content.source = self.queue.arn
        sent_at = self.now if self.queue.fifo else state.sent_at
        received = state.receives_before + state.receives
        grave.put(content, State(sent_at, 0 if self.queue.fifo else self.now, received, state.first_received_at))
        return True
