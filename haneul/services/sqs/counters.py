"""What a queue knows about itself: how many messages are where, and where the next ones are.

One small row a queue, read and written by every transaction on it. It makes the numbers of GetQueueAttributes exact, keeps the in-flight
limit cheap, and its absence tells that the queue (or its generation) is gone.
"""

from __future__ import annotations

import struct
from typing import Final

_LAYOUT: Final = struct.Struct(">B9q")
_VERSION: Final = 1
NEVER: Final = (1 << 63) - 1


# A place in a queue's order: the time (nanoseconds) at which a message is visible, and its number. A plain tuple, for it is made often.
Position = tuple[int, int]
BEGINNING: Final[Position] = (0, 0)
END: Final[Position] = (NEVER, 0)


class Counters:
    """`total` messages, of which `in_flight` were received and `delayed` not, and are not visible yet.

    `waiting_from`: what is at this position or behind it waits for its time, what lies before it is visible. `ready_from`: nothing visible
    lies before it. `expiry_due`: when the timer that removes old messages goes off; 0 when none is set.
    """

    __slots__ = ("delayed", "expiry_due", "in_flight", "last_number", "ready_from", "total", "waiting_from")

    def __init__(self) -> None:
        self.last_number = 0
        self.total = 0
        self.in_flight = 0
        self.delayed = 0
        self.waiting_from = END
        self.ready_from = BEGINNING
        self.expiry_due = 0

    @classmethod
    def decode(cls, data: bytes) -> Counters:
        self = cls()
        version, self.last_number, self.total, self.in_flight, self.delayed, due, due_number, ready, ready_number, self.expiry_due = _LAYOUT.unpack(data)
        if version != _VERSION:
            raise ValueError(f"counters of version {version} cannot be read here")
        self.waiting_from = (due, due_number)
        self.ready_from = (ready, ready_number)
        return self

    def encode(self) -> bytes:
        return _LAYOUT.pack(_VERSION, self.last_number, self.total, self.in_flight, self.delayed, *self.waiting_from, *self.ready_from, self.expiry_due)

    def next_number(self, now: int) -> int:
        """The number of a new message: the time in nanoseconds, moved on where two would meet. Numbers only grow."""
        self.last_number = max(now, self.last_number + 1)
        return self.last_number

    @property
    def visible(self) -> int:
        return self.total - self.in_flight - self.delayed
